"""One fight: its state, what it tells of itself, saving and restoring. The rules are in `env.arena.rules`."""

from __future__ import annotations

import math
import random
from collections import namedtuple
from itertools import starmap
from typing import NamedTuple

import numpy as np

from combatvla.actions import PLAN_LENGTH, Action
from env.arena import rules
from env.arena.plans import checked_plans
from env.arena.state import (
    BOSS,
    FIGHT,
    LONG_AGO,
    NO_MOVE,
    PERIOD_TICKS,
    PLAYER,
    PLAYER_STATES,
    RESULTS,
    SHOT,
    STAGES,
    TICK_HZ,
    table_of,
    to_bits,
    to_ticks,
)
from env.tasks import Move, Task

PlayerView = namedtuple("PlayerView", PLAYER.names)
BossView = namedtuple("BossView", BOSS.names)
ShotView = namedtuple("ShotView", SHOT.names)
View = namedtuple("View", FIGHT.names)
"""A fight's state as plain numbers, named as in `env.arena.state`."""

TICK_MS = 1000 / TICK_HZ
_FIRST = np.zeros(1, np.int64)


class _Told(NamedTuple):
    """What the truth tells of a move."""

    name: str = "none"
    kind: str = "none"
    perilous: bool = False
    threat_m: float = 0.0
    """Metres from the boss within which it can still hit somebody, its own step or flight included."""
    shot_ms_per_m: float | None = None


def _told(name: str, move: Move) -> _Told:
    threat = move.reach + move.step + (1.6 if move.kind == "leap" else 0.9)
    shot = 1000 / move.shot_speed if move.kind == "ranged" else None
    return _Told(name, move.kind, move.perilous or move.kind == "grab", threat, shot)


class _Known(NamedTuple):
    """What is made once a task."""

    task: Task
    """Held, so that its id stays its own."""
    table: np.ndarray
    moves: list[_Told]
    """By index; that of no move stands last, where NO_MOVE finds it."""


_known: dict[int, _Known] = {}


def _of(task: Task) -> _Known:
    known = _known.get(id(task))
    if known is None:
        known = _known[id(task)] = _Known(task, table_of(task), [*starmap(_told, task.boss.moves.items()), _Told()])
        known.table.flags.writeable = False
    return known


def table_for(task: Task) -> np.ndarray:
    """`table_of(task)`, made once a task. Read only."""
    return _of(task).table


