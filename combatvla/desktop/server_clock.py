"""When an input happened, by the X server that saw it: on a busy machine a listener hears of it a tenth of a second
later."""

from __future__ import annotations

import time

from Xlib import X, display

MS = 1_000_000
_WRAP = 1 << 32
"""The server counts milliseconds in 32 bits."""
STALE_MS = 20
"""A server looks at its clock once for all the requests of its turn, which lasts so long at most..."""
TRIES = 5
"""...and on a busy machine the same turn may begin earlier; then it is asked again."""
LONGEST_MS = 5000
"""An input is not told of later than this; a stamp that is older is of another clock."""


class ServerClock:
    """Turns the server's stamps into `time.monotonic_ns()`. An X server on this machine counts on the same clock; where
    it does not (another machine, another system), inputs are dated when they are heard of."""

    def __init__(self, connection: display.Display) -> None:
        self.shared = any(_same_clock(connection) for _ in range(TRIES))
        """Whether the stamp of a moment lies between those that we took before and after it."""

    def moment_ns(self, stamp: int) -> int:
        """When an input with this stamp happened, up to a millisecond late; now, if that cannot be told."""
        now = time.monotonic_ns()
        late_ms = (now // MS - stamp) % _WRAP
        if not self.shared or late_ms > LONGEST_MS:
            return now
        return min(now, (now // MS - late_ms + 1) * MS)


def _same_clock(connection: display.Display) -> bool:
    before = time.monotonic_ns()
    stamp = _ask(connection)
    heard = (time.monotonic_ns() // MS - stamp) % _WRAP
    asked = (before // MS - stamp) % _WRAP
    return heard <= LONGEST_MS and (asked <= STALE_MS or asked > _WRAP // 2)


def _ask(connection: display.Display) -> int:
    """The server's stamp of this moment: it dates the change of a property."""
    window = connection.screen().root.create_window(
        -1, -1, 1, 1, 0, 0, window_class=X.InputOnly, event_mask=X.PropertyChangeMask
    )
    try:
        atom = connection.get_atom("COMBATVLA_CLOCK")
        window.change_property(atom, connection.get_atom("CARDINAL"), 32, [0])
        while True:
            event = connection.next_event()
            if event.type == X.PropertyNotify and event.window == window:
                return event.time
    finally:
        window.destroy()
