"""What several tests of the tracker use: a game's window, keys of any kind, a home of their own, a recorded fight."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from Xlib.ext.xtest import fake_input

from combatvla.desktop.x11 import connect
from tests.helpers import run_command
from tests.tracker.episodes import write_episode


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    """Where commands remember what they have shown: not in the home of who runs the tests."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def game(desktop, arena, probe):
    """A window that repaints itself 60 times a second, with the focus."""
    opened = probe("CombatVLA Arena – probe", 320, 180, 0, 0, "flicker")
    return opened, opened.find(desktop, arena)


@pytest.fixture
def xtest(display):
    """Sends what no injector of ours sends: `xtest(kind, detail, **where)`."""
    connection = connect()

    def send(*what, **where) -> None:
        fake_input(connection, *what, **where)
        connection.sync()
        time.sleep(0.03)

    yield send
    connection.close()


@pytest.fixture
def episode(tmp_path: Path) -> Path:
    """What the agent left of a fight in which it was cut off (`tests.tracker.episodes`)."""
    return write_episode(tmp_path / "fight")


@pytest.fixture(scope="session")
def recorded_fight(tmp_path_factory, display) -> Path:
    """Ten seconds of the reference player in a small Arena window, with the log of true states. Not to be written to:
    take `fight`."""
    folder = tmp_path_factory.mktemp("recorded") / "fight"
    done = run_command(
        *("tracker", "demonstrate", "--out", str(folder), "--seed", "3", "--seconds", "10", "--size", "640x360")
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def fight(recorded_fight: Path, tmp_path: Path) -> Path:
    """A copy of it of the test's own."""
    copy = tmp_path / "fight"
    copy.mkdir()
    for file in recorded_fight.iterdir():
        os.link(file, copy / file.name)
    return copy
