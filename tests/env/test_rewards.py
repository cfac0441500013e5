"""Reward terms: each measures what it says, and weights are checked."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from combatvla.actions import Action, Plan
from combatvla.errors import UserError
from env.arena.fight import Fight
from env.arena.gym import ArenaEnv
from env.arena.state import RESULTS
from env.rewards import TERMS, Rewards, tally
from env.tasks import load_task

WHICH = np.zeros(1, np.int64)


def amounts(fight: Fight) -> dict[str, float]:
    out = np.empty((1, len(TERMS)))
    tally(fight.state, fight.table, WHICH, out)
    return dict(zip(TERMS, out[0].tolist(), strict=True))


def test_a_fresh_fight_holds_nothing():
    for name in ("first", "shogun"):
        assert not any(amounts(Fight(load_task(name), 1)).values())


def test_damage_is_in_fractions_of_full_health():
    fight = Fight(load_task("first"), 1)
    fight.state["damage_dealt"], fight.state["damage_taken"] = 44.0, 30.0
    assert amounts(fight)["damage_dealt"] == pytest.approx(44 / fight.task.boss.health)
    assert amounts(fight)["damage_taken"] == pytest.approx(30 / fight.task.player.health)


@pytest.mark.parametrize(("result", "win", "loss"), [("win", 1, 0), ("loss", 0, 1), ("timeout", 0, 0)])
def test_ends_count_once(result, win, loss):
    fight = Fight(load_task("first"), 1)
    fight.state["result"] = RESULTS.index(result)
    assert (amounts(fight)["win"], amounts(fight)["loss"]) == (win, loss)


@pytest.mark.parametrize(("health", "wasted"), [(100.0, 45.0), (80.0, 25.0), (55.0, 0.0), (10.0, 0.0)])
def test_a_heal_is_wasted_by_what_goes_beyond_full_health(health, wasted):
    arena = ArenaEnv(pixels=False, rewards={"heal_wasted": -1, "time": 0})
    arena.reset(seed=1)
    arena.fight.player.health = health
    arena.fight.boss.idle_left = 10_000
    rewards = [arena.step(Plan.of(Action.HEAL).to_array())[1] for _ in range(10)]
    assert arena.fight.player.heals == arena.task.player.heals - 1
    assert arena.fight.player.health == min(100, health + 45)
    assert sum(rewards) == pytest.approx(-wasted / 100)
    assert sum(reward != 0 for reward in rewards) == (wasted > 0), "in one step"


def test_time_adds_up_to_one_at_the_limit():
    fight = Fight(load_task("first").model_copy(update={"time_limit_s": 2.0}), 1)
    fight.run(0, 60)
    assert amounts(fight)["time"] == pytest.approx(0.5)
    fight.run(0, 1000)
    assert fight.result == "timeout" and amounts(fight)["time"] == 1


def test_weights_replace_the_defaults():
    assert Rewards.of(None) == Rewards()
    assert Rewards.of(Rewards(win=3)).win == 3
    some = Rewards.of({"time": 0, "win": 5})
    assert asdict(some) == {**asdict(Rewards()), "time": 0, "win": 5}
    assert some.array().tolist() == [getattr(some, term) for term in TERMS]


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ({"victory": 1, "win": 1}, "unknown reward term 'victory': expected some of damage_dealt, .*, time"),
        ({"win": "1"}, "weight of the reward term win must be a finite number, got '1'"),
        ({"loss": float("nan")}, "got nan"),
        (5, "a mapping from term to weight, .* got 5"),
    ],
)
def test_wrong_weights_are_named(weights, named):
    with pytest.raises(UserError, match=named):
        Rewards.of(weights)
