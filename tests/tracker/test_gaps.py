"""Where nothing was recorded nothing is known: no plan and no row of pictures reaches over it, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import Action, Plan, Step
from combatvla.profiles import load_profile
from tests.tracker.lists import MS, START, at, press, write_lists
from tracker.align import Alignment, AlignOptions, Sample, samples, stretches
from tracker.rows import FocusRow, PauseRow

ARENA = load_profile("arena")


def frames(begin_ms: float, end_ms: float, period_ms: float = 33.0) -> list[float]:
    return [begin_ms + i * period_ms for i in range(int((end_ms - begin_ms) / period_ms) + 1)]


def align(session, **options) -> tuple[list[Sample], Alignment]:
    counts = Alignment()
    return samples(session, ARENA, AlignOptions(**options), counts), counts


def away(begin_ms: float, end_ms: float, why: str):
    """What a recorder notes when it rests."""
    if why == "focus":
        return [FocusRow(t_ns=at(begin_ms), focused=False), FocusRow(t_ns=at(end_ms), focused=True)]
    if why == "hole":
        return []
    return [PauseRow(t_ns=at(begin_ms), paused=True, why=why), PauseRow(t_ns=at(end_ms), paused=False, why=why)]


@pytest.mark.parametrize("why", ["focus", "hotkey", "idle", "hole"])
def test_no_plan_reaches_over_a_gap(tmp_path, why):
    events = [*press("w", 400, 1000), *away(1000, 1400, why), *press("space", 1450, 1550)]
    session = write_lists(tmp_path, frames(0, 1000) + frames(1400, 2400), events)
    found, counts = align(session, horizon_ms=3000, every_ms=100)
    assert [(s.first, s.last) for s in stretches(session)] == [(0, 30), (31, 61)]
    before = [s for s in found if s.t_ns < at(1000)]
    assert all(step.actions <= {Action.MOVE_FORWARD, Action.WAIT} for s in before for step in s.plan.steps)
    assert Plan.of("move_forward", ms=500) in [s.plan for s in before]
    after = [s for s in found if s.t_ns >= at(1400)]
    assert after[0].plan.steps[:2] == (Step.of("wait", ms=50), Step.of("dodge", ms=100))
    assert counts.without_picture == 0


def test_a_short_absence_is_a_gap_too(tmp_path):
    """Shorter than the distance at which pictures still belong together: something else was typed meanwhile."""
    session = write_lists(tmp_path, frames(0, 990) + frames(1056, 2000), [*away(1000, 1050, "focus")])
    found, _ = align(session, frames=4, frame_gap_ms=33, every_ms=33)
    assert [(s.first, s.last) for s in stretches(session)] == [(0, 30), (31, 59)]
    assert all((s.frames[0] <= 30) == (s.frames[-1] <= 30) for s in found)
    assert {len(s.frames) for s in found if 31 <= s.frames[-1] < 34} == {1, 2, 3}


def test_the_player_did_not_react_to_what_came_before_the_gap(tmp_path):
    events = [*away(1000, 1050, "focus"), *press("space", 1060, 1150)]
    session = write_lists(tmp_path, frames(0, 990) + frames(1056, 2000), events)
    found, _ = align(session, reaction_offset_ms=150)
    assert min(s.frames[-1] for s in found if s.t_ns >= at(1050)) == 31


def test_a_tap_just_before_a_picture_is_kept_and_one_without_a_picture_is_counted(tmp_path):
    events = [*press("space", 1100, 1110), *press("mouse_left", 1450, 1460), *press("e", 1200, 1210)]
    session = write_lists(tmp_path, frames(0, 1000) + frames(1500, 2500), events)
    found, counts = align(session)
    told = {a for s in found for a in s.plan.steps[0].held}
    assert told == {Action.LIGHT_ATTACK} and counts.without_picture == 1, "e is no key of the Arena"
    (tap,) = [s for s in found if Action.LIGHT_ATTACK in s.plan.steps[0].held]
    assert tap.frames == (31,) and tap.t_ns == at(1450)


@pytest.mark.parametrize(("why", "kept"), [("idle", True), ("hotkey", False), ("offscreen", False)])
def test_the_tap_that_wakes_a_recording_is_kept(tmp_path, why, kept):
    """It comes before the recorder notes that it goes on. Where inputs were not listened to, none can be of then."""
    rests = [PauseRow(t_ns=at(1000), paused=True, why=why), PauseRow(t_ns=at(1412), paused=False, why=why)]
    events = [*rests, *press("space", 1400, 1405), *press("w", 1402, 1500)]
    session = write_lists(tmp_path, frames(0, 1000) + frames(1415, 2400), events)
    found, counts = align(session)
    taps = [(s.t_ns, s.frames) for s in found if Action.DODGE in s.plan.steps[0].held]
    assert taps == ([(at(1400), (31,))] if kept else []) and counts.without_picture == (0 if kept else 2)
    assert [(s.first, s.last) for s in stretches(session)] == [(0, 30), (31, 60)]


def test_a_waking_press_is_not_one_of_before_the_focus_came_back(tmp_path):
    events = [*away(900, 1400, "idle"), *away(1000, 1390, "focus"), *press("space", 1380, 1385)]
    found, counts = align(write_lists(tmp_path, frames(0, 890) + frames(1400, 2400), events))
    assert not any(Action.DODGE in s.held for sample in found for s in sample.plan.steps)
    assert counts.without_picture == 1


def test_what_was_typed_before_the_focus_came_back_is_none_of_it(tmp_path):
    """A press between the loss and its return: a recorder notes none, and a session that has one does not tell it."""
    events = [*away(1000, 1050, "focus"), *press("space", 1020, 1030)]
    found, counts = align(write_lists(tmp_path, frames(0, 990) + frames(1056, 2000), events))
    assert not any(Action.DODGE in s.held for sample in found for s in sample.plan.steps)
    assert counts.without_picture == 1


def test_a_key_held_over_missing_pictures_is_held_on_both_sides(tmp_path):
    session = write_lists(tmp_path, frames(0, 1000) + frames(1500, 2500), [*press("w", 500, 2000)])
    found, _ = align(session, every_ms=0)
    assert [(s.t_ns - START) // MS for s in found] == [0, 500, 1500, 2000]
    assert [s.plan.steps[0].held for s in found] == [set(), {Action.MOVE_FORWARD}, {Action.MOVE_FORWARD}, set()]


def test_a_slow_recording_has_no_holes(tmp_path):
    assert len(stretches(write_lists(tmp_path, frames(0, 9000, 500), [], fps=2))) == 1


KEYS = [key for action, key in ARENA.keys.items() if action not in (Action.MOVE_BACK, Action.MOVE_RIGHT)]
within = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(40, 1800), st.integers(0, 150)).map(
        lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2])
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(within, st.sampled_from(["focus", "hotkey", "hole"])), min_size=1, max_size=4),
    st.integers(1, 4),
    st.sampled_from([0, 70, 200]),
)
def test_each_stretch_is_aligned_as_if_it_were_alone(tmp_path_factory, parts, count, every_ms):
    folder = tmp_path_factory.mktemp("s")
    options = {"frames": count, "every_ms": every_ms, "horizon_ms": 5000, "reaction_offset_ms": 60}
    every, alone, number = [], [], 0
    times: list[float] = []
    for k, (presses, why) in enumerate(parts):
        begin = 4000 * k
        here = frames(begin, begin + 2000)
        events = [e for key, a, b in presses for e in press(key, begin + a, begin + b)]
        found, _ = align(write_lists(folder / str(k), here, events), **options)
        alone += [s._replace(frames=tuple(i + number for i in s.frames)) for s in found]
        every += [*events, *away(begin + 2000, begin + 4000, why)]
        times += here
        number += len(here)
    found, _ = align(write_lists(folder / "all", times, every), **options)
    assert found == alone
