"""Checks a session: what it holds, whether it is valid, and mends what can be mended."""

from __future__ import annotations

import bisect
import json
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from heapq import merge
from itertools import chain
from pathlib import Path

import numpy as np
import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from tracker.align import MS, live_spans
from tracker.mend import mend
from tracker.rows import CoverRow, EventRow, ScrollRow
from tracker.session import Session

LEAST_FPS_SHARE, MOST_DROPPED_SHARE = 0.8, 0.02
"""A valid session has so many of its pictures: of those asked for, and of those it should have at its own pace."""
MOST_TORN_S = 1.0
"""A crash loses half a second; a session that lost more is damaged."""
MOST_DRIFT_MS = 5.0
STILL_MS = 2000
"""With nothing pressed for so long nobody plays."""
MOST_IDLE_SHARE = 0.6
NEAR_MS = 100
"""The recorder may have heard late of what was done so shortly before a video began."""
LONG_HELD_S = 30.0
"""A key is stuck when it is held for so long, or never let go."""


@dataclass
class Args:
    """Says what a session holds, whether it is valid, and why not.

    For example:

        combatvla tracker check sessions/first
        combatvla tracker check sessions/first --mend
        combatvla tracker check sessions/first --json

    Ends with 0 when the session is valid, 1 when it is not but can be read, 2 when it cannot be read.
    """

    session: tyro.conf.Positional[Path]
    """A folder made by `combatvla tracker record`."""
    mend: bool = False
    """Cuts off torn ends and lets go of keys that were never let go, so that other tools read it without a word. The
    lists as they were stay beside the mended ones (.before)."""
    game: str | None = None
    """The profile (name or path) of the game, where it was recorded without one or with another."""
    json: bool = False
    """Prints one JSON object as the last line."""


@dataclass
class Report:
    """What `check` found."""

    session: str
    game: str
    valid: bool = True
    reasons: list[str] = field(default_factory=list)
    """Why it is not valid, in plain words."""
    notes: list[str] = field(default_factory=list)
    """What is odd and yet does no harm."""
    frames: int = 0
    pictures: int = 0
    """Frames that the video has a picture of; fewer after a crash."""
    events: int = 0
    """Keys and buttons pressed or let go."""
    duration_s: float = 0.0
    live_s: float = 0.0
    """Of it: with the focus on the window, and not paused."""
    fps: float = 0.0
    """Pictures a second while live."""
    dropped: int = 0
    """Pictures that are missing at that pace."""
    longest_gap_ms: float = 0.0
    """Between two pictures while live."""
    clock_drift_ms: float = 0.0
    """The most that the video's clock is away from that of the inputs."""
    idle_share: float = 0.0
    """Of the live time: nothing pressed or moved for two seconds or more."""
    presses: dict[str, int] = field(default_factory=dict)
    """Presses by key."""
    stuck_keys: list[str] = field(default_factory=list)
    """Keys that were held for half a minute, or never let go."""
    segments: int = 0
    marks: int = 0


def check(folder: Path, game: str | None = None) -> Report:
    """Reads a whole session, videos included; its game is `game` where that is given. `UserError` when it cannot be
    read."""
    session = Session(folder)
    info, frames = session.info, session.frames
    report = Report(str(folder), game or info.game, frames=len(frames), events=len(session.events))
    report.segments = len(session.segments)
    report.marks = sum(e.kind == "mark" for e in session.others)
    report.pictures = sum(1 for _ in session.decoded())
    report.duration_s = round(session.duration_s, 3)
    live = list(live_spans(session))
    live_ns = sum(end - begin for begin, end in live)
    report.live_s = round(live_ns / 1e9, 3)
    _measure_pace(report, session, live)
    _measure_inputs(report, session, live, live_ns)
    report.reasons = [*_reasons(report, info.fps), *_lost_inputs(session)]
    report.valid = not report.reasons
    if 0 < report.frames - report.pictures <= MOST_TORN_S * info.fps:
        report.notes.append(f"the last {report.frames - report.pictures} frames have no picture: recording was cut off")
    if report.stuck_keys:
        report.notes.append(f"held for long or never let go: {', '.join(report.stuck_keys)}")
    if (covered := _covered_share(session, live)) > 0:
        report.notes.append(f"other windows covered a part of the picture, now black, for {covered:.1%} of the time")
    if report.dropped:
        report.notes.append(f"{report.dropped} pictures are missing")
    return report


def _covered_share(session: Session, live: Sequence[tuple[int, int]]) -> float:
    """The share of the live time in which other windows covered a part of the picture."""
    rows = [e for e in session.others if isinstance(e, CoverRow)]
    ends = [row.t_ns for row in rows[1:]] + [live[-1][1] if live else 0]
    covered = [(row.t_ns, end) for row, end in zip(rows, ends, strict=False) if row.share]
    under = sum(max(0, min(end, e) - max(begin, b)) for begin, end in live for b, e in covered)
    return under / max(1, sum(end - begin for begin, end in live))


def _measure_pace(report: Report, session: Session, live: list[tuple[int, int]]) -> None:
    frames = session.frames
    if not len(frames):
        return
    begins = np.array([segment.t_ns for segment in session.segments])
    drifts = np.abs((frames.t_ns - begins[frames.segment]) / MS - frames.pts)
    report.clock_drift_ms = round(float(drifts.max()), 1)
    # From one picture to the next, within one live span.
    starts, ends = np.array(live, np.int64).reshape(-1, 2).T
    span = np.searchsorted(starts, frames.t_ns[:-1], side="right") - 1
    inside = span >= 0
    inside[inside] = frames.t_ns[1:][inside] <= ends[span[inside]]
    gaps = np.diff(frames.t_ns)[inside] / MS
    if not len(gaps):
        return
    report.longest_gap_ms = round(float(gaps.max()), 1)
    report.dropped = int(np.maximum(0, np.round(gaps * session.info.fps / 1000) - 1).sum())
    report.fps = round(1000 * len(gaps) / max(float(gaps.sum()), 1e-6), 2)


