"""The skeleton of everything that walks upright, and how a pose puts it together.

A pose says where the hands and feet are, how the trunk is held and where the weapon points; elbows and knees follow
from it (two bones between a joint and a target have one solution but for the plane they bend in). So crouching is one
number, and the same pose fits a dwarf and a giant.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
from panda3d.core import Point3

from env.arena.jit import jit
from env.arena.shapes.mesh import Color, Mesh
from env.arena.shapes.skin import Bone, Skin, turn

FIELDS = (
    "drop", "sway", "push", "air", "lean", "yaw",
    "bow", "twist", "tilt", "nod", "look",
    "rx", "ry", "rz", "lx", "ly", "lz",
    "aim", "turn", "aim_l", "turn_l", "both",
    "rfx", "rfy", "rfz", "lfx", "lfy", "lfz",
    "spread",
)  # fmt: skip
"""Of a pose, in units of a body two units tall, and degrees:

drop, sway, push: the hips below standing height, to the right, forward; air: the whole body above the ground, metres
lean, yaw: the whole body forward about the hips, and to the left
bow, twist, tilt: the trunk forward, to the left, to the right; nod, look: the head forward and to the left
rx ry rz, lx ly lz: the hands from their shoulders, outward, forward, up, in arm's lengths, in the trunk's frame
aim, turn (aim_l, turn_l): where the weapon points, upward from forward, and inward; both: 1 when the left hand holds
the right one's shaft
rfx rfy rfz, lfx lfy lfz: the feet from where they stand at ease, outward, forward, up
spread: wings and tail, 0 folded to 1 spread
"""
Pose = tuple[float, ...]
"""In the order of `FIELDS`."""
_INDEX = {name: i for i, name in enumerate(FIELDS)}


def pose(base: Pose | None = None, **values: float) -> Pose:
    """A pose from the fields that differ from `base`, or from standing with the arms forward."""
    out = list(base or [0.0] * len(FIELDS))
    for name, value in values.items():
        out[_INDEX[name]] = value
    return tuple(out)


def shifted(base: Pose, **by: float) -> Pose:
    """`base` with some fields greater by so much."""
    out = list(base)
    for name, value in by.items():
        out[_INDEX[name]] += value
    return tuple(out)


@dataclass
class Weapon:
    """What a hand holds: it points along +y from the hand at the origin."""

    mesh: Mesh
    tip: tuple[float, float, float]
    grip: float | None = None
    """Where along the shaft the left hand holds it too; None: one hand is enough."""


@dataclass(frozen=True)
class Proportions:
    """Lengths in units of a body two units tall."""

    hip: float = 0.95
    hip_x: float = 0.12
    thigh: float = 0.50
    shin: float = 0.50
    shoulder: float = 0.58
    shoulder_x: float = 0.30
    upper: float = 0.34
    fore: float = 0.34
    neck: float = 0.70
    head: float = 0.34
    hunch: float = 0.0

    @property
    def tall(self) -> float:
        return self.hip + self.neck + self.head


BONES = (
    ("frame", -1), ("body", 0), ("torso", 1), ("head", 2), ("upper_r", 2), ("fore_r", 2), ("upper_l", 2), ("fore_l", 2),
    ("wing_r", 2), ("wing_l", 2), ("right", 2), ("left", 2), ("orb", 7), ("thigh_r", 1), ("shin_r", 1), ("thigh_l", 1),
    ("shin_l", 1), ("robe", 1), ("tail", 1),
)  # fmt: skip
"""Their names and parents. `right` and `left` are the weapons in the hands, `orb` lies on the left palm. Legs, or one
robe. A bone without a mesh costs nothing."""
(FRAME, BODY, TORSO, HEAD, UPPER_R, FORE_R, UPPER_L, FORE_L, WING_R, WING_L, RIGHT, LEFT, ORB, THIGH_R, SHIN_R, THIGH_L,
 SHIN_L, ROBE, TAIL) = range(len(BONES))  # fmt: skip

Striker = tuple[int, tuple[float, float, float]]
"""A bone that strikes, and its striking point."""


class Rig:
    """A skeleton of `BONES` with a mesh each, made to hang from its joint (limbs along -z)."""

    def __init__(
        self,
        height: float,
        measures: Proportions,
        meshes: dict[str, Mesh],
        right: Weapon | None = None,
        left: Weapon | None = None,
    ) -> None:
        self.height = height
        meshes = meshes | {name: weapon.mesh for name, weapon in (("right", right), ("left", left)) if weapon}
        self.skin = Skin([Bone(name, parent, meshes.get(name)) for name, parent in BONES])
        self.root = self.skin.node
        self._grip = right.grip or 0.0 if right else 0.0
        self._measures = np.array(astuple(measures))
        self.skin.frames[FRAME, :3] *= height / measures.tall
        self.strikers: list[Striker] = []
        self._lit: list[int] = []
        self._light: tuple[Color | None, bool] = None, False

    def apply(self, values: Pose) -> None:
        """Puts the bones where a pose wants them; `skin.draw` shows it."""
        _apply(np.array(values), self._measures, self._grip, self.skin.frames)

    def glow(self, color: Color | None, white: bool) -> None:
        """Colours what strikes in the present pose; None gives it its own colours back."""
        for bone in self._lit:
            self.skin.paint(bone, self.skin.colors(bone))
        self._light = color, white
        self._lit = [bone for bone, _ in self.strikers] if color is not None else []
        for bone in self._lit:
            self.skin.paint(bone, (1, 1, 1) if white else color)

    def strike_with(self, strikers: list[Striker]) -> None:
        """Chooses what strikes in the present pose. What glows passes on from one to the other."""
        if strikers is not self.strikers:
            self.strikers = strikers
            self.glow(*self._light)

    def tip(self) -> Point3:
        """Where the first of the strikers strikes, in the space of root's parent."""
        return self.root.get_mat().xform_point(Point3(*self.skin.point(*self.strikers[0])))


