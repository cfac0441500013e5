"""Scripted policies."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from combatvla.actions import WAIT_PLAN, Plan
from combatvla.policy.base import Decision, Frame


class Scripted:
    """Plays the given plans in order, then waits; thinks `think_s` for each."""

    name = "scripted"
    needs_truth = False

    def __init__(self, *plans: Plan, think_s: float = 0.0, frames_per_decision: int = 1) -> None:
        self.plans, self.think_s, self.frames_per_decision = list(plans), think_s, frames_per_decision
        self.seen: list[list[Frame]] = []

    def reset(self, seed: int | None = None) -> None:
        self.seen.clear()

    def decide(self, frames: Sequence[Frame], *, deadline_ns=None, truth=None) -> Decision:
        assert truth is None, "a policy in a window must not be told the truth"
        time.sleep(self.think_s)
        self.seen.append(list(frames))
        turn = len(self.seen) - 1
        return Decision(self.plans[turn] if turn < len(self.plans) else WAIT_PLAN)


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted
