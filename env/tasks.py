"""Tasks: one readable YAML file a fight. Data only; what the numbers mean is in `env.arena.rules`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from combatvla.errors import UserError, reason

TEST_SEED_START = 1_000_000
"""Seeds from here on are held out for measuring; training draws only below."""


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= span[0] <= span[1]:
        raise ValueError(f"expected two numbers from 0 on, the smaller one first, got {list(span)}")
    return span


Span = Annotated[tuple[float, float], AfterValidator(_rising)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlayerStats(_Strict):
    """The fighter. Times in seconds, speeds in metres a second, costs and health in points."""

    health: float = Field(gt=0)
    stamina: float = Field(gt=0)
    stamina_regen: float = Field(ge=0)
    stamina_pause: float = Field(ge=0)
    heals: int = Field(ge=0)
    heal_amount: float = Field(ge=0)
    speed: float = Field(gt=0)
    sprint_speed: float = Field(gt=0)
    sprint_cost: float = Field(ge=0)
    skill_cooldown: float = Field(ge=0)
    skill_freeze: float = Field(ge=0)
    skill_range: float = Field(ge=0)


class Move(_Strict):
    """One telegraphed attack of a boss."""

    windup: float = Field(gt=0)
    """Seconds of telegraph before the strike can hit."""
    strike: float = Field(gt=0)
    """Seconds in which it can hit."""
    recover: float = Field(ge=0)
    """Seconds in which the boss stands open."""
    reach: float = Field(gt=0)
    """Metres from the boss's centre to the far edge of the blow."""
    arc_deg: float = Field(gt=0, le=360)
    damage: float = Field(ge=0)
    range: Span
    """The boss chooses this move when the fighter is this near and this far, in metres."""
    step: float = Field(default=0, ge=0)
    """Metres that the boss slides forward during the strike."""
    leap: bool = False
    """It jumps, and strikes where the fighter stood when the jump began."""


class Phase(_Strict):
    """How a boss behaves while its health is above a fraction."""

    above: float = Field(ge=0, lt=1)
    idle: Span
    """Seconds between two attacks, drawn evenly."""
    windup_scale: float = Field(gt=0)
    follow_up: float = Field(ge=0, le=1)
    """The chance that a close move is followed by another at once."""
    weights: dict[str, Annotated[float, Field(ge=0)]]
    """How often each move is chosen, against the others that fit the distance."""


class BossStats(_Strict):
    health: float = Field(gt=0)
    speed: float = Field(ge=0)
    turn_deg: float = Field(gt=0)
    radius: float = Field(gt=0)
    moves: dict[str, Move] = Field(min_length=1)
    phases: tuple[Phase, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _phases_fit(self) -> BossStats:
        for phase in self.phases:
            unknown = set(phase.weights) - set(self.moves)
            if unknown:
                raise ValueError(f"a phase weighs moves that the boss does not have: {sorted(unknown)}")
            if not any(phase.weights.values()):
                raise ValueError("a phase without a move of positive weight: the boss would never attack")
        bounds = [p.above for p in self.phases]
        if bounds != sorted(set(bounds), reverse=True) or bounds[-1] != 0:
            raise ValueError(f"the phases' `above` must fall and end with 0, got {bounds}")
        return self


class Task(_Strict):
    """One fight."""

    name: str
    title: str
    tier: Literal["easy", "middle", "hard", "very hard"]
    time_limit_s: float = Field(gt=0)
    arena_radius: float = Field(gt=0)
    player: PlayerStats
    boss: BossStats


def task_names() -> list[str]:
    folder = resources.files("env.arena") / "tasks"
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))


@cache
def load_task(name: str) -> Task:
    """The task of that name. `UserError` when it is unknown or its file is malformed."""
    if name not in task_names():
        raise UserError(f"unknown task {name!r}: expected one of {', '.join(task_names())}")
    file = resources.files("env.arena") / "tasks" / f"{name}.yaml"
    try:
        return Task.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: pydantic's, and text that is no UTF-8
        raise UserError(f"the task file {name}.yaml is malformed: {reason(error)}") from error
