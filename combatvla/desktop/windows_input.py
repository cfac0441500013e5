"""Windows: keys and buttons by scan codes, through pydirectinput-rgx.

Written by Microsoft's documentation and that library's source, and not tried: there was no such machine.

Games that read the keyboard by DirectInput see scan codes; a virtual key alone passes some of them by. What was
compared, by the sources:
- pydirectinput-rgx: SendInput with KEYEVENTF_SCANCODE alone and the extended flag where it belongs, says whether
  Windows took the input, relative mouse motion; MIT, kept up with each Python. Chosen.
- pydirectinput: its parent; the same idea, 0.1 s of rest after each call, arrow keys by a detour, left as it is since
  version 1.0.4.
- pynput (we have it for listening): SendInput with the virtual key; the scan code rides along, without that flag.
- keyboard: keybd_event with virtual keys; interception: below all of them, and needs a driver of its own installed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from combatvla.desktop.keys import named
from combatvla.desktop.polled_human import Done

BUTTONS = {"mouse_left": ("left", 0x01), "mouse_right": ("right", 0x02), "mouse_middle": ("middle", 0x04)}
"""As the library calls them, and their virtual keys."""
NAMED = {
    "shift": 0x10,
    "ctrl": 0x11,
    "alt": 0x12,
    "space": 0x20,
    "tab": 0x09,
    "enter": 0x0D,
    "escape": 0x1B,
    "up": 0x26,
    "down": 0x28,
    "left": 0x25,
    "right": 0x27,
}
"""Virtual keys of the named keys. The library knows them by the same names."""
WITH_SHIFT, VK_TO_SCAN, VK_TO_CHAR, ROOT_WINDOW, DOWN = 0xFF00, 4, 2, 2, 0x8000


class WindowsHands:
    """`polled.Hands` on Windows."""

    watchdog = f"{__name__}:WindowsHands"

    def __init__(self) -> None:
        from ctypes import wintypes

        import pydirectinput

        pydirectinput.PAUSE = None  # it would sleep after each call
        pydirectinput.FAILSAFE = False  # it would raise with the pointer in the corner, where games park it
        self._input, self._types = pydirectinput, wintypes
        self._user = ctypes.WinDLL("user32")
        for name, takes, gives in (
            ("GetForegroundWindow", (), wintypes.HWND),
            ("IsWindow", (wintypes.HWND,), wintypes.BOOL),
            ("WindowFromPoint", (wintypes.POINT,), wintypes.HWND),
            ("GetAncestor", (wintypes.HWND, wintypes.UINT), wintypes.HWND),
            ("GetCursorPos", (ctypes.POINTER(wintypes.POINT),), wintypes.BOOL),
            ("SetCursorPos", (ctypes.c_int, ctypes.c_int), wintypes.BOOL),
            ("GetAsyncKeyState", (ctypes.c_int,), ctypes.c_short),
            ("VkKeyScanW", (wintypes.WCHAR,), ctypes.c_short),
            ("MapVirtualKeyW", (wintypes.UINT, wintypes.UINT), wintypes.UINT),
        ):
            call = getattr(self._user, name)
            call.argtypes, call.restype = takes, gives

    def focused(self) -> int | None:
        return self._user.GetForegroundWindow() or None

    def exists(self, id_: int) -> bool:
        return bool(self._user.IsWindow(id_))

    def knows(self, key: str) -> bool:
        return key in BUTTONS or bool(self._scan_code(key))

    def is_down(self, key: str) -> bool:
        virtual = BUTTONS[key][1] if key in BUTTONS else self._virtual_key(key)
        return bool(self._user.GetAsyncKeyState(virtual) & DOWN)

    def send(self, key: str, *, down: bool) -> bool:
        if key in BUTTONS:
            button = BUTTONS[key][0]
            (self._input.mouseDown if down else self._input.mouseUp)(button=button)
            return True  # of buttons the library does not say
        change = self._input.scancode_keyDown if down else self._input.scancode_keyUp
        return change(self._scan_code(key))

    def move(self, dx: int, dy: int) -> bool:
        self._input.moveRel(dx, dy, relative=True)  # by SendInput: the pointer's place would not turn a camera
        return True

    def listen(self, hear: Callable[[Done], None]) -> Callable[[], None]:
        from pynput import keyboard, mouse

        def key(what: Any, down: bool, injected: bool) -> None:
            if not injected and what is not None:
                hear(Done("key", self._name(what), down))

        def moved(x: int, y: int, injected: bool) -> None:
            # Told before the pointer moves, so that this is the motion also where a game holds the pointer.
            at = self._types.POINT()
            self._user.GetCursorPos(ctypes.byref(at))
            if not injected:
                hear(Done("motion", counts=abs(x - at.x) + abs(y - at.y)))

        listeners = (
            keyboard.Listener(
                on_press=lambda what, injected: key(what, True, injected),
                on_release=lambda what, injected: key(what, False, injected),
            ),
            mouse.Listener(
                on_move=moved,
                on_click=lambda x, y, button, down, injected: injected or hear(Done("button", down=down)),
                on_scroll=lambda x, y, dx, dy, injected: injected or hear(Done("button")),
            ),
        )
        for listener in listeners:
            listener.start()
            listener.wait()
        return lambda: [listener.stop() for listener in listeners]

    def under_pointer(self) -> int | None:
        at = self._types.POINT()
        self._user.GetCursorPos(ctypes.byref(at))
        below = self._user.WindowFromPoint(at)
        return (self._user.GetAncestor(below, ROOT_WINDOW) or None) if below else None

    def place_pointer(self, x: int, y: int) -> None:
        self._user.SetCursorPos(x, y)

    def _name(self, key: Any) -> str:
        """The profile's word for a key, also with ctrl down, which makes another character of it."""
        virtual = getattr(key, "vk", None)
        found = self._user.MapVirtualKeyW(virtual, VK_TO_CHAR) & 0xFFFF if virtual else 0
        return (chr(found).lower() if found > ord(" ") else named(key)) or key.char.lower()

    def _virtual_key(self, key: str) -> int:
        """0 for a key that the present layout gives with shift only, or not at all."""
        if key in NAMED:
            return NAMED[key]
        found = self._user.VkKeyScanW(key.lower())
        return 0 if found & WITH_SHIFT else found & 0xFF

    def _scan_code(self, key: str) -> int:
        """Where the key is on the present layout, as the recorder names it; 0 where there is none."""
        if key in NAMED:
            return self._input.KEYBOARD_MAPPING[key]
        virtual = self._virtual_key(key)
        return self._user.MapVirtualKeyW(virtual, VK_TO_SCAN) if virtual else 0
