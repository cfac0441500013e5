"""Checks a session: what it holds, and whether it is sound."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from tracker.session import Session


@dataclass
class Args:
    """Says what a session holds, and whether it is sound.

    For example:

        combatvla tracker check sessions/first
        combatvla tracker check sessions/first --json

    Ends with 0 when the session is sound, 1 when it can be used but something is odd, 2 when it cannot be read.
    """

    session: tyro.conf.Positional[Path]
    """A folder made by `combatvla tracker record`."""
    json: bool = False
    """Prints one JSON object as the last line."""


@dataclass
class Report:
    """What `check` found."""

    session: str
    game: str
    frames: int = 0
    pictures: int = 0
    """Frames that the video has a picture of; fewer after a crash."""
    events: int = 0
    duration_s: float = 0.0
    fps: float = 0.0
    longest_gap_ms: float = 0.0
    presses: dict[str, int] = field(default_factory=dict)
    """Presses by key."""
    stuck_keys: list[str] = field(default_factory=list)
    """Keys of which the last press has no release."""
    problems: list[str] = field(default_factory=list)


def check(folder: Path) -> Report:
    """Reads a whole session, video included. `UserError` when it cannot be read."""
    session = Session(folder)
    report = Report(str(folder), session.info.game, len(session.frames), events=len(session.events))
    report.pictures = sum(1 for _ in session.pictures()) if session.frames else 0
    report.duration_s = round(session.duration_s, 3)
    if report.duration_s:
        report.fps = round((report.frames - 1) / report.duration_s, 2)
    gaps = [b.t_ns - a.t_ns for a, b in zip(session.frames, session.frames[1:], strict=False)]
    report.longest_gap_ms = round(max(gaps, default=0) / 1e6, 1)
    down: set[str] = set()
    for event in session.events:
        if event.down:
            down.add(event.key)
            report.presses[event.key] = report.presses.get(event.key, 0) + 1
        else:
            down.discard(event.key)
    report.stuck_keys = sorted(down)
    if not report.pictures:
        report.problems.append("no picture can be read")
    elif report.frames - report.pictures > max(15, session.info.fps):
        report.problems.append(f"{report.frames - report.pictures} frames have no picture")
    if report.stuck_keys:
        report.problems.append(f"never released: {', '.join(report.stuck_keys)} (held to the end in the dataset)")
    if report.duration_s > 2 and report.fps < session.info.fps * 0.8:
        report.problems.append(f"{report.fps} of {session.info.fps} pictures a second (paused, or a slow machine)")
    try:
        known = set(load_profile(session.info.game).keys.values())
        if not known & set(report.presses):
            report.problems.append("no key of the game was pressed")
    except UserError:
        report.problems.append(f"the game profile {session.info.game!r} is not known here: align it with --game")
    return report


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker check")
    from rich.console import Console
    from rich.table import Table

    console = Console()
    with Console(stderr=True).status("reading the video"):
        report = check(args.session)
    table = Table(show_header=False)
    table.add_row("session", f"{report.session} ({report.game})")
    table.add_row("pictures", f"{report.pictures} of {report.frames} frames")
    table.add_row("duration", f"{report.duration_s:.1f} s, {report.fps} fps, longest gap {report.longest_gap_ms} ms")
    presses = ", ".join(f"{key} {n}" for key, n in sorted(report.presses.items(), key=lambda item: -item[1]))
    table.add_row("inputs", f"{report.events} ({presses or 'none'})")
    table.add_row("problems", "\n".join(report.problems) or "none")
    console.print(table)
    if args.json:
        print(json.dumps(asdict(report)))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
