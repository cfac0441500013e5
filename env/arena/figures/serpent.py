"""The serpent: a coil on the ground, a neck of five links that rises from it, a hood, and a tail with a blade."""

from __future__ import annotations

import math

from env.arena.figures.creature import Creature, Pose, Poses, Striker, Triple
from env.arena.look import BossLook
from env.arena.shapes.colors import shade
from env.arena.shapes.sculpt import Shape

LINK = 0.56
"""Metres of one link of the neck."""
RADII = (0.34, 0.32, 0.30, 0.27, 0.24, 0.21)


def serpent(look: BossLook) -> Creature:
    rig = Creature(look, natural_height=3.1, shadow_radius=1.2)
    coil = Shape()
    rings = []
    for k in range(13):  # one turn and a half, the upper one narrower
        angle, share = math.tau * k / 8 + math.pi * 0.9, k / 12
        out = 0.86 - 0.50 * share
        rings.append((out * math.sin(angle), out * math.cos(angle), 0.26 + 0.42 * share, 0.30 + 0.06 * share))
    coil.tube(rings, look.skin, sides=6, under=look.cloth)
    rig.joint("body", "turn", (0, 0, 0), coil)

    parent, at = "body", (0.0, -0.05, 0.62)
    for k in range(5):
        wide, narrow = RADII[k], RADII[k + 1]
        flat = 0.82
        link = Shape().tube(
            [(0, -0.10, 0, wide * 0.92, wide * flat), (0, LINK / 2, 0, wide, wide * flat)]
            + [(0, LINK + 0.06, 0, narrow, narrow * flat)],
            look.skin if k % 2 else look.dark,
            sides=7,
            under=look.cloth if k % 2 else shade(look.cloth, 0.86),
        )
        rig.joint(f"n{k + 1}", parent, at, link, pitch=80)
        parent, at = f"n{k + 1}", (0.0, LINK, 0.0)
    hood = Shape().plate(
        [(0.05, -0.75, 0.02), (0.62, -0.30, 0.05), (0.70, 0.15, 0.08), (0.12, 0.55, 0.02)], look.skin, look.metal
    )
    hood.plate([(0.30, -0.14, -0.01), (0.52, -0.02, 0.0), (0.34, 0.20, 0.0)], look.accent)
    rig.joint("hood_r", "n5", (0.08, 0.22, 0.0), hood, pitch=80)
    rig.joint("hood_l", "n5", (-0.08, 0.22, 0.0), hood.mirrored(), pitch=80)

    head = Shape().tube(
        [
            (0, -0.12, 0, 0.20, 0.16),
            (0, 0.16, 0.06, 0.36, 0.22),
            (0, 0.52, 0.04, 0.30, 0.17),
            (0, 0.86, -0.02, 0.13, 0.09),
        ],
        look.skin,
        sides=7,
        under=look.metal,
    )
    for x in (-1, 1):
        head.box((0.10, 0.18, 0.10), (0.26 * x, 0.40, 0.16), look.eyes, h=-18 * x)
        head.tube([(0.14 * x, 0.70, -0.04, 0.05), (0.14 * x, 0.74, -0.34, 0)], look.accent, 4)  # a fang
        head.tube([(0.20 * x, 0.18, 0.20, 0.09), (0.30 * x, -0.36, 0.42, 0)], look.accent, 4)  # a horn
    rig.joint("head", "n5", (0, LINK, 0), head)
    jaw = Shape().tube(
        [(0, -0.05, 0, 0.26, 0.09), (0, 0.40, 0, 0.24, 0.08), (0, 0.70, 0.02, 0.10, 0.05)], look.cloth, 6
    )
    jaw.plate([(-0.03, 0.6, 0.06), (0.03, 0.6, 0.06), (0.10, 1.15, 0.04)], look.metal)
    jaw.plate([(-0.03, 0.6, 0.06), (0.03, 0.6, 0.06), (-0.10, 1.15, 0.04)], look.metal)
    rig.joint("jaw", "head", (0, 0.10, -0.14), jaw)

    parent, at, radius = "body", (0.55, -0.62, 0.26), 0.25
    for k in range(3):
        piece = Shape().tube(
            [(0, 0.08, 0, radius), (0, -0.66, 0, radius - 0.07)], look.dark if k % 2 else look.skin, 6, look.cloth
        )
        if k == 2:
            piece.tube([(0, -0.60, 0, 0.14), (0, -0.82, 0.04, 0.34, 0.08), (0, -1.60, 0.04, 0)], look.accent, 4)
        rig.joint(f"t{k + 1}", parent, at, piece)
        parent, at, radius = f"t{k + 1}", (0.0, -0.62, 0.0), radius - 0.06
    return rig.finish(_poses())


def _chain(*links: tuple[float, float] | float) -> Pose:
    """The neck and the head, each (heading, pitch) against the one before; a number alone is a pitch."""
    names = ("n1", "n2", "n3", "n4", "n5", "head")
    pairs = [link if isinstance(link, tuple) else (0.0, link) for link in links]
    return {name: (h, p, 0.0) for name, (h, p) in zip(names, pairs, strict=True)}


def _tail(*links: tuple[float, float]) -> Pose:
    return {f"t{k + 1}": (h, p, 0.0) for k, (h, p) in enumerate(links)}


def _hood(open_: float) -> Pose:
    size: Triple = (open_, 1.0, 1.0)
    return {"hood_l.size": size, "hood_r.size": size}


