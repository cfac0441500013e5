"""Input into one window where nobody tells of the focus: there it is asked for, before each press and all the time.

As `inject.GuardedInjector` on X11: only a profile's keys, only while the window has the focus, never left held. What
differs: a lost focus is noticed within `POLL_S` and not told; between the last question and the press lie some
microseconds. A watchdog process lets go after a crash and at a standstill. The rules are here and are tested on a
system that the tests play; what calls Windows is in `windows_input.py`.
"""

from __future__ import annotations

import atexit
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from combatvla.actions import Action
from combatvla.desktop import polled_watchdog as watchdog
from combatvla.desktop.base import Desktop, Window, WindowGone
from combatvla.desktop.limits import Limits, Meter
from combatvla.errors import UserError
from combatvla.profiles import MOUSE_BUTTONS, GameProfile

POLL_S = 0.005
"""How often the focus is asked for while something is held."""


class Hands(Protocol):
    """What is asked of the operating system. Keys and buttons are named as in game profiles."""

    watchdog: str
    """`module:class` that makes such hands in the watchdog's process."""

    def focused(self) -> int | None:
        """The id of the window that has the keyboard."""

    def exists(self, id_: int) -> bool:
        """Whether there is such a window."""

    def knows(self, key: str) -> bool:
        """Whether the present keyboard has this key."""

    def is_down(self, key: str) -> bool:
        """Whether it is down, whoever pressed it."""

    def send(self, key: str, *, down: bool) -> bool:
        """Presses or releases it; False when the system refused."""

    def move(self, dx: int, dy: int) -> bool:
        """Moves the mouse by so many counts, to the right and down; False when the system refused."""

    def under_pointer(self) -> int | None:
        """The id of the program's window to which a click would go."""

    def place_pointer(self, x: int, y: int) -> None:
        """Puts the pointer to this place on the screen."""


