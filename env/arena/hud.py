"""The two HUDs, in a plane of 16 x 9 over the picture. Sizes are chosen to survive the model's small frames.

What is where, and in which colour, `combatvla/profiles` repeats for those who read the HUD from the picture.
"""

from __future__ import annotations

from panda3d.core import Camera, NodePath, OmniBoundingVolume, OrthographicLens

from env.arena.shapes.canvas import Canvas
from env.arena.shapes.mesh import Color
from env.arena.shapes.strokes import strokes, write
from env.arena.state import RESULTS, TICK_HZ, WIN
from env.tasks import Task

BACK: Color = (0.04, 0.04, 0.05)
FRAME: Color = (0.55, 0.50, 0.42)
LETTERS: Color = (1.0, 0.96, 0.88)
BANNERS = {"win": ("VICTORY", (1.0, 0.84, 0.36)), "loss": ("DEFEATED", (0.92, 0.16, 0.12)),
           "timeout": ("TIME IS UP", (0.80, 0.82, 0.86))}  # fmt: skip
MARGIN = 0.06
TITLE_TICKS = 300


class _Bar:
    """A card whose width follows a share, from its left end or from its middle."""

    def __init__(self, hud: Hud, x: float, y: float, w: float, h: float, color: Color, middle: bool = False) -> None:
        hud.back.rectangle(x - MARGIN, y - MARGIN, w + 2 * MARGIN, h + 2 * MARGIN, BACK)
        canvas = Canvas()
        canvas.rectangle(-0.5 if middle else 0, 0, 1, 1, color)
        self.node = hud.put(canvas.node("bar"), 2)
        self.node.set_pos(x + w / 2 if middle else x, 0, y)
        self.width, self.height, self._share = w, h, -1.0

    def show(self, share: float) -> None:
        if share != self._share:
            self._share = share
            self.node.set_scale(max(1e-3, self.width * min(1.0, share)), 1, self.height)


