"""macOS: windows through Quartz and the accessibility interface (pyobjc, which pynput brings along).

Written by Apple's documentation of these calls and not tried: there was no such machine. The terminal needs the rights
of screen recording, input monitoring and accessibility (System Settings, Privacy). A window's picture has its title bar
in it: play in full screen. Injection is for X11 only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from combatvla.desktop.base import Window
from combatvla.desktop.portable import PortableDesktop, Shown

NOTE = (
    "recording on macOS is written but was never tried; it needs the rights of screen recording, input monitoring and "
    "accessibility, and the mouse's own motion (mouse look) is not recorded there"
)
MENU_BAR = 24
"""The layer of the menu bar; what lies higher is the system's (the pointer, effects)."""
IGNORE_OTHER_APPS = 2
"""NSApplicationActivateIgnoringOtherApps"""


def shown_of(info: Mapping[str, Any]) -> Shown | None:
    """A window as the window server describes it; None for what nobody sees."""
    if not 0 <= info.get("kCGWindowLayer", 0) <= MENU_BAR or not info.get("kCGWindowAlpha", 1.0):
        return None
    at = info["kCGWindowBounds"]
    x, y, width, height = (int(at[side]) for side in ("X", "Y", "Width", "Height"))
    title = str(info.get("kCGWindowName") or "")
    programs = (str(owner),) if (owner := info.get("kCGWindowOwnerName")) else ()
    window = Window(int(info["kCGWindowNumber"]), title, int(info["kCGWindowOwnerPID"]), x, y, width, height, programs)
    return Shown(window, (x, y, x + width, y + height))


class Quartz:
    """`System` on macOS."""

    note = NOTE

    def __init__(self) -> None:
        import AppKit
        import ApplicationServices
        import Quartz

        self._quartz, self._access, self._appkit = Quartz, ApplicationServices, AppKit
        self._everyone = ApplicationServices.AXUIElementCreateSystemWide()

    def stack(self) -> Sequence[Shown]:
        listed = self._quartz.CGWindowListCopyWindowInfo(self._quartz.kCGWindowListOptionOnScreenOnly, 0)
        return [shown for shown in map(shown_of, listed or ()) if shown is not None]  # from the top to the bottom

    def focused(self) -> int | None:
        # Asked of the accessibility service: AppKit's own answer stands still without a run loop.
        failed, app = self._access.AXUIElementCopyAttributeValue(self._everyone, "AXFocusedApplication", None)
        if failed or app is None:
            return None
        failed, pid = self._access.AXUIElementGetPid(app, None)
        return next((s.window.id for s in self.stack() if s.window.pid == pid and s.window.title), None)

    def exists(self, id_: int) -> bool:
        return bool(self._quartz.CGWindowListCopyWindowInfo(self._quartz.kCGWindowListOptionIncludingWindow, id_))

    def raise_window(self, window: Window) -> None:
        app = self._appkit.NSRunningApplication.runningApplicationWithProcessIdentifier_(window.pid)
        if app is not None:
            app.activateWithOptions_(IGNORE_OTHER_APPS)


class MacDesktop(PortableDesktop):
    """`Desktop` on macOS."""

    def __init__(self) -> None:
        super().__init__(Quartz())
