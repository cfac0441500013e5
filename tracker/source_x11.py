"""Where inputs come from on X11: pynput's listeners on XRecord, and the mouse's own motion by XInput 2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from pynput import keyboard, mouse
from pynput._util.xorg import numlock_mask
from Xlib import X

from combatvla.desktop.server_clock import ServerClock
from combatvla.desktop.x11 import LOST, connect
from combatvla.errors import UserError
from tracker.rawmouse import RawMouse

_NUMBERS = range(0xFFB0, 0xFFBA)
"""What the number pad types with NumLock: KP_0 to KP_9."""


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


class _Dated(_Ending):
    """Keeps when that happened which the callbacks are told of."""

    def __init__(self, clock: ServerClock, **callbacks: Callable[..., None]) -> None:
        self._clock = clock
        self.t_ns = 0
        super().__init__(**callbacks)

    def _handle_message(self, display, event, injected) -> None:
        self.t_ns = self._clock.moment_ns(event.time)
        with suppress(*LOST):  # asking the display for a key's name, when it went first
            super()._handle_message(display, event, injected)


class _Keyboard(_Dated, keyboard.Listener):
    """Names a key by where it is, whatever else is down: its first symbol, that of the number for the number pad with
    NumLock. pynput names it by what it types, so that shift makes another key of tab and alt."""

    def __init__(self, clock: ServerClock, **callbacks: Callable[..., None]) -> None:
        self._down: dict[int, Any] = {}
        super().__init__(clock, **callbacks)

    def _event_to_key(self, display, event) -> Any:
        code = event.detail
        if event.type == X.KeyRelease and code in self._down:
            return self._down.pop(code)  # NumLock may be another by now
        state = event.state & numlock_mask(display)
        if state and display.keycode_to_keysym(code, 1) in _NUMBERS:
            state |= X.ShiftMask
        self._down[code] = super()._event_to_key(display, SimpleNamespace(detail=code, state=state))
        return self._down[code]


class _Mouse(_Dated, mouse.Listener):
    pass


class X11Source:
    """Calls what it is given, from threads of its own, until it is closed: the keyboard's and the mouse's callbacks as
    pynput has them, with the time (`time.monotonic_ns`) before the rest, and `on_look(t_ns, dx, dy)` with the mouse's
    own motion. `UserError` when the display lacks an extension.
    """

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
        self._connection = connect()
        if not self._connection.has_extension("RECORD"):
            self._connection.close()
            raise UserError("the keys cannot be listened to: this display lacks the RECORD extension of X11")
        moved = {"on_move": lambda x, y: on_move(pointer.t_ns, x, y)} if on_move is not None else {}
        clock = ServerClock(self._connection)
        keys = _Keyboard(
            clock,
            on_press=lambda key: on_press(keys.t_ns, key),
            on_release=lambda key: on_release(keys.t_ns, key),
        )
        pointer = _Mouse(
            clock,
            on_click=lambda *what: on_click(pointer.t_ns, *what[:4]),
            on_scroll=lambda *what: on_scroll(pointer.t_ns, *what[:4]),
            **moved,
        )
        self._listeners = (keys, pointer)
        self._raw = RawMouse(lambda stamp, *by: on_look(clock.moment_ns(stamp), *by)) if on_look is not None else None
        for listener in self._listeners:
            listener.start()
            listener.wait()

    def plain(self, key: keyboard.KeyCode) -> str:
        """The name of a key with a character."""
        return key.char.lower()

    def close(self) -> None:
        for listener in self._listeners:
            listener.stop()
        if self._raw is not None:
            self._raw.close()
        for listener in self._listeners:
            listener.join(2)
        with suppress(*LOST):  # the display went first
            self._connection.close()
