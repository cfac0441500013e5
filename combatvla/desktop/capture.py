"""Capture of a window with mss (XShm): around one millisecond at 720p, geometry and conversion to RGB included."""

from __future__ import annotations

import threading
import time

import cv2
import mss
import numpy as np
from mss.exception import ScreenShotError

from combatvla.desktop.base import Desktop, OffScreen, View, Window, open_desktop
from combatvla.errors import UserError
from combatvla.policy.base import Frame

TRIES = 4
"""So often a private picture is taken anew because windows moved meanwhile; then it is all black."""


class WindowCapture:
    """Grabs what lies on the screen where `window` is: another window on top of it would be in the picture. `private`
    paints black what other windows cover, whatever they do just then.

    The pictures lie in a ring of `keep` buffers, because fresh ones of this size cost milliseconds: the pixels of a
    frame stay untouched for the next `keep - 1` grabs. Copy what must live longer, or say each time where they go.
    """

    def __init__(
        self, window: Window, *, desktop: Desktop | None = None, keep: int = 16, private: bool = False
    ) -> None:
        self._own = desktop is None
        self._desktop = desktop or open_desktop()
        self._cover = self._desktop.watch_cover(window) if private else None
        self._view = View(window)
        self._ring: list[np.ndarray] = [np.empty((0, 0, 3), np.uint8)] * keep
        self._next = 0
        self._local = threading.local()  # mss: one object a thread
        self._screens: list[mss.MSS] = []
        self._lock = threading.Lock()

    @property
    def window(self) -> Window:
        """The window as it lay at the last grab."""
        return self._view.window

    @property
    def view(self) -> View:
        """As `window`, with what was painted black then."""
        return self._view

    def grab(self, into: np.ndarray | None = None) -> Frame:
        """The window's picture, `uint8[H, W, 3]` RGB, stamped just before it was taken. Its pixels are `into`, the
        caller's own, where that has their size; otherwise fresh ones.

        `WindowGone` when the window was closed, `OffScreen` when a part of it lies off the screen.
        """
        with self._lock:
            bgra, t_ns = self._grab()
            shape = (*bgra.shape[:2], 3)
            if into is None:
                slot = self._next = (self._next + 1) % len(self._ring)
                if self._ring[slot].shape != shape:
                    self._ring[slot] = np.empty(shape, np.uint8)
                into = self._ring[slot]
            elif into.shape != shape:
                into = np.empty(shape, np.uint8)
            return Frame(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGB, dst=into), t_ns)

    def grab_bgra(self) -> tuple[np.ndarray, int]:
        """As `grab`, as the screen gives it: `uint8[H, W, 4]` BGRA that is the caller's own, and the time in
        nanoseconds."""
        with self._lock:
            return self._grab()

    def _grab(self) -> tuple[np.ndarray, int]:
        if self._cover is None:
            self._view = View(self._desktop.geometry(self._view.window))
            return self._take(self._view.window)
        for _ in range(TRIES):
            self._view = self._cover.look()
            pixels, t_ns = self._take(self._view.window)
            if self._cover.holds(self._view):
                for left, top, right, bottom in self._view.covered:
                    pixels[top:bottom, left:right] = 0
                return pixels, t_ns
        pixels[:] = 0
        window = self._view.window
        self._view = View(window, ((0, 0, window.width, window.height),))
        return pixels, t_ns

    def _take(self, window: Window) -> tuple[np.ndarray, int]:
        try:
            try:
                return self._shoot(window)
            except (OffScreen, ScreenShotError):
                # mss keeps the size that the screen had when it was opened; a game may have changed it since.
                self._close_screen()
                return self._shoot(window)
        except (ScreenShotError, OSError) as error:
            self._desktop.geometry(window)  # tells of a window that was closed
            raise UserError(f"the window {window.title!r} cannot be captured ({error})") from error

    def _shoot(self, window: Window) -> tuple[np.ndarray, int]:
        screen = self._screen()
        t_ns = time.monotonic_ns()
        self._check_on_screen(window, screen.monitors[0])
        shot = screen.grab((window.x, window.y, window.x + window.width, window.y + window.height))
        return np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4), t_ns

    def close(self) -> None:
        self._close_screen()
        for screen in self._screens:  # of other threads, which have ended
            screen.close()
        self._screens.clear()
        if self._cover is not None:
            self._cover.close()
        if self._own:
            self._desktop.close()

    def __enter__(self) -> WindowCapture:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _screen(self) -> mss.MSS:
        if getattr(self._local, "screen", None) is None:
            self._local.screen = mss.MSS()
            self._screens.append(self._local.screen)
        return self._local.screen

    def _close_screen(self) -> None:
        screen, self._local.screen = getattr(self._local, "screen", None), None
        if screen is not None:
            self._screens.remove(screen)
            screen.close()

    @staticmethod
    def _check_on_screen(window: Window, screen: dict) -> None:
        left, top = screen["left"], screen["top"]
        right, bottom = left + screen["width"], top + screen["height"]
        if window.x < left or window.y < top or window.x + window.width > right or window.y + window.height > bottom:
            raise OffScreen(
                f"the window {window.title!r} ({window.width}x{window.height} at {window.x},{window.y}) is not wholly "
                f"on the screen ({screen['width']}x{screen['height']}): move it there or make it smaller"
            )
