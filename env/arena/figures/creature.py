"""Creatures that are no people: joints, legs that find the ground by themselves, and poses over a boss's stages.

A pose names channels: a joint's angles ("neck": heading, pitch, roll in degrees), its offset from where it was built
("neck.at", metres), its size ("neck.size", factors) and where a foot stands ("foot_l": x, y, z in metres). Channels
that a pose does not name are as in the pose of rest. Every figure is a pure function of the arguments of `pose`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from panda3d.core import ColorScaleAttrib, Geom, NodePath, Point3, RenderState, Vec3

from env.arena.figures.motion import arc, flight, smooth
from env.arena.look import BossLook
from env.arena.shapes.mesh import Color
from env.arena.shapes.sculpt import Shape
from env.arena.state import LEAP_OFF, TICK_HZ

Triple = tuple[float, float, float]
Pose = dict[str, Triple]

LEAP_METRES = 3.0
DRAWN = 0.4
"""The share of a wind-up after which its pose is reached."""


class Striker(NamedTuple):
    """The parts that strike in a gesture, and where on the first of them the flare stands."""

    parts: tuple[str, ...]
    at: Triple


@dataclass(frozen=True)
class Poses:
    """All that a body can do. `air`: a leap's flight; `spent`: the opening after a blow."""

    rest: Pose
    windup: dict[str, Pose]
    strike: dict[str, Pose]
    air: Pose
    spent: Pose
    broken: Pose
    down: Pose
    strikers: dict[str, Striker]
    gait: Callable[[float, float], Pose]
    """Of (metres walked, seconds): what walking and breathing add to the pose of rest."""


def _aim(dx: float, dy: float, dz: float) -> Triple:
    """The angles in degrees that turn the y axis to a direction."""
    return -math.degrees(math.atan2(dx, dy)), math.degrees(math.atan2(dz, math.hypot(dx, dy))), 0.0


class Leg:
    """Two bones between a hip and a foot, or one bowed piece that is stretched between them.

    Bones lie along the y axis from the origin; the knee bends towards `knee`. A bowed piece has its foot at
    y = `bones[1]` and its knee `bones[0]` above. A third shape is a foot that lies flat.
    """

    def __init__(self, body: NodePath, at: Triple, bones: tuple[float, float], knee: Triple, shapes) -> None:
        self.body, self.at = body, Point3(*at)
        self.knee, self.bones = Vec3(*knee), bones
        self.parts = [shape.node("leg") for shape in shapes]
        for part in self.parts:
            part.reparent_to(body.get_parent())

    def stand(self, x: float, y: float, z: float) -> None:
        """Puts the foot there, or as near as the bones reach."""
        body = self.body.get_mat()
        hx, hy, hz = body.xform_point(self.at)
        dx, dy, dz = x - hx, y - hy, z - hz
        d = max(1e-3, math.sqrt(dx * dx + dy * dy + dz * dz))
        dx, dy, dz = dx / d, dy / d, dz / d
        upper, lower = self.bones
        if len(self.parts) == 1:
            size = d / lower
            bow = math.sqrt(max(0.12, 1 + (1 - size * size) * (lower / 2 / upper) ** 2))  # shorter: more bowed
            self.parts[0].set_pos_hpr_scale(hx, hy, hz, *_aim(dx, dy, dz), 1, size, bow)
            return
        d = min(d, (upper + lower) * 0.999)
        along = min(upper, (upper * upper - lower * lower + d * d) / (2 * d))
        out = math.sqrt(max(0.0, upper * upper - along * along))
        kx, ky, kz = body.xform_vec(self.knee)
        dot = kx * dx + ky * dy + kz * dz
        kx, ky, kz = kx - dot * dx, ky - dot * dy, kz - dot * dz
        out /= max(1e-6, math.sqrt(kx * kx + ky * ky + kz * kz))
        kx, ky, kz = dx * along + kx * out, dy * along + ky * out, dz * along + kz * out
        fx, fy, fz = dx * d, dy * d, dz * d
        self.parts[0].set_pos_hpr(hx, hy, hz, *_aim(kx, ky, kz))
        self.parts[1].set_pos_hpr(hx + kx, hy + ky, hz + kz, *_aim(fx - kx, fy - ky, fz - kz))
        if len(self.parts) == 3:  # flat on the ground; it hangs when it is lifted
            self.parts[2].set_pos_hpr(hx + fx, hy + fy, hz + fz, 0, -70 * smooth((z - 0.1) / 0.8), 0)


