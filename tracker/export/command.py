"""`combatvla tracker export`: sessions become data that other tools read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from tracker.align import Alignment
from tracker.annotate.truth import TruthTrack
from tracker.dataset import Row, write_rows
from tracker.export.chat import ChatOptions, rows
from tracker.session import Session


@dataclass(kw_only=True)
class Args(ChatOptions):
    """Turns sessions into an action-of-thought dataset (chat rows in Parquet).

    For example:

        combatvla tracker export sessions/first --out data/first
        combatvla tracker export sessions/* --out data/mine --frames 4 --reaction-offset-ms 150
        combatvla train sft --data data/mine --out checkpoints/mine

    Each sample is a picture (or several), what was pressed from then on, and why, as `tracker explain` said it with the
    same options. What teaches nothing is left out (`--keep-…`).
    """

    sessions: tyro.conf.Positional[list[Path]]
    """Folders made by `combatvla tracker record` or `combatvla tracker demonstrate`."""
    out: Path
    """The dataset's folder."""
    game: str | None = None
    """Another profile than the one a session was recorded with (name or path)."""
    truth: Path | None = None
    """The log of true states (`env play --log`) that explains the actions; by default truth.jsonl in the session."""
    json: bool = False
    """Prints one JSON object as the last line."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker export")
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    if not args.sessions:
        raise UserError("no session given: name the folders that `combatvla tracker record` made")
    args.check()
    args.check_cleaning()
    if args.truth is not None and len(args.sessions) > 1:
        raise UserError("--truth goes with one session: align several one by one, or put each log in as truth.jsonl")
    if args.width % 28 or args.height % 28 or min(args.width, args.height) < 28:
        raise UserError(f"--width and --height are multiples of 28, got {args.width}x{args.height}")
    console = Console(stderr=True)
    opened = [Session(folder) for folder in args.sessions]  # a wrong path is known before the work begins
    counts = Alignment()

    def all_rows() -> Iterator[Row]:
        for session in track(opened, "aligning", console=console, transient=True):
            log = args.truth or session.folder / "truth.jsonl"
            truth = TruthTrack(log) if args.truth or log.is_file() else None
            yield from rows(session, session.profile(args.game), args, truth, counts)

    write_rows(args.out, all_rows())
    table = Table("begins with", "samples")
    for action, number in sorted(counts.actions.items(), key=lambda item: -item[1]):
        table.add_row(action, str(number))
    console.print(table)
    explained = _listed(counts.explained_by, "explained by ") or "none explained"
    left_out = _listed(counts.left_out, "left out: ") or "nothing left out"
    console.print(
        f"{counts.samples} samples from {len(opened)} session{'s' * (len(opened) != 1)} in {args.out} ({explained}; "
        f"{left_out}; {counts.without_picture} decisions without a picture)"
    )
    if args.json:
        print(json.dumps({"out": str(args.out), "sessions": len(opened), **vars(counts)}))
    return 0


def _listed(counts: dict[str, int], what: str) -> str:
    return what + ", ".join(f"{name} {n}" for name, n in counts.items()) if counts else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
