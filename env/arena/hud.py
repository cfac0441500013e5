"""The two HUDs, in a plane of 16 x 9 over the picture. Sizes are chosen to survive the model's small frames.

What is where, and in which colour, `combatvla/profiles` repeats for those who read the HUD from the picture.
"""

from __future__ import annotations

from typing import NamedTuple

from panda3d.core import Camera, NodePath, OmniBoundingVolume, OrthographicLens

from env.arena.shapes.canvas import Canvas
from env.arena.shapes.mesh import Color
from env.arena.shapes.skin import Bone, Skin
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


class _Bar(NamedTuple):
    """A card whose width follows a share, from its left end or from its middle."""

    bone: int
    width: float


class _Pips(NamedTuple):
    """Small marks of which the first so many are lit."""

    bones: list[int]
    color: Color


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
        """All that never changes."""
        self._bones = [Bone("back", -1)]
        self._places: list[tuple[float, float, float]] = [(1.0, 0.0, 0.0)]
        """Of each bone its height, and where it lies, x and y."""
        if self.blade:
            self._build_blade()
        else:
            self._build_staff()
        self._bones[0] = Bone("back", -1, self.back.mesh())
        self.skin = Skin(self._bones)
        """Bars, pips and the skill are one Geom: to the renderer six cost almost six times as much."""
        for frame, (height, x, y) in zip(self.skin.frames, self._places, strict=True):
            frame[2, 2], frame[3, 0], frame[3, 2] = height, x, y
        self.put(self.skin.node, 1)
        self.banners = {result: self._banner(*words) for result, words in BANNERS.items()}
        self._shown = 0
        self._now: dict[int, float] = {}
        """Of each bone the share or number that it shows."""
        self._titled = True

    def put(self, node: NodePath, order: int) -> NodePath:
        node.set_bin("fixed", order)
        node.reparent_to(self.root)
        return node

    def _bone(self, canvas: Canvas, x: float, y: float, height: float = 1.0) -> int:
        self._bones.append(Bone(f"bone {len(self._bones)}", -1, canvas.mesh()))
        self._places.append((height, x, y))
        return len(self._bones) - 1

    # -- building --------------------------------------------------------------------------------------------

    def _bar(self, x: float, y: float, w: float, h: float, color: Color, middle: bool = False) -> _Bar:
        self.back.rectangle(x - MARGIN, y - MARGIN, w + 2 * MARGIN, h + 2 * MARGIN, BACK)
        canvas = Canvas()
        canvas.rectangle(-0.5 if middle else 0, 0, 1, 1, color)
        return _Bar(self._bone(canvas, x + w / 2 if middle else x, y, h), w)

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
        self.title = self.put(canvas.node("title"), 2)

    def _build_staff(self) -> None:
        self.boss_health = self._bar(-4.8, 3.98, 9.6, 0.30, (0.85, 0.16, 0.12))
        self.health = self._bar(-7.6, -3.72, 5.2, 0.36, (0.88, 0.20, 0.20))
        self.stamina = self._bar(-7.6, -4.20, 4.2, 0.26, (0.95, 0.82, 0.25))
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
            self.skill.append(self._bone(canvas, 6.54, -4.14))

    def _build_blade(self) -> None:
        self.boss_health = self._bar(-7.6, 4.0, 5.6, 0.22, (0.80, 0.12, 0.16))
        self.boss_posture = self._bar(-4.0, 3.55, 8.0, 0.20, (0.98, 0.62, 0.10), middle=True)
        self.health = self._bar(-7.6, -4.1, 4.6, 0.30, (0.75, 0.15, 0.18))
        self.posture = self._bar(-2.6, -3.55, 5.2, 0.18, (0.98, 0.70, 0.15), middle=True)
        self._title(-7.6, 3.66, 0.17, 0.0)
        gourd = [(0.10, 0), (0.34, 0), (0.44, 0.16), (0.30, 0.34), (0.30, 0.5), (0.14, 0.5), (0.14, 0.34), (0.0, 0.16)]
        self.pips = self._pips(-2.75, -4.18, 0.56, gourd, (0.62, 0.86, 0.30))
        dot = [(0.13, 0), (0.26, 0.13), (0.13, 0.26), (0, 0.13)]
        count = len(self.task.boss.phases)
        self.dots = self._pips(-1.8, 3.98, 0.36, dot, (1.0, 0.25, 0.15), count)

    def _pips(self, x: float, y: float, step: float, shape, color: Color, count: int | None = None) -> _Pips:
        """A row of them, the first ones lit."""
        bones, most = [], self.task.player.heals if count is None else count
        for k in range(most):
            around = [(step * k + px, 0, py) for px, py in shape]
            middle = [sum(p[i] for p in around) / len(around) for i in range(3)]
            self.back.polygon([(x + m0 + (px - m0) * 1.3, 0, y + m1 + (py - m1) * 1.3)
                               for (m0, _, m1), (px, _, py) in ((middle, p) for p in around)], BACK)  # fmt: skip
            canvas = Canvas()
            canvas.polygon(around, color)
            bones.append(self._bone(canvas, x, y))
        return _Pips(bones, color)

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
        changed = self._fill(self.boss_health, b.health / task.boss.health)
        changed |= self._fill(self.health, p.health / task.player.health)
        if self.blade:
            changed |= self._fill(self.boss_posture, b.posture / task.boss.posture)
            changed |= self._fill(self.posture, p.posture / task.player.posture)
            changed |= self._light(self.dots, len(task.boss.phases) - b.phase if view.result != WIN else 0)
        else:
            changed |= self._fill(self.stamina, max(0.0, p.stamina) / task.player.stamina)
            changed |= self._cool(1 - p.cooldown / max(1.0, task.player.skill_cooldown * TICK_HZ))
        changed |= self._light(self.pips, p.heals)
        if changed:
            self.skin.draw()
        titled = view.tick < TITLE_TICKS
        if titled != self._titled:
            self._titled = titled
            self.title.show() if titled else self.title.hide()
        if view.result != self._shown:
            self._shown = view.result
            for result, banner in self.banners.items():
                banner.show() if RESULTS[view.result] == result else banner.hide()

    def _changes(self, bone: int, value: float) -> bool:
        """Whether it is another one than the bone shows; it is what it shows from now on."""
        changed = self._now.get(bone) != value
        self._now[bone] = value
        return changed

    def _fill(self, bar: _Bar, share: float) -> bool:
        changed = self._changes(bar.bone, share)
        if changed:
            self.skin.frames[bar.bone, 0, 0] = max(1e-3, bar.width * min(1.0, share))
        return changed

    def _light(self, pips: _Pips, lit: int) -> bool:
        changed = bool(pips.bones) and self._changes(pips.bones[0], lit)
        for k, bone in enumerate(pips.bones if changed else ()):
            tone = pips.color if k < lit else tuple(c * t for c, t in zip(pips.color, (0.25, 0.22, 0.30), strict=True))
            self.skin.paint(bone, tone)
        return changed

    def _cool(self, ready: float) -> bool:
        waiting, lit = self.skill
        changed = self._changes(waiting, ready)
        if changed:
            for bone, size in ((waiting, 0.0 if ready >= 1 else max(1e-3, ready)), (lit, float(ready >= 1))):
                self.skin.frames[bone, 0, 0], self.skin.frames[bone, 2, 2] = float(size > 0), size
        return changed
