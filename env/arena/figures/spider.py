"""The spider: eight bowed legs, a masked face and a swollen abdomen."""

from __future__ import annotations

import math

from env.arena.figures.creature import Creature, Pose, Poses, Striker, Triple
from env.arena.look import BossLook
from env.arena.shapes.sculpt import Shape

FEET: tuple[Triple, ...] = ((0.85, 1.75, 0), (1.75, 0.95, 0), (1.75, -0.20, 0), (1.15, -1.25, 0))
"""Where the right feet rest, from the front."""


def spider(look: BossLook) -> Creature:
    rig = Creature(look, natural_height=2.2, shadow_radius=1.5)
    body = Shape().tube(
        [(0, -0.55, 0.02, 0.22, 0.20), (0, -0.20, 0.04, 0.46, 0.34), (0, 0.35, 0.06, 0.44, 0.36)]
        + [(0, 0.72, 0.0, 0.30, 0.26), (0, 0.84, -0.04, 0.16, 0.14)],
        look.skin,
        sides=7,
        under=look.cloth,
    )
    mask = [(0, 0.86, -0.34), (0.24, 0.82, -0.02), (0.26, 0.70, 0.26), (0, 0.66, 0.42), (-0.26, 0.70, 0.26)]
    body.plate([*mask, (-0.24, 0.82, -0.02)], look.accent)  # a pale face, worn before its own
    for x, y, z, size in ((0.11, 0.84, 0.10, 0.09), (0.20, 0.78, 0.24, 0.06), (0.07, 0.78, 0.27, 0.06)):
        for side in (-1, 1):
            body.box((size, 0.06, size), (x * side, y, z), look.eyes)
    rig.joint("body", "turn", (0, 0.15, 1.05), body)
    abdomen = Shape().tube(
        [(0, 0.10, 0, 0.16), (0, -0.30, 0.16, 0.62, 0.58), (0, -0.85, 0.26, 0.90, 0.84), (0, -1.40, 0.16, 0.66, 0.60)]
        + [(0, -1.75, 0.02, 0.20, 0.18), (0, -1.95, -0.02, 0)],
        look.skin,
        sides=9,
        under=look.cloth,
    )
    for tip, base in (((0, -0.85, 1.16), -0.42), ((0, -0.85, 1.16), -1.30)):  # the hourglass on its back
        z = 0.80 if base > -1 else 0.86
        abdomen.plate([tip, (0.32, base, z), (-0.32, base, z)], look.metal)
    rig.joint("abdomen", "body", (0, -0.50, 0.06), abdomen)
    fangs = Shape()
    for x in (-0.14, 0.14):
        fangs.tube([(x, 0, 0, 0.12), (x * 1.5, 0.16, -0.16, 0.10), (x * 0.7, 0.20, -0.52, 0)], look.dark, 5)
    rig.joint("fangs", "body", (0, 0.66, -0.16), fangs)

    leg = Shape().tube(
        [(0, -0.05, -0.05, 0.13), (0, 0.38, 0.52, 0.10), (0, 0.68, 0.76, 0.12)], look.skin, 5, closed=False
    )
    leg.tube([(0, 0.66, 0.74, 0.15), (0, 0.86, 0.80, 0.15)], look.metal, 5)
    leg.tube([(0, 0.82, 0.78, 0.12), (0, 1.30, 0.56, 0.09), (0, 1.95, 0, 0.0)], look.dark, 5, closed=False)
    for k, y in enumerate((0.40, 0.18, -0.06, -0.30)):
        for s, x in (("l", -1), ("r", 1)):
            rig.leg(f"leg{k + 1}_{s}", (0.34 * x, y, -0.02), (0.80, 1.95), (0, 0, 1), leg)
    return rig.finish(_poses())


def _legs(*feet: Triple | None) -> Pose:
    """Both sides alike: the right feet from the front; None leaves a pair where it rests."""
    pose: Pose = {}
    for k, foot in enumerate(feet):
        if foot is not None:
            x, y, z = foot
            pose[f"leg{k + 1}_r"], pose[f"leg{k + 1}_l"] = (x, y, z), (-x, y, z)
    return pose


