"""Nothing of other programs comes onto the disk: no key, no click, no pixel, no sound."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import av
import numpy as np
import pytest
from Xlib import XK, X
from Xlib.ext.xtest import fake_input

from combatvla.desktop.x11 import connect
from tests.helpers import until
from tracker.check import check
from tracker.recorder import Recorder
from tracker.rows import CoverRow
from tracker.session import Session

SECRET = "qzukjv"
"""Letters that no test presses in the game."""
NAMED = ("shift", "ctrl", "alt", "tab", "enter", "backspace", "key_")
GREY, RED = "#303030", "#FF0000"


@pytest.fixture
def typist(display):
    """Presses real keys: `typist("q")` taps one, `typist.down(...)` and `typist.up(...)` hold it."""
    connection = connect()

    class Typist:
        def send(self, kind: int, name: str) -> None:
            fake_input(connection, kind, connection.keysym_to_keycode(XK.string_to_keysym(name)))
            connection.sync()
            time.sleep(0.01)

        def down(self, name: str) -> None:
            self.send(X.KeyPress, name)

        def up(self, name: str) -> None:
            self.send(X.KeyRelease, name)

        def __call__(self, *names: str) -> None:
            for name in names:
                self.down(name)
                self.up(name)

    yield Typist()
    connection.close()


def words_on_disk(folder: Path) -> set[str]:
    """Every text and name in the session's lists, read from the raw files, whatever reads them otherwise."""
    found = set()
    for path in folder.glob("*.json*"):
        for line in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
            found |= {str(v) for v in json.loads(line).values()}
    return found


def assert_no_secret(folder: Path) -> None:
    words = words_on_disk(folder)
    assert not words & {*SECRET, *NAMED, "mouse_middle", "scroll"}
    assert not any(word.startswith("key_") for word in words)
    for path in folder.iterdir():
        assert SECRET.encode() not in path.read_bytes()
        if path.suffix != ".mkv":
            for letter in SECRET:
                assert f'"{letter}"'.encode() not in path.read_bytes()


def test_what_is_typed_elsewhere_is_never_on_disk(desktop, arena, game, probe, typist, xtest, tmp_path):
    other = probe(title="password", x=600)
    other.find(desktop, arena)
    assert desktop.activate(game[1], timeout_s=5)
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", fps=60)
    typist.down("w")  # held in the game, and over there it repeats itself
    elsewhere = other.find(desktop, arena)
    typist.down("q")  # held there, and on into the game
    typist(*SECRET[1:])
    typist.down("Shift_L")
    typist(*SECRET, "Tab", "BackSpace")
    typist.up("Shift_L")
    typist.up("w")
    xtest(X.MotionNotify, 0, x=elsewhere.x + 20, y=elsewhere.y + 20)
    for button in (2, 4, 5):
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    time.sleep(0.7)  # "q" repeats itself
    xtest(X.MotionNotify, 0, x=50, y=50)
    assert desktop.activate(game[1], timeout_s=5)
    until(lambda: recorder.status.focused)
    time.sleep(0.7)  # and goes on to
    typist.up("q")
    typist("d")
    until(lambda: recorder.status.events == 4)
    recorder.stop()
    recorder.wait()
    got = other.close()
    assert [key for kind, key in got if kind == "press" and key in SECRET][:1] == ["q"], "it was typed"
    events = [(e.key, e.down) for e in Session(tmp_path / "s").events]
    assert events == [("w", True), ("w", False), ("d", True), ("d", False)]
    assert_no_secret(tmp_path / "s")


def test_what_is_typed_into_a_screen_lock_is_never_on_disk(desktop, arena, game, typist, tmp_path):
    """It grabs the keyboard; the window manager goes on to call the game the active window."""
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", fps=60)
    typist("w")
    locker = connect()
    root = locker.screen().root
    lock = root.create_window(900, 500, 100, 100, 0, locker.screen().root_depth, override_redirect=True)
    lock.map()
    locker.sync()
    assert lock.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime) == X.GrabSuccess
    locker.sync()
    assert desktop.active_window() == game[1].id
    typist(*SECRET)
    until(lambda: not recorder.status.focused)
    locker.close()
    until(lambda: recorder.status.focused)
    typist("d")
    until(lambda: recorder.status.events == 4)
    recorder.stop()
    recorder.wait()
    assert [e.key for e in Session(tmp_path / "s").events if e.down] == ["w", "d"]
    assert_no_secret(tmp_path / "s")


