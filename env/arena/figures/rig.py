"""The skeleton of everything that walks upright, and how a pose puts it together.

A pose says where the hands and feet are, how the trunk is held and where the weapon points; elbows and knees follow
from it (two bones between a joint and a target have one solution but for the plane they bend in). So crouching is one
number, and the same pose fits a dwarf and a giant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from panda3d.core import LMatrix4f, NodePath, Point3

from env.arena.jit import jit
from env.arena.shapes.mesh import Color

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

    node: NodePath
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


Striker = tuple[NodePath, tuple[float, float, float]]
"""A node that strikes, and its striking point."""


class Rig:
    """Bones as nodes, each made to hang from its joint (limbs along -z).

    `parts`: torso, head, upper_r, fore_r (an arm) and so on with _l; thigh_r, shin_r and so on, or one robe; and, where
    there are any, wing_r, wing_l, tail.
    """

    def __init__(
        self,
        height: float,
        measures: Proportions,
        parts: dict[str, NodePath],
        right: Weapon | None = None,
        left: Weapon | None = None,
    ) -> None:
        self.height, self.measures, self.parts = height, measures, parts
        self.right, self.left = right, left
        self.root = NodePath("figure")
        self.frame = self.root.attach_new_node("frame")
        self.frame.set_scale(height / measures.tall)
        self.body = self.frame.attach_new_node("body")
        self.trunk = self.body.attach_new_node("trunk")
        for name, part in parts.items():
            part.reparent_to(self.body if name.startswith(("thigh", "shin", "robe", "tail")) else self.trunk)
        parts["head"].set_pos(0, 0, measures.neck)
        for weapon in (right, left):
            if weapon is not None:
                weapon.node.reparent_to(self.trunk)
        self.strikers: list[Striker] = []
        self._lit: list[NodePath] = []
        self._light: tuple[Color | None, bool] = None, False

    def apply(self, values: Pose) -> None:
        (drop, sway, push, air, lean, yaw, bow, twist, tilt, nod, look, rx, ry, rz, lx, ly, lz,
         aim, turn, aim_l, turn_l, both, rfx, rfy, rfz, lfx, lfy, lfz, spread) = values  # fmt: skip
        m, parts = self.measures, self.parts
        hip = m.hip - drop
        self.frame.set_z(air)
        self.body.set_pos_hpr(sway, push, hip, yaw, -lean, 0)
        self.trunk.set_hpr(twist, -bow - m.hunch, tilt)
        parts["head"].set_hpr(look, m.hunch * 0.8 - nod, 0)
        if "thigh_r" in parts:
            for side, names, x, y, z in (
                (1, ("thigh_r", "shin_r"), rfx, rfy, rfz),
                (-1, ("thigh_l", "shin_l"), lfx, lfy, lfz),
            ):
                joint = (side * m.hip_x, 0.0, 0.0)
                foot = (side * (m.hip_x + x) - sway, y - push, z - hip)
                _bend(parts[names[0]], parts[names[1]], joint, foot, m.thigh, m.shin, (0.25 * side, 1.0, 0.1))
        else:
            parts["robe"].set_sz(max(0.35, hip / m.hip))
            parts["robe"].set_hpr(0, 10 * (rfy - lfy), 40 * (lfz - rfz))
        arm = m.upper + m.fore
        joint = (m.shoulder_x, 0.0, m.shoulder)
        target = (joint[0] + rx * arm, ry * arm, joint[2] + rz * arm)
        hand = _bend(parts["upper_r"], parts["fore_r"], joint, target, m.upper, m.fore, (0.6, -0.6, -0.55))
        joint = (-m.shoulder_x, 0.0, m.shoulder)
        target = (joint[0] - lx * arm, ly * arm, joint[2] + lz * arm)
        if self.right is not None:
            self.right.node.set_pos_hpr(*hand, turn, aim, 0)
            if self.right.grip is not None and both > 0:
                p, h, g = math.radians(aim), math.radians(turn), self.right.grip
                flat = math.cos(p) * g
                on = (hand[0] - math.sin(h) * flat, hand[1] + math.cos(h) * flat, hand[2] + math.sin(p) * g)
                target = tuple([a + (b - a) * both for a, b in zip(target, on, strict=True)])
        hand = _bend(parts["upper_l"], parts["fore_l"], joint, target, m.upper, m.fore, (-0.6, -0.6, -0.55))
        if self.left is not None:
            self.left.node.set_pos_hpr(*hand, -turn_l, aim_l, 0)
        if "wing_r" in parts:
            parts["wing_r"].set_hpr(-55 + 55 * spread, 0, 25 - 30 * spread)
            parts["wing_l"].set_hpr(55 - 55 * spread, 0, -25 + 30 * spread)
        if "tail" in parts:
            parts["tail"].set_hpr(25 * math.sin(spread * 6), -20 * spread, 0)

    def glow(self, color: Color | None, white: bool) -> None:
        """Colours what strikes in the present pose; None gives it its own colours back."""
        for node in self._lit:
            node.clear_color()
        self._light = color, white
        self._lit = [node for node, _ in self.strikers] if color is not None else []
        for node in self._lit:
            node.set_color(*((1, 1, 1) if white else color), 1)

    def strike_with(self, strikers: list[Striker]) -> None:
        """Chooses what strikes in the present pose. What glows passes on from one to the other."""
        if strikers is not self.strikers:
            self.strikers = strikers
            self.glow(*self._light)

    def tip(self) -> Point3:
        """Where the first of the strikers strikes, in the space of root's parent."""
        node, point = self.strikers[0]
        return self.root.get_parent().get_relative_point(node, Point3(*point))


def _bend(upper: NodePath, lower: NodePath, joint, target, l1: float, l2: float, pole) -> tuple[float, float, float]:
    """Lays two bones from `joint` toward `target`, bent toward `pole`. Returns where the second one ends."""
    _two_bones(*joint, *target, l1, l2, *pole, _BONES)
    first, second, end = _BONES.tolist()
    upper.set_mat(LMatrix4f(*first))
    lower.set_mat(LMatrix4f(*second))
    return end[0], end[1], end[2]


_BONES = np.zeros((3, 16))
"""What `_two_bones` writes: the matrices of the bones, and where they end."""


@jit
def _two_bones(ax, ay, az, tx, ty, tz, l1, l2, px, py, pz, out):
    dx, dy, dz = tx - ax, ty - ay, tz - az
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
    for k in range(2):
        if k == 0:
            x, y, z, zx, zy, zz = ax, ay, az, (ax - bx) / l1, (ay - by) / l1, (az - bz) / l1
        else:
            x, y, z, zx, zy, zz = bx, by, bz, (bx - ex) / l2, (by - ey) / l2, (bz - ez) / l2
        out[k, 0], out[k, 1], out[k, 2] = xx, xy, xz
        out[k, 4], out[k, 5], out[k, 6] = zy * xz - zz * xy, zz * xx - zx * xz, zx * xy - zy * xx
        out[k, 8], out[k, 9], out[k, 10] = zx, zy, zz
        out[k, 12], out[k, 13], out[k, 14], out[k, 15] = x, y, z, 1.0
    out[2, 0], out[2, 1], out[2, 2] = ex, ey, ez