def _poses() -> Poses:
    rest = (
        _chain((24, 58), (-12, 46), (-14, 22), (0, -42), (0, -48), (0, -36))
        | _tail((40, 8), (30, -4), (30, -2))
        | _hood(0.9)
        | {"head.size": (1.2, 1.2, 1.2)}
    )
    windup: dict[str, Pose] = {
        "bite": {  # drawn back high, the hood open, the jaws apart
            "turn": (-24, 0, 0), **_chain(112, 24, -6, -44, -40, -30), **_hood(1.8), "jaw": (0, -48, 0),
        },
        "low_bite": {  # folded sideways, the head on the ground
            **_chain((74, -6), (-20, -8), (-50, -2), (-60, 8), (40, 6), (14, 0)), **_hood(0.25),
            "jaw": (0, -30, 0), "body.at": (0, -0.1, -0.12),
        },
        "tail": {  # the tail stands upright, the head is drawn in beneath it
            "turn": (24, 0, 0), **_chain((50, 58), (10, -10), (-20, -30), (-30, -26), -20, 10),
            **_tail((0, -70), (0, -22), (0, 26)), **_hood(0.4),
        },
        "coil": {  # a noose, seen from the side
            "turn": (-80, 0, 0), **_chain(22, 62, 60, 56, 46, 20), **_hood(0.3), "body.at": (0, -0.3, 0),
            **_tail((60, 8), (40, -4), (40, -2)),
        },
        "spit": {  # a pole, the head at the sky
            **_chain(86, 4, 2, 4, 8, 14), **_hood(0.15), "jaw": (0, -20, 0),
        },
        "dive": {  # a hook, seen from the side
            "turn": (-74, 0, 0), **_chain(112, -4, -34, -66, -62, -34), **_hood(0.8), "jaw": (0, -12, 0),
        },
    }  # fmt: skip
    strike: dict[str, Pose] = {
        "bite": {**_chain(42, -12, -22, -16, -8, 2), **_hood(0.8), "jaw": (0, -30, 0), "body.at": (0, 0.5, 0)},
        "low_bite": {**_chain(24, -22, -10, 2, 6, 2), **_hood(0.3), "jaw": (0, -34, 0), "body.at": (0, 0.4, -0.1)},
        "tail": {
            "turn": (130, 0, 0), **_chain((50, 58), (10, -10), (-20, -30), (-30, -26), -20, 10),
            **_tail((-20, 0), (-10, -4), (-10, 0)), **_hood(0.4),
        },
        "coil": {
            **_chain((-66, 14), (30, -18), (60, -4), (60, 0), (50, 0), (30, 6)), **_hood(0.5), "jaw": (0, -30, 0),
            "body.at": (0, 0.6, 0),
        },
        "spit": {**_chain(80, -16, -24, -26, -20, 4), **_hood(1.1), "jaw": (0, -50, 0), "body.at": (0, 0.2, 0)},
        "dive": {**_chain(48, -22, -26, -16, -4, 10), **_hood(1.0), "jaw": (0, -24, 0), "body.at": (0, 0.2, -0.1)},
    }  # fmt: skip
    jaws = Striker(("head", "jaw"), (0.0, 0.8, -0.1))
    ring = tuple(f"n{k}" for k in range(2, 6))
    return Poses(
        rest=rest,
        windup=windup,
        strike=strike,
        air={
            **_chain(60, -10, -18, -22, -20, -4), **_tail((0, -20), (0, -10), (0, 10)), **_hood(1.5),
            "body": (0, 24, 0), "jaw": (0, -40, 0),
        },
        spent={
            **_chain((16, 40), (12, -30), (-20, -16), (-26, -6), (16, 4), (14, 2)), **_hood(0.2),
            "jaw": (0, -24, 0), **_tail((50, 8), (30, -4), (20, -2)),
        },
        broken={
            **_chain((-30, 66), (-10, -6), (-30, -34), (-20, -40), (10, -40), (20, -20)), **_hood(0.9),
            "jaw": (0, -40, 0), "body.at": (0, 0, -0.05),
        },
        down={
            "body.at": (0, 0, -0.10), **_chain((60, -10), (-40, -8), (-50, 2), (-40, 6), (50, 6), (60, 0)),
            **_hood(0.9), "head": (50, 2, 80), "jaw": (0, -40, 0), **_tail((70, 8), (-40, -4), (-40, -2)),
        },
        strikers={
            "bite": jaws, "low_bite": jaws, "dive": jaws, "spit": Striker(("head", "jaw", "n5"), (0.0, 0.9, 0.0)),
            "coil": Striker(ring, (0.0, 0.4, 0.3)), "tail": Striker(("t3", "t2"), (0.0, -1.3, 0.0)),
        },
        gait=_gait,
    )  # fmt: skip


def _gait(walk: float, time: float) -> Pose:
    sway = math.sin(time * 1.6 + walk * 1.5)
    return {
        "n1": (6 * sway, 0, 0), "n3": (-9 * sway, 3 * math.sin(time * 1.1), 0), "n5": (4 * sway, 0, 0),
        "jaw": (0, -5 - 5 * math.sin(time * 2.3), 0), "body": (16 * math.sin(walk * 1.5), 0, 0),
        "t2": (18 * math.sin(time * 1.3 + walk * 2), 0, 0), "t3": (24 * math.sin(time * 1.3 + walk * 2 - 0.8), 0, 0),
    }  # fmt: skip
