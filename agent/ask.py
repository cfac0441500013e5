"""Questions at the terminal that can also be answered in the game's window, by pressing a key or clicking a place."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from collections import deque
from collections.abc import Callable

from combatvla.desktop.ear import Heard
from combatvla.errors import UserError

SKIP_KEY = "f12"
"""Pressed in the game it is Enter at the terminal."""
NOTHING = "-"
"""Typed, it takes away what was there."""


class Ended(Exception):
    """The terminal's input ended."""


class Terminal:
    """Asks on standard output; answers are lines of standard input, or what `hear` is told of."""

    def __init__(self) -> None:
        self._answers: queue.Queue[str | Heard | None] = queue.Queue()
        self._ahead: deque[str | None] = deque()
        """Lines typed before they were asked for."""
        threading.Thread(target=self._read, daemon=True).start()

    def hear(self, heard: Heard) -> None:
        """Something was pressed in the game; from any thread."""
        self._answers.put(heard)

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def line(self, question: str, default: str = "") -> str:
        """A line; Enter takes the default."""
        return self._ask(question, default, lambda heard: None)

    def yes(self, question: str, default: bool = True) -> bool:
        while True:
            said = self.line(f"{question} ({'Y/n' if default else 'y/N'})").lower()
            if said in ("", "y", "yes", "n", "no"):
                return default if not said else said[0] == "y"
            self.say("  y or n, please")

    def key(self, question: str, default: str = "") -> str:
        """A key or button, typed by its name or pressed in the game; "" when skipped."""
        return self._ask(question, default, _as_key)

    def place(self, question: str, size: tuple[int, int]) -> tuple[int, int] | str:
        """A place in the window of `size`: clicked on, or typed as `x,y` in pixels; else the line that was typed."""
        while True:
            said = self._ask(question, "", lambda heard: ",".join(map(str, heard.place)) if heard.place else None)
            if not (place := re.fullmatch(r"(\d+)\s*[,x ]\s*(\d+)", said)):
                return said
            x, y = int(place[1]), int(place[2])
            if x <= size[0] and y <= size[1]:
                return x, y
            self.say(f"  {x},{y} is outside of the window: it has {size[0]}x{size[1]} pixels")

    def until_enter(self, show: Callable[[], str], every_s: float = 0.2) -> str:
        """Shows what `show` says, again and again, until a line is typed, and gives that."""
        live, told = sys.stdout.isatty(), ""
        self._forget_heard()
        while True:
            text = show()
            if live:
                print(f"\r\033[K  {text} ", end="", flush=True)
            elif text != told:
                print(f"  {text}", flush=True)
            told = text
            try:
                said = self._next(every_s)
            except queue.Empty:
                continue
            if isinstance(said, Heard):
                if said.name != SKIP_KEY:
                    continue
                said = ""
            if said is None:
                raise Ended
            return said

    def _ask(self, question: str, default: str, understood: Callable[[Heard], str | None]) -> str:
        self._forget_heard()
        print(question + (f" [{default}]" if default else "") + ": ", end="", flush=True)
        while True:
            try:
                said = self._next(0.2)  # without an end to the wait, Windows would not heed Ctrl-C
            except queue.Empty:
                continue
            if said is None:
                raise Ended
            if isinstance(said, Heard):
                said = "" if said.name == SKIP_KEY else understood(said)
                if said is None:
                    continue
                print(said, flush=True)  # the terminal itself shows what is typed
            said = said.strip()
            return "" if said == NOTHING else said or default

    def _forget_heard(self) -> None:
        """What was pressed before the question is no answer to it; what was typed ahead is."""
        while not self._answers.empty():
            said = self._answers.get_nowait()
            if not isinstance(said, Heard):
                self._ahead.append(said)

    def _next(self, timeout_s: float) -> str | Heard | None:
        """What comes next; `queue.Empty` when nothing does."""
        return self._ahead.popleft() if self._ahead else self._answers.get(timeout=timeout_s)

    def _read(self) -> None:
        # Not by `input()`: a thread that waits in it cannot be left behind when the program ends.
        rest = b""
        while True:
            try:
                part = os.read(sys.stdin.fileno(), 4096)
            except OSError:  # the terminal was closed
                part = b""
            if not part:
                self._answers.put(None)
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                self._answers.put(line.decode(errors="replace").strip())


def _as_key(heard: Heard) -> str | None:
    return None if heard.brought_focus else heard.name


def check_key(name: str, taken: dict[str, str]) -> str:
    """`name` as profiles spell it. `UserError` when they do not know it, or it is `taken` by something else."""
    from combatvla.profiles import MOUSE_BUTTONS, NAMED_KEYS

    name = name if len(name) == 1 and not name.isascii() else name.lower()
    if not (len(name) == 1 and name.isprintable()) and name not in NAMED_KEYS + MOUSE_BUTTONS:
        raise UserError(f"{name!r} cannot be used: one character, or one of {', '.join(NAMED_KEYS + MOUSE_BUTTONS)}")
    if name in taken:
        raise UserError(f"{name} already is {taken[name]}: another key, please")
    return name
