"""Shared fixtures: one real X display (Xvfb and openbox) a test run, and small real windows on it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from Xlib import XK, X

from combatvla.desktop import Desktop, Window, open_desktop
from combatvla.desktop.display import own_display
from combatvla.desktop.x11 import connect, key_code
from combatvla.profiles import GameProfile, load_profile

# A shell's background jobs ignore Ctrl-C, and so would every program that the tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROBE = Path(__file__).parent / "probe_window.py"


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A display of the tests' own, 1280x720; `DISPLAY` is set to it."""
    with own_display(1280, 720) as name:
        yield name


@pytest.fixture
def desktop(display: str) -> Iterator[Desktop]:
    opened = open_desktop()
    yield opened
    opened.close()


@pytest.fixture
def arena() -> GameProfile:
    return load_profile("arena")


class ProbeWindow:
    """A real window in a process of its own that notes every key and button it gets."""

    def __init__(self, title: str, width: int, height: int, x: int, y: int, *extra: str) -> None:
        self.title = title
        self.process = subprocess.Popen(
            [sys.executable, str(PROBE), title, str(width), str(height), str(x), str(y), *extra],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "mapped\n"

    def find(self, desktop: Desktop, profile: GameProfile, *, focus: bool = True) -> Window:
        window = desktop.find_window(profile.model_copy(update={"title": self.title}), wait_s=5)
        if focus:
            assert desktop.activate(window, timeout_s=5)
        return window

    def close(self) -> list[tuple[str, str]]:
        """Closes it and gives what it got: ("press" or "release", key)."""
        if self.process.poll() is None:
            time.sleep(0.05)  # what was sent just now is still on its way
            self.process.terminate()
        said, _ = self.process.communicate(timeout=5)
        return [tuple(line.split(" ", 1)) for line in said.splitlines()]


@pytest.fixture
def probe(display: str) -> Iterator[Callable[..., ProbeWindow]]:
    """Opens probe windows: `probe(title="…", width=320, height=240, x=0, y=0)`."""
    opened: list[ProbeWindow] = []

    def open_probe(
        title: str = "CombatVLA Arena – probe", width: int = 320, height: int = 240, x: int = 0, y: int = 0, *extra: str
    ) -> ProbeWindow:
        opened.append(ProbeWindow(title, width, height, x, y, *extra))
        return opened[-1]

    yield open_probe
    for window in opened:
        if window.process.poll() is None:
            window.process.kill()
        window.process.wait()
        window.process.stdout.close()


@pytest.fixture
def server(display: str) -> Iterator[Callable[[], tuple[int, int]]]:
    """What the X server holds, as a function: how many keys and how many buttons; none before and after a test."""
    x = connect()

    def count() -> tuple[int, int]:
        keys, mask = x.query_keymap(), x.screen().root.query_pointer().mask
        buttons = sum(bool(mask & m) for m in (X.Button1Mask, X.Button2Mask, X.Button3Mask))
        return sum(byte.bit_count() for byte in keys), buttons

    assert count() == (0, 0), "an earlier test left input held"
    yield count
    assert count() == (0, 0), "input was left held"
    x.close()


@pytest.fixture
def down(server) -> Callable[[], int]:
    """How many keys and buttons together the X server holds; none before and after a test."""
    return lambda: sum(server())


class Person:
    """Types and clicks as somebody at the other end of VNC does."""

    def __init__(self) -> None:
        self.x = connect()
        self._held: list[int] = []

    def _fake(self, kind: int, detail: int, **where: int) -> None:
        self.x.xtest_fake_input(kind, detail, **where)
        self.x.sync()

    def press(self, key: str) -> None:
        named = {"f9": "F9", "ctrl": "Control_L", "shift": "Shift_R"}.get(key)
        code = self.x.keysym_to_keycode(XK.string_to_keysym(named)) if named else key_code(self.x, key)
        self._fake(X.KeyPress, code)
        self._held.append(code)

    def let_go(self) -> None:
        while self._held:
            self._fake(X.KeyRelease, self._held.pop())

    def tap(self, *keys: str) -> None:
        for key in keys:
            self.press(key)
        self.let_go()

    def click(self, button: int = 1) -> None:
        self._fake(X.ButtonPress, button)
        self._fake(X.ButtonRelease, button)

    def move(self, dx: int, dy: int) -> None:
        self._fake(X.MotionNotify, 1, x=dx, y=dy)


@pytest.fixture
def person(server) -> Iterator[Person]:
    one = Person()
    yield one
    one.let_go()
    one.x.close()


@pytest.fixture
def click_to_focus(display: str) -> Iterator[Callable[[], int]]:
    """As a window manager that is told of each click before the window is: how many it was told of."""
    x = connect()
    root = x.screen().root
    root.grab_button(1, X.AnyModifier, False, X.ButtonPressMask, X.GrabModeSync, X.GrabModeAsync, X.NONE, X.NONE)
    x.sync()
    told: list[int] = []
    done = threading.Event()

    def replay() -> None:
        while not done.is_set():
            select.select([x.fileno()], [], [], 0.01)
            for _ in range(x.pending_events()):
                event = x.next_event()
                if event.type == X.ButtonPress:
                    told.append(event.detail)
                    x.allow_events(X.ReplayPointer, event.time)
                    x.sync()

    thread = threading.Thread(target=replay)
    thread.start()
    yield lambda: len(told)
    done.set()
    thread.join()
    x.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; tests/tracker/test_session.py does without")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here; tests/tracker/test_session.py does without")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
