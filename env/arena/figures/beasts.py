"""The horned beast on four legs, and the tall wading bird."""

from __future__ import annotations

import math

from env.arena.figures.creature import Creature, Pose, Poses, Striker, Triple
from env.arena.look import BossLook
from env.arena.shapes.sculpt import Shape

# -- beast ---------------------------------------------------------------------------------------------------


def beast(look: BossLook) -> Creature:
    rig = Creature(look, natural_height=2.5, shadow_radius=1.35)
    body = Shape().tube(
        [(0, -1.32, 0.10, 0.20, 0.26), (0, -1.05, 0.08, 0.46, 0.48), (0, -0.45, 0.02, 0.52, 0.52)]
        + [(0, 0.20, 0.14, 0.64, 0.70), (0, 0.70, 0.26, 0.70, 0.82), (0, 1.08, 0.14, 0.54, 0.62)]
        + [(0, 1.30, 0.04, 0.28, 0.34)],
        look.skin,
        sides=8,
        under=look.cloth,
    )
    for y, z, size in ((0.85, 0.98, 0.34), (0.40, 0.96, 0.40), (-0.05, 0.74, 0.32), (-0.45, 0.54, 0.26)):
        body.tube([(0, y, z - 0.1, 0.13, 0.20), (0, y - 0.22, z + size, 0)], look.dark, sides=4)  # a ridge of bristles
    rig.joint("body", "turn", (0, 0, 1.25), body)

    neck = Shape().tube([(0, -0.2, 0.05, 0.44, 0.54), (0, 0.42, -0.02, 0.34, 0.40)], look.skin, 7, under=look.cloth)
    rig.joint("neck", "body", (0, 1.05, 0.16), neck)
    head = Shape().tube(
        [(0, -0.18, 0.02, 0.26, 0.28), (0, 0.12, 0.06, 0.36, 0.34), (0, 0.58, -0.08, 0.26, 0.25)],
        look.skin,
        sides=7,
        under=look.cloth,
        closed=False,
    )
    head.tube([(0, 0.54, -0.08, 0.25, 0.24), (0, 0.86, -0.16, 0.27, 0.21), (0, 0.97, -0.17, 0.16, 0.12)], look.dark, 7)
    head.box((0.42, 0.14, 0.06), (0, 0.93, -0.32), look.accent, p=20)  # the ring in its nose
    side = Shape().tube(
        [(0.20, 0.08, 0.22, 0.15), (0.72, 0.04, 0.30, 0.14), (1.06, 0.14, 0.62, 0.10), (1.04, 0.42, 1.08, 0.0)],
        look.accent,
        sides=5,
    )
    side.plate([(0.30, -0.02, 0.10), (0.66, -0.10, 0.04), (0.42, 0.06, -0.08)], look.dark)
    side.box((0.10, 0.16, 0.10), (0.27, 0.42, 0.13), look.eyes, h=-14, p=-20)
    head.add(side).add(side.mirrored())
    rig.joint("head", "neck", (0, 0.48, 0.02), head)
    jaw = Shape().tube([(0, 0, 0, 0.20, 0.10), (0, 0.58, -0.04, 0.17, 0.08)], look.dark, 5)
    rig.joint("jaw", "head", (0, 0.22, -0.24), jaw)

    rig.joint("tail", "body", (0, -1.22, 0.22), Shape().tube([(0, 0, 0, 0.11), (0, -0.95, 0, 0.07)], look.skin, 5))
    tuft = Shape().tube([(0, 0, 0, 0.06), (0, -0.60, 0, 0.06), (0, -0.80, 0, 0.30), (0, -1.15, 0, 0.22)], look.dark, 5)
    tuft.tube([(0, -1.1, 0, 0.16), (0, -1.5, 0, 0)], look.accent, 4)
    rig.joint("tail_end", "tail", (0, -0.92, 0), tuft)

    fore = Shape().tube([(0, -0.12, 0, 0.26), (0, 0.25, 0, 0.25), (0, 0.66, 0, 0.14)], look.skin, 6)
    hind = Shape().tube([(0, -0.16, 0, 0.30), (0, 0.28, 0, 0.28), (0, 0.68, 0, 0.13)], look.skin, 6)
    shin = Shape().tube([(0, 0, 0, 0.15), (0, 0.40, 0, 0.12), (0, 0.45, 0, 0.19), (0, 0.64, 0, 0.22)], look.dark, 6)
    for s, x in (("l", -1), ("r", 1)):
        rig.leg(f"fore_{s}", (0.46 * x, 0.74, -0.22), (0.64, 0.64), (0, 1, 0), fore, shin)
        rig.leg(f"hind_{s}", (0.40 * x, -0.92, -0.14), (0.66, 0.64), (0, -1, 0), hind, shin)
    return rig.finish(_beast_poses())