@jit
def _apply(values, measures, grip, frames):
    """Sets the frames of `BONES`. values: a `Pose`; measures: `Proportions`, in the order of its fields."""
    (drop, sway, push, air, lean, yaw, bow, twist, tilt, nod, look, rx, ry, rz, lx, ly, lz, aim, turning, aim_l, turn_l,
     both, rfx, rfy, rfz, lfx, lfy, lfz, spread) = values  # fmt: skip
    standing, hip_x, thigh, shin, shoulder, shoulder_x, upper, fore, neck, _, hunch = measures
    hip = standing - drop
    frames[FRAME, 3, 2] = air
    _put(frames[BODY], sway, push, hip)
    turn(frames[BODY], yaw, -lean, 0.0)
    turn(frames[TORSO], twist, -bow - hunch, tilt)
    _put(frames[HEAD], 0.0, 0.0, neck)
    turn(frames[HEAD], look, hunch * 0.8 - nod, 0.0)

    _bend(
        frames[THIGH_R], frames[SHIN_R], (hip_x, 0.0, 0.0), (hip_x + rfx - sway, rfy - push, rfz - hip), thigh, shin,
        (0.25, 1.0, 0.1),
    )  # fmt: skip
    _bend(
        frames[THIGH_L], frames[SHIN_L], (-hip_x, 0.0, 0.0), (-hip_x - lfx - sway, lfy - push, lfz - hip), thigh, shin,
        (-0.25, 1.0, 0.1),
    )  # fmt: skip
    turn(frames[ROBE], 0.0, 10 * (rfy - lfy), 40 * (lfz - rfz))
    frames[ROBE, 2] *= max(0.35, hip / standing)

    arm = upper + fore
    joint = (shoulder_x, 0.0, shoulder)
    target = (shoulder_x + rx * arm, ry * arm, shoulder + rz * arm)
    hand = _bend(frames[UPPER_R], frames[FORE_R], joint, target, upper, fore, (0.6, -0.6, -0.55))
    _put(frames[RIGHT], *hand)
    turn(frames[RIGHT], turning, aim, 0.0)
    joint = (-shoulder_x, 0.0, shoulder)
    x, y, z = -shoulder_x - lx * arm, ly * arm, shoulder + lz * arm
    if grip != 0 and both > 0:  # along the right hand's shaft
        shaft = frames[RIGHT, 1]
        x += (hand[0] + shaft[0] * grip - x) * both
        y += (hand[1] + shaft[1] * grip - y) * both
        z += (hand[2] + shaft[2] * grip - z) * both
    hand = _bend(frames[UPPER_L], frames[FORE_L], joint, (x, y, z), upper, fore, (-0.6, -0.6, -0.55))
    _put(frames[LEFT], *hand)
    turn(frames[LEFT], -turn_l, aim_l, 0.0)

    turn(frames[WING_R], -55 + 55 * spread, 0.0, 25 - 30 * spread)
    turn(frames[WING_L], 55 - 55 * spread, 0.0, -25 + 30 * spread)
    turn(frames[TAIL], 25 * math.sin(spread * 6), -20 * spread, 0.0)


@jit
def _put(frame, x, y, z):
    frame[3, 0], frame[3, 1], frame[3, 2] = x, y, z


@jit
def _bend(upper, lower, joint, target, l1, l2, pole):
    """Lays two bones from `joint` toward `target`, bent toward `pole`. Returns where the second one ends."""
    ax, ay, az = joint
    px, py, pz = pole
    dx, dy, dz = target[0] - ax, target[1] - ay, target[2] - az
    far = max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-6)
    d = min(max(far, abs(l1 - l2) + 0.06), (l1 + l2) * 0.998)
    ux, uy, uz = dx / far, dy / far, dz / far
    dot = px * ux + py * uy + pz * uz
    px, py, pz = px - dot * ux, py - dot * uy, pz - dot * uz
    norm = max(math.sqrt(px * px + py * py + pz * pz), 1e-6)
    px, py, pz = px / norm, py / norm, pz / norm
    along = (l1 * l1 - l2 * l2 + d * d) / (2 * d)
    aside = math.sqrt(max(0.0, l1 * l1 - along * along))
    bx, by, bz = ax + ux * along + px * aside, ay + uy * along + py * aside, az + uz * along + pz * aside
    ex, ey, ez = ax + ux * d, ay + uy * d, az + uz * d
    # A bone's -z lies along it and its +y toward the pole; both share the x across the plane that they bend in.
    xx, xy, xz = uy * pz - uz * py, uz * px - ux * pz, ux * py - uy * px
    for frame, x, y, z, zx, zy, zz in (
        (upper, ax, ay, az, (ax - bx) / l1, (ay - by) / l1, (az - bz) / l1),
        (lower, bx, by, bz, (bx - ex) / l2, (by - ey) / l2, (bz - ez) / l2),
    ):
        frame[0, 0], frame[0, 1], frame[0, 2] = xx, xy, xz
        frame[1, 0], frame[1, 1], frame[1, 2] = zy * xz - zz * xy, zz * xx - zx * xz, zx * xy - zy * xx
        frame[2, 0], frame[2, 1], frame[2, 2] = zx, zy, zz
        frame[3, 0], frame[3, 1], frame[3, 2] = x, y, z
    return ex, ey, ez
