"""The reward of a window's fight, from the readings of its HUD."""

from __future__ import annotations

import math

import pytest

from combatvla.profiles import GameProfile
from env.hud_score import HudScore
from env.rewards import Rewards


def test_the_score_has_the_terms_of_the_arena():
    place = {"x": 0, "y": 0, "w": 1, "h": 1, "color": (217, 41, 31)}
    heals = {"kind": "count", "of": 3, "worth": 0.4, **place}
    hud = {"health": {"kind": "bar", **place}, "boss_health": {"kind": "bar", **place}, "heals": heals}
    game = GameProfile(name="drawn", title="Drawn", keys={"dodge": "space"}, prompt="?", hud=hud)
    score = HudScore(game, {"health": 1.0, "boss_health": 1.0, "heals": 3}, Rewards())

    def add(health: float, boss: float, heals: int, result: str | None = None) -> dict[str, float]:
        score.add({"health": health, "boss_health": boss, "heals": heals}, result, 0.01)
        assert score.reward == pytest.approx(sum(score.terms.values()))
        return {k: round(v, 3) for k, v in score.terms.items() if v and k != "time"}

    assert add(0.8, 0.95, 3) == {"damage_dealt": 0.05, "damage_taken": -0.2}
    assert add(0.798, 0.948, 3) == {}  # noise
    assert add(math.nan, math.nan, 3) == {}
    assert add(1.0, 0.95, 2) == {"heal_wasted": -0.05}  # 0.2 of 0.4 was of use
    assert add(0.4, 0.95, 2) == {"damage_taken": -0.6}
    assert add(0.0, 0.0, 0) == {}  # all dark: another window in front
    assert add(0.8, 0.95, 1) == {}
    assert add(0.8, 1.0, 1) == {}  # the boss has healed
    assert add(0.8, 0.0, 1, "win") == {"damage_dealt": 1.0, "win": 1.0}
    assert score.sums["damage_dealt"] == pytest.approx(1.05) and score.sums["time"] == pytest.approx(-0.009)
    assert set(score.terms) == set(Rewards.__dataclass_fields__)