def test_a_click_beside_the_window_is_no_click_in_the_game(desktop, arena, game, xtest, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    lies = desktop.geometry(game[1])
    for x, button in ((lies.x + 700, 2), (lies.x + 700, 4), (lies.x + 9, 1)):
        xtest(X.MotionNotify, 0, x=x, y=lies.y + 90)
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    until(lambda: recorder.status.events == 2)
    recorder.stop()
    recorder.wait()
    assert [(e.key, e.down) for e in Session(tmp_path / "s").events] == [("mouse_left", True), ("mouse_left", False)]
    assert_no_secret(tmp_path / "s")


def test_a_click_on_a_window_above_is_no_click_in_the_game(desktop, arena, game, probe, xtest, tmp_path):
    probe("note", 100, 50, 60, 60, "unmanaged")
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    for x, button in ((100, 2), (100, 4), (20, 1)):
        xtest(X.MotionNotify, 0, x=x, y=90)
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    until(lambda: recorder.status.events == 2)
    recorder.stop()
    recorder.wait()
    assert [(e.key, e.down) for e in Session(tmp_path / "s").events] == [("mouse_left", True), ("mouse_left", False)]
    assert_no_secret(tmp_path / "s")


def red(pixels: np.ndarray) -> bool:
    """Whether any pixel is of the other window's colour; the game is grey, and what is covered black."""
    return bool(((pixels[..., 0] > 110) & (pixels[..., 1] < 90)).any())


def pictures(folder: Path) -> list[np.ndarray]:
    return [pixels for _, pixels in Session(folder).pictures()]


@pytest.fixture
def grey_game(desktop, arena, probe):
    opened = probe("CombatVLA Arena – grey", 320, 180, 100, 100, GREY)
    return opened.find(desktop, arena)


def test_no_pixel_of_a_window_that_comes_and_goes_above(desktop, arena, grey_game, tmp_path):
    recorder = Recorder(desktop, grey_game, arena, tmp_path / "s", fps=60)
    other = connect()  # of another program, as far as the server can tell
    root, depth = other.screen().root, other.screen().root_depth
    paint = {"background_pixel": 0xFF0000, "border_pixel": 0xFF0000, "override_redirect": True}
    popups = [root.create_window(150 + 30 * i, 120, 60, 60, 3, depth, **paint) for i in range(2)]
    monkey = itertools.cycle(
        (
            lambda p, n: p.map(),
            lambda p, n: p.configure(x=60 + 7 * (n % 40), y=90 + n % 50),
            lambda p, n: p.configure(stack_mode=X.Below),
            lambda p, n: p.configure(stack_mode=X.Above),
            lambda p, n: p.configure(width=40 + n % 90, height=30 + n % 60),
            lambda p, n: p.unmap(),
        )
    )
    for n in range(240):
        next(monkey)(popups[n // 6 % 2], n)
        other.flush()
        time.sleep(0.001 * (n % 23))
    recorder.stop()
    status = recorder.wait()
    other.close()
    seen = pictures(tmp_path / "s")
    assert len(seen) > 60 and not any(red(p) for p in seen)
    assert 0 < status.covered < status.frames, "some pictures were covered, and most not"
    shares = [e.share for e in Session(tmp_path / "s").others if isinstance(e, CoverRow)]
    assert max(shares) > 0.02 and any("covered" in note for note in check(tmp_path / "s").notes)


def test_no_pixel_of_what_lies_below_a_window_that_moves(desktop, arena, grey_game, probe, tmp_path):
    below = probe("below", 900, 600, 0, 0, RED).find(desktop, arena)
    assert desktop.activate(grey_game, timeout_s=5)
    recorder = Recorder(desktop, grey_game, arena, tmp_path / "s", fps=60)
    x = connect()
    moved = x.create_resource_object("window", grey_game.id)
    for n in range(120):
        moved.configure(x=60 + 9 * (n % 30), y=40 + 5 * (n % 40))
        x.sync()
        time.sleep(0.001 * (n % 17))
    before = recorder.status.covered  # its first picture may be: windows fade
    raised = x.create_resource_object("window", below.id)
    raised.configure(stack_mode=X.Above)  # without the focus
    x.sync()
    until(lambda: recorder.status.covered > before)
    x.close()
    recorder.stop()
    recorder.wait()
    seen = pictures(tmp_path / "s")
    assert len(seen) > 30 and not any(red(p) for p in seen)
    assert seen[-1].max() < 8 < max(p.max() for p in seen), "at the end it is wholly covered"


def test_no_sound_is_recorded(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    until(lambda: recorder.status.frames > 5)
    recorder.stop()
    recorder.wait()
    with av.open(str(tmp_path / "s" / "video-00000.mkv")) as video:
        assert [stream.type for stream in video.streams] == ["video"]
