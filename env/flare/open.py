"""`combatvla env flare`: Flare on our boss fight, for a person, a recorder or an agent."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from combatvla.arguments import parse
from combatvla.errors import UserError
from env.flare.game import flare_window


@dataclass
class Args:
    """Opens Flare on our boss fight, for you to play, to record, or for an agent.

    For example:

        combatvla env flare &
        combatvla agent run --game flare --policy flare --armed

    W A S D walk, J strikes where you last walked, R drinks, Space dashes. Close the window to end it. Your own saves
    and settings of Flare are not touched.
    """

    seed: int = 0
    """Picks where the hero begins."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "env flare")
    if not os.environ.get("DISPLAY"):
        raise UserError("there is no display to open Flare on: `combatvla bench flare` plays it on one of its own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the game is ended on the way out
    with tempfile.TemporaryDirectory(prefix="combatvla-flare-") as name, flare_window(Path(name), args.seed) as game:
        try:
            return 0 if game.wait() == 0 else 1
        except KeyboardInterrupt:
            return 0
