"""The agent's panel in the terminal: who plays, the keys held, the plan, the thought, how old actions are.

It runs in a process of its own and reads the episode's log as it grows: neither the model nor the keys wait for the
terminal, not even for one that stands still. What is said on standard error meanwhile goes through the panel, which
puts it above itself. It leaves the terminal whole on every way out, also when the agent is killed.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.companion import Companion

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from agent.chronicle import Chronicle
    from combatvla.episode import EpisodeInfo, Mode

HZ = 6
LEAST = 46, 10
"""Columns and lines of a terminal that has room for the panel; in a smaller one it is a line."""
RECENT = 300
"""Over so many of the last ages p50 and p95 are taken."""
SHOW_CURSOR = "\x1b[?25h"
BADGES: dict[Mode, tuple[str, str]] = {
    "armed": ("ARMED", "black on green"),
    "dry run": ("DRY RUN", "black on bright_blue"),
    "no focus": ("NO FOCUS", "white on red"),
    "human": ("YOU PLAY", "black on magenta"),
    "killed": ("STOPPED", "white on red"),
}
BLOCKS = "▁▂▃▄▅▆▇█"


class Panel(Companion):
    """Shows the panel of the episode in `folder` on the terminal of standard error, from creation to `close`, which may
    be called again. Until then what is written to standard error is put above it."""

    def __init__(self, folder: Path) -> None:
        sys.stderr.flush()
        self._terminal = os.dup(2)
        self._said, writes = os.pipe()  # our end stays open: who writes need not care whether the panel lives
        super().__init__(
            "agent.panel",
            folder,
            self._said,
            pass_fds=(self._said,),
            stderr=self._terminal,
            start_new_session=False,  # of the terminal's session, to know who is in its foreground
            process_group=0,
        )
        os.dup2(writes, 2)
        os.close(writes)

    def close(self, patience_s: float = 2.0) -> None:
        if self._terminal < 0:
            return
        sys.stderr.flush()
        os.dup2(self._terminal, 2)
        os.close(self._terminal)
        self._terminal = -1
        super().close(patience_s)
        if self.process.returncode and select.select([], [2], [], 0)[1]:  # it could not do so itself
            os.write(2, SHOW_CURSOR.encode())
        while select.select([self._said], [], [], 0)[0] and (left := os.read(self._said, 65536)):
            os.write(2, left)
        os.close(self._said)


def in_foreground() -> bool:
    """Whether the agent, our parent, has its terminal to itself: in the background of a shell nothing is drawn."""
    try:
        return os.tcgetpgrp(2) == os.getpgid(os.getppid())
    except OSError:
        return True  # no terminal that a shell manages


def spark(values: list[float], width: int, full: float) -> str:
    return "".join(BLOCKS[min(7, max(0, int(v / full * 8)))] for v in values[-width:])


def seconds_of(chronicle: Chronicle, mode: Mode, now_ns: int) -> float:
    """For how long it has been `mode`."""
    from combatvla.episode import spans_of

    return sum((end - line.t_ns) / 1e9 for line, end in spans_of(chronicle.modes, now_ns) if line.mode == mode)


def draw(chronicle: Chronicle, info: EpisodeInfo, now_ns: int, width: int, height: int) -> RenderableType:
    """The panel as it is at `now_ns`, for a terminal of that size."""
    from rich.panel import Panel as Frame
    from rich.table import Table
    from rich.text import Text

    from combatvla.episode import AGE_GOAL_MS
    from combatvla.report import percentile

    now = chronicle.at(now_ns, info.monotonic_ns)
    ages = chronicle.ages_until(now_ns, RECENT)
    p50, p95 = percentile(ages, 50), percentile(ages, 95)
    badge, style = BADGES[now.mode]
    held = " + ".join(a.replace("_", " ") for a in now.held)
    if width < LEAST[0] or height < LEAST[1]:
        age = "" if now.age_ms is None else f" {now.age_ms:.0f} ms"
        line = Text.assemble((f" {badge} ", style), age, f" {held or 'wait'}", no_wrap=True, overflow="ellipsis")
        line.truncate(max(1, width - 1))
        return line
    keys = Text(no_wrap=True, overflow="ellipsis")
    for action, key in info.game.keys.items():
        label = {"mouse_left": "LMB", "mouse_right": "RMB", "mouse_middle": "MMB"}.get(key, key.upper())
        keys.append(f" {label} ", "bold black on yellow" if action in now.held else "grey62 on grey19").append(" ")
    plan = Text(no_wrap=True, overflow="ellipsis")
    for i, (what, ms) in enumerate(now.plan):
        plan.append(" › " if i else "", "grey50").append(what, "bold" if i == now.step else "grey62")
        plan.append(f" {ms / 1000:g} s", "grey50")
    thought = Text(now.thought or now.said, "" if now.thought else "grey50", no_wrap=True, overflow="ellipsis")
    if not now.parsed:
        thought = Text(f"no plan: {now.said or 'no answer'}", "red", no_wrap=True, overflow="ellipsis")
    age = Text(no_wrap=True, overflow="ellipsis")
    if now.age_ms is not None:
        age.append(f"{now.age_ms:4.0f} ms", "bold green" if now.age_ms <= AGE_GOAL_MS else "bold red")
        age.append(f"  p50 {p50:.0f}  p95 {p95:.0f}  ", "grey62")
        age.append(spark(list(now.ages_ms), max(8, width - 46), max(AGE_GOAL_MS, *now.ages_ms)), "green")
    counts = [f"{now.hz:.1f}/s", f"{now.decisions} decisions"]
    counts.append(f"{chronicle.parse_failures} no plan")
    for mode, said in (("no focus", "without focus"), ("human", "you")):
        if (s := seconds_of(chronicle, mode, now_ns)) > 0 or mode == "no focus":
            counts.append(f"{s:.1f} s {said}")
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=7, style="grey50")
    grid.add_column(ratio=1)
    rows = [("keys", keys), ("plan", plan), ("thought", thought), ("age", age)]
    for name, text in [*rows, ("", Text(" · ".join(counts), "grey62", no_wrap=True, overflow="ellipsis"))]:
        grid.add_row(name, text)
    most = "" if info.seconds is None else f" of {info.seconds // 60:.0f}:{info.seconds % 60:02.0f}"
    title = Text.assemble((f" {badge} ", style), f" {info.game.name}, {info.policy or 'a policy'} ")
    if now.mode == "human":
        title.append(f"– {info.give_back.upper()} gives back ", "magenta")
    time_told = f" {now.seconds // 60}:{now.seconds % 60:02d}{most}, Ctrl-C ends it "
    return Frame(
        grid, title=title, title_align="left", subtitle=Text(time_told, "grey50"), subtitle_align="right",
        border_style="grey37", width=min(width, 110),
    )  # fmt: skip


class Messages:
    """The whole lines that are said on standard error meanwhile."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._begun = b""

    def read(self, *, rest: bool = False) -> list[str]:
        """Those that have come; `rest`: also one that is not ended."""
        while select.select([self.fd], [], [], 0)[0] and (data := os.read(self.fd, 65536)):
            self._begun += data
        *whole, self._begun = self._begun.split(b"\n")
        if rest and self._begun:
            whole, self._begun = [*whole, self._begun], b""
        return [line.decode("utf-8", "replace") for line in whole]


