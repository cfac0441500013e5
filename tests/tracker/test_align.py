"""Alignment: no press is lost, pictures lie where the rule says, plans say what was held."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import DURATIONS_MS, Action, Plan, Step
from combatvla.profiles import load_profile
from tracker.align import (
    LATE_MS,
    MS,
    Interval,
    decisions,
    frame_of,
    intervals,
    plan_at,
    segments,
    window_of,
)
from tracker.rows import EventRow

ARENA = load_profile("arena")
START, END = 10_000 * MS, 20_000 * MS


def press(key: str, at_ms: float, until_ms: float) -> list[EventRow]:
    kind = "button" if key.startswith("mouse") else "key"
    return [
        EventRow(t_ns=START + int(at_ms * MS), kind=kind, key=key, down=True),
        EventRow(t_ns=START + int(until_ms * MS), kind=kind, key=key, down=False),
    ]


def cut(*events: list[EventRow], end_ns: int = END):
    return segments(intervals([e for pair in events for e in pair], ARENA, end_ns), START, end_ns)


def runs(found) -> Counter:
    """How often each action begins to be held."""
    count: Counter = Counter()
    before: frozenset = frozenset()
    for segment in found:
        count.update(segment.held - before)
        before = segment.held
    return count


def held_sets(found) -> list[set[str]]:
    return [{str(a) for a in s.held} for s in found]


def test_a_tap_shorter_than_a_frame_is_kept():
    found = cut(press("space", 1000, 1000), press("mouse_left", 2000, 2002))
    assert held_sets(found) == [set(), {"dodge"}, set(), {"light_attack"}, set()]
    assert plan_at(found, 1, found[1].start_ns, 0) == Plan.of(Action.DODGE, ms=50)


def test_keys_of_one_chord_change_together():
    found = cut(press("w", 1000, 1500), press("shift", 1020, 1510))
    assert held_sets(found) == [set(), {"move_forward", "sprint"}, set()]
    assert found[1].start_ns == START + 1000 * MS


def test_a_second_tap_is_not_joined_to_the_first():
    found = cut(press("space", 1000, 1010), press("space", 1015, 1025))
    assert held_sets(found) == [set(), {"dodge"}, set(), {"dodge"}, set()]


def test_rolling_from_one_key_to_another():
    found = cut(press("a", 1000, 1400), press("s", 1385, 1800))
    assert held_sets(found) == [set(), {"move_left"}, {"move_back"}, set()]


def test_opposite_moves_cancel_out():
    found = cut(press("a", 1000, 2000), press("d", 1300, 1600))
    assert held_sets(found) == [set(), {"move_left"}, set(), {"move_left"}, set()]


def test_a_key_that_is_never_released_is_held_to_the_end():
    events = press("w", 1000, 1500)[:1] + press("f1", 1100, 1200)  # a key of no action is nothing
    found = segments(intervals(events, ARENA, END), START, END)
    assert held_sets(found) == [set(), {"move_forward"}] and found[-1].end_ns == END


def test_a_plan_says_what_comes_within_the_horizon():
    found = cut(press("w", 0, 400), press("space", 400, 500), press("mouse_left", 1000, 1100))
    forward = Step.of("move_forward", ms=400)
    assert plan_at(found, 0, START, 0) == Plan((forward,))
    assert plan_at(found, 0, START, 450) == Plan((forward, Step.of("dodge", ms=100)))
    assert plan_at(found, 0, START, 2000) == Plan((forward, Step.of("dodge"), Step.of("wait", ms=500)))
    assert plan_at(found, 0, START + 250 * MS, 0) == Plan.of("move_forward", ms=150)


def test_long_holds_are_decided_again():
    found = cut(press("w", 0, 3000))
    times = [(i, (t - START) // MS) for i, t in decisions(found, 1000)]
    assert times == [(0, 0), (0, 1000), (0, 2000), *((1, t) for t in range(3000, 10_000, 1000))]
    assert plan_at(found, 0, START, 5000) == Plan.of("move_forward", ms=1000)  # what follows is another plan's
    assert [i for i, _ in decisions(found, 0)] == [0, 1]


@given(st.lists(st.integers(0, 10**10), unique=True, max_size=50).map(sorted), st.integers(0, 10**10))
def test_the_papers_rule(times, t_ns):
    i = frame_of(times, t_ns)
    later = [j for j, t in enumerate(times) if t >= t_ns]
    if later and times[later[0]] - t_ns <= LATE_MS * MS:
        assert i == later[0]
    else:
        assert i is None


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
    st.integers(1, 6),
    st.integers(1, 200),
    st.data(),
)
def test_windows_look_back_in_order(steps_ms, count, frame_gap_ms, data):
    times = [sum(steps_ms[: i + 1]) * MS for i in range(len(steps_ms))]
    last = data.draw(st.integers(0, len(times) - 1))
    window = window_of(times, last, count, frame_gap_ms)
    assert 1 <= len(window) <= count and window[-1] == last and list(window) == sorted(window)
    for k, i in enumerate(reversed(window)):
        assert times[i] <= times[last] - k * frame_gap_ms * MS
        assert times[last] - k * frame_gap_ms * MS - times[i] <= LATE_MS * MS


KEYS = [k for a, k in ARENA.keys.items() if a not in (Action.MOVE_BACK, Action.MOVE_RIGHT)]
"""Without the opposites, whose presses may rightly vanish."""

presses = st.lists(st.tuples(st.sampled_from(KEYS), st.floats(1, 9000), st.floats(0, 900)), max_size=25).map(
    lambda drawn: [e for key, at, length in drawn for e in press(key, at, at + length)]
)


@settings(max_examples=200, deadline=None)
@given(presses)
def test_no_press_is_lost_and_time_is_covered(events):
    found_intervals = intervals(events, ARENA, END)
    found = segments(found_intervals, START, END)
    assert runs(found) == Counter(i.action for i in found_intervals)
    assert found[0].start_ns == START and found[-1].end_ns == END
    for a, b in pairwise(found):
        assert a.end_ns == b.start_ns and a.held != b.held
    by_key: dict[Action, list[Interval]] = {}
    for i in found_intervals:
        by_key.setdefault(i.action, []).append(i)
    for same in by_key.values():
        assert all(a.end_ns < b.start_ns for a, b in pairwise(same))


@settings(max_examples=100, deadline=None)
@given(presses, st.integers(0, 400), st.sampled_from([0, 100, 200]))
def test_plans_are_what_was_held(events, horizon_ms, every_ms):
    found = segments(intervals(events, ARENA, END), START, END)
    began: Counter = Counter()
    for index, t_ns in decisions(found, every_ms):
        plan = plan_at(found, index, t_ns, horizon_ms)
        assert plan.held_at(0) == found[index].held
        assert all(step.duration_ms in DURATIONS_MS for step in plan.steps)
        if t_ns == found[index].start_ns:
            began.update(plan.steps[0].held - (found[index - 1].held if index else frozenset()))
    assert began == runs(found)


@given(presses, st.integers(-5000, 5000))
def test_the_clocks_zero_does_not_matter(events, shift_ms):
    shift = shift_ms * MS
    moved = [replace(e, t_ns=e.t_ns + shift) for e in events]
    here = segments(intervals(events, ARENA, END), START, END)
    there = segments(intervals(moved, ARENA, END + shift), START + shift, END + shift)
    assert [s.held for s in here] == [s.held for s in there]
    assert [s.start_ns + shift for s in here] == [s.start_ns for s in there]


@pytest.mark.parametrize("release_first", [True, False])
def test_odd_event_lists(release_first):
    events = press("w", 1000, 1200)
    if release_first:
        events = [EventRow(t_ns=START, kind="key", key="w", down=False), *events]
    else:
        events = [*events[:1], EventRow(t_ns=START + 1100 * MS, kind="key", key="w", down=True), events[1]]
    assert intervals(events, ARENA, END) == [Interval(Action.MOVE_FORWARD, START + 1000 * MS, START + 1200 * MS)]
