"""Players of the Flare fight: the scripted one, which sees the pixels of the window and nothing else (no position, no
state), and one that sees nothing, the floor under all others."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.hud import HudReader
from combatvla.policy.base import Decision, Frame
from combatvla.profiles import load_profile

HERO = (0.5, 0.485)
"""Where the hero's feet are, in fractions of the picture: the camera follows him."""
TILE = 45 / 588
"""A tile's side along the screen, as a fraction of its width; across the screen everything is half as high."""
REACH = 1.8
"""Tiles to the boss at which a blow lands."""
CLOSE = 0.8
"""Nearer than that a blow lands wherever the hero faces, and a step would only lead past the boss."""
HURT = 0.45
HOLD_MS = 200
"""Longer than to the next decision, so that no key is let go in between."""
LEAST = 40
"""So many red pixels are a boss, in a picture a third of the window's size."""
WAYS = (
    (Action.MOVE_RIGHT,),
    (Action.MOVE_RIGHT, Action.MOVE_BACK),
    (Action.MOVE_BACK,),
    (Action.MOVE_LEFT, Action.MOVE_BACK),
    (Action.MOVE_LEFT,),
    (Action.MOVE_LEFT, Action.MOVE_FORWARD),
    (Action.MOVE_FORWARD,),
    (Action.MOVE_RIGHT, Action.MOVE_FORWARD),
)
"""The eight ways to walk, clockwise on the screen from the right."""
STUMBLE = (2, 8)
"""A stumble lasts so many decisions."""


def find_boss(pixels: np.ndarray) -> tuple[float, float] | None:
    """Where the red boss stands from the hero, in tiles right and down the screen; None when it is not to be seen.

    `pixels`: `uint8[h, w, 3]` of the whole window.
    """
    height, width = pixels.shape[:2]
    every = max(1, width // 196)
    small = pixels[::every, ::every].astype(np.int16)
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    boss = (red > 70) & (red > 2.2 * green) & (red > 2.2 * blue)
    boss[: round(0.13 * small.shape[0])] = False  # the bars
    boss[round(0.86 * small.shape[0]) :, small.shape[1] // 2 :] = False  # the potion
    rows, columns = np.nonzero(boss)
    if len(rows) < LEAST:
        return None
    x = float(np.median(columns)) * every / width - HERO[0]
    feet = float(np.percentile(rows, 95)) * every / height - HERO[1]
    return x / TILE, 2 * feet * height / width / TILE


def way_to(x: float, y: float) -> tuple[Action, ...]:
    """The keys that lead nearest to the direction (x right, y down)."""
    return WAYS[round(math.atan2(y, x) / (math.pi / 4)) % 8]


class FlarePlayer:
    """Walks to the boss, strikes while it is in reach, and drinks when hurt.

    `stumble`: the share of its time (0 to 0.9) in which it walks anywhere instead, so that a recording holds what to do
    from places where it would not have come by itself (DART, arXiv:1703.09327). `stumbles` says when that was.
    """

    name = "scripted"
    frames_per_decision = 1
    needs_truth = False

    def __init__(self, stumble: float = 0.0) -> None:
        self.reader = HudReader(load_profile("flare"))
        few, many = STUMBLE
        self._begin = stumble / (1 - stumble) / ((few + many) / 2)  # the chance at each decision that is its own
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forgets the stumbles: besides, each decision is taken from one picture alone."""
        self._rng = random.Random(seed)
        self._left = 0
        self._way: tuple[Action, ...] = ()
        self.stumbles: list[tuple[int, int]] = []
        """From which picture to which, in nanoseconds: the second is the first that was answered in earnest again."""

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        if self._stumbles(frames[-1].t_ns):
            return Decision(Plan.of(*self._way, ms=HOLD_MS))
        return self._in_earnest(frames[-1].pixels)

    def _stumbles(self, t_ns: int) -> bool:
        """Whether the decision about the picture of `t_ns` is a stumble's."""
        begin = t_ns
        if self._left:  # the one before was
            begin = self.stumbles.pop()[0]
            self.stumbles.append((begin, t_ns))
            self._left -= 1
        if not self._left and self._rng.random() < self._begin:
            self._left, self._way = self._rng.randint(*STUMBLE), self._rng.choice(WAYS)
            self.stumbles.append((t_ns, t_ns + HOLD_MS * 1_000_000))
        elif self._left:
            self.stumbles[-1] = (begin, t_ns + HOLD_MS * 1_000_000)
        return self._left > 0

    def _in_earnest(self, pixels: np.ndarray) -> Decision:
        heal = (Action.HEAL,) if self.reader.read(pixels)["health"] < HURT else ()
        boss = find_boss(pixels)
        if boss is None:
            return Decision(Plan.of(*heal, ms=HOLD_MS) if heal else WAIT_PLAN)
        way, far = way_to(*boss), math.hypot(*boss)
        if far > REACH:
            return Decision(Plan.of(*heal, *way, ms=HOLD_MS))
        return Decision(Plan.of(*heal, Action.LIGHT_ATTACK, *(way if far > CLOSE else ()), ms=HOLD_MS))


class BlindPlayer:
    """Holds the attack and the potion's key all the time and looks at nothing: what the fight is worth to it was won
    without seeing. It strikes where the hero happens to face."""

    name = "blind"
    frames_per_decision = 1
    needs_truth = False

    def reset(self, seed: int | None = None) -> None:
        """Nothing to forget."""

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        return Decision(Plan.of(Action.HEAL, Action.LIGHT_ATTACK, ms=HOLD_MS))
