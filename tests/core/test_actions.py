"""The vocabulary: what a step and a plan may be, and plans as arrays of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import (
    DURATIONS_MS,
    HELD_ACTIONS,
    MAX_STEPS,
    PLAN_LENGTH,
    WAIT_PLAN,
    Action,
    Plan,
    Step,
    nearest_duration,
)

A = Action
WIDTH = len(HELD_ACTIONS) + 1
bits = st.lists(st.integers(0, 1), min_size=WIDTH - 1, max_size=WIDTH - 1)
arrays = st.lists(st.tuples(bits, st.integers(0, len(DURATIONS_MS))), min_size=MAX_STEPS, max_size=MAX_STEPS).map(
    lambda rows: np.array([n for held, duration in rows for n in (*held, duration)])
)


@settings(max_examples=200)
@given(arrays)
def test_every_array_in_range_is_a_plan_and_comes_back_as_it(array):
    plan = Plan.from_array(array)
    assert Plan.from_array(plan.to_array()) == plan
    assert plan.to_array().shape == array.shape and 1 <= len(plan.steps) <= MAX_STEPS


def test_an_array_says_what_the_plan_says():
    plan = Plan((Step.of(A.DODGE, A.MOVE_LEFT, ms=200), Step.of(A.WAIT, ms=50)))
    array = plan.to_array().reshape(MAX_STEPS, WIDTH)
    assert [HELD_ACTIONS[i] for i in np.flatnonzero(array[0, :-1])] == [A.MOVE_LEFT, A.DODGE]
    assert [DURATIONS_MS[k - 1] for k in array[:2, -1]] == [200, 50] and array[2, -1] == 0 == array[1, :-1].sum()
    assert Plan.from_array(array.flatten()) == plan
    assert Plan.from_array(np.zeros(MAX_STEPS * WIDTH, int)) == WAIT_PLAN
    both = np.zeros(MAX_STEPS * WIDTH, int)
    both[[HELD_ACTIONS.index(A.MOVE_LEFT), HELD_ACTIONS.index(A.MOVE_RIGHT), WIDTH - 1]] = 1
    assert Plan.from_array(both) == Plan.of(A.WAIT, ms=DURATIONS_MS[0]), "opposite keys cancel out"


def test_the_camera_has_no_place_in_an_array():
    assert len(HELD_ACTIONS) == 11 and PLAN_LENGTH == 36, "spaces, checkpoints and fights depend on it"
    plan = Plan((Step.of(A.LOOK_LEFT, A.DODGE, ms=200), Step.of(A.LOCK_ON, ms=50)))
    with pytest.raises(ValueError, match="look_left has no place in a plan array"):
        plan.to_array()
    assert plan.without_camera() == Plan((Step.of(A.DODGE, ms=200), Step.of(A.WAIT, ms=50)))
    assert plan.without_camera().to_array().any() and WAIT_PLAN.without_camera() is WAIT_PLAN


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3, int), "shape"),
        (np.zeros(MAX_STEPS * WIDTH), "whole numbers"),
        (np.full(MAX_STEPS * WIDTH, 2), "out of range"),
        (np.full(MAX_STEPS * WIDTH, -1), "out of range"),
    ],
)
def test_arrays_out_of_range_are_refused(array, said):
    with pytest.raises(ValueError, match=said):
        Plan.from_array(array)


@pytest.mark.parametrize(
    ("actions", "ms", "said"),
    [
        ((), 100, "at least one action"),
        ((A.WAIT, A.DODGE), 100, "wait stands alone"),
        ((A.MOVE_LEFT, A.MOVE_RIGHT), 100, "opposite moves"),
        ((A.LOOK_LEFT, A.LOOK_RIGHT), 100, "opposite looks"),
        ((A.LOOK_UP, A.LOOK_DOWN, A.DODGE), 100, "opposite looks"),
        ((A.DODGE,), 123, "duration must be one of"),
        (("fly",), 100, "fly"),
    ],
)
def test_steps_that_cannot_be_are_refused(actions, ms, said):
    with pytest.raises(ValueError, match=said):
        Step.of(*actions, ms=ms)


def test_plans_have_one_to_three_steps():
    for count in (0, MAX_STEPS + 1):
        with pytest.raises(ValueError, match="1 to 3 steps"):
            Plan((Step.of(A.DODGE),) * count)


def test_what_is_held_when():
    plan = Plan((Step.of(A.MOVE_FORWARD, A.SPRINT, ms=200), Step.of(A.WAIT, ms=100), Step.of(A.DODGE, ms=100)))
    assert plan.duration_ms == 400
    held = [plan.held_at(ms) for ms in (0, 199, 200, 299, 300, 399, 400, 9999)]
    assert held == [{A.MOVE_FORWARD, A.SPRINT}] * 2 + [set()] * 2 + [{A.DODGE}] * 2 + [set()] * 2


@given(st.floats(0, 5000))
def test_the_nearest_duration_is_the_nearest(ms):
    assert abs(nearest_duration(ms) - ms) == min(abs(d - ms) for d in DURATIONS_MS)
