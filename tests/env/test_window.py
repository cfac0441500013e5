"""The Arena's real window: the same picture as offscreen, real keys that reach the fight, and what it obeys itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from Xlib import X
from Xlib.ext import xtest
from Xlib.protocol import event

from combatvla.actions import Action
from combatvla.cli import main as combatvla
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.x11 import connect, key_code
from env.arena.fight import Fight
from env.arena.render import Renderer
from env.tasks import load_task, profile_of
from tests.helpers import run_command, start_command, until

SEED = 5


class Game:
    """`combatvla env play` in a process of its own, with its log."""

    def __init__(self, log: Path, *options: str, task: str = "first", size: str = "640x360") -> None:
        self.log, self.task = log, task
        self.profile = profile_of(load_task(task))
        what = ["--task", task, "--seed", str(SEED), "--size", size, "--log", str(log), "--mute", *options]
        self.process = start_command("env", "play", *what, stdout=subprocess.DEVNULL)

    def ticks(self) -> list[dict]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines[:-1]]

    def find(self, desktop):
        """The window, once it has the focus and the fight goes on."""
        window = desktop.find_window(self.profile, wait_s=20)
        until(lambda: len(self.ticks()) > 5, 20)
        until(lambda: desktop.active_window() == window.id)
        return window

    def goes_on(self, seconds: float = 0.3) -> bool:
        """Whether ticks are logged while one waits."""
        before = len(self.ticks())
        time.sleep(seconds)
        return len(self.ticks()) > before


@contextmanager
def playing(tmp_path: Path, *options: str, **others: str) -> Iterator[Game]:
    game = Game(tmp_path / "log.jsonl", *options, **others)
    try:
        yield game
    finally:
        if game.process.poll() is None:
            game.process.terminate()
        game.process.wait(10)
        game.process.stderr.close()


@pytest.fixture
def keyboard(display):
    """Presses keys as a person does: `keyboard("p")`, or down and up apart. All are let go at the end."""
    connection, down = connect(), set()

    def press(key: str, *, hold: bool = False, release: bool = False) -> None:
        code = key_code(connection, key) if len(key) == 1 or key in ("enter", "escape", "shift", "down") else CODES[key]
        if not release:
            xtest.fake_input(connection, X.KeyPress, code)
            down.add(code)
        if not hold:
            xtest.fake_input(connection, X.KeyRelease, code)
            down.discard(code)
        connection.sync()

    yield press
    for code in down:
        xtest.fake_input(connection, X.KeyRelease, code)
    connection.close()


CODES = {"backspace": 22, "f1": 67}
"""X key codes of the keys that no profile names."""


def rows_as_offscreen(game: Game, pixels: np.ndarray, t_ns: int) -> int:
    """How many rows of a captured picture are those of the offscreen pictures of the ticks about that time, to the bit:
    from above of one picture, from below of one picture. They are the same picture, unless the capture fell between two
    strips of the next one (X takes a large picture in strips, and serves others between them)."""
    height, width, _ = pixels.shape
    fight, renderer, above, below = Fight(load_task(game.task), SEED), Renderer(width, height), 0, 0
    for line in game.ticks():
        fight.tick(frozenset(Action(a) for a in line["held"]))
        if abs(line["t_ns"] - t_ns) < 1_500_000_000:  # on a busy machine the game may have stood still before
            same = (renderer.draw(fight) == pixels).all(axis=(1, 2))
            above = max(above, int(np.cumprod(same).sum()))
            below = max(below, int(np.cumprod(same[::-1]).sum()))
    renderer.close()
    return min(height, above + below)


@pytest.mark.parametrize(
    ("task", "action", "state"), [("first", Action.LIGHT_ATTACK, "light"), ("ronin", Action.BLOCK, "block")]
)
def test_window_shows_the_offscreen_picture_and_takes_keys(desktop, tmp_path, task, action, state):
    with playing(tmp_path, "--plain", task=task) as game:
        window = game.find(desktop)
        assert window.title == f"{game.profile.title} – {load_task(task).title}"
        with GuardedInjector(desktop, window, game.profile, armed=True) as injector:
            injector.set_held(frozenset({Action.SPRINT, Action.MOVE_FORWARD}))
            until(lambda: game.ticks()[-1]["held"] == ["move_forward", "sprint"])
            injector.set_held(frozenset({action}))
            until(lambda: game.ticks()[-1]["held"] == [action])
            injector.set_held(frozenset())
            until(lambda: game.ticks()[-1]["held"] == [])
            assert any(t["player"]["state"] == state for t in game.ticks())
        frame = WindowCapture(window).grab()
        until(lambda: game.ticks()[-1]["t_ns"] > frame.t_ns)
        game.process.terminate()
        assert game.process.wait(10) == 143
        assert rows_as_offscreen(game, frame.pixels, frame.t_ns) == 360


def test_a_resized_window_keeps_the_picture_whole(desktop, tmp_path):
    with playing(tmp_path, "--plain") as game:
        window = game.find(desktop)
        connection = connect()
        connection.create_resource_object("window", window.id).configure(width=480, height=400)
        connection.sync()
        connection.close()
        with WindowCapture(window) as capture:
            until(lambda: capture.grab().pixels.shape == (400, 480, 3))
            time.sleep(0.5)
            frame = capture.grab()
        until(lambda: game.ticks()[-1]["t_ns"] > frame.t_ns)
        game.process.terminate()
        bars = np.concatenate([frame.pixels[:64], frame.pixels[-64:]])
        assert not bars.any(), "above and below the picture all is black"
        assert rows_as_offscreen(game, frame.pixels[65:-65], frame.t_ns) == 270


def test_pause_restart_and_quit(desktop, keyboard, tmp_path):
    with playing(tmp_path) as game:
        window = game.find(desktop)
        for pause, resume in (("escape", "escape"), ("p", "enter")):
            keyboard(pause)
            until(lambda: not game.goes_on())
            keyboard(resume)
            until(game.goes_on)
        keyboard("p")
        until(lambda: not game.goes_on())
        xtest.fake_input(connection := connect(), X.MotionNotify, x=window.x + 320, y=window.y + 148)
        for kind in (X.ButtonPress, X.ButtonRelease):  # on "Resume"
            xtest.fake_input(connection, kind, 1)
            connection.sync()
            time.sleep(0.3)
        connection.close()
        assert game.goes_on() and not any("light_attack" in line["held"] for line in game.ticks())
        keyboard("p")
        until(lambda: not game.goes_on())
        keyboard("down")
        keyboard("enter")  # the second row: the same fight again
        until(lambda: sum(line["tick"] == 1 for line in game.ticks()) == 2)
        keyboard("backspace")
        until(lambda: sum(line["tick"] == 1 for line in game.ticks()) == 3)
        assert {line["seed"] for line in game.ticks()} == {SEED}, "the same fight again"
        keyboard("q")
        assert game.goes_on(), "q means quit in the menu only"
        keyboard("p")
        until(lambda: not game.goes_on())
        with WindowCapture(window) as capture:
            paused = capture.grab().pixels.copy()
            keyboard("f1")  # the first help has gone, or goes now; either way the picture changes
            until(lambda: (capture.grab().pixels != paused).mean() > 0.05)
        keyboard("q")
        assert game.process.wait(10) == 0 and game.process.stderr.read() == ""


def test_a_window_without_the_focus_holds_nothing(desktop, keyboard, probe, tmp_path):
    with playing(tmp_path, "--plain") as game:
        window = game.find(desktop)
        keyboard("w", hold=True)
        until(lambda: game.ticks()[-1]["held"] == ["move_forward"])
        other = probe("another window")
        until(lambda: desktop.active_window() != window.id)
        until(lambda: game.ticks()[-1]["held"] == [])
        keyboard("w", release=True)
        other.close()
        assert desktop.activate(window, timeout_s=5)
        time.sleep(0.3)
        assert game.ticks()[-1]["held"] == []


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("destroy", "the Arena's window was destroyed by another program"),
        ("kill_client", "ended with its display, or was killed"),
    ],
)
def test_a_window_ended_from_outside_says_so_in_a_sentence(desktop, tmp_path, end, words):
    with playing(tmp_path, "--plain") as game:
        window = game.find(desktop)
        connection = connect()
        getattr(connection.create_resource_object("window", window.id), end)()
        connection.sync()
        connection.close()
        assert game.process.wait(10) == 2
        said = game.process.stderr.read()
        assert said.count("\n") == 1 and words in said


def test_sigterm_ends_it_while_the_rules_are_compiled(display, tmp_path):
    """As on a fresh clone: with nothing compiled yet."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    process = start_command("env", "play", "--mute", env=environment)
    try:
        assert "compiling the rules" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (-signal.SIGTERM, 143)
    finally:
        process.kill()
        process.communicate()


