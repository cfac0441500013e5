"""Hears what a person presses in one window, for questions such as "press your dodge key"."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from combatvla.desktop.base import Desktop, Window, WindowGone
from combatvla.desktop.keys import BUTTON_NAMES, named

SETTLE_NS = 300_000_000
"""A click so soon after the focus came is the one that brought it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A key or button that went down in the window, in the words of the game profiles."""

    name: str
    place: tuple[int, int] | None = None
    """Of a button: where the pointer was, in pixels from the window's upper left corner."""
    brought_focus: bool = False
    """The window had no focus before this click."""


class Ear:
    """Calls `on_heard` from a thread of its own with what goes down in `window`: keys while it has the focus, buttons
    while the pointer is over it. What is done elsewhere is not told."""

    def __init__(self, desktop: Desktop, window: Window, on_heard: Callable[[Heard], None]) -> None:
        from pynput import keyboard, mouse

        self._desktop, self._window, self._on_heard = desktop, window, on_heard
        self._down: set[str] = set()
        self._closed = False
        self._focus = desktop.watch_focus(window)
        self._focus.has()
        self._listeners = (
            keyboard.Listener(on_press=self._pressed, on_release=self._released),
            mouse.Listener(on_click=self._clicked),
        )
        for listener in self._listeners:
            listener.start()
            listener.wait()

    def close(self) -> None:
        self._closed = True
        for listener in self._listeners:
            # On X11 pynput ends a listener with the next input only; until then its thread does nothing.
            threading.Thread(target=listener.stop, daemon=True).start()
        self._focus.close()

    def _pressed(self, key: Any, *_) -> None:
        name = named(key) or key.char.lower()
        with suppress(WindowGone):
            if name not in self._down and not self._closed and self._focus.has():  # (auto-repeat)
                self._on_heard(Heard(name))
        self._down.add(name)

    def _released(self, key: Any, *_) -> None:
        self._down.discard(named(key) or key.char.lower())

    def _clicked(self, x: float, y: float, button: Any, pressed: bool, *_) -> None:
        if self._closed:
            return
        now_ns = time.monotonic_ns()
        with suppress(WindowGone):
            focused = self._focus.has() and now_ns - self._focus.since_ns > SETTLE_NS
            if pressed and button.name in BUTTON_NAMES and self._focus.over(now_ns, int(x), int(y)):
                at = self._desktop.geometry(self._window)
                place = (int(x) - at.x, int(y) - at.y)
                self._on_heard(Heard(f"mouse_{BUTTON_NAMES[button.name]}", place, not focused))
