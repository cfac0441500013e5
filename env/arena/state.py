"""The state of a fight and the numbers of a task as flat memory.

The rules are compiled (`env.arena.rules`), so a fight is one record of a NumPy array: copying it saves the fight,
copying it back restores it, and many fights are one array. Angles in radians, distances in metres, times in ticks
unless a name says otherwise. The integers that stand for words index the tuples below.
"""

from __future__ import annotations

import math

import numpy as np

from combatvla.actions import HELD_ACTIONS, MAX_STEPS, PERIOD_MS
from env.tasks import KINDS, MAX_MOVES, MAX_PHASES, MAX_SHOTS, Task

TICK_HZ = 60
PERIOD_TICKS = PERIOD_MS * TICK_HZ // 1000

RESULTS = (None, "win", "loss", "timeout")
PLAYER_STATES = (
    "idle",
    "moving",
    "light",
    "charge",
    "heavy",
    "dodge",
    "heal",
    "skill",
    "block",
    "hurt",
    "broken",
    "deathblow",
    "down",
)
"""`charge`: the heavy attack is held back and grows; `broken`: the guard is; the last, `down`, is the end."""
STAGES = ("idle", "windup", "strike", "recover", "broken", "down")
"""Of the boss. `broken`: its posture is gone, and a light attack is a deathblow."""
NO_MOVE = -1

# The same words as numbers: compiled code has no strings.
WIN, LOSS, TIMEOUT = range(1, len(RESULTS))
(P_IDLE, P_MOVING, P_LIGHT, P_CHARGE, P_HEAVY, P_DODGE, P_HEAL, P_SKILL, P_BLOCK, P_HURT, P_BROKEN, P_DEATHBLOW,
 P_DOWN) = range(len(PLAYER_STATES))  # fmt: skip
B_IDLE, B_WINDUP, B_STRIKE, B_RECOVER, B_BROKEN, B_DOWN = range(len(STAGES))
K_LEAP, K_GRAB, K_RANGED = KINDS.index("leap"), KINDS.index("grab"), KINDS.index("ranged")
HIT_LIGHT, HIT_HEAVY, HIT_DEATHBLOW, HIT_PARRIED = range(4)

FLARE_MS = 285
"""The weapon flares this long before a blow lands, unless the wind-up is a feint: a dodge that begins within the flare
is in time."""
LEAP_OFF = 0.55
"""The share of a leap's wind-up after which the boss is in the air."""
LANDS_SHORT = 1.2
"""A leap lands this many metres before the fighter, so that the two do not stand in each other."""

SHOT = np.dtype([("x", "f8"), ("y", "f8"), ("vx", "f8"), ("vy", "f8"), ("left", "i4"), ("move", "i4")], align=True)
"""One shot in the air, metres and metres a tick; `left`: ticks until it falls, 0 for none."""

PLAYER = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("health", "f8"),
        ("stamina", "f8"),  # blade: unused, full
        ("posture", "f8"),  # blade: 0 to the stats' posture, full is broken
        ("walk", "f8"),  # metres walked: the phase of the gait
        ("dodge_x", "f8"),
        ("dodge_y", "f8"),
        ("hit_damage", "f8"),  # of the last blow taken
        ("heals", "i4"),
        ("state", "i4"),
        ("t", "i4"),
        ("total", "i4"),  # of the busy state; 0 when free
        ("cooldown", "i4"),  # of the skill
        ("pause", "i4"),  # until stamina or posture comes back
        ("invulnerable", "i4"),
        ("charge", "i4"),  # ticks that the present or last heavy attack was held back
        ("guard", "i4"),  # blade: ticks since the block was pressed, 0 when not blocking
        ("spam", "i4"),  # blade: ticks in which a new block parries nothing
        ("swings", "i4"),
        ("buffered", "i4"),  # the input that waits, a bit of HELD_ACTIONS; 0 for none
        ("buffer_left", "i4"),
        ("hit_t", "i4"),  # ticks since the last blow taken, at most LONG_AGO
        ("parry_t", "i4"),  # ticks since the last parry
        ("heal_t", "i4"),  # ticks since the last heal took effect
    ],
    align=True,
)

BOSS = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("facing", "f8"),
        ("health", "f8"),
        ("posture", "f8"),  # blade: as the player's
        ("walk", "f8"),
        ("from_x", "f8"),  # of a leap
        ("from_y", "f8"),
        ("target_x", "f8"),
        ("target_y", "f8"),
        ("hit_damage", "f8"),
        ("stage", "i4"),
        ("move", "i4"),  # index into the task's moves, NO_MOVE for none
        ("t", "i4"),
        ("total", "i4"),
        ("hold", "i4"),  # ticks at the end of this wind-up that are held back beyond its nominal length
        ("feint", "i4"),  # the tick of the wind-up at which it is broken off; 0: it is meant
        ("idle_left", "i4"),
        ("hit_done", "i4"),
        ("chain", "i4"),  # moves since it last stood idle
        ("frozen", "i4"),
        ("phase", "i4"),
        ("hit_t", "i4"),
        ("hit_kind", "i4"),  # a HIT_ number, for the drawing
        ("pause", "i4"),  # until posture comes back
        ("strafe", "i4"),  # -1 or 1: the way it circles
    ],
    align=True,
)

