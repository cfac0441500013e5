"""The live loop: look, decide, act, ten times a second, while the game runs on.

It keeps the time of `combatvla/Arena-v0`: a decision's plan begins as soon as it stands, the old plan goes on while the
policy thinks, and the next look comes `PERIOD_MS` after the last one, or later when thinking took longer.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.desktop.base import Capture, Injector, WindowGone
from combatvla.policy.base import Decision, Frame, Policy

PERIOD_MS = 100


@dataclass(slots=True)
class Acted:
    """One decision and what became of it."""

    decision: Decision
    frame_ns: int
    """When the newest frame it saw was captured (monotonic)."""
    acted_ns: int
    """When the first step of its plan was down."""
    sent: bool
    """False when the window was without the focus, and nothing was held."""

    @property
    def action_age_ms(self) -> float:
        """From the capture of the newest frame to the key down."""
        return (self.acted_ns - self.frame_ns) / 1e6


@dataclass(slots=True)
class Episode:
    """What a run of the loop did, in order."""

    acted: list[Acted] = field(default_factory=list)
    seconds: float = 0.0
    ended: str = "running"
    """`stopped`, `time is over`, `window closed`, or `interrupted`."""

    @property
    def action_ages_ms(self) -> list[float]:
        """Ages of the decisions that held an input; a `wait` presses nothing."""
        return [a.action_age_ms for a in self.acted if a.sent and a.decision.plan.steps[0].held]

    @property
    def decision_ms(self) -> list[float]:
        return [a.decision.timings_ms["total"] for a in self.acted]

    @property
    def parse_failures(self) -> int:
        return sum(not a.decision.parsed for a in self.acted)

    @property
    def unsent(self) -> int:
        return sum(not a.sent for a in self.acted)


class Actuator:
    """Carries out plans on an injector: a thread of its own holds each step for its time, whatever the policy does."""

    def __init__(self, injector: Injector) -> None:
        self.injector = injector
        self._plan, self._began = WAIT_PLAN, time.monotonic()
        self._changed = threading.Condition()
        self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="actuator", daemon=True)
        self._thread.start()

    def start(self, plan: Plan) -> bool:
        """Replaces the running plan by `plan` at once; its first step is down on return. False without the focus.

        Raises what went wrong in the thread since the last call, e.g. `WindowGone`.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            self._plan, self._began = plan, time.monotonic()
            sent = self.injector.set_held(plan.held_at(0))
            self._changed.notify()
            return sent

    def close(self) -> None:
        """Ends the thread and lets go of everything."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(5)
        self.injector.release_all()

    def __enter__(self) -> Actuator:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                elapsed_ms = (time.monotonic() - self._began) * 1000
                left_ms = until_change(self._plan, elapsed_ms)
                if self._changed.wait(None if left_ms is None else left_ms / 1000):
                    continue  # another plan, or the end
                try:
                    self.injector.set_held(self._plan.held_at((time.monotonic() - self._began) * 1000))
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


def warm_up(policy: Policy, frame: Frame, rounds: int = 3) -> None:
    """Lets `policy` decide about `frame` without acting: the first decisions of a fresh model are slow."""
    policy.reset(0)
    for _ in range(rounds):
        policy.decide([frame])


def fight(
    policy: Policy,
    capture: Capture,
    injector: Injector,
    *,
    seconds: float,
    seed: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_acted: Callable[[Acted], None] = lambda acted: None,
    episode: Episode | None = None,
) -> Episode:
    """Lets `policy` play the window behind `capture` and `injector` until `stop()` or for `seconds`.

    Every input is let go on the way out. Raises `WindowGone` when the window is closed; what was done until then is in
    `episode`, if one is given. `on_acted` is called after each decision, while its plan is already carried out.
    """
    episode = Episode() if episode is None else episode
    frames: deque[Frame] = deque(maxlen=max(1, policy.frames_per_decision))
    policy.reset(seed)
    began = time.monotonic()
    look = began
    episode.ended = "interrupted"
    try:
        with Actuator(injector) as actuator:
            while True:
                if stop():
                    episode.ended = "stopped"
                    break
                if look - began >= seconds:
                    episode.ended = "time is over"
                    break
                frames.append(capture.grab())
                thinking = time.monotonic_ns()
                decision = policy.decide(list(frames))
                decision.timings_ms.setdefault("total", (time.monotonic_ns() - thinking) / 1e6)
                sent = actuator.start(decision.plan)
                acted = Acted(decision, frames[-1].t_ns, time.monotonic_ns(), sent)
                episode.acted.append(acted)
                on_acted(acted)
                look = max(look + PERIOD_MS / 1000, time.monotonic())
                time.sleep(max(0.0, look - time.monotonic()))
    except WindowGone:
        episode.ended = "window closed"
        raise
    finally:
        episode.seconds = time.monotonic() - began
    return episode


def words(plan: Plan) -> str:
    """`plan` for people: `dodge + move left 0.1 s, light attack 0.1 s`."""

    def name(action: Action) -> str:
        return action.value.replace("_", " ")

    return ", ".join(f"{' + '.join(map(name, s.ordered()))} {s.duration_ms / 1000:g} s" for s in plan.steps)
