"""Alignment: which picture of a session goes with which plan.

1. Key events become intervals, one a press (`intervals`), and these become segments in which the same actions are held
   (`segments`). Keys pressed or released together within `CHORD_MS` change the segment together. A tap is never lost,
   be it shorter than a frame.
2. Each segment is decided at its start, and a long one again every so often (`decisions`). What was held from there on
   is the plan (`plan_at`).
3. A decision goes with the nearest future picture, the paper's rule: i_j = argmin_i { t_frame_i >= t_action_j }
   (`frame_of`); `reaction_offset` looks back from there to what the player reacted to.

All of this within one stretch of the recording (`stretches`): where the window was without the focus, recording rested
or pictures are missing, nobody knows what was done, so no plan and no row of pictures reaches over it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from combatvla.actions import DURATIONS_MS, MAX_STEPS, OPPOSITES, Action, Plan, Step, nearest_duration
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.rows import EventRow, FocusRow, PauseRow
from tracker.session import Session

MS = 1_000_000
CHORD_MS = 35
"""Changes nearer than this are one change: fingers do not move at the same instant."""
LATE_MS = 100
"""A decision without a picture this soon after it has none (the window was without the focus, or the end is torn)."""
HOLE_MS = 250
"""Pictures farther apart than this have something missing between them (or than 2.5 times their usual distance)."""


@dataclass(kw_only=True)
class AlignOptions:
    """Which moments of a session become samples."""

    frames: int = 1
    """Pictures a sample, the last one at the decision (the paper: 4)."""
    frame_gap_ms: int = 100
    """Milliseconds from one picture of a sample to the next."""
    reaction_offset_ms: int = 0
    """The picture is that of so many milliseconds before the action, what the player reacted to (paper: 0)."""
    every_ms: int = 200
    """What is held for long is decided again this often; 0: at changes only."""
    horizon_ms: int = 300
    """Steps that begin within so many milliseconds belong to the plan, three at most."""

    def check(self) -> None:
        """`UserError` for numbers that make no sense."""
        if self.frames < 1 or self.frame_gap_ms < 1:
            raise UserError("--frames and --frame-gap-ms start at 1")
        if min(self.every_ms, self.horizon_ms, self.reaction_offset_ms) < 0:
            raise UserError("--every-ms, --horizon-ms and --reaction-offset-ms start at 0")


class Interval(NamedTuple):
    """An action's input was down from `start_ns` until `end_ns`."""

    action: Action
    start_ns: int
    end_ns: int


class Segment(NamedTuple):
    """`held` did not change from `start_ns` until `end_ns`."""

    start_ns: int
    end_ns: int
    held: frozenset[Action]


class Stretch(NamedTuple):
    """An unbroken part of a recording, from its first to its last frame, as indices into the session's frames."""

    first: int
    last: int
    since_ns: int
    """What was pressed from here on goes with it: the moment before its first frame, if there is none."""


class Sample(NamedTuple):
    """A decision and the pictures it goes with, as indices into the session's frames, oldest first."""

    t_ns: int
    plan: Plan
    frames: tuple[int, ...]


@dataclass
class Alignment:
    """What was made of the sessions."""

    samples: int = 0
    without_picture: int = 0
    """Decisions that no picture goes with."""
    explained: int = 0
    """Samples with an explanation of more than what was done."""
    explained_by: dict[str, int] = field(default_factory=dict)
    """Those by annotator (`tracker.rows.ExplanationRow.by`)."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Samples that teach nothing, by reason (`tracker.clean`)."""
    actions: dict[str, int] = field(default_factory=dict)
    """How many samples begin with which action."""

    def add(self, other: Alignment) -> None:
        """Counts what `other` counted, too."""
        for name, found in vars(other).items():
            mine = getattr(self, name)
            if isinstance(found, int):
                setattr(self, name, mine + found)
            else:
                for key, number in found.items():
                    mine[key] = mine.get(key, 0) + number


