"""How poses follow each other: easing, mixing, and the flight of a leap."""

from __future__ import annotations

from env.arena.state import LEAP_OFF


def smooth(t: float) -> float:
    """From 0 to 1 with an even start and end; what is outside of 0..1 is cut off."""
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


def mix(a: tuple[float, ...], b: tuple[float, ...], share: float) -> tuple[float, ...]:
    """`a` at 0, `b` at 1, number by number: poses, and colours as well."""
    return tuple([x + (y - x) * share for x, y in zip(a, b, strict=True)])


def flight(progress: float) -> float:
    """The share of a leap's flight that is over at a `progress` of its wind-up; below 0 while it is on the ground."""
    return (progress - LEAP_OFF) / (1 - LEAP_OFF)


def arc(share: float) -> float:
    """The height over a flight of one unit: 1 half-way, 0 at both ends."""
    return 4 * share * (1 - share)
