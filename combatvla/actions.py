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
    """What a fighter can do, and how the camera is turned. The order is that in which actions are written, and up to
    `wait` that of the bits in `Plan.to_array`."""

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
    LOOK_LEFT = "look_left"
    LOOK_RIGHT = "look_right"
    LOOK_UP = "look_up"
    LOOK_DOWN = "look_down"
    LOCK_ON = "lock_on"


MOVES = frozenset({Action.MOVE_FORWARD, Action.MOVE_BACK, Action.MOVE_LEFT, Action.MOVE_RIGHT})
LOOKS = {Action.LOOK_LEFT: (-1, 0), Action.LOOK_RIGHT: (1, 0), Action.LOOK_UP: (0, -1), Action.LOOK_DOWN: (0, 1)}
"""The actions that turn the camera while they are held: where the mouse moves, to the right and down."""
CAMERA_ACTIONS = (*LOOKS, Action.LOCK_ON)
"""For games with a camera of their own; policies say them only where they were made for it. The environments and
`Plan.to_array` do not know them."""
HELD_ACTIONS = tuple(a for a in Action if a is not Action.WAIT and a not in CAMERA_ACTIONS)
"""The actions of the fight that hold an input; `wait` holds none."""
OPPOSITES = (
    frozenset({Action.MOVE_FORWARD, Action.MOVE_BACK}),
    frozenset({Action.MOVE_LEFT, Action.MOVE_RIGHT}),
    frozenset({Action.LOOK_LEFT, Action.LOOK_RIGHT}),
    frozenset({Action.LOOK_UP, Action.LOOK_DOWN}),
)

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

    Raises `ValueError` for an empty set, `wait` beside another action, opposite moves or looks, or a duration outside
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
        for pair in OPPOSITES:
            if pair <= actions:
                what = "looks" if pair <= LOOKS.keys() else "moves"
                raise ValueError(f"a step cannot hold opposite {what}, got {sorted(pair)}")
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

    def step_at(self, elapsed_ms: float) -> tuple[int, int] | None:
        """Which step runs `elapsed_ms` after the plan began, and at how many ms it ends; None once all have ended."""
        end = 0
        for i, step in enumerate(self.steps):
            end += step.duration_ms
            if elapsed_ms < end:
                return i, end
        return None

    def held_at(self, elapsed_ms: float) -> frozenset[Action]:
        """The inputs that are down `elapsed_ms` after the plan began; none once it has ended."""
        at = self.step_at(elapsed_ms)
        return self.steps[at[0]].held if at else frozenset()

    def without_camera(self) -> Plan:
        """The plan as games without a camera of their own take it: what is left of a step without any is a `wait`."""
        if not any(a in CAMERA_ACTIONS for step in self.steps for a in step.actions):
            return self
        kept = [frozenset(step.actions.difference(CAMERA_ACTIONS)) for step in self.steps]
        return Plan(
            tuple(
                Step(held or frozenset({Action.WAIT}), s.duration_ms) for held, s in zip(kept, self.steps, strict=True)
            )
        )

    def to_array(self) -> np.ndarray:
        """`int64[PLAN_LENGTH]`: per step one bit an action, then the duration's index
        (0: no such step, k: `DURATIONS_MS[k - 1]`). No bit set means `wait`. `ValueError` for `CAMERA_ACTIONS`, which
        have no bit (`without_camera`)."""
        width = len(HELD_ACTIONS) + 1
        out = np.zeros(PLAN_LENGTH, dtype=np.int64)
        for i, step in enumerate(self.steps):
            if camera := [a for a in step.ordered() if a in CAMERA_ACTIONS]:
                raise ValueError(f"{camera[0]} has no place in a plan array: leave it out (Plan.without_camera)")
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
            for pair in OPPOSITES:
                if pair <= held:
                    held -= pair
            steps.append(Step(frozenset(held or {Action.WAIT}), DURATIONS_MS[row[-1] - 1]))
        return cls(tuple(steps)) if steps else WAIT_PLAN


WAIT_PLAN = Plan.of(Action.WAIT)
"""What stands in for a decision that could not be parsed."""
