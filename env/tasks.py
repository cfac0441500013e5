"""Tasks: one readable YAML file a fight. Data only; what the numbers mean is in `env.arena.rules`.

Metres, seconds, degrees and points throughout. The same file names the boss's looks (`env.arena.look`).
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from combatvla.errors import UserError, reason
from combatvla.profiles import GameProfile, load_profile
from env.arena.look import GESTURES, BossLook, Place

TEST_SEED_START = 1_000_000
"""Seeds from here on are held out for measuring; training draws only below."""
KINDS = ("quick", "slam", "delayed", "sweep", "thrust", "leap", "grab", "ranged")
"""What a move looks and feels like; each kind has one colour in every fight (`env.arena.marks.KIND_COLORS`)."""
FOLDER = "env/arena/tasks"
"""Where the shipped ones lie."""
MAX_MOVES, MAX_PHASES, MAX_SHOTS = 10, 3, 3


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= span[0] <= span[1] <= 1000:
        raise ValueError(f"expected two numbers from 0 to 1000, the smaller one first, got {list(span)}")
    return span


Span = Annotated[tuple[float, float], AfterValidator(_rising)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlayerStats(_Strict):
    """The fighter. The defaults are the rules' own; a task names what differs."""

    health: float = Field(default=100, gt=0)
    heals: int = Field(default=3, ge=0, le=6)
    heal_amount: float = Field(default=45, ge=0)
    speed: float = Field(default=3.8, gt=0)
    sprint_speed: float = Field(default=6.2, gt=0)
    # staff
    stamina: float = Field(default=100, gt=0)
    stamina_regen: float = Field(default=32, ge=0)
    """A second, once `stamina_pause` has gone by without spending."""
    stamina_pause: float = Field(default=0.45, ge=0, le=3600)
    sprint_cost: float = Field(default=14, ge=0)
    """Stamina a second."""
    skill_cooldown: float = Field(default=22, gt=0, le=3600)
    skill_freeze: float = Field(default=3, ge=0, le=3600)
    skill_range: float = Field(default=9, ge=0)
    # blade
    posture: float = Field(default=100, gt=0)
    """How much blocking it bears before the guard breaks."""
    posture_regen: float = Field(default=14, ge=0)
    damage_scale: float = Field(default=1, gt=0)
    """Of the fighter's own blows."""


class Move(_Strict):
    """One telegraphed attack of a boss."""

    kind: Literal["quick", "slam", "delayed", "sweep", "thrust", "leap", "grab", "ranged"]
    """Its colour and its nature: a `leap` lands where the fighter stood, `ranged` throws shots, a `grab` cannot be
    blocked, a `delayed` blow is held back at its height."""
    gesture: str
    """The pose of its wind-up, one of those that the boss's body knows (`env.arena.look.GESTURES`)."""
    windup: float = Field(gt=0, le=60)
    """Seconds of telegraph before the strike can hit."""
    hold: Span = (0.0, 0.0)
    """Seconds more that the wind-up may be held back, drawn evenly."""
    strike: float = Field(gt=0, le=60)
    """Seconds in which it can hit."""
    recover: float = Field(ge=0, le=60)
    """Seconds in which the boss stands open."""
    reach: float = Field(gt=0)
    """Metres from the boss's centre to the far edge of the blow; of shots, how far they fly."""
    arc_deg: float = Field(default=360, gt=0, le=360)
    damage: float = Field(ge=0)
    range: Span
    """The boss chooses this move when the fighter is this near and this far."""
    step: float = Field(default=0, ge=0)
    """Metres that the boss slides forward during the strike."""
    perilous: bool = False
    """Cannot be blocked: dodge it, or be elsewhere."""
    posture: float = Field(default=20, ge=0)
    """What blocking it costs the fighter's posture, and what parrying it costs the boss's."""
    shots: int = Field(default=1, ge=1, le=MAX_SHOTS)
    """Of a ranged move: thrown at once, in a fan."""
    shot_speed: float = Field(default=11, gt=0)
    then: dict[str, Share] = {}
    """Moves that may follow at once, each with its chance (times the phase's `combo`)."""
    chain: float = Field(default=0.6, gt=0, le=1)
    """What is left of the wind-up when this move follows another."""

    @model_validator(mode="after")
    def _kind_fits(self) -> Move:
        if self.kind == "leap" and self.step:
            raise ValueError("a leap has no step: it lands where the fighter stood")
        if self.kind == "delayed" and self.hold[1] <= 0:
            raise ValueError("a delayed move needs a hold, such as [0.2, 0.7]")
        if sum(self.then.values()) > 1:
            raise ValueError(f"the chances of `then` add up to {sum(self.then.values()):g}, expected at most 1")
        return self