FIGHT = np.dtype(
    [
        ("player", PLAYER),
        ("boss", BOSS),
        ("shots", SHOT, (MAX_SHOTS,)),
        ("rng", "u8"),
        ("timing", "f8"),  # this fight's own tempo: times every wind-up
        ("damage_dealt", "f8"),  # all below: since the fight began
        ("damage_taken", "f8"),
        ("healed", "f8"),
        ("hits", "i4"),
        ("hits_taken", "i4"),
        ("dodges", "i4"),  # blows that a dodge let pass
        ("parries", "i4"),
        ("deathblows", "i4"),
        ("tick", "i4"),
        ("result", "i4"),  # index into RESULTS
        ("previous", "i4"),  # the inputs held in the last tick, as bits
        ("plan_bits", "i4", (MAX_STEPS,)),  # the plan being carried out: of each step the inputs held,
        ("plan_ends", "i4", (MAX_STEPS,)),  # and the tick, counted from the plan's begin, at which it ends
        ("plan_t", "i4"),
    ],
    align=True,
)

LONG_AGO = 999
"""The counters of "ticks since" stop here."""

MOVE = np.dtype(
    [
        (n, "f8")
        for n in (
            "hold_low",
            "hold_high",
            "reach",
            "half_arc",
            "damage",
            "near",
            "far",
            "step",
            "posture",
            "shot_speed",
            "chain",
        )
    ]
    + [("then", "f8", (MAX_MOVES,))]
    + [(n, "i4") for n in ("kind", "windup", "strike", "recover", "perilous", "shots")],
    align=True,
)
PHASE = np.dtype(
    [(n, "f8") for n in ("above", "idle_low", "idle_high", "windup_scale", "combo", "feint")]
    + [("weights", "f8", (MAX_MOVES,))],
    align=True,
)
PLAYER_NUMBERS = (
    "health",
    "heal_amount",
    "speed",
    "sprint_speed",
    "stamina",
    "stamina_regen",
    "sprint_cost",
    "skill_range",
    "posture",
    "posture_regen",
    "damage_scale",
)
BOSS_NUMBERS = ("health", "speed", "radius", "keep", "posture", "posture_regen")
TABLE = np.dtype(
    [("player", [(n, "f8") for n in PLAYER_NUMBERS]
      + [(n, "i4") for n in ("heals", "stamina_pause", "skill_cooldown", "skill_freeze")]),
     ("boss", [(n, "f8") for n in (*BOSS_NUMBERS, "turn")]),
     ("moves", MOVE, (MAX_MOVES,)), ("phases", PHASE, (MAX_PHASES,)), ("arena_radius", "f8"),
     ("n_moves", "i4"), ("n_phases", "i4"), ("blade", "i4"), ("time_limit", "i4")],
    align=True,
)  # fmt: skip
"""A task's numbers in ticks and radians."""

BIT = {action: 1 << i for i, action in enumerate(HELD_ACTIONS)}
"""Of each action, its bit in a set of held inputs."""


def to_ticks(seconds: float) -> int:
    return max(1, round(seconds * TICK_HZ))


def leap_tick(total):
    """The tick of a leap's wind-up of `total` ticks at which the boss leaves the ground."""
    return max(1, int(total * LEAP_OFF + 0.5))


def to_bits(held) -> int:
    """A set of actions as bits; `wait` holds nothing."""
    bits = 0
    for action in held:
        bits |= BIT.get(action, 0)
    return bits


def table_of(task: Task) -> np.ndarray:
    """The task's numbers as an array of one `TABLE` record."""
    table = np.zeros(1, TABLE)
    record = table[0]
    for name in PLAYER_NUMBERS:
        record["player"][name] = getattr(task.player, name)
    record["player"]["heals"] = task.player.heals
    for name in ("stamina_pause", "skill_cooldown", "skill_freeze"):
        record["player"][name] = to_ticks(getattr(task.player, name))
    for name in BOSS_NUMBERS:
        record["boss"][name] = getattr(task.boss, name)
    record["boss"]["turn"] = math.radians(task.boss.turn_deg) / TICK_HZ
    names = list(task.boss.moves)
    for row, move in zip(record["moves"], task.boss.moves.values(), strict=False):
        for name in ("reach", "damage", "step", "posture", "shot_speed", "chain"):
            row[name] = getattr(move, name)
        row["hold_low"], row["hold_high"] = (s * TICK_HZ for s in move.hold)
        row["near"], row["far"] = move.range
        row["half_arc"] = math.radians(move.arc_deg) / 2
        row["kind"], row["shots"] = KINDS.index(move.kind), move.shots
        row["perilous"] = move.perilous or move.kind == "grab"
        for name in ("windup", "strike", "recover"):
            row[name] = to_ticks(getattr(move, name))
        for name, chance in move.then.items():
            row["then"][names.index(name)] = chance
    for row, phase in zip(record["phases"], task.boss.phases, strict=False):
        row["idle_low"], row["idle_high"] = (s * TICK_HZ for s in phase.idle)
        for name in ("above", "windup_scale", "combo", "feint"):
            row[name] = getattr(phase, name)
        for name, weight in phase.weights.items():
            row["weights"][names.index(name)] = weight
    record["arena_radius"] = task.arena_radius
    record["n_moves"], record["n_phases"] = len(names), len(task.boss.phases)
    record["blade"] = task.rules == "blade"
    record["time_limit"] = to_ticks(task.time_limit_s)
    return table
