"""The scripted players that belong to a task's definition: random, reference, oracle.

They implement `combatvla.policy.base.Policy`. The oracle and the reference player read the true state; the
reference player reads it late, as a person would, and slips now and then. It is never called human.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.policy.base import Decision, Frame
from combatvla.policy.random import RandomPlayer

__all__ = ["OraclePlayer", "RandomPlayer", "ReferencePlayer", "best_plan"]

A = Action
REACH = 2.6
"""Metres within which the players strike."""
DODGE_AT_MS = 300
"""An impact this near is dodged now: the i-frames then cover it, with up to 200 ms of latency to spare."""
THREAT_REACH = {"slam": 4.6, "sweep": 4.2, "thrust": 8.6, "leap": 4.6}
"""Metres within which a move can still hit, its step included; beyond, nobody needs to dodge it."""


def best_plan(truth: Mapping[str, Any]) -> Plan:
    """What a player who sees the true state does now. It depends only on what a picture of the moment shows."""
    p, b, distance = truth["player"], truth["boss"], truth["distance"]
    if truth["result"] is not None:
        return WAIT_PLAN
    stage, impact, left = b["stage"], b["impact_ms"], b["left_ms"]
    threatened = stage in ("windup", "strike") and distance <= THREAT_REACH.get(b["move"], 9.0)
    if threatened and impact <= DODGE_AT_MS and not p["invulnerable"]:
        if p["state"] == "dodge" and p["progress"] < 0.5:
            return WAIT_PLAN  # this dodge is the answer already
        # Sideways out of a straight blow, through a wide one.
        return Plan.of(A.DODGE, A.MOVE_LEFT if b["move"] in ("slam", "thrust") else A.MOVE_BACK)
    if p["busy_ms"] > 120:
        return WAIT_PLAN
    safe_ms = impact - DODGE_AT_MS if threatened else left + 700 if stage in ("recover", "frozen") else 500
    low = p["health"] <= 0.5
    if low and p["heals"] and (safe_ms >= 700 or (stage == "idle" and distance > 4.5)):
        return Plan.of(A.HEAL)
    if low and p["heals"] and stage == "idle":
        if p["skill_ready"]:
            return Plan.of(A.SKILL)
        return Plan.of(A.MOVE_BACK, A.SPRINT, ms=200)
    if stage == "idle" and p["skill_ready"] and distance <= 4.0:
        return Plan.of(A.SKILL)
    if distance > REACH:
        if threatened:
            return WAIT_PLAN  # a lunge or a leap is coming: meet it standing
        return Plan.of(A.MOVE_FORWARD, A.SPRINT, ms=200) if distance > 4.5 else Plan.of(A.MOVE_FORWARD, ms=150)
    if p["stamina"] < 0.3:
        return WAIT_PLAN  # keep enough for a dodge
    if safe_ms >= 1000 and p["stamina"] >= 0.5:
        return Plan.of(A.HEAVY_ATTACK)
    if safe_ms >= 350:
        return Plan.of(A.LIGHT_ATTACK)
    return WAIT_PLAN


class OraclePlayer:
    """Sees the true state at once and never slips."""

    name = "oracle"
    frames_per_decision = 0
    needs_truth = True

    def reset(self, seed: int | None = None) -> None:
        pass

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        return Decision(best_plan(_required(truth)))


class ReferencePlayer:
    """Plays as the oracle does, on what stood `reaction_ms` ago, carried forward with a shaky sense of timing.

    A person who sees a wind-up begin knows when it will land, so the delayed state is extrapolated; the timing of
    each wind-up is misjudged by a Gaussian error, and some wind-ups are missed altogether.
    """

    name = "reference"
    frames_per_decision = 0
    needs_truth = True

    def __init__(self, reaction_ms: int = 250, timing_sd_ms: float = 55.0, miss: float = 0.06) -> None:
        self.reaction_ms, self.timing_sd_ms, self.miss = reaction_ms, timing_sd_ms, miss
        self.reset(0)

    def reset(self, seed: int | None = None) -> None:
        self.rng = random.Random(seed)
        self.past: deque[Mapping[str, Any]] = deque()
        self.windup: int | None = None
        self.error_ms = 0.0
        self.missed = False

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        truth = _required(truth)
        self.past.append(truth)
        delay_ticks = self.reaction_ms * 60 // 1000
        while len(self.past) > 1 and self.past[1]["tick"] <= truth["tick"] - delay_ticks:
            self.past.popleft()
        seen = self.past[0]
        lag_ms = (truth["tick"] - seen["tick"]) * 1000 // 60
        # One's own body is felt at once; the boss is seen late.
        boss = dict(seen["boss"])
        if boss["stage"] == "windup":
            began = seen["tick"] - round(boss["elapsed_ms"] * 60 / 1000)
            if began != self.windup:
                self.windup = began
                self.error_ms = self.rng.gauss(0, self.timing_sd_ms)
                self.missed = self.rng.random() < self.miss
            boss["impact_ms"] = max(0, boss["impact_ms"] - lag_ms + self.error_ms)
            if self.missed:
                boss.update(stage="idle", impact_ms=None)
        elif boss["left_ms"]:
            boss["left_ms"] = max(0, boss["left_ms"] - lag_ms)
        return Decision(best_plan({**truth, "boss": boss, "distance": seen["distance"]}))


def _required(truth: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if truth is None:
        raise ValueError("this player reads the true state: pass truth=info['truth']")
    return truth