def _beast_poses() -> Poses:
    rest: Pose = {"neck": (0, -14, 0), "head": (0, -10, 0), "tail": (0, 58, 0), "tail_end": (0, -50, 0)}
    rest |= {"fore_l": (-0.5, 0.85, 0), "fore_r": (0.5, 0.85, 0)}
    rest |= {"hind_l": (-0.45, -0.98, 0), "hind_r": (0.45, -0.98, 0)}
    windup: dict[str, Pose] = {
        "charge": {  # rump high, horns at the ground, one hoof scrapes
            "body": (0, -20, 0), "body.at": (0, -0.35, 0.02), "neck": (0, -24, 0), "head": (0, 2, 0),
            "fore_r": (0.6, 0.10, 0.42), "fore_l": (-0.6, 0.8, 0), "tail": (0, -62, 0), "tail_end": (0, -30, 0),
        },
        "rear": {
            "body": (0, 62, 0), "body.at": (0, -0.62, 0.62), "neck": (0, -34, 0), "head": (0, -38, 0),
            "fore_r": (0.36, 0.55, 2.05), "fore_l": (-0.36, 0.75, 2.35), "tail": (0, -58, 0), "tail_end": (0, -14, 0),
        },
        "swipe": {  # the head wrung round to its left, the right foreleg off the ground
            "turn": (20, 0, 0), "body": (0, 6, -12), "body.at": (0.25, -0.1, 0.05), "neck": (58, -6, 0),
            "head": (30, -8, 62), "fore_r": (1.25, 0.9, 1.0), "fore_l": (-0.7, 0.7, 0), "tail": (-50, -20, 0),
        },
        "bite": {  # the neck up and back, seen from the side
            "turn": (-58, 0, 0), "body": (0, 10, 0), "body.at": (0, -0.3, 0), "neck": (14, 58, 0),
            "head": (20, -78, 0), "jaw": (0, -34, 0), "tail": (0, 40, 0),
        },
        "crouch": {
            "body.at": (0, -0.1, -0.66), "neck": (0, -8, 0), "head": (0, 0, 0), "tail": (0, 10, 0),
            "fore_l": (-1.0, 0.75, 0), "fore_r": (1.0, 0.75, 0), "hind_l": (-0.95, -0.6, 0), "hind_r": (0.95, -0.6, 0),
        },
        "tail": {  # turned away, the tail high over its back
            "turn": (158, 0, 0), "body": (0, -8, 0), "neck": (0, -40, 0), "tail": (0, -84, 0),
            "tail_end": (0, -10, 30), "hind_l": (-0.7, -0.98, 0), "hind_r": (0.7, -0.98, 0),
        },
        "roar": {  # the muzzle at the sky, the forelegs wide
            "body": (0, 24, 0), "body.at": (0, -0.3, 0.20), "neck": (0, 44, 0), "head": (0, 30, 0), "jaw": (0, -46, 0),
            "fore_l": (-1.1, 0.75, 0.2), "fore_r": (1.1, 0.75, 0.2), "tail": (0, 10, 0),
        },
        "hug": {  # on its hind legs, the forelegs wide open
            "body": (0, 52, 0), "body.at": (0, -0.5, 0.50), "neck": (0, -50, 0), "head": (0, -20, 0),
            "jaw": (0, -30, 0), "fore_l": (-1.7, 0.6, 2.3), "fore_r": (1.7, 0.6, 2.3), "hind_l": (-0.7, -0.9, 0),
            "hind_r": (0.7, -0.9, 0), "tail": (0, -48, 0), "tail_end": (0, -14, 0),
        },
    }  # fmt: skip
    slammed: Pose = {
        "body": (0, -16, 0), "body.at": (0, 0.35, -0.30), "neck": (0, -12, 0), "head": (0, -4, 0),
        "fore_l": (-0.75, 1.45, 0), "fore_r": (0.75, 1.45, 0), "tail": (0, -40, 0),
    }  # fmt: skip
    strike: dict[str, Pose] = {
        "charge": {
            "body": (0, 8, 0), "body.at": (0, 0.5, 0.05), "neck": (0, -16, 0), "head": (0, 22, 0),
            "fore_l": (-0.5, 1.6, 0.45), "fore_r": (0.5, 1.5, 0.25), "hind_l": (-0.45, -1.5, 0.1),
            "hind_r": (0.45, -1.4, 0), "tail": (0, -10, 0),
        },
        "rear": slammed,
        "swipe": {
            "turn": (-24, 0, 0), "body": (0, -6, 12), "body.at": (-0.2, 0.45, -0.1), "neck": (-58, -4, 0),
            "head": (-30, 20, -40), "fore_r": (0.2, 1.4, 0), "fore_l": (-0.8, 0.8, 0), "tail": (50, -10, 0),
        },
        "bite": {
            "body": (0, -4, 0), "body.at": (0, 0.6, -0.05), "neck": (0, -10, 0), "head": (0, 12, 0),
            "jaw": (0, -4, 0), "fore_l": (-0.5, 1.2, 0), "fore_r": (0.5, 0.9, 0),
        },
        "crouch": slammed,
        "tail": {
            "turn": (158, 0, 0), "body": (0, 8, 0), "neck": (0, -10, 0), "tail": (70, -6, 0), "tail_end": (20, 0, 0),
        },
        "roar": {
            "body": (0, -8, 0), "body.at": (0, 0.25, -0.2), "neck": (0, -4, 0), "head": (0, 6, 0), "jaw": (0, -50, 0),
            "fore_l": (-0.9, 1.2, 0), "fore_r": (0.9, 1.2, 0),
        },
        "hug": {
            "body": (0, 20, 0), "body.at": (0, 0.3, 0.05), "neck": (0, -28, 0), "head": (0, -6, 0), "jaw": (0, -10, 0),
            "fore_l": (0.15, 1.8, 0.9), "fore_r": (-0.15, 1.8, 1.1),
        },
    }  # fmt: skip
    horns = Striker(("head",), (0.0, 0.6, 0.6))
    fists = Striker(("fore_r", "fore_l"), (0.0, 0.55, 0.0))
    return Poses(
        rest=rest,
        windup=windup,
        strike=strike,
        air={
            "body": (0, 20, 0), "neck": (0, -24, 0), "head": (0, -10, 0), "tail": (0, 0, 0), "tail_end": (0, -20, 0),
            "fore_l": (-0.55, 1.2, 0.7), "fore_r": (0.55, 1.2, 0.7), "hind_l": (-0.5, -1.3, 0.1),
            "hind_r": (0.5, -1.3, 0.1),
        },
        spent={  # the forelegs folded under it, the head on the ground
            "body": (0, -17, 5), "body.at": (0, 0.1, -0.42), "neck": (8, -10, 0), "head": (16, 4, 20),
            "jaw": (0, -16, 0), "fore_l": (-0.8, 0.55, 0), "fore_r": (0.8, 0.75, 0), "tail": (0, 74, 0),
        },
        broken={
            "body": (0, 6, 16), "body.at": (0.1, -0.2, -0.74), "neck": (-20, -14, 0), "head": (-24, -6, -34),
            "jaw": (0, -34, 0), "fore_l": (-1.0, 1.3, 0), "fore_r": (1.1, 1.2, 0), "hind_l": (-1.0, -0.4, 0),
            "hind_r": (1.0, -0.5, 0), "tail": (30, 10, 0), "tail_end": (0, -10, 0),
        },
        down={
            "body": (0, 0, 84), "body.at": (0.3, 0, -0.62), "neck": (0, -10, 0), "head": (0, 6, -72),
            "jaw": (0, -30, 0), "fore_l": (-0.9, 0.9, 0.75), "fore_r": (-1.1, 1.1, 0.1), "hind_l": (-0.9, -0.9, 0.7),
            "hind_r": (-1.1, -1.1, 0.1), "tail": (0, 30, 0), "tail_end": (0, 10, 0),
        },
        strikers={
            "charge": horns, "swipe": horns, "bite": horns, "roar": horns, "rear": fists, "hug": fists,
            "crouch": Striker(("body",), (0.0, 0.4, 1.0)), "tail": Striker(("tail_end", "tail"), (0.0, -1.1, 0.0)),
        },
        gait=_beast_gait,
    )  # fmt: skip


