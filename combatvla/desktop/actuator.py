"""Carries out plans in real time: a thread holds each step for its time, whatever the caller does meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from combatvla.actions import LOOKS, WAIT_PLAN, Action, Plan
from combatvla.desktop.base import Injector

GUARD_MS = 30
"""How often the focus is checked and the held keys are set anew, at least."""
DEAD_MAN_MS = 1000
"""Without a new decision for so long, everything is let go."""
UP_MS = 34
"""So long a key is up before it is pressed anew. A game that asks for the keyboard's state once a frame sees that:
it is two frames of 60 a second, one of 30."""
TURN_MS = 1000 / 60
"""The camera is turned so often."""
STALL_MS = 100
"""Of a longer standstill the camera does not make up for more than that."""


class Actuator:
    """Carries out plans on an injector: a thread of its own holds each step for its time, whatever the policy does.

    Every `GUARD_MS` it sets the held keys anew, so that they come back with the focus; after `dead_man_ms` without a
    new plan it lets go of everything. Keys of `injector.press` are pressed anew by each step that names them. The
    camera is turned evenly while a look action is held. `on_held(t_ns, actions)` hears of each change.
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
        self._plan, self._began_ns = WAIT_PLAN, time.monotonic_ns()
        self._plans = 0
        """So many were started."""
        self._pressed_for: dict[Action, tuple[int, int]] = {}
        """Of the keys of `injector.press`: by which plan's which step they went down."""
        self._up_ns: dict[Action, int] = {}
        """When they went up last."""
        self._turned_ms = 0.0
        """The camera follows the plan up to here."""
        self._counts = [0.0, 0.0]
        """Of motion to the right and down that is not sent yet: fractions are carried over."""
        self._changed = threading.Condition()
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="actuator", daemon=True)
        self._thread.start()

    def start(self, plan: Plan) -> tuple[int, bool]:
        """Replaces the running plan by `plan` at once; its first step is down on return. A key that it presses anew is
        up for `UP_MS` before that; the step's time begins then.

        Gives when it was down (monotonic ns), and whether anything changed by it. Raises what went wrong in the thread
        since the last call, e.g. `WindowGone`.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            before = self.held
            self._count_turn()  # by the plan so far
            self._plan, self._began_ns, self._turned_ms = plan, time.monotonic_ns(), 0.0
            self._plans += 1
            acted_ns, late_ms = self._set()
            changed = self.held != before
            self._changed.notify_all()
            while late_ms is not None:
                self._changed.wait(late_ms / 1000)
                acted_ns, late_ms = self._set()
            return acted_ns, changed or self.held != before

    def close(self) -> None:
        """Ends the thread and lets go of everything."""
        with self._changed:
            self._closed = True
            self._plan = WAIT_PLAN
            self._changed.notify_all()
        self._thread.join(5)
        self.injector.release_all()
        self._note(frozenset(), time.monotonic_ns())

    def __enter__(self) -> Actuator:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _set(self) -> tuple[int, float | None]:
        """Holds what the plan wants held now. When that was done, and in how many ms it is to be called again because a
        key must be up for a while before it goes down; None without any."""
        self._count_turn()
        now = time.monotonic_ns()
        elapsed_ms = (now - self._began_ns) / 1e6
        at = self._plan.step_at(elapsed_ms) if elapsed_ms < self.dead_man_ms else None
        wanted = self._plan.steps[at[0]].held if at else frozenset()
        step = (self._plans, at[0] if at else -1)
        late = {action: ms for action in wanted & self.injector.press if (ms := self._up_for(action, step, now)) > 0}
        if late and step[1] == 0:
            self._began_ns, self._turned_ms = now, 0.0  # the plan's time begins when its first step is down
        wanted = wanted.difference(late)
        self.focused = self.injector.set_held(wanted)
        done_ns = time.monotonic_ns()
        # As it is, not as it was wanted: a press beyond the limits is left out, and some actions have no key.
        held = self.injector.held | (wanted & LOOKS.keys())
        self._note(held if self.focused else frozenset(), done_ns, step)
        self._send_turn()
        return done_ns, max(late.values(), default=None)

    def _up_for(self, action: Action, step: tuple[int, int], now: int) -> float:
        """How many ms a key is to be up before it goes down for `step`; 0 when it may, or is down for that step."""
        if action in self.held:
            return 0.0 if self._pressed_for[action] == step else UP_MS
        return UP_MS - (now - self._up_ns[action]) / 1e6 if action in self._up_ns else 0.0

    def _count_turn(self) -> None:
        """Adds the motion that the plan wants since the last time."""
        if not self.injector.look_speed:
            return
        until = min((time.monotonic_ns() - self._began_ns) / 1e6, self.dead_man_ms, self._plan.duration_ms)
        begin, self._turned_ms, step_begin = max(self._turned_ms, until - STALL_MS), until, 0.0
        for step in self._plan.steps:
            step_end = step_begin + step.duration_ms
            s = max(0.0, min(step_end, until) - max(step_begin, begin)) / 1000
            for look in LOOKS.keys() & step.actions:
                self._counts = [
                    c + s * self.injector.look_speed * d for c, d in zip(self._counts, LOOKS[look], strict=True)
                ]
            step_begin = step_end

    def _send_turn(self) -> None:
        if not self.focused:
            self._counts = [0.0, 0.0]
        dx, dy = map(int, self._counts)
        if dx or dy:
            self._counts = [self._counts[0] - dx, self._counts[1] - dy]
            self.injector.turn(dx, dy)

    def _note(self, held: frozenset[Action], t_ns: int, step: tuple[int, int] = (0, 0)) -> None:
        if held != self.held:
            self._up_ns |= dict.fromkeys((self.held - held) & self.injector.press, t_ns)
            self._pressed_for |= dict.fromkeys((held - self.held) & self.injector.press, step)
            self.held = held
            self._on_held(t_ns, held)

    def _run(self) -> None:
        late_ms: float | None = None
        with self._changed:
            while not self._closed:
                elapsed_ms = (time.monotonic_ns() - self._began_ns) / 1e6
                waits = [GUARD_MS, late_ms, until_change(self._plan, elapsed_ms)]
                if self.injector.look_speed and LOOKS.keys() & self._plan.held_at(elapsed_ms):
                    waits.append(TURN_MS - elapsed_ms % TURN_MS)
                if self._changed.wait(min(ms for ms in waits if ms is not None) / 1000):
                    late_ms = None
                    continue  # another plan, or the end
                try:
                    _, late_ms = self._set()
                except Exception as error:  # handed to the loop, which ends the fight once the policy has answered
                    self._error = error
                    with suppress(Exception):
                        self.injector.release_all()
                    return


def until_change(plan: Plan, elapsed_ms: float) -> float | None:
    """Milliseconds until `plan` goes to its next step or ends; None once it has ended."""
    at = plan.step_at(elapsed_ms)
    return at[1] - elapsed_ms if at else None
