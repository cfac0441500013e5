"""What a moment of the fight leaves in the air: trails, sparks, numbers that rise, rings, ice, a red rim on a hit.

Nothing here remembers: all of it is read from the state's counters of "ticks since".
"""

from __future__ import annotations

import math

import numpy as np
from panda3d.core import NodePath, Point3, TransparencyAttrib

from env.arena.figures.motion import mix
from env.arena.marks import KIND_COLORS, facing, lay, star
from env.arena.rules import HEAVY_REACH, LIGHT_REACH, POSTURE_PAUSE
from env.arena.shapes.canvas import Canvas
from env.arena.shapes.mesh import Color
from env.arena.shapes.strokes import write
from env.arena.state import (
    B_BROKEN,
    B_RECOVER,
    B_STRIKE,
    HIT_DEATHBLOW,
    HIT_LIGHT,
    HIT_PARRIED,
    P_BLOCK,
    P_CHARGE,
    P_HEAVY,
    P_LIGHT,
)
from env.tasks import Task

HURT_NUMBER: Color = (1.0, 0.25, 0.20)
NUMBER_TICKS, HURT_TICKS, SPARK_TICKS, PARRY_TICKS, HEAL_TICKS, RING_TICKS, SLASH_TICKS = 42, 20, 9, 16, 34, 14, 16
SWINGS = {P_LIGHT: (0.30, 0.62), P_HEAVY: (0.50, 0.72)}
"""The share of each state in which its trail is seen."""


def _see_through(node: NodePath, parent: NodePath) -> NodePath:
    node.set_transparency(TransparencyAttrib.M_alpha)
    node.set_two_sided(True)
    node.set_depth_write(False)
    node.reparent_to(parent)
    node.hide()
    return node


def _swoosh(radius: float, inner: float, arc_deg: float, color: Color) -> NodePath:
    """A piece of a ring in the ground's plane, centred on +y, that grows denser from its right to its left end."""
    half = math.radians(arc_deg) / 2
    angles = np.linspace(-half, half, max(5, round(arc_deg / 15)))
    way = np.stack([-np.sin(angles), np.cos(angles), 0 * angles], axis=1)
    alpha = np.linspace(0, 1, len(angles))[:, None] ** 1.5
    rows = [
        np.concatenate([np.tile(np.asarray(color, float), (len(angles), 1)), alpha * a], axis=1) for a in (0.9, 0.1)
    ]
    canvas = Canvas()
    canvas.strip(way * radius, way * inner, *rows)
    return canvas.node("swoosh")


def _streak(length: float, color: Color) -> NodePath:
    """A thrust: a long thin blade of light along +y, lying and standing."""
    canvas = Canvas()
    for side in ((0.24, 0, 0), (0, 0, 0.24)):
        side = np.array(side)
        points = np.array([(0, 0.5, 0), (0, length * 0.7, 0) + side, (0, length, 0), (0, length * 0.7, 0) - side])
        canvas.polygons(points[None], [[(*color, 0.0), (*color, 0.8), (1, 1, 1, 0.9), (*color, 0.8)]])
    return canvas.node("streak")


def _ring(width: float, color: Color) -> NodePath:
    """A circle of radius 1 on the ground that fades inwards."""
    angles = np.arange(25) * math.tau / 24
    line = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    canvas = Canvas()
    canvas.strip(line, line * (1 - width), (*color, 0.85), (*color, 0.0))
    return canvas.node("ring")


def _crystals() -> NodePath:
    """Ice around the feet of a frozen boss of radius 1."""
    canvas = Canvas()
    for k in range(8):
        turn = k * math.tau / 8 + 0.2 * (k % 3)
        tall, c, s = (1.6, 1.0, 1.3)[k % 3], math.cos(turn), math.sin(turn)
        foot = np.array([(c * r - s * w, s * r + c * w, 0) for r, w in ((0.8, 0.22), (1.15, 0), (0.8, -0.22))])
        tip = np.array([c * 1.35, s * 1.35, tall])
        for (a, b), tone in (((foot[1], foot[0]), (0.62, 0.86, 1.0)), ((foot[2], foot[1]), (0.42, 0.68, 0.95)),
                             ((foot[0], foot[2]), (0.82, 0.95, 1.0))):  # fmt: skip
            canvas.polygons([[a, b, tip]], [[tone, tone, (1, 1, 1)]])
    node = canvas.node("ice")
    node.set_two_sided(True)
    return node


def _motes() -> NodePath:
    """Small green crosses around a fighter who heals."""
    canvas = Canvas()
    for k in range(6):
        x, z, u = 0.75 * math.cos(k * 2.4), 0.35 + 0.28 * k, 0.07
        for w, h in ((u, u * 3), (u * 3, u)):
            canvas.polygon(
                [(x - w, 0, z - h), (x + w, 0, z - h), (x + w, 0, z + h), (x - w, 0, z + h)], (0.4, 1.0, 0.5)
            )
    node = canvas.node("motes")
    node.set_billboard_axis()
    node.set_depth_write(False)
    node.hide()
    return node


