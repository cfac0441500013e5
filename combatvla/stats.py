"""The few statistics that our reports use."""

from __future__ import annotations

import math
from collections.abc import Sequence


def wilson_interval(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The Wilson score interval of a proportion; `z` 1.96 gives 95 %. (0, 1) when nothing was tried.

    Unlike p ± z·sqrt(p(1-p)/n) it stays inside [0, 1] and does not collapse at 0 or n successes.
    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")
    if trials == 0:
        return 0.0, 1.0
    p, z2 = successes / trials, z * z
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials))
    # At the ends the bound is exactly 0 or 1; rounding would leave it a hair off.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == trials else centre + half)


def mean(values: Sequence[float]) -> float | None:
    """The arithmetic mean, or None of nothing."""
    return math.fsum(values) / len(values) if values else None
