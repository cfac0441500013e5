"""What stands around a ring: shapes of few faces, each drawn around the origin and then put where it stands."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from itertools import groupby

import numpy as np
from panda3d.core import NodePath

from env.arena.jit import jit
from env.arena.shapes.canvas import Canvas, shaded
from env.arena.shapes.mesh import Color

Tones = dict[str, Color]


class Yard:
    """Collects the props of one part of the surroundings into one Geom."""

    def __init__(self, tones: Tones, rng: random.Random) -> None:
        self.tones, self.rng = tones, rng
        self._faces: list[tuple[np.ndarray, np.ndarray]] = []
        self._x, self._y, self._turn, self._scale = 0.0, 0.0, 0.0, 1.0

    def stand(self, x: float, y: float, turn: float, scale: float) -> None:
        """What is drawn from now on stands here, turned by `turn` radians."""
        self._x, self._y, self._turn, self._scale = x, y, turn, scale

    def faces(self, faces: np.ndarray, color) -> None:
        """Flat faces `[N, K, 3]` around the present place, of one colour or of one each `[N, 3]`."""
        placed = np.empty(faces.shape)
        _stand(faces, placed, self._turn, self._scale, self._x, self._y)
        colors = np.empty((len(faces), 3))
        colors[:] = color
        self._faces.append((placed, colors))

    @property
    def empty(self) -> bool:
        return not self._faces

    def node(self, name: str) -> NodePath:
        """All of it as one Geom, shaded at once: a few large arrays take a fraction of the time of many small ones."""
        canvas = Canvas()
        for _, pieces in groupby(self._faces, key=lambda piece: piece[0].shape[1]):
            placed, colors = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
            canvas.polygons(placed, shaded(placed, colors))
        return canvas.node(name)

    def turned(self, profile: Sequence[tuple[float, float]], color: Color, sides: int = 6, at=(0.0, 0.0)) -> None:
        """A profile of (radius, height) turned around a vertical axis."""
        faces = np.empty(((len(profile) - 1) * sides, 4, 3))
        _turn(np.array(profile, float), _ring(sides), *at, faces)
        self.faces(faces, color)

    def block(self, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, color: Color) -> None:
        """An upright box without its underside."""
        low = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        sides = [[(*low[k], z0), (*low[(k + 1) % 4], z0), (*low[(k + 1) % 4], z1), (*low[k], z1)] for k in range(4)]
        self.faces(np.array([*sides, [(*p, z1) for p in low]], float), color)

    def blades(self, rows: Sequence[tuple[float, ...]], colors: Sequence[Color]) -> None:
        """Stalks, seen from both sides: of each its x, y, lean, height, width and turn."""
        x, y, lean, height, width, turn = np.array(rows, float).T
        c, s = np.cos(turn), np.sin(turn)
        both = np.empty((len(x), 2, 3, 3))  # stalk, side, corner, coordinate
        both[:, 0, 0] = both[:, 1, 1] = np.array([x - c * width / 2, y - s * width / 2, 0 * x]).T
        both[:, 0, 1] = both[:, 1, 0] = np.array([x + c * width / 2, y + s * width / 2, 0 * x]).T
        both[:, :, 2] = np.array([x + lean * c, y + lean * s, height]).T[:, None]
        self.faces(both.reshape(-1, 3, 3), np.repeat(np.array(colors), 2, axis=0))

    def cloth(self, corners: Sequence[Sequence[float]], color: Color) -> None:
        """A flat four-sided piece that is seen from both sides."""
        face = np.array(corners, float)
        self.faces(np.stack([face, face[::-1]]), color)


@jit
def _stand(faces, placed, turn, scale, x, y):
    c, s = math.cos(turn) * scale, math.sin(turn) * scale
    for i in range(faces.shape[0]):
        for k in range(faces.shape[1]):
            px, py, pz = faces[i, k, 0], faces[i, k, 1], faces[i, k, 2]
            placed[i, k, 0], placed[i, k, 1], placed[i, k, 2] = px * c - py * s + x, px * s + py * c + y, pz * scale


@jit
def _turn(profile, ring, x, y, faces):
    sides = len(ring) - 1
    for i in range(len(profile) - 1):
        for k in range(sides):
            for corner, row, angle in ((0, i, k), (1, i, k + 1), (2, i + 1, k + 1), (3, i + 1, k)):
                r, z = profile[row]
                face = faces[i * sides + k, corner]
                face[0], face[1], face[2] = ring[angle, 0] * r + x, ring[angle, 1] * r + y, z


@cache
def _ring(sides: int) -> np.ndarray:
    """`[sides + 1, 2]`: once around."""
    angles = (np.arange(sides + 1) + 0.5) * math.tau / sides
    return np.array([np.cos(angles), np.sin(angles)]).T


# -- the props: each draws itself where the yard stands now ---------------------------------------------------


def pillar(y: Yard) -> None:
    tall, stone = y.rng.uniform(2.2, 6.5), y.tones["stone"]
    y.turned([(1.0, 0), (0.66, 0.55), (0.58, tall), (0.92, tall + 0.45), (0.92, tall + 0.8)], stone, 5)


def stub(y: Yard) -> None:
    """What is left of a pillar, and a drum that fell off it."""
    tall, stone = y.rng.uniform(0.9, 2.6), y.tones["stone"]
    y.turned([(1.0, 0), (0.7, 0.55), (0.62, tall), (0, tall - 0.25)], stone, 5)
    y.turned([(0.62, 0), (0.62, 0.8), (0, 0.85)], y.tones["dark"], 5, at=(1.9, y.rng.uniform(-1, 1)))


def arch(y: Yard) -> None:
    tall, stone = y.rng.uniform(4.2, 5.6), y.tones["stone"]
    for x in (-2.0, 2.0):
        y.block(x - 0.55, x + 0.55, -0.55, 0.55, 0, tall, stone)
    y.block(-2.8, 2.8, -0.65, 0.65, tall, tall + 0.9, stone)


def wall(y: Yard) -> None:
    tall = y.rng.uniform(1.6, 3.2)
    y.block(-3.4, 0.4, -0.4, 0.4, 0, tall, y.tones["stone"])
    y.block(0.4, 3.0, -0.4, 0.4, 0, tall * y.rng.uniform(0.35, 0.7), y.tones["stone"])


def rock(y: Yard) -> None:
    size = y.rng.uniform(0.8, 1.7)
    y.turned([(size, 0), (size * 0.9, size * 0.5), (size * 0.5, size * 0.95), (0, size)], y.tones["stone"], 5)


def pine(y: Yard) -> None:
    tall = y.rng.uniform(5.0, 8.5)
    y.turned([(0.28, 0), (0.22, tall * 0.3)], y.tones["wood"], 4)
    for low, high, wide in ((0.2, 0.55, 0.30), (0.42, 0.78, 0.23), (0.66, 1.0, 0.16)):
        y.turned([(tall * wide, tall * low), (0, tall * high)], y.tones["leaf"], 6)
        y.turned([(tall * wide * 0.62, tall * (low + 0.4 * (high - low))), (0, tall * high + 0.15)], y.tones["top"], 6)


def tree(y: Yard) -> None:
    """A trunk that leans and a crown of two clouds."""
    tall = y.rng.uniform(3.6, 5.2)
    y.turned([(0.35, 0), (0.2, tall * 0.8)], y.tones["wood"], 4)
    for x, z, r in ((-0.5, 0.75, 1.5), (0.9, 1.0, 1.2)):
        middle = tall * z
        rows = [(0, middle - 0.6 * r), (r, middle - 0.2 * r), (0.8 * r, middle + 0.45 * r), (0, middle + 0.8 * r)]
        y.turned(rows, y.tones["leaf"], 6, at=(x, 0))


def snag(y: Yard) -> None:
    """A burnt tree: a trunk and bare branches."""
    tall = y.rng.uniform(3.5, 6.0)
    y.turned([(0.4, 0), (0.18, tall * 0.6), (0, tall)], y.tones["wood"], 4)
    for k in range(4):
        z, turn = tall * (0.35 + 0.13 * k), k * 2.4
        a = np.array([0, 0, z])
        b = a + (math.cos(turn) * 1.3, math.sin(turn) * 1.3, 0.9)
        y.cloth([a - (0, 0, 0.13), b, b, a + (0, 0, 0.13)], y.tones["wood"])


def reeds(y: Yard) -> None:
    rows = []
    for _ in range(9):
        high, x, dy = y.rng.uniform(1.6, 3.4), y.rng.uniform(-1.3, 1.3), y.rng.uniform(-0.8, 0.8)
        rows.append((x, dy, y.rng.uniform(-0.5, 0.5), high, 0.22, y.rng.uniform(0, 6)))
    y.blades(rows, [y.tones["leaf" if k % 3 else "top"] for k in range(9)])


def grass(y: Yard) -> None:
    """A low tuft, for the rim of the ring."""
    rows = []
    for k in range(3):
        x, dy, high = y.rng.uniform(-0.5, 0.5), y.rng.uniform(-0.4, 0.4), y.rng.uniform(0.35, 0.75)
        rows.append((x, dy, 0.2, high, 0.26, k * 1.3))
    y.blades(rows, [y.tones["leaf" if k % 2 else "top"] for k in range(3)])


def spike(y: Yard) -> None:
    """Of a cave: stone that grows from the floor."""
    for x, dy, size in ((0, 0, 1.0), (1.2, 0.5, 0.55)):
        tall = y.rng.uniform(3.0, 7.0) * size
        y.turned([(0.9 * size, 0), (0.45 * size, tall * 0.45), (0, tall)], y.tones["stone"], 5, at=(x, dy))


def lantern(y: Yard) -> None:
    """A post and a burning box: the one bright thing around."""
    y.turned([(0.5, 0), (0.4, 0.4), (0.16, 0.5), (0.16, 1.9)], y.tones["stone"], 4)
    y.turned([(0.5, 1.9), (0.5, 2.7)], y.tones["light"], 4)
    y.turned([(0.85, 2.7), (0, 3.3)], y.tones["stone"], 4)


def gate(y: Yard) -> None:
    """Two posts under a long beam."""
    tall, wood = y.rng.uniform(4.6, 5.8), y.tones["paint"]
    for x in (-2.1, 2.1):
        y.turned([(0.36, 0), (0.28, tall)], wood, 5, at=(x, 0))
    y.block(-3.2, 3.2, -0.35, 0.35, tall, tall + 0.55, y.tones["dark"])
    y.block(-2.5, 2.5, -0.2, 0.2, tall - 1.2, tall - 0.8, wood)


def banner(y: Yard) -> None:
    tall = y.rng.uniform(4.6, 6.0)
    y.turned([(0.11, 0), (0.08, tall)], y.tones["wood"], 4)
    y.cloth(
        [(0.1, 0, tall * 0.35), (1.25, 0.2, tall * 0.3), (1.25, 0.2, tall * 0.94), (0.1, 0, tall)], y.tones["paint"]
    )
    y.cloth([(0.4, 0.05, tall * 0.6), (0.95, 0.15, tall * 0.6), (0.95, 0.15, tall * 0.75), (0.4, 0.05, tall * 0.75)],
            y.tones["light"])  # fmt: skip


def keep(y: Yard) -> None:
    """A castle's tower, roof over roof."""
    y.turned([(4.2, 0), (3.3, 3.4)], y.tones["stone"], 4)
    for z, wide in ((3.4, 2.5), (6.2, 1.8), (8.6, 1.2)):
        y.turned([(wide, z), (wide, z + 1.9)], y.tones["plaster"], 4)
        y.turned([(wide * 1.7, z + 1.8), (wide * 0.6, z + 2.9), (0, z + 3.1)], y.tones["dark"], 4)


