"""Many polygons in one Geom, painted in the order in which they were added: places, ground marks and the HUD.

Colours are per vertex, RGB or RGBA in 0..1, and go over evenly between the vertices of a polygon.
"""

from __future__ import annotations

import numpy as np
from panda3d.core import NodePath

from env.arena.shapes.mesh import AMBIENT, LIGHT, Mesh, geometry


def shaded(faces: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """The colours `[N, 3]` of flat faces `[N, K, 3]` in the world's fixed light. `colors`: `[3]` or `[N, 3]`."""
    # By the diagonals: a quad whose one side has shrunk to a point still has both.
    # Written out: np.cross takes three times as long, and a matrix product's last bit is another on another machine.
    (ax, ay, az), (bx, by, bz) = (faces[:, 2] - faces[:, 0]).T, (faces[:, -1] - faces[:, 1]).T
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)
    x, y, z = x / length, y / length, z / length
    facing = x * LIGHT[0] + y * LIGHT[1] + z * LIGHT[2]
    bright = AMBIENT + (1 - AMBIENT) * np.clip(facing, 0, 1) + 0.12 * np.clip(z, 0, 1)
    return np.clip(np.asarray(colors, float) * bright[:, None], 0, 1)


class Canvas:
    """Collects polygons; `node` makes one node of them."""

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []
        self._colors: list[np.ndarray] = []
        self._index: list[np.ndarray] = []
        self._count = 0

    def add(self, points, colors, triangles) -> None:
        """`points [V, 3]`, `colors` one, or one a vertex `[V, 3 or 4]`, `triangles [T, 3]` counter-clockwise."""
        points = np.asarray(points, float).reshape(-1, 3)
        colors = np.asarray(colors, float)
        rows = np.ones((len(points), 4))
        rows[:, : colors.shape[-1]] = colors
        self._points.append(points)
        self._colors.append(rows)
        self._index.append(np.asarray(triangles, np.int64).reshape(-1, 3) + self._count)
        self._count += len(points)

    def polygons(self, faces, colors) -> None:
        """Convex polygons `[N, K, 3]`, counter-clockwise. `colors`: one, one a polygon `[N, 3 or 4]` or one a vertex
        `[N, K, 3 or 4]`."""
        faces = np.asarray(faces, float)
        n, k = faces.shape[:2]
        colors = np.asarray(colors, float)
        if colors.ndim == 2:
            colors = np.repeat(colors, k, axis=0)
        elif colors.ndim == 3:
            colors = colors.reshape(n * k, -1)
        fan = np.array([(0, i, i + 1) for i in range(1, k - 1)])
        self.add(faces.reshape(-1, 3), colors, np.arange(n)[:, None, None] * k + fan)

    def polygon(self, points, color) -> None:
        """One convex polygon `[K, 3]`."""
        self.polygons(np.asarray(points, float)[None], np.asarray(color, float))

    def strip(self, low, high, low_colors, high_colors) -> None:
        """A band between two lines `[N, 3]`; to whoever goes along them `high` is on the left of `low`."""
        n = len(low)
        quads = np.arange(n - 1)[:, None, None] + np.array([(0, 1, 1 + n), (0, 1 + n, n)])
        colors = [np.broadcast_to(np.asarray(c, float), (n, np.shape(c)[-1])) for c in (low_colors, high_colors)]
        self.add(np.concatenate([low, high]), np.concatenate(colors), quads)

    def rectangle(self, x: float, y: float, w: float, h: float, color) -> None:
        """An upright one in the plane of the HUD (x right, z up), from its lower left corner."""
        self.polygon([(x, 0, y), (x + w, 0, y), (x + w, 0, y + h), (x, 0, y + h)], color)

    def _shared(self) -> tuple[np.ndarray, np.ndarray]:
        """The vertices, float32[V, 7]: points and RGBA, and the triangles. Polygons share the vertices that are alike:
        fewer for the renderer to move."""
        rows = np.ascontiguousarray(np.hstack([np.concatenate(self._points), np.concatenate(self._colors)]), np.float32)
        _, first, place = np.unique(rows.view("V28").ravel(), return_index=True, return_inverse=True)
        return rows[first], place[np.concatenate(self._index)]

    def node(self, name: str) -> NodePath:
        """All of it as one Geom."""
        rows, index = self._shared()
        return geometry(rows[:, :3], rows[:, 3:], index, name)

    def mesh(self) -> Mesh:
        """All of it, without the colours' alpha."""
        rows, index = self._shared()
        return Mesh(rows[:, :3], rows[:, 3:6], index)
