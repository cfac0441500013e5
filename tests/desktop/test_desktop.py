"""Windows, capture and our own display, on a real X server."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from combatvla.desktop import Desktop, Window, WindowGone, open_desktop
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.display import own_display
from combatvla.errors import UserError

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
