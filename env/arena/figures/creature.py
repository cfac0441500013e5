"""Creatures that are no people: joints, legs that find the ground by themselves, and poses over a boss's stages.

A pose names channels: a joint's angles ("neck": heading, pitch, roll in degrees), its offset from where it was built
("neck.at", metres), its size ("neck.size", factors) and where a foot stands ("foot_l": x, y, z in metres). Channels
that a pose does not name are as in the pose of rest. Every figure is a pure function of the arguments of `pose`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from panda3d.core import Point3

from env.arena.figures.motion import arc, flight, smooth
from env.arena.jit import jit
from env.arena.look import BossLook
from env.arena.shapes.mesh import Color
from env.arena.shapes.sculpt import Shape
from env.arena.shapes.skin import Bone, Skin, turn
from env.arena.state import LEAP_OFF, TICK_HZ

Triple = tuple[float, float, float]
Pose = dict[str, Triple]

LEAP_METRES = 3.0
STILL: Triple = (0.0, 0.0, 0.0)
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


class Leg(NamedTuple):
    """Two bones between a hip and a foot, or one bowed piece that is stretched between them.

    Bones lie along the y axis from the origin; the knee bends towards `knee`. A bowed piece has its foot at
    y = `bones[1]` and its knee `bones[0]` above. A third piece is a foot that lies flat.
    """

    hip: Triple
    """In the joint "body"."""
    bones: tuple[float, float]
    knee: Triple
    first: int
    """The bone of its first piece; the others follow."""
    pieces: int


FRAME, TURN = range(2)
"""The bones that every creature has: its size, and the whole body's own turn and flight."""
HPR, AT, SIZE, FOOT = range(4)
"""What a channel sets."""


