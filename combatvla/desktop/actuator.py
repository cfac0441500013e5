"""Carries out plans in real time: a thread holds each step for its time, whatever the caller does meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.desktop.base import Injector

GUARD_MS = 30
"""How often the focus is checked and the held keys are set anew, at least."""
DEAD_MAN_MS = 1000
"""Without a new decision for so long, everything is let go."""


class Actuator:
    """Carries out plans on an injector: a thread of its own holds each step for its time, whatever the policy does.

    Every `GUARD_MS` it sets the held keys anew, so that they come back with the focus; after `dead_man_ms` without a
    new plan it lets go of everything. `on_held(t_ns, actions)` hears of each change.
    """

    def __init__(
        self,
        injector: Injector,
        *,
        dead_man_ms: float = DEAD_MAN_MS,
        on_held: Callable[[int, frozenset[Action]], None] = lambda t_ns, held: None,
    ) -> None:
        self.injector, self.dead_man_ms = injector, dead_man_ms
        self.held: frozenset[Action] = frozenset()
        self.focused = True
        self._on_held = on_held
        self._plan, self._began = WAIT_PLAN, time.monotonic()
        self._changed = threading.Condition()
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="actuator", daemon=True)
        self._thread.start()

    def start(self, plan: Plan) -> tuple[int, bool]:
        """Replaces the running plan by `plan` at once; its first step is down on return.

        Gives when it was down (monotonic ns), and whether anything changed by it. Raises what went wrong in the thread
        since the last call, e.g. `WindowGone`.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            before = self.held
            self._plan, self._began = plan, time.monotonic()
            acted_ns = self._set()
            self._changed.notify()
            return acted_ns, self.held != before

    def close(self) -> None:
        """Ends the thread and lets go of everything."""
        with self._changed:
            self._closed = True
            self._plan = WAIT_PLAN
            self._changed.notify()
        self._thread.join(5)
        self.injector.release_all()
        self._note(frozenset(), time.monotonic_ns())

    def __enter__(self) -> Actuator:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _set(self) -> int:
        elapsed_ms = (time.monotonic() - self._began) * 1000
        wanted = self._plan.held_at(elapsed_ms) if elapsed_ms < self.dead_man_ms else frozenset()
        self.focused = self.injector.set_held(wanted)
        done_ns = time.monotonic_ns()
        self._note(wanted if self.focused else frozenset(), done_ns)
        return done_ns

    def _note(self, held: frozenset[Action], t_ns: int) -> None:
        if held != self.held:
            self.held = held
            self._on_held(t_ns, held)

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                elapsed_ms = (time.monotonic() - self._began) * 1000
                wait_ms = min(GUARD_MS, until_change(self._plan, elapsed_ms) or GUARD_MS)
                if self._changed.wait(wait_ms / 1000):
                    continue  # another plan, or the end
                try:
                    self._set()
                except Exception as error:  # handed to the loop, which ends the fight
                    self._error = error
                    return


def until_change(plan: Plan, elapsed_ms: float) -> float | None:
    """Milliseconds until `plan` goes to its next step or ends; None once it has ended."""
    for step in plan.steps:
        if elapsed_ms < step.duration_ms:
            return step.duration_ms - elapsed_ms
        elapsed_ms -= step.duration_ms
    return None
