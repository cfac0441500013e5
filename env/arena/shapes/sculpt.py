"""Shapes for living things: tubes, plates and cones gathered into one mesh a joint.

A `Shape` collects triangles; `Shape.mesh` bakes the shading into their colours.
Axes as everywhere: x right, y forward, z up; metres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from env.arena.shapes.mesh import Color, Mesh, faces_lit, shared

LIGHT = np.array([0.35, 0.62, 0.70]) / np.linalg.norm([0.35, 0.62, 0.70])
"""It falls on the front: a boss faces the one who looks."""

Ring = Sequence[float]
"""Of a tube: its centre x, y, z, its half width, and its half height when that differs."""


def turned(points: np.ndarray, h: float = 0, p: float = 0, r: float = 0) -> np.ndarray:
    """`points [V, 3]` turned by heading, pitch and roll in degrees, in Panda3D's order and sense."""
    h, p, r = (math.radians(a) for a in (h, p, r))
    roll = np.array([[math.cos(r), 0, math.sin(r)], [0, 1, 0], [-math.sin(r), 0, math.cos(r)]])
    pitch = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    head = np.array([[math.cos(h), -math.sin(h), 0], [math.sin(h), math.cos(h), 0], [0, 0, 1]])
    return points @ (head @ pitch @ roll).T


class Shape:
    """Triangles of many colours that move together. The methods add a piece and give the shape back."""

    def __init__(self) -> None:
        self._corners: list[np.ndarray] = []  # [T, 3, 3] each
        self._colors: list[np.ndarray] = []  # [T, 3] each

    def _add(self, points, triangles, colors) -> Shape:
        corners = np.asarray(points, float)[np.asarray(triangles)]
        colors = np.broadcast_to(np.asarray(colors, float), (len(corners), 3))
        size = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        seen = size > 1e-7  # a ring of no radius leaves triangles without an area
        self._corners.append(corners[seen])
        self._colors.append(colors[seen])
        return self

    def tube(
        self, rings: Sequence[Ring], color: Color, sides: int = 7, under: Color | None = None, closed: bool = True
    ) -> Shape:
        """A skin around `rings`, closed at both ends. Faces that look down take the colour `under`."""
        rings = np.array([[*r[:4], r[4] if len(r) > 4 else r[3]] for r in rings], float)
        centers = rings[:, :3]
        along = np.gradient(centers, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        # The direction of the half width stays level; for a tube that runs straight up it is x.
        wide = np.cross(along, [0.0, 0.0, 1.0])
        length = np.linalg.norm(wide, axis=1, keepdims=True)
        wide = np.where(length > 0.05, wide / np.maximum(length, 1e-9), [1.0, 0.0, 0.0])
        for i in range(1, len(wide)):
            if wide[i] @ wide[i - 1] < 0:
                wide[i] = -wide[i]
        high = np.cross(wide, along)
        angles = np.arange(sides) * math.tau / sides + math.pi / 2
        points = (
            centers[:, None]
            + wide[:, None] * (rings[:, 3, None] * np.cos(angles))[:, :, None]
            + high[:, None] * (rings[:, 4, None] * np.sin(angles))[:, :, None]
        )
        n = len(rings)
        triangles = []
        for i in range(n - 1):
            for k in range(sides):
                a, b = i * sides + k, i * sides + (k + 1) % sides
                triangles += [(a, b + sides, b), (a, a + sides, b + sides)]
        for k in range(1, sides - 1 if closed else 0):
            triangles += [(0, k, k + 1), ((n - 1) * sides, (n - 1) * sides + k + 1, (n - 1) * sides + k)]
        points, triangles = points.reshape(-1, 3), np.array(triangles)
        corners = points[triangles]
        down = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        down = down[:, 2] < -0.35 * np.maximum(np.linalg.norm(down, axis=1), 1e-12)
        colors = np.where(down[:, None], np.asarray(under if under is not None else color), np.asarray(color))
        return self._add(points, triangles, colors)

    def plate(self, points: Sequence[Sequence[float]], color: Color, back: Color | None = None) -> Shape:
        """A flat convex polygon, seen from both sides."""
        fan = [(0, k, k + 1) for k in range(1, len(points) - 1)]
        self._add(points, fan, color)
        return self._add(points, [(a, c, b) for a, b, c in fan], back or color)

    def box(self, size: Sequence[float], at: Sequence[float], color: Color, h: float = 0, p: float = 0, r: float = 0):
        x, y, z = (s / 2 for s in size)
        corners = np.array([[sx * x, sy * y, sz * z] for sz in (-1, 1) for sy in (-1, 1) for sx in (-1, 1)])
        faces = [(0, 2, 3), (0, 3, 1), (4, 5, 7), (4, 7, 6), (0, 1, 5), (0, 5, 4)]
        faces += [(2, 6, 7), (2, 7, 3), (0, 4, 6), (0, 6, 2), (1, 3, 7), (1, 7, 5)]
        return self._add(turned(corners, h, p, r) + np.asarray(at), faces, color)

    def ball(self, at: Sequence[float], radius: float, color: Color, sides: int = 6) -> Shape:
        x, y, z = at
        rings = [(x, y + radius * t, z, radius * math.sqrt(max(0.0, 1 - t * t))) for t in (-1, -0.6, 0.6, 1)]
        return self.tube(rings, color, sides)

    def add(self, other: Shape, at: Sequence[float] = (0, 0, 0), h: float = 0, p: float = 0, r: float = 0) -> Shape:
        """Another shape's triangles, turned and moved."""
        for corners, colors in zip(other._corners, other._colors, strict=True):
            self._corners.append(turned(corners.reshape(-1, 3), h, p, r).reshape(-1, 3, 3) + np.asarray(at))
            self._colors.append(colors)
        return self

    def mirrored(self) -> Shape:
        """This shape, left for right."""
        other = Shape()
        other._corners = [(c * [-1, 1, 1])[:, ::-1] for c in self._corners]
        other._colors = list(self._colors)
        return other

    def mesh(self, pitch: float = 0) -> tuple[Mesh, np.ndarray]:
        """All the pieces, lit as they stand when they are pitched by so many degrees; and the colours `[V, 3]` of the
        same vertices in white with faint shades, to be multiplied by a colour."""
        corners, light = np.concatenate(self._corners), turned(LIGHT, p=-pitch)
        points, triangles = corners.reshape(-1, 3), np.arange(len(corners) * 3).reshape(-1, 3)
        corners, own = faces_lit(points, triangles, np.concatenate(self._colors), light)
        pale = faces_lit(points, triangles, (1.4, 1.4, 1.4), light)[1]
        points, own, pale, triangles = shared(corners, own, pale)
        return Mesh(points, own, triangles), pale
