"""When a person has taken control, gives it back, or ends all of it: the rules, whatever way their input is heard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Sequence

JITTER_COUNTS = 12
"""A mouse that moves by less than this within `JITTER_S` was not moved by a hand: tables shake."""
JITTER_S = 0.25
SETTLE_S = 0.5
"""The hand that clicked the game, to give it the focus, still moves the mouse for so long; that is no taking over."""


class Takeover:
    """For one thread at a time. Keys are codes or names; `chord` and `give_back` hold, for each key of theirs, all
    that stand for it."""

    def __init__(self, chord: Sequence[frozenset[Hashable]], give_back: frozenset[Hashable]) -> None:
        self.taken = self.killed = False
        self._chord, self._give_back = chord, give_back
        self._down: set[Hashable] = set()
        """The keys that the person holds, as far as was heard."""
        self._moved: deque[tuple[float, float]] = deque()
        self.settle()

    def settle(self) -> None:
        """The game has just got the focus."""
        self._calm_until = time.monotonic() + SETTLE_S
        self._moved.clear()

    # What the person did, while the game had the focus or had not: what is done elsewhere is no taking over.

    def heed_key(self, key: Hashable, *, down: bool, focused: bool) -> None:
        # A release alone is none of the person's doings: the key was pressed before we listened (Enter, in the
        # terminal), or our watchdog let go of it.
        if not down:
            self._down.discard(key)
            return
        self._down.add(key)
        if all(self._down & keys for keys in self._chord) and key in self._chord[-1]:
            self.killed = True
        elif key in self._give_back:
            self.taken = self.taken and not focused
            self._moved.clear()
        elif focused:
            self.taken = True

    def heed_button(self, *, down: bool, focused: bool) -> None:
        """The wheel is a button."""
        self.taken = self.taken or (down and focused)

    def heed_motion(self, counts: float, *, focused: bool) -> None:
        now = time.monotonic()
        if not focused or now < self._calm_until:
            return
        self._moved.append((now, counts))
        while now - self._moved[0][0] > JITTER_S:
            self._moved.popleft()
        self.taken = self.taken or sum(moved for _, moved in self._moved) >= JITTER_COUNTS