def intervals(events: Sequence[EventRow], profile: GameProfile, end_ns: int) -> list[Interval]:
    """One interval a press of a key of the profile, in order of their starts. A key that is never released is held
    until `end_ns`; a second press without a release and a release without a press are dropped. An interval lasts at
    least a nanosecond and those of one action do not touch, so that no press is lost."""
    actions = {key: action for action, key in profile.keys.items()}
    down: dict[Action, int] = {}
    last_end: dict[Action, int] = {}
    found: list[Interval] = []

    def close(action: Action, t_ns: int) -> None:
        start = max(down.pop(action), last_end.get(action, 0) + 1)
        last_end[action] = max(t_ns, start + 1)
        found.append(Interval(action, start, last_end[action]))

    for event in sorted(events, key=lambda e: e.t_ns):
        action = actions.get(event.key)
        if action is None:
            continue
        if event.down:
            down.setdefault(action, event.t_ns)
        elif action in down:
            close(action, event.t_ns)
    for action in list(down):
        close(action, end_ns)
    return sorted(found, key=lambda i: (i.start_ns, i.action))


def segments(pressed: Sequence[Interval], start_ns: int, end_ns: int, chord_ms: float = CHORD_MS) -> list[Segment]:
    """Cuts the time from `start_ns` to `end_ns` where the held set changes. Opposite moves cancel out.

    A segment shorter than `chord_ms` joins a neighbour if that neither hides a press nor a release between two presses:
    each of its actions is held in a neighbour, and none is held in both neighbours but not in it.
    """
    times = {start_ns, end_ns}
    times.update(t for i in pressed for t in (i.start_ns, i.end_ns) if start_ns < t < end_ns)
    cuts = sorted(times)
    starts: dict[int, list[Action]] = {}
    ends: dict[int, list[Action]] = {}
    for i in pressed:
        if i.end_ns > start_ns and i.start_ns < end_ns:
            starts.setdefault(max(i.start_ns, start_ns), []).append(i.action)
            ends.setdefault(i.end_ns, []).append(i.action)
    held: set[Action] = set()
    raw: list[Segment] = []
    for begin, end in zip(cuts, cuts[1:], strict=False):
        held.difference_update(ends.get(begin, ()))
        held.update(starts.get(begin, ()))
        effective = _without_opposites(held)
        if raw and raw[-1].held == effective:
            raw[-1] = raw[-1]._replace(end_ns=end)
        else:
            raw.append(Segment(begin, end, effective))
    return _join_chords(raw, int(chord_ms * MS))


def _without_opposites(held: set[Action]) -> frozenset[Action]:
    for pair in OPPOSITES:
        if pair <= held:
            held = held - pair
    return frozenset(held)


def _join_chords(raw: list[Segment], chord_ns: int) -> list[Segment]:
    done: list[Segment] = []
    ahead = list(reversed(raw))
    while ahead:
        segment = ahead.pop()
        if done and done[-1].held == segment.held:  # its neighbour between them has joined one of the two
            done[-1] = done[-1]._replace(end_ns=segment.end_ns)
            continue
        if done and ahead and segment.end_ns - segment.start_ns < chord_ns:
            before, after = done[-1].held, ahead[-1].held
            if segment.held <= before | after and before & after <= segment.held:
                if segment.held <= before and not segment.held <= after:
                    done[-1] = done[-1]._replace(end_ns=segment.end_ns)
                else:
                    ahead[-1] = ahead[-1]._replace(start_ns=segment.start_ns)
                continue
        done.append(segment)
    return done


def decisions(cut: Sequence[Segment], every_ms: int) -> Iterator[tuple[int, int]]:
    """When it is decided: (index of the segment, time), at each segment's start and every `every_ms` within it."""
    for i, segment in enumerate(cut):
        yield i, segment.start_ns
        if every_ms:
            # Not in the last moments: what is decided there is the next segment.
            for t_ns in range(segment.start_ns + every_ms * MS, segment.end_ns - CHORD_MS * MS, every_ms * MS):
                yield i, t_ns


def plan_at(cut: Sequence[Segment], index: int, t_ns: int, horizon_ms: int) -> Plan:
    """What is held from `t_ns` (within segment `index`) on: that segment's rest, and the segments that begin within
    `horizon_ms`, three steps at most. Durations are rounded to those a step may have."""
    steps: list[Step] = []
    begin = t_ns
    for segment in cut[index : index + MAX_STEPS]:
        if steps and segment.start_ns - t_ns >= horizon_ms * MS:
            break
        length_ms = (segment.end_ns - begin) / MS
        steps.append(Step(segment.held or frozenset({Action.WAIT}), nearest_duration(length_ms)))
        if length_ms > DURATIONS_MS[-1]:
            break  # longer than a step can say: what follows is another plan's
        begin = segment.end_ns
    return Plan(tuple(steps))


