"""How many inputs a second an injector sends at most. A person's hands make 5 to 10 presses a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 1.0


@dataclass(frozen=True)
class Limits:
    """Of presses, and of counts of relative mouse motion. Releases are never limited."""

    presses_per_s: int = 30
    """Of all keys and buttons together."""
    presses_per_key_per_s: int = 12
    counts_per_s: int = 20_000
    """Of mouse motion, right or left plus up or down: about three full turns in most games."""


DEFAULT = Limits()
UNLIMITED = Limits(10**9, 10**9, 10**12)
"""For measurements that press keys as fast as they can."""


class Meter:
    """Counts what was sent within the last second. For one thread.

    What goes beyond the limits is left out and counted in `left_out` (a press that is asked for again and again
    counts once); the first time `on_limit` is called with a sentence for people.
    """

    def __init__(self, limits: Limits, on_limit: Callable[[str], None] = lambda text: None) -> None:
        self.limits = limits
        self.left_out = 0
        self._on_limit = on_limit
        self._told = False
        self._all: deque[float] = deque()
        self._by_key: dict[object, deque[float]] = {}
        self._moved: deque[tuple[float, float]] = deque()
        self._refused: set[object] = set()

    def may_press(self, key: object, others: int = 0) -> bool:
        """Whether `key` may be pressed now, together with so many others."""
        now = time.monotonic()
        own = self._by_key.setdefault(key, deque())
        for times in (self._all, own):
            while times and now - times[0] >= WINDOW_S:
                times.popleft()
        if len(own) >= self.limits.presses_per_key_per_s or len(self._all) + others >= self.limits.presses_per_s:
            if key not in self._refused:
                self._refused.add(key)
                self._leave_out(
                    f"more than {self.limits.presses_per_s} presses a second, or {self.limits.presses_per_key_per_s} "
                    "of one key, were asked for: what goes beyond that is left out"
                )
            return False
        self._refused.discard(key)
        return True

    def pressed(self, key: object) -> None:
        """It was."""
        now = time.monotonic()
        self._all.append(now)
        self._by_key.setdefault(key, deque()).append(now)

    def no_longer_wanted(self, wanted: frozenset) -> None:
        """The presses asked for now: one refused before and not among them counts anew the next time."""
        self._refused &= wanted

    def move(self, counts: float) -> bool:
        """Whether the mouse may be moved by so many counts now; it then counts as moved."""
        now = time.monotonic()
        while self._moved and now - self._moved[0][0] >= WINDOW_S:
            self._moved.popleft()
        if sum(c for _, c in self._moved) + counts > self.limits.counts_per_s:
            self._leave_out(
                f"more than {self.limits.counts_per_s} counts of mouse motion a second were asked for: what goes "
                "beyond that is left out"
            )
            return False
        self._moved.append((now, counts))
        return True

    def _leave_out(self, text: str) -> None:
        self.left_out += 1
        if not self._told:
            self._told = True
            self._on_limit(text)
