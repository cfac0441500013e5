"""The fighter: a staff fighter in a red cloak, or a swordsman in indigo, as the rules have it."""

from __future__ import annotations

import math

from env.arena.figures import weapons
from env.arena.figures.motion import mix, smooth
from env.arena.figures.ornaments import Parts
from env.arena.figures.rig import RIGHT, Pose, Proportions, Rig, Weapon, pose
from env.arena.shapes.mesh import Color, box, joined, loft, rod, sheet

HEIGHT = 1.8
SKIN: Color = (0.85, 0.66, 0.50)

READY = pose(
    drop=0.08, bow=10, rx=0.25, ry=0.5, rz=-0.55, lx=0.2, ly=0.5, lz=-0.5, aim=42, turn=66, both=1, rfx=0.05, lfx=0.05,
    rfy=-0.12, lfy=0.14,
)  # fmt: skip
READY_SWORD = pose(READY, aim=48, turn=-26, rx=0.15, lx=0.1, lz=-0.55)
CUT_BACK = {
    1: pose(READY, twist=-58, rx=0.7, ry=0.3, rz=-0.05, aim=20, turn=-60, both=0, lx=-0.2, ly=0.7, lfy=0.25, rfy=-0.2),
    -1: pose(READY, twist=50, rx=-0.7, ry=0.55, rz=-0.05, aim=20, turn=70, both=0, lx=0.6, ly=0.0, lfy=-0.2, rfy=0.25),
}
CUT_THROUGH = {
    1: pose(READY, twist=50, rx=-0.3, ry=0.95, rz=-0.15, aim=0, turn=20, both=0, lx=0.5, ly=-0.3, bow=20, rfy=0.3),
    -1: pose(READY, twist=-50, rx=0.4, ry=0.95, rz=-0.15, aim=0, turn=-20, both=0, lx=0.3, ly=-0.1, bow=20, lfy=0.3),
}
RAISED = pose(READY, bow=-14, rx=0.0, ry=0.0, rz=0.98, aim=105, turn=-8, both=1, rfx=0.1, lfx=0.1, drop=0.02)
CHARGED = pose(
    RAISED, bow=-24, twist=-22, rx=0.25, ry=-0.25, rz=0.9, aim=140, turn=-25, drop=0.18, rfy=-0.35, lfy=0.3,
    rfx=0.2, lfx=0.1,
)  # fmt: skip
"""The heavy attack held back to its end."""
SMASHED = pose(READY, bow=46, drop=0.24, rx=-0.2, ry=0.92, rz=-0.35, aim=-20, turn=0, both=1, rfy=0.3, lfy=-0.25)
DRINKING = pose(READY, bow=-14, nod=-20, lx=-0.25, ly=0.35, lz=0.35, rx=0.5, ry=0.1, rz=-0.7, aim=-50, turn=-40, both=0)
CASTING = pose(
    READY, bow=12, lx=0.0, ly=1.0, lz=0.15, rx=0.7, ry=-0.2, rz=-0.3, aim=60, turn=-80, both=0, lfy=0.3, rfy=-0.3
)
GUARD = pose(
    READY, bow=4, drop=0.14, rx=0.05, ry=0.62, rz=0.34, aim=8, turn=82, both=1, lx=0.3, ly=0.6, lz=0.35, rfx=0.12,
    lfx=0.12,
)  # fmt: skip
"""The weapon level before the brow, arms raised."""
REELING = pose(
    bow=-34, drop=0.1, push=-0.15, nod=-20, rx=0.8, ry=0.4, rz=0.25, lx=0.8, ly=0.4, lz=0.2, aim=60, turn=-60, both=0,
    rfy=-0.25, lfy=0.25,
)  # fmt: skip
STAGGERED = pose(
    bow=34, drop=0.42, tilt=12, nod=26, rx=0.5, ry=0.3, rz=-0.9, lx=0.3, ly=0.3, lz=-0.9, aim=-20, turn=-50, both=0,
    rfy=-0.4, lfy=0.25, lfx=0.1,
)  # fmt: skip
"""The guard broken: on one knee, leaning on nothing."""
LUNGE = pose(
    READY, drop=0.3, push=0.3, bow=24, twist=30, rx=-0.1, ry=1.0, rz=0.1, aim=20, turn=-20, both=1, rfy=0.6, lfy=-0.45
)
STAND_OVER = pose(READY, twist=-20, rx=0.75, ry=0.2, rz=-0.3, aim=-25, turn=-70, both=0, bow=2, drop=0.02)
STEP = pose(
    READY, drop=0.36, bow=30, nod=-16, both=0, rx=0.7, ry=-0.3, rz=-0.5, aim=-8, turn=-120, lx=0.5, ly=0.4, lz=-0.6,
    rfx=0.3, lfx=0.22, rfy=-0.3, lfy=0.2,
)  # fmt: skip
FALLEN = pose(
    drop=0.82, lean=84, yaw=75, rx=0.6, ry=0.1, rz=0.8, lx=0.5, ly=0.1, lz=0.85, aim=70, turn=-40, both=0, rfz=-0.75,
    lfz=-0.7, rfy=-0.1, rfx=0.1, lfx=0.1,
)  # fmt: skip


