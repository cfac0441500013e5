"""A desktop whose windows are asked for and not told of: what Windows and macOS share."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from combatvla.desktop.base import Box, Cover, Focus, View, Window, WindowGone
from combatvla.desktop.choose import find_window
from combatvla.errors import UserError
from combatvla.profiles import GameProfile


@dataclass(frozen=True, slots=True)
class Shown:
    """A window that is on the screen, and `frame`: all of it there, with its title bar (left, top, right, bottom)."""

    window: Window
    frame: Box


class System(Protocol):
    """What is asked of the operating system."""

    note: str

    def stack(self) -> Sequence[Shown]:
        """The windows on the screen, the uppermost first."""

    def focused(self) -> int | None:
        """The id of the window that has the keyboard."""

    def exists(self, id_: int) -> bool:
        """Whether there is such a window, on the screen or not."""

    def raise_window(self, window: Window) -> None:
        """Asks for the focus."""


class PortableDesktop:
    """`Desktop` on a `System`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.note = system.note

    def windows(self) -> list[Window]:
        return [shown.window for shown in reversed(self._system.stack()) if shown.window.title]

    def pick_window(self, *, timeout_s: float = 60.0) -> Window | None:
        from pynput import keyboard, mouse

        clicks: queue.Queue[tuple[int, int] | None] = queue.Queue()

        def clicked(x: int, y: int, button: mouse.Button, pressed: bool) -> None:
            if not pressed:  # the click is over, and its window in front
                clicks.put((int(x), int(y)) if button == mouse.Button.left else None)

        def escaped(key: object) -> None:
            if key == keyboard.Key.esc:
                clicks.put(None)

        with mouse.Listener(on_click=clicked), keyboard.Listener(on_press=escaped):
            try:
                place = clicks.get(timeout=timeout_s)
            except queue.Empty:
                raise UserError(
                    "no window was clicked on in time: try again, or name it with --title or --pid"
                ) from None
        return window_at(self._system.stack(), *place) if place is not None else None

    def find_window(self, profile: GameProfile, *, wait_s: float = 0.0, pid: int | None = None) -> Window:
        return find_window(self, profile, wait_s=wait_s, pid=pid)

    def active_window(self) -> int | None:
        return self._system.focused()

    def activate(self, window: Window, *, timeout_s: float = 1.0) -> bool:
        self.geometry(window)
        self._system.raise_window(window)
        until = time.monotonic() + timeout_s
        while self.active_window() != window.id:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True

    def geometry(self, window: Window) -> Window:
        found = next((s.window for s in self._system.stack() if s.window.id == window.id), None)
        if found is not None:
            return replace(window, x=found.x, y=found.y, width=found.width, height=found.height)
        if self._system.exists(window.id):
            return window  # minimized: where it was
        raise WindowGone(f"the window {window.title!r} was closed: start the game again")

    def alive(self, window: Window) -> bool:
        return self._system.exists(window.id)

    def watch_focus(self, window: Window) -> Focus:
        return _Focus(self, self._system, window)

    def watch_cover(self, window: Window) -> Cover:
        return _Cover(self, self._system, window)

    def close(self) -> None:
        pass


class _Focus:
    def __init__(self, desktop: PortableDesktop, system: System, window: Window) -> None:
        self._desktop, self._system, self._window = desktop, system, window
        self._had = True
        self.since_ns = time.monotonic_ns()

    def has(self) -> bool:
        has = self._system.focused() == self._window.id
        if has and not self._had:
            self.since_ns = time.monotonic_ns()  # or before: nobody tells
        self._had = has
        return has

    def over(self, t_ns: int, x: int, y: int) -> bool:
        view = view_of(self._system.stack(), self._desktop.geometry(self._window))
        x, y = x - view.window.x, y - view.window.y
        covered = any(left <= x < right and top <= y < bottom for left, top, right, bottom in view.covered)
        return 0 <= x < view.window.width and 0 <= y < view.window.height and not covered

    def close(self) -> None:
        pass


class _Cover:
    """Looks before a picture and after it. What comes and goes between is seen by nobody here, X11 alone tells that."""

    def __init__(self, desktop: PortableDesktop, system: System, window: Window) -> None:
        self._desktop, self._system, self._window = desktop, system, window

    def look(self) -> View:
        return view_of(self._system.stack(), self._desktop.geometry(self._window))

    def holds(self, view: View) -> bool:
        return self.look() == view

    def close(self) -> None:
        pass


def view_of(stack: Sequence[Shown], window: Window) -> View:
    """What covers `window`: whatever lies above it, but for the menus of its own process, which have no title."""
    covered, by = [], []
    for shown in stack:
        other = shown.window
        if other.id == window.id:
            return View(window, tuple(covered), tuple(by))
        left, top, right, bottom = shown.frame
        left, right = max(0, left - window.x), min(window.width, right - window.x)
        top, bottom = max(0, top - window.y), min(window.height, bottom - window.y)
        menu = other.pid == window.pid and not other.title
        if left < right and top < bottom and not menu:
            covered.append((left, top, right, bottom))
            by.append(other.title or "a window without a title")
    return View(window, ((0, 0, window.width, window.height),))  # it is not on the screen


def window_at(stack: Sequence[Shown], x: int, y: int) -> Window | None:
    """The uppermost window with a title at a place on the screen."""
    for shown in stack:
        left, top, right, bottom = shown.frame
        if shown.window.title and left <= x < right and top <= y < bottom:
            return shown.window
    return None
