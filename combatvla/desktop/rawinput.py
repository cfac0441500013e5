"""What is really done with keyboard and mouse on X11 (XInput 2's raw events): heard whatever window has the focus, and
for the mouse also where the pointer stops, at the screen's edge or in a game that holds it in its middle."""

from __future__ import annotations

import struct
from typing import NamedTuple

from Xlib import display
from Xlib.ext import ge, xinput

from combatvla.errors import UserError

MOTION = xinput.RawMotionMask
EVERYTHING = (
    MOTION | xinput.RawKeyPressMask | xinput.RawKeyReleaseMask | xinput.RawButtonPressMask | xinput.RawButtonReleaseMask
)
_KINDS = {
    xinput.RawKeyPress: ("key", True),
    xinput.RawKeyRelease: ("key", False),
    xinput.RawButtonPress: ("button", True),
    xinput.RawButtonRelease: ("button", False),
    xinput.RawMotion: ("motion", False),
}
_HEAD = struct.Struct("<HIIHHII")
"""Of a raw event, after what all generic events have: device, time, detail, source, words of the mask, flags, pad."""
_NUMBER = struct.Struct("<iI")
"""A number in 32.32 fixed point."""
X_AXIS, Y_AXIS = 0, 1


class RawInput(NamedTuple):
    """One raw event."""

    kind: str
    """`key`, `button` (the wheel is buttons 4 to 7) or `motion`."""
    down: bool
    """Of keys and buttons: pressed, else released."""
    code: int
    """The key's code or the button's number."""
    x: float = 0.0
    """Of motion: counts to the right before the desktop's acceleration; of a device that knows places, the place."""
    y: float = 0.0


def listen(connection: display.Display, mask: int = EVERYTHING) -> None:
    """Has the server tell `connection` of the raw events in `mask`. `UserError` when the display has no XInput 2."""
    if not connection.has_extension("XInputExtension") or not connection.has_extension(ge.extname):
        raise UserError("keyboard and mouse cannot be listened to: this display lacks XInput 2; use a newer X server")
    # 2.1 and later also tell while a program has grabbed the device; python-xlib itself asks for 2.0.
    major = connection.display.get_extension_major(xinput.extname)
    xinput.XIQueryVersion(display=connection.display, opcode=major, major_version=2, minor_version=2)
    connection.screen().root.xinput_select_events([(xinput.AllMasterDevices, mask)])
    connection.sync()


def heard(event) -> RawInput | None:
    """What an event of python-xlib tells, None for those that are not raw."""
    known = _KINDS.get(getattr(event, "evtype", None))
    if known is None:
        return None
    kind, down = known
    if kind == "motion":
        return RawInput(kind, down, 0, *raw_motion(event.data)[1:])
    return RawInput(kind, down, _HEAD.unpack_from(event.data)[2])


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
