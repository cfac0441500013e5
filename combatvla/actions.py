"""The closed vocabulary of the fight: actions, steps and plans.

An action is a meaning ("dodge"), never a key; a game profile maps actions to keys. A `Step` is a set of
actions held together for a duration, a `Plan` one to three steps carried out one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Action(StrEnum):
    """What a fighter can do. The order is the order of the bits in `Plan.to_array`."""

    MOVE_FORWARD = "move_forward"
    MOVE_BACK = "move_back"
    MOVE_LEFT = "move_left"
    MOVE_RIGHT = "move_right"
    SPRINT = "sprint"
    DODGE = "dodge"
    HEAL = "heal"
    SKILL = "skill"
    LIGHT_ATTACK = "light_attack"
    HEAVY_ATTACK = "heavy_attack"
    BLOCK = "block"
    WAIT = "wait"


MOVES = frozenset({Action.MOVE_FORWARD, Action.MOVE_BACK, Action.MOVE_LEFT, Action.MOVE_RIGHT})
HELD_ACTIONS = tuple(a for a in Action if a is not Action.WAIT)
"""The actions that hold an input; `wait` holds none."""

DURATIONS_MS = (50, 100, 150, 200, 250, 300, 400, 500, 750, 1000)
"""The durations a step may have. A closed set, so that each is one token and every codec round-trips exactly."""

TAP_MS = 100
"""How long a key that is only pressed stays down (menus miss shorter taps)."""

PERIOD_MS = 100
"""The shortest time between two decisions: ten a second."""

MAX_STEPS = 3
PLAN_LENGTH = MAX_STEPS * (len(HELD_ACTIONS) + 1)
"""Of the array that is a plan (`Plan.to_array`)."""


def nearest_duration(ms: float) -> int:
    """The allowed duration nearest to `ms` milliseconds."""
    return min(DURATIONS_MS, key=lambda d: abs(d - ms))


@dataclass(frozen=True, slots=True)
class Step:
    """Actions held together for `duration_ms` milliseconds.

    Raises `ValueError` for an empty set, `wait` beside another action, opposite moves, or a duration outside
    `DURATIONS_MS`.
    """

    actions: frozenset[Action]
    duration_ms: int = TAP_MS

    def __post_init__(self) -> None:
        actions = frozenset(Action(a) for a in self.actions)
        object.__setattr__(self, "actions", actions)
        if not actions:
            raise ValueError("a step needs at least one action; use wait to do nothing")
        if Action.WAIT in actions and len(actions) > 1:
            raise ValueError(f"wait stands alone, got {sorted(actions)}")
        for pair in ({Action.MOVE_FORWARD, Action.MOVE_BACK}, {Action.MOVE_LEFT, Action.MOVE_RIGHT}):
            if pair <= actions:
                raise ValueError(f"a step cannot hold opposite moves, got {sorted(pair)}")
        if self.duration_ms not in DURATIONS_MS:
            raise ValueError(f"duration must be one of {DURATIONS_MS} ms, got {self.duration_ms}")

    @classmethod
    def of(cls, *actions: Action | str, ms: int = TAP_MS) -> Step:
        """A step of actions or their names. `ValueError` for a name that there is not."""
        unknown = [a for a in actions if a not in tuple(Action)]
        if unknown:
            raise ValueError(f"expected actions of {', '.join(Action)}, got {unknown[0]!r}")
        return cls(frozenset(Action(a) for a in actions), ms)

    @property
    def held(self) -> frozenset[Action]:
        """The inputs that are down during the step (none for `wait`)."""
        return self.actions - {Action.WAIT}

    def ordered(self) -> tuple[Action, ...]:
        """The actions in vocabulary order: the one order in which they are written."""
        return tuple(a for a in Action if a in self.actions)


@dataclass(frozen=True, slots=True)
class Plan:
    """One to three steps, carried out one after the other."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise ValueError(f"a plan has 1 to {MAX_STEPS} steps, got {len(self.steps)}")

    @classmethod
    def of(cls, *actions: Action | str, ms: int = TAP_MS) -> Plan:
        """A plan of one step."""
        return cls((Step.of(*actions, ms=ms),))

    @property
    def duration_ms(self) -> int:
        return sum(s.duration_ms for s in self.steps)

    def held_at(self, elapsed_ms: float) -> frozenset[Action]:
        """The inputs that are down `elapsed_ms` after the plan began; none once it has ended."""
        for step in self.steps:
            if elapsed_ms < step.duration_ms:
                return step.held
            elapsed_ms -= step.duration_ms
        return frozenset()

    def to_array(self) -> np.ndarray:
        """`int64[PLAN_LENGTH]`: per step one bit an action, then the duration's index
        (0: no such step, k: `DURATIONS_MS[k - 1]`). No bit set means `wait`."""
        width = len(HELD_ACTIONS) + 1
        out = np.zeros(PLAN_LENGTH, dtype=np.int64)
        for i, step in enumerate(self.steps):
            row = out[i * width : (i + 1) * width]
            row[:-1] = [a in step.actions for a in HELD_ACTIONS]
            row[-1] = DURATIONS_MS.index(step.duration_ms) + 1
        return out

    @classmethod
    def from_array(cls, array: Iterable[int]) -> Plan:
        """The inverse of `to_array`, total: any array in range gives a plan. Of opposite moves both are dropped,
        as on a keyboard; an array without a step is a tap-long `wait`. `ValueError` for a wrong length or range."""
        flat = np.asarray(array)
        width = len(HELD_ACTIONS) + 1
        if flat.shape != (PLAN_LENGTH,):
            raise ValueError(f"expected a plan array of shape ({PLAN_LENGTH},), got {flat.shape}; see Plan.to_array")
        if not np.issubdtype(flat.dtype, np.integer):
            raise ValueError(f"expected whole numbers in a plan array, got {flat.dtype}")
        steps = []
        for row in flat.reshape(MAX_STEPS, width):
            if not 0 <= row[-1] <= len(DURATIONS_MS) or not np.isin(row[:-1], (0, 1)).all():
                raise ValueError(f"plan array row out of range: {row.tolist()}")
            if row[-1] == 0:
                break
            held = {a for a, bit in zip(HELD_ACTIONS, row[:-1], strict=True) if bit}
            for pair in ({Action.MOVE_FORWARD, Action.MOVE_BACK}, {Action.MOVE_LEFT, Action.MOVE_RIGHT}):
                if pair <= held:
                    held -= pair
            steps.append(Step(frozenset(held or {Action.WAIT}), DURATIONS_MS[row[-1] - 1]))
        return cls(tuple(steps)) if steps else WAIT_PLAN


WAIT_PLAN = Plan.of(Action.WAIT)
"""What stands in for a decision that could not be parsed."""
