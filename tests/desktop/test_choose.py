"""Which window is meant: by title, by process, by a click; and where there is none to choose."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from Xlib import XK, X
from Xlib.ext.xtest import fake_input

from combatvla.desktop import open_desktop
from combatvla.desktop import x11 as x11_module
from combatvla.desktop.choose import choose_window, find_only_window, matcher
from combatvla.desktop.x11 import connect
from combatvla.errors import UserError
from tests.conftest import PROBE
from tests.helpers import until


@pytest.mark.parametrize(
    ("pattern", "title", "fits"),
    [
        ("souls", "Dark Souls III", True),
        ("^dark.*iii$", "Dark Souls III", True),
        ("Game (x64", "My game (x64)", True),
        ("a.c", "A.C.", True),
        ("souls$", "Dark Souls III", False),
    ],
)
def test_a_pattern_is_plain_text_or_a_regular_expression(pattern, title, fits):
    assert matcher(pattern)(title) is fits


def test_by_title_one_window_is_meant(desktop, probe):
    probe("Dark Souls", 200, 150, 0, 0), probe("Dark Messiah", 200, 150, 300, 0)
    until(lambda: len([w for w in desktop.windows() if w.title.startswith("Dark")]) == 2)
    assert choose_window(desktop, title="souls").title == "Dark Souls"
    with pytest.raises(UserError, match=r"2 windows with 'dark' in the title are open: .*Dark Souls.*Dark Messiah"):
        choose_window(desktop, title="dark")
    with pytest.raises(UserError, match=r"no window with 'Sekiro' in the title is open; there are: .*Dark Souls"):
        choose_window(desktop, title="Sekiro", wait_s=0.1)


def test_the_terminal_that_runs_us_is_not_meant(desktop, probe, monkeypatch):
    opened = probe("$ combatvla tracker record --title arena", 200, 150)
    until(lambda: any(w.pid == opened.process.pid for w in desktop.windows()))
    monkeypatch.setattr("combatvla.desktop.choose.ancestors", lambda: {opened.process.pid})
    with pytest.raises(UserError, match="no window with 'arena'"):
        choose_window(desktop, title="arena")
    assert choose_window(desktop, pid=opened.process.pid).pid == opened.process.pid


def test_by_process_its_children_are_meant_too(desktop, display):
    code = f"import subprocess, sys; subprocess.run([sys.executable, {str(PROBE)!r}, *'child 200 150 0 0'.split()])"
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        found = choose_window(desktop, pid=launcher.pid, wait_s=10)
        assert found.title == "child" and found.pid != launcher.pid
        with pytest.raises(UserError, match="no window with 'no such title' in the title of process 1 or a child"):
            choose_window(desktop, title="no such title", pid=1)
    finally:
        for window in desktop.windows():
            if window.title == "child":
                subprocess.run(["kill", str(window.pid)], check=True)
        launcher.wait(10)


def test_the_program_tells_two_windows_of_one_title_apart(desktop, arena, probe):
    game = arena.model_copy(update={"title": "b1", "program": ("steam_app_2358720",)})
    probe("b1 notes", 200, 150, 0, 0, "class=editor")
    until(lambda: any(w.title == "b1 notes" for w in desktop.windows()))
    with pytest.raises(UserError, match="'b1 notes' is of 'editor', expected 'steam_app_2358720'"):
        desktop.find_window(game)
    probe("b1  ", 200, 150, 220, 0, "class=Steam_App_2358720")
    found = find_only_window(desktop, game, wait_s=5)
    assert found.title == "b1  " and found.programs == ("Steam_App_2358720",)
    assert desktop.geometry(found).programs == found.programs
    probe("b1 unnamed", 200, 150, 440, 0)
    until(lambda: any(w.title == "b1 unnamed" for w in desktop.windows()))
    assert desktop.find_window(game).id == found.id, "a window without a class is none of the game's"


class Person(threading.Thread):
    """Does something a moment after the pointer was grabbed."""

    def __init__(self, *inputs: tuple) -> None:
        super().__init__(daemon=True)
        self.inputs = inputs
        self.start()

    def run(self) -> None:
        x = connect()
        root = x.screen().root
        while True:  # until somebody else has the pointer
            if root.grab_pointer(False, 0, X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime):
                break
            x.ungrab_pointer(X.CurrentTime)
            x.sync()
            time.sleep(0.02)
        time.sleep(0.2)
        for kind, detail, where in self.inputs:
            fake_input(x, kind, detail, **where)
            x.sync()
            time.sleep(0.03)
        x.close()


def click(button: int, x: int, y: int) -> tuple:
    return (X.MotionNotify, 0, {"x": x, "y": y}), (X.ButtonPress, button, {}), (X.ButtonRelease, button, {})


def test_by_a_click(desktop, arena, probe, down):
    left, right = probe("left", 200, 150, 0, 0), probe("right", 200, 150, 400, 0)
    left.find(desktop, arena), right.find(desktop, arena)
    person = Person(*click(1, 50, 50))
    assert desktop.pick_window(timeout_s=10).title == "left"
    person.join()
    person = Person(*click(1, 450, 50))
    assert desktop.pick_window(timeout_s=10).title == "right"
    person.join()
    assert ("press", "button1") not in left.close() + right.close(), "the click went to us alone"


def test_a_click_can_be_called_off(desktop, arena, probe, down):
    probe("left", 200, 150, 0, 0).find(desktop, arena)
    codes = connect()
    escape = codes.keysym_to_keycode(XK.XK_Escape)
    codes.close()
    for inputs in (click(3, 50, 50), ((X.KeyPress, escape, {}), (X.KeyRelease, escape, {})), click(1, 900, 600)):
        person = Person(*inputs)
        assert desktop.pick_window(timeout_s=10) is None
        person.join()
        time.sleep(0.1)
    with pytest.raises(UserError, match="no window was clicked on in time"):
        desktop.pick_window(timeout_s=0.2)


def test_a_pointer_that_is_held_cannot_click(desktop, display):
    x = connect()
    how = (X.GrabModeAsync, X.GrabModeAsync)
    assert x.screen().root.grab_pointer(False, 0, *how, X.NONE, X.NONE, X.CurrentTime) == X.GrabSuccess
    with pytest.raises(UserError, match="the pointer is held by another program"):
        desktop.pick_window(timeout_s=5)
    x.close()


def test_wayland_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(UserError, match=r"Wayland session without X11.*choose an X11 session.*Xephyr") as caught:
        open_desktop()
    assert "\n" not in str(caught.value)


def test_an_x_server_within_wayland_is_told_of(display, arena, monkeypatch):
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    plain = open_desktop()
    assert plain.note == "", "an Xvfb of our own is none"
    plain.close()
    monkeypatch.setattr(x11_module, "is_xwayland", lambda connection: True)
    within = open_desktop()
    assert "Wayland" in within.note
    with pytest.raises(UserError, match="no window whose title starts.*Wayland"):
        within.find_window(arena)
    with pytest.raises(UserError, match="no window with 'nowhere'.*Wayland"):
        choose_window(within, title="nowhere")
    within.close()
