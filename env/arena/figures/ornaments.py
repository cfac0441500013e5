"""What a boss on two legs is known by from afar: horns, wings, hats, banners.

Each function gives parts by the bone that they hang on, in units of a body two units tall: `head` parts around the
middle of the head, `torso` parts around the middle of the hips. `wing_r`, `wing_l` and `tail` are bones of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from env.arena.look import BossLook
from env.arena.shapes.colors import shade
from env.arena.shapes.mesh import Mesh, ball, box, lathe, loft, rod, sheet

Parts = dict[str, list[Mesh]]


def horns(look: BossLook) -> Parts:
    parts = []
    for s in (-1, 1):
        elbow = (0.34 * s, 0.02, 0.16)
        parts += [rod((0.14 * s, 0, 0.08), elbow, 0.075, 0.06, look.accent, 5)]
        parts += [rod(elbow, (0.40 * s, 0.1, 0.44), 0.06, 0.0, look.accent, 5)]
    return {"head": parts}


def wings(look: BossLook) -> Parts:
    """Four lobes, each wing drawn out to the side from between the shoulders."""
    out: Parts = {}
    for name, s in (("wing_r", 1), ("wing_l", -1)):
        upper = [
            (0, 0, 0),
            (0.54, -0.06, 0.74),
            (1.14, -0.14, 0.98),
            (1.54, -0.19, 0.74),
            (1.26, -0.12, 0.14),
            (0.66, -0.06, -0.12),
        ]
        lower = [
            (0, 0, 0),
            (0.72, -0.06, -0.1),
            (1.1, -0.12, -0.36),
            (0.94, -0.14, -0.94),
            (0.6, -0.14, -1.14),
            (0.26, -0.06, -0.6),
        ]
        spot = [(0.96, -0.16, 0.34), (0.79, -0.16, 0.55), (0.96, -0.16, 0.77), (1.2, -0.17, 0.67), (1.22, -0.17, 0.46)]
        parts = [
            sheet([(x * s, y, z) for x, y, z in upper], look.accent),
            sheet([(x * s, y, z) for x, y, z in lower], shade(look.accent, 0.8)),
            sheet([(x * s, y + 0.04, z) for x, y, z in spot], look.eyes),
            sheet([(x * s, y - 0.04, z) for x, y, z in spot], look.eyes),
        ]
        out[name] = [part.moved((0.06 * s, -0.14, 0.52)) for part in parts]
    return out


def feelers(look: BossLook) -> Parts:
    parts = []
    for s in (-1, 1):
        parts += [rod((0.06 * s, 0.1, 0.14), (0.24 * s, 0.2, 0.42), 0.02, 0.02, look.accent, 4)]
        parts += [rod((0.24 * s, 0.2, 0.42), (0.46 * s, 0.22, 0.5), 0.05, 0.0, look.accent, 4)]
    return {"head": parts}


def mane(look: BossLook) -> Parts:
    """A crest of long hair from the brow down the back."""
    parts = [rod((0, 0.02, 0.1), (0, -0.22, 0.36), 0.2, 0.0, look.accent, 6)]
    for x in (-1, 1):
        parts += [rod((0.1 * x, -0.04, 0.02), (0.38 * x, -0.2, 0.12), 0.16, 0.0, look.accent, 5)]
    back = [rod((0.2 * x, -0.12, 0.62), (0.34 * x, -0.5, 0.5), 0.2, 0.0, look.accent, 5) for x in (-1, 0, 1)]
    back += [rod((0.14 * x, -0.14, 0.34), (0.2 * x, -0.46, 0.16), 0.17, 0.0, look.accent, 5) for x in (-1, 1)]
    return {"head": parts, "torso": back}


def tail(look: BossLook) -> Parts:
    """Long, in an S, ringed."""
    path = [(0, -0.1, 0), (-0.16, -0.4, -0.3), (-0.46, -0.6, -0.32), (-0.76, -0.66, -0.02), (-0.8, -0.6, 0.4)]
    path.append((-0.62, -0.56, 0.7))
    parts = []
    for i, (a, b) in enumerate(zip(path, path[1:], strict=False)):
        parts.append(rod(a, b, 0.10 - 0.008 * i, 0.092 - 0.008 * i, look.dark if i % 2 else look.skin, 5))
    return {"tail": parts}


def ears(look: BossLook) -> Parts:
    parts = []
    for s in (-1, 1):
        parts.append(sheet([(0.05 * s, 0.02, 0.14), (0.26 * s, 0.0, 0.06), (0.24 * s, -0.02, 0.36)], look.skin))
        parts.append(sheet([(0.09 * s, 0.03, 0.16), (0.22 * s, 0.02, 0.11), (0.22 * s, 0.0, 0.28)], look.dark))
        parts.append(sheet([(0.1 * s, 0.1, -0.06), (0.34 * s, 0.02, -0.16), (0.2 * s, 0.06, 0.04)], look.accent))
    muzzle = box(0.16, 0.14, 0.12, look.accent, at=(0, 0.22, -0.07))
    return {"head": [*parts, muzzle]}


def halo(look: BossLook) -> Parts:
    """A ring of light with rays, behind the head."""
    parts = []
    for k in range(12):
        a, b = k * math.tau / 12, (k + 1) * math.tau / 12
        ring = [
            (math.sin(t) * r, -0.24, math.cos(t) * r + 0.05) for r, t in ((0.34, a), (0.46, a), (0.46, b), (0.34, b))
        ]
        parts.append(sheet(ring, look.accent))
        if k % 2 == 0:
            m = [(0.48, a - 0.12), (0.66, a), (0.48, a + 0.12)]
            parts.append(sheet([(math.sin(t) * r, -0.24, math.cos(t) * r + 0.05) for r, t in m], look.accent))
    return {"head": parts}


def beads(look: BossLook) -> Parts:
    """A necklace of heavy beads."""
    parts = []
    for k in range(7):
        a = math.pi * (k / 6 - 0.5)
        x, drop = math.sin(a) * 0.24 * look.stout, math.cos(a) * 0.26
        parts.append(
            ball(0.08, look.accent, at=(x, 0.14 * look.stout + 0.1 * math.cos(a), 0.64 - drop), sides=4, rings=3)
        )
    return {"torso": parts}


def straw_hat(look: BossLook) -> Parts:
    hat = lathe([(0.66, -0.04), (0.30, 0.16), (0.0, 0.34)], look.accent, 10, at=(0, 0.02, 0.06))
    under = lathe([(0.0, 0.1), (0.66, -0.04)], shade(look.accent, 0.5), 10, at=(0, 0.02, 0.06))
    return {"head": [hat, under]}


def bell(look: BossLook) -> Parts:
    """A temple bell on the back, higher than the head."""
    profile = [(0.0, -0.02), (0.62, 0.0), (0.54, 0.16), (0.46, 0.68), (0.30, 0.92), (0.0, 1.0)]
    body = lathe(profile, look.metal, 6)
    ring = lathe([(0.62, 0.03), (0.61, 0.12)], shade(look.metal, 0.6), 6)
    knob = box(0.16, 0.1, 0.14, shade(look.metal, 0.7), at=(0, 0, 1.07))
    return {"torso": [part.moved((0, -0.66, 0.16), pitch=-4) for part in (body, ring, knob)]}


def helmet(look: BossLook) -> Parts:
    """A flared helmet with a great crest of two horns."""
    bowl = lathe([(0.34, -0.12), (0.24, 0.04), (0.2, 0.16), (0.0, 0.26)], look.dark, 8)
    parts = [bowl, box(0.3, 0.04, 0.1, look.accent, at=(0, 0.2, 0.08))]
    for s in (-1, 1):
        inner = [(0.03 * s, 0.2, 0.1), (0.26 * s, 0.2, 0.24), (0.36 * s, 0.18, 0.62)]
        outer = [(0.46 * s, 0.2, 0.30), (0.30 * s, 0.2, 0.08), (0.06 * s, 0.2, 0.02)]
        parts.append(sheet([inner[0], inner[1], outer[0], outer[1], outer[2]], look.accent))
        parts.append(sheet([inner[1], inner[2], outer[0]], look.accent))
    return {"head": parts}


def banners(look: BossLook) -> Parts:
    """Two tall flags on the back, and plates on the shoulders."""
    parts = []
    for s in (-1, 1):
        foot, top = (0.14 * s, -0.22, 0.3), (0.42 * s, -0.3, 1.75)
        parts.append(rod(foot, top, 0.022, 0.022, look.dark, 4))
        cloth = [(0.40 * s, -0.3, 1.7), (0.76 * s, -0.3, 1.62), (0.66 * s, -0.3, 0.92), (0.27 * s, -0.27, 1.0)]
        mark = [(0.46 * s, -0.27, 1.45), (0.62 * s, -0.27, 1.42), (0.58 * s, -0.25, 1.18), (0.42 * s, -0.25, 1.2)]
        parts += [sheet(cloth, look.cloth), sheet(mark, look.accent)]
    plates = {f"upper_{side}": [box(0.36, 0.06, 0.40, look.cloth, at=(0, 0.17, -0.10))] for side in "rl"}
    return {"torso": parts, **plates}


def cloak(look: BossLook) -> Parts:
    """Torn, down to the knees."""
    wide = 0.3 * look.stout + 0.06
    top, low = 0.68, -0.55
    hem = [(wide * 1.25, low), (wide * 0.7, low + 0.16), (wide * 0.3, low - 0.1), (-wide * 0.2, low + 0.12)]
    hem += [(-wide * 0.7, low - 0.06), (-wide * 1.3, low + 0.1)]
    outline = [
        (0, -0.17, top + 0.02),
        (wide, -0.1, top - 0.04),
        *((x, -0.34, z) for x, z in hem),
        (-wide, -0.1, top - 0.04),
    ]
    collar = loft([(wide * 0.8, 0.17, 0.6, 0), (wide * 0.55, 0.15, 0.76, 0)], look.accent, 6)
    return {"torso": [sheet(outline, look.accent), collar]}


BUILDERS: dict[str, Callable[[BossLook], Parts]] = {
    "horns": horns, "wings": wings, "feelers": feelers, "mane": mane, "tail": tail, "ears": ears, "halo": halo,
    "beads": beads, "straw_hat": straw_hat, "bell": bell, "helmet": helmet, "banners": banners, "cloak": cloak,
}  # fmt: skip
