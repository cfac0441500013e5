"""The kinds of place in which fights happen, and the building of one: sky, hills, floor and what stands around.

A kind says what belongs to a place; the seed of a fight's looks arranges it, picks its hour and grades its light.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from panda3d.core import NodePath

from env.arena import props
from env.arena.figures.motion import mix
from env.arena.props import Tones, Yard
from env.arena.shapes.canvas import Canvas
from env.arena.shapes.colors import shade, under
from env.arena.shapes.mesh import Color

NEAR = 17.6
"""Metres from the ring's centre: whatever is taller than a knee stands farther out than the camera ever comes."""
HORIZON = 58.0
KERB = 0.5
"""The metres by which the floor goes beyond where fighters can stand."""
BANDS = (-2.0, 5.5, 8.0, 10.5, 13.0, 16.0, 20.0, 45.0)
"""The sky's steps of colour, metres over the ground at 60 m. All faces are of one colour each: the renderer takes twice
as long for a pixel whose colour changes."""
SECTORS = 8
"""The surroundings are this many nodes, so that those behind the camera cost nothing."""


@dataclass(frozen=True)
class Hour:
    """A sky and the light under it."""

    high: Color
    low: Color
    light: Color = (1.0, 1.0, 1.0)
    """Times every colour of the place and of those who fight there."""
    disc: Color | None = None
    """A sun or a moon."""


@dataclass(frozen=True)
class Style:
    """What belongs to a kind of place."""

    hours: Sequence[Hour]
    floor: Color
    tile: Color
    kerb: Color
    land: Color
    pattern: str
    """Of the floor: "stones" in rings, "boards", "slabs" in squares, or "earth"."""
    tall: Sequence[Callable[[Yard], None]]
    """Props that stand around, drawn evenly."""
    count: tuple[int, int]
    low: Callable[[Yard], None] | None = None
    """A low prop at the rim of the ring."""
    hills: tuple[float, float] = (4.0, 9.0)
    """Metres over the horizon, lowest and highest."""
    jagged: float = 0.5
    tones: Tones = field(default_factory=dict)


_STONE: Tones = {"stone": (0.52, 0.48, 0.43), "dark": (0.36, 0.33, 0.31), "wood": (0.34, 0.25, 0.18)}

