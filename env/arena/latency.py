"""Latency: what a decision's thinking costs the fighter, in milliseconds of the boss's time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from combatvla.errors import UserError
from env.arena.jit import jit
from env.arena.state import TICK_HZ

MEASURED = "measured"


def is_latency(value: object) -> bool:
    """Whether `value` is a finite number of milliseconds from 0 on."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


@dataclass(frozen=True)
class Latency:
    """What is charged to a decision of which nothing else is known: a number from `low_ms` to `high_ms`, drawn evenly,
    or, with `measured`, the wall-clock time between the observation and the step."""

    low_ms: float
    high_ms: float
    measured: bool = False

    @classmethod
    def of(cls, wanted: float | str | Sequence[float]) -> Latency:
        """Of a number of milliseconds, a pair (low, high), or "measured". `UserError` for anything else."""
        if isinstance(wanted, str) and wanted == MEASURED:
            return cls(0.0, 0.0, measured=True)
        pair = (wanted, wanted) if is_latency(wanted) else wanted
        if isinstance(pair, tuple | list) and len(pair) == 2 and all(map(is_latency, pair)) and pair[0] <= pair[1]:
            return cls(float(pair[0]), float(pair[1]))
        raise UserError(
            "expected decision_latency as a finite number of milliseconds >= 0, as a pair of such numbers (low, high), "
            f'or as "{MEASURED}", got {wanted!r}'
        )

    @property
    def drawn(self) -> bool:
        return self.low_ms < self.high_ms

    def draw(self, generator: np.random.Generator, measured_ms: float) -> float:
        """The milliseconds that one decision is charged."""
        if self.measured:
            return measured_ms
        return float(generator.uniform(self.low_ms, self.high_ms)) if self.drawn else self.low_ms


@jit
def to_thinking_ticks(ms, time_limit):
    """Whole ticks of `ms`, at most a fight's `time_limit` in ticks, which none outlasts."""
    return round(min(ms * TICK_HZ / 1000, time_limit))


@jit
def all_thinking_ticks(ms, time_limits):
    """The same for each of `ms` float64[N] and `time_limits` int64[N]: int64[N]."""
    ticks = np.empty(ms.size, np.int64)
    for i in range(ms.size):
        ticks[i] = to_thinking_ticks(ms[i], time_limits[i])
    return ticks
