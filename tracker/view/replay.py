"""`combatvla agent replay`: shows what the agent did in the browser, beside what it saw."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from combatvla.arguments import parse
from combatvla.episode import DECISIONS, find_episodes
from combatvla.errors import UserError
from tracker.view.command import serve
from tracker.view.episode import EpisodeSource
from tracker.view.film import Films

LOGS = Path("out/agent")
"""Where `combatvla agent run` writes."""


@dataclass
class Args:
    """Shows an episode in the browser: what the agent saw, what it held, and each of its decisions.

    For example:

        combatvla agent replay
        combatvla agent replay out/agent/20260101-120000
        combatvla agent replay out/demo --no-open --port 8765

    Without a folder, the newest episode under out/agent is shown. The page is for this machine and this link alone
    (127.0.0.1, with a secret in it), and loads nothing from elsewhere. Ctrl-C ends it. The videos clean.mp4 and
    replay.mp4 lie beside the log; `combatvla agent videos` makes them where the agent was killed before it could.
    """

    episodes: tyro.conf.Positional[list[Path]] = field(default_factory=list)
    """Folders made by `combatvla agent run`, the demo or a benchmark, or folders in which such ones lie."""
    game: str | None = None
    """Another profile than the one that was played (name or path): it says which keys stand for the actions."""
    port: int = 0
    """The port on 127.0.0.1; 0: a free one."""
    no_open: bool = False
    """Only prints the link, and opens no browser."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "agent replay")
    folders: list[Path] = []
    for folder in args.episodes:
        found = find_episodes(folder)
        if not found:
            raise UserError(f"no episode in {folder}: expected a folder made by `combatvla agent run`")
        folders += found
    if not args.episodes:
        folders = sorted(find_episodes(LOGS), key=lambda folder: (folder / DECISIONS).stat().st_mtime)[-1:]
        if not folders:
            raise UserError(
                f"no episode under {LOGS}: let the agent play first (`combatvla agent run`), or name a folder"
            )
    films = Films()
    sources = [EpisodeSource(folder, args.game, films) for folder in dict.fromkeys(folders)]
    if len(sources) == 1:
        sources[0].show()  # one that cannot be shown is told of here
    what = str(folders[0]) if len(sources) == 1 else f"{len(sources)} episodes"
    return serve(sources, what, port=args.port, no_open=args.no_open)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
