"""The panel in the terminal: what it says, in what room; and that it leaves the terminal whole."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.chronicle import Chronicle
from agent.panel import draw, spark
from combatvla import cli
from combatvla.episode import read_info
from tests.helpers import until
from tests.tracker.episodes import at, write_episode

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
AGENT = """
import os, sys, time
from pathlib import Path
from agent.panel import Panel
from tests.tracker.episodes import write_episode
folder = write_episode(Path(sys.argv[1]), film=False)
with Panel(folder):
    time.sleep(3)
    print("said by the agent", file=sys.stderr, flush=True)
    os.write(2, b"said by a library\\n" * 3)
    time.sleep(float(sys.argv[2]))
    (folder / "fought").touch()
    if sys.argv[2] == "0.5":
        raise RuntimeError("what went wrong")
print("after it", file=sys.stderr)
"""
OWN = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
ROOT = Path(cli.__file__).parents[1]


def text_of(renderable, width: int, height: int) -> str:
    import io

    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, height=height).print(renderable)
    return out.getvalue()


class Terminal:
    """A terminal, and a program in it that has it to itself."""

    def __init__(self, columns: int, lines: int, *command: str) -> None:
        self.said = bytearray()
        self.read = True
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWN + command[0], *command[1:]],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=env, cwd=ROOT,
        )  # fmt: skip
        os.close(theirs)
        self.ours = ours
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while self.read:
            try:
                data = os.read(self.ours, 65536)
            except OSError:  # the last program of the terminal has ended
                return
            self.said += data

    def text(self) -> str:
        return CODES.sub("", self.said.decode("utf-8", "replace"))

    def whole(self) -> bool:
        """Whether the cursor can be seen."""
        return self.said.rfind(b"\x1b[?25h") > self.said.rfind(b"\x1b[?25l") >= 0


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*what) -> Terminal:
        opened.append(Terminal(*what))
        return opened[-1]

    yield open_terminal
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


def test_it_tells_what_the_agent_does(tmp_path):
    folder = write_episode(tmp_path / "e", film=False)
    chronicle, info = Chronicle(folder), read_info(folder)
    then = text_of(draw(chronicle, info, at(700), 90, 30), 90, 30)
    for word in ("ARMED", "arena, tiny", "move left + dodge 0.1 s", "slam", "40 ms", "2 decisions", "0:00 of 1:00"):
        assert word in then
    assert "YOU PLAY" in text_of(draw(chronicle, info, at(1800), 90, 30), 90, 30)
    later = text_of(draw(chronicle, info, at(2700), 90, 30), 90, 30)
    assert "1 no plan" in later and "0.4 s without focus" in later and "0.5 s you" in later
    assert "no plan: <tool_call> rubbish" in later


@pytest.mark.parametrize("columns", [1, 3, 20, 45, 46, 60, 200])
@pytest.mark.parametrize("lines", [1, 5, 30])
def test_it_fits_any_terminal(tmp_path, columns, lines):
    folder = write_episode(tmp_path / "e", film=False)
    drawn = text_of(draw(Chronicle(folder), read_info(folder), at(700), columns, lines), columns, lines).splitlines()
    assert len(drawn) <= max(lines, 1) and all(len(line) <= columns for line in drawn)


def test_a_spark_line():
    assert spark([0, 60, 119, 500], 3, 120) == "▅██" and spark([], 5, 120) == ""


@pytest.mark.parametrize(("columns", "lines"), [(100, 30), (24, 4)])
def test_what_is_said_meanwhile_stands_above_it(terminal, tmp_path, columns, lines):
    one = terminal(columns, lines, AGENT, str(tmp_path / "e"), "0.5")
    one.process.wait(20)
    until(lambda: "what went wrong" in one.text())
    said = one.text()
    assert said.count("said by the agent") == 1 and said.count("said by a library") == 3
    assert said.rindex("RuntimeError: what went wrong") > said.rindex("said by a library")
    assert "ARMED" in said and one.whole()
    assert one.said.count(b"\x1b[?25l") == 1, "it was begun once"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_it_leaves_the_terminal_whole(terminal, tmp_path, number):
    one = terminal(80, 24, AGENT, str(tmp_path / "e"), "30")
    until(lambda: "said by the agent" in one.text(), 20)
    one.process.send_signal(number)
    one.process.wait(10)
    until(one.whole)


def test_nobody_waits_for_a_terminal_that_stands_still(terminal, tmp_path):
    """As after Ctrl-S: nothing is read any more."""
    one = terminal(80, 24, AGENT, str(tmp_path / "e"), "6")
    until(lambda: "ARMED" in one.text(), 20)
    one.read = False
    until(lambda: (tmp_path / "e" / "fought").exists(), 20)
    one.read = True
    threading.Thread(target=one._read, daemon=True).start()
    assert one.process.wait(20) == 0
    until(lambda: "after it" in one.text())


RUN = "import sys; from combatvla import cli; sys.exit(cli.main(sys.argv[1:]))"


@pytest.mark.parametrize("how", [(), ("--plain",)])
def test_a_run_in_a_terminal(terminal, probe, desktop, arena, down, tmp_path, how):
    probe("CombatVLA Arena – probe", 640, 360, 0, 0).find(desktop, arena)
    what = ("agent", "run", "--policy", "random", "--armed", "--seconds", "3", "--log", str(tmp_path), "--hud", *how)
    one = terminal(110, 30, RUN, *what)
    assert one.process.wait(60) == 0
    until(lambda: "agent replay" in one.text())
    said = one.text()
    assert ("ARMED" in said) == (not how) and ("/s  age" in said) == bool(how)
    assert said.index("milliseconds") > said.rindex("decisions") - 4000 and "Traceback" not in said
    if not how:
        assert one.whole() and said.rindex("milliseconds") > said.rindex("ARMED")


def test_a_run_whose_window_is_closed_says_so_under_a_whole_terminal(terminal, probe, desktop, arena, down, tmp_path):
    window = probe()
    window.find(desktop, arena)
    one = terminal(110, 30, RUN, "agent", "run", "--policy", "random", "--armed", "--log", str(tmp_path))
    until(lambda: "ARMED" in one.text() and down(), 30)
    window.process.kill()
    assert one.process.wait(30) == 2
    until(lambda: "was closed while the agent played" in one.text())
    assert one.whole() and one.text().rindex("was closed") > one.text().rindex("ARMED")
