"""The Arena's picture of a `Fight`: a scene graph, and one function that poses it.

The picture is a pure function of the fight's state. Telegraphs are large on purpose: each move has a pose, a colour
and a mark on the ground that fills until the blow lands, and the weapon flares white `GLINT_MS` before it does.
"""

from __future__ import annotations

import math
import random

from panda3d.core import Camera, NodePath, OrthographicLens, PerspectiveLens, TextNode, TransparencyAttrib

from env.arena import bodies
from env.arena.mesh import Color, ball, box, flat, lathe, rectangle, sector
from env.arena.rules import LEAP_OFF, TICK_HZ, Fight

GLINT_MS = 285
"""The weapon flares this long before a blow lands: a dodge that begins within the flare is in time."""

MOVE_COLORS: dict[str, Color] = {
    "slam": (1.0, 0.62, 0.08),
    "sweep": (1.0, 0.16, 0.12),
    "thrust": (0.10, 0.85, 1.0),
    "leap": (0.80, 0.30, 1.0),
}
PALETTES: list[dict[str, Color]] = [
    {
        "high": (0.16, 0.22, 0.38),
        "low": (0.78, 0.56, 0.42),
        "floor": (0.46, 0.42, 0.38),
        "tile": (0.40, 0.365, 0.33),
        "land": (0.30, 0.30, 0.28),
    },
    {
        "high": (0.20, 0.30, 0.42),
        "low": (0.66, 0.70, 0.70),
        "floor": (0.42, 0.44, 0.42),
        "tile": (0.365, 0.385, 0.37),
        "land": (0.27, 0.32, 0.27),
    },
    {
        "high": (0.10, 0.10, 0.22),
        "low": (0.48, 0.34, 0.46),
        "floor": (0.38, 0.37, 0.43),
        "tile": (0.335, 0.325, 0.38),
        "land": (0.22, 0.21, 0.27),
    },
]
ASPECT = 16 / 9


