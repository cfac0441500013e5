"""The mouse's own motion on X11, told from a thread of its own (`combatvla.desktop.rawinput`)."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

from Xlib.ext import xinput

from combatvla.desktop import rawinput
from combatvla.desktop.x11 import LOST, connect


class RawMouse:
    """Calls `on_motion(stamp, dx, dy)` from a thread of its own with what the mouse was moved by, and when by the
    server's clock. `UserError` when the display has no XInput 2."""

    def __init__(self, on_motion: Callable[[int, float, float], None]) -> None:
        self._on_motion = on_motion
        self._display = connect()
        try:
            rawinput.listen(self._display, rawinput.MOTION)
        except BaseException:
            self._display.close()
            raise
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="raw mouse", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2)
        try:
            self._display.close()
        except LOST:
            pass  # the display went first

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._display.pending_events():
                    select.select([self._display.fileno()], [], [], 0.1)
                    continue
                event = self._display.next_event()
                if getattr(event, "evtype", None) == xinput.RawMotion:
                    stamp, dx, dy = rawinput.raw_motion(event.data)
                    if dx or dy:
                        self._on_motion(stamp, dx, dy)
        except LOST:
            pass  # the recorder learns of it from its own connection