class Fighter(Rig):
    """The fighter of the rules, `staff` or `blade`."""

    shadow_radius = 0.5

    def __init__(self, rules: str) -> None:
        self.rules = rules
        parts, weapon = _swordsman() if rules == "blade" else _staff_fighter()
        super().__init__(HEIGHT, Proportions(), {name: joined(solids) for name, solids in parts.items()}, weapon)
        self.strikers = [(RIGHT, weapon.tip)]
        self._shine = 0.0
        self.pose("idle", 0.0, 0.0, 0, 0.0)

    def pose(self, state: str, progress: float, walk: float, swings: int, charge: float) -> None:
        self.apply(fighter_pose(self.rules, state, progress, walk, swings, charge))
        shine = {"charge": max(0.0, charge * 1.5 - 0.5), "heavy": charge}.get(state, 0.0)
        if shine != self._shine:
            self._shine = shine
            self.skin.paint(RIGHT, self.skin.colors(RIGHT) * (1 + 1.5 * shine, 1 + 1.1 * shine, 1 + 0.5 * shine))
        self.skin.draw()


def fighter_pose(rules: str, state: str, progress: float, walk: float, swings: int, charge: float) -> Pose:
    """The pose of a moment under the rules `staff` or `blade`; for the others see `bodies.PlayerFigure.pose`."""
    ready = READY_SWORD if rules == "blade" else READY
    if state == "moving":
        step, lift = math.sin(walk * 3.4), math.cos(walk * 3.4)
        rise = max(0.0, 0.2 * lift), max(0.0, -0.2 * lift)
        return pose(ready, bow=18, drop=0.12, rfy=0.36 * step, lfy=-0.36 * step, rfz=rise[0], lfz=rise[1])
    if state == "dodge":
        if rules == "blade":  # a long low step, whichever way it goes
            return mix(ready, STEP, smooth(progress / 0.15) * smooth((1 - progress) / 0.35))
        return _rolling(ready, progress)
    if state == "light":
        side = 1 if swings % 2 else -1
        if progress < 0.75:
            return mix(CUT_BACK[side], CUT_THROUGH[side], smooth((progress - 0.2) / 0.3))
        return mix(CUT_THROUGH[side], ready, (progress - 0.75) * 4)
    if state in ("charge", "heavy"):
        # The first third of the charge is the blow's own raising, which a blow that is not held back does too.
        raising, held = (charge * 3, charge * 1.5 - 0.5) if state == "charge" else (progress / 0.36, charge)
        high = mix(mix(ready, RAISED, smooth(raising)), CHARGED, smooth(held))
        if state == "charge" or progress < 0.48:
            return high
        if progress < 0.8:
            return mix(high, SMASHED, smooth((progress - 0.48) / 0.12))
        return mix(SMASHED, ready, (progress - 0.8) * 5)
    if state == "heal":
        return mix(ready, DRINKING, smooth(progress / 0.25) * smooth((1 - progress) / 0.15))
    if state == "skill":
        return mix(ready, CASTING, smooth(progress / 0.3))
    if state == "block":
        return GUARD
    if state == "hurt":
        return mix(REELING, ready, smooth(progress * 1.2 - 0.2))
    if state == "broken":
        return mix(mix(REELING, STAGGERED, smooth(progress * 4)), ready, smooth((progress - 0.85) / 0.15))
    if state == "deathblow":
        if progress < 0.6:
            return mix(CUT_BACK[1], LUNGE, smooth(progress / 0.2))
        return mix(LUNGE, STAND_OVER, smooth((progress - 0.6) / 0.2))
    return FALLEN if state == "down" else ready


def _rolling(ready: Pose, progress: float) -> Pose:
    """Head over heels close to the ground, tucked in."""
    turn = smooth(progress / 0.8)
    tuck = math.sin(math.pi * min(1.0, progress / 0.8))
    tucked = pose(
        ready, bow=60, nod=30, both=0, aim=10, turn=60, rx=0.1, ry=0.4, rz=-0.5, lx=0.1, ly=0.4, lz=-0.5, rfy=0.3,
        lfy=0.25,
    )  # fmt: skip
    out = mix(ready, tucked, min(1.0, tuck * 2))
    return pose(out, drop=0.6 * tuck - 0.2 * (1 - math.cos(math.tau * turn)), lean=360 * turn)


