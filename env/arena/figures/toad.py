"""The toad that is all mouth."""

from __future__ import annotations

import math

from env.arena.figures.creature import Creature, Pose, Poses, Striker
from env.arena.look import BossLook
from env.arena.shapes.colors import shade
from env.arena.shapes.sculpt import Shape


def toad(look: BossLook) -> Creature:
    """`metal` colours its mouth and tongue."""
    rig = Creature(look, natural_height=2.1, shadow_radius=1.5)
    body = Shape().tube(
        [(0, -1.10, -0.30, 0.40, 0.30), (0, -0.75, -0.12, 0.92, 0.62), (0, -0.15, 0.02, 1.14, 0.84)]
        + [(0, 0.42, -0.08, 1.08, 0.72), (0, 0.62, -0.20, 0.90, 0.50)],
        look.skin,
        sides=9,
        under=look.cloth,
    )
    for x, y, z in ((0.0, -0.55, 0.62), (0.55, -0.35, 0.60), (-0.6, -0.2, 0.6), (0.2, -0.9, 0.36), (-0.3, -0.8, 0.46)):
        body.tube([(x, y, z - 0.08, 0.18), (x, y - 0.03, z + 0.20, 0)], look.accent, 4, closed=False)  # warts
    body.tube([(0, 0.40, 0.08, 0.86, 0.40), (0, 0.80, 0.08, 0.66, 0.30)], look.metal, 8)  # the gullet
    rig.joint("body", "turn", (0, 0, 0.92), body)

    jaw = Shape().tube(
        [(0, -0.05, -0.12, 0.90, 0.22), (0, 0.55, -0.16, 1.02, 0.22), (0, 1.00, -0.12, 0.76, 0.15)]
        + [(0, 1.22, -0.08, 0.36, 0.08)],
        look.cloth,
        sides=8,
    )
    lips = [(-0.86, 0.05), (-0.92, 0.55), (-0.62, 1.02), (0.62, 1.02), (0.92, 0.55), (0.86, 0.05)]
    jaw.plate([(x, y, 0.07) for x, y in lips], look.metal)
    rig.joint("jaw", "body", (0, 0.30, 0.02), jaw)
    head = Shape().tube(
        [(0, -0.22, 0.16, 0.86, 0.34), (0, 0.42, 0.22, 1.04, 0.34), (0, 0.98, 0.12, 0.76, 0.20)]
        + [(0, 1.24, 0.06, 0.36, 0.08)],
        look.skin,
        sides=8,
    )
    head.plate([(x, y, -0.10) for x, y in lips], shade(look.metal, 1.7))  # baked looking down, shown looking ahead
    for x in (-0.60, 0.60):
        head.ball((x, 0.36, 0.56), 0.30, look.skin)
        head.ball((x * 1.06, 0.50, 0.60), 0.22, look.eyes)
        head.box((0.08, 0.10, 0.26), (x * 1.08, 0.69, 0.60), look.dark)
        head.tube(
            [(x * 0.9, 0.20, 0.72, 0.14), (x * 1.2, -0.10, 1.08, 0)], look.accent, 4, closed=False
        )  # a horn over the eye
    rig.joint("head", "body", (0, 0.30, 0.04), head)
    tongue = Shape().tube([(0, 0, 0, 0.20, 0.10), (0, 0.8, 0, 0.16, 0.10), (0, 0.86, 0, 0.26, 0.16)], look.metal, 6)
    tongue.tube([(0, 0.84, 0, 0.26, 0.18), (0, 1.0, 0, 0.12, 0.10)], look.metal, 6)
    rig.joint("tongue", "jaw", (0, 0.10, 0.12), tongue)
    rig.joint("sac", "body", (0, 0.62, -0.30), Shape().ball((0, 0.30, 0), 0.72, look.cloth, 8))

    arm = Shape().tube([(0, -0.1, 0, 0.26), (0, 0.55, 0, 0.16)], look.skin, 6)
    hand = Shape().tube([(0, 0, 0, 0.16), (0, 0.42, 0, 0.13), (0, 0.50, 0, 0.30, 0.24)], look.dark, 6)
    thigh = Shape().tube([(0, -0.1, 0, 0.34), (0, 0.35, 0, 0.36), (0, 0.88, 0, 0.17)], look.skin, 6)
    shank = Shape().tube([(0, -0.05, 0, 0.20), (0, 0.86, 0, 0.12)], look.skin, 6)
    web = Shape().plate([(0, -0.2, 0.03), (0.36, 0.52, 0.03), (0, 0.66, 0.03), (-0.36, 0.52, 0.03)], look.dark)
    for s, x in (("l", -1), ("r", 1)):
        rig.leg(f"hand_{s}", (0.84 * x, 0.42, -0.30), (0.55, 0.50), (x, -0.6, 0.5), arm, hand)
        rig.leg(f"foot_{s}", (0.78 * x, -0.62, -0.26), (0.88, 0.86), (x, 0.35, 1.2), thigh, shank, web)
    return rig.finish(_poses())


