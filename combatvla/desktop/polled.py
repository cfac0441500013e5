"""Input into one window where nobody tells of the focus: there it is asked for, before each press and all the time.

As `inject.GuardedInjector` on X11: only a profile's keys, only while the window has the focus, never left held. What
differs: a lost focus is noticed within `POLL_S` and not told; between the last question and the press lie some
microseconds. A watchdog process lets go after a crash and at a standstill. The rules are here and are tested on a
system that the tests play; what calls Windows is in `windows_input.py`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from combatvla.actions import Action
from combatvla.desktop import polled_watchdog as watchdog
from combatvla.desktop.base import Desktop, Window, WindowGone
from combatvla.desktop.grip import Grip, Killed
from combatvla.desktop.limits import DEFAULT, Limits, Meter
from combatvla.desktop.polled_human import Done, PolledHuman
from combatvla.errors import UserError
from combatvla.profiles import MOUSE_BUTTONS, GameProfile

POLL_S = 0.005
"""How often the focus is asked for."""


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

    def listen(self, hear: Callable[[Done], None]) -> Callable[[], None]:
        """Calls `hear`, from another thread, with what a person does, whatever window has the focus, and not with what
        programs send; gives what ends that."""

    def under_pointer(self) -> int | None:
        """The id of the program's window to which a click would go."""

    def place_pointer(self, x: int, y: int) -> None:
        """Puts the pointer to this place on the screen."""


class PolledInjector:
    """`Injector` on `Hands`. `armed=False` is a dry run: focus and window are checked as ever, nothing is sent. What
    goes beyond `limits` is left out and counted in `meter.left_out`; `on_limit` gets a sentence about it, once. Given a
    `grip`, it heeds the person. `mode` and `on_mode` as of `inject.GuardedInjector`."""

    def __init__(
        self,
        hands: Hands,
        desktop: Desktop,
        window: Window,
        profile: GameProfile,
        *,
        armed: bool,
        grip: Grip | None = None,
        limits: Limits = DEFAULT,
        on_mode: Callable[[int, str], None] = lambda t_ns, mode: None,
        on_limit: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.window = desktop.geometry(window)
        self.armed = armed
        self.held: frozenset[Action] = frozenset()
        self.press = frozenset(profile.press)
        self.look_speed = profile.look.speed if profile.look else 0.0
        self.meter = Meter(limits, on_limit)
        self.mode = ""
        self._on_mode = on_mode
        self._human = PolledHuman(grip) if grip is not None else None
        if grip is not None:
            grip.check(profile.keys.values())
        self._had_focus = False
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
        self._deafen: Callable[[], None] = lambda: None
        try:
            if grip is not None:
                self._deafen = hands.listen(self._heard)
            self.release_all()  # what a crashed predecessor left held
            with self._lock:
                self._note_mode(self._hands.focused() == self.window.id)
        except BaseException:
            self.close()
            raise

    def set_held(self, actions: frozenset[Action]) -> bool:
        """Holds exactly the inputs of `actions` and releases the others; sends only the difference.

        False when the window is without the focus (for buttons: when something lies over it at the pointer): then
        nothing is held; the same while the person has control. Raises `WindowGone` when it was closed, `Killed` after
        the kill chord, `UserError` when the system refuses the input or the watchdog was killed.
        """
        wanted = frozenset(a for a in actions if a in self._keys)
        with self._lock:
            if self._closed:
                return False
            self._check_watchdog()
            self.meter.no_longer_wanted(wanted)
            if not self._allowed():
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
            if self._allowed():  # what was pressed while it went away is let go at once
                return True
            self._drop()
            return False

    def turn(self, dx: int, dy: int) -> bool:
        """Moves the mouse by so many counts to the right and down, which turns a camera; False, and nothing sent, where
        the profile has no `look`, and without the focus."""
        with self._lock:
            if self._closed or not self.look_speed:
                return False
            if not self._allowed():
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

    def stop_process(self) -> None:
        """Lets go of everything and stops this process, where the system knows such a thing."""
        self.release_all()
        if hasattr(signal, "SIGTSTP"):
            os.kill(os.getpid(), signal.SIGTSTP)

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
                self._deafen()
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
                focused = self._hands.focused() == self.window.id
                if still_s > 0.7 * watchdog.STILL_S or (self.held and not focused):
                    # After a standstill the watchdog may have let go: what is still wanted is pressed anew.
                    self._drop()
                self._note_mode(focused)
                if still_s > watchdog.BEAT_S / 2:
                    self._beaten = now
                    if self._watchdog is not None:
                        watchdog.beat(self._watchdog)

    def _heard(self, done: Done) -> None:
        """The person did something."""
        with self._lock:
            if self._closed:
                return
            focused = self._hands.focused() == self.window.id
            self._human.heed(done, focused=focused)
            if self._human.taken or self._human.killed:
                self._drop()
            self._note_mode(focused)

    def _note_mode(self, focused: bool) -> None:
        if self._human is not None and focused and not self._had_focus:
            self._human.settle()
        self._had_focus = focused
        if self._human is not None and (self._human.killed or self._human.taken):
            mode = "killed" if self._human.killed else "human"
        else:
            mode = ("armed" if self.armed else "dry run") if focused else "no focus"
        if mode != self.mode:
            self.mode = mode
            with suppress(Exception):  # a log on a full disk, say: this thread must live on to let go of the keys
                self._on_mode(time.monotonic_ns(), mode)

    def _allowed(self) -> bool:
        """Whether anything may be held now. Raises `Killed` after the kill chord."""
        if self._human is not None and self._human.killed:
            self._drop()
            raise Killed(f"the kill chord {self._human.grip.kill_chord} was pressed: every key was let go")
        return self._has_focus() and not (self._human is not None and self._human.taken)

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