def _limbs(sleeve: Color, wrap: Color, legs: Color, boots: Color) -> Parts:
    m = Proportions()
    parts: Parts = {}
    for side in ("r", "l"):
        parts["upper_" + side] = [rod((0, 0, 0.07), (0, 0, -m.upper), 0.13, 0.085, sleeve, 4, True)]
        parts["fore_" + side] = [
            rod((0, 0, 0.02), (0, 0, -m.fore), 0.085, 0.07, wrap, 4, True),
            box(0.12, 0.12, 0.14, SKIN, at=(0, 0, -m.fore)),
        ]
        parts["thigh_" + side] = [rod((0, 0, 0.04), (0, 0, -m.thigh), 0.15, 0.11, legs, 4, True)]
        parts["shin_" + side] = [
            rod((0, 0, 0.02), (0, 0, -m.shin + 0.03), 0.11, 0.09, boots, 4, True),
            box(0.16, 0.34, 0.10, boots, at=(0, 0.08, -m.shin + 0.04)),
        ]
    return parts


def _trunk(cloth: Color, sash: Color) -> list:
    body = [(0.17, 0.13, -0.14, 0), (0.16, 0.12, 0.14, 0), (0.26, 0.17, 0.48, 0.01), (0.16, 0.12, 0.66, 0)]
    return [loft(body, cloth, 6), loft([(0.18, 0.14, 0.03, 0), (0.18, 0.14, 0.12, 0)], sash, 6)]


def _skull(hair: Color) -> list:
    face = loft([(0.10, 0.11, -0.04, 0.03), (0.15, 0.16, 0.08, 0.02), (0.14, 0.15, 0.22, 0)], SKIN, 6)
    top = loft([(0.165, 0.175, 0.14, -0.02), (0.15, 0.16, 0.26, -0.02), (0.07, 0.08, 0.33, -0.02)], hair, 6)
    return [face, top]


def _staff_fighter() -> tuple[Parts, Weapon]:
    red, gold = (0.80, 0.17, 0.14), weapons.GOLD
    parts = _limbs((0.75, 0.16, 0.14), (0.30, 0.22, 0.20), (0.20, 0.20, 0.30), (0.26, 0.18, 0.14))
    cloak = [
        (-0.26, -0.13, 0.64),
        (-0.42, -0.26, -0.42),
        (-0.16, -0.34, -0.52),
        (0.16, -0.34, -0.52),
        (0.42, -0.26, -0.42),
        (0.26, -0.13, 0.64),
    ]
    parts["torso"] = [
        *_trunk((0.62, 0.14, 0.13), gold),
        sheet(cloak, red),
        loft([(0.27, 0.19, 0.56, -0.01), (0.14, 0.13, 0.72, 0)], red, 6),
    ]
    band = loft([(0.172, 0.182, 0.15, -0.005), (0.172, 0.182, 0.20, -0.005)], gold, 5)
    parts["head"] = [*_skull((0.20, 0.13, 0.10)), band]
    return parts, weapons.staff((0.42, 0.25, 0.15), gold)


def _swordsman() -> tuple[Parts, Weapon]:
    indigo, pale = (0.17, 0.20, 0.42), (0.82, 0.84, 0.88)
    parts = _limbs(indigo, (0.55, 0.57, 0.62), (0.13, 0.14, 0.22), (0.10, 0.10, 0.14))
    skirt = loft([(0.34, 0.30, -0.50, -0.02), (0.19, 0.15, 0.06, 0)], (0.13, 0.15, 0.30), 6)
    scarf = loft([(0.19, 0.16, 0.60, 0), (0.16, 0.15, 0.74, 0)], pale, 6)
    tails = [sheet([(-0.05, -0.14, 0.7), (-0.34, -0.42, 0.28), (-0.22, -0.46, 0.16), (0.06, -0.15, 0.62)], pale)]
    parts["torso"] = [*_trunk(indigo, pale), skirt, scarf, *tails]
    knot = rod((0, -0.08, 0.30), (0, -0.26, 0.42), 0.06, 0.03, (0.07, 0.07, 0.09), 4)
    parts["head"] = [*_skull((0.09, 0.09, 0.11)), knot]
    return parts, weapons.sword(1.3, (0.80, 0.84, 0.90), (0.12, 0.12, 0.16), 0.07)
