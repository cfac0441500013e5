"""`combatvla agent videos`: the film of an episode as a video for browsers, and its replay."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError

if TYPE_CHECKING:
    from combatvla.profiles import GameProfile


@dataclass
class Args:
    """Make the two videos of an episode: clean.mp4 (the film as it was) and replay.mp4 (with the strip under it).

    For example:

        combatvla agent videos out/agent/20260101-120000
        combatvla agent videos out/agent/20260101-120000 --game arena

    `combatvla agent run` does it at its end. This is for episodes that were killed before, and for drawing the replay
    anew.
    """

    folder: tyro.conf.Positional[Path]
    """The episode: a folder made by `combatvla agent run`, the demo or a benchmark."""
    game: str | None = None
    """Another profile than the one of the episode (name or path): it says where the keys are."""


def make_videos(folder: Path, profile: GameProfile) -> tuple[Path, Path] | None:
    """Makes both, saying how far it is; None where nothing was filmed. `UserError` when they cannot be made."""
    from agent.replay import make_videos as make
    from combatvla.report import progress

    done = 0
    with progress("writing the replay (Ctrl-C skips it)", 100) as advance:

        def note(ms: int, total_ms: int) -> None:
            nonlocal done
            percent = min(100, 100 * ms // max(1, total_ms))
            if percent > done:
                advance(percent - done)
                done = percent

        return make(folder, profile, advance=note)


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "agent videos")

    from combatvla.episode import DECISIONS, film_of, read_info
    from combatvla.profiles import load_profile

    if not (args.folder / DECISIONS).is_file():
        raise UserError(f"no episode in {args.folder}: expected a folder made by `combatvla agent run`")
    info = read_info(args.folder)
    if args.game is None and info is None:
        raise UserError(f"{args.folder} does not tell which game was played: name it with --game")
    profile = load_profile(args.game) if args.game else info.game
    if film_of(args.folder) is None:
        raise UserError(f"nothing was filmed in {args.folder}: there is no film to make videos of")
    made = make_videos(args.folder, profile)
    if made is None:
        raise UserError(
            f"the film in {args.folder} holds no picture: it was cut off in its first moment, or is damaged"
        )
    for name, path in zip(("clean:", "replay:"), made, strict=True):
        print(f"{name:<7} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