class Creature:
    """A boss's figure (`env.arena.figures.bodies.Figure`). A body adds joints and legs, then calls `finish`."""

    def __init__(self, look: BossLook, natural_height: float, shadow_radius: float) -> None:
        size = look.height / natural_height
        self.height = look.height
        self.shadow_radius = shadow_radius * size
        self.root = NodePath("figure")
        self._size = size
        self.turn = self.root.attach_new_node("frame").attach_new_node("turn")
        self.turn.get_parent().set_scale(size)
        self.joints: dict[str, NodePath] = {"turn": self.turn}
        self.legs: dict[str, Leg] = {}
        self._pieces: dict[str, list[tuple[NodePath, Shape, float]]] = {}  # of a joint or leg
        self._coats: dict[str, list[tuple[NodePath, Geom, Geom]]] = {}  # of what strikes: in its own colours, in white
        self._striker: Striker | None = None
        self._lit: tuple | None = None  # what glows: striker, colour, white

    # -- building --------------------------------------------------------------------------------------------

    def joint(self, name: str, parent: str, at: Triple, shape: Shape, pitch: float = 0) -> None:
        """`pitch`: how it mostly stands, for the light."""
        node = self.joints[name] = shape.node(name, pitch)
        node.reparent_to(self.joints[parent])
        node.set_pos(*at)
        self._pieces[name] = [(node, shape, pitch)]

    def leg(self, name: str, at: Triple, bones: tuple[float, float], knee: Triple, *shapes: Shape) -> None:
        """`name`: the channel of its foot; `at`: the hip's place in the joint "body". See `Leg`."""
        leg = self.legs[name] = Leg(self.joints["body"], at, bones, knee, shapes)
        self._pieces[name] = [(part, shape, 0.0) for part, shape in zip(leg.parts, shapes, strict=True)]

    def finish(self, poses: Poses) -> Creature:
        """Makes the poses into arrays `[channels, 3]`."""
        self._poses = poses
        for part in {part for striker in poses.strikers.values() for part in striker.parts}:
            self._coats[part] = [
                (node, _geom(node), _geom(shape.pale().node("pale", pitch)))
                for node, shape, pitch in self._pieces[part]
            ]
        every = [poses.rest, poses.air, poses.spent, poses.broken, poses.down, poses.gait(0.3, 0.3)]
        names = {name for pose in [*every, *poses.windup.values(), *poses.strike.values()] for name in pose}
        names = [*sorted((names | {"body"}) - set(self.legs)), *self.legs]  # joints first: feet hang on the hips
        self._index = {name: i for i, name in enumerate(names)}
        self._setters = [self._setter(name) for name in names]
        neutral = np.array([[float(name.endswith(".size"))] * 3 for name in names])
        self._rest = self._vector(poses.rest, neutral)
        self._windup = {gesture: self._vector(pose, self._rest) for gesture, pose in poses.windup.items()}
        self._strike = {gesture: self._vector(pose, self._rest) for gesture, pose in poses.strike.items()}
        self._air, self._spent, self._broken, self._down = (
            self._vector(pose, self._rest) for pose in (poses.air, poses.spent, poses.broken, poses.down)
        )
        return self

    def _setter(self, name: str) -> Callable[[float, float, float], None]:
        if name in self.legs:
            return self.legs[name].stand
        joint, _, what = name.partition(".")
        node = self.joints[joint]
        if what == "at":
            bx, by, bz = node.get_pos()
            return lambda x, y, z: node.set_pos(bx + x, by + y, bz + z)
        return node.set_scale if what == "size" else node.set_hpr

    def _vector(self, pose: Pose, base: np.ndarray) -> np.ndarray:
        vector = base.copy()
        for name, values in pose.items():
            vector[self._index[name]] = values
        return vector

    # -- posing ----------------------------------------------------------------------------------------------

    def pose(self, gesture: str | None, kind: str | None, stage: str, progress: float, walk: float, view) -> None:
        """See `env.arena.figures.bodies.Figure.pose`."""
        time = 0.0 if view.boss.frozen else view.tick / TICK_HZ
        self._striker = self._poses.strikers.get(gesture)
        lift = 0.0
        if stage == "windup":
            pose, lift = self._wind_up(gesture, kind == "leap", progress, walk, time)
        elif stage == "strike":
            start = self._air if kind == "leap" else self._windup[gesture]
            pose = _mix(start, self._strike[gesture], smooth(0.35 + progress))
        elif stage == "recover" and progress < 0.7:
            pose = _mix(self._strike[gesture], self._spent, smooth(progress / 0.2))
        elif stage == "recover":
            pose = _mix(self._spent, self._idle(walk, time), smooth((progress - 0.7) / 0.3))
        elif stage == "broken":
            pose = _mix(self._rest, self._broken, smooth(progress / 0.12))
            pose[self._index["body"]] += (0.0, 0.0, 3.0 * math.sin(time * 3.0))
        elif stage == "down":
            pose = _mix(self._broken, self._down, smooth(progress / 0.7))
        else:
            pose = self._idle(walk, time)
        self.turn.set_z(lift / self._size)
        for setter, values in zip(self._setters, pose.tolist(), strict=True):
            setter(*values)

    def _wind_up(self, gesture: str, leap: bool, progress: float, walk: float, time: float) -> tuple[np.ndarray, float]:
        """The pose, and the metres off the ground."""
        drawn = self._windup[gesture]
        if leap and progress > LEAP_OFF:
            air = flight(progress)
            return _mix(drawn, self._air, smooth(air * 2.5)), LEAP_METRES * arc(air)
        # Drawn back fast, then held with a growing tremble: one picture tells it for most of the wind-up.
        early = progress < DRAWN
        pose = _mix(self._idle(walk, time), drawn, smooth(progress / DRAWN)) if early else drawn.copy()
        pose[self._index["body"]] += np.array([1.2, 1.4, 0.8]) * (progress * math.sin(progress * 60))
        return pose, 0.0

    def _idle(self, walk: float, time: float) -> np.ndarray:
        pose = self._rest.copy()
        for name, values in self._poses.gait(walk, time).items():
            pose[self._index[name]] += values
        return pose

    # -- telegraphs ------------------------------------------------------------------------------------------

    def glow(self, color: Color | None, white: bool) -> None:
        """See `env.arena.figures.bodies.Body.glow`. The colour takes the place of the part's own, with its shading."""
        lit = None if color is None or self._striker is None else (self._striker, tuple(color), white)
        if lit == self._lit:
            return
        if self._lit is not None:
            for part in self._lit[0].parts:
                for node, own, _ in self._coats[part]:
                    node.node().set_geom(0, own)
                    node.node().set_geom_state(0, RenderState.make_empty())
        self._lit = lit
        if lit is None:
            return
        scale = (1.3, 1.3, 1.3, 1) if white else (*(1.15 * c for c in color), 1)
        state = RenderState.make(
            ColorScaleAttrib.make(scale)
        )  # of the Geom alone: a node would hand it to its children
        for part in self._striker.parts:
            for node, _, pale in self._coats[part]:
                node.node().set_geom(0, pale)
                node.node().set_geom_state(0, state)

    def tip(self) -> Point3:
        """Where the flare stands, in the space of the root's parent."""
        if self._striker is None:
            return self.root.get_pos() + Point3(0, 0, self.height)
        node = self._pieces[self._striker.parts[0]][-1][0]
        return self.root.get_parent().get_relative_point(node, Point3(*self._striker.at))


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a + (b - a) * share


def _geom(node: NodePath) -> Geom:
    return node.node().get_geom(0).make_copy()