class Hud:
    """`root` and `camera` of the HUD; `update(view)` shows a moment."""

    def __init__(self, task: Task) -> None:
        self.task, self.blade = task, task.rules == "blade"
        self.root = NodePath("hud")
        self.root.set_depth_test(False)
        self.root.set_depth_write(False)
        self.root.node().set_bounds(OmniBoundingVolume())  # all of it is always in view
        self.root.node().set_final(True)
        lens = OrthographicLens()
        lens.set_film_size(16, 9)
        lens.set_near_far(-10, 10)
        self.camera = self.root.attach_new_node(Camera("hud camera", lens))
        self.back = Canvas()
        """All that never changes: one Geom."""
        if self.blade:
            self._build_blade()
        else:
            self._build_staff()
        self.put(self.back.node("back"), 1)
        self.banners = {result: self._banner(*words) for result, words in BANNERS.items()}
        self._shown = 0
        self._lit: dict[str, int] = {}
        self._titled = True

    def put(self, node: NodePath, order: int) -> NodePath:
        node.set_bin("fixed", order)
        node.reparent_to(self.root)
        return node

    # -- building --------------------------------------------------------------------------------------------

    def _title(self, x: float, y: float, size: float, align: float) -> None:
        """The boss's name on a dark plate with pointed ends, shown as the fight begins."""
        width = strokes(self.task.title)[1] * size / 6
        left, low, high, point = x - width * align, y - 0.09, y + size + 0.09, (size + 0.18) / 2
        right, middle = left + width, y + size / 2
        plate = [(left - 0.1, low), (right + 0.1, low), (right + 0.1 + point, middle)]
        plate += [(right + 0.1, high), (left - 0.1, high), (left - 0.1 - point, middle)]
        canvas = Canvas()
        canvas.polygon([(px, 0, py) for px, py in plate], BACK)
        write(canvas, self.task.title, x, y, size, LETTERS, align=align)
        self.title = self.put(canvas.node("title"), 1)

    def _build_staff(self) -> None:
        self.boss_health = _Bar(self, -4.8, 3.98, 9.6, 0.30, (0.85, 0.16, 0.12))
        self.health = _Bar(self, -7.6, -3.72, 5.2, 0.36, (0.88, 0.20, 0.20))
        self.stamina = _Bar(self, -7.6, -4.20, 4.2, 0.26, (0.95, 0.82, 0.25))
        for x in (-4.86, 4.86):  # the boss's bar ends in points
            side = 0.22 if x > 0 else -0.22
            ends = [(x, 0, 3.92), (x + side, 0, 4.13), (x, 0, 4.34)]
            self.back.polygon(ends if x > 0 else ends[::-1], FRAME)
        self._title(0, 3.60, 0.19, 0.5)
        self.pips = self._pips(-2.05, -3.80, 0.62, [(0, 0), (0.46, 0), (0.46, 0.52), (0, 0.52)], (0.25, 0.90, 0.35))
        self.back.rectangle(6.46, -4.22, 1.08, 1.08, BACK)
        self.skill = []
        for color in ((0.35, 0.37, 0.45), (0.35, 0.75, 1.0)):
            canvas = Canvas()
            canvas.rectangle(0, 0, 0.92, 0.92, color)
            if color[2] == 1.0:  # ready: a snow crystal
                for points in ([(0.42, 0.12), (0.50, 0.12), (0.50, 0.80), (0.42, 0.80)],
                               [(0.12, 0.27), (0.17, 0.20), (0.80, 0.65), (0.75, 0.72)],
                               [(0.75, 0.20), (0.80, 0.27), (0.17, 0.72), (0.12, 0.65)]):  # fmt: skip
                    canvas.polygon([(x, 0, y) for x, y in points], (0.92, 0.98, 1.0))
            node = self.put(canvas.node("skill"), 3)
            node.set_pos(6.54, 0, -4.14)
            self.skill.append(node)
        self._ready = -1.0

    def _build_blade(self) -> None:
        self.boss_health = _Bar(self, -7.6, 4.0, 5.6, 0.22, (0.80, 0.12, 0.16))
        self.boss_posture = _Bar(self, -4.0, 3.55, 8.0, 0.20, (0.98, 0.62, 0.10), middle=True)
        self.health = _Bar(self, -7.6, -4.1, 4.6, 0.30, (0.75, 0.15, 0.18))
        self.posture = _Bar(self, -2.6, -3.55, 5.2, 0.18, (0.98, 0.70, 0.15), middle=True)
        self._title(-7.6, 3.66, 0.17, 0.0)
        gourd = [(0.10, 0), (0.34, 0), (0.44, 0.16), (0.30, 0.34), (0.30, 0.5), (0.14, 0.5), (0.14, 0.34), (0.0, 0.16)]
        self.pips = self._pips(-2.75, -4.18, 0.56, gourd, (0.62, 0.86, 0.30))
        dot = [(0.13, 0), (0.26, 0.13), (0.13, 0.26), (0, 0.13)]
        count = len(self.task.boss.phases)
        self.dots = self._pips(-1.8, 3.98, 0.36, dot, (1.0, 0.25, 0.15), count)

    def _pips(self, x: float, y: float, step: float, shape, color: Color, count: int | None = None) -> list[NodePath]:
        """One node for each number of lit pips."""
        most = self.task.player.heals if count is None else count
        nodes = []
        for lit in range(most + 1 if most else 0):
            canvas = Canvas()
            for k in range(most):
                tone = color if k < lit else tuple(c * t for c, t in zip(color, (0.25, 0.22, 0.30), strict=True))
                around = [(x + step * k + px, 0, y + py) for px, py in shape]
                middle = [sum(p[i] for p in around) / len(around) for i in range(3)]
                canvas.polygon([[m + (p - m) * 1.3 for p, m in zip(q, middle, strict=True)] for q in around], BACK)
                canvas.polygon(around, tone)
            nodes.append(self.put(canvas.node("pips"), 3))
            nodes[-1].hide()
        return nodes

    def _banner(self, text: str, color: Color) -> NodePath:
        canvas = Canvas()
        for low, high, tone in ((-0.62, 1.92, BACK), (-0.70, -0.62, color), (1.92, 2.0, color)):
            canvas.rectangle(-8, low, 16, high - low, tone)
        write(canvas, text, 0, 0, 1.3, color, weight=1.0)
        node = self.put(canvas.node("banner"), 5)
        node.hide()
        return node

    # -- a moment --------------------------------------------------------------------------------------------

    def update(self, view) -> None:
        p, b, task = view.player, view.boss, self.task
        self.boss_health.show(b.health / task.boss.health)
        self.health.show(p.health / task.player.health)
        if self.blade:
            self.boss_posture.show(b.posture / task.boss.posture)
            self.posture.show(p.posture / task.player.posture)
            self._light("lives", self.dots, len(task.boss.phases) - b.phase if view.result != WIN else 0)
        else:
            self.stamina.show(max(0.0, p.stamina) / task.player.stamina)
            self._cooldown(1 - p.cooldown / max(1.0, task.player.skill_cooldown * TICK_HZ))
        self._light("heals", self.pips, p.heals)
        titled = view.tick < TITLE_TICKS
        if titled != self._titled:
            self._titled = titled
            self.title.show() if titled else self.title.hide()
        if view.result != self._shown:
            self._shown = view.result
            for result, banner in self.banners.items():
                banner.show() if RESULTS[view.result] == result else banner.hide()

    def _light(self, name: str, pips: list[NodePath], lit: int) -> None:
        before = self._lit.get(name)
        if lit != before and pips:
            if before is not None:
                pips[before].hide()
            pips[lit].show()
            self._lit[name] = lit

    def _cooldown(self, ready: float) -> None:
        if ready == self._ready:
            return
        self._ready = ready
        waiting, lit = self.skill
        if ready >= 1:
            waiting.hide()
            lit.show()
        else:
            lit.hide()
            waiting.show()
            waiting.set_scale(1, 1, max(1e-3, ready))