def _poses() -> Poses:
    small, flat = (0.45, 0.45, 0.45), (1.0, 0.6, 0.6)
    rest: Pose = {"body": (0, 6, 0), "head": (0, 2, 0), "sac.size": small, "tongue.size": flat}
    rest |= {"hand_l": (-1.05, 0.85, 0), "hand_r": (1.05, 0.85, 0)}
    rest |= {"foot_l": (-1.40, -0.20, 0), "foot_r": (1.40, -0.20, 0)}
    windup: dict[str, Pose] = {
        "tongue": {  # sits up tall, the mouth a slit
            "turn": (52, 0, 0), "body": (0, 52, 0), "body.at": (0, -0.35, 0.42), "head": (0, -34, 0),
            "jaw": (0, -56, 0), "tongue.size": (1, 0.9, 0.8), "hand_l": (-0.62, 0.55, 0.3), "hand_r": (0.62, 0.55, 0.3),
            "foot_l": (-1.25, -0.35, 0), "foot_r": (1.25, -0.35, 0),
        },
        "puff": {  # a ball on four stumps
            "body": (0, 4, 0), "body.at": (0, 0, 0.50), "body.size": (1.22, 1.15, 1.42),
            "sac.size": (1.25, 1.2, 1.0), "head": (0, 12, 0), "hand_l": (-1.0, 0.7, 0), "hand_r": (1.0, 0.7, 0),
            "foot_l": (-1.0, -0.6, 0), "foot_r": (1.0, -0.6, 0),
        },
        "crouch": {  # flat, the knees above its back
            "body": (0, -4, 0), "body.at": (0, -0.2, -0.40), "head": (0, -4, 0), "hand_l": (-1.5, 0.7, 0),
            "hand_r": (1.5, 0.7, 0), "foot_l": (-1.25, -0.75, 0), "foot_r": (1.25, -0.75, 0),
        },
        "spit": {  # from the side, the closed mouth at the sky
            "turn": (-66, 0, 0), "body": (0, 26, 0), "body.at": (0, -0.2, 0.10), "head": (0, 44, 0),
            "jaw": (0, 40, 0), "sac.size": (0.95, 0.95, 0.95), "hand_l": (-0.9, 0.75, 0), "hand_r": (0.9, 0.75, 0),
        },
        "gape": {  # the mouth wider than the toad
            "body": (0, 20, 0), "body.at": (0, -0.3, 0.22), "head": (0, 66, 0), "jaw": (0, -46, 0),
            "tongue.size": (1, 0.8, 0.8), "hand_l": (-1.45, 0.8, 0), "hand_r": (1.45, 0.8, 0),
        },
        "roll": {  # leans over on its left, the right legs in the air
            "turn": (12, 0, 0), "body": (0, 4, -62), "body.at": (-0.35, 0, 0.22), "hand_r": (0.75, 0.9, 2.1),
            "foot_r": (1.05, -0.2, 2.5), "hand_l": (-1.3, 0.9, 0), "foot_l": (-1.5, -0.2, 0),
        },
    }  # fmt: skip
    fallen: Pose = {
        "body": (0, -6, 0), "body.at": (0, 0.25, -0.36), "body.size": (1.1, 1.1, 0.86), "head": (0, 14, 0),
        "jaw": (0, -6, 0), "hand_l": (-1.6, 1.0, 0), "hand_r": (1.6, 1.0, 0), "foot_l": (-1.9, -0.6, 0),
        "foot_r": (1.9, -0.6, 0),
    }  # fmt: skip
    strike: dict[str, Pose] = {
        "tongue": {
            "body": (0, -4, 0), "body.at": (0, 0.35, -0.1), "head": (0, 26, 0), "jaw": (0, -8, 0),
            "tongue": (0, 4, 0), "tongue.size": (1, 3.4, 1),
        },
        "puff": fallen,
        "crouch": fallen,
        "spit": {
            "body": (0, -2, 0), "body.at": (0, 0.25, -0.05), "head": (0, 34, 0), "jaw": (0, -14, 0),
            "tongue.size": (1, 0.9, 1),
        },
        "gape": {
            "body": (0, -12, 0), "body.at": (0, 0.7, -0.05), "head": (0, -4, 0), "jaw": (0, 2, 0),
            "hand_l": (-1.1, 1.4, 0), "hand_r": (1.1, 1.4, 0),
        },
        "roll": {
            "turn": (-40, 0, 0), "body": (0, 4, 58), "body.at": (0.3, 0.2, 0.2), "hand_l": (-0.75, 0.9, 2.0),
            "foot_l": (-1.05, -0.2, 2.4), "hand_r": (1.3, 0.9, 0), "foot_r": (1.5, -0.2, 0),
        },
    }  # fmt: skip
    mouth = ("tongue", "jaw")
    return Poses(
        rest=rest,
        windup=windup,
        strike=strike,
        air={
            "body": (0, 16, 0), "hand_l": (-1.5, 1.0, 0.5), "hand_r": (1.5, 1.0, 0.5), "foot_l": (-1.3, -1.9, -0.1),
            "foot_r": (1.3, -1.9, -0.1), "head": (0, 6, 0),
        },
        spent={  # the tongue hangs out
            "body": (0, -10, 4), "body.at": (0, 0.1, -0.34), "body.size": (1.08, 1, 0.84), "head": (0, 16, -6),
            "jaw": (0, -10, 0), "tongue": (0, -20, 0), "tongue.size": (1, 1.35, 0.8), "hand_l": (-1.5, 0.9, 0),
            "hand_r": (1.5, 0.7, 0), "foot_l": (-1.7, -0.6, 0), "foot_r": (1.8, -0.4, 0),
        },
        broken={
            "body": (0, 30, 14), "body.at": (0, -0.3, -0.15), "head": (10, 30, 20), "jaw": (0, -34, 0),
            "tongue": (20, -30, 0), "tongue.size": (1, 1.3, 0.8), "hand_l": (-1.4, 0.4, 0.1),
            "hand_r": (1.5, 0.6, 0.7),
        },
        down={  # on its back
            "body": (0, 0, 168), "body.at": (0, 0, -0.14), "head": (0, 24, 0), "jaw": (0, -10, 0),
            "tongue": (0, 10, 0), "tongue.size": (1, 1.5, 0.8), "hand_l": (1.5, 0.9, 1.30), "hand_r": (-1.5, 0.9, 1.15),
            "foot_l": (1.9, -0.9, 1.15), "foot_r": (-1.9, -1.0, 0.95),
        },
        strikers={
            "tongue": Striker(mouth, (0.0, 1.0, 0.0)), "gape": Striker(mouth, (0.0, 0.9, 0.2)),
            "spit": Striker(("sac",), (0.0, 0.9, 0.2)), "puff": Striker(("sac", "body"), (0.0, 0.9, 0.3)),
            "crouch": Striker(("body", "foot_r", "foot_l"), (0.0, 0.2, 1.0)),
            "roll": Striker(("foot_r", "hand_r"), (0.0, 0.3, 0.1)),
        },
        gait=_gait,
    )  # fmt: skip


def _gait(walk: float, time: float) -> Pose:
    throat = 0.10 * math.sin(time * 5.0)
    moves: Pose = {
        "body.at": (0, 0, 0.03 * math.sin(time * 2.0) + 0.10 * abs(math.sin(walk * 1.8))),
        "sac.size": (throat, throat, throat),
    }
    for name, phase in (("hand_l", 0), ("foot_r", 0.5), ("hand_r", math.pi), ("foot_l", math.pi + 0.5)):
        angle = walk * 3.6 + phase
        moves[name] = (0, 0.24 * math.sin(angle), 0.22 * max(0.0, math.cos(angle)))
    return moves
