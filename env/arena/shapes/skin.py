"""Bones, and the one Geom that they move: a figure costs the renderer one mesh, however many bones it has.

A bone is a frame `[4, 3]`: where its x, y and z axes point and where its origin lies, in the frame of its parent. So
do all points of Panda3D transform: (x, y, z, 1) times the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from panda3d.core import OmniBoundingVolume

from env.arena.jit import jit
from env.arena.shapes.mesh import NOTHING, Mesh, geometry, joined

ONE = np.array([(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0, 0, 0)])
"""The frame that changes nothing."""


class Bone(NamedTuple):
    name: str
    parent: int
    """Its place in the list, before this one's; -1 for a bone that hangs on none."""
    mesh: Mesh | None = None


class Skin:
    """The bones of a figure and what hangs on them. Write `frames` (float64[bones, 4, 3]), then call `draw`."""

    def __init__(self, bones: Sequence[Bone]) -> None:
        self.at = {bone.name: i for i, bone in enumerate(bones)}
        self.frames = np.repeat(ONE[None], len(bones), axis=0)
        self._world = self.frames.copy()
        """The same in the space of `node`."""
        self._base = ONE.copy()
        """Where bones without a parent hang."""
        self.parents = np.array([bone.parent for bone in bones])
        meshes = [bone.mesh or NOTHING for bone in bones]
        whole = joined(meshes)
        self._starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
        self._points, self._own = whole.points, whole.colors.astype(np.float32)
        self.node = geometry(*whole, "skin")
        self.node.node().set_bounds(OmniBoundingVolume())  # always in view: no bounds to work out for every pose
        self.node.node().set_final(True)
        self._array = self.node.node().modify_geom(0).modify_vertex_data().modify_array(0)
        self._rows = np.ones((len(self._points), 8), np.float32)  # as `geometry` lays them out
        self._rows[:, 4:7] = self._own
        self._bytes = memoryview(self._rows).cast("B")

    def place(self, x: float, y: float, heading: float) -> None:
        """Stands the whole there from the next `draw` on, turned by `heading` degrees. Cheaper than to move `node`."""
        turn(self._base, heading, 0.0, 0.0)
        self._base[3, 0], self._base[3, 1] = x, y

    def draw(self) -> None:
        """Moves the mesh to where the bones are."""
        _move(self.frames, self.parents, self._base, self._world, self._starts, self._points, self._rows)
        self._show()

    def _show(self) -> None:
        memoryview(self._array).cast("B")[:] = self._bytes

    def point(self, bone: int, at: Sequence[float]) -> tuple[float, float, float]:
        """Where a point of a bone has been drawn, in the space of `node`."""
        # Written out: a matrix product's last bit is another on another machine.
        (x, y, z), m = at, self._world[bone].tolist()
        a, b, c = (x * m[0][k] + y * m[1][k] + z * m[2][k] + m[3][k] for k in range(3))
        return a, b, c

    def colors(self, bone: int) -> np.ndarray:
        """The colours that its vertices were made with, float32[vertices, 3]."""
        return self._own[self._starts[bone] : self._starts[bone + 1]]

    def paint(self, bone: int, colors: np.ndarray | Sequence[float]) -> None:
        """Gives a bone's vertices other colours, one or one each."""
        self._rows[self._starts[bone] : self._starts[bone + 1], 4:7] = colors
        self._show()


@jit
def _move(frames, parents, base, world, starts, points, rows):
    for i in range(len(frames)):
        p = world[parents[i]] if parents[i] >= 0 else base
        for row in range(4):
            x, y, z = frames[i, row, 0], frames[i, row, 1], frames[i, row, 2]
            o = 1.0 if row == 3 else 0.0
            world[i, row, 0] = x * p[0, 0] + y * p[1, 0] + z * p[2, 0] + o * p[3, 0]
            world[i, row, 1] = x * p[0, 1] + y * p[1, 1] + z * p[2, 1] + o * p[3, 1]
            world[i, row, 2] = x * p[0, 2] + y * p[1, 2] + z * p[2, 2] + o * p[3, 2]
        m = world[i]
        for v in range(starts[i], starts[i + 1]):
            x, y, z = points[v, 0], points[v, 1], points[v, 2]
            rows[v, 0] = x * m[0, 0] + y * m[1, 0] + z * m[2, 0] + m[3, 0]
            rows[v, 1] = x * m[0, 1] + y * m[1, 1] + z * m[2, 1] + m[3, 1]
            rows[v, 2] = x * m[0, 2] + y * m[1, 2] + z * m[2, 2] + m[3, 2]


@jit
def turn(frame, h, p, r):
    """Sets the axes of a frame by heading, pitch and roll in degrees, in Panda3D's order and sense."""
    h, p, r = math.radians(h), math.radians(p), math.radians(r)
    sh, ch, sp, cp, sr, cr = math.sin(h), math.cos(h), math.sin(p), math.cos(p), math.sin(r), math.cos(r)
    frame[0, 0], frame[0, 1], frame[0, 2] = cr * ch - sr * sp * sh, cr * sh + sr * sp * ch, -sr * cp
    frame[1, 0], frame[1, 1], frame[1, 2] = -cp * sh, cp * ch, sp
    frame[2, 0], frame[2, 1], frame[2, 2] = sr * ch + cr * sp * sh, sr * sh - cr * sp * ch, cr * cp