class PolledInjector:
    """`Injector` on `Hands`. `armed=False` is a dry run: focus and window are checked as ever, nothing is sent. What
    goes beyond `limits` is left out and counted in `meter.left_out`; `on_limit` gets a sentence about it, once."""

    def __init__(
        self,
        hands: Hands,
        desktop: Desktop,
        window: Window,
        profile: GameProfile,
        *,
        armed: bool,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        on_limit: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.window = desktop.geometry(window)
        self.armed = armed
        self.held: frozenset[Action] = frozenset()
        self.press = frozenset(profile.press)
        self.look_speed = profile.look.speed if profile.look else 0.0
        self.meter = Meter(limits, on_limit)
        self._hands, self._desktop, self._keys = hands, desktop, dict(profile.keys)
        if unknown := [key for key in self._keys.values() if not hands.knows(key)]:
            raise UserError(
                f"the keyboard layout has no plain key {unknown[0]!r}: choose another layout, or another key in the "
                "game profile"
            )
        self._lock = threading.RLock()  # a signal's handler may call in the middle of a call
        self._closed = False
        self._beaten = time.monotonic()
        self._watchdog = watchdog.start(hands.watchdog, self._keys.values()) if armed else None
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._guard, name="injector", daemon=True)
        self._thread.start()
        try:
            self.release_all()  # what a crashed predecessor left held
        except BaseException:
            self.close()
            raise

    def set_held(self, actions: frozenset[Action]) -> bool:
        """Holds exactly the inputs of `actions` and releases the others; sends only the difference.

        False when the window is without the focus (for buttons: when something lies over it at the pointer): then
        nothing is held. Raises `WindowGone` when it was closed, `UserError` when the system refuses the input or the
        watchdog was killed.
        """
        wanted = frozenset(a for a in actions if a in self._keys)
        with self._lock:
            if self._closed:
                return False
            self._check_watchdog()
            self.meter.no_longer_wanted(wanted)
            if not self._has_focus():
                self._drop()
                return False
            for action in _ordered(self.held - wanted):
                self._release(action)
            for action in _ordered(wanted - self.held):
                if not self.meter.may_press(action):
                    continue
                if not self._press(action):
                    self._drop()
                    return False
            if self._has_focus():  # what was pressed while it went away is let go at once
                return True
            self._drop()
            return False

    def turn(self, dx: int, dy: int) -> bool:
        """Moves the mouse by so many counts to the right and down, which turns a camera; False, and nothing sent, where
        the profile has no `look`, and without the focus."""
        with self._lock:
            if self._closed or not self.look_speed:
                return False
            if not self._has_focus():
                self._drop()
                return False
            if not self._pointer_inside():
                return False
            if self.armed and self.meter.move(abs(dx) + abs(dy)) and not self._hands.move(dx, dy):
                raise self._refused()
            return True

    def release_all(self) -> None:
        """Lets go of everything held here, and of the profile's keys that another injector left held."""
        with self._lock:
            self._drop()
            if self.armed:
                for key in self._keys.values():
                    # Asked first: the release of a button that is up opens menus in some programs.
                    if self._hands.is_down(key):
                        self._hands.send(key, down=False)

    def close(self) -> None:
        """Lets go of everything and ends. May be called again; other calls then do nothing."""
        with self._lock:
            if self._closed:
                return
            try:
                self.release_all()
            finally:
                self._closed = True
                self._wake.set()
                if self._watchdog is not None:
                    watchdog.stop(self._watchdog)
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def __enter__(self) -> PolledInjector:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _guard(self) -> None:
        """Lets go when the focus went elsewhere, and gives the watchdog its sign of life."""
        while not self._wake.wait(POLL_S):
            with self._lock:
                if self._closed:
                    return
                now = time.monotonic()
                still_s = now - self._beaten
                if still_s > 0.7 * watchdog.STILL_S or (self.held and self._hands.focused() != self.window.id):
                    # After a standstill the watchdog may have let go: what is still wanted is pressed anew.
                    self._drop()
                if still_s > watchdog.BEAT_S / 2:
                    self._beaten = now
                    if self._watchdog is not None:
                        watchdog.beat(self._watchdog)

    def _has_focus(self) -> bool:
        if self._hands.focused() == self.window.id:
            return True
        if not self._hands.exists(self.window.id):
            self._drop()
            raise WindowGone(f"the window {self.window.title!r} was closed: start the game again")
        return False

    def _press(self, action: Action) -> bool:
        key = self._keys[action]
        if not self._has_focus() or (key in MOUSE_BUTTONS and not self._pointer_inside()):
            return False
        if self.armed and not self._hands.send(key, down=True):
            self._drop()
            raise self._refused()
        self.meter.pressed(action)
        self.held |= {action}
        return True

    def _release(self, action: Action) -> None:
        if self.armed:
            self._hands.send(self._keys[action], down=False)
        self.held -= {action}

    def _drop(self) -> None:
        for action in _ordered(self.held):
            self._release(action)

    def _pointer_inside(self) -> bool:
        """Whether a click goes to the window; puts the pointer into its middle when it is elsewhere."""
        if not self.armed or self._hands.under_pointer() == self.window.id:
            return True
        at = self._desktop.geometry(self.window)
        self._hands.place_pointer(at.x + at.width // 2, at.y + at.height // 2)
        return self._hands.under_pointer() == self.window.id

    def _check_watchdog(self) -> None:
        if self._watchdog is not None and self._watchdog.poll() is not None:
            self._drop()
            raise UserError(
                "the watchdog that frees the keys after a crash was killed, so no input is sent: start again"
            )

    def _refused(self) -> UserError:
        return UserError(
            f"the system refused the input for {self.window.title!r}: a game that runs as administrator takes it only "
            "from programs that do so as well"
        )


def _ordered(actions: frozenset[Action]) -> list[Action]:
    return [a for a in Action if a in actions]


@contextmanager
def release_on_exit(injector: PolledInjector) -> Iterator[PolledInjector]:
    """Closes `injector` on every way out: return, exception, Ctrl-C, and the signals that end a program (on Windows
    also Ctrl-Break and the closed console), which become a clean `SystemExit(128 + number)` of the main thread."""
    before: dict[int, object] = {}

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, leave)
    atexit.register(injector.close)
    try:
        yield injector
    finally:
        injector.close()
        atexit.unregister(injector.close)
        for number, handler in before.items():
            signal.signal(number, handler)
