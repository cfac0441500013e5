"""Several fights as one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.log import figures
from agent.loop import Episode
from combatvla.stats import wilson_interval


def tally(fights: Sequence[dict[str, Any]], episodes: Sequence[Episode]) -> dict[str, Any]:
    """How many of `fights` (`result`: `win`, …) were won, with the 95 % Wilson interval, and the agent's figures over
    all decisions of their `episodes`."""
    wins = sum(f["result"] == "win" for f in fights)
    pooled = Episode(
        [a for e in episodes for a in e.acted],
        sum(e.seconds for e in episodes),
        without_focus_s=sum(e.without_focus_s for e in episodes),
        human_s=sum(e.human_s for e in episodes),
        left_out=sum(e.left_out for e in episodes),
        ended=episodes[-1].ended,
    )
    return {
        "episodes": len(fights),
        "wins": wins,
        "success_rate": wins / len(fights),
        "success_ci95": list(wilson_interval(wins, len(fights))),
        "results": [f["result"] for f in fights],
        **figures(pooled),
    }


def won(record: dict[str, Any]) -> str:
    """The line for people."""
    low, high = record["success_ci95"]
    return f"won {record['wins']} of {record['episodes']}: {record['success_rate']:.0%} [{low:.0%}, {high:.0%}]"
