"""What holds of every state of a fight, whatever was pressed."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from env.arena.state import BOSS, LONG_AGO, PLAYER, PLAYER_STATES, RESULTS, STAGES, to_ticks
from env.tasks import Task

SLACK = 1e-3
"""Metres, points and radians: places and angles lie on a grid."""
AGO = ("hit_t", "parry_t", "heal_t")
"""Counters of ticks gone by, which stop at `LONG_AGO`."""


def violations(states: np.ndarray, task: Task) -> Counter[str]:
    """How many of `states` (`FIGHT[N]`, fights of `task`) are what no state may be, by what is wrong with them."""
    player, boss, shots = states["player"], states["boss"], states["shots"]
    ring = task.arena_radius + SLACK
    shots_end = ring + 1.0 + max(move.reach for move in task.boss.moves.values())
    attacking = np.isin(boss["stage"], [STAGES.index("windup"), STAGES.index("strike")])
    wrong = {
        "a number is NaN or infinite": _not_finite(states),
        "fighter's health": _outside(player["health"], 0, task.player.health),
        "fighter's stamina": _outside(player["stamina"], -task.player.stamina, task.player.stamina),
        "fighter's posture": _outside(player["posture"], 0, task.player.posture),
        "fighter's heals": _outside(player["heals"], 0, task.player.heals),
        "fighter's state": _outside(player["state"], 0, len(PLAYER_STATES) - 1),
        "fighter out of the ring": _beyond(player, ring),
        "boss's health": _outside(boss["health"], 0, task.boss.health),
        "boss's posture": _outside(boss["posture"], 0, task.boss.posture),
        "boss's stage": _outside(boss["stage"], 0, len(STAGES) - 1),
        "boss's move": _outside(boss["move"], -1, len(task.boss.moves) - 1) | (attacking & (boss["move"] < 0)),
        "boss's phase": _outside(boss["phase"], 0, len(task.boss.phases) - 1),
        "boss's facing": _outside(boss["facing"], -math.pi - SLACK, math.pi + SLACK),
        "boss out of the ring": _beyond(boss, ring),
        "a shot out of bounds": ((shots["left"] > 0) & _beyond(shots, shots_end)).any(axis=1),
        "the result": _outside(states["result"], 0, len(RESULTS) - 1),
        "a fight goes on beyond its time limit": states["tick"] > to_ticks(task.time_limit_s),
    }
    for who, body in (("fighter", player), ("boss", boss)):
        late = (body["total"] > 0) & (body["t"] > body["total"])
        wrong[f"{who}'s t beyond its total"] = late
        for name in (PLAYER if who == "fighter" else BOSS).names:
            if name in AGO:
                wrong[f"{who}'s {name}"] = _outside(body[name], 0, LONG_AGO)
            elif body[name].dtype.kind == "i" and name not in ("move", "strafe"):
                wrong[f"{who}'s {name} below 0"] = body[name] < 0
    return Counter({name: int(bad.sum()) for name, bad in wrong.items() if bad.any()})


def _not_finite(values: np.ndarray) -> np.ndarray:
    """Of each record, whether a floating-point number in it, however deep, is no finite one."""
    if values.dtype.names is not None:
        return np.logical_or.reduce([_not_finite(values[name]) for name in values.dtype.names])
    bad = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    return bad.reshape(len(values), -1).any(axis=1)


def _outside(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return ~((values >= low) & (values <= high))  # a NaN is outside too


def _beyond(bodies: np.ndarray, radius: float) -> np.ndarray:
    return ~(np.hypot(bodies["x"], bodies["y"]) <= radius)