class Creature:
    """A boss's figure (`env.arena.figures.bodies.Figure`). A body adds joints and legs, then calls `finish`."""

    def __init__(self, look: BossLook, natural_height: float, shadow_radius: float) -> None:
        self._size = look.height / natural_height
        self.height = look.height
        self.shadow_radius = shadow_radius * self._size
        self.legs: dict[str, Leg] = {}
        self._bones = [Bone("frame", -1), Bone("turn", FRAME)]
        self._places: list[Triple] = [(0.0, 0.0, 0.0)] * 2
        """Where each joint is built, in its parent."""
        self._named = {"turn": [TURN]}
        """The bones of each joint and leg."""
        self._pale: dict[int, np.ndarray] = {}
        """Of each bone the colours of its vertices when it glows white."""
        self._striker: Striker | None = None
        self._lit: tuple | None = None  # what glows: striker, colour, white

    # -- building --------------------------------------------------------------------------------------------

    def _bone(self, name: str, parent: int, at: Triple, shape: Shape, pitch: float = 0) -> None:
        mesh, self._pale[len(self._bones)] = shape.mesh(pitch)
        self._named.setdefault(name, []).append(len(self._bones))
        self._bones.append(Bone(name, parent, mesh))
        self._places.append(at)

    def joint(self, name: str, parent: str, at: Triple, shape: Shape, pitch: float = 0) -> None:
        """`pitch`: how it mostly stands, for the light."""
        self._bone(name, self._named[parent][0], at, shape, pitch)

    def leg(self, name: str, at: Triple, bones: tuple[float, float], knee: Triple, *shapes: Shape) -> None:
        """`name`: the channel of its foot; `at`: the hip's place in the joint "body". See `Leg`."""
        self.legs[name] = Leg(at, bones, knee, len(self._bones), len(shapes))
        for shape in shapes:
            self._bone(name, TURN, (0.0, 0.0, 0.0), shape)

    def finish(self, poses: Poses) -> Creature:
        """Makes the poses into arrays `[channels, 3]`, and the bones into a skin."""
        self._poses = poses
        every = [poses.rest, poses.air, poses.spent, poses.broken, poses.down, poses.gait(0.3, 0.3)]
        names = {name for pose in [*every, *poses.windup.values(), *poses.strike.values()] for name in pose}
        names = [*sorted((names | {"body"}) - set(self.legs)), *self.legs]  # joints first: feet hang on the hips
        self._index = {name: i for i, name in enumerate(names)}
        self._body = self._named["body"][0]
        self._channels = np.array([self._channel(name) for name in names])
        self._stepping = [self._index[name] for name in poses.gait(0.3, 0.3)]
        neutral = np.array([[float(name.endswith(".size"))] * 3 for name in names])
        self._rest = self._vector(poses.rest, neutral)
        self._windup = {gesture: self._vector(pose, self._rest) for gesture, pose in poses.windup.items()}
        self._strike = {gesture: self._vector(pose, self._rest) for gesture, pose in poses.strike.items()}
        self._air, self._spent, self._broken, self._down = (
            self._vector(pose, self._rest) for pose in (poses.air, poses.spent, poses.broken, poses.down)
        )
        self.skin = Skin(self._bones)
        self.root = self.skin.node
        self._built = np.array(self._places)
        self._joints = np.zeros((3, len(self._bones), 3))  # of each bone HPR, AT and SIZE
        self._joints[SIZE] = 1.0
        self._joints[SIZE, FRAME] = self._size
        legs = self.legs.values()
        self._hips = np.array([leg.hip for leg in legs]).reshape(-1, 3)
        self._lengths = np.array([leg.bones for leg in legs]).reshape(-1, 2)
        self._knees = np.array([leg.knee for leg in legs], float).reshape(-1, 3)
        self._feet = np.array([(leg.first, leg.pieces) for leg in legs], int).reshape(-1, 2)
        return self

    def _channel(self, name: str) -> tuple[int, int]:
        """What a channel sets, and of which bone or leg."""
        if name in self.legs:
            return FOOT, list(self.legs).index(name)
        joint, _, what = name.partition(".")
        return {"": HPR, "at": AT, "size": SIZE}[what], self._named[joint][0]

    def _vector(self, pose: Pose, base: np.ndarray) -> np.ndarray:
        vector = base.copy()
        for name, values in pose.items():
            vector[self._index[name]] = values
        return vector

    def stand(self, name: str, foot: Triple) -> None:
        """Puts a leg's foot there, or as near as its bones reach."""
        leg = list(self.legs).index(name)
        frames = self.skin.frames
        _stand(
            frames, frames[self._body], self._hips[leg], self._lengths[leg], self._knees[leg], self._feet[leg], *foot
        )

    # -- posing ----------------------------------------------------------------------------------------------

    def pose(self, gesture: str | None, kind: str | None, stage: str, progress: float, walk: float, view) -> None:
        """See `env.arena.figures.bodies.Figure.pose`."""
        time = 0.0 if view.boss.frozen else view.tick / TICK_HZ
        self._striker = self._poses.strikers.get(gesture)
        start, end, share, lift, tremble = self._moment(gesture, kind, stage, progress, walk, time)
        _pose(
            start, end, share, tremble, lift / self._size, self._channels, self._built, self._joints, self._hips,
            self._lengths, self._knees, self._feet, self._body, self.skin.frames,
        )  # fmt: skip
        self.skin.draw()

    def _moment(
        self, gesture: str | None, kind: str | None, stage: str, progress: float, walk: float, time: float
    ) -> tuple[np.ndarray, np.ndarray, float, float, Triple]:
        """Two poses, the share of the second one, the metres off the ground, and what the body trembles by."""
        if stage == "windup":
            drawn = self._windup[gesture]
            if kind == "leap" and progress > LEAP_OFF:
                air = flight(progress)
                return drawn, self._air, smooth(air * 2.5), LEAP_METRES * arc(air), STILL
            # Drawn back fast, then held with a growing tremble: one picture tells it for most of the wind-up.
            start = self._idle(walk, time) if progress < DRAWN else drawn
            by = progress * math.sin(progress * 60)
            return start, drawn, smooth(progress / DRAWN), 0.0, (1.2 * by, 1.4 * by, 0.8 * by)
        if stage == "strike":
            start = self._air if kind == "leap" else self._windup[gesture]
            return start, self._strike[gesture], smooth(0.35 + progress), 0.0, STILL
        if stage == "recover":
            if progress < 0.7:
                return self._strike[gesture], self._spent, smooth(progress / 0.2), 0.0, STILL
            return self._spent, self._idle(walk, time), smooth((progress - 0.7) / 0.3), 0.0, STILL
        if stage == "broken":
            dazed = (0.0, 0.0, 3.0 * math.sin(time * 3.0))
            return self._rest, self._broken, smooth(progress / 0.12), 0.0, dazed
        if stage == "down":
            return self._broken, self._down, smooth(progress / 0.7), 0.0, STILL
        idle = self._idle(walk, time)
        return idle, idle, 0.0, 0.0, STILL

    def _idle(self, walk: float, time: float) -> np.ndarray:
        pose = self._rest.copy()
        pose[self._stepping] += list(self._poses.gait(walk, time).values())
        return pose

    # -- telegraphs ------------------------------------------------------------------------------------------

    def glow(self, color: Color | None, white: bool) -> None:
        """See `env.arena.figures.bodies.Body.glow`. The colour takes the place of the part's own, with its shading."""
        lit = None if color is None or self._striker is None else (self._striker, tuple(color), white)
        if lit == self._lit:
            return
        if self._lit is not None:
            for bone in self._striking(self._lit[0]):
                self.skin.paint(bone, self.skin.colors(bone))
        self._lit = lit
        if lit is not None:
            scale = (1.3, 1.3, 1.3) if white else [1.15 * c for c in color]
            for bone in self._striking(self._striker):
                self.skin.paint(bone, self._pale[bone] * scale)

    def _striking(self, striker: Striker) -> Sequence[int]:
        return [bone for part in striker.parts for bone in self._named[part]]

    def tip(self) -> Point3:
        """Where the flare stands, in the space of the root's parent."""
        if self._striker is None:
            return self.root.get_mat().xform_point(Point3(*self.skin.point(FRAME, (0, 0, self.height / self._size))))
        last = self._named[self._striker.parts[0]][-1]
        return self.root.get_mat().xform_point(Point3(*self.skin.point(last, self._striker.at)))