class Scene:
    """Builds the picture once for a fight's look and poses it for every state: `update(fight)`.

    `camera` and `hud_camera` are to be drawn in this order into the same target.
    """

    def __init__(self, fight: Fight) -> None:
        self.task = fight.task
        rng = random.Random(fight.look_seed)
        self.root = NodePath("world")
        self.light = rng.uniform(0.86, 1.06)
        self.palette = rng.choice(PALETTES)
        self.boss_tint = tuple(rng.uniform(0.9, 1.1) for _ in range(3))
        self._build_place(rng)
        self._build_figures()
        self._build_marks()
        self._build_hud()
        lens = PerspectiveLens()
        lens.set_aspect_ratio(ASPECT)
        lens.set_min_fov(50)
        lens.set_near_far(0.5, 150)
        self.camera = self.root.attach_new_node(Camera("camera", lens))

    # -- building --------------------------------------------------------------------------------------------

    def _build_place(self, rng: random.Random) -> None:
        colors, radius = self.palette, self.task.arena_radius
        self.sky = self.root.attach_new_node("sky")
        low, high = colors["low"], colors["high"]
        for i in range(10):  # bands of the gradient
            s = i / 9
            tone = tuple(a + (b - a) * s for a, b in zip(low, high, strict=True))
            z0, z1 = -2 + 4.2 * i, -2 + 4.2 * (i + 1)
            ring = [
                [60 * math.cos(a), 60 * math.sin(a), z]
                for z in (z0, z1)
                for a in [k * math.tau / 16 for k in range(16)]
            ]
            faces = []
            for k in range(16):
                a, b = k, (k + 1) % 16
                faces += [(a, b + 16, b), (a, a + 16, b + 16)]
            flat(ring, faces, tone).reparent_to(self.sky)
        for _ in range(9):  # hills on the horizon
            a, size = rng.uniform(0, math.tau), rng.uniform(7, 15)
            tone = tuple(c * rng.uniform(0.62, 0.8) for c in colors["low"])
            hill = lathe([(size, -1), (size * 0.55, size * 0.22), (0.01, size * rng.uniform(0.35, 0.6))], tone, 6)
            hill.set_pos(46 * math.cos(a), 46 * math.sin(a), -1)
            hill.reparent_to(self.sky)
        layer = 0

        def ground(node: NodePath, turn: float = 0.0) -> None:
            # Painted in order and without depth, since all of it lies in one plane.
            nonlocal layer
            node.set_h(turn)
            node.set_bin("background", layer)
            node.set_depth_write(False)
            node.set_depth_test(False)
            node.reparent_to(self.root)
            layer += 1

        self.sky.set_bin("background", -1)
        self.sky.set_depth_write(False)
        self.sky.set_depth_test(False)
        ground(sector(58, 360, colors["land"], pieces=24))
        ground(sector(radius + 0.9, 360, tuple(c * 0.7 for c in colors["floor"]), pieces=36))
        ground(sector(radius + 0.5, 360, colors["floor"], pieces=36))
        start = rng.uniform(0, 30)
        for k in range(12):  # tiles: two rings of alternating stones
            ground(sector(radius + 0.5, 15, colors["tile"], inner=radius * 0.62, pieces=3), start + k * 30)
            ground(sector(radius * 0.62, 15, colors["tile"], inner=radius * 0.25, pieces=3), start + 15 + k * 30)
        pillars = rng.choice((6, 7, 8, 9))
        for k in range(pillars):
            a = start + k * math.tau / pillars
            tall = rng.uniform(1.2, 4.6)
            pillar = lathe(
                [(0.75, 0), (0.6, 0.3), (0.52, tall), (0.7, tall + 0.25), (0.01, tall + 0.26)],
                tuple(c * 1.15 for c in colors["floor"]),
                7,
            )
            pillar.set_pos(math.cos(a) * (radius + 1.9), math.sin(a) * (radius + 1.9), 0)
            pillar.reparent_to(self.root)

    def _build_figures(self) -> None:
        stone, moss, dark = (0.50, 0.47, 0.44), (0.40, 0.42, 0.40), (0.30, 0.28, 0.28)
        self.boss = bodies.Figure(
            3.3, stone, moss, dark, bodies.hammer((0.55, 0.53, 0.50), (0.33, 0.22, 0.14)), stout=1.45
        )
        for x in (-0.08, 0.08):
            box(0.07, 0.05, 0.05, (1.0, 0.75, 0.2), at=(x, 0.20, 0.08)).reparent_to(self.boss.head)
        for x in (-0.2, 0.2):
            lathe([(0.07, 0), (0.01, 0.28)], (0.75, 0.72, 0.66), 5, at=(x, 0, 0.14)).reparent_to(self.boss.head)
        self.boss_head = self.boss.weapon.find("**/head")
        self.player = bodies.Figure(
            1.8,
            (0.85, 0.66, 0.50),
            (0.75, 0.16, 0.14),
            (0.20, 0.20, 0.30),
            bodies.staff((0.95, 0.78, 0.25), (0.40, 0.25, 0.15)),
            stout=1.0,
        )
        cape = box(0.44, 0.05, 0.80, (0.85, 0.20, 0.16), at=(0, -0.19, 0.18), taper=0.8)
        cape.reparent_to(self.player.torso)
        for figure in (self.boss, self.player):
            figure.root.reparent_to(self.root)
        self.shadows = []
        for size in (1.25, 0.5):
            shadow = sector(size, 360, (0, 0, 0), alpha=0.35, pieces=14)
            self._lay(shadow, 200)
            self.shadows.append(shadow)

    def _lay(self, node: NodePath, order: int) -> None:
        """A see-through mark on the ground: over the floor, under the figures."""
        node.set_transparency(TransparencyAttrib.M_alpha)
        node.set_bin("background", order)
        node.set_depth_write(False)
        node.set_depth_test(False)
        node.reparent_to(self.root)

    def _build_marks(self) -> None:
        """Per move an outline of where it hits and a filling that grows to it."""
        self.marks: dict[str, tuple[NodePath, NodePath, bool]] = {}
        for name, move in self.task.boss.moves.items():
            color = MOVE_COLORS.get(name, (1.0, 1.0, 0.2))
            strip = move.step > 2
            if strip:
                length, width = move.reach + move.step, 1.7
                area, fill = rectangle(width, length, color, 0.38), rectangle(width, length, color, 0.75)
            else:
                area = sector(move.reach, move.arc_deg, color, alpha=0.38)
                fill = sector(move.reach, move.arc_deg, color, alpha=0.75)
            for node, order in ((area, 201), (fill, 202)):
                self._lay(node, order)
            self.marks[name] = (area, fill, strip)
        self.arcs = {}
        for name, radius, color in (("light", 2.6, (1.0, 0.97, 0.75)), ("heavy", 2.9, (1.0, 0.80, 0.35))):
            arc = sector(radius, 130 if name == "light" else 70, color, inner=radius * 0.6, alpha=0.8, pieces=12)
            arc.set_transparency(TransparencyAttrib.M_alpha)
            arc.set_two_sided(True)
            arc.set_depth_write(False)
            arc.reparent_to(self.root)
            self.arcs[name] = arc
        self.glow = ball(0.62, (1, 1, 1), sides=8, rings=5)
        self.glow.set_transparency(TransparencyAttrib.M_alpha)
        self.glow.set_depth_write(False)
        self.glow.reparent_to(self.root)
        # The flare: a four-pointed star that faces the camera.
        tips = [
            (math.cos(k * math.pi / 4) * r, 0, math.sin(k * math.pi / 4) * r)
            for k in range(8)
            for r in [1.0 if k % 2 == 0 else 0.22]
        ]
        self.star = flat([(0, 0, 0), *tips], [(0, 1 + (k + 1) % 8, 1 + k) for k in range(8)], (1, 1, 0.92))
        self.star.set_billboard_point_eye()
        self.star.set_two_sided(True)
        self.star.set_depth_test(False)
        self.star.set_bin("fixed", 0)
        self.star.reparent_to(self.root)

    def _build_hud(self) -> None:
        """Bars in a 16 x 9 plane. Sizes are chosen to survive the model's small frames."""
        self.hud = NodePath("hud")
        self.hud.set_depth_test(False)
        self.hud.set_depth_write(False)
        lens = OrthographicLens()
        lens.set_film_size(16, 9)
        lens.set_near_far(-10, 10)
        self.hud_camera = self.hud.attach_new_node(Camera("hud camera", lens))
        self._order = 0
        self.boss_bar = self._bar(-4.8, 3.98, 9.6, 0.30, (0.85, 0.16, 0.12))
        self.health_bar = self._bar(-7.6, -3.72, 5.2, 0.36, (0.88, 0.20, 0.20))
        self.stamina_bar = self._bar(-7.6, -4.20, 4.2, 0.26, (0.95, 0.82, 0.25))
        self.pips = [
            self._card(-2.05 + 0.62 * k, -3.80, 0.46, 0.52, (0.25, 0.90, 0.35)) for k in range(self.task.player.heals)
        ]
        self._card(6.46, -4.22, 1.08, 1.08, (0.05, 0.05, 0.07))
        self.skill_fill = self._card(6.54, -4.14, 0.92, 0.92, (1, 1, 1))
        self._text(self.task.title, 0, 3.62, 0.30)
        self.banner = self._text("", 0, 0.3, 1.3)

    def _card(self, x: float, y: float, w: float, h: float, color: Color) -> NodePath:
        """A rectangle whose origin is its lower left corner, so that scaling x fills a bar."""
        card = flat([(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)], [(0, 1, 2), (0, 2, 3)], color)
        card.set_pos(x, 0, y)
        card.set_scale(w, 1, h)
        card.set_bin("fixed", self._order)
        self._order += 1
        card.reparent_to(self.hud)
        return card

    def _bar(self, x: float, y: float, w: float, h: float, color: Color) -> tuple[NodePath, float]:
        self._card(x - 0.06, y - 0.06, w + 0.12, h + 0.12, (0.04, 0.04, 0.05))
        return self._card(x, y, w, h, color), w

    def _text(self, text: str, x: float, y: float, size: float) -> NodePath:
        node = TextNode("text")
        node.set_text(text)
        node.set_align(TextNode.A_center)
        node.set_text_color(1, 0.96, 0.88, 1)
        node.set_shadow(0.06, 0.06)
        node.set_shadow_color(0, 0, 0, 1)
        path = self.hud.attach_new_node(node)
        path.set_scale(size)
        path.set_pos(x, 0, y)
        path.set_bin("fixed", 1000)
        return path

    # -- posing ----------------------------------------------------------------------------------------------

    def update(self, fight: Fight) -> None:
        """Poses everything for the fight's present state."""
        self._pose_camera(fight)
        self._pose_boss(fight)
        self._pose_player(fight)
        self._pose_hud(fight)
        dim = self.light * (0.82 if fight.boss.phase else 1.0)
        red = 1.08 if fight.boss.phase else 1.0
        self.root.set_color_scale(min(1.2, dim * red), dim, dim, 1)

    def _pose_camera(self, fight: Fight) -> None:
        p, b = fight.player, fight.boss
        d = max(fight.distance, 0.1)
        fx, fy = (b.x - p.x) / d, (b.y - p.y) / d
        cx, cy = p.x - fx * 4.5 + fy * 1.7, p.y - fy * 4.5 - fx * 1.7
        ahead = min(d * 0.55, 3.2)
        self.camera.set_pos(cx, cy, 2.75)
        self.camera.look_at(p.x + fx * ahead + fy * 0.75, p.y + fy * ahead - fx * 0.75, 1.30)
        self.sky.set_pos(cx, cy, 0)

    def _pose_boss(self, fight: Fight) -> None:
        b = fight.boss
        progress = fight.boss_progress()
        move = self.task.boss.moves.get(b.move)
        leap = move is not None and move.leap
        pose = bodies.boss_pose(b.move, b.stage, progress, b.walk, LEAP_OFF if leap else None)
        self.boss.apply(pose)
        heading = math.degrees(b.facing) - 90
        self.boss.root.set_pos_hpr(b.x, b.y, 0, heading, 0, 0)
        self.shadows[0].set_pos(b.x, b.y, 0)
        tint = list(self.boss_tint)
        if b.frozen:
            tint = [0.45, 0.85, 1.6]
        elif b.flash:
            tint = [1.9, 1.7, 1.5]
        elif fight.boss.phase:
            tint[0] *= 1.25
            tint[2] *= 0.8
        self.boss.root.set_color_scale(*tint, 1)
        telegraph = b.stage in ("windup", "strike") and not b.frozen
        for name, (area, fill, strip) in self.marks.items():
            if not telegraph or name != b.move:
                area.hide()
                fill.hide()
                continue
            share = max(0.02, progress) if b.stage == "windup" else 1.0
            x, y = b.x, b.y
            if leap and b.stage == "windup":  # where it will land: at the fighter's feet, until it is in the air
                x, y = (b.target_x, b.target_y) if progress >= LEAP_OFF else (fight.player.x, fight.player.y)
            for node in (area, fill):
                node.show()
                node.set_pos_hpr(x, y, 0, heading, 0, 0)
            fill.set_scale(1 if strip else share, share, 1)
            # The struck moment itself is white: too late to begin anything.
            fill.set_color_scale(*((2, 2, 2) if b.stage == "strike" else (1, 1, 1)), 1)
        left_ms = (b.total - b.t) * 1000 / TICK_HZ
        flare = telegraph and (b.stage == "strike" or left_ms <= GLINT_MS)
        if telegraph:
            glow = MOVE_COLORS.get(b.move, (1, 1, 1))
            self.boss_head.set_color_scale_off()
            self.boss_head.set_color_scale(*((4, 4, 4) if flare else [c * (1.0 + progress) + 0.25 for c in glow]), 1)
        else:
            self.boss_head.clear_color_scale()
        if flare:
            where = self.boss_head.get_pos(self.root) + self.root.get_relative_vector(self.boss_head, (0, 1.25, 0))
            self.star.show()
            self.star.set_pos(where)
            self.star.set_scale(1.25 if b.stage == "windup" else 0.7)
        else:
            self.star.hide()

    def _pose_player(self, fight: Fight) -> None:
        p, b = fight.player, fight.boss
        progress = fight.player_progress()
        self.player.apply(bodies.player_pose(p.state, progress, p.walk, p.swings))
        heading = math.degrees(math.atan2(b.y - p.y, b.x - p.x)) - 90
        self.player.root.set_pos_hpr(p.x, p.y, 0, heading, 0, 0)
        self.shadows[1].set_pos(p.x, p.y, 0)
        tint = {
            "dodge": (1.5, 1.6, 1.9),
            "hurt": (2.0, 0.5, 0.5),
            "heal": (0.7, 1.5, 0.8),
            "skill": (0.7, 1.1, 1.9),
        }.get(p.state, (1, 1, 1))
        self.player.root.set_color_scale(*tint, 1)
        for name, arc in self.arcs.items():
            low, high = (0.30, 0.62) if name == "light" else (0.50, 0.72)
            if p.state == name and low <= progress <= high:
                arc.show()
                arc.set_pos_hpr(p.x, p.y, 0.95, heading, 8, 14 if p.swings % 2 else -14)
            else:
                arc.hide()
        if p.state in ("heal", "skill"):
            color = (0.3, 1.0, 0.4) if p.state == "heal" else (0.3, 0.65, 1.0)
            self.glow.show()
            self.glow.set_pos(p.x, p.y, 1.0)
            self.glow.set_scale(0.8 + progress)
            self.glow.set_color_scale(*color, 0.55 * (1 - 0.6 * progress))
        elif b.frozen:
            self.glow.show()
            self.glow.set_pos(b.x, b.y, 1.6)
            self.glow.set_scale(2.9)
            self.glow.set_color_scale(0.4, 0.75, 1.0, 0.30)
        else:
            self.glow.hide()

    def _pose_hud(self, fight: Fight) -> None:
        p, b, stats = fight.player, fight.boss, self.task.player
        for (card, width), share in (
            (self.boss_bar, b.health / self.task.boss.health),
            (self.health_bar, p.health / stats.health),
            (self.stamina_bar, p.stamina / stats.stamina),
        ):
            card.set_sx(max(1e-3, width * share))
        for k, pip in enumerate(self.pips):
            pip.set_color_scale(*((1, 1, 1) if k < p.heals else (0.25, 0.2, 0.3)), 1)
        ready = 1 - p.cooldown / max(1.0, stats.skill_cooldown * TICK_HZ)
        self.skill_fill.set_sz(max(1e-3, 0.92 * ready))
        self.skill_fill.set_color(*((0.35, 0.75, 1.0) if ready >= 1 else (0.35, 0.37, 0.45)), 1)
        words = {"win": "VICTORY", "loss": "DEFEATED", "timeout": "TIME IS UP"}
        text = words.get(fight.result or "", "")
        if self.banner.node().get_text() != text:
            self.banner.node().set_text(text)
