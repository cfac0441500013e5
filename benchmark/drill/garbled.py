"""The agent with a model that speaks random tokens: `garbled.py PROFILE FOLDER TOKENS SEED`.

The tokens are those of the tiny policy's vocabulary (a JSON list in the file TOKENS), and go through the parser that
the local engine's text goes through. It plays well until SIGUSR1, garbled until the next SIGUSR1, and so on.
"""

from __future__ import annotations

import json
import random
import signal
import sys
from pathlib import Path

from agent.play import Seat, play
from agent.ticker import Ticker
from combatvla.actions import Plan
from combatvla.aot import ParseCounts, decode_or_wait
from combatvla.desktop import open_desktop
from combatvla.policy.base import Decision
from combatvla.profiles import load_profile


class Garbled:
    """Holds two keys, or says 1 to 40 random tokens."""

    name, frames_per_decision, needs_truth = "garbled", 1, False

    def __init__(self, tokens: list[str], seed: int) -> None:
        self.tokens, self.random, self.counts, self.garbled = tokens, random.Random(seed), ParseCounts(), False

    def reset(self, seed: int | None = None) -> None:
        pass

    def decide(self, frames, **_) -> Decision:
        if not self.garbled:
            return Decision(Plan.of("sprint", "move_forward", ms=1000))
        text = "".join(self.random.choices(self.tokens, k=self.random.randint(1, 40)))
        aot, parsed = decode_or_wait(text, "compact", "action_first", self.counts)
        return Decision(aot.plan, text=text, parsed=parsed)


def main(profile_path: str, folder: str, tokens: str, seed: str) -> int:
    policy = Garbled(json.loads(Path(tokens).read_text(encoding="utf-8")), int(seed))

    def toggle(*_: object) -> None:
        policy.garbled = not policy.garbled

    signal.signal(signal.SIGUSR1, toggle)
    desktop, profile = open_desktop(), load_profile(profile_path)
    window = desktop.find_window(profile, wait_s=30)
    desktop.activate(window)
    ticker = Ticker()
    play(
        policy,
        Seat(desktop, window, profile, Path(folder), replay=False),
        seconds=3600,
        on_acted=ticker,
        on_mode=ticker.mode,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
