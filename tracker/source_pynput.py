"""Where inputs come from on Windows and macOS: pynput as it is.

Written by the documentation of pynput, Windows and macOS, and not tried on either: there was no such machine. The
mouse's own motion (`on_look`) is absent there: pynput tells where the pointer is, and no more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from pynput import keyboard, mouse

_MAC_ROW = {18: "1", 19: "2", 20: "3", 21: "4", 23: "5", 22: "6", 26: "7", 28: "8", 25: "9", 29: "0"}
"""The number row by the codes of macOS (kVK_ANSI_1 …): the keys' places, whatever the layout."""
_TO_CHAR = 2
"""MAPVK_VK_TO_CHAR of Windows: a key's character without shift."""


class PynputSource:
    """As `tracker.source_x11.X11Source`, without `on_look`."""

    def __init__(
        self,
        *,
        on_press: Callable[[int, Any], None],
        on_release: Callable[[int, Any], None],
        on_click: Callable[..., None],
        on_scroll: Callable[..., None],
        on_move: Callable[[int, int, int], None] | None = None,
        on_look: Callable[[int, float, float], None] | None = None,
    ) -> None:
        moved = {"on_move": lambda x, y: on_move(time.monotonic_ns(), x, y)} if on_move is not None else {}
        self._listeners = (
            keyboard.Listener(
                on_press=lambda key: on_press(time.monotonic_ns(), key),
                on_release=lambda key: on_release(time.monotonic_ns(), key),
            ),
            mouse.Listener(
                on_click=lambda *what: on_click(time.monotonic_ns(), *what[:4]),
                on_scroll=lambda *what: on_scroll(time.monotonic_ns(), *what[:4]),
                **moved,
            ),
        )
        for listener in self._listeners:
            listener.start()
            listener.wait()

    def plain(self, key: keyboard.KeyCode) -> str:
        """What `key` types without shift ("1" for "!")."""
        code = getattr(key, "vk", None)
        if code is not None:
            if sys.platform == "darwin" and code in _MAC_ROW:
                return _MAC_ROW[code]
            if sys.platform == "win32" and (name := _on_windows(code)):
                return name
        return key.char.lower()

    def close(self) -> None:
        for listener in self._listeners:
            listener.stop()
        for listener in self._listeners:
            listener.join(2)


def _on_windows(code: int) -> str:
    import ctypes

    # The highest bit tells a dead key (an accent that waits for its letter).
    found = ctypes.windll.user32.MapVirtualKeyW(code, _TO_CHAR) & 0xFFFF
    return chr(found).lower() if found and chr(found).isprintable() else ""
