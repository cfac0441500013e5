"""`combatvla tracker export`: sessions become data that other tools read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from tracker.clean import MENU
from tracker.export.chat import ChatOptions

if TYPE_CHECKING:
    from tracker.export.run import Source
    from tracker.several import Failures


@dataclass(kw_only=True)
class Args(ChatOptions):
    """Turns sessions into an action-of-thought dataset (chat rows in Parquet), a LeRobot dataset, or subtitles.

    For example:

        combatvla tracker export sessions/first --out data/first
        combatvla tracker export sessions/* --out data/mine --frames 4 --reaction-offset-ms 150
        combatvla train sft --data data/mine --out checkpoints/mine
        combatvla tracker export sessions/* --out data/mine-lerobot --to lerobot
        combatvla tracker export sessions/first --to srt

    Each sample is a picture (or several), what was pressed from then on, and why, as `tracker explain` said it with the
    same options. What teaches nothing is left out (`--keep-…`). docs/dataset.md says what is written.
    """

    sessions: tyro.conf.Positional[list[Path]]
    """Folders made by `combatvla tracker record` or `combatvla tracker demonstrate`."""
    out: Path | None = None
    """The dataset's folder; for subtitles the folder of a single session's, by default beside the videos."""
    to: Literal["chat", "lerobot", "srt"] = "chat"
    """Chat rows, a LeRobotDataset v3, or subtitles that show what was held (the options of samples are for chat
    rows)."""
    game: str | None = None
    """Another profile than the one a session was recorded with (name or path)."""
    truth: Path | None = None
    """The log of true states (`env play --log`) that explains the actions; by default truth.jsonl in the session."""
    validation_share: float = 0.05
    """About so much of the sessions is kept for validation, as a split of its own."""
    license: str = "unknown"
    """For the dataset's card, as the Hub names it: cc-by-4.0, apache-2.0..."""
    jobs: int | None = None
    """Processes that work at once; by default as many as there are cores."""
    json: bool = False
    """Prints one JSON object as the last line."""


def check(args: Args) -> None:
    """`UserError` for arguments that make no sense."""
    if not args.sessions:
        raise UserError("no session given: name the folders that `combatvla tracker record` made")
    if args.out is None and args.to != "srt":
        raise UserError("--out is missing: name the folder of the dataset to make")
    if args.to == "srt" and args.out is not None and len(args.sessions) > 1:
        raise UserError("--out goes with the subtitles of one session: without it they lie beside each one's videos")
    if args.to != "srt":
        folders: dict[str, Path] = {}
        for folder in args.sessions:
            name = folder.resolve().name
            if (other := folders.setdefault(name, folder)) is not folder:
                raise UserError(
                    f"{other} and {folder} are both called {name!r}, and a dataset names its sessions so: rename one, "
                    "or export them into two datasets"
                )
    args.check()
    args.check_cleaning()
    if args.truth is not None and len(args.sessions) > 1:
        raise UserError("--truth goes with one session: align several one by one, or put each log in as truth.jsonl")
    if args.width % 28 or args.height % 28 or min(args.width, args.height) < 28:
        raise UserError(f"--width and --height are multiples of 28, got {args.width}x{args.height}")
    if not 0 <= args.validation_share < 1:
        raise UserError(f"--validation-share is a share from 0 to below 1, got {args.validation_share:g}")
    if args.jobs is not None and args.jobs < 1:
        raise UserError(f"--jobs starts at 1, got {args.jobs}")


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker export")
    check(args)
    from rich.console import Console

    from tracker.export.run import sources
    from tracker.several import Failures

    failures = Failures(args.sessions)
    found = sources(args.sessions, args.game, args.validation_share if args.to != "srt" else 0.0, failures)
    with Console(stderr=True).status("exporting") as status:

        def note(name: str) -> None:
            status.update(f"exporting {name}")

        figures = (_subtitles if args.to == "srt" else _dataset)(args, found, failures, note)
    from combatvla.report import emit

    emit({**figures, "without": failures.why}, as_json=args.json)
    return 0


def _subtitles(args: Args, found: list[Source], failures: Failures, note: Callable[[str], None]) -> dict[str, Any]:
    from tracker.export.srt import write_srt
    from tracker.session import Session

    written = []
    for source in found:
        note(source.name)
        with failures.telling(source.folder):
            written += write_srt(Session(source.folder), source.profile, args.out)
    failures.end_if_all("export")
    for path in written:
        print(path)
    used = len(args.sessions) - len(failures.why)
    return {"to": "srt", "sessions": used, "files": [str(path) for path in written]}


def _dataset(args: Args, found: list[Source], failures: Failures, note: Callable[[str], None]) -> dict[str, Any]:
    from combatvla.report import table
    from tracker.export.card import write_card
    from tracker.export.pool import cores
    from tracker.export.run import card_options, to_chat, to_lerobot

    jobs, chat = args.jobs or cores(), args.to == "chat"
    if chat:
        done = to_chat(found, args, args.truth, args.out, jobs, failures, note)
        files = {"train": "train-*.parquet", "validation": "validation/*.parquet"}
        unit, hidden, notes = "samples", (), []
    else:
        done = to_lerobot(found, args.out, jobs, failures, note)
        files, unit = {"train": "data/*/*.parquet"}, "frames"
        hidden = vars(ChatOptions())
        notes = ["Read it with `LeRobotDataset`; its splits are in `meta/info.json`, as spans of episodes."]
    counts, splits = done.counts, done.splits()
    dropped = {**counts.left_out, **done.left_out}
    if counts.without_picture:
        dropped["no picture"] = dropped.get("no picture", 0) + counts.without_picture
    write_card(
        args.out,
        title=args.out.resolve().name,
        license=args.license,
        tasks=["image-text-to-text", "robotics"] if chat else ["robotics"],
        files={split: path for split, path in files.items() if split == "train" or splits.get(split, {}).get("count")},
        sessions=done.sessions,
        unit=unit,
        actions=counts.actions,
        notes=[
            *notes,
            *([f"Left out: {', '.join(f'{why} {n}' for why, n in dropped.items())}."] if dropped else []),
            *([f"Explained: {', '.join(f'{by} {n}' for by, n in counts.explained_by.items())}."] if chat else []),
        ],
        options=card_options(args, ("sessions", "out", "truth", "json", "jobs", *hidden)),
    )
    total, used, unused = sum(n for _, _, n in done.sessions), len(done.sessions), len(failures.why)
    table(
        f"{total} {unit}",
        ("begins with" if chat else "held", unit, "share"),
        [(a, n, f"{n / max(1, total):.1%}") for a, n in sorted(counts.actions.items(), key=lambda i: -i[1])],
    )
    if dropped:
        table("left out", ("why", unit), list(dropped.items()))
    if 2 * dropped.get(MENU, 0) > total + sum(dropped.values()):
        print(
            f"most samples were left out because of {MENU!r}: the profile's HUD may not fit this game's window "
            "(docs/window.md); --keep-menus keeps them"
        )
    table("splits", ("split", "sessions", unit), [(s, n["sessions"], n["count"]) for s, n in splits.items()])
    explained = ", ".join(f"{by} {n}" for by, n in counts.explained_by.items()) or "none"
    print(
        f"{total} {unit} from {used} session{'s' * (used != 1)}{f' ({unused} could not be used)' * (unused > 0)} in "
        f"{args.out}"
        + (f" (explained by: {explained})" if chat else f" ({done.episodes} episodes)")
        + f": {done.times_real_time:.0f} times real time, {done.peak_mb:.0f} MiB in all processes"
    )
    return {
        "out": str(args.out),
        "to": args.to,
        "sessions": used,
        **vars(counts),
        unit: total,
        "dropped": dropped,
        "splits": splits,
        "episodes": done.episodes,
        "files": done.files,
        "times_real_time": round(done.times_real_time, 1),
        "peak_mb": round(done.peak_mb, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
