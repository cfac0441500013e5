"""Colours in other light."""

from __future__ import annotations

from collections.abc import Sequence

from env.arena.shapes.mesh import Color


def shade(color: Color, share: float) -> Color:
    """`color`, darker (share < 1) or brighter (share > 1)."""
    return tuple(min(1.0, c * share) for c in color)


def under(color: Color, light: Sequence[float]) -> Color:
    """`color` as a coloured light shows it."""
    return tuple(min(1.0, c * k) for c, k in zip(color, light, strict=True))
