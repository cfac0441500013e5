"""The scripted players that belong to a task's definition: random, reaction, oracle.

They implement `combatvla.policy.base.Policy`. The oracle and the reaction player read the true state; the reaction
player reads it late, as a person would, and slips now and then. It stands where papers have people, and is never
called human.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.policy import make_policy
from combatvla.policy.base import Decision, Frame, Policy
from combatvla.policy.random import RandomPlayer
from env.arena.state import FLARE_MS, TICK_HZ

__all__ = ["PLAYERS", "OraclePlayer", "RandomPlayer", "ReactionPlayer", "best_plan", "make_player"]

A = Action
Truth = Mapping[str, Any]

REACH = 2.6
"""Metres within which the players strike."""
DODGE_AT_MS = 300
"""An impact this near is dodged now: the i-frames then cover it, with up to 200 ms of latency to spare."""
PARRY_AT_MS = 200
"""An impact this near is blocked now, and so parried, with up to 100 ms of latency to spare."""
SHOT_MISS_M = 1.1
"""A shot that passes farther off than this is no threat."""
STRAIGHT = frozenset({"slam", "thrust", "quick", "ranged"})
"""Kinds of moves that a step to the side leaves; out of the others the way is back."""


def best_plan(truth: Truth, foresight: bool = False) -> Plan:
    """What a player who sees the true state does now.

    It depends only on what a picture of the moment shows, so that pictures can be labelled with it; `foresight` adds
    what no picture shows: when an idle boss will attack, and which wind-up is a feint.
    """
    if truth["result"] is not None:
        return WAIT_PLAN
    return (_blade if truth["rules"] == "blade" else _staff)(truth, foresight)


def _threat(truth: Truth, foresight: bool) -> tuple[float | None, str, bool]:
    """Milliseconds until something can hit, its kind, and whether a block would not hold it. None: nothing comes."""
    b = truth["boss"]
    found: list[tuple[float, str, bool]] = []
    # A feint looks like any wind-up until the flare stays out.
    known_feint = b["feint"] and (foresight or b["impact_ms"] <= FLARE_MS)
    if b["stage"] in ("windup", "strike") and not known_feint:
        if b["kind"] == "ranged":
            if b["stage"] == "windup":
                found.append((b["impact_ms"] + b["flight_ms"], "ranged", b["perilous"]))
        elif truth["distance"] <= b["threat_m"]:
            found.append((b["impact_ms"], b["kind"], b["perilous"]))
    for shot in truth["shots"]:
        if shot["coming"] and shot["miss_m"] <= SHOT_MISS_M:
            found.append((shot["eta_ms"], "ranged", False))
    return min(found, default=(None, "none", False))


def _safe_ms(truth: Truth, threat_ms: float | None, foresight: bool) -> float:
    """Milliseconds in which nothing needs an answer, as far as one can tell."""
    b = truth["boss"]
    if threat_ms is not None:
        return threat_ms - DODGE_AT_MS
    if b["stage"] in ("recover", "frozen", "broken"):
        return b["left_ms"] + 450
    if b["stage"] == "idle":
        return b["idle_ms"] + 150 if foresight else 500
    return 500  # a blow that cannot reach, or a feint


def _approach(truth: Truth) -> Plan:
    far = truth["distance"] > 4.5
    return Plan.of(A.MOVE_FORWARD, A.SPRINT, ms=200) if far else Plan.of(A.MOVE_FORWARD, ms=150)


def _staff(truth: Truth, foresight: bool) -> Plan:
    p, b, distance = truth["player"], truth["boss"], truth["distance"]
    stage = b["stage"]
    threat_ms, kind, _ = _threat(truth, foresight)
    if threat_ms is not None and threat_ms <= DODGE_AT_MS and not p["invulnerable"]:
        if p["state"] == "dodge" and p["progress"] < 0.5:
            return WAIT_PLAN  # this dodge is the answer already
        return Plan.of(A.DODGE, A.MOVE_LEFT if kind in STRAIGHT else A.MOVE_BACK)
    safe_ms = _safe_ms(truth, threat_ms, foresight)
    if p["state"] == "charge":  # let go in time for the blow to land while the boss stands open
        return Plan.of(A.HEAVY_ATTACK) if safe_ms >= 1000 and distance <= REACH else WAIT_PLAN
    if p["busy_ms"] > 120:
        return WAIT_PLAN
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
        if threat_ms is not None:
            return WAIT_PLAN  # a lunge or a leap is coming: meet it standing
        return _approach(truth)
    if p["stamina"] < 0.3:
        return WAIT_PLAN  # keep enough for a dodge
    if safe_ms >= 1000 and p["stamina"] >= 0.5:
        return Plan.of(A.HEAVY_ATTACK)
    if safe_ms >= 350:
        return Plan.of(A.LIGHT_ATTACK)
    return WAIT_PLAN


def _blade(truth: Truth, foresight: bool) -> Plan:
    p, b, distance = truth["player"], truth["boss"], truth["distance"]
    threat_ms, _, perilous = _threat(truth, foresight)
    if threat_ms is not None and not p["invulnerable"]:
        if perilous and threat_ms <= DODGE_AT_MS:
            if p["state"] == "dodge":
                return WAIT_PLAN
            return Plan.of(A.DODGE, A.MOVE_BACK)
        if not perilous and threat_ms <= PARRY_AT_MS:
            return Plan.of(A.BLOCK, ms=250)
    if p["busy_ms"] > 120:
        return WAIT_PLAN
    if b["stage"] == "broken":
        return Plan.of(A.LIGHT_ATTACK) if distance <= REACH else _approach(truth)
    safe_ms = _safe_ms(truth, threat_ms, foresight)
    if p["health"] <= 0.5 and p["heals"]:
        if safe_ms >= 700 or (b["stage"] == "idle" and distance > 4.5):
            return Plan.of(A.HEAL)
        if b["stage"] == "idle":
            return Plan.of(A.MOVE_BACK, A.SPRINT, ms=200)
    if distance > REACH:
        return WAIT_PLAN if threat_ms is not None else _approach(truth)
    if safe_ms >= 300:
        return Plan.of(A.LIGHT_ATTACK)
    return WAIT_PLAN


class OraclePlayer:
    """Sees the true state at once, knows when the boss will attack, and never slips."""

    name = "oracle"
    frames_per_decision = 0
    needs_truth = True

    def reset(self, seed: int | None = None) -> None:
        pass

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Truth | None = None
    ) -> Decision:
        return Decision(best_plan(_required(truth), foresight=True))


class ReactionPlayer:
    """Plays on what stood `reaction_ms` ago, carried forward with a shaky sense of timing.

    A person who sees a wind-up begin knows when it should land, so the delayed state is extrapolated. The timing of
    each wind-up is misjudged by a Gaussian error (more for blows that are held back), some wind-ups are missed
    altogether, and none is known to be a feint.
    """

    name = "reaction"
    frames_per_decision = 0
    needs_truth = True

    def __init__(self, reaction_ms: int = 250, timing_sd_ms: float = 55.0, miss: float = 0.06) -> None:
        self.reaction_ms, self.timing_sd_ms, self.miss = reaction_ms, timing_sd_ms, miss
        self.reset(0)

    def reset(self, seed: int | None = None) -> None:
        self.rng = random.Random(seed)
        self.past: deque[Truth] = deque()
        self.windup: int | None = None
        self.error_ms = 0.0
        self.missed = False

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Truth | None = None
    ) -> Decision:
        truth = _required(truth)
        self.past.append(truth)
        delay_ticks = self.reaction_ms * TICK_HZ // 1000
        while len(self.past) > 1 and self.past[1]["tick"] <= truth["tick"] - delay_ticks:
            self.past.popleft()
        seen = self.past[0]
        lag_ms = (truth["tick"] - seen["tick"]) * 1000 // TICK_HZ
        # One's own body is felt at once; the rest is seen late.
        shots = [{**s, "eta_ms": max(0, s["eta_ms"] - lag_ms)} for s in seen["shots"]]
        return Decision(
            best_plan({**truth, "boss": self._boss(seen, lag_ms), "distance": seen["distance"], "shots": shots})
        )

    def _boss(self, seen: Truth, lag_ms: int) -> dict:
        """The boss as this player takes it to be now."""
        boss = {**seen["boss"], "feint": False}
        if boss["stage"] == "windup":
            began = seen["tick"] - round(boss["elapsed_ms"] * TICK_HZ / 1000)
            if began != self.windup:
                self.windup = began
                spread = 2.2 if boss["kind"] == "delayed" else 1.0
                self.error_ms = self.rng.gauss(0, self.timing_sd_ms * spread)
                self.missed = self.rng.random() < self.miss
            boss["impact_ms"] = max(0, boss["impact_ms"] - lag_ms + self.error_ms)
            if self.missed:
                boss.update(stage="idle", impact_ms=-1)
        elif boss["left_ms"]:
            boss["left_ms"] = max(0, boss["left_ms"] - lag_ms)
        return boss


PLAYERS = {"random": RandomPlayer, "reaction": ReactionPlayer, "oracle": OraclePlayer}
"""The scripted players by name."""


def make_player(name: str) -> Policy:
    """The scripted player of that name, or else the policy (`combatvla.policy.make_policy`)."""
    return PLAYERS[name]() if name in PLAYERS else make_policy(name)


def _required(truth: Truth | None) -> Truth:
    if truth is None:
        raise ValueError("this player reads the true state: pass truth=info['truth']")
    return truth
