"""Small solids with baked shading, made of vertices: what figures consist of, and how vertices become a Geom.

Shading is baked into the vertex colours by a fixed light, so that the software renderer has no lights to compute
and every machine draws the same. Panda3D's axes: x right, y forward, z up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from panda3d.core import (
    Geom,
    GeomEnums,
    GeomNode,
    GeomTriangles,
    GeomVertexArrayFormat,
    GeomVertexData,
    GeomVertexFormat,
    NodePath,
)

Color = tuple[float, float, float]
Point = Sequence[float]
"""x, y, z."""
LIGHT = np.array([0.45, -0.55, 0.70]) / np.linalg.norm([0.45, -0.55, 0.70])
AMBIENT = 0.50


# Four numbers a point: the renderer takes them as they stand, where it would fill up three at every picture.
_COLUMNS = GeomVertexArrayFormat("vertex", 4, GeomEnums.NT_float32, GeomEnums.C_point)
_COLUMNS.add_column("color", 4, GeomEnums.NT_float32, GeomEnums.C_color)
_FORMAT = GeomVertexFormat.register_format(GeomVertexFormat(_COLUMNS))


def geometry(points: np.ndarray, colors: np.ndarray, triangles: np.ndarray, name: str) -> NodePath:
    """One Geom: `points [V, 3]`, `colors [V, 3 or 4]` in 0..1, `triangles [T, 3]` counter-clockwise from outside."""
    rows = np.ones((len(points), 8), np.float32)
    rows[:, :3], rows[:, 4 : 4 + colors.shape[1]] = points, colors
    data = GeomVertexData(name, _FORMAT, GeomEnums.UH_static)
    data.unclean_set_num_rows(len(rows))
    memoryview(data.modify_array(0)).cast("B")[:] = rows.tobytes()
    index = np.asarray(triangles, np.uint32)
    primitive = GeomTriangles(GeomEnums.UH_static)
    primitive.set_index_type(GeomEnums.NT_uint32)
    corners = primitive.modify_vertices(index.size)
    corners.unclean_set_num_rows(index.size)
    memoryview(corners).cast("B")[:] = index.tobytes()
    geom = Geom(data)
    geom.add_primitive(primitive)
    node = GeomNode(name)
    node.add_geom(geom)
    return NodePath(node)


class Mesh(NamedTuple):
    """Triangles that move together."""

    points: np.ndarray
    """float[V, 3]"""
    colors: np.ndarray
    """float[V, 3], 0..1"""
    triangles: np.ndarray
    """int[T, 3], counter-clockwise from outside"""

    def moved(self, at: Point = (0, 0, 0), pitch: float = 0, size: float = 1) -> Mesh:
        """This mesh, made larger, then pitched by so many degrees about the origin, then moved."""
        s, c = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
        x, y, z = (self.points * size).T
        return self._replace(points=np.stack([x, y * c - z * s, y * s + z * c], axis=1) + np.asarray(at))


NOTHING = Mesh(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3), int))


def joined(meshes: Iterable[Mesh]) -> Mesh:
    """All of them as one."""
    meshes = list(meshes)
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.colors for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def faces_lit(points: np.ndarray, triangles: np.ndarray, color, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners `[T, 3, 3]` of the triangles that have an area, and the colour `[T, 3]` of each in the light.

    `color`: one for all, or one a face `[T, 3]`; `light`: the direction that it comes from."""
    corners = np.asarray(points, float)[np.asarray(triangles)]
    color = np.broadcast_to(np.asarray(color, float), (len(corners), 3))
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    seen = length[:, 0] > 1e-9
    corners, color, normal = corners[seen], color[seen], (normal / np.maximum(length, 1e-12))[seen]
    # Front and back are lit alike: the fighter is seen from behind, its foe from the front.
    # Written out: a matrix product's last bit is another on another machine.
    facing = normal[:, 0] * light[0] + np.abs(normal[:, 1]) * abs(light[1]) + normal[:, 2] * light[2]
    bright = AMBIENT + (1 - AMBIENT) * np.clip(facing, 0, 1) + 0.12 * np.clip(normal[:, 2], 0, 1)
    return corners, np.clip(color * bright[:, None], 0, 1)


def shared(corners: np.ndarray, *colors: np.ndarray) -> tuple[np.ndarray, ...]:
    """The vertices of `corners [T, 3, 3]`, whose faces have `colors` (each `[T, 3]`): those alike are one, fewer to
    move. Gives their points `[V, 3]`, their colours `[V, 3]` of each kind, and the triangles `[T, 3]`."""
    columns = [corners.reshape(-1, 3), *(np.repeat(color, 3, axis=0) for color in colors)]
    rows, index = np.unique(np.hstack(columns).round(6), axis=0, return_inverse=True)
    return *np.hsplit(rows, len(columns)), index.reshape(-1, 3)