def _poses() -> Poses:
    rest: Pose = {**_legs(*FEET), "body": (0, 2, 0), "abdomen": (0, -8, 0)}
    windup: dict[str, Pose] = {
        "stab": {  # one foreleg high, like a needle
            "body": (0, 10, -10), "body.at": (-0.15, -0.2, 0.05), "leg1_r": (0.55, 0.75, 3.35),
            "leg1_l": (-1.0, 1.6, 0),
        },
        "legs": {  # the forelegs of both sides stretched out level
            "body": (0, 6, 0), "body.at": (0, -0.2, -0.10), **_legs((2.5, 0.9, 1.55), (2.7, 0.1, 0.95), None, None),
        },
        "pounce": {  # on the ground, the knees over it
            "body": (0, 6, 0), "body.at": (0, -0.15, -0.66), "abdomen": (0, 8, 0),
            **_legs((0.75, 1.05, 0), (1.05, 0.55, 0), (1.05, -0.25, 0), (0.8, -0.85, 0)),
        },
        "web": {  # the abdomen over its head
            "body": (0, -22, 0), "body.at": (0, -0.1, 0.05), "abdomen": (0, -78, 0),
        },
        "hug": {  # reared up, four legs open
            "body": (0, 50, 0), "body.at": (0, -0.35, 0.42), "abdomen": (0, -36, 0), "fangs": (0, 40, 0),
            **_legs((1.35, 0.75, 3.30), (2.20, 0.65, 2.35), (1.9, 0.1, 0), (1.2, -1.2, 0)),
        },
        "spin": {  # on stilts
            "turn": (38, 0, 0), "body": (0, -6, 0), "body.at": (0, 0, 0.85), "abdomen": (0, 14, 0),
            **_legs((0.50, 0.85, 0), (0.85, 0.45, 0), (0.85, -0.15, 0), (0.50, -0.75, 0)),
        },
    }  # fmt: skip
    fallen: Pose = {
        "body": (0, -12, 0), "body.at": (0, 0.35, -0.45), "abdomen": (0, -20, 0),
        **_legs((0.7, 2.3, 0), (2.1, 1.4, 0), (2.1, -0.2, 0), (1.4, -1.4, 0)),
    }  # fmt: skip
    strike: dict[str, Pose] = {
        "stab": {"body": (0, -12, 6), "body.at": (0.1, 0.35, -0.1), "leg1_r": (0.2, 3.0, 0.25)},
        "legs": {
            "body": (0, -6, 0), "body.at": (0, 0.3, -0.2), **_legs((0.25, 2.5, 0.7), (0.7, 2.2, 0.5), None, None),
        },
        "pounce": fallen,
        "web": {"body": (0, 10, 0), "body.at": (0, 0.1, 0.1), "abdomen": (0, -100, 0)},
        "hug": {
            "body": (0, 12, 0), "body.at": (0, 0.5, 0.0), "abdomen": (0, -20, 0), "fangs": (0, 50, 0),
            **_legs((0.15, 2.1, 0.9), (0.5, 2.2, 0.7), None, None),
        },
        "spin": {
            "turn": (-150, 0, 0), "body": (0, -4, 0), "body.at": (0, 0, -0.25),
            **_legs((1.1, 2.2, 0.25), (2.4, 1.2, 0.25), (2.4, -0.3, 0.25), (1.4, -1.8, 0.25)),
        },
    }  # fmt: skip

    def both(*numbers: int) -> tuple[str, ...]:
        return tuple(f"leg{k}_{s}" for k in numbers for s in ("r", "l"))

    foot = (0.0, 1.8, 0.1)
    return Poses(
        rest=rest,
        windup=windup,
        strike=strike,
        air={
            "body": (0, 14, 0), "abdomen": (0, 6, 0),
            **_legs((1.2, 1.7, 1.3), (2.0, 0.9, 1.2), (2.0, -0.5, 1.0), (1.3, -1.6, 0.7)),
        },
        spent={
            "body": (0, -10, 4), "body.at": (0, 0.1, -0.62), "abdomen": (0, 16, 0),
            **_legs((0.9, 2.1, 0), (2.3, 1.2, 0), (2.35, -0.4, 0), (1.6, -1.7, 0)),
        },
        broken={
            "body": (0, -4, 22), "body.at": (0.2, 0, -0.62), "abdomen": (16, 20, 0), "leg1_l": (-1.2, 1.8, 0),
            "leg2_l": (-2.2, 0.9, 0), "leg3_l": (-2.2, -0.4, 0), "leg4_l": (-1.5, -1.5, 0), "leg1_r": (1.3, 1.9, 0.5),
            "leg2_r": (2.2, 0.9, 0.3), "leg3_r": (2.2, -0.4, 0), "leg4_r": (1.6, -1.5, 0),
        },
        down={  # on its back, the legs drawn in
            "body": (0, 0, 180), "body.at": (0, 0, -0.30), "abdomen": (0, -4, 0),
            **_legs((-0.35, 0.9, 1.75), (-0.75, 0.6, 1.60), (-0.75, 0.0, 1.65), (-0.4, -0.4, 1.75)),
        },
        strikers={
            "stab": Striker(("leg1_r",), foot), "legs": Striker(both(1, 2), foot),
            "hug": Striker(both(1, 2), foot), "spin": Striker(both(1, 2, 3, 4), foot),
            "pounce": Striker(("fangs", *both(1)), (0.0, 0.2, -0.3)),
            "web": Striker(("abdomen",), (0.0, -1.9, 0.0)),
        },
        gait=_gait,
    )  # fmt: skip


def _gait(walk: float, time: float) -> Pose:
    moves: Pose = {
        "body.at": (0, 0, 0.03 * math.sin(time * 2.4)),
        "abdomen": (0, 3 * math.sin(time * 2.4 - 0.7), 0),
        "fangs": (0, 6 * math.sin(time * 4.1), 0),
    }
    for k in range(4):  # neighbours and opposites step in turn
        for s, side in (("r", 0.0), ("l", math.pi)):
            angle = walk * 3.2 + side + (math.pi if k % 2 else 0.0) + 0.3 * k
            moves[f"leg{k + 1}_{s}"] = (0, 0.28 * math.sin(angle), 0.32 * max(0.0, math.cos(angle)))
    return moves