class Fight:
    """One fight of one task. Same task, seed and inputs: the same fight, to the bit."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task, self.seed = task, seed
        self.table = table_for(task)
        self.state = np.zeros(1, FIGHT)
        """The whole state, one record. What else is here never changes, but for what was last read."""
        self._read: tuple[bytes, View | None] = b"", None
        """A state and its view: pictures, labels and infos are made of the same moment."""
        draw = random.Random(f"{task.name}/{seed}")
        self.look_seed = draw.randrange(1 << 30)
        """One draw for all that the drawing varies."""
        self._place(draw)

    def _place(self, draw: random.Random) -> None:
        s, task = self.state[0], self.task
        p, b = s["player"], s["boss"]
        angle, distance = draw.uniform(-math.pi, math.pi), draw.uniform(5.0, 8.0)
        # The fighter stands somewhere in the inner ring, the boss 5 to 8 m away on the far side of the centre.
        r, turn = draw.uniform(0.0, 2.5), draw.uniform(-1.0, 1.0)
        p["x"], p["y"] = -r * math.cos(angle + turn), -r * math.sin(angle + turn)
        b["x"], b["y"] = p["x"] + math.cos(angle) * distance, p["y"] + math.sin(angle) * distance
        b["facing"] = angle + math.pi if angle < 0 else angle - math.pi
        for body, names in ((p, ("x", "y")), (b, ("x", "y", "facing"))):
            for name in names:
                body[name] = math.floor(body[name] * rules.GRID + 0.5) / rules.GRID
        p["health"], p["stamina"], p["heals"] = task.player.health, task.player.stamina, task.player.heals
        b["health"], b["move"], b["strafe"], b["idle_left"] = task.boss.health, NO_MOVE, 1, to_ticks(1.2)
        for body, names in ((p, ("hit_t", "parry_t", "heal_t")), (b, ("hit_t",))):
            for name in names:
                body[name] = LONG_AGO
        s["timing"] = draw.uniform(0.93, 1.07)
        s["rng"] = draw.getrandbits(64)

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self, held: frozenset[Action]) -> None:
        """Advances the world by 1/60 s under the inputs that are held. After the end it does nothing."""
        rules.run(self.state, self.table, to_bits(held), 1)

    def run(self, bits: int, ticks: int) -> None:
        """Many ticks under the same inputs, given as bits (`to_bits`)."""
        rules.run(self.state, self.table, bits, ticks)

    def decide(self, plan: np.ndarray, thinking: int = 0, period: int = PERIOD_TICKS) -> None:
        """One decision: the plan before goes on for `thinking` ticks, then `plan` (`Plan.to_array`) begins; it lasts
        `max(thinking, period)` ticks. `ValueError`, and nothing has moved, for what is no plan array."""
        plans = checked_plans(plan, (PLAN_LENGTH,))[None]
        rules.decide(self.state, self.table, _FIRST, plans, np.array([thinking]), period)

    def save(self) -> bytes:
        """The complete state."""
        return self.state.tobytes()

    def restore(self, saved: bytes) -> None:
        """Makes the fight what it was when `save` gave `saved`. `ValueError` for bytes of another length."""
        if len(saved) != self.state.nbytes:
            raise ValueError(f"a saved fight has {self.state.nbytes} bytes, got {len(saved)}: pass what save() gave")
        self.state.view(np.uint8)[:] = np.frombuffer(saved, np.uint8)

    # -- what others read ------------------------------------------------------------------------------------

    @property
    def player(self) -> np.record:
        """The fighter's record; setting an attribute changes the fight (for set-up and tests)."""
        return self.state.view(np.recarray)[0].player

    @property
    def boss(self) -> np.record:
        """The boss's record; setting an attribute changes the fight."""
        return self.state.view(np.recarray)[0].boss

    @property
    def result(self) -> str | None:
        """None until it ends in "win", "loss" or "timeout"."""
        return RESULTS[self.state["result"][0]]

    @property
    def tick_count(self) -> int:
        return int(self.state["tick"][0])

    @property
    def distance(self) -> float:
        p, b = self.state["player"][0], self.state["boss"][0]
        return math.hypot(b["x"] - p["x"], b["y"] - p["y"])

    @property
    def damage_dealt(self) -> float:
        return float(self.state["damage_dealt"][0])

    @property
    def damage_taken(self) -> float:
        return float(self.state["damage_taken"][0])

    def read(self) -> View:
        """A copy of the state as plain numbers."""
        saved = self.save()
        if saved != self._read[0]:
            s = self.state.item()
            shots = tuple(map(ShotView._make, s[2].tolist()))
            self._read = saved, View._make((PlayerView._make(s[0]), BossView._make(s[1]), shots, *s[3:]))
        return self._read[1]

    def move_named(self, name: str) -> int:
        """The index of a move in the state."""
        return list(self.task.boss.moves).index(name)

    def truth(self) -> dict:
        """The true state as plain JSON values, for labels, rewards, logs and scripted players: no observation.

        `boss`: `impact_ms` until the wind-up becomes a strike (0 in the strike, -1 when no blow is on its way),
        `flight_ms` more until a shot arrives, `idle_ms` until it may attack again, `feint` when this wind-up will be
        broken off, `threat_m` metres within which the move can hit.
        """
        v, task = self.read(), self.task
        p, b = v.player, v.boss
        move = _of(task).moves[b.move]
        stage = "frozen" if b.frozen else STAGES[b.stage]
        distance = math.hypot(b.x - p.x, b.y - p.y)
        impact = round((b.total - b.t) * TICK_MS) if stage == "windup" else 0 if stage == "strike" else -1
        return {
            "task": task.name,
            "rules": task.rules,
            "seed": self.seed,
            "tick": v.tick,
            "phase": b.phase + 1,
            "result": RESULTS[v.result],
            "player": {
                "health": p.health / task.player.health,
                "stamina": max(0.0, p.stamina) / task.player.stamina,
                "posture": p.posture / task.player.posture,
                "heals": p.heals,
                "skill_ready": task.rules == "staff" and p.cooldown == 0,
                "state": PLAYER_STATES[p.state],
                "progress": round(p.t / p.total, 4) if p.total else 0.0,
                "busy_ms": round((p.total - p.t) * TICK_MS) if p.total else 0,
                "invulnerable": p.invulnerable > 0,
            },
            "boss": {
                "health": b.health / task.boss.health,
                "posture": b.posture / task.boss.posture,
                "move": move.name,
                "kind": move.kind,
                "stage": stage,
                "progress": round(b.t / b.total, 4) if b.total else 0.0,
                "impact_ms": impact,
                "elapsed_ms": round(b.t * TICK_MS),
                "left_ms": round((b.frozen or b.total - b.t) * TICK_MS) if b.frozen or b.total else 0,
                "feint": b.feint > 0,
                "perilous": move.perilous,
                "threat_m": move.threat_m,
                "flight_ms": round(max(0.0, distance - 1.6) * move.shot_ms_per_m) if move.shot_ms_per_m else 0,
                "idle_ms": round(b.idle_left * TICK_MS) if stage == "idle" else 0,
            },
            "shots": [_shot(s, p) for s in v.shots if s.left],
            "distance": round(distance, 3),
            "damage_dealt": v.damage_dealt / task.boss.health,
            "damage_taken": v.damage_taken / task.player.health,
        }


def _shot(shot: ShotView, p: PlayerView) -> dict:
    """A shot in the air: in how many milliseconds it is nearest to the fighter, and how near that is, in metres."""
    dx, dy = p.x - shot.x, p.y - shot.y
    speed = math.hypot(shot.vx, shot.vy)
    along = (dx * shot.vx + dy * shot.vy) / speed
    return {
        "eta_ms": round(max(0.0, along - rules.SHOT_RADIUS - rules.PLAYER_RADIUS) / speed * TICK_MS),
        "miss_m": round(abs(dx * shot.vy - dy * shot.vx) / speed, 3),
        "coming": along > 0 and along / speed <= shot.left,
    }
