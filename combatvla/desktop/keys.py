"""Keys and buttons as pynput tells them, in the words of the game profiles."""

from __future__ import annotations

from typing import Any

KEY_NAMES = {
    "shift_l": "shift",
    "shift_r": "shift",
    "ctrl_l": "ctrl",
    "ctrl_r": "ctrl",
    "alt_l": "alt",
    "alt_r": "alt",
    "alt_gr": "alt",
    "esc": "escape",
}
BUTTON_NAMES = {"left": "left", "middle": "middle", "right": "right", "x1": "8", "x2": "9"} | {
    f"button{n}": str(n) for n in range(8, 31)
}
"""As pynput calls the buttons: those at the side have numbers on X11, and are x1 and x2 on Windows."""


def named(key: Any) -> str | None:
    """The profile's word for a key with a name or without a character; None for one with a character, whose name
    depends on the platform."""
    if (name := getattr(key, "name", None)) is not None:
        return KEY_NAMES.get(name, name)
    if not getattr(key, "char", None):
        return f"key_{getattr(key, 'vk', None) or 0}"
    return None
