"""The poses of whoever walks upright: what each gesture looks like before, during and after the blow.

A wind-up must be known from one still picture: no two share an outline seen from the front. `env.arena.figures.rig`
says what the fields mean.
"""

from __future__ import annotations

import math

from env.arena.figures.motion import arc, flight, mix, smooth
from env.arena.figures.rig import Pose, pose, shifted
from env.arena.state import LEAP_OFF

LEAP_METRES = 2.4

REST = pose(
    drop=0.02, bow=8, rx=0.15, ry=0.5, rz=-0.6, lx=0.25, ly=0.35, lz=-0.7, aim=50, turn=28, aim_l=50, turn_l=28, both=1,
    rfx=0.06, lfx=0.06, rfy=-0.12, lfy=0.12, spread=0.35,
)  # fmt: skip
"""On guard, for those whose weapon has no rest of its own below."""
RESTS: dict[str, Pose] = {
    "hammer": pose(REST, rx=0.25, ry=0.35, rz=-0.7, aim=-16, turn=-58, lx=0.4, ly=0.3, lz=-0.75, both=0),
    "fists": pose(REST, both=0, rx=0.4, ry=0.3, rz=-0.72, lx=0.4, ly=0.3, lz=-0.72),
    "blades": pose(
        REST, spread=0.85, rx=0.5, ry=0.3, rz=-0.6, lx=0.5, ly=0.3, lz=-0.6, aim=-35, aim_l=-35, turn=-35, turn_l=-35
    ),
    "glaive": pose(REST, both=0, rx=0.45, ry=0.25, rz=-0.55, aim=78, turn=-60),
    "lantern": pose(REST, both=0, rx=0.45, ry=0.4, rz=-0.45, aim=58, turn=-82, lx=0.05, ly=0.45, lz=-0.35),
    "sword": pose(REST, rx=0.1, ry=0.5, rz=-0.5, aim=-32, turn=-30, bow=12),
    "naginata": pose(REST, rx=0.15, ry=0.45, rz=-0.65, aim=-4, turn=72),
    "swords": pose(REST, rx=0.3, ry=0.45, rz=-0.55, lx=0.3, ly=0.45, lz=-0.55, aim=62, turn=-40, aim_l=62, turn_l=-40),
}

