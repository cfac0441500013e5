"""What the agent did, on disk: one flushed JSON line a decision and a change of held keys, and a summary at the end.

A folder holds `decisions.jsonl` (`DecisionLine`), `held.jsonl` (`HeldLine`), `summary.json`, and the replay.
All times are `time.monotonic_ns()`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from agent.loop import Acted, Episode
from combatvla.actions import Action, Plan, Step
from combatvla.errors import UserError
from combatvla.report import percentile

PARTS = ("preprocess", "vision", "prefill", "decode", "other")
"""The stages within a policy, where it tells of them; `other` is what it spent besides (text to plan)."""
STAGES = ("capture", "wait", *PARTS, "decide", "act", "age")
"""The stages of a decision's way from the screen to the key, in order. `decide` is the sum of its `PARTS`; `age`, where
the decision pressed anything, the sum of `capture`, `wait`, `decide` and `act`."""


class StepLine(BaseModel):
    model_config = ConfigDict(extra="forbid")
    actions: tuple[Action, ...]
    ms: int


class DecisionLine(BaseModel):
    """One decision."""

    model_config = ConfigDict(extra="forbid")
    frame_ns: int
    """When the newest frame it saw was captured."""
    acted_ns: int
    """When the first step of its plan was down."""
    action_age_ms: float
    sent: bool
    """False while the window was without the focus."""
    changed: bool
    """Whether its first step pressed or released anything; only then does its age count."""
    plan: tuple[StepLine, ...]
    explanation: str | None = None
    text: str = ""
    tokens: int = 0
    parsed: bool = True
    timings_ms: dict[str, float] = {}

    @classmethod
    def of(cls, acted: Acted) -> DecisionLine:
        d = acted.decision
        return cls(
            frame_ns=acted.frame_ns,
            acted_ns=acted.acted_ns,
            action_age_ms=round(acted.action_age_ms, 3),
            sent=acted.sent,
            changed=acted.changed,
            plan=tuple(StepLine(actions=s.ordered(), ms=s.duration_ms) for s in d.plan.steps),
            explanation=d.explanation,
            text=d.text,
            tokens=d.tokens,
            parsed=d.parsed,
            timings_ms={stage: round(ms, 3) for stage, ms in stages(acted).items()},
        )

    def to_plan(self) -> Plan:
        return Plan(tuple(Step(frozenset(s.actions), s.ms) for s in self.plan))


class HeldLine(BaseModel):
    """From `t_ns` on exactly `held` was held."""

    model_config = ConfigDict(extra="forbid")
    t_ns: int
    held: tuple[Action, ...]


Line = TypeVar("Line", bound=BaseModel)


def read_lines(path: Path, kind: type[Line]) -> list[Line]:
    """The whole lines of `path`; a last one cut short by a crash is left out. `UserError` when it cannot be read."""
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        return [kind.model_validate_json(line) for line in whole.splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(
            f"the log {path} cannot be read ({error}): expected the log of `combatvla agent run`"
        ) from error


class EpisodeLog:
    """Writes the log into `folder`, a line at a time. May be called from several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._decisions = (folder / "decisions.jsonl").open("w", encoding="utf-8", buffering=1)
        self._held = (folder / "held.jsonl").open("w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def acted(self, acted: Acted) -> None:
        self._decisions.write(DecisionLine.of(acted).model_dump_json() + "\n")

    def held(self, t_ns: int, held: frozenset[Action]) -> None:
        line = HeldLine(t_ns=t_ns, held=tuple(a for a in Action if a in held))
        with self._lock:
            if not self._held.closed:
                self._held.write(line.model_dump_json() + "\n")

    def summarize(self, record: dict[str, Any]) -> None:
        (self.folder / "summary.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def close(self) -> None:
        self._decisions.close()
        with self._lock:
            self._held.close()

    def __enter__(self) -> EpisodeLog:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def stages(acted: Acted) -> dict[str, float]:
    """Milliseconds of each stage that was measured, in the order of `STAGES`."""
    told = acted.decision.timings_ms
    measured = {part: told[part] for part in PARTS if part in told}
    if measured:
        measured["other"] = told["total"] - sum(measured.values())
    measured |= {"decide": told["total"]}
    measured |= {"capture": acted.capture_ms, "wait": acted.wait_ms, "act": acted.act_ms}
    if acted.changed:
        measured["age"] = acted.action_age_ms
    return {stage: measured[stage] for stage in STAGES if stage in measured}


def stage_figures(decisions: Iterable[Acted]) -> dict[str, dict[str, float]]:
    """p50, p95 and maximum of each stage, in milliseconds."""
    values: dict[str, list[float]] = {}
    for acted in decisions:
        for stage, ms in stages(acted).items():
            values.setdefault(stage, []).append(ms)
    return {
        stage: {"p50": percentile(ms, 50), "p95": percentile(ms, 95), "max": max(ms)}
        for stage in STAGES
        if (ms := values.get(stage))
    }


def figures(episode: Episode) -> dict[str, Any]:
    """The measured figures of an episode, as they are reported."""
    by_stage = stage_figures(episode.acted)

    def figure(stage: str, q: str) -> float | None:
        return round(by_stage[stage][q], 3) if stage in by_stage else None

    return {
        "decisions": len(episode.acted),
        "seconds": round(episode.seconds, 2),
        "decisions_per_s": round(len(episode.acted) / episode.seconds, 2) if episode.seconds else None,
        "ended": episode.ended,
        "action_age_ms_p50": figure("age", "p50"),
        "action_age_ms_p95": figure("age", "p95"),
        "decision_ms_p50": figure("decide", "p50"),
        "decision_ms_p95": figure("decide", "p95"),
        "stages_ms": {s: {q: round(ms, 3) for q, ms in f.items()} for s, f in by_stage.items()},
        "parse_failures": episode.parse_failures,
        "without_focus_s": round(episode.without_focus_s, 2),
        "paused": False,
    }
