"""What a game says that it received, tic by tic, and how a recording compares with it."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TextIO

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from combatvla.report import percentile
from tracker.align import MS, Interval, Segment, frame_of
from tracker.drill.presses import Change
from tracker.rows import EventRow

MATCH_NS = 50 * MS
"""A press and the tic that first tells of it are at most so far apart, beside the time that the press lasts."""
HOLE_NS = 150 * MS
"""A press after which no tic begins for so long was not seen by the game: it was loading, or the fight was over."""

STALL_NS = 3000 * MS
"""Without a tic for so long the game is over."""


class Tic(NamedTuple):
    """The game looked at its input and found `held`: at `t_ns`, or on a busy machine later, up to `end_ns`."""

    t_ns: int
    end_ns: int
    held: frozenset[Action]


class Run(NamedTuple):
    """An action was held in all tics from `first` to `last`."""

    action: Action
    first: Tic
    last: Tic


class TruthReader:
    """Reads the lines of a game's log as they come, in a thread of its own, which also opens it: a pipe opens when the
    game has opened it too."""

    def __init__(self, opened: Callable[[], TextIO], parse: Callable[[dict[str, Any]], Tic]) -> None:
        self.tics: list[Tic] = []
        self._opened, self._parse = opened, parse
        self._thread = threading.Thread(target=self._read, name="truth", daemon=True)
        self._thread.start()

    def count(self) -> int:
        return len(self.tics)

    def wait_for_first(self, seconds: float = 60.0) -> None:
        """Waits until the game runs. `UserError` when it does not."""
        end = time.monotonic() + seconds
        while not self.tics:
            if time.monotonic() > end or not self._thread.is_alive():
                raise UserError("the game does not say what it receives: it has ended, or does not start")
            time.sleep(0.01)

    def looks(self) -> bool:
        """Whether the game still looks at its input."""
        return time.monotonic_ns() - self.tics[-1].t_ns < STALL_NS

    def join(self) -> None:
        """Waits for the end of the log."""
        self._thread.join(10)

    def _read(self) -> None:
        with self._opened() as stream:
            for line in stream:
                if line.startswith("{") and line.endswith("\n"):
                    self.tics.append(self._parse(json.loads(line)))


def runs(tics: Iterable[Tic]) -> list[Run]:
    """The presses as the game saw them."""
    open_: dict[Action, Run] = {}
    found: list[Run] = []
    for tic in tics:
        for action in open_.keys() - tic.held:
            found.append(open_.pop(action))
        for action in tic.held:
            open_[action] = open_.get(action, Run(action, tic, tic))._replace(last=tic)
    return sorted([*found, *open_.values()], key=lambda run: run.first.t_ns)


class Comparison(NamedTuple):
    """Presses that the recording and the game agree about, and those that only one of them has."""

    pairs: list[tuple[Interval, Run]]
    missing: list[Run]
    invented: list[Interval]
    unseen: int
    """Presses left out because the game was not looking."""


def compare(pressed: Sequence[Interval], tics: Sequence[Tic]) -> Comparison:
    """Pairs the presses of a recording with those of the game, each action for itself, in order."""
    ends = [tic.end_ns for tic in tics]
    result = Comparison([], [], [], 0)
    ours: dict[Action, list[Interval]] = defaultdict(list)
    theirs: dict[Action, list[Run]] = defaultdict(list)
    unseen = 0
    for interval in pressed:
        i = bisect_left(ends, interval.start_ns)
        if i == len(tics) or tics[i].t_ns - interval.start_ns > HOLE_NS:
            unseen += 1
        else:
            ours[interval.action].append(interval)
    for run in runs(tics):
        theirs[run.action].append(run)
    for action in ours.keys() | theirs.keys():
        left, right = ours[action][::-1], theirs[action][::-1]
        while left or right:
            if not left or (right and right[-1].first.end_ns < left[-1].start_ns - MATCH_NS):
                result.missing.append(right.pop())
            elif not right or right[-1].first.t_ns > left[-1].end_ns + MATCH_NS:
                result.invented.append(left.pop())
            else:
                result.pairs.append((left.pop(), right.pop()))
    return result._replace(unseen=unseen)


def errors(pairs: Iterable[tuple[Interval, Run]], frame_times: Sequence[int]) -> list[float]:
    """For each pair how many frames lie between the one that alignment ties to the press and the one that belongs to
    the tic that first told of it; infinite where one of them has none."""
    found = []
    for interval, run in pairs:
        ours, true = frame_of(frame_times, interval.start_ns), frame_of(frame_times, run.first.t_ns)
        found.append(float("inf") if ours is None or true is None else float(abs(ours - true)))
    return found


def figures(compared: Comparison, frame_times: Sequence[int]) -> dict[str, Any]:
    """`actions` counts the presses that the game saw."""
    off = errors(compared.pairs, frame_times)
    late_ms = [(run.first.t_ns - interval.start_ns) / MS for interval, run in compared.pairs]
    return {
        "actions": len(compared.pairs) + len(compared.missing),
        "missing": len(compared.missing),
        "invented": len(compared.invented),
        "unseen": compared.unseen,
        "within_one_frame_share": sum(e <= 1 for e in off) / len(off) if off else None,
        "error_frames_p50": percentile(off, 50),
        "error_frames_p99": percentile(off, 99),
        "press_to_tic_ms_p50": percentile(late_ms, 50),
        "press_to_tic_ms_p99": percentile(late_ms, 99),
    }


def stamp_errors(sent: Iterable[Change], events: Iterable[EventRow], profile: GameProfile) -> list[float]:
    """By how many milliseconds the recording dates each input later than it was sent; of inputs that are on one side
    only there is none."""
    told: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for event in events:
        told[event.key, event.down].append(event.t_ns)
    was: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for change in sent:
        was[profile.keys[change.action], change.down].append(change.t_ns)
    pairs = (zip(was[key], told[key], strict=False) for key in was if len(was[key]) == len(told[key]))
    return [(recorded - at) / MS for same in pairs for at, recorded in same]


def planned(cut: Sequence[Segment]) -> list[Interval]:
    """The presses as the exported plans tell them: each action from where it enters the held set until it leaves it."""
    since: dict[Action, int] = {}
    found: list[Interval] = []
    for segment in cut:
        for action in since.keys() - segment.held:
            found.append(Interval(action, since.pop(action), segment.start_ns))
        for action in segment.held - since.keys():
            since[action] = segment.start_ns
    found += [Interval(action, start, cut[-1].end_ns) for action, start in since.items()]
    return sorted(found, key=lambda i: i.start_ns)