def frame_of(frame_times: Sequence[int], t_ns: int) -> int | None:
    """The paper's rule: the first frame not before `t_ns`; None when there is none within `LATE_MS`."""
    i = bisect.bisect_left(frame_times, t_ns)
    return i if i < len(frame_times) and frame_times[i] - t_ns <= LATE_MS * MS else None


def window_of(frame_times: Sequence[int], last: int, count: int, frame_gap_ms: int, first: int = 0) -> tuple[int, ...]:
    """`count` frames up to `last` and not before `first`, `frame_gap_ms` apart, oldest first; fewer at the start and
    after a gap."""
    chosen = [last]
    for k in range(1, count):
        t_ns = frame_times[last] - k * frame_gap_ms * MS
        i = bisect.bisect_right(frame_times, t_ns) - 1
        if i < first or t_ns - frame_times[i] > LATE_MS * MS:
            break
        chosen.append(min(i, chosen[-1]))
    return tuple(reversed(chosen))


def live_spans(session: Session, *, heard: bool = False) -> Iterator[tuple[int, int]]:
    """From when until when pictures were taken, in nanoseconds: not while the window was without the focus, nor while
    the recording rested. `heard`: inputs were noted, as they are while it rests only because nobody plays."""
    if not len(session.frames):
        return
    begin, end = session.frames.t_ns[[0, -1]].tolist()
    resting: set[str] = set()
    since = begin
    for event in session.others:
        if not isinstance(event, FocusRow | PauseRow):
            continue
        if isinstance(event, FocusRow):
            rests = not event.focused
        else:
            rests = event.paused and not (heard and event.why == "idle")
        before = bool(resting)
        (resting.add if rests else resting.discard)(event.kind)
        t_ns = min(max(event.t_ns, begin), end)
        if resting and not before and t_ns > since:
            yield since, t_ns
        if before and not resting:
            since = t_ns
    if not resting and end > since:
        yield since, end


def stretches(session: Session) -> list[Stretch]:
    """The unbroken parts: between two of them the window was without the focus, recording rested, or pictures are
    missing."""
    times = session.frames.t_ns
    if not len(times):
        return []
    resumes = [begin for begin, _ in live_spans(session)]
    heard = [begin for begin, _ in live_spans(session, heard=True)]
    resumed = np.searchsorted(resumes, times, side="right")
    hole_ns = max(HOLE_MS * MS, int(2.5e9 / session.info.fps))
    cuts = (np.flatnonzero((np.diff(times) > hole_ns) | (np.diff(resumed) > 0)) + 1).tolist()
    found = []
    for first, end in zip([0, *cuts], [*cuts, len(times)], strict=True):
        since = int(times[first]) - LATE_MS * MS
        if first:
            # Not that of `resumes`: the input that wakes an idle recording comes before it goes on.
            listens = bisect.bisect_right(heard, times[first])
            since = max(since, int(times[first - 1]) + 1, heard[listens - 1] if listens else 0)
        found.append(Stretch(first, end - 1, since))
    return found


def samples(session: Session, profile: GameProfile, options: AlignOptions, counts: Alignment) -> list[Sample]:
    """The decisions of a session with their pictures, in order of the pictures."""
    times = session.frames.t_ns.tolist()
    if not times:
        return []
    pressed = intervals(session.events, profile, times[-1])
    starts = [i.start_ns for i in pressed]
    found: list[Sample] = []
    plans: dict[Plan, Plan] = {}  # ten hours have some 300,000 samples, and few different plans
    held: list[Interval] = []  # on from the stretch before
    done = told = 0
    for first, last, since_ns in stretches(session):
        a, b = bisect.bisect_left(starts, since_ns), bisect.bisect_left(starts, times[last])
        told += b - a
        begin = min([times[first], *starts[a:b][:1]])
        within = [*held, *pressed[done:b]]
        cut = segments(within, begin, times[last])
        held, done = [i for i in within if i.end_ns > times[last]], b
        for index, t_ns in decisions(cut, options.every_ms):
            newest = frame_of(times, max(t_ns - options.reaction_offset_ms * MS, begin))
            if newest is None:
                counts.without_picture += 1
                continue
            plan = plan_at(cut, index, t_ns, options.horizon_ms)
            window = window_of(times, newest, options.frames, options.frame_gap_ms, first)
            found.append(Sample(t_ns, plans.setdefault(plan, plan), window))
    counts.without_picture += len(pressed) - told  # pressed where nothing was recorded
    return sorted(found, key=lambda s: (s.frames[-1], s.t_ns))