def _measure_inputs(report: Report, session: Session, live: list[tuple[int, int]], live_ns: int) -> None:
    down: dict[str, int] = {}
    stuck: set[str] = set()
    for event in session.events:
        if event.down:
            down.setdefault(event.key, event.t_ns)
            report.presses[event.key] = report.presses.get(event.key, 0) + 1
        elif event.key in down and event.t_ns - down.pop(event.key) > LONG_HELD_S * 1e9:
            stuck.add(event.key)
    report.stuck_keys = sorted(stuck | set(down))
    if live_ns:
        scrolled = (e for e in session.others if isinstance(e, ScrollRow))
        moved = array("q", (e.t_ns for e in chain(session.motions(), scrolled)))
        report.idle_share = round(_idle_ns(session.events, moved, live) / live_ns, 3)


def _lost_inputs(session: Session) -> Iterator[str]:
    """Where a video began with other keys held than the inputs before it tell: some of these are gone."""
    if session.info.version == 1:  # it knew of none
        return
    events, times = session.events, [event.t_ns for event in session.events]
    down: set[str] = set()
    told = 0
    for segment in session.segments:
        before, low, high = (bisect.bisect_left(times, segment.t_ns + d * MS) for d in (0, -NEAR_MS, NEAR_MS))
        for event in events[told:before]:
            (down.add if event.down else down.discard)(event.key)
        told = before
        held = set(segment.held)
        wrong = (down ^ held) - {event.key for event in events[low:high]}
        if wrong:
            what = ", ".join(f"{key} is {'held' if key in held else 'not held'}" for key in sorted(wrong))
            yield f"inputs are missing before {segment.file}: there {what}, which they do not tell"
        down = held  # each loss is told once


def _idle_ns(events: Sequence[EventRow], moved: Sequence[int], live: Sequence[tuple[int, int]]) -> int:
    """How long within the `live` spans nothing was held and nothing done for `STILL_MS` or longer. `moved`: when the
    mouse or its wheel was."""
    moves = ((t_ns, None) for t_ns in memoryview(np.sort(np.array(moved, np.int64))))  # ten hours have ten million
    ahead = merge(((e.t_ns, e) for e in events), moves, key=lambda done: done[0])
    at, event = next(ahead, (None, None))
    held: set[str] = set()
    idle = 0
    for begin, end in live:
        last = begin
        while at is not None and at <= end:
            if not held and at - last > STILL_MS * MS:
                idle += at - last
            last = max(at, begin)
            if event is not None:
                (held.add if event.down else held.discard)(event.key)
            at, event = next(ahead, (None, None))
        if not held and end - last > STILL_MS * MS:
            idle += end - last
    return idle


def _reasons(report: Report, fps: int) -> Iterator[str]:
    if not report.pictures:
        yield "no picture can be read: was the recording stopped in its first half second?"
        return
    if report.frames - report.pictures > MOST_TORN_S * fps:
        yield f"{report.frames - report.pictures} of {report.frames} frames have no picture"
    if report.live_s > 2 and report.fps < fps * LEAST_FPS_SHARE:
        yield f"{report.fps:g} pictures a second where {fps} were asked for: the machine was too slow"
    elif report.dropped > MOST_DROPPED_SHARE * report.frames + 1:
        yield f"{report.dropped} pictures are missing"
    if report.clock_drift_ms > MOST_DRIFT_MS:
        yield f"the video's clock is {report.clock_drift_ms:g} ms away from that of the inputs"
    if report.idle_share > MOST_IDLE_SHARE:
        yield f"nobody plays for {report.idle_share:.0%} of the time"
    if not report.game:
        report.notes.append("recorded without a game's profile: name one with --game when you export it")
        if not report.presses:
            yield "no key was pressed"
        return
    try:
        known = set(load_profile(report.game).keys.values())
        if not known & set(report.presses):
            yield "no key of the game was pressed"
    except UserError:
        report.notes.append(f"the game profile {report.game!r} is not known here: name one with --game")


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker check")
    from rich.console import Console
    from rich.table import Table

    console = Console()
    with Console(stderr=True).status("reading the video"):
        done = mend(args.session) if args.mend else []
        report = check(args.session, args.game)
    for line in done:
        console.print(f"mended: {line}")
    table = Table(show_header=False)
    table.add_row("session", f"{report.session} ({report.game or 'no game profile'})")
    table.add_row("pictures", f"{report.pictures} of {report.frames} frames, in {report.segments} videos")
    table.add_row("duration", f"{report.duration_s:.1f} s, of these {report.live_s:.1f} s live")
    table.add_row("pace", f"{report.fps:g} fps, {report.dropped} missing, longest gap {report.longest_gap_ms:g} ms")
    table.add_row("clock", f"video and inputs at most {report.clock_drift_ms:g} ms apart")
    presses = ", ".join(f"{key} {n}" for key, n in sorted(report.presses.items(), key=lambda item: -item[1]))
    table.add_row("inputs", f"{report.events} ({presses or 'none'}), idle for {report.idle_share:.0%}")
    table.add_row("notes", "\n".join(report.notes) or "none")
    table.add_row("valid", "yes" if report.valid else "no: " + "\n".join(report.reasons))
    console.print(table)
    if args.json:
        print(json.dumps(asdict(report)))
    return 0 if report.valid else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
