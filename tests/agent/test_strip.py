"""The strip in a window of its own: beside the game, never over it, never with the focus; gone with the agent."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from Xlib import X
from Xlib.ext.xtest import fake_input

from agent import hud
from agent.log import EpisodeLog
from agent.strip import Box, StripWindow, find_place
from combatvla import cli
from combatvla.actions import Action
from combatvla.desktop.base import Window
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.x11 import connect
from tests.helpers import until

TITLE = "combatvla: what the agent does"
HOLD = """
import sys, time
from pathlib import Path
from agent.strip import StripWindow
from combatvla.desktop.base import Window
StripWindow(Window(int(sys.argv[1]), "", None, 0, 0, 0, 0), Path(sys.argv[2]))
time.sleep(60)
"""


@pytest.fixture
def x(display):
    connection = connect()
    yield connection
    connection.close()


def strips(x) -> list[Window]:
    """The strips that can be seen."""
    found = []
    for window in x.screen().root.query_tree().children:
        try:
            if window.get_wm_name() == TITLE and window.get_attributes().map_state == X.IsViewable:
                at = window.get_geometry()
                found.append(Window(window.id, TITLE, None, at.x, at.y, at.width, at.height))
        except Exception:  # closed meanwhile
            continue
    return found


@pytest.fixture
def log(tmp_path, desktop, arena, probe):
    """A game's window at 0, 0 with the focus, and the log of an episode in it that goes on."""
    window = probe("CombatVLA Arena – probe", 640, 360, 0, 0).find(desktop, arena)
    with EpisodeLog(tmp_path) as log:
        log.begins(arena, window, policy="tiny", armed=True, seconds=60)
        yield log, window


def lit(desktop, strip: Window) -> int:
    """How many pixels of it are of the colour of a held key."""
    with WindowCapture(strip, desktop=desktop) as eye:
        pixels = eye.grab().pixels.astype(int)
    return int((np.abs(pixels[:, : strip.width // 3] - hud.LIT).sum(axis=2) < 60).sum())


@pytest.mark.parametrize(
    ("game", "screen", "where"),
    [
        (Box(0, 0, 1280, 720), Box(0, 0, 1920, 1080), (0, 720, 1280, 160, False)),
        (Box(320, 180, 1280, 720), Box(0, 0, 1920, 1080), (320, 900, 1280, 160, False)),
        (Box(0, 360, 1280, 720), Box(0, 0, 1280, 1080), (0, 200, 1280, 160, False)),
        (Box(0, 0, 1280, 720), Box(0, 0, 1280, 800), (324, 720, 632, 80, False)),
        (Box(0, 0, 1280, 720), Box(0, 0, 1700, 720), (1280, 0, 420, 530, True)),
        (Box(420, 0, 1280, 720), Box(0, 0, 1700, 720), (0, 0, 420, 530, True)),
        (Box(0, 0, 1280, 720), Box(0, 0, 1280, 720), None),
        (Box(0, 0, 1920, 1080), Box(0, 0, 1920, 1080), None),
        (Box(2000, 0, 1280, 720), Box(1920, 0, 1920, 1080), (2000, 720, 1280, 160, False)),
    ],
)
def test_a_place_is_beside_the_game(game, screen, where):
    assert find_place(game, screen) == where


def test_no_place_covers_the_game_or_leaves_the_screen():
    screen = Box(0, 0, 1600, 900)
    for x in range(-700, 1700, 210):
        for y in range(-500, 1000, 130):
            for size in ((320, 180), (1280, 720), (1600, 700), (700, 890)):
                game = Box(x, y, *size)
                place = find_place(game, screen)
                if place is None:
                    continue
                box = Box(*place[:4])
                assert box.x >= 0 and box.y >= 0 and box.right <= 1600 and box.bottom <= 900
                wide = min(box.right, game.right) - max(box.x, game.x)
                high = min(box.bottom, game.bottom) - max(box.y, game.y)
                assert wide <= 0 or high <= 0, (game, place)


def test_it_shows_what_is_held_and_leaves_the_game_alone(log, desktop, x, tmp_path):
    log, window = log
    with StripWindow(window, tmp_path):
        until(lambda: strips(x), 20)
        (strip,) = strips(x)
        assert (strip.x, strip.y, strip.width, strip.height) == (0, 360, 640, 80)
        assert desktop.active_window() == window.id
        assert strip.id not in [w.id for w in desktop.windows()], "the tracker does not offer it"
        until(lambda: lit(desktop, strip) == 0)
        log.held(time.monotonic_ns(), frozenset({Action.SPRINT, Action.DODGE}))
        until(lambda: lit(desktop, strip) > 100)
        log.held(time.monotonic_ns(), frozenset())
        until(lambda: lit(desktop, strip) == 0)
        x.screen().root.warp_pointer(100, 400)
        for kind in (X.ButtonPress, X.ButtonRelease):
            fake_input(x, kind, 1)
        x.sync()
        time.sleep(0.2)
        assert desktop.active_window() == window.id, "a click on it takes no focus"
    assert strips(x) == []


def test_it_goes_where_the_game_goes(log, x, tmp_path):
    _, window = log
    with StripWindow(window, tmp_path):
        until(lambda: strips(x), 20)
        game = x.create_resource_object("window", window.id)
        game.configure(x=300, y=360)
        x.sync()
        until(lambda: [s.y for s in strips(x)] == [280])
        game.configure(x=0, y=0, width=1280, height=720)
        x.sync()
        until(lambda: strips(x) == [])
        game.configure(x=0, y=0, width=640, height=360)
        x.sync()
        until(lambda: [s.y for s in strips(x)] == [360])


def test_it_ends_with_the_agent_and_with_the_game(log, x, tmp_path, desktop):
    _, window = log
    root = Path(cli.__file__).parents[1]
    agent = subprocess.Popen([sys.executable, "-c", HOLD, str(window.id), str(tmp_path)], cwd=root)
    until(lambda: strips(x), 20)
    agent.kill()
    agent.wait()
    until(lambda: strips(x) == [])
    with StripWindow(window, tmp_path) as strip:
        until(lambda: strips(x), 20)
        x.create_resource_object("window", window.id).destroy()
        x.sync()
        assert strip.process.wait(10) == 0


def test_a_window_that_is_not_there(tmp_path, log, capfd):
    _, window = log
    EpisodeLog(tmp_path).close()
    with StripWindow(Window(1, "", None, 0, 0, 0, 0), tmp_path) as strip:
        assert strip.process.wait(20) == 0
    assert "Traceback" not in capfd.readouterr().err