class Phase(_Strict):
    """How a boss behaves while its health is above a fraction."""

    above: float = Field(ge=0, lt=1)
    idle: Span
    """Seconds between two attacks, drawn evenly."""
    windup_scale: float = Field(default=1, gt=0, le=100)
    combo: Share = 1.0
    """Times the chances of the moves' `then`."""
    feint: Share = 0.0
    """The chance that a wind-up is broken off for another move."""
    weights: dict[str, Annotated[float, Field(ge=0)]]
    """How often each move is chosen, against the others that fit the distance."""


class BossStats(_Strict):
    health: float = Field(gt=0)
    speed: float = Field(ge=0)
    turn_deg: float = Field(gt=0)
    """A second."""
    radius: float = Field(gt=0)
    keep: float = Field(default=2.6, gt=0)
    """It comes this near between attacks."""
    posture: float = Field(default=100, gt=0)
    """Blade: at its end the boss is broken, and open to a deathblow."""
    posture_regen: float = Field(default=6, ge=0)
    """A second, less when its health is low."""
    moves: dict[str, Move] = Field(min_length=1, max_length=MAX_MOVES)
    phases: tuple[Phase, ...] = Field(min_length=1, max_length=MAX_PHASES)

    @model_validator(mode="after")
    def _phases_fit(self) -> BossStats:
        for name, move in self.moves.items():
            if unknown := set(move.then) - set(self.moves):
                raise ValueError(f"after {name} come moves that the boss does not have: {sorted(unknown)}")
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


PROFILES = {"staff": "arena", "blade": "blade"}
"""Of each rule set, the game profile of its window."""


class Task(_Strict):
    """One fight."""

    number: int = Field(ge=1)
    name: str
    title: str
    tier: Literal["easy", "middle", "hard", "very hard"]
    rules: Literal["staff", "blade"]
    train: bool = False
    """Whether a policy whose zero-shot success is measured may have trained on it."""
    about: str
    """One line: who the boss is and what it is about."""
    time_limit_s: float = Field(default=120, gt=0, le=3600)
    arena_radius: float = Field(default=11, gt=0)
    place: Place = Place()
    player: PlayerStats = PlayerStats()
    look: BossLook
    boss: BossStats

    @model_validator(mode="after")
    def _gestures_known(self) -> Task:
        known = GESTURES[self.look.body]
        for name, move in self.boss.moves.items():
            if move.gesture not in known:
                raise ValueError(
                    f"move {name}: a {self.look.body} has no gesture {move.gesture!r}; it knows {', '.join(known)}"
                )
        return self


def parse_task(text: str, file: str) -> Task:
    """The task that a YAML text describes. `UserError`, naming `file`, when it is malformed."""
    try:
        return Task.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"the task file {file} is malformed: {reason(error)}") from error


@cache
def _shipped() -> dict[str, Task]:
    """The tasks of the package by name, in the order of their numbers."""
    folder = resources.files("env.arena") / "tasks"
    tasks = [_read(file) for file in folder.iterdir() if file.name.endswith(".yaml")]
    return {task.name: task for task in sorted(tasks, key=lambda task: task.number)}


def _read(file) -> Task:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: text that is no UTF-8
        raise UserError(f"the task file {file.name} is malformed: {reason(error)}") from error
    return parse_task(text, file.name)


def task_names() -> list[str]:
    """The tasks that ship, in the order of their numbers."""
    return list(_shipped())


def named_tasks(text: str, option: str = "--tasks") -> list[str]:
    """What `option` asks for: "all", or names, numbers and paths separated by commas, each for `load_task`, once and
    in their order. `UserError` when there is none, or when one is unknown or malformed."""
    names = task_names() if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(f"{option} names no task; give at least one, like {option} first, or all")
    for name in names:
        load_task(name)
    return list(dict.fromkeys(names))


def load_task(name: str) -> Task:
    """A shipped task by name or number, or one from a `.yaml` path. `UserError` when it is unknown or malformed."""
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UserError(f"there is no task file {name}: check the path, or copy one from {FOLDER} to begin with")
        return _read(Path(name))
    tasks = _shipped()
    for task in tasks.values():
        if name in (task.name, str(task.number)):
            return task
    near = get_close_matches(name, tasks, n=1)
    raise UserError(
        f"unknown task {name!r}: expected one of {', '.join(tasks)}, a number from 1 to {len(tasks)}, "
        "or the path of a task file (.yaml)" + (f"; did you mean {near[0]}?" if near else "")
    )


def profile_of(task: Task) -> GameProfile:
    """Title and keys of the window in which `task` is fought."""
    return load_profile(PROFILES[task.rules])
