"""What Windows and macOS share, on a system that the test plays; what only they have cannot be tried here."""

from __future__ import annotations

import importlib
import sys
import time

import pytest

from combatvla.desktop import Desktop, Window, WindowGone, open_desktop
from combatvla.desktop.macos import shown_of
from combatvla.desktop.portable import PortableDesktop, Shown, window_at
from combatvla.errors import UserError


def shown(id_: int, title: str, pid: int, x: int, y: int, width: int, height: int, bar: int = 0) -> Shown:
    return Shown(Window(id_, title, pid, x, y, width, height), (x, y - bar, x + width, y + height))


class Acted:
    """A system with a game, its menu, a chat above it, and a window below."""

    note = "not tried"

    def __init__(self) -> None:
        self.stacked = [
            shown(4, "chat", 40, 250, 150, 400, 300),
            shown(3, "", 20, 110, 110, 50, 50),
            shown(2, "CombatVLA Arena", 20, 100, 100, 200, 150, bar=30),
            shown(1, "below", 10, 0, 0, 800, 600),
        ]
        self.hidden: set[int] = set()
        self.has_focus = 1

    def stack(self):
        return [s for s in self.stacked if s.window.id not in self.hidden]

    def focused(self):
        return self.has_focus

    def exists(self, id_):
        return any(s.window.id == id_ for s in self.stacked)

    def raise_window(self, window):
        self.has_focus = window.id


@pytest.fixture
def system() -> Acted:
    return Acted()


def test_it_is_a_desktop(system, arena):
    desktop = PortableDesktop(system)
    assert isinstance(desktop, Desktop)
    assert [w.title for w in desktop.windows()] == ["below", "CombatVLA Arena", "chat"]
    window = desktop.find_window(arena)
    assert window.id == 2 and desktop.activate(window) and desktop.active_window() == 2
    assert desktop.watch_focus(window).has()
    system.has_focus = 4
    assert not desktop.watch_focus(window).has()


def test_what_lies_above_covers_but_for_its_own_menu(system, arena):
    desktop = PortableDesktop(system)
    cover = desktop.watch_cover(desktop.find_window(arena))
    seen = cover.look()
    assert seen.covered == ((150, 50, 200, 150),) and seen.by == ("chat",) and cover.holds(seen)
    system.stacked.append(system.stacked.pop(0))
    assert not cover.holds(seen) and cover.look().covered == ()
    system.hidden.add(2)
    assert cover.look().covered == ((0, 0, 200, 150),), "minimized: anything may be in its place"
    assert desktop.alive(cover.look().window)
    system.stacked = system.stacked[:1]
    with pytest.raises(WindowGone):
        cover.look()


def test_a_click_in_the_game_or_its_menu(system, arena):
    desktop = PortableDesktop(system)
    focus = desktop.watch_focus(desktop.find_window(arena))
    assert focus.over(0, 110, 140) and focus.over(0, 115, 115) and focus.over(0, 249, 160)
    assert not focus.over(0, 251, 160), "a chat above it"
    assert not focus.over(0, 110, 90) and not focus.over(0, 110, 251), "its title bar, and below"


def test_what_was_done_before_the_focus_came(system, arena):
    desktop = PortableDesktop(system)
    system.has_focus = 2
    focus = desktop.watch_focus(desktop.find_window(arena))
    opened = time.monotonic_ns()
    assert focus.has() and focus.since_ns <= opened
    system.has_focus = 4
    assert not focus.has()
    system.has_focus = 2
    assert focus.has() and opened < focus.since_ns <= time.monotonic_ns()


def test_a_click_means_the_uppermost_window_there(system):
    stack = system.stack()
    assert window_at(stack, 260, 160).title == "chat"
    assert window_at(stack, 115, 115).title == "CombatVLA Arena", "a menu is no window to record"
    assert window_at(stack, 115, 80).title == "CombatVLA Arena", "its title bar"
    assert window_at(stack, 10, 10).title == "below" and window_at(stack, 900, 10) is None


def test_a_window_as_macos_describes_it():
    info = {
        "kCGWindowNumber": 7,
        "kCGWindowOwnerPID": 20,
        "kCGWindowName": "A game",
        "kCGWindowLayer": 0,
        "kCGWindowAlpha": 1.0,
        "kCGWindowBounds": {"X": 10.0, "Y": 30.0, "Width": 640.0, "Height": 388.0},
    }
    assert shown_of(info) == Shown(Window(7, "A game", 20, 10, 30, 640, 388), (10, 30, 650, 418))
    assert shown_of({**info, "kCGWindowLayer": 101}) is None and shown_of({**info, "kCGWindowAlpha": 0.0}) is None
    assert shown_of({k: v for k, v in info.items() if k != "kCGWindowName"}).window.title == "", "without the right"


@pytest.mark.parametrize(
    ("platform", "module", "name"), [("win32", "windows", "WindowsDesktop"), ("darwin", "macos", "MacDesktop")]
)
def test_the_platform_chooses(monkeypatch, platform, module, name):
    opened = object()
    monkeypatch.setattr(importlib.import_module(f"combatvla.desktop.{module}"), name, lambda: opened)
    monkeypatch.setattr(sys, "platform", platform)
    assert open_desktop(watch_only=True) is opened
    if platform == "win32":
        assert open_desktop() is opened
    else:
        with pytest.raises(UserError, match=f"played on Linux with X11 and on Windows so far, this is {platform}"):
            open_desktop()


def test_another_platform_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "freebsd14")
    with pytest.raises(UserError, match="this is freebsd14"):
        open_desktop(watch_only=True)
