"""What-if: plans played out from one moment tell what the fight itself then shows."""

from __future__ import annotations

import pytest

from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.errors import UserError
from env.arena.gym import ArenaEnv, SavedState
from env.whatif import ANSWERS, avoiding, play_out


def hit(task: str, seed: int) -> tuple[ArenaEnv, list[SavedState]]:
    """An environment whose fighter, standing still, has just been hit, and the states before each of its steps."""
    arena = ArenaEnv(task=task, pixels=False)
    arena.reset(seed=seed)
    saved = []
    while not arena.fight.damage_taken:
        saved.append(arena.save_state())
        arena.step(WAIT_PLAN.to_array())
    return arena, saved


@pytest.mark.parametrize("task", ["first", "ronin"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_answers_to_a_real_hit_are_the_answers(task, seed):
    """Each plan, carried out in the environment from the same moment, takes just the damage that was foretold."""
    arena, saved = hit(task, seed)
    state = saved[-4]  # 300 to 400 ms before the blow
    arena.restore_state(state)
    endings = play_out(arena.fight, ANSWERS)
    assert arena.fight.save() == state.fight, "the fight itself has not moved"
    good = avoiding(arena.fight)
    assert good and WAIT_PLAN not in good, "some plan avoids the hit, standing still does not"
    for ending in endings:
        arena.restore_state(state)
        arena.step(ending.plan.to_array())
        if arena.fight.result is None:
            arena.charge(1400)  # the plan goes on to the horizon
            arena.step(WAIT_PLAN.to_array())
        assert arena.fight.damage_taken == ending.damage_taken and (ending.damage_taken == 0) == (ending.plan in good)


def test_too_late_is_too_late():
    arena, saved = hit("first", 3)
    arena.restore_state(saved[-4])
    assert avoiding(arena.fight) and not avoiding(arena.fight, latency_ms=1000)
    assert avoiding(arena.fight, latency_ms=1000, horizon_ms=100), "nothing hits before the horizon"


def test_blows_that_land_are_told():
    arena = ArenaEnv(pixels=False)
    arena.reset(seed=1)
    boss, player = arena.fight.boss, arena.fight.player
    boss.x, boss.y, player.x, player.y, boss.idle_left = 0.0, 0.0, 2.0, 0.0, 1000
    strike, wait = play_out(arena.fight, [Plan.of(Action.LIGHT_ATTACK), WAIT_PLAN], horizon_ms=1000)
    assert strike.damage_dealt == 13 and strike.damage_taken == 0 and strike.result is None
    assert wait.damage_dealt == 0
    boss.health = 5.0
    assert play_out(arena.fight, [Plan.of(Action.LIGHT_ATTACK)])[0].result == "win"
    assert play_out(arena.fight, []) == []


@pytest.mark.parametrize("times", [{"latency_ms": -1}, {"horizon_ms": float("inf")}])
def test_wrong_times_are_named(times):
    arena = ArenaEnv(pixels=False)
    arena.reset(seed=1)
    with pytest.raises(UserError, match=f"expected {next(iter(times))} as a finite number of milliseconds >= 0, got"):
        play_out(arena.fight, ANSWERS, **times)
