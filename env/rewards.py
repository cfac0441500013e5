"""Rewards: a sum of named terms, each an amount in the true state times its weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np

from combatvla.errors import UserError
from env.arena.jit import jit
from env.arena.state import LOSS, WIN


@dataclass(frozen=True)
class Rewards:
    """The weight of each term. A step's reward is the sum of weight times what was added to the term in the step.

    By default a clean win is worth 2 and a fight lost without a blow -2, less the time it took.
    """

    damage_dealt: float = 1.0
    """In fractions of the boss's full health."""
    damage_taken: float = -1.0
    """In fractions of the fighter's full health."""
    win: float = 1.0
    """Once, when the boss falls."""
    loss: float = -1.0
    """Once, when the fighter falls."""
    heal_wasted: float = -0.25
    """In fractions of the fighter's full health: the part of a heal that went beyond it."""
    time: float = -0.1
    """In fractions of the task's time limit."""

    def __post_init__(self) -> None:
        for term, weight in asdict(self).items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not (number and math.isfinite(weight)):
                raise UserError(f"the weight of the reward term {term} must be a finite number, got {weight!r}")

    @classmethod
    def of(cls, weights: Mapping[str, float] | Rewards | None) -> Rewards:
        """The default weights with those of `weights` in their place. `UserError` for a term there is not."""
        if weights is None or isinstance(weights, cls):
            return weights or cls()
        if not isinstance(weights, Mapping):
            raise UserError(
                f"expected rewards as a mapping from term to weight, such as {{'time': 0}}, got {weights!r}"
            )
        if unknown := [term for term in weights if term not in TERMS]:
            raise UserError(f"unknown reward term {', '.join(map(repr, unknown))}: expected some of {', '.join(TERMS)}")
        return cls(**weights)

    def array(self) -> np.ndarray:
        """`float64[len(TERMS)]`: the weights in the order of `TERMS`."""
        return np.array([getattr(self, term) for term in TERMS], np.float64)


TERMS = tuple(f.name for f in fields(Rewards))


@jit
def tally(fights, tables, task_index, amounts):
    """Writes how much of each term each fight holds since it began: `amounts` is `float64[n, len(TERMS)]`.

    `fights` and `tables` are arrays of `FIGHT` and `TABLE`, fight i being one of the task `task_index[i]`.
    """
    for i in range(len(fights)):
        fight, table = fights[i], tables[task_index[i]]
        full = table.player.health
        amounts[i, 0] = fight.damage_dealt / table.boss.health
        amounts[i, 1] = fight.damage_taken / full
        amounts[i, 2] = fight.result == WIN
        amounts[i, 3] = fight.result == LOSS
        offered = (table.player.heals - fight.player.heals) * table.player.heal_amount
        amounts[i, 4] = (offered - fight.healed) / full
        amounts[i, 5] = fight.tick / table.time_limit


@jit
def settle(before, after, weights, terms, sums, rewards):
    """Of two tallies float64[n, len(TERMS)] around a step: the weighted `terms` that it added, their `sums` since the
    fight began, and each fight's reward, `rewards` float64[n]."""
    for i in range(len(rewards)):
        rewards[i] = 0.0
        for k in range(weights.size):
            terms[i, k] = weights[k] * (after[i, k] - before[i, k]) + 0.0  # no negative zero in the logs
            sums[i, k] = weights[k] * after[i, k] + 0.0
            rewards[i] += terms[i, k]
