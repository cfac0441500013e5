"""Windows, capture and our own display, on a real X server."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from Xlib.ext import randr

from combatvla.desktop import Desktop, Window, WindowGone, open_desktop
from combatvla.desktop.base import OffScreen
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.display import own_display
from combatvla.desktop.x11 import connect
from combatvla.errors import UserError
from tests.conftest import ProbeWindow
from tests.helpers import until

BLUE = (0x20, 0x40, 0xC0)
"""The probe window's colour, RGB."""


def test_find_window_gives_exact_geometry(desktop, arena, probe):
    window = probe(width=320, height=240, x=37, y=53).find(desktop, arena)
    assert isinstance(desktop, Desktop)
    assert (window.x, window.y, window.width, window.height) == (37, 53, 320, 240)
    assert window.title.startswith("CombatVLA Arena") and desktop.alive(window)
    assert desktop.active_window() == window.id


def test_of_several_windows_the_one_with_the_focus_is_meant(desktop, arena, probe):
    first = probe(x=0, title=f"{arena.title} – one").find(desktop, arena)
    second = probe(x=400, title=f"{arena.title} – two").find(desktop, arena, focus=False)
    assert desktop.activate(first, timeout_s=5)
    assert desktop.find_window(arena).id == first.id
    probe(title="bystander").find(desktop, arena)
    assert desktop.find_window(arena).id == second.id, "of those without the focus the one opened last"


def test_a_window_is_found_by_its_process(desktop, arena, probe):
    first, second = probe(x=0), probe(x=400)
    newer = desktop.find_window(arena, wait_s=5, pid=second.process.pid)
    assert desktop.activate(newer, timeout_s=5) and newer.pid == second.process.pid
    older = desktop.find_window(arena, pid=first.process.pid)
    assert older.pid == first.process.pid and desktop.active_window() == newer.id, "the focus does not matter"
    with pytest.raises(UserError, match=f"belongs to process {second.process.pid}, expected process 1"):
        desktop.find_window(arena, pid=1)


def test_no_such_window(desktop, arena):
    with pytest.raises(UserError, match=r"no window whose title starts with 'CombatVLA Arena'.*combatvla env play"):
        desktop.find_window(arena)


def test_capture_is_the_windows_picture(desktop, arena, probe):
    opened = probe(width=300, height=200, x=40, y=60)
    with WindowCapture(opened.find(desktop, arena), desktop=desktop, keep=3) as capture:
        before = time.monotonic_ns()
        frame = capture.grab()
        assert before <= frame.t_ns <= time.monotonic_ns()
        assert frame.pixels.shape == (200, 300, 3) and frame.pixels.dtype == np.uint8
        assert (frame.pixels == BLUE).all()
        buffers = {id(capture.grab().pixels) for _ in range(6)}
        assert len(buffers) == 3, "the ring gives its buffers out in turn"
        mine = np.zeros((200, 300, 3), np.uint8)
        assert capture.grab(mine).pixels is mine and (mine == BLUE).all()
        small = np.zeros((1, 1, 3), np.uint8)
        fresh = capture.grab(small).pixels
        assert fresh.shape == (200, 300, 3) and id(fresh) not in buffers and not small.any()
        opened.close()
        with pytest.raises(WindowGone, match="was closed"):
            capture.grab()


def test_capture_of_a_window_that_hangs_off_the_screen(desktop, arena, probe):
    window = probe(width=400, height=300, x=1100, y=600).find(desktop, arena)
    window = desktop.geometry(window)
    if window.x + window.width <= 1280 and window.y + window.height <= 720:
        pytest.skip("the window manager moved it onto the screen")
    with WindowCapture(window) as capture, pytest.raises(UserError, match="not wholly on the screen"):
        capture.grab()


def set_screen(width: int, height: int) -> None:
    """What a game does that changes the resolution; at most to what the display was started with."""
    connection = connect()
    root = connection.screen().root
    found = root.xrandr_get_screen_resources()
    if connection.xrandr_get_crtc_info(found.crtcs[0], found.config_timestamp).mode:
        connection.xrandr_set_crtc_config(found.crtcs[0], found.config_timestamp, 0, 0, 0, randr.Rotate_0, [])
    root.xrandr_set_screen_size(width, height, width // 4, height // 4)
    connection.sync()
    connection.close()


@pytest.mark.parametrize("private", [False, True])
def test_capture_goes_on_when_the_screen_changes_its_size(display, arena, private):
    with own_display(1280, 720):
        set_screen(640, 480)
        opened = ProbeWindow("CombatVLA Arena – probe", 320, 240, 0, 0)
        desktop = open_desktop()
        try:
            window = opened.find(desktop, arena, focus=False)
            with WindowCapture(window, desktop=desktop, private=private) as capture:
                assert capture.grab().pixels.shape == (240, 320, 3)
                set_screen(1280, 720)
                for width, height in ((1200, 700), (640, 480)):
                    resize(window, width, height)
                    until(lambda size=(height, width, 3): capture.grab().pixels.shape == size)
                set_screen(400, 300)
                with pytest.raises(OffScreen, match="not wholly on the screen .400x300"):
                    for _ in range(100):
                        resize(window, 640, 480)  # the window manager may have made it smaller
                        capture.grab()
        finally:
            desktop.close()
            opened.close()


def resize(window: Window, width: int, height: int) -> None:
    connection = connect()
    connection.create_resource_object("window", window.id).configure(width=width, height=height)
    connection.sync()
    connection.close()


def test_a_foreign_window_id_is_gone(desktop):
    nowhere = Window(id=0x7FFFFFF, title="nothing", pid=None, x=0, y=0, width=1, height=1)
    assert not desktop.alive(nowhere)
    with pytest.raises(WindowGone):
        desktop.activate(nowhere)


def test_own_display_is_used_and_put_back(display):
    with own_display(640, 480) as name:
        assert name != display and os.environ["DISPLAY"] == name
        opened = open_desktop()
        assert opened.active_window() is None
        opened.close()
    assert os.environ["DISPLAY"] == display
    with pytest.raises(UserError, match="does not answer"):
        os.environ["DISPLAY"] = name
        try:
            open_desktop()
        finally:
            os.environ["DISPLAY"] = display


def test_no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UserError, match="DISPLAY is not set"):
        open_desktop()


def test_missing_programs(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="apt-get install"), own_display():
        pass


def test_a_display_that_cannot_start(display):
    with pytest.raises(UserError, match="Xvfb did not start"), own_display(0, 0):
        pass
    assert os.environ["DISPLAY"] == display


def test_a_display_without_a_window_manager(monkeypatch, tmp_path):
    from combatvla.desktop import display

    server, name = display._start_server(tmp_path, 320, 240)
    try:
        monkeypatch.setenv("DISPLAY", name)
        with pytest.raises(UserError, match="no window manager"):
            open_desktop()
    finally:
        server.stdin.close()
        server.wait(5)
