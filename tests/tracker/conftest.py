"""What several tests of the tracker use: a game's window, keys of any kind, and a home of their own."""

from __future__ import annotations

import time

import pytest
from Xlib.ext.xtest import fake_input

from combatvla.desktop.x11 import connect


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
