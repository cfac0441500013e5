"""Presses of many keys at once, drawn by a seed, at the pace of the game that is to see them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from combatvla.actions import Action
from combatvla.desktop.inject import GuardedInjector

POLL_S = 0.002


class Change(NamedTuple):
    """An action's input went down or up at `t_ns`, taken just before it was sent."""

    t_ns: int
    action: Action
    down: bool


@dataclass
class _Lane:
    """Keys of which one at most is down at a time."""

    actions: Sequence[Action]
    held: Action | None = None
    until: int = 0
    """The tic that must have passed..."""
    due_ns: int | None = None
    """...and the moment after it, somewhere within a tic."""


@dataclass
class Presser:
    """Presses the keys of each lane of `lanes` again and again, each lane for itself.

    A hold and the rest after it last a random number of tics of the game (`hold`, `rest`: least and most), which are
    counted by `tics`, not taken from the clock: on a busy machine the game falls behind, and a press that it had no
    chance to see proves nothing. Within a tic the moment is random. The focus is guarded as ever: without it nothing
    is sent.
    """

    injector: GuardedInjector
    lanes: Sequence[Sequence[Action]]
    tics: Callable[[], int]
    tic_ms: float
    hold: tuple[int, int]
    rest: tuple[int, int]
    seed: int = 0
    sent: list[Change] = field(default_factory=list)
    """What was sent, by time."""
    presses: int = 0

    def run(self, most: float, stop: threading.Event) -> None:
        """Presses `most` times, or until `stop`; lets go of everything at the end."""
        rng = random.Random(self.seed)
        lanes = [_Lane(actions, until=self.tics() + rng.randint(*self.rest)) for actions in self.lanes]
        try:
            while (self.presses < most or any(lane.held for lane in lanes)) and not stop.wait(POLL_S):
                now, tic = time.monotonic_ns(), self.tics()
                if self.presses >= most:
                    lanes = [lane for lane in lanes if lane.held]  # which are let go of when it is their time
                for lane in lanes:
                    if lane.due_ns is None and tic >= lane.until:
                        lane.due_ns = now + int(rng.random() * self.tic_ms * 1e6)
                ready = [lane for lane in lanes if lane.due_ns is not None and now >= lane.due_ns]
                for lane in ready:
                    lane.held = None if lane.held else rng.choice(list(lane.actions))
                if ready:
                    self._send(frozenset(lane.held for lane in lanes if lane.held))
                tic = self.tics()  # to send may have taken long
                for lane in ready:
                    lane.until, lane.due_ns = tic + rng.randint(*(self.hold if lane.held else self.rest)), None
        finally:
            self._send(frozenset())

    def _send(self, wanted: frozenset[Action]) -> None:
        before, t_ns = self.injector.held, time.monotonic_ns()
        if not self.injector.set_held(wanted):
            wanted = frozenset()  # the focus is gone, and so is what was held
        self.sent += [Change(t_ns, action, False) for action in sorted(before - wanted)]
        self.sent += [Change(t_ns, action, True) for action in sorted(wanted - before)]
        self.presses += len(wanted - before)