def _beast_gait(walk: float, time: float) -> Pose:
    moves: Pose = {
        "body.at": (0, 0, 0.03 * math.sin(time * 2.2)),
        "neck": (0, 3 * math.sin(time * 2.2 + 0.6), 0),
        "tail": (16 * math.sin(time * 1.7), 0, 0),
    }
    for name, phase in (("fore_l", 0), ("hind_r", 0.4), ("fore_r", math.pi), ("hind_l", math.pi + 0.4)):
        angle = walk * 2.6 + phase
        moves[name] = (0, 0.34 * math.sin(angle), 0.28 * max(0.0, math.cos(angle)))
    return moves


# -- bird ----------------------------------------------------------------------------------------------------


def bird(look: BossLook) -> Creature:
    rig = Creature(look, natural_height=3.1, shadow_radius=0.95)
    body = Shape().tube(
        [(0, -0.72, -0.16, 0.10, 0.08), (0, -0.40, -0.06, 0.30, 0.26), (0, 0.05, 0.02, 0.40, 0.38)]
        + [(0, 0.42, 0.10, 0.30, 0.34), (0, 0.62, 0.18, 0.16, 0.20)],
        look.skin,
        sides=8,
        under=look.cloth,
    )
    for x in (-0.26, 0.0, 0.26):  # the tail
        body.plate([(x * 0.4, -0.5, 0), (x + 0.13, -1.25, -0.32), (x - 0.13, -1.25, -0.32)], look.dark)
    body.tube([(0, 0.50, -0.05, 0.16, 0.10), (0, 0.52, -0.62, 0, 0)], look.cloth, 4)  # the plumes of its breast
    rig.joint("body", "turn", (0, 0, 1.72), body)
    rig.joint("neck", "body", (0, 0.48, 0.16), Shape().tube([(0, -0.1, 0, 0.22), (0, 0.66, 0, 0.12)], look.skin, 6))
    rig.joint("throat", "neck", (0, 0.62, 0), Shape().tube([(0, -0.06, 0, 0.15), (0, 0.66, 0, 0.13)], look.cloth, 6))
    head = Shape().tube([(0, -0.18, 0, 0.10), (0, 0.06, 0.04, 0.18), (0, 0.30, 0, 0.09)], look.cloth, 6)
    head.tube([(0, 0.22, 0.02, 0.09, 0.08), (0, 1.15, -0.06, 0)], look.accent, 5)
    for x in (-0.08, 0.08):  # the crest
        head.plate([(x, 0.06, 0.20), (x, -0.06, 0.06), (x * 3, -0.90, 0.30)], look.dark)
        head.box((0.06, 0.12, 0.10), (x * 2.1, 0.14, 0.07), look.eyes)
    rig.joint("head", "throat", (0, 0.60, 0), head)
    beak = Shape().tube([(0, 0, 0, 0.07, 0.06), (0, 0.80, 0.05, 0)], look.accent, 4)
    rig.joint("jaw", "head", (0, 0.20, -0.08), beak)

    # Wings are built upright, the long feathers down: seen from the front when they are open, a cloak when folded.
    arm = Shape().plate([(0, 0, 0.16), (0.85, 0, 0.26), (0.85, 0, -0.66), (0, 0, -0.52)], look.skin, look.cloth)
    arm.tube([(0, 0, 0.12, 0.10), (0.85, 0, 0.22, 0.07)], look.skin, 4)
    hand = Shape()
    for k in range(5):
        turn = math.radians(14 - 25 * k)
        x, z = 1.40 * math.cos(turn), 1.15 * math.sin(turn)
        points = [(0, 0, 0.24 - 0.15 * k), (x, 0, z), (x - 0.16, 0, z - 0.22), (0, 0, 0.04 - 0.17 * k)]
        hand.plate(points, look.dark if k % 2 else look.skin, look.dark)
    for s, x in (("l", -1), ("r", 1)):
        flip = (lambda shape: shape) if x > 0 else Shape.mirrored
        rig.joint(f"wing_{s}", "body", (0.30 * x, 0.22, 0.22), flip(arm))
        rig.joint(f"hand_{s}", f"wing_{s}", (0.83 * x, 0, 0), flip(hand))
    thigh = Shape().tube([(0, -0.1, 0, 0.17), (0, 0.45, 0, 0.10), (0, 0.82, 0, 0.05)], look.cloth, 6)
    shank = Shape().tube([(0, 0, 0, 0.08), (0, 0.84, 0, 0.065)], look.accent, 5)
    toes = Shape()
    for h in (-32, 0, 32, 180):
        toes.box(
            (0.07, 0.34, 0.06),
            (-0.2 * math.sin(math.radians(h)), 0.2 * math.cos(math.radians(h)), 0.03),
            look.accent,
            h,
        )
    for s, x in (("l", -1), ("r", 1)):
        rig.leg(f"foot_{s}", (0.20 * x, -0.06, -0.18), (0.82, 0.84), (0, -1, 0), thigh, shank, toes)
    return rig.finish(_bird_poses())


