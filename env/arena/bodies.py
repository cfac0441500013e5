"""The two figures of the Arena: jointed bodies, and the poses that tell what they are about to do.

A pose is a dict of joint angles in degrees and offsets in metres; a figure stands wherever its moves put it, as a
pure function of (state, progress): one still picture shows what is coming and how soon.
"""

from __future__ import annotations

import math

from panda3d.core import NodePath

from env.arena.mesh import Color, ball, box, lathe

Pose = dict[str, float]

JOINTS = (
    "body_p",
    "body_z",
    "torso_p",
    "torso_h",
    "arm_r_p",
    "arm_r_r",
    "arm_l_p",
    "arm_l_r",
    "weapon_p",
    "leg_r",
    "leg_l",
)


def mix(a: Pose, b: Pose, share: float) -> Pose:
    return {j: a.get(j, 0.0) + (b.get(j, 0.0) - a.get(j, 0.0)) * share for j in JOINTS}


def smooth(t: float) -> float:
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


class Figure:
    """A torso, a head, two arms, two legs and a weapon in the right hand. `height` scales all of it."""

    def __init__(self, height: float, skin: Color, cloth: Color, dark: Color, weapon: NodePath, stout: float) -> None:
        self.root = NodePath("figure")
        self.body = self.root.attach_new_node("body")
        self.body.set_scale(height / 2.0)
        self.hips = self.body.attach_new_node("hips")
        self.hips.set_z(0.95)
        self.legs = [self._leg(side, dark, stout) for side in (1, -1)]
        box(0.40 * stout, 0.30 * stout, 0.24, dark).reparent_to(self.hips)
        self.torso = self.hips.attach_new_node("torso")
        box(0.40 * stout, 0.30 * stout, 0.62, cloth, at=(0, 0, 0.36), taper=1.35).reparent_to(self.torso)
        self.head = self.torso.attach_new_node("head")
        self.head.set_z(0.80)
        ball(0.19, skin, at=(0, 0.02, 0.05)).reparent_to(self.head)
        self.arms = [self._arm(side, skin, cloth, stout) for side in (1, -1)]
        self.hand = self.arms[0].attach_new_node("hand")
        self.hand.set_z(-0.66)
        self.weapon = weapon
        self.weapon.reparent_to(self.hand)

    def _leg(self, side: int, color: Color, stout: float) -> NodePath:
        leg = self.hips.attach_new_node("leg")
        leg.set_x(0.15 * side * stout)
        box(0.17 * stout, 0.20 * stout, 0.95, color, at=(0, 0, -0.47), taper=1.2).reparent_to(leg)
        box(0.18 * stout, 0.34, 0.12, color, at=(0, 0.07, -0.89)).reparent_to(leg)
        return leg

    def _arm(self, side: int, skin: Color, cloth: Color, stout: float) -> NodePath:
        arm = self.torso.attach_new_node("arm")
        arm.set_pos(0.33 * side * stout, 0, 0.60)
        ball(0.16 * stout, cloth).reparent_to(arm)
        box(0.15 * stout, 0.16 * stout, 0.64, skin, at=(0, 0, -0.34), taper=0.9).reparent_to(arm)
        return arm

    def apply(self, pose: Pose) -> None:
        get = pose.get
        self.body.set_z(get("body_z", 0.0))
        # The body turns over around its middle, so that a roll stays above the ground.
        self.hips.set_p(get("body_p", 0.0))
        self.torso.set_hpr(get("torso_h", 0.0), -get("torso_p", 0.0), 0)
        self.arms[0].set_hpr(0, get("arm_r_p", 0.0), get("arm_r_r", 0.0))
        self.arms[1].set_hpr(0, get("arm_l_p", 0.0), get("arm_l_r", 0.0))
        self.weapon.set_p(get("weapon_p", 0.0))
        self.legs[0].set_p(get("leg_r", 0.0))
        self.legs[1].set_p(get("leg_l", 0.0))


def hammer(metal: Color, shaft: Color) -> NodePath:
    """Points forward (+y) from the hand; the head is the part that glows."""
    node = NodePath("hammer")
    pole = lathe([(0.05, -0.35), (0.05, 1.15)], shaft, 6)
    pole.set_p(-90)
    pole.reparent_to(node)
    head = box(0.42, 0.40, 0.62, metal, at=(0, 1.25, 0), name="head")
    head.reparent_to(node)
    return node


def staff(gold: Color, wood: Color) -> NodePath:
    node = NodePath("staff")
    pole = lathe([(0.04, -0.6), (0.04, 0.95)], wood, 6)
    pole.set_p(-90)
    pole.reparent_to(node)
    for y in (-0.6, 0.9):
        tip = lathe([(0.065, -0.12), (0.065, 0.12)], gold, 6, name="head")
        tip.set_p(-90)
        tip.set_y(y)
        tip.reparent_to(node)
    return node


# -- the boss's poses ----------------------------------------------------------------------------------------

