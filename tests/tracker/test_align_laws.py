"""Laws of the alignment, for any stream of events: also for one that no keyboard sends."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from combatvla.actions import Action
from combatvla.profiles import load_profile
from tests.tracker.lists import MS, at, press
from tracker.align import CHORD_MS, LATE_MS, Interval, frame_of, intervals, segments
from tracker.drill.truth import Tic, compare, planned
from tracker.rows import EventRow
from tracker.session import Session
from tracker.writer import SessionWriter

ARENA = load_profile("arena")
END = at(10_000)
OPPOSITES = {Action.MOVE_BACK, Action.MOVE_RIGHT}
KEYS = [key for action, key in ARENA.keys.items() if action not in OPPOSITES]

raw_events = st.lists(
    st.builds(
        lambda key, ms, down: EventRow(t_ns=at(ms), kind="key", key=key, down=down),
        st.sampled_from([*ARENA.keys.values(), "f5"]),
        st.integers(0, 40) | st.floats(0, 9999),
        st.booleans(),
    ),
    max_size=60,
)
"""Presses without a release, releases without a press, twice the same, all at one instant."""

presses = st.lists(
    st.tuples(st.sampled_from(KEYS), st.floats(1, 9000), st.floats(0, 30) | st.floats(0, 900)), max_size=40
).map(lambda drawn: [e for key, at_ms, length in drawn for e in press(key, at_ms, at_ms + length)])


def by_action(found) -> dict[Action, list[Interval]]:
    sorted_: dict[Action, list[Interval]] = defaultdict(list)
    for interval in sorted(found, key=lambda i: i.start_ns):
        sorted_[interval.action].append(interval)
    return sorted_


@settings(max_examples=200, deadline=None)
@given(raw_events)
def test_what_is_held_is_what_the_last_event_said(events):
    """At any moment, whatever the stream: a key is held if its last event was a press."""
    found = intervals(events, ARENA, END)
    assert all(i.start_ns < i.end_ns for i in found)
    ordered = sorted(events, key=lambda e: e.t_ns)
    times = sorted({e.t_ns for e in events} | {END - 1})
    instants = [(a + b) // 2 for a, b in zip(times, times[1:], strict=False) if b - a > 1000]
    for t_ns in instants:
        last = {e.key: e.down for e in ordered if e.t_ns <= t_ns}
        held = {a for a, key in ARENA.keys.items() if last.get(key)}
        assert {i.action for i in found if i.start_ns <= t_ns < i.end_ns} == held


@settings(max_examples=200, deadline=None)
@given(raw_events)
def test_each_press_is_one_interval(events):
    down: dict[str, bool] = {}
    count: dict[Action, int] = defaultdict(int)
    for event in sorted(events, key=lambda e: e.t_ns):
        action = ARENA.action_of(event.key)
        if action is not None and event.down and not down.get(event.key):
            count[action] += 1
        down[event.key] = event.down
    found = by_action(intervals(events, ARENA, END))
    assert {a: len(found[a]) for a in found} == dict(count)


@settings(max_examples=200, deadline=None)
@given(presses)
def test_each_press_is_in_exactly_one_run_and_begins_a_chord_earlier_at_most(events):
    pressed = intervals(events, ARENA, END)
    cut = segments(pressed, at(0), END)
    ours, told = by_action(pressed), by_action(planned(cut))
    assert {a: len(i) for a, i in ours.items()} == {a: len(i) for a, i in told.items()}
    for action, same in ours.items():
        for interval, run in zip(same, told[action], strict=True):
            assert interval.start_ns - CHORD_MS * MS <= run.start_ns <= interval.start_ns
            assert run.end_ns > interval.start_ns


@settings(max_examples=100, deadline=None)
@given(presses)
def test_without_chords_the_runs_are_the_presses(events):
    pressed = intervals(events, ARENA, END)
    assert sorted(planned(segments(pressed, at(0), END, chord_ms=0))) == sorted(pressed)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=60).map(sorted), st.integers(-100, 2100))
def test_the_papers_rule_by_brute_force(times_ms, t_ms):
    """Also where frames share an instant: then it is the first of them."""
    times, t_ns = [t * MS for t in times_ms], t_ms * MS
    later = np.array([t - t_ns if t >= t_ns else np.iinfo(np.int64).max for t in times], np.int64)
    best = int(later.argmin()) if len(later) else None
    if best is None or later[best] > LATE_MS * MS:
        best = None
    assert frame_of(times, t_ns) == best


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 4),
)
def test_any_segment_tells_what_is_held_from_there_on(tmp_path_factory, drawn, every):
    """Its `held` and the events after its beginning give the same as all events from the first on."""
    folder = tmp_path_factory.mktemp("s") / "s"
    picture, t_ns = np.zeros((32, 32, 3), np.uint8), at(0)
    with SessionWriter(folder, game="arena", title="t", width=32, height=32, fps=30, segment_s=every / 30) as writer:
        for key, down, frames in drawn:
            for _ in range(frames):
                t_ns += 33_333_333
                writer.frame(picture, t_ns)
            t_ns += 1000
            writer.event(EventRow(t_ns=t_ns, kind="key", key=key, down=down))
        writer.frame(picture, t_ns + 1000)
    session = Session(folder)
    assert session.segments
    for segment in session.segments:
        held = set(segment.held)
        assert held == {k for k, down in _last(e for e in session.events if e.t_ns < segment.t_ns).items() if down}
        for event in session.events:
            if event.t_ns >= segment.t_ns:
                (held.add if event.down else held.discard)(event.key)
        assert held == {k for k, down in _last(session.events).items() if down}


def _last(events) -> dict[str, bool]:
    return {event.key: event.down for event in events}


def looked_at(pressed: list[Interval], tic_ms: float, phase_ms: float) -> list[Tic]:
    """What a game sees that looks at its keys once a tic."""
    times = [at(phase_ms + k * tic_ms) for k in range(int(10_000 / tic_ms))]
    return [Tic(t, t, frozenset(i.action for i in pressed if i.start_ns <= t < i.end_ns)) for t in times]


apart = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(90, 300), st.integers(90, 300)), min_size=1, max_size=20)
"""Presses and rests of three tics or more, each key for itself."""


def pressed_apart(drawn) -> list[Interval]:
    after: dict[str, float] = defaultdict(float)
    events = []
    for key, rest, hold in drawn:
        begin = after[key] + rest
        after[key] = begin + hold
        events += press(key, begin, begin + hold)
    return intervals(events, ARENA, END)


@settings(max_examples=60, deadline=None)
@given(apart, st.floats(0, 28))
def test_the_drill_finds_nothing_where_nothing_is_wrong(drawn, phase_ms):
    pressed = pressed_apart(drawn)
    assume(all(i.end_ns < at(9900) for i in pressed))
    found = compare(pressed, looked_at(pressed, 28.57, phase_ms))
    assert len(found.pairs) == len(pressed) and not found.missing and not found.invented and not found.unseen


@settings(max_examples=60, deadline=None)
@given(apart, st.floats(0, 28), st.data())
def test_the_drill_finds_what_is_wrong(drawn, phase_ms, data):
    pressed = pressed_apart(drawn)
    assume(all(i.end_ns < at(9900) for i in pressed))
    left_out = data.draw(st.integers(0, len(pressed) - 1))
    others = [i for k, i in enumerate(pressed) if k != left_out]
    missed = compare(others, looked_at(pressed, 28.57, phase_ms))
    assert [run.action for run in missed.missing] == [pressed[left_out].action] and not missed.invented
    made_up = compare(pressed, looked_at(others, 28.57, phase_ms))
    assert made_up.invented == [pressed[left_out]] and not made_up.missing


def test_a_press_while_the_game_does_not_look_proves_nothing():
    pressed = intervals([*press("w", 100, 300), *press("space", 1000, 1100), *press("w", 5000, 5200)], ARENA, END)
    tics = [t for t in looked_at(pressed, 28.57, 0) if not at(900) < t.t_ns < at(2000)]
    found = compare(pressed, tics)
    assert len(found.pairs) == 2 and found.unseen == 1 and not found.missing and not found.invented


def test_a_tic_that_takes_long_may_tell_of_a_press_after_its_beginning():
    """On a busy machine: it began, waited for the processor, and only then looked."""
    pressed = intervals(press("w", 1100, 1400), ARENA, END)
    tics = [t for t in looked_at(pressed, 28.57, 0) if not at(1000) < t.t_ns < at(1300)]
    stalled = Tic(at(1001), at(1290), frozenset({Action.MOVE_FORWARD}))
    found = compare(pressed, sorted([*tics, stalled]))
    assert len(found.pairs) == 1 and not found.missing and not found.invented and not found.unseen
