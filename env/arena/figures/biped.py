"""The bosses that stand upright: on two legs, or floating in a robe."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from env.arena.figures import weapons
from env.arena.figures.ornaments import BUILDERS, Parts
from env.arena.figures.poses import boss_pose
from env.arena.figures.rig import FORE_L, FORE_R, LEFT, ORB, RIGHT, ROBE, SHIN_L, Proportions, Rig, Weapon, shifted
from env.arena.look import BossLook
from env.arena.shapes.mesh import Mesh, ball, box, joined, loft, rod

_THROWS = ("throw", "cast")
_ONE_FIST = ("side", "low_side", "thrust", "uppercut")


class Biped(Rig):
    """The figure of a `biped` or `robed` look."""

    def __init__(self, look: BossLook) -> None:
        right, left = _weapons(look)
        measures = _measures(look)
        meshes = {name: joined(solids) for name, solids in _parts(look, measures).items()}
        meshes["orb"] = ball(0.17, (0.5, 1.0, 0.55), sides=6, rings=4)
        super().__init__(look.height, measures, meshes, right, left)
        self.shadow_radius = 0.26 * look.height * (0.6 + 0.4 * look.stout)
        self.weapon = look.weapon
        self._orb = 1.0
        """Its size."""
        self._floats = look.body == "robed"
        palm = (0.0, 0.0, -measures.fore)
        self.skin.frames[ORB, 3, 2] = -measures.fore - 0.2
        hands = [(FORE_R, palm), (FORE_L, palm)]
        self._armed = [(bone, w.tip) for bone, w in ((RIGHT, right), (LEFT, left)) if w is not None] or hands
        self._right = self._armed if right is not None else hands[:1]
        self._hands = hands
        self._thrown = [(ORB, (0.0, 0.0, 0.0))]
        self._foot = [(ROBE if self._floats else SHIN_L, (0.0, 0.1, -measures.shin))]
        self.pose(None, None, "idle", 0.0, 0.0, None)

    def pose(self, gesture: str | None, kind: str | None, stage: str, progress: float, walk: float, view) -> None:
        tick = view.tick if view is not None and not view.boss.frozen else 0
        values = boss_pose(self.weapon, gesture, kind, stage, progress, walk, tick)
        if self._floats and stage != "down":
            values = shifted(values, air=0.12 + 0.05 * math.sin(tick * 0.05))
        self.apply(values)
        throws = kind == "ranged" and gesture in _THROWS
        size = 0.4 + 0.9 * progress if throws and stage == "windup" else 0.0
        if size != self._orb:
            self._orb = size
            self.skin.frames[ORB, :3] = np.eye(3) * size
        if throws:
            self.strike_with(self._thrown)
        elif gesture == "stomp":
            self.strike_with(self._foot)
        elif gesture == "open_arms":
            self.strike_with(self._hands)
        else:
            self.strike_with(self._right if gesture in _ONE_FIST else self._armed)
        self.skin.draw()


def _measures(look: BossLook) -> Proportions:
    legs, arms, wide = look.legs, look.arms, look.stout
    return Proportions(
        hip=0.95 * legs, hip_x=0.12 * wide, thigh=0.5 * legs, shin=0.5 * legs, shoulder_x=0.12 + 0.18 * wide,
        upper=0.34 * arms, fore=0.34 * arms, neck=0.68, head=0.20 + 0.14 * look.head, hunch=look.hunch,
    )  # fmt: skip


def _weapons(look: BossLook) -> tuple[Weapon | None, Weapon | None]:
    """Of the right hand and of the left."""
    metal, sash = look.metal, look.accent
    make = {
        "hammer": lambda: weapons.hammer(metal),
        "blades": lambda: weapons.curved_blade(metal, sash),
        "glaive": lambda: weapons.glaive(metal, sash),
        "lantern": lambda: weapons.lantern(metal, look.eyes),
        "sword": lambda: weapons.sword(1.6, metal, look.dark, 0.12),
        "naginata": lambda: weapons.naginata(metal, sash),
        "swords": lambda: weapons.sword(1.15, metal, look.dark),
    }.get(look.weapon)
    if make is None:
        return None, None
    if look.weapon in ("blades", "swords"):
        return tuple(replace(make(), grip=None) for _ in range(2))
    return make(), None


def _parts(look: BossLook, m: Proportions) -> Parts:
    """Of each bone the solids it consists of."""
    w = look.stout
    thick = 0.3 + 0.7 * w  # limbs grow less than the trunk
    fists = look.weapon == "fists"
    parts: Parts = {
        "torso": [
            loft(
                [(0.17 * w, 0.13 * w, -0.14, 0), (0.19 * w, 0.15 * w, 0.02, 0), (0.16 * w, 0.13 * w, 0.16, 0),
                 (0.27 * w, 0.18 * w, 0.48, 0.02), (0.20 * w, 0.13 * w, 0.66, 0)],
                look.cloth,
            ),
            loft([(0.2 * w, 0.16 * w, -0.02, 0), (0.2 * w, 0.16 * w, 0.08, 0)], look.accent),
        ],
        "head": _head(look),
    }  # fmt: skip
    for side in ("r", "l"):
        arm = 0.095 * thick
        parts["upper_" + side] = [
            ball(0.15 * thick, look.cloth, sides=6, rings=4),
            rod((0, 0, 0.02), (0, 0, -m.upper), arm, arm * 0.85, look.skin, 5, True),
        ]
        fist = 0.17 if fists else 0.10
        parts["fore_" + side] = [
            rod((0, 0, 0.03), (0, 0, -m.fore + 0.06), arm * 0.85, arm * (1.25 if fists else 0.8), look.skin, 5, True),
            box(fist * thick * 1.2, fist * thick * 1.2, fist * thick * 1.4, look.skin, at=(0, 0, -m.fore)),
        ]
    if look.body == "robed":
        hem = m.hip - 0.10
        parts["robe"] = [
            loft(
                [(0.46 * w, 0.42 * w, -hem, -0.06), (0.36 * w, 0.32 * w, -hem * 0.6, -0.02),
                 (0.18 * w, 0.15 * w, 0.06, 0)],
                look.cloth,
            ),
            loft([(0.49 * w, 0.45 * w, -hem - 0.02, -0.06), (0.46 * w, 0.42 * w, -hem + 0.1, -0.06)], look.accent),
        ]  # fmt: skip
        for side in ("r", "l"):  # wide sleeves
            parts["fore_" + side].append(rod((0, 0, 0.02), (0, 0.0, -m.fore + 0.08), 0.1, 0.2, look.cloth, 6))
        return _with_ornaments(look, parts)
    for side in ("r", "l"):
        leg = 0.115 * thick
        parts["thigh_" + side] = [rod((0, 0, 0.05), (0, 0, -m.thigh), leg * 1.15, leg * 0.95, look.dark, 5, True)]
        parts["shin_" + side] = [
            rod((0, 0, 0.03), (0, 0, -m.shin + 0.04), leg * 0.95, leg * 0.85, look.dark, 5, True),
            box(0.19 * thick, 0.24 + 0.06 * thick, 0.10, look.dark, at=(0, 0.05, -m.shin + 0.05)),
        ]
    return _with_ornaments(look, parts)


def _head(look: BossLook) -> list[Mesh]:
    size = look.head
    skull = loft(
        [(0.10, 0.11, -0.06, 0.03), (0.16, 0.17, 0.06, 0.03), (0.165, 0.17, 0.2, 0.01), (0.09, 0.10, 0.31, 0)],
        look.skin,
    )
    eyes = [box(0.075, 0.05, 0.05, look.eyes, at=(x, 0.185, 0.12)) for x in (-0.075, 0.075)]
    return [part.moved(size=size) for part in (skull, *eyes)]


def _with_ornaments(look: BossLook, parts: Parts) -> Parts:
    for ornament in look.ornaments:
        for bone, solids in BUILDERS[ornament](look).items():
            if bone == "head":
                solids = [part.moved((0, 0, 0.12 * look.head), size=look.head) for part in solids]
            parts.setdefault(bone, []).extend(solids)
    return parts
