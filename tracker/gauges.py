"""What the recorder shows while it records: a few lines in a terminal, a line now and then where there is none."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tracker.recorder import Recorder

PER_SECOND = 5
"""The lines in a terminal change so often."""
PLAIN_EVERY_S = 10.0
RECENT_S = 2.0
"""Rates are those of so long."""
SIZE_EVERY_S = 2.0


class Sample(NamedTuple):
    t: float
    frames: int
    events: int


class Gauges:
    """Shows how a recording goes; `update` as often as you like. Use as a context manager."""

    def __init__(self, recorder: Recorder, folder: Path, hotkeys: dict[str, str], console: Console) -> None:
        self._recorder, self._folder, self._hotkeys, self._console = recorder, folder, hotkeys, console
        self.live_s = 0.0
        """How long pictures were taken: the window had the focus, and recording did not rest."""
        self._samples: deque[Sample] = deque()
        self._last = time.monotonic()
        self._said = self._sized = 0.0
        self._bytes = 0
        self._live: Live | None = None

    def __enter__(self) -> Gauges:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        now, status = time.monotonic(), self._recorder.status
        live = status.focused and not status.paused
        self.live_s += (now - self._last) * live
        self._last = now
        if not live:
            self._samples.clear()
        self._samples.append(Sample(now, status.frames, status.events))
        while self._samples[-1].t - self._samples[0].t > RECENT_S:
            self._samples.popleft()
        if now - self._sized >= SIZE_EVERY_S:
            self._sized, self._bytes = now, size_of(self._folder)
        wait_s = 1 / PER_SECOND if self._live is not None else PLAIN_EVERY_S
        if now - self._said < wait_s:
            return
        self._said = now
        if self._live is not None:
            self._live.update(Text("\n").join(self.lines()), refresh=True)
        else:
            self._console.print(self.lines()[0], soft_wrap=True)

    def lines(self) -> list[Text]:
        """The state on one line, and on the next ones what is held, what is amiss, and which keys do what."""
        status = self._recorder.status
        state, style, hint = self._state()
        first = Text(no_wrap=True, overflow="ellipsis")
        first.append(f"● {state}", style)
        first.append(f"  {clock(status.seconds)}", "bold")
        first.append(f"  {self._rate('frames'):4.1f} fps")
        first.append(f"  {status.dropped} dropped", "bold red" if status.dropped > 0.01 * status.frames else "")
        first.append(f"  {self._rate('events') / 2:.1f} keys/s")  # down and up
        first.append(f"  {self._left()}")
        keys = " · ".join(f"{key.upper()} {what}" for what, key in self._hotkeys.items())
        second = Text(f"  {hint}" if hint else f"  held: {' '.join(self._recorder.keys_down) or '–'}", no_wrap=True)
        third = Text(f"  {keys} · Ctrl-C stop", "dim", no_wrap=True, overflow="ellipsis")
        second.overflow = "ellipsis"
        lines = [first, second, third]
        if status.covered_by and not hint:
            by = ", ".join(dict.fromkeys(status.covered_by))
            lines.insert(2, Text(f"  black in the picture, as covered by: {by}", "yellow", no_wrap=True))
            lines[2].overflow = "ellipsis"
        return lines

    def _state(self) -> tuple[str, str, str]:
        """A word for what it does, its colour, and how to go on."""
        status, pause = self._recorder.status, self._hotkeys["pause"].upper()
        if status.paused == "hotkey":
            return "paused   ", "bold yellow", f"press {pause} in the game's window to go on"
        if not status.focused:
            return "waiting  ", "bold yellow", "the game's window does not have the focus: nothing is recorded"
        if status.paused == "offscreen":
            return "offscreen", "bold yellow", "a part of the game's window is off the screen: move it back to go on"
        if status.paused:
            return "idle     ", "bold yellow", "nobody plays: press any key in the game to go on"
        return "recording", "bold red", ""

    def _rate(self, what: str) -> float:
        first, last = self._samples[0], self._samples[-1]
        took = last.t - first.t
        return (getattr(last, what) - getattr(first, what)) / took if took > 0 else 0.0

    def _left(self) -> str:
        """What is free on the disk, and for how long that is enough."""
        status = self._recorder.status
        free = f"{status.disk_free_mb / 1000:.1f} GB free"
        if self.live_s < 5 or not self._bytes:
            return free
        minutes = status.disk_free_mb * 1e6 / (self._bytes / self.live_s) / 60
        return f"{free} (~{minutes:.0f} min)" if minutes < 120 else f"{free} (~{minutes / 60:.0f} h)"


def size_of(folder: Path) -> int:
    """The bytes of the files in `folder`."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except OSError:  # one was renamed just now
        return 0


def clock(seconds: float) -> str:
    """1:02:03, or 02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