STYLES: dict[str, Style] = {
    # -- staff --
    "court": Style(
        hours=(
            Hour((0.16, 0.22, 0.38), (0.82, 0.58, 0.42), (1.0, 0.95, 0.90)),
            Hour((0.20, 0.32, 0.48), (0.68, 0.73, 0.74)),
            Hour((0.10, 0.10, 0.22), (0.50, 0.35, 0.47), (0.92, 0.90, 1.02)),
        ),
        floor=(0.46, 0.42, 0.38), tile=(0.40, 0.365, 0.33), kerb=(0.27, 0.245, 0.225), land=(0.30, 0.30, 0.27),
        pattern="stones", tall=(props.pillar, props.pillar, props.stub), count=(8, 11), low=props.grass,
        tones=_STONE | {"leaf": (0.30, 0.34, 0.22), "top": (0.40, 0.41, 0.26)},
    ),
    "meadow": Style(
        hours=(
            Hour((0.25, 0.44, 0.66), (0.84, 0.86, 0.74), (1.04, 1.02, 0.92)),
            Hour((0.32, 0.30, 0.46), (0.94, 0.68, 0.40), (1.06, 0.92, 0.80)),
            Hour((0.34, 0.42, 0.48), (0.70, 0.74, 0.74), (0.95, 0.97, 1.0)),
        ),
        floor=(0.50, 0.41, 0.28), tile=(0.45, 0.37, 0.25), kerb=(0.36, 0.38, 0.20), land=(0.34, 0.42, 0.20),
        pattern="earth", tall=(props.fence, props.fence, props.hay, props.tree), count=(10, 14), low=props.grass,
        hills=(3.0, 6.0), jagged=0.25,
        tones={"wood": (0.42, 0.30, 0.20), "leaf": (0.30, 0.42, 0.18), "top": (0.72, 0.60, 0.28)},
    ),
    "marsh": Style(
        hours=(
            Hour((0.26, 0.38, 0.42), (0.72, 0.78, 0.68), (0.96, 1.02, 0.96)),
            Hour((0.28, 0.26, 0.36), (0.80, 0.64, 0.46), (1.02, 0.94, 0.86)),
            Hour((0.15, 0.22, 0.28), (0.42, 0.54, 0.52), (0.86, 0.96, 0.98)),
        ),
        floor=(0.37, 0.37, 0.28), tile=(0.33, 0.34, 0.26), kerb=(0.24, 0.28, 0.22), land=(0.22, 0.33, 0.33),
        pattern="earth", tall=(props.reeds, props.reeds, props.reeds, props.snag), count=(13, 17), low=props.grass,
        hills=(2.0, 4.5), jagged=0.3,
        tones={"wood": (0.27, 0.23, 0.19), "leaf": (0.33, 0.43, 0.22), "top": (0.60, 0.54, 0.30)},
    ),
    "cave": Style(
        hours=(
            Hour((0.05, 0.05, 0.08), (0.20, 0.15, 0.22), (0.98, 0.94, 1.02)),
            Hour((0.04, 0.06, 0.07), (0.12, 0.22, 0.22), (0.92, 1.02, 1.0)),
            Hour((0.06, 0.05, 0.04), (0.26, 0.17, 0.11), (1.04, 0.96, 0.86)),
        ),
        floor=(0.36, 0.34, 0.37), tile=(0.31, 0.295, 0.33), kerb=(0.22, 0.21, 0.24), land=(0.18, 0.17, 0.19),
        pattern="stones", tall=(props.spike, props.spike, props.lantern), count=(12, 16), low=props.rock,
        hills=(9.0, 22.0), jagged=0.9,
        tones={"stone": (0.38, 0.35, 0.40), "dark": (0.25, 0.23, 0.27), "light": (1.0, 0.78, 0.36)},
    ),
    "ruin": Style(
        hours=(
            Hour((0.22, 0.42, 0.50), (0.78, 0.82, 0.66), (1.0, 1.02, 0.92)),
            Hour((0.20, 0.24, 0.40), (0.86, 0.62, 0.50), (1.02, 0.92, 0.88)),
            Hour((0.12, 0.22, 0.26), (0.46, 0.60, 0.54), (0.88, 1.0, 0.96)),
        ),
        floor=(0.43, 0.46, 0.40), tile=(0.38, 0.42, 0.36), kerb=(0.27, 0.32, 0.25), land=(0.26, 0.36, 0.24),
        pattern="slabs", tall=(props.arch, props.wall, props.stub, props.tree), count=(9, 12), low=props.grass,
        hills=(4.0, 7.0), jagged=0.3,
        tones=_STONE | {"stone": (0.52, 0.53, 0.46), "leaf": (0.24, 0.40, 0.24), "top": (0.36, 0.48, 0.26)},
    ),
    "ash": Style(
        hours=(
            Hour((0.14, 0.10, 0.12), (0.80, 0.34, 0.16), (1.02, 0.90, 0.84)),
            Hour((0.18, 0.16, 0.17), (0.58, 0.46, 0.40), (0.98, 0.94, 0.92)),
            Hour((0.10, 0.06, 0.10), (0.58, 0.18, 0.14), (0.98, 0.86, 0.86)),
        ),
        floor=(0.36, 0.33, 0.32), tile=(0.31, 0.285, 0.28), kerb=(0.22, 0.19, 0.18), land=(0.23, 0.20, 0.19),
        pattern="earth", tall=(props.snag, props.rock, props.spike), count=(11, 15), low=props.rock,
        hills=(5.0, 13.0), jagged=0.9,
        tones={"wood": (0.17, 0.14, 0.14), "stone": (0.32, 0.27, 0.26), "dark": (0.22, 0.18, 0.18)},
    ),
    "snow": Style(
        hours=(
            Hour((0.42, 0.54, 0.70), (0.86, 0.88, 0.90), (0.96, 0.98, 1.02)),
            Hour((0.26, 0.28, 0.48), (0.88, 0.66, 0.62), (0.98, 0.90, 0.94)),
            Hour((0.10, 0.14, 0.28), (0.40, 0.48, 0.62), (0.80, 0.86, 1.0)),
        ),
        floor=(0.60, 0.64, 0.70), tile=(0.55, 0.595, 0.66), kerb=(0.44, 0.47, 0.54), land=(0.68, 0.72, 0.78),
        pattern="earth", tall=(props.pine, props.pine, props.pine, props.rock), count=(12, 16), low=props.rock,
        hills=(6.0, 13.0), jagged=0.8,
        tones={"wood": (0.30, 0.23, 0.18), "leaf": (0.16, 0.28, 0.24), "top": (0.80, 0.84, 0.90),
               "stone": (0.46, 0.47, 0.52)},
    ),
    "grove": Style(
        hours=(
            Hour((0.10, 0.12, 0.24), (0.42, 0.36, 0.50), (0.92, 0.90, 1.02)),
            Hour((0.08, 0.14, 0.20), (0.30, 0.44, 0.46), (0.88, 0.98, 1.0)),
            Hour((0.16, 0.12, 0.20), (0.66, 0.42, 0.38), (1.0, 0.90, 0.90)),
        ),
        floor=(0.40, 0.38, 0.42), tile=(0.35, 0.335, 0.38), kerb=(0.25, 0.235, 0.27), land=(0.20, 0.25, 0.22),
        pattern="stones", tall=(props.lantern, props.lantern, props.bamboo), count=(12, 16), low=props.grass,
        tones=_STONE | {"light": (1.0, 0.74, 0.30), "leaf": (0.22, 0.36, 0.26), "top": (0.34, 0.46, 0.28)},
    ),
    # -- blade: a disc in the sky, straight floors, painted wood --
    "field": Style(
        hours=(
            Hour((0.72, 0.42, 0.26), (0.96, 0.80, 0.52), (1.04, 0.94, 0.82), disc=(0.92, 0.22, 0.12)),
            Hour((0.46, 0.22, 0.26), (0.94, 0.58, 0.38), (1.02, 0.88, 0.80), disc=(0.98, 0.90, 0.66)),
            Hour((0.62, 0.60, 0.52), (0.92, 0.88, 0.76), (1.0, 0.98, 0.94), disc=(0.84, 0.30, 0.20)),
        ),
        floor=(0.58, 0.47, 0.30), tile=(0.53, 0.43, 0.27), kerb=(0.50, 0.38, 0.20), land=(0.66, 0.50, 0.24),
        pattern="earth", tall=(props.reeds, props.reeds, props.gate, props.bamboo), count=(13, 17), low=props.grass,
        hills=(3.0, 7.0), jagged=0.35,
        tones={"wood": (0.36, 0.22, 0.16), "leaf": (0.62, 0.46, 0.18), "top": (0.86, 0.72, 0.40),
               "paint": (0.72, 0.20, 0.14), "dark": (0.20, 0.14, 0.14), "light": (0.95, 0.90, 0.80)},
    ),
    "temple": Style(
        hours=(
            Hour((0.30, 0.46, 0.58), (0.92, 0.88, 0.78), (1.02, 1.0, 0.94), disc=(1.0, 0.97, 0.88)),
            Hour((0.28, 0.20, 0.34), (0.90, 0.56, 0.48), (1.0, 0.90, 0.90), disc=(0.94, 0.34, 0.22)),
            Hour((0.44, 0.48, 0.50), (0.78, 0.78, 0.74), (0.98, 0.98, 0.98), disc=(0.94, 0.94, 0.90)),
        ),
        floor=(0.50, 0.34, 0.22), tile=(0.44, 0.30, 0.19), kerb=(0.34, 0.12, 0.09), land=(0.56, 0.54, 0.48),
        pattern="boards", tall=(props.gate, props.lantern, props.tree, props.gate), count=(9, 12),
        hills=(6.0, 12.0), jagged=0.7,
        tones={"wood": (0.30, 0.20, 0.16), "leaf": (0.82, 0.50, 0.56), "top": (0.9, 0.62, 0.66),
               "paint": (0.74, 0.18, 0.12), "dark": (0.18, 0.17, 0.20), "light": (1.0, 0.84, 0.5),
               "stone": (0.56, 0.55, 0.52)},
    ),
    "castle": Style(
        hours=(
            Hour((0.04, 0.06, 0.16), (0.22, 0.27, 0.46), (0.90, 0.94, 1.06), disc=(0.94, 0.95, 0.88)),
            Hour((0.10, 0.03, 0.08), (0.46, 0.14, 0.18), (1.02, 0.88, 0.90), disc=(0.96, 0.42, 0.30)),
            Hour((0.05, 0.10, 0.16), (0.22, 0.38, 0.42), (0.88, 0.98, 1.02), disc=(0.86, 0.95, 0.94)),
        ),
        floor=(0.40, 0.41, 0.47), tile=(0.34, 0.35, 0.41), kerb=(0.20, 0.20, 0.26), land=(0.24, 0.25, 0.30),
        pattern="slabs", tall=(props.banner, props.banner, props.keep, props.wall), count=(11, 14),
        hills=(3.0, 6.0), jagged=0.6,
        tones={"wood": (0.22, 0.18, 0.18), "paint": (0.68, 0.12, 0.14), "dark": (0.15, 0.16, 0.22),
               "stone": (0.42, 0.42, 0.46), "plaster": (0.78, 0.76, 0.72), "light": (0.95, 0.88, 0.66)},
    ),
}  # fmt: skip


