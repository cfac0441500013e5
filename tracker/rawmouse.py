"""The mouse's own motion on X11 (XInput 2), which goes on where the pointer stops: at the screen's edge, in a game that
holds the pointer in its middle."""

from __future__ import annotations

import select
import struct
import threading
from collections.abc import Callable

from Xlib.ext import ge, xinput

from combatvla.desktop.x11 import LOST, connect
from combatvla.errors import UserError

_HEAD = struct.Struct("<HIIHHII")
"""Of a raw event, after what all generic events have: device, time, detail, source, words of the mask, flags, pad."""
_NUMBER = struct.Struct("<iI")
"""A number in 32.32 fixed point."""
X_AXIS, Y_AXIS = 0, 1


def raw_motion(data: bytes) -> tuple[int, float, float]:
    """The server's stamp in the data of a raw motion event, and the counts to the right and down before the desktop's
    acceleration, zero for what is no motion. `ValueError` for data that are cut off."""
    try:
        _, stamp, _, _, words, _, _ = _HEAD.unpack_from(data)
        mask = int.from_bytes(data[_HEAD.size : _HEAD.size + 4 * words], "little")
        count, at = mask.bit_count(), _HEAD.size + 4 * words
        raw = [
            whole + part / 2**32
            for whole, part in (_NUMBER.unpack_from(data, at + 8 * (count + i)) for i in range(count))
        ]
    except struct.error as error:
        raise ValueError(f"a raw motion event of {len(data)} bytes is cut off") from error
    axes = [axis for axis in range(mask.bit_length()) if mask >> axis & 1]
    by_axis = dict(zip(axes, raw, strict=True))
    return stamp, by_axis.get(X_AXIS, 0.0), by_axis.get(Y_AXIS, 0.0)


class RawMouse:
    """Calls `on_motion(stamp, dx, dy)` from a thread of its own with what the mouse was moved by, and when by the
    server's clock. `UserError` when the display has no XInput 2."""

    def __init__(self, on_motion: Callable[[int, float, float], None]) -> None:
        self._on_motion = on_motion
        self._display = connect()
        try:
            if not self._display.has_extension("XInputExtension") or not self._display.has_extension(ge.extname):
                raise UserError("the mouse's own motion cannot be listened to: this display lacks XInput 2")
            self._display.xinput_query_version()
            root = self._display.screen().root
            root.xinput_select_events([(xinput.AllMasterDevices, xinput.RawMotionMask)])
            self._display.sync()
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
                    stamp, dx, dy = raw_motion(event.data)
                    if dx or dy:
                        self._on_motion(stamp, dx, dy)
        except LOST:
            pass  # the recorder learns of it from its own connection
