"""The random player: the floor under every measurement."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from combatvla.actions import DURATIONS_MS, HELD_ACTIONS, Action, Plan, Step
from combatvla.policy.base import Decision, Frame

CHOICES = (*HELD_ACTIONS, Action.WAIT)


class RandomPlayer:
    """Draws a plan of one to three steps evenly from the vocabulary."""

    name = "random"
    frames_per_decision = 0
    needs_truth = False

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)

    def reset(self, seed: int | None = None) -> None:
        self.rng = random.Random(seed)

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        steps = [
            Step.of(self.rng.choice(CHOICES), ms=self.rng.choice(DURATIONS_MS)) for _ in range(self.rng.randint(1, 3))
        ]
        return Decision(Plan(tuple(steps)))