def _wings(h: float, p: float, r: float, hand: Triple, shift: float = 0.0) -> Pose:
    """Both wings alike. For the right one: heading turns it back (negative), roll lifts it (negative)."""
    a, b, d = hand
    return {"wing_r": (h + shift, p, r), "wing_l": (-h + shift, p, -r), "hand_r": (a, b, d), "hand_l": (-a, b, -d)}


def _bird_poses() -> Poses:
    rest: Pose = {"neck": (0, 112, 0), "throat": (0, -52, 0), "head": (0, -62, 0), "body": (0, 6, 0)}
    rest |= _wings(-66, 0, 16, (-14, 0, 16)) | {"foot_l": (-0.28, 0.1, 0), "foot_r": (0.28, 0.1, 0)}
    windup: dict[str, Pose] = {
        "peck": {  # seen from the side: the neck folded back, the beak drawn
            "turn": (-62, 0, 0), "body": (0, 4, 0), "body.at": (0, -0.25, -0.30), "neck": (0, 150, 0),
            "throat": (0, -75, 0), "head": (0, -78, 0), "jaw": (0, -14, 0), "foot_l": (-0.3, 0.55, 0),
            "foot_r": (0.3, -0.5, 0),
        },
        "wings": {  # the whole span, level
            "turn": (14, 0, 0), "body": (0, -6, -6), "neck": (0, 80, 0), "throat": (0, -30, 0), "head": (0, -50, 0),
            **_wings(6, 0, -16, (0, 0, -12)), "foot_l": (-0.5, 0, 0), "foot_r": (0.5, 0, 0),
        },
        "stomp": {  # one foot drawn up before the breast, upright, the wings shut
            "body": (0, 40, 10), "body.at": (-0.15, -0.15, 0.24), "neck": (0, 62, 0), "throat": (0, -6, 0),
            "head": (0, -96, 0), "foot_r": (0.85, 1.00, 1.55), "foot_l": (-0.05, 0, 0),
            **_wings(-100, 0, 10, (-4, 0, 10)),
        },
        "feathers": {  # both wings straight up
            "body": (0, 28, 0), "body.at": (0, -0.1, 0.05), "neck": (0, 40, 0), "throat": (0, -10, 0),
            "head": (0, -70, 0), **_wings(-10, 0, -64, (-6, 0, -24)),
        },
        "dive": {  # low, the wings half open and hanging, the beak at the ground
            "body": (0, -22, 0), "body.at": (0, -0.1, -0.95), "neck": (0, 40, 0), "throat": (0, -20, 0),
            "head": (0, -30, 0), **_wings(-20, 0, -42, (-10, 0, 92)), "foot_l": (-0.5, -0.1, 0),
            "foot_r": (0.5, -0.1, 0),
        },
        "embrace": {  # the wings a cloak, open to the ground
            "body": (0, 18, 0), "body.at": (0, -0.1, 0), "neck": (0, 84, 0), "throat": (0, 0, 0), "head": (0, -110, 0),
            "jaw": (0, -24, 0), **_wings(30, 0, 10, (16, 0, 36)), "foot_l": (-0.55, 0.1, 0), "foot_r": (0.55, 0.1, 0),
        },
    }  # fmt: skip
    pecked: Pose = {
        "body": (0, -26, 0), "body.at": (0, 0.45, -0.28), "neck": (0, 30, 0), "throat": (0, -14, 0),
        "head": (0, -4, 0), "foot_l": (-0.3, 0.9, 0), "foot_r": (0.3, -0.5, 0), **_wings(-60, 0, -10, (-10, 0, 0)),
    }  # fmt: skip
    strike: dict[str, Pose] = {
        "peck": pecked,
        "wings": {"turn": (-60, 0, 0), "body": (0, -10, 8), **_wings(50, 0, 10, (20, 0, 0), shift=-20)},
        "stomp": {
            "body": (0, -10, 0), "body.at": (0, 0.3, -0.2), "foot_r": (0.3, 1.25, 0), "foot_l": (-0.3, -0.2, 0),
            "neck": (0, 70, 0), **_wings(-30, 0, -30, (-10, 0, -10)),
        },
        "feathers": {"body": (0, -14, 0), "body.at": (0, 0.2, -0.1), **_wings(70, 0, 0, (20, 0, 0))},
        "dive": {**pecked, "body.at": (0, 0.2, -0.75), "head": (0, -24, 0), **_wings(-20, 0, -40, (0, 0, -10))},
        "embrace": {
            "body": (0, 0, 0), "body.at": (0, 0.4, -0.1), "neck": (0, 70, 0), "head": (0, -90, 0),
            **_wings(76, 0, 6, (50, 0, 10)),
        },
    }  # fmt: skip
    beak, wings = Striker(("head",), (0.0, 1.1, 0.0)), ("hand_r", "hand_l", "wing_r", "wing_l")
    return Poses(
        rest=rest,
        windup=windup,
        strike=strike,
        air={
            "body": (0, -34, 0), "neck": (0, 36, 0), "throat": (0, -14, 0), "head": (0, -16, 0),
            **_wings(-4, -50, -24, (-10, 0, -14)), "foot_l": (-0.3, -0.9, 0.5), "foot_r": (0.3, -0.9, 0.5),
        },
        spent={  # the beak stuck in the ground, the wings hanging
            "body": (0, -30, 0), "body.at": (0, 0.0, -0.45), "neck": (0, 16, 0), "throat": (0, -16, 0),
            "head": (0, -16, 8), **_wings(-50, 0, 40, (-10, 0, 20)), "foot_l": (-0.45, 0.1, 0),
            "foot_r": (0.4, -0.2, 0),
        },
        broken={
            "body": (0, 10, 14), "body.at": (0, 0, -1.05), "neck": (20, 50, 0), "throat": (20, -70, 0),
            "head": (0, -50, 0), "jaw": (0, -24, 0), **_wings(-24, -50, -4, (-10, 0, 10)), "foot_l": (-0.7, 0.3, 0),
            "foot_r": (0.7, 0.5, 0),
        },
        down={
            "body": (0, -4, 10), "body.at": (0.1, 0, -1.42), "neck": (-40, -4, 0), "throat": (-30, 0, 0),
            "head": (-20, 0, 30), "jaw": (0, -20, 0), **_wings(-24, -84, -6, (-20, 0, 0)),
            "foot_l": (-1.2, 0.5, 0.1), "foot_r": (1.0, -0.9, 0.1),
        },
        strikers={
            "peck": beak, "dive": beak, "stomp": Striker(("foot_r",), (0.0, 0.2, 0.0)),
            **{gesture: Striker(wings, (0.9, 0.0, 0.0)) for gesture in ("wings", "feathers", "embrace")},
        },
        gait=_bird_gait,
    )  # fmt: skip


def _bird_gait(walk: float, time: float) -> Pose:
    moves: Pose = {
        "body.at": (0, 0, 0.03 * math.sin(time * 1.9)),
        "neck": (0, 4 * math.sin(time * 1.3), 0),
        "head": (10 * math.sin(time * 0.9), -4 * math.sin(time * 1.3), 0),
    }
    for name, phase in (("foot_l", 0), ("foot_r", math.pi)):
        angle = walk * 2.3 + phase
        moves[name] = (0, 0.40 * math.sin(angle), 0.45 * max(0.0, math.cos(angle)))
    return moves
