"""The Arena's real window: the same picture as offscreen, and real keys that reach the fight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from Xlib import X
from Xlib.ext import xtest

from combatvla.actions import Action
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.x11 import connect, key_code
from combatvla.vision import FrameSpec
from env.arena.render import Renderer
from env.arena.rules import Fight
from env.tasks import load_task


def open_arena(log: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "combatvla", "env", "play", "--seed", "5", "--size", "640x360", "--log", str(log)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds: float = 15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def ticks(log: Path) -> list[dict]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines[:-1]]


def test_window_shows_the_offscreen_picture_and_takes_keys(desktop, arena, tmp_path):
    log = tmp_path / "log.jsonl"
    game = open_arena(log)
    try:
        window = desktop.find_window(arena, wait_s=15)
        wait_for(lambda: len(ticks(log)) > 5)
        wait_for(lambda: desktop.active_window() == window.id)
        with GuardedInjector(desktop, window, arena, armed=True) as injector:
            injector.set_held(frozenset({Action.SPRINT, Action.MOVE_FORWARD}))
            wait_for(lambda: ticks(log)[-1]["held"] == ["move_forward", "sprint"])
            injector.set_held(frozenset({Action.LIGHT_ATTACK}))
            wait_for(lambda: ticks(log)[-1]["held"] == ["light_attack"])
            injector.set_held(frozenset())
            wait_for(lambda: ticks(log)[-1]["held"] == [])
            assert any(t["player"]["state"] == "light" for t in ticks(log))
        # The pictures of all recent ticks: what was captured is one of them, to the bit. (On a busy machine the game
        # may have stood still for a while before the capture.)
        frame = WindowCapture(window).grab()
        wait_for(lambda: ticks(log)[-1]["t_ns"] > frame.t_ns)
    finally:
        game.terminate()
        game.wait(10)
    fight, renderer = Fight(load_task("first"), 5), Renderer(640, 360)
    differences = []
    for line in ticks(log):
        fight.tick(frozenset(Action(a) for a in line["held"]))
        if abs(line["t_ns"] - frame.t_ns) < 1_500_000_000:
            picture = renderer.draw(fight)
            differences.append(np.abs(picture.astype(int) - frame.pixels).max())
            if not differences[-1]:
                assert np.array_equal(FrameSpec().prepare(picture), FrameSpec().prepare(frame.pixels))
    renderer.close()
    assert differences and min(differences) == 0, differences
    assert game.returncode == 143


def test_escape_closes_the_window(desktop, arena, tmp_path):
    game = open_arena(tmp_path / "log.jsonl")
    try:
        desktop.find_window(arena, wait_s=15)
        wait_for(lambda: len(ticks(tmp_path / "log.jsonl")) > 3)
        connection = connect()
        for kind in (X.KeyPress, X.KeyRelease):
            xtest.fake_input(connection, kind, key_code(connection, "escape"))
        connection.sync()
        connection.close()
        assert game.wait(10) == 0
    finally:
        game.kill()


@pytest.mark.parametrize(
    ("arguments", "display_name", "said"),
    [
        (["--size", "big"], None, "expected a size such as 1280x720"),
        (["--task", "frist"], None, "unknown task 'frist'"),
        ([], "", "DISPLAY is not set"),
        ([], ":973", "is an X server running there"),
    ],
)
def test_bad_input_is_one_sentence(arguments, display_name, said):
    environment = dict(os.environ)
    if display_name is not None:
        environment["DISPLAY"] = display_name
    command = [sys.executable, "-m", "combatvla", "env", "play", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