def _circle(radius: float, count: int, z: float = 0.0, start: float = 0.0) -> np.ndarray:
    """A closed line `[count + 1, 3]`, counter-clockwise seen from above."""
    c, s = _around(count) if not start else _turns(start + np.arange(count + 1) * math.tau / count)
    line = np.empty((count + 1, 3))
    line[:, 0], line[:, 1], line[:, 2] = c * radius, s * radius, z
    return line


def _turns(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.cos(angles), np.sin(angles)


@cache
def _around(count: int) -> tuple[np.ndarray, np.ndarray]:
    return _turns(np.arange(count + 1) * math.tau / count)


class Surroundings:
    """A place as nodes: `sky` follows the camera, `ground` lies in painter's order, `yards` have depth.

    `light`: times the colours of those who fight here; `floor`: the floor's mean colour."""

    def __init__(self, kind: str, look_seed: int, radius: float) -> None:
        style, rng = STYLES[kind], random.Random(f"place/{look_seed}")
        hour = rng.choice(style.hours)
        grade = rng.uniform(0.90, 1.06)
        self.light: Color = tuple(k * grade for k in hour.light)
        self.floor = under(mix(style.floor, style.tile, 0.5), self.light)
        self.sky = _sky(style, hour, grade, rng)
        self.ground = _ground(style, self.light, shade(hour.low, 0.8 * grade), radius, rng)
        self.yards = _yards(style, self.light, radius, rng)

    @property
    def nodes(self) -> list[NodePath]:
        return [self.sky, self.ground, *self.yards]


def _sky(style: Style, hour: Hour, grade: float, rng: random.Random) -> NodePath:
    """A bowl around the camera, two rows of hills before it, and perhaps a sun. Seen from inside."""
    canvas = Canvas()
    low, high = shade(hour.low, grade), shade(hour.high, grade)
    for k, (z0, z1) in enumerate(zip(BANDS[:-1], BANDS[1:], strict=True)):
        tone = mix(low, high, k / (len(BANDS) - 2))
        canvas.strip(_circle(60, 8, z0)[::-1], _circle(60, 8, z1)[::-1], tone, tone)
    if hour.disc is not None:
        turn, size, z = rng.uniform(0, math.tau), rng.uniform(3.6, 5.0), rng.uniform(8.5, 12.0)
        angles = np.arange(18) * math.tau / 18
        across = np.array([math.sin(turn), -math.cos(turn), 0])
        middle = np.array([58 * math.cos(turn), 58 * math.sin(turn), z])
        around = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * (0, 0, 1)
        canvas.polygon(middle + around * size, hour.disc)
    land = under(style.land, hour.light)
    for share, depth, count in ((1.0, 0.25, 22), (0.6, 0.45, 26)):  # the far row is paler and higher
        tone = mix(low, shade(land, 0.75 * grade), depth)
        line = _circle(56, count, -1.0, rng.uniform(0, 1))[::-1]
        top = line.copy()
        bottom, peak = style.hills
        wave = rng.uniform(0, math.tau)
        for k in range(count):
            swell = 0.5 + 0.5 * math.sin(wave + 3 * k * math.tau / count)
            share_k = swell * (1 - style.jagged) + rng.random() * style.jagged
            top[k, 2] = share * (bottom * 0.5 + (peak - bottom * 0.5) * share_k)
        top[-1] = top[0]
        canvas.strip(line, top, tone, tone)
    return canvas.node("sky")


def _ground(style: Style, light: Color, haze: Color, radius: float, rng: random.Random) -> NodePath:
    """Land, kerb and floor side by side: hardly a pixel is painted twice."""
    canvas = Canvas()
    land, kerb = under(style.land, light), under(style.kerb, light)
    edge = radius + KERB
    # All circles have their corners at the same angles, so that no gap opens between one and the next.
    rings = (
        (HORIZON, 27.0, mix(land, haze, 0.3)),
        (27.0, edge + 0.45, mix(land, haze, 0.05)),
        (edge + 0.45, edge, shade(kerb, 0.85)),
    )
    for outer, inner, tone in rings:
        canvas.strip(_circle(outer, 24), _circle(inner, 24), tone, tone)
    for _ in range(5):  # bare or overgrown patches on the land
        turn, far, size = rng.uniform(0, math.tau), rng.uniform(radius + 4, 26), rng.uniform(1.2, 3.0)
        angles = np.arange(6) * math.tau / 6 + rng.random()
        patch = np.stack([np.cos(angles) * size, np.sin(angles) * size * 0.7, np.zeros(6)], axis=1)
        tone = shade(land, rng.choice((0.86, 0.9, 1.1)))
        canvas.polygon(patch + (math.cos(turn) * far, math.sin(turn) * far, 0), tone)
    _FLOORS[style.pattern](canvas, under(style.floor, light), under(style.tile, light), edge, rng)
    return canvas.node("ground")


def _dim(r: np.ndarray, edge: float) -> np.ndarray:
    """How much of its brightness the floor keeps at a distance from the centre: the middle lies in the light."""
    return 1.08 - 0.24 * np.clip(r / edge, 0, 1) ** 2


def _lit(canvas: Canvas, faces: np.ndarray, tones: np.ndarray, edge: float) -> None:
    """Adds pieces of floor `[N, K, 3]` with tones `[N, 3]`."""
    shade = _dim(np.linalg.norm(faces[:, :, :2].mean(axis=1), axis=1), edge)
    canvas.polygons(faces, np.clip(tones * shade[:, None], 0, 1))


def _tones(floor: Color, tile: Color, odd: np.ndarray, rng: random.Random, worn: float = 0.05) -> np.ndarray:
    jitter = np.array([rng.uniform(1 - worn, 1 + worn) for _ in odd])
    return np.where(odd[:, None], tile, floor) * jitter[:, None]


def _stones(canvas: Canvas, floor: Color, tile: Color, edge: float, rng: random.Random) -> None:
    """Rings of stones around a round one."""
    step = math.tau / 24
    _lit(canvas, _circle(edge * 0.22, 24)[None, :-1], np.array([shade(floor, 0.9)]), edge)
    first = rng.randrange(24)
    for row, (low, high, wide) in enumerate(((0.22, 0.48, 3), (0.48, 0.75, 2), (0.75, 1.0, 2))):
        a = (np.arange(0, 24, wide) + first) * step
        corners = [(low, 0), *((high, k) for k in range(wide + 1)), *((low, k) for k in range(wide, 0, -1))]
        faces = np.stack(
            [np.stack([np.cos(a + k * step) * r, np.sin(a + k * step) * r, 0 * a], 1) for r, k in corners], axis=1
        )
        odd = (np.arange(len(a)) + row) % 2 == 1
        _lit(canvas, faces * (edge, edge, 1), _tones(floor, tile, odd, rng), edge)


def _earth(canvas: Canvas, floor: Color, tile: Color, edge: float, rng: random.Random) -> None:
    """Trodden ground with worn spots."""
    shares = np.array([0.0, 0.28, 0.5, 0.75, 1.0]) * edge
    for r0, r1 in zip(shares[:-1], shares[1:], strict=True):
        middle = (r0 + r1) / 2
        tone = shade(mix(floor, tile, middle / edge), _dim(middle, edge))
        canvas.strip(_circle(r1, 24), _circle(max(r0, 1e-3), 24), tone, tone)
    for _ in range(16):
        turn, far, size = rng.uniform(0, math.tau), edge * math.sqrt(rng.random()) * 0.86, rng.uniform(0.5, 1.5)
        angles = np.arange(6) * math.tau / 6 + rng.random()
        wide = np.array([rng.uniform(0.7, 1.2) * size for _ in angles])
        spot = np.stack([np.cos(angles) * wide, np.sin(angles) * wide, 0 * wide], axis=1)
        tone = shade(mix(floor, tile, 0.5), _dim(far, edge) * rng.choice((0.88, 0.92, 1.08)))
        canvas.polygon(spot + (math.cos(turn) * far, math.sin(turn) * far, 0), tone)


def _cut(lines: np.ndarray, edge: float) -> np.ndarray:
    """Half the length of the chord at each offset from the centre."""
    return np.sqrt(np.maximum(edge**2 - lines**2, 0))


def _boards(canvas: Canvas, floor: Color, tile: Color, edge: float, rng: random.Random) -> None:
    """Long planks side by side."""
    canvas.polygon(_circle(edge, 24)[:-1], shade(tile, 0.62))
    lines = np.linspace(-edge, edge, 19)
    turn = rng.uniform(0, math.pi)
    a, b = lines[:-1] + 0.03, lines[1:] - 0.03
    ca, cb = _cut(a, edge * 0.995), _cut(b, edge * 0.995)
    split = np.array([rng.uniform(-0.5, 0.5) for _ in a]) * edge
    split = np.clip(split, -np.minimum(ca, cb), np.minimum(ca, cb))
    parts = []
    for low_a, high_a, low_b, high_b in ((-ca, split - 0.03, -cb, split - 0.03), (split + 0.03, ca, split + 0.03, cb)):
        parts.append(np.stack([np.stack(p, 1) for p in ((low_a, a), (high_a, a), (high_b, b), (low_b, b))], axis=1))
    flat = np.concatenate(parts)
    _lit(canvas, _turn(flat, turn), _tones(floor, tile, np.arange(len(flat)) % 2 == 1, rng, 0.08), edge)


def _slabs(canvas: Canvas, floor: Color, tile: Color, edge: float, rng: random.Random) -> None:
    """Square slabs, laid out in the round."""
    canvas.polygon(_circle(edge, 24)[:-1], shade(tile, _dim(np.float64(edge * 0.9), edge)))
    side, turn = edge / 4, rng.uniform(0, math.pi)
    flat, odd = [], []
    for i in range(-4, 4):
        for k in range(-4, 4):
            x, y = i * side, k * side
            if max(math.hypot(x + dx, y + dy) for dx in (0, side) for dy in (0, side)) <= edge * 1.0:
                gap = 0.05
                low, high = (x + gap, y + gap), (x + side - gap, y + side - gap)
                flat.append([low, (high[0], low[1]), high, (low[0], high[1])])
                odd.append((i + k) % 2 == 1)
    _lit(canvas, _turn(np.array(flat), turn), _tones(floor, tile, np.array(odd), rng, 0.07), edge)


def _turn(flat: np.ndarray, turn: float) -> np.ndarray:
    """Points `[N, K, 2]` turned around the centre, on the ground `[N, K, 3]`."""
    c, s = math.cos(turn), math.sin(turn)
    x, y = flat[..., 0], flat[..., 1]
    return np.stack([x * c - y * s, x * s + y * c, 0 * x], axis=-1)


_FLOORS = {"stones": _stones, "earth": _earth, "boards": _boards, "slabs": _slabs}


def _yards(style: Style, light: Color, radius: float, rng: random.Random) -> list[NodePath]:
    """The props by sectors of the circle."""
    yards = [Yard({name: under(tone, light) for name, tone in style.tones.items()}, rng) for _ in range(SECTORS)]
    start, count = rng.uniform(0, math.tau), rng.randint(*style.count)

    def yard_at(turn: float, far: float, scale: float) -> Yard:
        yard = yards[int(turn % math.tau / math.tau * SECTORS) % SECTORS]
        yard.stand(math.cos(turn) * far, math.sin(turn) * far, turn + math.pi / 2 + rng.uniform(-0.3, 0.3), scale)
        return yard

    for k in range(count):
        turn = start + (k + rng.uniform(-0.25, 0.25)) * math.tau / count
        prop = rng.choice(style.tall)
        far = max(NEAR, radius + 6.6) + rng.uniform(0.8, 7.5) + props.WIDTHS.get(prop, 0.0)
        prop(yard_at(turn, far, rng.uniform(0.9, 1.2)))
    if style.low is not None:
        for k in range(7):
            turn = start + (k + rng.uniform(-0.4, 0.4)) * math.tau / 7
            style.low(yard_at(turn, radius + rng.uniform(1.4, 2.4), rng.uniform(0.45, 0.8)))
    return [yard.node("yard") for yard in yards if not yard.empty]
