"""`combatvla tracker drill`: what a recording holds against what really happened."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import emit, progress, table


@dataclass
class Args:
    """Measures whether recordings are true: nothing missing, nothing invented, and little lost when it all crashes.

    For example:

        combatvla tracker drill alignment --actions 10000 --json
        combatvla tracker drill alignment --game arena --actions 300
        combatvla tracker drill kill --kills 50 --json

    alignment: keys are pressed in a window of ViZDoom (about 23 presses a second), which tells what it received; the
    recording is compared with that, press by press. kill: a recorder is killed again and again at random moments, and
    what is left is compared with what was sent. Leave the machine alone meanwhile.
    """

    what: tyro.conf.Positional[Literal["alignment", "kill"]]
    """Which drill."""
    actions: int = 10_000
    """alignment: how many presses; with --game arena it ends with the fight."""
    game: Literal["vizdoom", "arena"] = "vizdoom"
    """alignment: the game that tells the truth (`pip install combatvla[bench]` brings ViZDoom)."""
    kills: int = 50
    """kill: how many recorders are killed."""
    seed: int = 0
    """Of the presses and the moments of the kills."""
    keep: Path | None = None
    """Keeps the sessions in this folder, which must be empty or not exist."""
    json: bool = False
    """Prints one JSON object as the last line."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker drill")
    if args.actions < 1 or args.kills < 1:
        raise UserError("--actions and --kills start at 1")
    if args.keep is not None:
        if args.keep.is_file() or (args.keep.is_dir() and any(args.keep.iterdir())):
            raise UserError(f"--keep: expected an empty folder, or one that does not exist, got {args.keep}")
        args.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = (args.keep or Path(name)).resolve()
        if args.what == "alignment":
            from tracker.drill.alignment import measure

            with progress("pressing", args.actions) as advance:
                figures = measure(args.game, args.actions, args.seed, folder, advance)
        else:
            from tracker.drill.kill import measure_kills

            with progress("killing", args.kills) as advance:
                figures = measure_kills(args.kills, args.seed, folder, advance)
    title = f"alignment against {args.game}" if args.what == "alignment" else "kill -9"
    shown = [[name, f"{v:.4g}" if isinstance(v, float) else v] for name, v in figures.items()]
    table(title, ["figure", "value"], shown)
    emit(figures, as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
