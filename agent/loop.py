"""The live loop: look, decide, act, ten times a second, while the game runs on.

Each has a thread of its own, over one clock (`time.monotonic_ns`): the eye takes pictures when they are due, the
caller's thread decides, the actuator carries out. It keeps the time of `combatvla/Arena-v0`: a decision's plan begins
as soon as it stands, the old plan goes on while the policy thinks, and the next look comes `period_ms` after the last
one, or later when thinking took longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.eye import MS, Eye
from combatvla.actions import PERIOD_MS, WAIT_PLAN, Action, Plan
from combatvla.desktop.actuator import DEAD_MAN_MS, GUARD_MS, Actuator
from combatvla.desktop.base import Capture, Injector, WindowGone
from combatvla.desktop.grip import Killed
from combatvla.policy.base import Decision, Frame, Policy

KILLED = "killed by chord"
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
    """Until the newest frame was in memory."""
    wait_ms: float = 0.0
    """From there until the policy had it."""
    act_ms: float = 0.0
    """From the plan to the key down. `capture_ms`, `wait_ms`, the decision's `total` and this make up the age."""

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
    """So long it waited because another window had the focus..."""
    human_s: float = 0.0
    """...and because a person had control."""
    left_out: int = 0
    """Inputs beyond the injector's limits."""
    ended: str = "running"
    """`stopped`, `time is over`, `window closed`, `killed by chord`, or `interrupted`."""

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
    deadline_ms: float | None = None,
    dead_man_ms: float = DEAD_MAN_MS,
    stop: Callable[[], bool] = lambda: False,
    on_acted: Callable[[Acted], None] = lambda acted: None,
    on_held: Callable[[int, frozenset[Action]], None] = lambda t_ns, held: None,
    episode: Episode | None = None,
) -> Episode:
    """Lets `policy` play the window behind `capture` and `injector` until `stop()` or for `seconds`.

    While the window is without the focus, or a person has control, it waits, holding nothing; the game goes on. A
    policy with `explain_last` explains a decision in the idle time after it. A decision that does not stand
    `deadline_ms` after its newest frame was captured is asked to be what it is by then. Every input is let go on the
    way out. Raises `WindowGone` when the window is closed, `Killed` after the kill chord; what was done until then is
    in `episode`, if one is given. `on_acted` is called after each decision, while its plan is already carried out;
    `on_held` from another thread at each change of the held keys.
    """
    episode = Episode() if episode is None else episode
    explain, rest = getattr(policy, "explain_last", None), getattr(policy, "rest", None)
    count, gap_ms = max(1, policy.frames_per_decision), getattr(policy, "frame_gap_ms", period_ms)
    policy.reset(seed)
    episode.ended = "interrupted"
    began = time.monotonic_ns()
    try:
        with (
            Eye(capture, count, gap_ms, period_ms) as eye,
            Actuator(injector, dead_man_ms=dead_man_ms, on_held=on_held) as actuator,
        ):
            began = look = time.monotonic_ns()
            end = began + round(seconds * 1e9)
            eye.aim(look)
            while (ended := _ended(stop, max(look, time.monotonic_ns()), end)) is None:
                if not actuator.focused:
                    eye.forget()
                    _await_focus(actuator, lambda: _ended(stop, time.monotonic_ns(), end) is not None, episode)
                    look = time.monotonic_ns()
                    eye.aim(look)
                    continue
                frames, seen = eye.look()
                taken = frames[-1].t_ns
                deadline = None if deadline_ms is None else taken + round(deadline_ms * MS)
                thinking = time.monotonic_ns()
                decision = policy.decide(frames, deadline_ns=deadline)
                ready = time.monotonic_ns()
                decision.timings_ms["total"] = (ready - thinking) / MS
                acted_ns, changed = actuator.start(decision.plan)
                acted = Acted(
                    decision,
                    taken,
                    acted_ns,
                    sent=actuator.focused,
                    changed=changed and actuator.focused,
                    capture_ms=(seen - taken) / MS,
                    wait_ms=(thinking - seen) / MS,
                    act_ms=(acted_ns - ready) / MS,
                )
                look = max(look + round(period_ms * MS), time.monotonic_ns())
                eye.aim(look)
                if explain is not None and decision.explanation is None:
                    decision.explanation = explain(deadline_ns=look - EXPLAIN_MARGIN_MS * MS)
                episode.acted.append(acted)
                on_acted(acted)
                if rest is not None:
                    rest()
            episode.ended = ended
    except Killed:
        episode.ended = KILLED
        raise
    except WindowGone:
        if stop():  # the game closed its window because all was over
            episode.ended = "stopped"
        else:
            episode.ended = "window closed"
            raise
    finally:
        episode.seconds = (time.monotonic_ns() - began) / 1e9
    return episode


def _ended(stop: Callable[[], bool], look: int, end: int) -> str | None:
    """Why there is no look at `look` any more, in a fight until `end`; None while there is."""
    if stop():
        return "stopped"
    return "time is over" if look >= end else None


def _await_focus(actuator: Actuator, over: Callable[[], bool], episode: Episode) -> None:
    """Waits, holding nothing, until the window has the focus and no person the control, or all is `over()`."""
    since = time.monotonic()
    actuator.start(WAIT_PLAN)
    while not actuator.focused and not over():
        time.sleep(GUARD_MS / 1000)
        human = actuator.injector.mode == "human"
        actuator.start(WAIT_PLAN)
        since, before = time.monotonic(), since
        if human:
            episode.human_s += since - before
        else:
            episode.without_focus_s += since - before


def words(plan: Plan) -> str:
    """`plan` for people: `dodge + move left 0.1 s, light attack 0.1 s`."""
    return ", ".join(f"{name(s.ordered())} {s.duration_ms / 1000:g} s" for s in plan.steps)


def name(actions: tuple[Action, ...]) -> str:
    """`actions` for people: `dodge + move left`."""
    return " + ".join(a.value.replace("_", " ") for a in actions)