def watch(folder: Path, messages: Messages, console: Console) -> None:
    """Shows the panel until standard input ends."""
    from rich.live import Live
    from rich.text import Text

    from agent.chronicle import Chronicle
    from combatvla.episode import read_info

    chronicle, info, live, size = Chronicle(folder), None, None, None
    ended = False
    try:
        while not ended:
            ended = bool(select.select([sys.stdin], [], [], 1 / HZ)[0])
            for line in messages.read(rest=ended):
                console.print(Text(line), soft_wrap=True)
            info = info or read_info(folder)
            shown = info is not None and not ended and in_foreground()
            if live and (not shown or console.size != size):
                live.stop()
                live = None
            if not shown:
                continue
            size = console.size
            chronicle.look()
            picture = draw(chronicle, info, time.monotonic_ns(), size.width, size.height)
            if live is None:
                live = Live(picture, console=console, auto_refresh=False, transient=True, redirect_stdout=False,
                            redirect_stderr=False, vertical_overflow="crop")  # fmt: skip
                live.start(refresh=True)
            else:
                live.update(picture, refresh=True)
    finally:
        if live:
            live.stop()


def main(argv: list[str]) -> int:
    from rich.console import Console

    from combatvla.errors import UserError

    for number in (signal.SIGINT, signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.nice(5)
    messages, console = Messages(int(argv[1])), Console(stderr=True)
    try:
        watch(Path(argv[0]), messages, console)
    except (UserError, OSError) as error:
        print(f"the panel is not shown: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
