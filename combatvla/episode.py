"""An episode on disk: what the agent saw, thought and held in one fight. `agent` writes it, `tracker view` shows it.

A folder holds

    episode.json      `EpisodeInfo`: the game, the policy, the window, the clock; written before the first decision
    decisions.jsonl   `DecisionLine`, one a decision
    held.jsonl        `HeldLine`, one a change of the held keys
    modes.jsonl       `ModeLine`, one a change of who plays
    film.mkv          the window, as it was filmed; turned into
    clean.mp4         the same packets as browsers want them, and
    replay.mp4        the film with the strip of keys, thoughts and ages under it
    summary.json      the figures of the whole fight, written at its end

Each line is on disk when it is written, so that all of it can be read after a crash at any moment, and while the fight
goes on. All times are `time.monotonic_ns()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from combatvla.actions import Action, Plan, Step
from combatvla.errors import UserError, reason
from combatvla.profiles import GameProfile

INFO, DECISIONS, HELD, MODES = "episode.json", "decisions.jsonl", "held.jsonl", "modes.jsonl"
FILM, CLEAN, REPLAY, SUMMARY = "film.mkv", "clean.mp4", "replay.mp4", "summary.json"
FIRST_NS = "FIRST_FRAME_NS"
"""The key in a film's metadata that holds the clock of its first frame; its frames' own times are after that."""
PARTS = ("preprocess", "vision", "prefill", "decode", "other")
"""The stages within a policy, where it tells of them; `other` is what it spent besides (text to plan)."""
AGE_GOAL_MS = 120
"""An action is to be no older than this."""
STAGES = ("capture", "wait", *PARTS, "decide", "act", "age")
"""The stages of a decision's way from the screen to the key, in order. `decide` is the sum of its `PARTS`; `age`, where
the decision pressed anything, the sum of `capture`, `wait`, `decide` and `act`."""

Mode = Literal["armed", "dry run", "no focus", "human", "killed"]
"""Who plays: the agent; nobody (it says what it would do); nobody (another window has the focus); a person, who took
over; nobody any more (the kill chord)."""

Time = Annotated[int, Field(ge=0, lt=2**62)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Ms = Annotated[float, Field(allow_inf_nan=False)]


class EpisodeInfo(BaseModel):
    """What was played, by what, when."""

    game: GameProfile
    """As it was then: the profile's file may have been changed since."""
    policy: str = ""
    armed: bool = True
    give_back: str = "f9"
    """The key that gives control back to the agent."""
    title: str = ""
    """Of the window."""
    width: Count = 0
    height: Count = 0
    wall_time: datetime
    monotonic_ns: Time
    """The clock at `wall_time`."""
    seconds: Ms | None = None
    """How long it plays at most."""


class StepLine(BaseModel):
    model_config = ConfigDict(extra="forbid")
    actions: tuple[Action, ...]
    ms: Count


class DecisionLine(BaseModel):
    """One decision."""

    model_config = ConfigDict(extra="forbid")
    frame_ns: Time
    """When the newest frame it saw was captured."""
    acted_ns: Time
    """When the first step of its plan was down."""
    action_age_ms: Ms
    sent: bool
    """False while the window was without the focus."""
    changed: bool
    """Whether its first step pressed or released anything; only then does its age count."""
    plan: tuple[StepLine, ...]
    explanation: str | None = None
    text: str = ""
    tokens: Count = 0
    parsed: bool = True
    timings_ms: dict[str, Ms] = {}

    def to_plan(self) -> Plan:
        return Plan(tuple(Step(frozenset(s.actions), s.ms) for s in self.plan))


class HeldLine(BaseModel):
    """From `t_ns` on exactly `held` was held."""

    model_config = ConfigDict(extra="forbid")
    t_ns: Time
    held: tuple[Action, ...]


class ModeLine(BaseModel):
    """From `t_ns` on it was `mode`."""

    model_config = ConfigDict(extra="forbid")
    t_ns: Time
    mode: Mode


Line = TypeVar("Line", bound=BaseModel)


def parse_lines(data: bytes, kind: type[Line], path: Path, after: int = 0) -> list[Line]:
    """The lines of `data`, which stand in `path` behind `after` others. `UserError` when one is no such line."""
    lines = []
    for number, line in enumerate(data.splitlines(), after + 1):
        try:
            lines.append(kind.model_validate_json(line))
        except ValueError as error:
            raise UserError(
                f"the log {path} cannot be read (line {number}: {reason(error)}): expected the log of "
                "`combatvla agent run`"
            ) from error
    return lines


def read_lines(path: Path, kind: type[Line]) -> list[Line]:
    """The whole lines of `path`; a last one cut short by a crash is left out. `UserError` when it cannot be read."""
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
    except OSError as error:
        raise UserError(
            f"the log {path} cannot be read ({error.strerror or error}): expected the log of `combatvla agent run`"
        ) from error
    return parse_lines(whole, kind, path)


def read_modes(folder: Path) -> list[ModeLine]:
    """Who played when; nothing in an episode that has not told. `UserError` when it cannot be read."""
    path = folder / MODES
    return read_lines(path, ModeLine) if path.exists() else []


def spans_of(modes: Sequence[ModeLine], last_ns: int) -> Iterator[tuple[ModeLine, int]]:
    """Each of `modes`, which are in order, and until when it was that; the last one until `last_ns`."""
    ends = [m.t_ns for m in modes[1:]] + [last_ns]
    return zip(modes, ends, strict=False)  # there may be none


def read_info(folder: Path) -> EpisodeInfo | None:
    """What was played in `folder`; None in an episode that has not told. `UserError` when it cannot be read."""
    path = folder / INFO
    if not path.exists():
        return None
    try:
        return EpisodeInfo.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({reason(error)}): expected what `combatvla agent run` writes"
        ) from error


def write_info(folder: Path, info: EpisodeInfo) -> None:
    """At once: who looks sees all of it or nothing."""
    half = folder / f"{INFO}.part"
    half.write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
    half.replace(folder / INFO)


def film_of(folder: Path) -> Path | None:
    """The clean film of an episode: as it was filmed, or as browsers want it; None when there is none."""
    for name in (CLEAN, FILM):
        if (path := folder / name).is_file() and path.stat().st_size:
            return path
    return None


def first_frame_ns(metadata: dict[str, Any]) -> int | None:
    """The clock of a film's first frame, from its metadata; None where they do not tell."""
    told = next((value for key, value in metadata.items() if key.upper() == FIRST_NS), "")
    return int(told) if told.isdecimal() and len(told) < 19 else None


def find_episodes(folder: Path) -> list[Path]:
    """The episodes that are, or lie in, `folder` (also two levels down, as benchmarks lay them), by name."""
    if (folder / DECISIONS).is_file():
        return [folder]
    found = [path.parent for pattern in ("*", "*/*") for path in folder.glob(f"{pattern}/{DECISIONS}")]
    return sorted(found)