REST: Pose = {"torso_p": 8, "arm_r_p": 25, "arm_r_r": -10, "arm_l_p": 15, "arm_l_r": 12, "weapon_p": -35}
WINDUP: dict[str, Pose] = {
    "slam": {"torso_p": -22, "arm_r_p": 195, "arm_l_p": 185, "arm_l_r": -8, "weapon_p": 75},
    "sweep": {
        "torso_p": 6,
        "torso_h": -55,
        "arm_r_p": 40,
        "arm_r_r": -95,
        "arm_l_p": 70,
        "arm_l_r": 30,
        "weapon_p": 25,
        "body_z": -0.15,
    },
    "thrust": {
        "torso_p": 30,
        "torso_h": -30,
        "arm_r_p": -60,
        "arm_l_p": 85,
        "weapon_p": 65,
        "body_z": -0.5,
        "leg_r": -38,
        "leg_l": 42,
    },
    "leap": {"torso_p": 48, "arm_r_p": -75, "arm_l_p": -75, "weapon_p": 20, "body_z": -0.8, "leg_r": 45, "leg_l": 45},
}
STRIKE: dict[str, Pose] = {
    "slam": {"torso_p": 55, "arm_r_p": 60, "arm_l_p": 55, "weapon_p": -35, "body_z": -0.3},
    "sweep": {
        "torso_p": 12,
        "torso_h": 85,
        "arm_r_p": 70,
        "arm_r_r": -35,
        "arm_l_r": 40,
        "weapon_p": 10,
        "body_z": -0.2,
    },
    "thrust": {
        "torso_p": 32,
        "torso_h": 22,
        "arm_r_p": 92,
        "arm_l_p": -40,
        "weapon_p": 0,
        "body_z": -0.35,
        "leg_r": 40,
        "leg_l": -42,
    },
    "leap": {"torso_p": 62, "arm_r_p": 70, "arm_l_p": 70, "weapon_p": -50, "body_z": -0.75, "leg_r": 50, "leg_l": -40},
}
SPENT: Pose = {"torso_p": 52, "arm_r_p": 38, "arm_l_p": 48, "weapon_p": -48, "body_z": -0.28}
"""Doubled over, the weapon on the ground: the opening."""
LEAP_METRES = 3.2


def boss_pose(move: str, stage: str, progress: float, walk: float, leap_off: float | None) -> Pose:
    """`leap_off`: the share of the wind-up spent on the ground, None for moves that stay there."""
    gait = {"leg_r": 24 * math.sin(walk * 2.2), "leg_l": -24 * math.sin(walk * 2.2)}
    if stage == "windup":
        raised = WINDUP[move]
        if leap_off is None:
            # Drawn back fast, held with a growing tremble, so that the pose is readable for most of the wind-up.
            pose = mix(REST, raised, smooth(progress / 0.45))
            pose["torso_p"] += 3.0 * progress * math.sin(progress * 60)
            return pose
        if progress < leap_off:
            return mix(REST, raised, smooth(progress / leap_off / 0.7))
        air = (progress - leap_off) / (1 - leap_off)
        pose = mix(raised, WINDUP["slam"], smooth(air * 2))
        pose["body_z"] = LEAP_METRES * 4 * air * (1 - air)
        return pose
    if stage == "strike":
        return mix(WINDUP["slam"] if leap_off is not None else WINDUP[move], STRIKE[move], smooth(0.35 + progress))
    if stage == "recover":
        if progress < 0.2:
            return mix(STRIKE[move], SPENT, smooth(progress / 0.2))
        return mix(SPENT, REST, smooth((progress - 0.7) / 0.3))
    return {**REST, **gait}


# -- the fighter's poses -------------------------------------------------------------------------------------

READY: Pose = {"torso_p": 10, "arm_r_p": 48, "arm_r_r": -18, "arm_l_p": 40, "arm_l_r": 16, "weapon_p": 30}


def player_pose(state: str, progress: float, walk: float, swings: int) -> Pose:
    if state == "moving":
        swing = 38 * math.sin(walk * 3.4)
        return {**READY, "torso_p": 16, "leg_r": swing, "leg_l": -swing}
    if state == "dodge":
        roll = smooth(progress / 0.8)
        return {
            "body_p": -360 * roll,
            "body_z": -0.55 * math.sin(math.pi * min(1, progress / 0.8)),
            "torso_p": 45,
            "leg_r": 70,
            "leg_l": 60,
        }
    if state == "light":
        side = 1 if swings % 2 else -1
        back: Pose = {"torso_h": -60 * side, "torso_p": 5, "arm_r_p": 85, "arm_r_r": -60 * side, "arm_l_p": 60}
        through: Pose = {"torso_h": 65 * side, "torso_p": 22, "arm_r_p": 90, "arm_r_r": 35 * side, "arm_l_p": 30}
        return (
            mix(back, through, smooth((progress - 0.2) / 0.3))
            if progress < 0.75
            else mix(through, READY, (progress - 0.75) * 4)
        )
    if state == "heavy":
        high: Pose = {"torso_p": -25, "arm_r_p": 190, "arm_l_p": 185, "weapon_p": 60}
        low: Pose = {"torso_p": 50, "arm_r_p": 62, "arm_l_p": 58, "weapon_p": -10, "leg_r": 35, "leg_l": -30}
        if progress < 0.48:
            return mix(READY, high, smooth(progress / 0.3))
        return (
            mix(high, low, smooth((progress - 0.48) / 0.12))
            if progress < 0.8
            else mix(low, READY, (progress - 0.8) * 5)
        )
    if state == "heal":
        drink: Pose = {"torso_p": -14, "arm_l_p": 150, "arm_l_r": -25, "arm_r_p": 15, "weapon_p": -60}
        return mix(READY, drink, smooth(progress / 0.25) * smooth((1 - progress) / 0.15))
    if state == "skill":
        cast: Pose = {"torso_p": 14, "arm_l_p": 105, "arm_l_r": 0, "arm_r_p": 10, "arm_r_r": -50}
        return mix(READY, cast, smooth(progress / 0.3))
    if state == "hurt":
        return mix(
            {"torso_p": -42, "arm_r_p": 100, "arm_r_r": -70, "arm_l_p": 100, "arm_l_r": 70, "body_p": 18},
            READY,
            smooth(progress * 1.2 - 0.2),
        )
    if state == "down":
        return {"body_p": 85, "body_z": -0.75, "arm_r_p": 170, "arm_l_p": 150}
    return READY
