"""What an injector sends to the X server: presses, releases and motion by XTest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from Xlib import X, display
from Xlib.ext import xtest

from combatvla.actions import Action
from combatvla.desktop import watchdog
from combatvla.desktop.human import Human
from combatvla.desktop.rawinput import RawInput


class Sender:
    """Sends over `connection`, and tells `human` what: whatever else is heard is the person's. Without a watchdog
    process it sends nothing (a dry run). What is sent is carried out by the next `sync` of the connection."""

    def __init__(
        self,
        connection: display.Display,
        codes: Mapping[Action, int],
        buttons: Mapping[Action, int],
        watch: subprocess.Popen | None,
        human: Human | None,
    ) -> None:
        self._x, self._codes, self._buttons, self._watch, self._human = connection, codes, buttons, watch, human

    def send(self, action: Action, *, down: bool) -> None:
        """Presses or releases the key or button of `action`."""
        if self._watch is None:
            return
        if action in self._codes:
            self._expect(RawInput("key", down, self._codes[action]))
            xtest.fake_input(self._x, X.KeyPress if down else X.KeyRelease, self._codes[action])
        else:
            self._expect(RawInput("button", down, self._buttons[action]))
            xtest.fake_input(self._x, X.ButtonPress if down else X.ButtonRelease, self._buttons[action])

    def move(self, x: int, y: int, *, relative: bool = False) -> None:
        """Moves the mouse to this place on the screen, or by so many counts to the right and down."""
        if self._watch is None:
            return
        self._expect(RawInput("motion", False, 0, x, y))
        xtest.fake_input(self._x, X.MotionNotify, int(relative), x=x, y=y)

    def release_everything(self) -> None:
        """Releases every key and button of the game, whoever pressed it by XTest."""
        if self._watch is None:
            return
        for kind, codes in (("key", self._codes), ("button", self._buttons)):
            for code in codes.values():
                self._expect(RawInput(kind, False, code))
        watchdog.release(self._x, self._codes.values(), self._buttons.values())

    @contextmanager
    def grabbed(self) -> Iterator[None]:
        """Nobody else's requests are carried out meanwhile."""
        if self._watch is None:
            yield
            return
        watchdog.beat(self._watch, watchdog.GRABS)
        self._x.grab_server()
        try:
            yield
        finally:
            self._x.ungrab_server()
            self._x.flush()
            watchdog.beat(self._watch, watchdog.LETS_GO)

    def _expect(self, sent: RawInput) -> None:
        if self._human is not None:
            self._human.expect(sent)
