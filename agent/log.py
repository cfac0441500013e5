"""Writes what the agent did to disk, a flushed line at a time (`combatvla.episode`), and sums it up at the end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.loop import Acted, Episode
from combatvla.actions import Action
from combatvla.desktop.base import Window
from combatvla.desktop.grip import GIVE_BACK
from combatvla.episode import (
    DECISIONS,
    HELD,
    MODES,
    PARTS,
    STAGES,
    SUMMARY,
    DecisionLine,
    EpisodeInfo,
    HeldLine,
    Mode,
    ModeLine,
    StepLine,
    write_info,
)
from combatvla.profiles import GameProfile
from combatvla.report import percentile


class EpisodeLog:
    """Writes the log into `folder`. May be called from several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._decisions, self._held, self._modes = (
            (folder / name).open("w", encoding="utf-8", buffering=1) for name in (DECISIONS, HELD, MODES)
        )
        self._lock = threading.Lock()
        self._last: Mode | None = None

    def begins(
        self, game: GameProfile, window: Window, *, policy: str, armed: bool, seconds: float, give_back: str = GIVE_BACK
    ) -> None:
        """Writes what is played, and the first mode."""
        now = time.monotonic_ns()
        about = EpisodeInfo(
            game=game,
            policy=policy,
            armed=armed,
            give_back=give_back,
            title=window.title,
            width=window.width,
            height=window.height,
            wall_time=datetime.now().astimezone(),
            monotonic_ns=now,
            seconds=seconds,
        )
        write_info(self.folder, about)
        self.mode(now, "armed" if armed else "dry run")

    def acted(self, acted: Acted) -> None:
        self._decisions.write(line_of(acted).model_dump_json() + "\n")

    def held(self, t_ns: int, held: frozenset[Action]) -> None:
        line = HeldLine(t_ns=t_ns, held=tuple(a for a in Action if a in held))
        with self._lock:
            if not self._held.closed:
                self._held.write(line.model_dump_json() + "\n")

    def mode(self, t_ns: int, mode: Mode) -> None:
        with self._lock:
            if not self._modes.closed and mode != self._last:
                self._last = mode
                self._modes.write(ModeLine(t_ns=t_ns, mode=mode).model_dump_json() + "\n")

    def summarize(self, record: dict[str, Any]) -> None:
        (self.folder / SUMMARY).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def close(self) -> None:
        self._decisions.close()
        with self._lock:
            self._held.close()
            self._modes.close()

    def __enter__(self) -> EpisodeLog:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def line_of(acted: Acted) -> DecisionLine:
    d = acted.decision
    return DecisionLine(
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
        "human_s": round(episode.human_s, 2),
        "left_out": episode.left_out,
        "paused": False,
    }
