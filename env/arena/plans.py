"""Plans as an environment takes them: the space of the arrays, and the check that one lies in it."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from combatvla.actions import DURATIONS_MS, HELD_ACTIONS, MAX_STEPS, Plan
from env.arena.jit import jit

_HIGH = np.array(([1] * len(HELD_ACTIONS) + [len(DURATIONS_MS)]) * MAX_STEPS)
"""int64[PLAN_LENGTH]: the largest number at each place of a plan array. The smallest is 0."""


def action_space() -> spaces.MultiDiscrete:
    """Every array that `Plan.from_array` takes."""
    return spaces.MultiDiscrete(_HIGH + 1)


@jit
def _first_wrong(numbers, high):
    """The index of the first of `numbers` int64[N * PLAN_LENGTH] that is out of range, or -1."""
    for i in range(numbers.size):
        if not 0 <= numbers[i] <= high[i % high.size]:
            return i
    return -1


def checked_plans(action: np.ndarray, shape: tuple[int, ...], ignored: np.ndarray | None = None) -> np.ndarray:
    """`action` as int64 of `shape`, whose last axis is a plan array; zeros for the fights that are `ignored`.
    `ValueError`, saying where, if it is none."""
    if isinstance(action, Plan):
        raise ValueError("expected an action as an array, got a Plan: pass plan.to_array()")
    try:
        array = np.asarray(action)
    except ValueError:  # rows of different lengths
        array = np.empty((), object)
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise ValueError(
            f"expected an action of whole numbers of shape {shape}, as Plan.to_array() gives them, "
            f"got {array.dtype} of shape {array.shape}"
        )
    if ignored is not None:
        array = np.where(ignored[:, None], 0, array)
    plans = array.astype(np.int64, order="C")
    wrong = _first_wrong(plans.reshape(-1), _HIGH)
    if wrong >= 0:
        *fight, at = (int(i) for i in np.unravel_index(wrong, shape))
        step, k = divmod(at, len(HELD_ACTIONS) + 1)
        name = HELD_ACTIONS[k] if k < len(HELD_ACTIONS) else "duration"
        raise ValueError(
            f"expected 0 to {_HIGH[at]} at action{[*fight, at]} ({name} of step {step + 1}), "
            f"got {array[(*fight, at)]}; see Plan.to_array()"
        )
    return plans