def solid(points: np.ndarray, triangles: np.ndarray, color: Color) -> Mesh:
    """Flat-shaded triangles: every face has its own brightness."""
    return Mesh(*shared(*faces_lit(points, triangles, color, LIGHT)))


def box(sx: float, sy: float, sz: float, color: Color, at=(0, 0, 0)) -> Mesh:
    """A box around `at`."""
    x, y, z = sx / 2, sy / 2, sz / 2
    square = [(-x, -y), (x, -y), (x, y), (-x, y)]
    corners = np.array([(*corner, z) for z in (-z, z) for corner in square]) + np.asarray(at)
    faces = [(0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7), (0, 1, 5), (0, 5, 4), (1, 2, 6), (1, 6, 5)]
    faces += [(2, 3, 7), (2, 7, 6), (3, 0, 4), (3, 4, 7)]
    return solid(corners, np.array(faces), color)


def lathe(profile: Sequence[tuple[float, float]], color: Color, sides: int = 8, at=(0, 0, 0)) -> Mesh:
    """A profile of (radius, height) turned around the z axis."""
    angles = np.arange(sides) * math.tau / sides
    points = [[r * math.cos(a), r * math.sin(a), z] for r, z in profile for a in angles]
    triangles = []
    for i in range(len(profile) - 1):
        for k in range(sides):
            a, b = i * sides + k, i * sides + (k + 1) % sides
            triangles += [(a, b, b + sides), (a, b + sides, a + sides)]
    return solid(np.array(points) + np.asarray(at), np.array(triangles), color)


def ball(radius: float, color: Color, at=(0, 0, 0), sides: int = 8, rings: int = 5) -> Mesh:
    """A sphere of flat faces."""
    steps = [math.pi * i / rings - math.pi / 2 for i in range(rings + 1)]
    profile = [(radius * math.cos(s), radius * math.sin(s)) for s in steps]
    return lathe(profile, color, sides, at)


def loft(rings: Sequence[tuple[float, float, float, float]], color: Color, sides: int = 8) -> Mesh:
    """A closed solid through ellipses (half width x, half depth y, height z, forward shift) from the bottom up."""
    turns = (np.arange(sides) + 0.5) * math.tau / sides
    points = [(math.cos(t) * x, math.sin(t) * y + shift, z) for x, y, z, shift in rings for t in turns]
    count, faces = len(rings), []
    for i in range(count - 1):
        for k in range(sides):
            a, b = i * sides + k, i * sides + (k + 1) % sides
            faces += [(a, b, b + sides), (a, b + sides, a + sides)]
    for k in range(1, sides - 1):
        top = (count - 1) * sides
        faces += [(0, k + 1, k), (top, top + k, top + k + 1)]
    return solid(np.array(points), np.array(faces), color)


def rod(a: Point, b: Point, ra: float, rb: float, color: Color, sides: int = 6, hidden: bool = False) -> Mesh:
    """A tapered rod from `a` (radius `ra`) to `b` (radius `rb`; 0 makes it a spike), shaded where it lies.

    `hidden`: its end at `a` is inside another solid and stays open."""
    start, axis = np.asarray(a, float), np.asarray(b, float) - np.asarray(a, float)
    axis_unit = axis / np.linalg.norm(axis)
    across = np.cross(axis_unit, (0, 0, 1) if abs(axis_unit[2]) < 0.9 else (0, 1, 0))
    across /= np.linalg.norm(across)
    other = np.cross(axis_unit, across)
    turns = (np.arange(sides) + 0.5) * math.tau / sides
    ring = np.cos(turns)[:, None] * across + np.sin(turns)[:, None] * other  # [sides, 3]
    points = np.vstack([start + ring * ra, start + axis + ring * rb, start[None], (start + axis)[None]])
    faces = []
    for k in range(sides):
        n = (k + 1) % sides
        faces += [(k, n, n + sides), (k, n + sides, k + sides), (2 * sides + 1, k + sides, n + sides)]
        if not hidden:
            faces.append((2 * sides, n, k))
    return solid(points, np.array(faces), color)


def sheet(points: Sequence[Point], color: Color) -> Mesh:
    """A fan of triangles from the first of the points, seen from both sides: cloth, wings, blades."""
    faces = [(0, k, k + 1) for k in range(1, len(points) - 1)]
    return solid(np.asarray(points, float), np.array(faces + [(a, c, b) for a, b, c in faces]), color)
