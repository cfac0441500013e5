"""What hands hold. Each points along +y from the hand at the origin, in units of a body two units tall."""

from __future__ import annotations

import numpy as np

from env.arena.figures.rig import Weapon
from env.arena.shapes.colors import shade
from env.arena.shapes.mesh import Color, Mesh, box, joined, rod, solid

WOOD: Color = (0.36, 0.23, 0.14)
GOLD: Color = (0.95, 0.78, 0.25)


def hammer(metal: Color) -> Weapon:
    head = box(0.44, 0.42, 0.66, metal, at=(0, 1.22, 0))
    bands = [box(0.48, 0.10, 0.70, shade(metal, 0.6), at=(0, y, 0)) for y in (1.04, 1.40)]
    return Weapon(joined([rod((0, -0.45, 0), (0, 1.05, 0), 0.05, 0.05, WOOD), head, *bands]), (0, 1.3, 0), -0.34)


def staff(shaft: Color, band: Color) -> Weapon:
    """The fighter's: a long rod with bands of gold at both ends."""
    ends = [rod((0, y, 0), (0, y + 0.22, 0), 0.075, 0.075, band, 4) for y in (-0.72, 0.92)]
    return Weapon(joined([rod((0, -0.6, 0), (0, 1.0, 0), 0.042, 0.042, shaft, 4), *ends]), (0, 1.1, 0), -0.42)


def sword(length: float, metal: Color, hilt: Color, width: float = 0.10) -> Weapon:
    """A slightly curved single-edged sword, for one hand or two."""
    edge = [(0.1, -0.04, width), (length * 0.6, 0.0, width * 1.1), (length * 0.92, 0.06, width * 1.9)]
    point = (length, width * 2.3, width * 2.3)
    return Weapon(joined([_blade([*edge, point], metal), *_hilt(hilt)]), (0, length * 0.9, 0.1), -0.16)


def curved_blade(metal: Color, hilt: Color) -> Weapon:
    """A crescent for one hand."""
    stations = [(0.1, -0.04, 0.08), (0.45, 0.05, 0.24), (0.8, -0.02, 0.2), (1.15, -0.2, -0.2)]
    return Weapon(joined([_blade(stations, metal), *_hilt(hilt)]), (0, 0.9, 0.05))


def glaive(metal: Color, tassel: Color) -> Weapon:
    """A pole with a broad curved blade."""
    stations = [(0.92, -0.06, 0.10), (1.2, -0.22, 0.20), (1.5, -0.28, 0.14), (1.85, -0.3, -0.28)]
    knot = rod((0, 0.78, 0), (0, 0.96, 0), 0.14, 0.06, tassel, 5)
    return Weapon(joined([_pole(0.95), knot, _blade(stations, metal, 0.05)]), (0, 1.5, -0.1), -0.5)


def naginata(metal: Color, tassel: Color) -> Weapon:
    """A long pole with a slim curved blade."""
    stations = [(1.05, -0.05, 0.09), (1.45, -0.01, 0.15), (1.75, 0.1, 0.26), (1.95, 0.36, 0.36)]
    guard = box(0.18, 0.05, 0.18, GOLD, at=(0, 1.05, 0))
    knot = rod((0, 0.72, 0), (0, 1.0, 0), 0.12, 0.05, tassel, 5)
    return Weapon(joined([_pole(1.05), guard, knot, _blade(stations, metal)]), (0, 1.6, 0.1), -0.5)


def lantern(metal: Color, light: Color) -> Weapon:
    """A crook with a lantern hanging from it."""
    crook = [
        rod((0, 1.0, 0), (0, 1.28, -0.12), 0.045, 0.04, metal, 4),
        rod((0, 1.26, -0.1), (0, 1.26, -0.46), 0.04, 0.03, metal, 4),
    ]
    lamp = rod((0, 0.72, -0.44), (0, 1.08, -0.44), 0.19, 0.19, light, 6)
    caps = [
        rod((0, 1.06, -0.44), (0, 1.24, -0.44), 0.24, 0.02, metal, 6),
        rod((0, 0.66, -0.44), (0, 0.72, -0.44), 0.1, 0.2, metal, 6),
    ]
    return Weapon(joined([_pole(1.05), *crook, lamp, *caps]), (0, 0.95, -0.44), -0.45)


def _pole(end: float) -> Mesh:
    return rod((0, -0.85, 0), (0, end, 0), 0.045, 0.042, WOOD, 5)


def _blade(stations: list[tuple[float, float, float]], metal: Color, thick: float = 0.03) -> Mesh:
    """A blade through (distance from the hand, lower edge, upper edge), a rhombus across."""
    points = []
    for y, low, high in stations:
        middle, half = (low + high) / 2, thick if high > low else 0.0
        points += [(0, y, low), (half, y, middle), (0, y, high), (-half, y, middle)]
    faces = [(0, 1, 2), (0, 2, 3)]
    for i in range(0, 4 * (len(stations) - 1), 4):
        for k in range(4):
            a, b = i + k, i + (k + 1) % 4
            faces += [(a, b + 4, b), (a, a + 4, b + 4)]
    return solid(np.array(points, float), np.array(faces), metal)


def _hilt(color: Color) -> list[Mesh]:
    return [rod((0, -0.26, 0), (0, 0.08, 0), 0.035, 0.033, color, 4), box(0.16, 0.035, 0.16, GOLD, at=(0, 0.1, 0))]
