"""What a desktop back end offers: windows, and the protocols of the capture and the injector."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.policy.base import Frame
from combatvla.profiles import GameProfile


class WindowGone(UserError):
    """The game's window was closed (or its display ended)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A top-level window. `x`, `y`, `width`, `height`: its picture on the screen in pixels, without decorations."""

    id: int
    title: str
    pid: int | None
    x: int
    y: int
    width: int
    height: int


@runtime_checkable
class Desktop(Protocol):
    """Window lookup of one platform. Safe to call from several threads."""

    def find_window(self, profile: GameProfile, *, wait_s: float = 0.0, pid: int | None = None) -> Window:
        """The window whose title starts with `profile.title`, of the process `pid` where one is given; looks for it for
        `wait_s` seconds. Of several: the one with the focus, else the one opened last. `UserError` when there is none.
        """

    def active_window(self) -> int | None:
        """The id of the window with the focus."""

    def activate(self, window: Window, *, timeout_s: float = 1.0) -> bool:
        """Asks the window manager to give `window` the focus; False when it did not within `timeout_s`."""

    def geometry(self, window: Window) -> Window:
        """`window` as it lies now. `WindowGone` when it was closed."""

    def alive(self, window: Window) -> bool:
        """Whether `window` still exists."""

    def close(self) -> None:
        """Ends the connection."""


class Capture(Protocol):
    def grab(self) -> Frame:
        """The window's picture now. `WindowGone` when it was closed."""

    def close(self) -> None:
        """Frees the buffers."""


class Injector(Protocol):
    def set_held(self, actions: frozenset[Action]) -> bool:
        """Holds exactly `actions`; False, and nothing held, while the window is without the focus."""

    def release_all(self) -> None:
        """Lets go of everything."""

    def close(self) -> None:
        """Lets go of everything and ends; further calls do nothing."""


def open_desktop() -> Desktop:
    """The back end of this machine. `UserError` when there is no display or no window manager on it."""
    if sys.platform != "linux":
        raise UserError(f"windows are supported on Linux with X11 so far, this is {sys.platform}")
    if not os.environ.get("DISPLAY"):
        raise UserError(
            "no display: DISPLAY is not set; run this in a desktop session with X11 (or XWayland), or start a display "
            "and name it: `Xvfb :9 -screen 0 1920x1080x24 & export DISPLAY=:9; openbox &`"
        )
    from combatvla.desktop.x11 import X11Desktop

    return X11Desktop()
