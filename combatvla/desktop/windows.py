"""Windows: windows through user32 and dwmapi.

Written by Microsoft's documentation of these calls and not tried: there was no such machine. `windows_input.py` presses
the keys.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import PureWindowsPath
from typing import Any

from combatvla.desktop.base import Window
from combatvla.desktop.portable import PortableDesktop, Shown

DWMWA_EXTENDED_FRAME_BOUNDS, DWMWA_CLOAKED = 9, 14
PER_MONITOR_DPI_AWARE = 2
PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
NOTE = (
    "recording and playing on Windows are written but were never tried; the mouse's own motion (mouse look) is not "
    "recorded there, and a game in exclusive full screen stays black: play in a window, or borderless"
)


class User32:
    """`System` on Windows."""

    note = NOTE

    def __init__(self) -> None:
        from ctypes import wintypes

        self._types = wintypes
        self._user, self._dwm = ctypes.WinDLL("user32"), ctypes.WinDLL("dwmapi")
        handle, pointer = wintypes.HWND, ctypes.c_void_p
        self._each = ctypes.WINFUNCTYPE(wintypes.BOOL, handle, wintypes.LPARAM)
        for name, takes, gives in (
            ("EnumWindows", (self._each, wintypes.LPARAM), wintypes.BOOL),
            ("IsWindow", (handle,), wintypes.BOOL),
            ("IsWindowVisible", (handle,), wintypes.BOOL),
            ("IsIconic", (handle,), wintypes.BOOL),
            ("GetWindowTextW", (handle, wintypes.LPWSTR, ctypes.c_int), ctypes.c_int),
            ("GetWindowThreadProcessId", (handle, pointer), wintypes.DWORD),
            ("GetClientRect", (handle, pointer), wintypes.BOOL),
            ("ClientToScreen", (handle, pointer), wintypes.BOOL),
            ("GetWindowRect", (handle, pointer), wintypes.BOOL),
            ("GetForegroundWindow", (), handle),
            ("SetForegroundWindow", (handle,), wintypes.BOOL),
        ):
            call = getattr(self._user, name)
            call.argtypes, call.restype = takes, gives
        self._kernel = ctypes.WinDLL("kernel32")
        self._kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
        self._kernel.OpenProcess.restype = wintypes.HANDLE
        self._kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        self._kernel.QueryFullProcessImageNameW.argtypes = (wintypes.HANDLE, wintypes.DWORD, wintypes.LPWSTR, pointer)
        self._programs: dict[tuple[int, int], tuple[str, ...]] = {}
        """Of a window and its process, as asking takes a while."""
        self._dwm.DwmGetWindowAttribute.argtypes = (handle, wintypes.DWORD, pointer, wintypes.DWORD)
        # Places in real pixels, as mss takes them.
        ctypes.WinDLL("shcore").SetProcessDpiAwareness(PER_MONITOR_DPI_AWARE)

    def stack(self) -> Sequence[Shown]:
        handles: list[int] = []

        @self._each
        def add(handle, _) -> bool:
            handles.append(int(handle))
            return True

        self._user.EnumWindows(add, 0)  # from the top to the bottom
        return [self._shown(handle) for handle in handles if self._on_screen(handle)]

    def focused(self) -> int | None:
        return self._user.GetForegroundWindow() or None

    def exists(self, id_: int) -> bool:
        return bool(self._user.IsWindow(id_))

    def raise_window(self, window: Window) -> None:
        self._user.SetForegroundWindow(window.id)

    def _on_screen(self, handle: int) -> bool:
        if not self._user.IsWindowVisible(handle) or self._user.IsIconic(handle):
            return False
        return not self._attribute(handle, DWMWA_CLOAKED, self._types.DWORD()).value

    def _attribute(self, handle: int, what: int, into: Any) -> Any:
        self._dwm.DwmGetWindowAttribute(handle, what, ctypes.byref(into), ctypes.sizeof(into))
        return into

    def _shown(self, handle: int) -> Shown:
        title, pid = ctypes.create_unicode_buffer(512), self._types.DWORD()
        self._user.GetWindowTextW(handle, title, len(title))
        self._user.GetWindowThreadProcessId(handle, ctypes.byref(pid))
        programs = self._program(handle, int(pid.value))
        inner, corner, frame = self._types.RECT(), self._types.POINT(), self._types.RECT()
        self._user.GetClientRect(handle, ctypes.byref(inner))
        self._user.ClientToScreen(handle, ctypes.byref(corner))
        self._user.GetWindowRect(handle, ctypes.byref(frame))
        frame = self._attribute(handle, DWMWA_EXTENDED_FRAME_BOUNDS, frame)  # without the invisible rims, where known
        return Shown(
            Window(handle, title.value, int(pid.value), corner.x, corner.y, inner.right, inner.bottom, programs),
            (frame.left, frame.top, frame.right, frame.bottom),
        )

    def _program(self, handle: int, pid: int) -> tuple[str, ...]:
        """The name of the executable's file, such as sekiro.exe."""
        if (handle, pid) not in self._programs:
            if len(self._programs) > 1000:
                self._programs.clear()
            self._programs[handle, pid] = self._ask_program(pid)
        return self._programs[handle, pid]

    def _ask_program(self, pid: int) -> tuple[str, ...]:
        process = self._kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, False, pid)
        if not process:
            return ()
        try:
            path, length = ctypes.create_unicode_buffer(1024), self._types.DWORD(1024)
            told = self._kernel.QueryFullProcessImageNameW(process, 0, path, ctypes.byref(length))
            return (PureWindowsPath(path.value).name,) if told and path.value else ()
        finally:
            self._kernel.CloseHandle(process)


class WindowsDesktop(PortableDesktop):
    """`Desktop` on Windows."""

    def __init__(self) -> None:
        super().__init__(User32())