WINDUP: dict[str, Pose] = {
    # High over the head, feet wide.
    "overhead": pose(
        drop=0.06, bow=-12, rx=0.05, ry=0.0, rz=0.55, lx=0.05, ly=0.0, lz=0.55, aim=130, aim_l=130, turn_l=-12,
        turn=-8, both=1, rfx=0.2, lfx=0.2, nod=-8, spread=0.9,
    ),
    # Drawn far out to the right, level.
    "side": pose(
        drop=0.14, bow=6, twist=-38, rx=0.9, ry=0.1, rz=-0.05, lx=-0.5, ly=0.7, lz=-0.15, aim=6, turn=-60, aim_l=4,
        turn_l=100, both=0, rfx=0.34, lfx=0.12, tilt=10, look=30, spread=0.6,
    ),
    # Down on the left, one knee nearly on the ground, the weapon along it.
    "low_side": pose(
        drop=0.44, sway=-0.08, bow=26, twist=48, tilt=-22, rx=-0.75, ry=0.5, rz=-0.65, lx=0.75, ly=0.1, lz=-0.6,
        aim=-14, turn=62, aim_l=-10, turn_l=-62, both=0, rfx=0.5, lfx=0.2, rfy=-0.1, look=-30, spread=0.3,
    ),
    # Turned aside, the weapon drawn back behind the shoulder, the other arm pointing the way.
    "thrust": pose(
        drop=0.32, yaw=-68, bow=-16, twist=-6, look=62, rx=0.3, ry=-0.68, rz=-0.35, lx=-0.1, ly=0.92, lz=0.3, aim=0,
        turn=14, aim_l=10, turn_l=0, both=0, rfy=-0.74, lfy=0.42, spread=0.15,
    ),
    # A ball on the ground.
    "crouch": pose(
        drop=0.56, bow=52, nod=-34, rx=0.5, ry=-0.55, rz=-0.5, lx=0.5, ly=-0.55, lz=-0.5, aim=-20, turn=-150, aim_l=-20,
        turn_l=-150, both=0, rfx=0.16, lfx=0.16, spread=0.0,
    ),
    # The back turned, the weapon level over the head.
    "spin": pose(
        drop=0.1, yaw=150, bow=-4, twist=25, look=28, rx=0.35, ry=0.1, rz=0.85, lx=0.35, ly=0.1, lz=0.85, aim=4,
        turn=86, aim_l=4, turn_l=-84, both=1, rfy=0.1, lfy=-0.1, rfx=0.14, lfx=0.14, spread=0.1,
    ),
    # Sunk to the right, the weapon trailing low, the free arm high.
    "uppercut": pose(
        drop=0.36, sway=0.2, bow=12, tilt=38, twist=-20, look=10, nod=-16, rx=0.6, ry=-0.1, rz=-0.7, lx=0.45, ly=0.2,
        lz=0.85, aim=16, turn=-80, aim_l=80, turn_l=-30, both=0, rfx=0.24, lfx=0.34, spread=0.5,
    ),
    # Both arms wide.
    "open_arms": pose(
        drop=0.16, bow=10, nod=-14, rx=0.98, ry=0.25, rz=0.1, lx=0.98, ly=0.25, lz=0.1, aim=78, turn=-70, aim_l=78,
        turn_l=-70, both=0, rfx=0.22, lfx=0.22, spread=1.0,
    ),
    # The left arm cocked far behind the head, the right one pointing.
    "throw": pose(
        drop=0.16, sway=-0.12, bow=-14, tilt=-24, twist=20, look=-14, rx=0.75, ry=0.5, rz=-0.35, lx=0.9, ly=-0.25,
        lz=0.5, aim=-24, turn=-95, aim_l=100, turn_l=-60, both=0, rfx=0.3, rfy=0.2, lfx=0.1, lfy=-0.2, spread=0.5,
    ),
    # One leg lifted out to the side, as high as it goes.
    "stomp": pose(
        drop=0.04, sway=0.2, tilt=30, bow=2, lx=0.8, ly=0.3, lz=-0.35, rx=0.75, ry=0.3, rz=-0.5, aim=-10, turn=-50,
        aim_l=-20, turn_l=-80, both=0, lfx=0.52, lfy=0.15, lfz=0.62, rfx=-0.02, spread=0.4,
    ),
    # Upright, feet together: one arm straight up, the weapon planted beside.
    "cast": pose(
        drop=-0.03, bow=-10, nod=-18, rx=0.62, ry=0.15, rz=-0.15, lx=0.06, ly=0.06, lz=1.0, aim=90, turn=-90, aim_l=90,
        turn_l=0, both=0, rfx=-0.03, lfx=-0.03, spread=0.75,
    ),
    # The arms crossed over the chest, the weapons out over the shoulders.
    "cross": pose(
        drop=0.2, bow=20, nod=6, rx=-0.75, ry=0.5, rz=0.2, lx=-0.75, ly=0.5, lz=0.2, aim=52, turn=112, aim_l=52,
        turn_l=112, both=0, rfx=0.1, lfx=0.1, rfy=-0.25, lfy=0.15, spread=0.0,
    ),
}  # fmt: skip

VARIANTS: dict[tuple[str, str], Pose] = {
    ("blades", "overhead"): pose(WINDUP["overhead"], aim=100, aim_l=100, spread=0.1),
    ("blades", "open_arms"): pose(WINDUP["open_arms"], rx=0.8, rz=0.55, lx=0.8, lz=0.55),
    ("fists", "low_side"): pose(
        WINDUP["low_side"], bow=10, rx=-0.2, ry=0.7, rz=-0.5, lx=0.95, ly=0.1, lz=-0.15, tilt=-26, sway=-0.15
    ),
    ("fists", "side"): pose(WINDUP["side"], bow=-16, rx=0.95, ry=0.5, rz=0.25, lx=0.2, ly=0.4, lz=-0.85),
    ("fists", "throw"): pose(WINDUP["throw"], bow=-26, lx=0.6, ly=-0.1, lz=0.85, rx=0.9, ry=0.3, rz=-0.3),
    ("lantern", "uppercut"): pose(WINDUP["uppercut"], aim=38, turn=-92, rz=-0.5),
    ("swords", "overhead"): pose(
        WINDUP["overhead"], rx=0.35, rz=0.75, lx=0.35, lz=0.75, aim=96, aim_l=96, turn=0, turn_l=0, tilt=0
    ),
}  # fmt: skip
"""Wind-ups that read better otherwise with some weapon."""

