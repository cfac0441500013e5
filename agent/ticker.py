"""What is said in the terminal while the agent plays, and the table of latencies after it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from combatvla.desktop.grip import GIVE_BACK

if TYPE_CHECKING:
    from agent.loop import Acted
    from agent.play import Seat
    from combatvla.episode import Mode

TROUBLE_S = 1.0
"""A policy whose every second answer is bad is not told of more often than this."""


def show(record: dict[str, Any], title: str) -> None:
    """The latency table of an episode or several: each stage from the screen to the key."""
    from rich.text import Text

    from combatvla.episode import PARTS
    from combatvla.report import table

    meaning = {
        "capture": "capture of the window",
        "wait": "picture to policy",
        "preprocess": "  frame to model input",
        "vision": "  vision tower",
        "prefill": "  prompt",
        "decode": "  action tokens",
        "other": "  text to plan",
        "decide": "decision: frames in, plan out",
        "act": "plan to key down",
        "age": "action age: capture of the newest frame to key down",
    }
    rows = []
    for stage, f in record["stages_ms"].items():
        style = "bold" if stage == "age" else "" if stage not in PARTS else "dim"
        rows.append([Text(text, style) for text in (meaning[stage], *(f"{f[q]:.1f}" for q in ("p50", "p95", "max")))])
    table(title, ["milliseconds", "p50", "p95", "max"], rows)


class Ticker:
    """Says on standard error what the agent does, a line that renews itself: called after each decision.

    `extra` adds what is to be shown besides. Where nobody watches a terminal it speaks every `every_s` seconds.
    """

    def __init__(self, every_s: float = 3.0, extra: Callable[[], str] = lambda: "", give_back: str = GIVE_BACK) -> None:
        self.live = sys.stderr.isatty()
        self.every_s = 0.2 if self.live else every_s
        self.extra = extra
        self.began = self.said = time.monotonic()
        self.count = self.said_count = 0
        self.give_back, self.played = give_back, False
        self.trouble, self.troubled = False, -TROUBLE_S

    def __call__(self, acted: Acted) -> None:
        from agent.loop import words

        self.count += 1
        self._tell_of_trouble(acted)
        now = time.monotonic()
        if now - self.said < self.every_s:
            return
        hz = (self.count - self.said_count) / (now - self.said)
        self.said, self.said_count = now, self.count
        what = words(acted.decision.plan) if acted.sent else "waiting"
        thought = f"  ({acted.decision.explanation})" if acted.decision.explanation else ""
        line = (
            f"{now - self.began:5.1f} s {hz:5.1f}/s  age {acted.action_age_ms:3.0f} ms  {self.extra()}{what}{thought}"
        )
        self._say(line)

    def mode(self, mode: Mode) -> None:
        """Says that it has changed who plays."""
        first, self.played = not self.played, self.played or mode in ("armed", "dry run")
        said = {
            "no focus": "the window is without the focus: nothing is held, waiting for it",
            "human": f"you have control: nothing is held; {self.give_back.upper()} in the game's window gives it back",
            "armed": "playing on" * (not first),
            "dry run": "going on" * (not first),
        }.get(mode, "")
        if said:
            self.say(said)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.end()
        print(text, file=sys.stderr, flush=True)

    def _tell_of_trouble(self, acted: Acted) -> None:
        """When no plan comes from the policy, and when one does again."""
        decision, now = acted.decision, time.monotonic()
        if decision.parsed and self.trouble:
            self.trouble = False
            self.say("the policy gives plans again: playing on")
        elif not decision.parsed and not self.trouble and now - self.troubled > TROUBLE_S:
            self.trouble, self.troubled = True, now
            why = decision.explanation or f"what it said is none: {decision.text[:40]!r}"
            self.say(f"no plan came from the policy ({why}): nothing is held until one does")

    def end(self) -> None:
        if self.live:
            print(file=sys.stderr)

    def _say(self, line: str) -> None:
        if self.live:
            print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


class Silent(Ticker):
    """Where others tell what the agent does."""

    def __call__(self, acted: Acted) -> None:
        pass

    def mode(self, mode: Mode) -> None:
        pass

    def end(self) -> None:
        pass


@contextmanager
def watch(seat: Seat, *, plain: bool, hud: bool) -> Iterator[Ticker]:
    """Shows what the agent does: the panel where there is a terminal, else (or when `plain`) lines; the strip beside
    the game when `hud`. Each has a process of its own and reads the log."""
    from agent.panel import Panel
    from agent.strip import StripWindow

    with ExitStack() as stack:
        drawable = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        ticker = (Silent if drawable and not plain else Ticker)(give_back=seat.grip.give_back)
        if isinstance(ticker, Silent):
            stack.enter_context(Panel(seat.folder))
        if hud:
            stack.enter_context(StripWindow(seat.window, seat.folder))
        stack.callback(ticker.end)
        yield ticker
