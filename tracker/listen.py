"""Listens to the keyboard and the mouse buttons while one window has the focus (pynput, XRecord)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pynput import keyboard, mouse
from Xlib import XK, X

from combatvla.desktop.base import Desktop, Window
from combatvla.desktop.x11 import LOST, connect
from combatvla.errors import UserError
from tracker.session import EventRow

_NAMES = {
    "shift_l": "shift",
    "shift_r": "shift",
    "ctrl_l": "ctrl",
    "ctrl_r": "ctrl",
    "alt_l": "alt",
    "alt_r": "alt",
    "alt_gr": "alt",
    "esc": "escape",
}


class _Ending:
    """Mends how pynput 1.8 ends a listener on X11: at once, and without a word when the display went first."""

    def run(self) -> None:
        try:
            super().run()
        except LOST:
            pass

    def _stop_platform(self) -> None:
        # pynput asks on the connection that is blocked in recording, and so would end with the next input only.
        try:
            connection = connect()
            connection.record_disable_context(self._context)
            connection.sync()
            connection.close()
        except (UserError, *LOST):
            pass


class _Keyboard(_Ending, keyboard.Listener):
    pass


class _Mouse(_Ending, mouse.Listener):
    pass


class InputListener:
    """Calls `on_event` with each key and button pressed or released while `window` has the focus.

    Keys are named in the words of the game profiles, by the key and not by what it types ("w" also with shift down).
    Auto-repeat is dropped. What is down when the focus goes elsewhere is reported as released then (`heed_focus`), and
    counts again only when pressed anew: nothing typed into another window is ever reported.
    """

    def __init__(self, desktop: Desktop, window: Window, on_event: Callable[[EventRow], None]) -> None:
        self._desktop = desktop
        self._window = window
        self._on_event = on_event
        self._lock = threading.Lock()
        self._down: dict[str, str] = {}
        """Keys of which a press was reported: name to kind."""
        self._physical: set[str] = set()
        """Keys that are down, reported or not."""
        self._names: dict[str, str] = {}
        self._keyboard_map = connect()
        if not self._keyboard_map.has_extension("RECORD"):
            self._keyboard_map.close()
            raise UserError("the keys cannot be listened to: this display lacks the RECORD extension of X11")
        self._listeners = (
            _Keyboard(on_press=self._key_down, on_release=self._key_up),
            _Mouse(on_click=self._click),
        )
        for listener in self._listeners:
            listener.start()
            listener.wait()

    @property
    def down(self) -> tuple[str, ...]:
        """The keys that are down in the window."""
        with self._lock:
            return tuple(self._down)

    def heed_focus(self) -> bool:
        """Whether the window has the focus; if not, what is down is reported as released."""
        focused = self._desktop.active_window() == self._window.id
        if not focused:
            self.release()
        return focused

    def release(self) -> None:
        """Reports everything that is down as released."""
        with self._lock:
            t_ns = time.monotonic_ns()
            for key, kind in self._down.items():
                self._on_event(EventRow(t_ns=t_ns, kind=kind, key=key, down=False))
            self._down.clear()

    def close(self) -> None:
        for listener in self._listeners:
            listener.stop()
        for listener in self._listeners:
            listener.join(2)
        self.release()
        with self._lock:
            self._keyboard_map.close()

    def _key_down(self, key: keyboard.Key | keyboard.KeyCode | None) -> None:
        self._change(time.monotonic_ns(), "key", self._name(key), True)

    def _key_up(self, key: keyboard.Key | keyboard.KeyCode | None) -> None:
        self._change(time.monotonic_ns(), "key", self._name(key), False)

    def _click(self, _x: int, _y: int, button: mouse.Button, pressed: bool) -> None:
        if button in (mouse.Button.left, mouse.Button.middle, mouse.Button.right):
            self._change(time.monotonic_ns(), "button", f"mouse_{button.name}", pressed)

    def _change(self, t_ns: int, kind: str, key: str, down: bool) -> None:
        with self._lock:
            if down:
                if key in self._physical:
                    return  # auto-repeat
                self._physical.add(key)
                if self._desktop.active_window() != self._window.id:
                    return
                self._down[key] = kind
            else:
                self._physical.discard(key)
                if self._down.pop(key, None) is None:
                    return
            self._on_event(EventRow(t_ns=t_ns, kind=kind, key=key, down=down))

    def _name(self, key: keyboard.Key | keyboard.KeyCode | None) -> str:
        """The profile's word for a key."""
        if isinstance(key, keyboard.Key):
            return _NAMES.get(key.name, key.name)
        char = getattr(key, "char", None)
        if not char:
            return f"key_{getattr(key, 'vk', None) or 0}"
        if char not in self._names:
            self._names[char] = self._plain(char)
        return self._names[char]

    def _plain(self, char: str) -> str:
        """What the key that types `char` types without shift ("1" for "!")."""
        keysym = XK.string_to_keysym(char) or ord(char)
        code = self._keyboard_map.keysym_to_keycode(keysym)
        plain = self._keyboard_map.keycode_to_keysym(code, 0) if code else X.NoSymbol
        name = XK.keysym_to_string(plain) if plain else None
        return name if name and len(name) == 1 and name.isprintable() else char.lower()