STRIKE: dict[str, Pose] = {
    "overhead": pose(
        drop=0.28, bow=46, rx=-0.2, ry=0.9, rz=-0.3, lx=-0.2, ly=0.9, lz=-0.3, aim=-12, aim_l=-12, both=1, rfx=0.15,
        lfx=0.15, rfy=0.3, lfy=-0.3, spread=0.5,
    ),
    "side": pose(
        drop=0.2, bow=14, twist=62, rx=-0.1, ry=0.95, rz=-0.25, lx=0.6, ly=-0.3, lz=-0.4, aim=-4, turn=40, aim_l=0,
        turn_l=-60, both=0, rfx=0.2, lfx=0.2, rfy=0.2, look=-40, spread=0.8,
    ),
    "low_side": pose(
        drop=0.4, bow=24, twist=-62, tilt=10, rx=0.7, ry=0.6, rz=-0.55, lx=0.4, ly=0.5, lz=-0.5, aim=-12, turn=-30,
        aim_l=-12, turn_l=40, both=0, rfx=0.3, lfx=0.4, look=50, spread=0.6,
    ),
    "thrust": pose(
        drop=0.32, push=0.3, bow=30, twist=34, rx=-0.1, ry=1.0, rz=-0.1, lx=0.5, ly=-0.6, lz=-0.3, aim=24, turn=-28,
        aim_l=0, turn_l=-140, both=0, rfy=0.65, lfy=-0.4, nod=-20, spread=0.2,
    ),
    "crouch": pose(
        drop=0.5, bow=56, rx=0.1, ry=0.9, rz=-0.35, lx=0.1, ly=0.9, lz=-0.35, aim=10, aim_l=10, both=1, rfx=0.3, 
        lfx=0.2, rfy=0.3, lfy=-0.3, spread=0.8,
    ),
    "spin": pose(
        drop=0.2, yaw=-40, bow=10, twist=-50, rx=0.95, ry=0.2, rz=-0.1, lx=0.95, ly=-0.2, lz=-0.1, aim=0, turn=-70,
        aim_l=0, turn_l=-70, both=0, rfx=0.2, lfx=0.2, spread=1.0,
    ),
    "uppercut": pose(
        drop=-0.04, bow=-16, tilt=-16, twist=40, rx=-0.1, ry=0.5, rz=0.85, lx=0.3, ly=-0.4, lz=-0.7, aim=80, turn=0,
        aim_l=-50, both=0, rfx=0.1, rfy=0.25, lfx=0.1, nod=-20, spread=0.9,
    ),
    "open_arms": pose(
        drop=0.2, push=0.15, bow=34, rx=-0.35, ry=0.9, rz=-0.1, lx=-0.35, ly=0.9, lz=-0.1, aim=40, turn=80, aim_l=40,
        turn_l=80, both=0, rfx=0.2, lfx=0.2, rfy=0.2, lfy=-0.2, nod=-20, spread=0.2,
    ),
    "throw": pose(
        drop=0.22, push=0.15, bow=30, twist=-44, rx=0.6, ry=-0.3, rz=-0.5, lx=-0.1, ly=1.0, lz=0.0, aim=-40, turn=-60,
        aim_l=0, both=0, rfx=0.1, lfx=0.1, rfy=-0.35, lfy=0.35, look=34, spread=0.7,
    ),
    "stomp": pose(
        drop=0.26, bow=26, rx=0.7, ry=0.3, rz=-0.5, lx=0.7, ly=0.3, lz=-0.5, aim=-20, turn=-60, aim_l=-50, turn_l=-50,
        both=0, lfx=0.3, rfx=0.2, lfy=0.3, spread=0.8,
    ),
    "cast": pose(
        drop=0.06, push=0.05, bow=16, rx=0.62, ry=0.3, rz=-0.15, lx=-0.05, ly=1.0, lz=0.1, aim=78, turn=-80, aim_l=0,
        both=0, lfy=0.2, spread=1.0,
    ),
    "cross": pose(
        drop=0.26, push=0.15, bow=24, rx=0.9, ry=0.45, rz=-0.25, lx=0.9, ly=0.45, lz=-0.25, aim=-8, turn=-60, aim_l=-8,
        turn_l=-60, both=0, rfx=0.15, lfx=0.15, rfy=0.3, lfy=-0.2, nod=-10, spread=1.0,
    ),
}  # fmt: skip