@jit
def _pose(start, end, share, tremble, lift, channels, built, joints, hips, lengths, knees, feet, body, frames):
    """Sets the frames of all bones. start, end [channels, 3]: what is mixed; channels [channels, 2]: what each sets,
    and of which one."""
    pose = start + (end - start) * share
    for c in range(len(pose)):
        what, which = channels[c]
        if what != FOOT:
            joints[what, which] = pose[c]
    for k in range(3):
        joints[HPR, body, k] += tremble[k]
    for i in range(len(built)):
        turn(frames[i], joints[HPR, i, 0], joints[HPR, i, 1], joints[HPR, i, 2])
        for axis in range(3):
            for k in range(3):
                frames[i, axis, k] *= joints[SIZE, i, axis]
            frames[i, 3, axis] = built[i, axis] + joints[AT, i, axis]
    frames[TURN, 3, 2] += lift
    for c in range(len(pose)):
        what, leg = channels[c]
        if what == FOOT:
            x, y, z = pose[c]
            _stand(frames, frames[body], hips[leg], lengths[leg], knees[leg], feet[leg], x, y, z)


@jit
def _stand(frames, body, hip, lengths, knee, foot, x, y, z):
    first, pieces = foot
    hx, hy, hz = _in(body, hip, 1.0)
    dx, dy, dz = x - hx, y - hy, z - hz
    d = max(1e-3, math.sqrt(dx * dx + dy * dy + dz * dz))
    dx, dy, dz = dx / d, dy / d, dz / d
    upper, lower = lengths
    if pieces == 1:
        size = d / lower
        bow = math.sqrt(max(0.12, 1 + (1 - size * size) * (lower / 2 / upper) ** 2))  # shorter: more bowed
        _lay(frames[first], hx, hy, hz, dx, dy, dz)
        for k in range(3):
            frames[first, 1, k] *= size
            frames[first, 2, k] *= bow
        return
    d = min(d, (upper + lower) * 0.999)
    along = min(upper, (upper * upper - lower * lower + d * d) / (2 * d))
    out = math.sqrt(max(0.0, upper * upper - along * along))
    kx, ky, kz = _in(body, knee, 0.0)
    dot = kx * dx + ky * dy + kz * dz
    kx, ky, kz = kx - dot * dx, ky - dot * dy, kz - dot * dz
    out /= max(1e-6, math.sqrt(kx * kx + ky * ky + kz * kz))
    kx, ky, kz = dx * along + kx * out, dy * along + ky * out, dz * along + kz * out
    fx, fy, fz = dx * d, dy * d, dz * d
    _lay(frames[first], hx, hy, hz, kx, ky, kz)
    _lay(frames[first + 1], hx + kx, hy + ky, hz + kz, fx - kx, fy - ky, fz - kz)
    if pieces == 3:  # flat on the ground; it hangs when it is lifted
        lifted = min(1.0, max(0.0, (z - 0.1) / 0.8))
        turn(frames[first + 2], 0.0, -70 * (lifted * lifted * (3 - 2 * lifted)), 0.0)
        frames[first + 2, 3, 0], frames[first + 2, 3, 1], frames[first + 2, 3, 2] = hx + fx, hy + fy, hz + fz


@jit
def _in(frame, p, o):
    """A point (`o` = 1) or a direction (0) of a frame, in its parent."""
    return (
        p[0] * frame[0, 0] + p[1] * frame[1, 0] + p[2] * frame[2, 0] + o * frame[3, 0],
        p[0] * frame[0, 1] + p[1] * frame[1, 1] + p[2] * frame[2, 1] + o * frame[3, 1],
        p[0] * frame[0, 2] + p[1] * frame[1, 2] + p[2] * frame[2, 2] + o * frame[3, 2],
    )


@jit
def _lay(frame, x, y, z, dx, dy, dz):
    """Puts a frame's origin there and turns its y axis to a direction."""
    turn(frame, -math.degrees(math.atan2(dx, dy)), math.degrees(math.atan2(dz, math.sqrt(dx * dx + dy * dy))), 0.0)
    frame[3, 0], frame[3, 1], frame[3, 2] = x, y, z
