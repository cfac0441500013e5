"""The person at the keyboard: takes control by any key, button, wheel or motion of the mouse that the agent did not
send, gives it back by one key, ends the agent by a chord.

A person also comes through XTest, the agent's own way, when sitting at the other end of VNC. So what is heard is not
judged by its device but compared with what was sent: every input that the agent sends comes back as exactly one raw
event, keys among themselves and the mouse's among themselves in the order in which they were sent, before the answer to
the request that follows them. What comes besides is the person's. (At the other end of VNC, a key that the agent holds
at that moment is heard of when the person lets go of it: its second press changes nothing, and the server drops it.)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection

from Xlib import XK, display

from combatvla.desktop.grip import FUNCTION_KEYS, Grip
from combatvla.desktop.rawinput import RawInput
from combatvla.desktop.takeover import Takeover
from combatvla.desktop.x11 import KEYSYMS
from combatvla.errors import UserError

LATE_S = 2.0
"""What was sent comes back at once, or after a window manager has looked at the click before it."""
_BOTH = {
    "ctrl": ("Control_L", "Control_R"),
    "shift": ("Shift_L", "Shift_R"),
    "alt": ("Alt_L", "Alt_R", "Meta_L"),
    "super": ("Super_L", "Super_R"),
}
_NAMED = KEYSYMS | {name: name.upper() for name in FUNCTION_KEYS} | {"pause": "Pause", "scroll_lock": "Scroll_Lock"}


class Human(Takeover):
    """Whether the person has taken control, or has ended all of it; to be told of each input that is sent (`expect`)
    and of each that is heard (`heed`). For one thread. `UserError` when the keyboard lacks a key of `grip`."""

    def __init__(self, connection: display.Display, grip: Grip) -> None:
        self._x = connection
        self._sent: deque[tuple[float, RawInput]] = deque()
        chord = [self._codes(name) for name in grip.kill_chord.lower().split("+")]
        give_back = self._codes(grip.give_back.lower())
        if not all(chord) or not give_back:
            raise UserError(
                f"the keyboard layout lacks a key of {grip.kill_chord} or {grip.give_back}: choose others "
                "with --kill-chord and --give-back"
            )
        super().__init__(chord, give_back)

    def expect(self, sent: RawInput) -> None:
        """This is about to be sent."""
        self._sent.append((time.monotonic(), sent))

    def heed(self, heard: RawInput, *, focused: bool, held: Collection[int]) -> None:
        """This happened, while the game had the focus or had not, and the agent held the keys `held`."""
        if self._is_ours(heard):
            return
        if heard.kind == "key":
            if not heard.down and heard.code in held:  # let go by somebody else
                self.taken = self.taken or focused
            self.heed_key(heard.code, down=heard.down, focused=focused)
        elif heard.kind == "button":
            self.heed_button(down=heard.down, focused=focused)
        else:
            self.heed_motion(abs(heard.x) + abs(heard.y), focused=focused)

    def _is_ours(self, heard: RawInput) -> bool:
        now = time.monotonic()
        while self._sent and now - self._sent[0][0] > LATE_S:
            self._sent.popleft()
        for i, (_, sent) in enumerate(self._sent):
            if sent == heard:
                del self._sent[i]
                return True
        return False

    def _codes(self, name: str) -> frozenset[int]:
        """Of the keys that are called so: a modifier is there twice."""
        keysyms = [XK.string_to_keysym(n) or ord(n) for n in _BOTH.get(name, (_NAMED.get(name, name),))]
        return frozenset(code for k in keysyms for code, index in self._x.keysym_to_keycodes(k) if index == 0)
