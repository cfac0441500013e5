"""What the agent did, on disk: one JSON line a decision, readable after any crash, and a summary at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.loop import Acted, Episode


class EpisodeLog:
    """`decisions.jsonl` in `folder`, one flushed line a decision; `summary.json` beside it on request."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = (folder / "decisions.jsonl").open("w", encoding="utf-8", buffering=1)

    def write(self, acted: Acted) -> None:
        d = acted.decision
        line = {
            "frame_ns": acted.frame_ns,
            "acted_ns": acted.acted_ns,
            "action_age_ms": round(acted.action_age_ms, 3),
            "sent": acted.sent,
            "plan": [{"actions": list(s.ordered()), "ms": s.duration_ms} for s in d.plan.steps],
            "explanation": d.explanation,
            "text": d.text,
            "tokens": d.tokens,
            "parsed": d.parsed,
            "timings_ms": {stage: round(ms, 3) for stage, ms in d.timings_ms.items()},
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def summarize(self, record: dict[str, Any]) -> None:
        (self.folder / "summary.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> EpisodeLog:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def figures(episode: Episode) -> dict[str, Any]:
    """The measured figures of an episode, as they are reported."""
    from combatvla.report import percentile

    return {
        "decisions": len(episode.acted),
        "seconds": round(episode.seconds, 2),
        "ended": episode.ended,
        "action_age_ms_p50": percentile(episode.action_ages_ms, 50),
        "action_age_ms_p95": percentile(episode.action_ages_ms, 95),
        "decision_ms_p50": percentile(episode.decision_ms, 50),
        "decision_ms_p95": percentile(episode.decision_ms, 95),
        "parse_failures": episode.parse_failures,
        "unsent": episode.unsent,
        "paused": False,
    }