def test_a_window_larger_than_the_screen_is_told_of_and_the_close_button_closes(desktop, tmp_path):
    with playing(tmp_path, "--plain", size="1600x900") as game:
        window = game.find(desktop)
        until(lambda: len(game.ticks()) > 120)
        connection = connect()
        button = event.ClientMessage(
            window=connection.create_resource_object("window", window.id),
            client_type=connection.get_atom("_NET_CLOSE_WINDOW"),
            data=(32, [X.CurrentTime, 2, 0, 0, 0]),
        )
        connection.screen().root.send_event(button, event_mask=X.SubstructureRedirectMask)
        connection.sync()
        connection.close()
        assert game.process.wait(10) == 0
        said = game.process.stderr.read()
        assert "does not fit the screen (1280x720)" in said and "destroyed" not in said


def test_the_figures_of_the_window(display):
    done = run_command("env", "play", "--size", "640x360", "--mute", "--bench", "1", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert 5 < figures["fps"] < 62 and 0 < figures["core_share"] < 1.2, figures
    assert 0 < figures["frame_ms_p50"] <= figures["frame_ms_p95"] <= figures["frame_ms_max"], figures


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--size", "big"], "expected a size such as 1280x720"),
        (["--task", "frist"], "unknown task 'frist'"),
        (["--bench", "0"], "expected a number of seconds above 0"),
        ([], "DISPLAY is not set"),
    ],
)
def test_bad_input_is_one_sentence(arguments, said, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert combatvla(["env", "play", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "display_name", "said"),
    [
        (["--log", "/nowhere/log"], None, "choose another path"),
        ([], ":973", "is an X server running there"),
    ],
)
def test_trouble_with_the_window_is_one_sentence(display, arguments, display_name, said):
    done = run_command("env", "play", *arguments, env={**os.environ, "DISPLAY": display_name or display})
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
