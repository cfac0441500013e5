"""The person at the keyboard, where the system says of each input whether a program sent it (Windows): takes control by
any key, button, wheel or motion of the mouse in the game, gives it back by one key, ends the agent by a chord. As
`human.Human` on X11, which has to find out by comparing."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from combatvla.desktop.grip import Grip

JITTER_COUNTS, JITTER_S, SETTLE_S = 12, 0.25, 0.5
"""As on X11: so little motion is no hand, and none is for so long after the focus came."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a person did."""

    kind: Literal["key", "button", "motion"]
    """The wheel is a button."""
    name: str = ""
    """Of a key, in the words of game profiles."""
    down: bool = True
    counts: float = 0.0
    """Of motion."""


@dataclass
class PolledHuman:
    """For one thread at a time."""

    grip: Grip
    taken: bool = False
    killed: bool = False
    by: str = ""
    """What took control."""
    _down: set[str] = field(default_factory=set)
    _moved: deque[tuple[float, float]] = field(default_factory=deque)
    _calm_until: float = 0.0

    def settle(self) -> None:
        """The game has just got the focus: the hand that clicked it still moves."""
        self._calm_until = time.monotonic() + SETTLE_S
        self._moved.clear()

    def heed(self, done: Done, *, focused: bool) -> None:
        """This was done, while the game had the focus or had not."""
        if done.kind == "key":
            self._heed_key(done, focused)
        elif focused and done.kind == "button" and done.down:
            self._take("a mouse button")
        elif focused and done.kind == "motion" and self._is_a_hand(done.counts):
            self._take("the mouse")

    def _heed_key(self, done: Done, focused: bool) -> None:
        if not done.down:
            self._down.discard(done.name)
            return
        self._down.add(done.name)
        chord = self.grip.kill_chord.lower().split("+")
        if self._down.issuperset(chord) and done.name == chord[-1]:
            self.killed = True
        elif done.name == self.grip.give_back.lower():
            self.taken = self.taken and not focused
            self._moved.clear()
        elif focused:
            self._take("a key")

    def _is_a_hand(self, counts: float) -> bool:
        now = time.monotonic()
        if now < self._calm_until:
            return False
        self._moved.append((now, counts))
        while now - self._moved[0][0] > JITTER_S:
            self._moved.popleft()
        return sum(moved for _, moved in self._moved) >= JITTER_COUNTS

    def _take(self, by: str) -> None:
        if not self.taken:
            self.taken, self.by = True, by