FLIGHT = pose(
    WINDUP["overhead"], drop=0.3, rfz=0.3, lfz=0.12, rfy=0.2, lfy=-0.3, rfx=0.16, lfx=0.16, bow=22, nod=-26, spread=1.0
)
"""At the height of a leap."""
SPENT = pose(
    drop=0.2, bow=64, nod=6, rx=0.1, ry=0.55, rz=-0.75, lx=0.3, ly=0.45, lz=-0.85, aim=-30, turn=-55, aim_l=-30,
    turn_l=-40, both=0, rfx=0.14, lfx=0.14, rfy=0.1, lfy=-0.1, spread=0.05,
)  # fmt: skip
"""Doubled over, the weapon on the ground: the opening."""
KNEELING = pose(
    drop=0.45, bow=-6, nod=34, tilt=6, look=10, rx=0.45, ry=0.1, rz=-0.88, lx=0.45, ly=0.1, lz=-0.88, aim=-30, turn=-75,
    aim_l=-30, turn_l=-75, both=0, rfy=-0.5, rfx=0.1, lfy=-0.5, lfx=0.1, rfz=0.06, lfz=0.06, spread=0.0,
)  # fmt: skip
"""The posture gone: stunned, on both knees, the arms hanging."""
FALLEN = pose(
    drop=0.78, lean=-84, nod=-10, rx=0.8, ry=0.1, rz=0.4, lx=0.9, ly=0.0, lz=0.1, aim=60, turn=-90, aim_l=20,
    turn_l=-90, both=0, rfx=0.15, lfx=0.15, rfy=0.1, rfz=-0.7, lfz=-0.75, spread=0.4,
)  # fmt: skip


def boss_pose(
    weapon: str, gesture: str | None, kind: str | None, stage: str, progress: float, walk: float, tick: int
) -> Pose:
    """The pose of a moment. `weapon`: as in `BossLook`; the others are those of `bodies.Figure.pose`."""
    rest = RESTS.get(weapon, REST)
    if stage == "down":
        fall = smooth(progress * 2)
        return mix(mix(rest, KNEELING, smooth(fall * 2)), FALLEN, smooth(fall * 2 - 1))
    if stage == "broken":
        stunned = shifted(KNEELING, tilt=5 * math.sin(tick * 0.07), nod=4 * math.sin(tick * 0.11))
        return mix(mix(rest, stunned, smooth(progress * 8)), rest, smooth((progress - 0.88) / 0.12))
    if gesture is None or stage == "idle":
        return _walking(rest, walk, tick)
    raised, struck = VARIANTS.get((weapon, gesture), WINDUP[gesture]), STRIKE[gesture]
    if stage == "windup":
        if kind == "leap":
            return _leaping(rest, raised, progress)
        # Drawn back fast, held with a growing tremble, so that the pose is readable for most of the wind-up.
        shake = progress * math.sin(progress * 60)
        return shifted(mix(rest, raised, smooth(progress / 0.4)), bow=2.5 * shake, twist=2 * shake)
    if stage == "strike":
        return mix(FLIGHT if kind == "leap" else raised, struck, smooth(0.35 + progress))
    if progress < 0.2:
        return mix(struck, SPENT, smooth(progress / 0.2))
    return mix(SPENT, rest, smooth((progress - 0.7) / 0.3))


def _leaping(rest: Pose, raised: Pose, progress: float) -> Pose:
    if progress < LEAP_OFF:
        return mix(rest, raised, smooth(progress / LEAP_OFF / 0.6))
    air = flight(progress)
    return shifted(mix(raised, FLIGHT, smooth(air * 2.5)), air=LEAP_METRES * arc(air))


def _walking(rest: Pose, walk: float, tick: int) -> Pose:
    step, breath = math.sin(walk * 2.0), math.sin(tick * 0.045)
    lift = math.cos(walk * 2.0)
    going = min(1.0, walk * 4)
    return shifted(
        rest, bow=1.5 * breath, rz=0.02 * breath, lz=0.02 * breath, rfy=0.2 * step * going, lfy=-0.2 * step * going,
        rfz=max(0.0, 0.1 * lift * going), lfz=max(0.0, -0.1 * lift * going), twist=4 * step * going,
    )  # fmt: skip
