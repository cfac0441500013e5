"""What a desktop back end offers: windows, and the protocols of the capture and the injector."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.policy.base import Frame
from combatvla.profiles import GameProfile


class WindowGone(UserError):
    """The game's window was closed (or its display ended)."""


class OffScreen(UserError):
    """A part of the game's window lies off the screen: there is no picture of it."""


class DisplayEnded(WindowGone):
    """The display ended, and the window with it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A top-level window. `x`, `y`, `width`, `height`: its picture on the screen in pixels, without decorations.
    `programs`: what its program calls itself, () where nobody tells: both words of WM_CLASS on X11, the name of the
    executable's file on Windows, of the application on macOS."""

    id: int
    title: str
    pid: int | None
    x: int
    y: int
    width: int
    height: int
    programs: tuple[str, ...] = ()


Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of a window's picture."""


@dataclass(frozen=True, slots=True)
class View:
    """How a window can be seen: where it lies, which parts of it other windows cover, and the titles of these."""

    window: Window
    covered: tuple[Box, ...] = ()
    by: tuple[str, ...] = ()

    def share_covered(self) -> float:
        """How much of the window is covered, 0 to 1."""
        if not self.covered:
            return 0.0
        under = np.zeros((self.window.height, self.window.width), bool)
        for left, top, right, bottom in self.covered:
            under[top:bottom, left:right] = True
        return float(under.mean())


@runtime_checkable
class Desktop(Protocol):
    """Window lookup of one platform. Safe to call from several threads."""

    note: str
    """What cannot be seen or heard on this desktop, in a sentence for people; "" when nothing is amiss."""

    def windows(self) -> list[Window]:
        """The windows of all programs, those opened last at the end."""

    def pick_window(self, *, timeout_s: float = 60.0) -> Window | None:
        """The window that the person clicks on; None when that is called off. `UserError` after `timeout_s`."""

    def find_window(self, profile: GameProfile, *, wait_s: float = 0.0, pid: int | None = None) -> Window:
        """The window that fits `profile` (its title's beginning, its program), of the process `pid` where one is given;
        looks for it for `wait_s` seconds. Of several: the one with the focus, else the one opened last. `UserError`
        when there is none.
        """

    def active_window(self) -> int | None:
        """The id of the window with the focus."""

    def activate(self, window: Window, *, timeout_s: float = 1.0) -> bool:
        """Asks the window manager to give `window` the focus; False when it did not within `timeout_s`."""

    def geometry(self, window: Window) -> Window:
        """`window` as it lies now. `WindowGone` when it was closed."""

    def alive(self, window: Window) -> bool:
        """Whether `window` still exists."""

    def watch_focus(self, window: Window) -> Focus:
        """Tells from now on whether the keyboard and the mouse go to `window`."""

    def watch_cover(self, window: Window) -> Cover:
        """Tells from now on where `window` lies and what covers it."""

    def close(self) -> None:
        """Ends the connection."""


class Focus(Protocol):
    """Cheap enough to be asked for every key. Safe to call from several threads."""

    since_ns: int
    """When the keyboard came to the window, as of the last `has` (`time.monotonic_ns`): what was done before that was
    done elsewhere."""

    def has(self) -> bool:
        """Whether what is typed now goes to the window. `DisplayEnded` when the display did."""

    def over(self, t_ns: int, x: int, y: int) -> bool:
        """Whether the mouse, at this place on the screen at `t_ns`, was in the window or in a menu of its program, with
        nothing lying between. `DisplayEnded` when the display did."""

    def close(self) -> None:
        """Ends the watch."""


class Cover(Protocol):
    """For one thread. A picture taken between a `look` and a `holds` that is True shows just what the view says."""

    def look(self) -> View:
        """The window as it can be seen now. `WindowGone` when it was closed."""

    def holds(self, view: View) -> bool:
        """Whether nothing has changed since `look` gave `view`."""

    def close(self) -> None:
        """Ends the watch."""


class Capture(Protocol):
    def grab(self, into: np.ndarray | None = None) -> Frame:
        """The window's picture now, in the pixels `into` where they have its size. `WindowGone` when it was closed."""

    def close(self) -> None:
        """Frees the buffers."""


class Injector(Protocol):
    mode: str
    """Who plays (`combatvla.episode.Mode`)."""
    held: frozenset[Action]
    """What is held by a key or button; in a dry run, what would be."""
    press: frozenset[Action]
    """The actions that each further step, and each further decision, presses anew (`GameProfile.press`)."""
    look_speed: float
    """Counts of mouse motion a second while a look action is held; 0 where the game has none."""

    def set_held(self, actions: frozenset[Action]) -> bool:
        """Holds exactly `actions`; False, and nothing held, while the window is without the focus."""

    def turn(self, dx: int, dy: int) -> bool:
        """Moves the mouse by so many counts to the right and down. False, and nothing sent, as `set_held`, and where
        the game's profile has no `look`."""

    def release_all(self) -> None:
        """Lets go of everything."""

    def stop_process(self) -> None:
        """Lets go of everything and stops this process, as SIGTSTP does by default; returns when it goes on."""

    def close(self) -> None:
        """Lets go of everything and ends; further calls do nothing."""


def open_desktop(*, watch_only: bool = False) -> Desktop:
    """The back end of this machine. `UserError` when there is no display or no window manager on it, and on macOS
    unless it is `watch_only`: nothing is to be pressed there."""
    if sys.platform == "win32":
        from combatvla.desktop.windows import WindowsDesktop

        return WindowsDesktop()
    if watch_only and sys.platform == "darwin":
        from combatvla.desktop.macos import MacDesktop

        return MacDesktop()
    if sys.platform != "linux":
        what = "recorded" if watch_only else "played"
        raise UserError(f"windows are {what} on Linux with X11 and on Windows so far, this is {sys.platform}")
    if not os.environ.get("DISPLAY"):
        if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
            raise UserError(
                "this is a Wayland session without X11 (DISPLAY is not set), and Wayland lets no program see another "
                "one's window or keys: choose an X11 session (often called Xorg) when you log in, or run the game and "
                "this program on an X server of their own: `Xephyr :9 -screen 1280x720 & export DISPLAY=:9; openbox &`"
            )
        raise UserError(
            "no display: DISPLAY is not set; run this in a desktop session with X11, or start a display "
            "and name it: `Xvfb :9 -screen 0 1920x1080x24 & export DISPLAY=:9; openbox &`"
        )
    from combatvla.desktop.x11 import X11Desktop

    return X11Desktop()


def open_injector(desktop: Desktop, window: Window, profile: GameProfile, *, armed: bool, **options: Any) -> Injector:
    """The injector of this machine, into `window` only and with the keys of `profile`; `armed=False` sends nothing.
    `options`: those of `inject.GuardedInjector`."""
    if sys.platform == "win32":
        from combatvla.desktop.polled import PolledInjector
        from combatvla.desktop.windows_input import WindowsHands

        return PolledInjector(WindowsHands(), desktop, window, profile, armed=armed, **options)
    from combatvla.desktop.inject import GuardedInjector

    return GuardedInjector(desktop, window, profile, armed=armed, **options)