def fence(y: Yard) -> None:
    for x in (-2.4, -0.8, 0.8, 2.4):
        y.block(x - 0.13, x + 0.13, -0.13, 0.13, 0, 1.5, y.tones["wood"])
    for z in (0.6, 1.15):
        y.block(-2.7, 2.7, -0.07, 0.07, z, z + 0.2, y.tones["wood"])


def hay(y: Yard) -> None:
    y.turned([(1.5, 0), (1.4, 1.0), (0.9, 1.8), (0, 2.3)], y.tones["top"], 6)


def bamboo(y: Yard) -> None:
    for k in range(5):
        x, dy, tall = y.rng.uniform(-1.6, 1.6), y.rng.uniform(-1, 1), y.rng.uniform(5.5, 9.0)
        y.turned([(0.13, 0), (0.1, tall)], y.tones["leaf" if k % 2 else "top"], 4, at=(x, dy))
        y.blades([(x, dy, 1.2, tall * 0.8, 1.0, k * 2.1)], [y.tones["leaf"]])


WIDTHS = {keep: 5.0, pine: 2.4, tree: 1.6, gate: 1.2, arch: 1.2, wall: 1.2, fence: 1.0, reeds: 1.0, bamboo: 1.8,
          hay: 1.0, snag: 0.6, spike: 0.6, rock: 0.8}  # fmt: skip
"""By how many metres some stand farther out, so that no part of them comes where the camera goes."""
