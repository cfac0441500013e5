"""The person at the keyboard: takes control by any key, button, wheel or motion of the mouse that the agent did not
send, gives it back by one key, ends the agent by a chord.

A person also comes through XTest, the agent's own way, when sitting at the other end of VNC. So what is heard is not
judged by its device but compared with what was sent: every input that the agent sends comes back as exactly one raw
event, keys among themselves and the mouse's among themselves in the order in which they were sent, before the answer to
the request that follows them. What comes besides is the person's.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from Xlib import XK, display

from combatvla.desktop.grip import FUNCTION_KEYS, Grip
from combatvla.desktop.rawinput import RawInput
from combatvla.desktop.x11 import KEYSYMS
from combatvla.errors import UserError

JITTER_COUNTS = 12
"""A mouse that moves by less than this within `JITTER_S` was not moved by a hand: tables shake."""
JITTER_S = 0.25
SETTLE_S = 0.5
"""The hand that clicked the game, to give it the focus, still moves the mouse for so long; that is no taking over."""
LATE_S = 2.0
"""What was sent comes back at once, or after a window manager has looked at the click before it."""
_BOTH = {
    "ctrl": ("Control_L", "Control_R"),
    "shift": ("Shift_L", "Shift_R"),
    "alt": ("Alt_L", "Alt_R", "Meta_L"),
    "super": ("Super_L", "Super_R"),
}
_NAMED = KEYSYMS | {name: name.upper() for name in FUNCTION_KEYS} | {"pause": "Pause", "scroll_lock": "Scroll_Lock"}


@dataclass
class Human:
    """Whether the person has taken control, or has ended all of it; to be told of each input that is sent (`expect`)
    and of each that is heard (`heed`). For one thread."""

    connection: display.Display
    grip: Grip = field(default_factory=Grip)
    taken: bool = False
    killed: bool = False
    by: str = ""
    """What took control: `a key`, `a mouse button` or `the mouse`."""

    def __post_init__(self) -> None:
        self._chord = [self._codes(name) for name in self.grip.kill_chord.lower().split("+")]
        self._give_back = self._codes(self.grip.give_back.lower())
        if not all(self._chord) or not self._give_back:
            raise UserError(
                f"the keyboard layout lacks a key of {self.grip.kill_chord} or {self.grip.give_back}: choose others "
                "with --kill-chord and --give-back"
            )
        self._sent: deque[tuple[float, RawInput]] = deque()
        self._down: set[int] = set()
        """The keys that the person holds, as far as was heard."""
        self._moved: deque[tuple[float, float]] = deque()
        self._calm_until = time.monotonic() + SETTLE_S

    def expect(self, sent: RawInput) -> None:
        """This is about to be sent."""
        self._sent.append((time.monotonic(), sent))

    def settle(self) -> None:
        """The game has just got the focus."""
        self._calm_until = time.monotonic() + SETTLE_S
        self._moved.clear()

    def heed(self, heard: RawInput, *, focused: bool) -> None:
        """This happened, while the game had the focus or had not: what is typed elsewhere is no taking over."""
        if self._is_ours(heard):
            return
        if heard.kind == "key":
            self._heed_key(heard, focused)
        elif focused and heard.kind == "button" and heard.down:
            self._take("a mouse button")
        elif focused and heard.kind == "motion" and self._is_a_hand(heard):
            self._take("the mouse")

    def _is_ours(self, heard: RawInput) -> bool:
        now = time.monotonic()
        while self._sent and now - self._sent[0][0] > LATE_S:
            self._sent.popleft()
        for i, (_, sent) in enumerate(self._sent):
            if sent == heard:
                del self._sent[i]
                return True
        return False

    def _heed_key(self, heard: RawInput, focused: bool) -> None:
        # A release alone is none of the person's doings: the key was pressed before we listened (Enter, in the
        # terminal), or our watchdog let go of it.
        if not heard.down:
            self._down.discard(heard.code)
            return
        self._down.add(heard.code)
        if all(self._down & codes for codes in self._chord) and heard.code in self._chord[-1]:
            self.killed = True
        elif heard.code in self._give_back:
            self.taken = self.taken and not focused
            self._moved.clear()
        elif focused:
            self._take("a key")

    def _is_a_hand(self, heard: RawInput) -> bool:
        now = time.monotonic()
        if now < self._calm_until:
            return False
        self._moved.append((now, abs(heard.x) + abs(heard.y)))
        while now - self._moved[0][0] > JITTER_S:
            self._moved.popleft()
        return sum(counts for _, counts in self._moved) >= JITTER_COUNTS

    def _take(self, by: str) -> None:
        if not self.taken:
            self.taken, self.by = True, by

    def _codes(self, name: str) -> frozenset[int]:
        """Of the keys that are called so: a modifier is there twice."""
        keysyms = [XK.string_to_keysym(n) or ord(n) for n in _BOTH.get(name, (_NAMED.get(name, name),))]
        return frozenset(code for k in keysyms for code, index in self.connection.keysym_to_keycodes(k) if index == 0)
