"""What a blow looks like before it lands: its colour, its area on the ground, the flare, and the shots it throws.

A mark covers what the blow will really hit: the sector of its arc and reach, drawn along the way of its step; for a
leap around the place where it lands; for shots along their flight. Its filling has grown to its rim when it lands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from panda3d.core import NodePath, Point3

from env.arena.figures.motion import mix
from env.arena.rules import SHOT_RADIUS, SHOT_SPREAD
from env.arena.shapes.canvas import Canvas
from env.arena.shapes.mesh import Color
from env.arena.shapes.strokes import write
from env.arena.state import B_STRIKE, B_WINDUP, FLARE_MS, K_GRAB, K_LEAP, K_RANGED, LANDS_SHORT, TICK_HZ, leap_tick
from env.tasks import KINDS, MAX_SHOTS, Move, Task

KIND_COLORS: dict[str, Color] = {
    "quick": (1.00, 0.92, 0.15),
    "slam": (1.00, 0.52, 0.05),
    "delayed": (0.22, 0.42, 1.00),
    "sweep": (1.00, 0.14, 0.10),
    "thrust": (0.10, 0.90, 1.00),
    "leap": (0.66, 0.25, 1.00),
    "grab": (1.00, 0.20, 0.78),
    "ranged": (0.25, 1.00, 0.30),
}
"""One colour a kind of move, the same in every fight."""
RIM = 0.13
"""Metres."""
Outline = tuple[np.ndarray, bool]
"""Points `[N, 2]`, counter-clockwise, forward is +y; and whether the first one is the tip of a wedge."""


def outline(reach: float, arc_deg: float, step: float, inset: float = 0.0) -> Outline:
    """The area that a sector sweeps while it slides `step` metres forward, made smaller by `inset` all around."""
    half, r = math.radians(arc_deg) / 2, reach - inset
    whole = half > math.pi - 0.05
    tip = 0.0 if whole else min(inset / math.sin(half), 0.5 * reach)
    edge = half if whole else half - inset / reach
    angles = np.linspace(-edge, edge, max(6, round(half * 14) + 1))
    line = np.stack([-np.sin(angles) * r, np.cos(angles) * r], axis=1)
    line[:, 1] += np.where(np.abs(angles) <= math.pi / 2, step, 0.0)
    if whole:
        return line[:-1], False
    if half <= math.pi / 2 and step:
        ends = np.array([(-math.sin(a) * r, math.cos(a) * r) for a in (-edge, edge)])
        line = np.concatenate([ends[:1], line, ends[1:]])
    return np.concatenate([[(0.0, tip)], line]), True


def _flight(move: Move, inset: float = 0.0) -> list[Outline]:
    """A strip along the way of each shot."""
    strips = []
    for i in range(move.shots):
        turn = (i - (move.shots - 1) / 2) * SHOT_SPREAD
        w, near, far = SHOT_RADIUS - inset, 0.8 + inset, move.reach - inset
        points = np.array([(-w, near), (w, near), (w, far - 0.5), (0, far), (-w, far - 0.5)])
        c, s = math.cos(turn), math.sin(turn)
        strips.append((points @ np.array([[c, s], [-s, c]]), False))
    return strips


def areas(move: Move, inset: float = 0.0) -> list[Outline]:
    """All that a move will hit, around the boss (of a leap: around the place where it lands)."""
    if move.kind == "ranged":
        return _flight(move, inset)
    return [outline(move.reach, move.arc_deg, move.step, inset)]


def _flat(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.zeros((len(points), 1))], axis=1)


def _filled(outlines: Sequence[Outline], name: str) -> NodePath:
    canvas = Canvas()
    for points, _ in outlines:
        canvas.polygon(_flat(points), (1, 1, 1))
    return canvas.node(name)


def _rim(move: Move, insets: Sequence[tuple[float, float]]) -> NodePath:
    canvas = Canvas()
    for outer_inset, inner_inset in insets:
        for (outer, _), (inner, _) in zip(areas(move, outer_inset), areas(move, inner_inset), strict=True):
            closed = [np.concatenate([line, line[:1]]) for line in (outer, inner)]
            canvas.strip(_flat(closed[0]), _flat(closed[1]), (1, 1, 1), (1, 1, 1))
    return canvas.node("rim")


def lay(node: NodePath, order: int, parent: NodePath) -> NodePath:
    """Puts a flat node on the ground: over the floor, under the figures, over what has a lower order."""
    node.set_bin("background", order)
    node.set_depth_write(False)
    node.set_depth_test(False)
    node.reparent_to(parent)
    return node


def facing(node: NodePath, order: int) -> NodePath:
    """Turns a node to the camera at all times and lays it over the world, over what has a lower order. Hidden."""
    node.set_billboard_point_eye()
    node.set_depth_test(False)
    node.set_depth_write(False)
    node.set_bin("fixed", order)
    node.hide()
    return node


def star(points: int, inner: float, color: Color, core: Color) -> NodePath:
    """A star of radius 1 that faces the camera and lies over everything."""
    canvas = Canvas()
    turns = np.arange(points * 2) * math.pi / points
    radii = np.where(np.arange(points * 2) % 2 == 0, 1.0, inner)
    if points == 8:
        radii[2::4] = 0.5  # four long rays and four short ones
    ring = np.stack([np.cos(turns) * radii, 0 * turns, np.sin(turns) * radii], axis=1)
    n = len(ring)
    faces = [(0, 1 + k, 1 + (k + 1) % n) for k in range(n)]
    colors = np.concatenate([[core], np.tile(np.asarray(color, float), (n, 1))])
    canvas.add(np.concatenate([[(0, 0, 0)], ring]), colors, faces)
    return facing(canvas.node("star"), 10)


def _bolt(color: Color) -> NodePath:
    """A shot: a white head and a tail of its colour; it flies along +y."""
    canvas = Canvas()
    head, tail = np.array([0, 0.55, 0]), np.array([0, -1.25, 0])
    ring = np.array([[math.cos(a) * 0.24, 0.1, math.sin(a) * 0.24] for a in np.arange(5) * math.tau / 5])
    white, deep = (1.0, 1.0, 0.92), tuple(c * 0.7 for c in color)
    for k in range(5):
        a, b = ring[k], ring[(k + 1) % 5]
        canvas.polygons([[head, b, a]], [[white, color, color]])
        canvas.polygons([[tail, a, b]], [[deep, color, color]])
    return canvas.node("bolt")


class _Mark(NamedTuple):
    """The ground mark of a move."""

    whole: NodePath
    """Of area, fill and rim."""
    area: NodePath
    fill: NodePath
    rim: NodePath
    blow: NodePath | None
    """Of a boss that slides along its mark: where it is when it strikes."""


class Marks:
    """The telegraphs of one task. `paint` fits them to a floor, `update` poses them for a moment."""

    def __init__(self, task: Task, parent: NodePath) -> None:
        self.moves = list(task.boss.moves.values())
        self.kinds = [KINDS.index(m.kind) for m in self.moves]
        self.blade = task.rules == "blade"
        self.colors = [KIND_COLORS[m.kind] for m in self.moves]
        self.marks = [self._mark(move, parent) for move in self.moves]
        self.shown: int | None = None
        self.star = star(8, 0.16, (1.0, 0.97, 0.80), (1.0, 1.0, 1.0))
        self.star.reparent_to(parent)
        self.sign = self._sign()
        self.sign.reparent_to(parent)
        green = KIND_COLORS["ranged"]
        self.bolts, self.spots = [], []
        for _ in range(MAX_SHOTS):
            bolt = _bolt(green)
            bolt.reparent_to(parent)
            bolt.hide()
            self.bolts.append(bolt)
            circle = [(math.cos(a) * 0.4, math.sin(a) * 0.55, 0) for a in np.arange(8) * math.tau / 8]
            canvas = Canvas()
            canvas.polygon(circle, (1, 1, 1))
            spot = lay(canvas.node("spot"), 6, parent)
            spot.hide()
            self.spots.append(spot)

    @staticmethod
    def _mark(move: Move, parent: NodePath) -> _Mark:
        whole = parent.attach_new_node("mark")
        whole.hide()
        double = ((0.0, RIM), (RIM * 2.4, RIM * 3.4)) if move.kind == "grab" else ((0.0, RIM),)
        area = lay(_filled(areas(move, RIM), "area"), 1, whole)
        fill = lay(_filled(areas(move, RIM), "fill"), 2, whole)
        rim = lay(_rim(move, double), 3, whole)
        if move.step == 0 or move.kind == "ranged":
            return _Mark(whole, area, fill, rim, None)
        blow = lay(_filled([outline(move.reach, move.arc_deg, 0.0)], "blow"), 4, parent)
        blow.hide()
        return _Mark(whole, area, fill, rim, blow)

    @staticmethod
    def _sign() -> NodePath:
        """Blade: a red seal over a boss whose blow cannot be blocked."""
        canvas = Canvas()
        for size, color in ((1.0, (0.12, 0.0, 0.0)), (0.86, (0.95, 0.05, 0.04))):
            canvas.polygon([(0, 0, -size), (size, 0, 0), (0, 0, size), (-size, 0, 0)], color)
        write(canvas, "!", 0, -0.48, 0.98, (1.0, 0.95, 0.85), weight=1.5)
        return facing(canvas.node("sign"), 9)

    def paint(self, floor: Color) -> None:
        """The marks are opaque; they look see-through because the floor's colour is in theirs."""
        self.floor = floor
        for (_, area, fill, rim, blow), color in zip(self.marks, self.colors, strict=True):
            area.set_color(*mix(floor, color, 0.34), 1)
            fill.set_color(*mix(floor, color, 0.78), 1)
            rim.set_color(*mix((1, 1, 1), color, 0.88), 1)
            if blow:
                blow.set_color(*mix((1, 1, 1), color, 0.4), 1)
        for spot in self.spots:
            spot.set_color(*mix(floor, KIND_COLORS["ranged"], 0.45), 1)

    def place_of(self, view) -> tuple[float, float]:
        """Where the mark of the present move lies."""
        b, p = view.boss, view.player
        move = self.moves[b.move]
        if b.stage == B_STRIKE:
            # The mark stays where it was while the boss slides along it.
            gone = move.step * b.t / max(1, b.total) if move.kind != "ranged" else 0.0
            return b.x - math.cos(b.facing) * gone, b.y - math.sin(b.facing) * gone
        if self.kinds[b.move] != K_LEAP:
            return b.x, b.y
        if b.t >= leap_tick(b.total):
            return b.target_x, b.target_y
        dx, dy = p.x - b.x, p.y - b.y
        d = max(math.hypot(dx, dy), 1e-6)
        share = max(0.0, d - LANDS_SHORT) / d
        return b.x + dx * share, b.y + dy * share

    def update(self, view, heading: float) -> tuple[Color | None, bool]:
        """Poses the mark, the sign and the shots. Returns the colour of the part that strikes and whether it flares."""
        b = view.boss
        told = b.stage in (B_WINDUP, B_STRIKE) and b.move >= 0 and not b.frozen
        index = b.move if told else None
        if index != self.shown:
            if self.shown is not None:
                self.marks[self.shown].whole.hide()
                if self.marks[self.shown].blow:
                    self.marks[self.shown].blow.hide()
            self.shown = index
            if told:
                self.marks[index].whole.show()
        self._shots(view)
        if not told:
            self.sign.hide()
            return None, False
        whole, _, fill, _, blow = self.marks[index]
        move = self.moves[index]
        x, y = self.place_of(view)
        whole.set_pos_hpr(x, y, 0, heading, 0, 0)
        share = max(0.03, b.t / b.total) if b.stage == B_WINDUP and b.total else 1.0
        fill.set_scale(1 if move.step > 2 or self.kinds[index] == K_RANGED else share, share, 1)
        if blow:
            if b.stage == B_STRIKE:
                blow.set_pos_hpr(b.x, b.y, 0, heading, 0, 0)
                blow.show()
            else:
                blow.hide()
        elif self.kinds[index] != K_RANGED:
            # The struck moment itself is pale: too late to begin anything.
            tone = mix((1, 1, 1), self.colors[index], 0.4) if b.stage == B_STRIKE else None
            fill.set_color(*(tone or mix(self.floor, self.colors[index], 0.78)), 1)
        if self.blade and (move.perilous or self.kinds[index] == K_GRAB):
            self.sign.show()
        else:
            self.sign.hide()
        flare = b.stage == B_WINDUP and not b.feint and (b.total - b.t) * 1000 / TICK_HZ <= FLARE_MS
        return self.colors[index], flare

    def _shots(self, view) -> None:
        for shot, bolt, spot in zip(view.shots, self.bolts, self.spots, strict=True):
            if not shot.left:
                bolt.hide()
                spot.hide()
                continue
            turn = math.degrees(math.atan2(shot.vy, shot.vx)) - 90
            bolt.set_pos_hpr(shot.x, shot.y, 1.1, turn, 0, 0)
            bolt.show()
            spot.set_pos_hpr(shot.x, shot.y, 0, turn, 0, 0)
            spot.show()

    def flare(self, at: Point3 | None, camera: Point3, height: float, boss) -> None:
        """The star at the striking part, and the place of the sign. `at`: None for no flare."""
        if at is None:
            self.star.hide()
        else:
            self.star.set_pos(at)
            self.star.set_scale(0.085 * (at - camera).length())  # the same on the screen, near or far
            self.star.show()
        self.sign.set_pos(boss.x, boss.y, height + 0.75)
        self.sign.set_scale(0.055 * math.hypot(boss.x - camera[0], boss.y - camera[1]))
