"""What if? Plays plans out from one moment of a fight, to see which would have avoided a hit.

from env.whatif import avoiding

saved = arena.unwrapped.save_state()
arena.step(action)                        # … a hit
arena.unwrapped.restore_state(saved)
answers = avoiding(arena.unwrapped.fight)  # the plans that take no damage from here
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from combatvla.actions import MOVES, PLAN_LENGTH, WAIT_PLAN, Action, Plan
from combatvla.errors import UserError
from env.arena import rules
from env.arena.fight import Fight
from env.arena.latency import is_latency, to_thinking_ticks
from env.arena.state import RESULTS, to_ticks

ANSWERS = (
    WAIT_PLAN,
    Plan.of(Action.BLOCK, ms=500),
    *(Plan.of(Action.DODGE, move) for move in sorted(MOVES)),
    *(Plan.of(Action.SPRINT, move, ms=500) for move in sorted(MOVES)),
)
"""The usual answers to an attack: stand, guard, and roll or run to one of four sides."""


@dataclass(frozen=True)
class Ending:
    """What came of a plan within the horizon."""

    plan: Plan
    damage_taken: float
    """Points."""
    damage_dealt: float
    result: str | None
    """"win", "loss", "timeout", or None while the fight goes on."""


def play_out(
    fight: Fight, plans: Sequence[Plan], *, latency_ms: float = 0.0, horizon_ms: float = 1500.0
) -> list[Ending]:
    """What comes of each plan within `horizon_ms` from now if it begins after `latency_ms`. After its last step nothing
    is held.

    `fight` itself stays as it is. Futures are exact: the fight's own randomness is part of its state. `UserError` for
    times that are no finite number of milliseconds >= 0.
    """
    for name, ms in (("latency_ms", latency_ms), ("horizon_ms", horizon_ms)):
        if not is_latency(ms):
            raise UserError(f"expected {name} as a finite number of milliseconds >= 0, got {ms!r}")
    limit = to_ticks(fight.task.time_limit_s)
    states = np.repeat(fight.state.view(np.uint8)[None], len(plans), axis=0).view(fight.state.dtype).reshape(-1)
    arrays = np.array([plan.to_array() for plan in plans], np.int64).reshape(len(plans), PLAN_LENGTH)
    horizon = to_thinking_ticks(horizon_ms, limit)
    thinking = np.full(len(plans), min(to_thinking_ticks(latency_ms, limit), horizon))
    rules.decide(states, fight.table, np.zeros(len(plans), np.int64), arrays, thinking, horizon)
    return [
        Ending(
            plan,
            float(state["damage_taken"]) - fight.damage_taken,
            float(state["damage_dealt"]) - fight.damage_dealt,
            RESULTS[state["result"]],
        )
        for plan, state in zip(plans, states, strict=True)
    ]


def avoiding(
    fight: Fight, plans: Sequence[Plan] = ANSWERS, *, latency_ms: float = 0.0, horizon_ms: float = 1500.0
) -> list[Plan]:
    """Those of `plans` that take no damage within the horizon, in their order; the arguments are as in `play_out`."""
    endings = play_out(fight, plans, latency_ms=latency_ms, horizon_ms=horizon_ms)
    return [ending.plan for ending in endings if ending.damage_taken == 0]
