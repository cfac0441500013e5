"""The Arena's window from outside: opened in a process of its own, as a game is, and found among other windows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from combatvla.desktop.base import Desktop, Window
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from env.tasks import Task, load_task

START_S = 60.0
"""Seconds the game has to open its window."""
TRUTH_FILE = "truth.jsonl"
"""The log of true states that the game leaves in its folder."""
SAID_FILE = "game.txt"
"""What the game printed."""


def warm_rules(task: Task) -> None:
    """Compiles the rules if no process has done so before (on a fresh clone, once, some 20 s), and says so if it takes
    long: before a window opens, which would stand still."""
    from env.arena.fight import Fight

    say = threading.Timer(2.0, print, ["compiling the rules of the fight, once …"], {"file": sys.stderr, "flush": True})
    say.daemon = True
    say.start()
    Fight(task, 0).run(0, 1)
    say.cancel()


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen]:
    """A game in a process of its own, which prints into `folder`; ended on the way out."""
    with (folder / SAID_FILE).open("wb") as said:
        game = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # a Ctrl-C ends the player first, and the player ends the game
        )
    try:
        yield game
    finally:
        if game.poll() is None:
            game.terminate()
            try:
                game.wait(10)
            except subprocess.TimeoutExpired:
                game.kill()
                game.wait()


def check_runs(game: subprocess.Popen, name: str, folder: Path) -> None:
    """`UserError` with the last line that the game `name` printed, when it has ended."""
    if game.poll() is not None:
        said = (folder / SAID_FILE).read_text(errors="replace").strip().splitlines()
        raise UserError(f"{name} did not open: {said[-1] if said else 'it ended without a word'}")


@contextmanager
def arena_window(folder: Path, task: str, seed: int, size: str, *options: str) -> Iterator[subprocess.Popen]:
    """`combatvla env play` with `options`, logging into `folder`; ended on the way out."""
    warm_rules(load_task(task))
    truth = folder / TRUTH_FILE
    truth.touch()  # whoever follows it need not wait for the game
    what = ["--task", task, "--seed", str(seed), "--size", size, "--log", str(truth), "--plain", *options]
    with running([sys.executable, "-m", "combatvla", "env", "play", *what], folder) as game:
        yield game


def find_arena(desktop: Desktop, profile: GameProfile, game: subprocess.Popen, folder: Path) -> Window:
    """The window of `game`, with the focus: none of another Arena, which may be open. `UserError` when it does not open
    or does not get the focus."""
    until = time.monotonic() + START_S
    while True:
        check_runs(game, "the Arena", folder)
        with suppress(UserError):
            window = desktop.find_window(profile, wait_s=0.1, pid=game.pid)
            break
        if time.monotonic() > until:
            raise UserError(
                f"the Arena opened no window within {START_S:.0f} s, or another Arena kept the focus: close other "
                "windows of it, and try `combatvla env play`"
            )
    if not desktop.activate(window, timeout_s=5):
        raise UserError("the Arena's window did not get the focus, so no keys can be sent: close what covers it")
    return window