class Effects:
    """The effects of one task, in the world and on the HUD's plane."""

    def __init__(self, task: Task, parent: NodePath, hud: NodePath, height: float, radius: float) -> None:
        self.task, self.parent, self.height = task, parent, height
        moves = task.boss.moves.values()
        self.swings = {
            P_LIGHT: _see_through(_swoosh(LIGHT_REACH - 0.3, 1.3, 130, (1.0, 0.97, 0.78)), parent),
            P_HEAVY: _see_through(_swoosh(HEAVY_REACH - 0.2, 1.3, 110, (1.0, 0.74, 0.28)), parent),
        }
        self.trails = [self._trail(m) for m in moves]
        self.kinds = [m.kind for m in moves]
        self.reaches = [m.reach for m in moves]
        self.spark = star(6, 0.35, (1.0, 0.86, 0.45), (1, 1, 1))
        self.clash = star(8, 0.2, (1.0, 0.66, 0.15), (1, 1, 0.9))
        self.open = star(4, 0.30, (0.95, 0.06, 0.05), (1.0, 0.75, 0.65))
        """Over a broken boss: a light attack is a deathblow."""
        self.charge = star(4, 0.2, (1.0, 0.80, 0.30), (1, 1, 1))
        self.motes = _motes()
        for node in (self.spark, self.clash, self.open, self.charge, self.motes):
            node.reparent_to(parent)
        self.shock = lay(_ring(0.22, (1.0, 0.95, 0.9)), 7, parent)
        self.heal_ring = lay(_ring(0.35, (0.35, 1.0, 0.45)), 7, parent)
        for node in (self.shock, self.heal_ring):
            node.set_transparency(TransparencyAttrib.M_alpha)
            node.hide()
        self.ice = _crystals()
        self.ice.set_scale(radius * 1.25)
        self.ice.reparent_to(parent)
        self.ice.hide()
        self.numbers: dict[tuple[str, Color], NodePath] = {}
        self._up: list[NodePath] = []
        self._build_screen(hud)

    def _trail(self, move) -> NodePath | None:
        color = mix((1, 1, 1), KIND_COLORS[move.kind], 0.45)
        if move.kind == "thrust":
            node = _streak(move.reach + min(move.step, 2.0), color)
        elif move.kind in ("leap", "ranged"):
            return None
        elif move.kind in ("sweep", "grab"):
            node = _swoosh(move.reach, move.reach * 0.55, min(300.0, move.arc_deg), color)
        else:
            node = _swoosh(move.reach, move.reach * 0.62, 120, color)
        return _see_through(node, self.parent)

    def _build_screen(self, hud: NodePath) -> None:
        """The red rim of a hit, and the cut of a deathblow."""
        canvas = Canvas()
        outer = np.array([(-8, 0, -4.5), (8, 0, -4.5), (8, 0, 4.5), (-8, 0, 4.5), (-8, 0, -4.5)], float)
        red = (0.75, 0.02, 0.02)
        canvas.strip(outer, outer * (0.84, 1, 0.76), (*red, 0.62), (*red, 0.0))
        self.rim = canvas.node("hurt")
        canvas = Canvas()
        for w, tone in ((0.34, (0.75, 0.03, 0.03)), (0.13, (1.0, 0.95, 0.88))):
            canvas.polygon([(-7.2, 0, -3.4), (0.2, 0, -w), (7.2, 0, 3.4), (-0.2, 0, w)], tone)
        self.slash = canvas.node("slash")
        for node in (self.rim, self.slash):
            node.set_bin("fixed", 0)
            node.reparent_to(hud)
            node.hide()
        self.rim.set_transparency(TransparencyAttrib.M_alpha)

    # -- a moment --------------------------------------------------------------------------------------------

    def _put(self, node: NodePath, at, scale: float, alpha: float | None = None) -> None:
        node.set_pos(at)
        node.set_scale(scale)
        if alpha is not None:
            node.set_alpha_scale(alpha)
        node.show()
        self._up.append(node)

    def _number(self, value: float, color: Color, at: Point3, age: int, camera: Point3, size: float) -> None:
        text = str(max(1, round(value)))
        node = self.numbers.get((text, color))
        if node is None:
            canvas = Canvas()
            write(canvas, text, 0, 0, 1, (0.05, 0.03, 0.03), weight=2.4)
            write(canvas, text, 0, 0, 1, color, weight=1.15)
            # The boss's and the fighter's may be up together: in one bin they would lie in the order of their making.
            node = self.numbers[text, color] = facing(canvas.node("number"), 12 + (color == HURT_NUMBER))
            node.set_transparency(TransparencyAttrib.M_alpha)
            node.reparent_to(self.parent)
        at = at + (0, 0, 0.9 * (1 - (1 - age / NUMBER_TICKS) ** 2))
        self._put(node, at, size * (at - camera).length(), min(1.0, 2.5 * (1 - age / NUMBER_TICKS)))

    def update(self, view, heading: float, player_heading: float, camera: Point3, player_tip: Point3) -> None:
        for node in self._up:
            node.hide()
        self._up.clear()
        p, b = view.player, view.boss
        dx, dy = p.x - b.x, p.y - b.y
        d = max(math.hypot(dx, dy), 1e-6)
        self._of_player(view, player_heading, player_tip)
        self._of_boss(view, heading)
        if b.hit_t < NUMBER_TICKS and b.hit_kind != HIT_PARRIED and b.hit_damage > 0:
            color = (1.0, 0.94, 0.75) if b.hit_kind == HIT_LIGHT else (1.0, 0.66, 0.20)
            over = Point3(b.x + dy / d * 0.9, b.y - dx / d * 0.9, self.height * 0.72)
            self._number(b.hit_damage, color, over, b.hit_t, camera, 0.042 if b.hit_kind == HIT_LIGHT else 0.055)
            if b.hit_t < SPARK_TICKS:
                # Between the two, on the side of the fighter: where blows meet.
                share = min(0.5, self.task.boss.radius / d)
                between = Point3(b.x + dx * share, b.y + dy * share, 0.5 * min(self.height, 2.8))
                self._put(self.spark, between, (0.7 if b.hit_kind == HIT_LIGHT else 1.1) * (1 - b.hit_t / SPARK_TICKS))
        if p.hit_t < NUMBER_TICKS and p.hit_damage > 0:
            at = Point3(p.x + dy / d * 0.5, p.y - dx / d * 0.5, 1.9)
            self._number(p.hit_damage, HURT_NUMBER, at, p.hit_t, camera, 0.050)
            if p.hit_t < HURT_TICKS:
                self._put(self.rim, (0, 0, 0), 1, 1 - p.hit_t / HURT_TICKS)
        parried, blocked = p.parry_t < PARRY_TICKS, p.state == P_BLOCK and p.pause > POSTURE_PAUSE - SPARK_TICKS
        if parried or blocked:
            guard = Point3(p.x - dx / d * 0.7, p.y - dy / d * 0.7, 1.25)
            if parried:
                self._put(self.clash, guard, 1.35 * (1 - p.parry_t / PARRY_TICKS) ** 0.5)
            else:
                self._put(self.spark, guard, 0.8 * (1 - (POSTURE_PAUSE - p.pause) / SPARK_TICKS))
        if b.hit_kind == HIT_DEATHBLOW and b.hit_t < SLASH_TICKS:
            self._put(self.slash, (0, 0, 0), 1 + b.hit_t / SLASH_TICKS)

    def _of_player(self, view, heading: float, tip: Point3) -> None:
        p = view.player
        if p.state in SWINGS and p.total:
            low, high = SWINGS[p.state]
            if low <= p.t / p.total <= high:
                node = self.swings[p.state]
                self._put(node, (p.x, p.y, 1.0), 1, 1 - 0.6 * (p.t / p.total - low) / (high - low))
                if p.state == P_HEAVY:
                    node.set_hpr(heading, 20, 80)
                else:
                    node.set_hpr(heading, 8, -14 if p.swings % 2 else 194)
        elif p.state == P_CHARGE:
            self._put(self.charge, tip, 0.16 + min(0.34, p.charge / 160))
        if p.heal_t < HEAL_TICKS:
            s = p.heal_t / HEAL_TICKS
            self._put(self.heal_ring, (p.x, p.y, 0), 0.5 + 1.3 * s, 1 - s)
            self._put(self.motes, (p.x, p.y, 0.9 * s), 1)

    def _of_boss(self, view, heading: float) -> None:
        b = view.boss
        if b.frozen:
            self._put(self.ice, (b.x, b.y, 0), self.task.boss.radius * 1.25)
        if b.stage == B_BROKEN:
            self._put(self.open, (b.x, b.y, 0.42 * min(self.height, 3.0)), 0.55 + 0.1 * math.sin(b.t * 0.35))
        if b.move < 0:
            return
        after = b.t if b.stage == B_RECOVER else -1
        trail = self.trails[b.move]
        if trail is not None and (b.stage == B_STRIKE or 0 <= after < 7):
            kind = self.kinds[b.move]
            high = self.height * (0.34 if kind != "thrust" else 0.42)
            self._put(trail, (b.x, b.y, high), 1, 1.0 if b.stage == B_STRIKE else 1 - after / 7)
            trail.set_hpr(heading, 12 if kind in ("slam", "quick", "delayed") else 0, 
                          {"slam": 88, "delayed": 80, "quick": 50}.get(kind, 6))  # fmt: skip
        if self.kinds[b.move] == "leap" and (b.stage == B_STRIKE or 0 <= after < RING_TICKS):
            s = (max(0, after) + 2) / (RING_TICKS + 2)
            self._put(self.shock, (b.x, b.y, 0), self.reaches[b.move] * (0.55 + 0.6 * s), 1 - 0.9 * s)
