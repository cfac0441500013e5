"""Listens to the keyboard and the mouse while one window has the focus."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from pynput import keyboard, mouse

from combatvla.desktop.base import Desktop, Window, WindowGone
from combatvla.desktop.keys import BUTTON_NAMES, named
from tracker.rows import Event, EventRow, LookRow, MotionRow, ScrollRow

MOTION_MS = 8
"""Motion is noted this often: twice a picture at 60 a second. Mice send a thousand a second."""


class InputListener:
    """Calls `on_event` with what is done with the keyboard and the mouse while `window` has the focus.

    Keys are named in the words of the game profiles, by the key and not by what it types ("w" also with shift down).
    Auto-repeat is dropped. What is down when the focus goes elsewhere is reported as released then (`heed_focus`), and
    counts again only when pressed anew: nothing typed into another window is ever reported, also where it is heard of
    only after the focus has come; nor is a click or a turn of the wheel over another window. `on_hotkey` is called with
    the keys of `hotkeys` when they are pressed in the window, in place of `on_event`. With `motion`, the pointer's
    places and the mouse's own motion are reported too, gathered over `MOTION_MS`.
    """

    def __init__(
        self,
        desktop: Desktop,
        window: Window,
        on_event: Callable[[Event], None],
        *,
        hotkeys: Collection[str] = (),
        on_hotkey: Callable[[str], None] = lambda key: None,
        motion: bool = True,
    ) -> None:
        self.window = window
        """As it lies now: the recorder keeps it up to date."""
        self.muted = False
        """Report nothing but hotkeys: as if the window were without the focus."""
        self.last_ns = time.monotonic_ns()
        """When something was last done in the window."""
        self._on_event, self._on_hotkey, self._hotkeys = on_event, on_hotkey, frozenset(hotkeys)
        self._lock = threading.Lock()
        self._down: dict[str, str] = {}
        """Keys of which a press was reported: name to kind."""
        self._physical: set[str] = set()
        """Keys that are down, reported or not."""
        self._pointer: tuple[int, int] | None = None
        """Where the pointer has come to since it was last reported, on the screen."""
        self._look = [0.0, 0.0]
        """What the mouse was moved by since that was last reported."""
        self._oldest_ns: int | None = None
        """When the first of that was."""
        self._gathered_ns = 0
        self._focus = desktop.watch_focus(window)
        moved = {"on_move": self._move, "on_look": self._moved} if motion else {}
        self._begun = threading.Event()
        try:
            self._source = _source()(
                on_press=self._key_down,
                on_release=self._key_up,
                on_click=self._click,
                on_scroll=self._scroll,
                **moved,
            )
        except BaseException:
            self._focus.close()
            raise
        finally:
            self._begun.set()

    @property
    def down(self) -> tuple[str, ...]:
        """The keys that are down in the window."""
        with self._lock:
            return tuple(self._down)

    def heed_focus(self) -> bool:
        """Whether the window has the focus; if not, what is down is reported as released. Reports motion that waits.
        `WindowGone` when the window's display ended."""
        focused = self._focus.has()
        if not focused:
            self.release()
        with self._lock:
            self._tell_motion(time.monotonic_ns(), focused)
        return focused

    def release(self) -> None:
        """Reports everything that is down as released."""
        with self._lock:
            t_ns = time.monotonic_ns()
            for key, kind in self._down.items():
                self._on_event(EventRow(t_ns=t_ns, kind=kind, key=key, down=False))
            self._down.clear()

    def close(self) -> None:
        try:
            self._source.close()
            with suppress(WindowGone):  # the display went first
                self.heed_focus()  # what was gathered last
        finally:
            self.release()
            self._focus.close()

    # What the listeners' threads ask: there, nobody would hear of the display's end.

    def _focused(self) -> bool:
        with suppress(WindowGone):
            return self._focus.has()
        return False

    def _counts(self, t_ns: int) -> bool:
        """Whether what was done then was done in the window: it may be heard of late."""
        return self._focused() and t_ns > self._focus.since_ns

    def _over(self, t_ns: int, x: int, y: int) -> bool:
        with suppress(WindowGone):
            return self._focus.over(t_ns, x, y)
        return False

    # -- motion ----------------------------------------------------------------------------------------------

    def _move(self, t_ns: int, x: int, y: int) -> None:
        with self._lock:
            self._pointer = (int(x), int(y))
            self._gather(t_ns)

    def _moved(self, t_ns: int, dx: float, dy: float) -> None:
        with self._lock:
            self._look[0] += dx
            self._look[1] += dy
            self._gather(t_ns)

    def _gather(self, moved_ns: int) -> None:
        self._oldest_ns = min(moved_ns, self._oldest_ns or moved_ns)
        t_ns = time.monotonic_ns()
        if t_ns - self._gathered_ns >= MOTION_MS * 1_000_000:
            self._tell_motion(t_ns, self._focused())

    def _tell_motion(self, t_ns: int, focused: bool) -> None:
        """Reports the motion that was gathered, or forgets it when any of it was without the focus."""
        pointer, (dx, dy), oldest_ns = self._pointer, self._look, self._oldest_ns
        self._pointer, self._look, self._oldest_ns, self._gathered_ns = None, [0.0, 0.0], None, t_ns
        if oldest_ns is None or oldest_ns <= self._focus.since_ns or not focused or self.muted:
            return
        self.last_ns = t_ns
        if pointer is not None:
            x, y = pointer[0] - self.window.x, pointer[1] - self.window.y
            self._on_event(MotionRow(t_ns=t_ns, x=x, y=y))
        if dx or dy:
            self._on_event(LookRow(t_ns=t_ns, dx=dx, dy=dy))

    def _scroll(self, t_ns: int, x: int, y: int, dx: int, dy: int) -> None:
        with self._lock:
            if self._counts(t_ns) and self._over(t_ns, x, y) and not self.muted:
                self.last_ns = t_ns
                self._on_event(ScrollRow(t_ns=t_ns, dx=int(dx), dy=int(dy)))

    # -- keys and buttons ------------------------------------------------------------------------------------

    def _key_down(self, t_ns: int, key: keyboard.Key | keyboard.KeyCode | None) -> None:
        self._change(t_ns, "key", self._name(key), True)

    def _key_up(self, t_ns: int, key: keyboard.Key | keyboard.KeyCode | None) -> None:
        self._change(t_ns, "key", self._name(key), False)

    def _click(self, t_ns: int, x: int, y: int, button: mouse.Button, pressed: bool) -> None:
        if button.name in BUTTON_NAMES and (not pressed or self._over(t_ns, x, y)):
            self._change(t_ns, "button", f"mouse_{BUTTON_NAMES[button.name]}", pressed)

    def _change(self, t_ns: int, kind: str, key: str, down: bool) -> None:
        hotkey = None
        with self._lock:
            if down:
                if key in self._physical:
                    return  # auto-repeat
                self._physical.add(key)
                if not self._counts(t_ns):
                    return
                self.last_ns = t_ns
                if key in self._hotkeys:
                    hotkey = key
                elif self.muted:
                    return
                else:
                    self._down[key] = kind
                    self._on_event(EventRow(t_ns=t_ns, kind=kind, key=key, down=True))
            else:
                self._physical.discard(key)
                if self._down.pop(key, None) is not None:
                    self._on_event(EventRow(t_ns=t_ns, kind=kind, key=key, down=False))
        if hotkey is not None:  # without the lock: it may mute and release
            self._on_hotkey(hotkey)

    def _name(self, key: keyboard.Key | keyboard.KeyCode | None) -> str:
        """The profile's word for a key."""
        name = named(key)
        if not name:
            self._begun.wait()  # a key may be heard while the source is still being made
            name = self._source.plain(key)
        return name


def _source() -> type:
    """What inputs come from on this platform."""
    if sys.platform == "linux":
        from tracker.source_x11 import X11Source

        return X11Source
    from tracker.source_pynput import PynputSource

    return PynputSource
