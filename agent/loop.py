"""The live loop: look, decide, act, ten times a second, while the game runs on.

It keeps the time of `combatvla/Arena-v0`: a decision's plan begins as soon as it stands, the old plan goes on while the
policy thinks, and the next look comes `period_ms` after the last one, or later when thinking took longer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from combatvla.actions import PERIOD_MS, WAIT_PLAN, Action, Plan
from combatvla.desktop.actuator import DEAD_MAN_MS, GUARD_MS, Actuator
from combatvla.desktop.base import Capture, Injector, WindowGone
from combatvla.policy.base import Decision, Frame, Policy

EXPLAIN_MARGIN_MS = 8
"""An explanation must be done so long before the next look."""


@dataclass(slots=True)
class Acted:
    """One decision and what became of it."""

    decision: Decision
    frame_ns: int
    """When the newest frame it saw was captured (monotonic)."""
    acted_ns: int
    """When the X server had carried out the first step of its plan."""
    sent: bool
    """False when the window was without the focus, and nothing was held."""
    changed: bool = True
    """Whether the first step pressed or released anything: only then is there an action to have an age."""
    capture_ms: float = 0.0
    act_ms: float = 0.0

    @property
    def action_age_ms(self) -> float:
        """From the capture of the newest frame to the key down."""
        return (self.acted_ns - self.frame_ns) / 1e6


@dataclass(slots=True)
class Episode:
    """What a run of the loop did, in order."""

    acted: list[Acted] = field(default_factory=list)
    seconds: float = 0.0
    without_focus_s: float = 0.0
    ended: str = "running"
    """`stopped`, `time is over`, `window closed`, or `interrupted`."""

    @property
    def parse_failures(self) -> int:
        return sum(not a.decision.parsed for a in self.acted)


def warm_up(policy: Policy, frame: Frame, rounds: int = 3) -> None:
    """Lets `policy` decide about `frame` without acting: the first decisions of a fresh model are slow."""
    policy.reset(0)
    for _ in range(rounds):
        policy.decide([frame] * max(1, policy.frames_per_decision))
    policy.reset(0)


def fight(
    policy: Policy,
    capture: Capture,
    injector: Injector,
    *,
    seconds: float,
    seed: int | None = None,
    period_ms: float = PERIOD_MS,
    dead_man_ms: float = DEAD_MAN_MS,
    stop: Callable[[], bool] = lambda: False,
    on_acted: Callable[[Acted], None] = lambda acted: None,
    on_held: Callable[[int, frozenset[Action]], None] = lambda t_ns, held: None,
    on_focus: Callable[[bool], None] = lambda focused: None,
    episode: Episode | None = None,
) -> Episode:
    """Lets `policy` play the window behind `capture` and `injector` until `stop()` or for `seconds`.

    While the window is without the focus it waits, holding nothing; the game goes on. A policy with `explain_last`
    explains a decision in the idle time after it. Every input is let go on the way out. Raises `WindowGone` when the
    window is closed; what was done until then is in `episode`, if one is given. `on_acted` is called after each
    decision, while its plan is already carried out; `on_held` from another thread at each change of the held keys.
    """
    episode = Episode() if episode is None else episode
    frames: deque[Frame] = deque(maxlen=max(1, policy.frames_per_decision))
    explain, rest = getattr(policy, "explain_last", None), getattr(policy, "rest", None)
    policy.reset(seed)
    began = look = time.monotonic()
    episode.ended = "interrupted"
    try:
        with Actuator(injector, dead_man_ms=dead_man_ms, on_held=on_held) as actuator:
            while (ended := _ended(stop, began, seconds)) is None:
                if not actuator.focused:
                    _await_focus(actuator, lambda: _ended(stop, began, seconds) is not None, on_focus, episode)
                    frames.clear()
                    look = time.monotonic()
                    continue
                frames.append(capture.grab())
                thinking = time.monotonic_ns()
                decision = policy.decide(list(frames))
                ready = time.monotonic_ns()
                decision.timings_ms["total"] = (ready - thinking) / 1e6
                acted_ns, changed = actuator.start(decision.plan)
                acted = Acted(
                    decision,
                    frames[-1].t_ns,
                    acted_ns,
                    sent=actuator.focused,
                    changed=changed and actuator.focused,
                    capture_ms=(thinking - frames[-1].t_ns) / 1e6,
                    act_ms=(acted_ns - ready) / 1e6,
                )
                look = max(look + period_ms / 1000, time.monotonic())
                if explain is not None and decision.explanation is None:
                    decision.explanation = explain(deadline_ns=int(look * 1e9 - EXPLAIN_MARGIN_MS * 1e6))
                episode.acted.append(acted)
                on_acted(acted)
                if rest is not None:
                    rest()
                time.sleep(max(0.0, look - time.monotonic()))
            episode.ended = ended
    except WindowGone:
        if stop():  # the game closed its window because all was over
            episode.ended = "stopped"
        else:
            episode.ended = "window closed"
            raise
    finally:
        episode.seconds = time.monotonic() - began
    return episode


def _ended(stop: Callable[[], bool], began: float, seconds: float) -> str | None:
    if stop():
        return "stopped"
    return "time is over" if time.monotonic() - began >= seconds else None


def _await_focus(
    actuator: Actuator, over: Callable[[], bool], on_focus: Callable[[bool], None], episode: Episode
) -> None:
    """Waits, holding nothing, until the window has the focus again or all is `over()`."""
    lost = time.monotonic()
    actuator.start(WAIT_PLAN)
    if actuator.focused:
        return
    on_focus(False)
    while not actuator.focused and not over():
        time.sleep(GUARD_MS / 1000)
        actuator.start(WAIT_PLAN)
    episode.without_focus_s += time.monotonic() - lost
    if actuator.focused:
        on_focus(True)


def words(plan: Plan) -> str:
    """`plan` for people: `dodge + move left 0.1 s, light attack 0.1 s`."""
    return ", ".join(f"{name(s.ordered())} {s.duration_ms / 1000:g} s" for s in plan.steps)


def name(actions: tuple[Action, ...]) -> str:
    """`actions` for people: `dodge + move left`."""
    return " + ".join(a.value.replace("_", " ") for a in actions)
