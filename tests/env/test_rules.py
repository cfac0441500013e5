"""The fight's rules: what each action does, and that a fight is a function of its seed and inputs."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import HELD_ACTIONS, WAIT_PLAN, Action, Plan
from env.arena import rules
from env.arena.fight import Fight
from env.arena.state import FIGHT, NO_MOVE, STAGES, to_bits
from env.tasks import load_task, task_names

A = Action
NOTHING: frozenset[Action] = frozenset()


@pytest.fixture
def fight() -> Fight:
    return Fight(load_task("first"), 7)


@pytest.fixture
def duel() -> Fight:
    """A fight of the blade rules."""
    return Fight(load_task("ronin"), 7)


def facing(fight: Fight, distance: float) -> None:
    """Sets the fighter `distance` metres before the boss's nose, the boss calm for long."""
    boss = fight.boss
    boss.x = boss.y = boss.facing = 0.0
    boss.stage, boss.move, boss.t, boss.total, boss.hold, boss.feint = 0, -1, 0, 0, 0, 0
    boss.idle_left = 10_000
    fight.player.x, fight.player.y = distance, 0.0


def attack(fight: Fight, move: str, ticks_left: int, distance: float = 2.0) -> None:
    """Lets the boss be `ticks_left` ticks before the strike of `move`."""
    facing(fight, distance)
    boss = fight.boss
    boss.move, boss.stage, boss.total = fight.move_named(move), STAGES.index("windup"), 60
    boss.t, boss.hit_done = 60 - ticks_left, 0


def hold(fight: Fight, *actions: Action, ticks: int) -> None:
    fight.run(to_bits(actions), ticks)


def player_state(fight: Fight) -> str:
    return fight.truth()["player"]["state"]


def play_at_random(fight: Fight, seed: int, ticks: int = 2500) -> list[bytes]:
    rng, states = random.Random(seed), []
    for _ in range(ticks // 9):
        fight.run(to_bits(a for a in HELD_ACTIONS if rng.random() < 0.2), 9)
        states.append(fight.save())
    return states


@pytest.mark.parametrize("name", ["first", "tiger", "shogun"])
def test_same_seed_and_inputs_same_fight(name):
    task = load_task(name)
    assert play_at_random(Fight(task, 3), 1) == play_at_random(Fight(task, 3), 1)
    assert play_at_random(Fight(task, 3), 1) != play_at_random(Fight(task, 4), 1)


def test_every_fight_ends_and_nothing_happens_after_the_end(fight):
    hold(fight, ticks=60 * 121)
    assert fight.result in ("loss", "timeout")
    before = fight.save()
    hold(fight, A.LIGHT_ATTACK, ticks=5)
    assert fight.save() == before


def test_light_attack_hits_in_reach_only_and_goes_on_while_held(fight):
    facing(fight, 2.0)
    health = fight.boss.health
    hold(fight, A.LIGHT_ATTACK, ticks=rules.LIGHT_AT + 1)
    assert fight.boss.health == health - rules.LIGHT_DAMAGE
    hold(fight, A.LIGHT_ATTACK, ticks=60)
    assert fight.boss.health < health - 2 * rules.LIGHT_DAMAGE
    far = Fight(load_task("first"), 7)
    facing(far, 5.0)
    health = far.boss.health
    hold(far, A.LIGHT_ATTACK, ticks=20)
    assert far.boss.health == health


def heavy_damage(held_ticks: int) -> tuple[float, int]:
    """The damage of a heavy attack held for so long, and the tick at which it lands."""
    fight = Fight(load_task("first"), 7)
    facing(fight, 2.0)
    for tick in range(1, 200):
        hold(fight, *([A.HEAVY_ATTACK] if tick <= held_ticks else []), ticks=1)
        if fight.damage_dealt:
            return fight.damage_dealt, tick
    raise AssertionError("it never landed")


def test_a_heavy_attack_grows_while_it_is_held_back_and_a_tap_costs_no_extra_time():
    tap, tapped_at = heavy_damage(6)
    half, _ = heavy_damage(36)
    full, full_at = heavy_damage(200)
    assert tap == rules.HEAVY_DAMAGE and tapped_at <= rules.HEAVY_AT + 3
    assert tap < half < full == pytest.approx(rules.HEAVY_DAMAGE * (1 + rules.CHARGE_BONUS))
    assert full_at == pytest.approx(rules.CHARGE_MAX + rules.HEAVY_AT - rules.CHARGE_RAISE, abs=3)


@pytest.mark.parametrize("move", ["slam", "sweep", "thrust"])
def test_a_blow_hits_who_stands_and_misses_who_dodges_in_time(move):
    standing, dodging, early = (Fight(load_task("first"), 7) for _ in range(3))
    for each in (standing, dodging, early):
        attack(each, move, ticks_left=10)
    hold(standing, ticks=25)
    assert standing.player.health == standing.task.player.health - standing.task.boss.moves[move].damage
    hold(dodging, A.DODGE, ticks=25)
    assert dodging.player.health == dodging.task.player.health
    assert dodging.state["dodges"][0] == 1, "and the dodge is counted once"
    attack(early, move, ticks_left=40)
    hold(early, A.DODGE, A.MOVE_FORWARD, ticks=60)
    assert early.player.health < early.task.player.health, "a dodge 0.67 s too early protects nobody"


def test_a_dodge_needs_a_new_press_and_stamina(fight):
    facing(fight, 5.0)
    hold(fight, A.DODGE, ticks=32)
    assert player_state(fight) == "idle"
    stamina = fight.player.stamina
    hold(fight, A.DODGE, ticks=5)
    assert fight.player.stamina >= stamina, "a key still held dodges once"
    hold(fight, ticks=1)
    fight.player.stamina = -10.0
    hold(fight, A.DODGE, ticks=2)
    assert player_state(fight) != "dodge"


def test_heal_takes_a_charge_and_a_hit_interrupts_it(fight):
    facing(fight, 5.0)
    fight.player.health = 20.0
    hold(fight, A.HEAL, ticks=1)
    hold(fight, ticks=60)
    assert fight.player.health == 65.0 and fight.player.heals == 2 and fight.state["healed"][0] == 45.0
    attack(fight, "slam", ticks_left=10)
    fight.player.health = 50.0
    hold(fight, A.HEAL, ticks=1)
    hold(fight, ticks=60)
    assert fight.player.heals == 2 and fight.player.health < 50


def test_skill_freezes_the_boss_and_cools_down(fight):
    attack(fight, "slam", ticks_left=40)
    hold(fight, A.SKILL, ticks=1)
    hold(fight, ticks=20)
    truth = fight.truth()
    assert truth["boss"]["stage"] == "frozen" and not truth["player"]["skill_ready"]
    hold(fight, ticks=100)
    assert fight.player.health == fight.task.player.health, "a frozen blow does not land"
    hold(fight, ticks=1)
    hold(fight, A.SKILL, ticks=2)
    assert player_state(fight) != "skill"


def test_moves_are_relative_to_the_boss_and_sprint_is_faster(fight):
    facing(fight, 6.0)
    # The boss approaches too, so compare with standing still.
    still = Fight(load_task("first"), 7)
    facing(still, 6.0)
    hold(still, ticks=30)
    hold(fight, A.MOVE_FORWARD, ticks=30)
    assert fight.distance < still.distance - 1.5
    side = Fight(load_task("first"), 7)
    facing(side, 6.0)
    hold(side, A.MOVE_RIGHT, ticks=10)
    assert side.player.y > 0.3, "facing -x, right is +y"
    fast = Fight(load_task("first"), 7)
    facing(fast, 6.0)
    hold(fast, A.MOVE_FORWARD, A.SPRINT, ticks=30)
    assert fast.distance < fight.distance and fast.player.stamina < fast.task.player.stamina


def test_phase_two_begins_at_half_health(fight):
    assert fight.truth()["phase"] == 1
    fight.boss.health = fight.task.boss.health * 0.49
    hold(fight, ticks=1)
    assert fight.truth()["phase"] == 2


def test_a_leap_lands_where_the_fighter_stood_when_it_took_off(fight):
    attack(fight, "leap", ticks_left=60, distance=6.0)
    hold(fight, ticks=34)
    where = fight.player.x - 1.2, fight.player.y
    hold(fight, A.MOVE_LEFT, A.SPRINT, ticks=25)
    assert (fight.boss.x, fight.boss.y) == pytest.approx(where, abs=0.3)
    hold(fight, A.LIGHT_ATTACK, ticks=1)
    assert fight.boss.health == fight.task.boss.health


def test_shots_fly_in_a_fan_and_a_roll_lets_them_pass():
    hit, rolled = (Fight(load_task("heron"), 3) for _ in range(2))
    for each in (hit, rolled):
        attack(each, "feathers", ticks_left=1, distance=6.0)
        hold(each, ticks=2)
        assert len(each.truth()["shots"]) == 3
    eta = min(s["eta_ms"] for s in hit.truth()["shots"] if s["coming"] and s["miss_m"] < 0.5)
    hold(hit, ticks=60)
    assert hit.damage_taken == hit.task.boss.moves["feathers"].damage, "the middle one; the others pass by"
    hold(rolled, ticks=round(eta * 0.06) - 8)
    hold(rolled, A.DODGE, A.MOVE_FORWARD, ticks=60)
    assert rolled.damage_taken == 0 and rolled.state["dodges"][0] == 1


def test_a_feint_never_lands_and_the_blow_after_it_is_meant():
    task = load_task("widow")
    feints, lies = 0, 0
    for seed in range(6):
        fight = Fight(task, seed)
        broken_off = None
        while fight.result is None and fight.tick_count < 3000:
            fight.player.health = 100.0
            before = fight.read().boss
            fight.tick(NOTHING)
            after = fight.read().boss
            if before.feint and after.move != before.move:
                feints += 1
                assert after.t <= 1 and STAGES[after.stage] in ("windup", "idle")
                broken_off = after.move
            if before.feint and STAGES[after.stage] == "strike":
                lies += 1
            if broken_off is not None and after.move == broken_off:
                assert not after.feint
            elif STAGES[after.stage] == "strike":
                broken_off = None
    assert feints > 10 and lies == 0


@pytest.mark.parametrize("name", task_names())
def test_every_move_of_every_boss_is_used_and_can_hit(name):
    task = load_task(name)
    used: set[int] = set()
    hit: set[str] = set()
    names = list(task.boss.moves)
    for seed in range(60):
        fight = Fight(task, seed)
        walk = to_bits([[], [A.MOVE_BACK], [A.MOVE_BACK, A.SPRINT]][seed % 3])
        if seed % 2:
            fight.boss.health = task.boss.health * 0.2
        while fight.result is None:
            fight.player.health = task.player.health
            before = fight.read()
            fight.run(walk, 1)
            view = fight.read()
            if STAGES[view.boss.stage] == "strike":
                used.add(view.boss.move)
            if view.damage_taken > before.damage_taken:
                shots = zip(before.shots, view.shots, strict=True)
                landed = [was.move for was, now in shots if was.left and not now.left] or [before.boss.move]
                assert NO_MOVE not in landed
                hit.update(names[m] for m in landed)
            if view.tick > 2400:
                break
        if len(used) == len(names) and hit >= set(names):
            break
    assert used == set(range(len(names)))
    assert hit >= set(names), f"never hit: {set(names) - hit}"


# -- blade --------------------------------------------------------------------------------------------------------


def test_a_block_holds_the_blow_and_costs_posture(duel):
    attack(duel, "crown", ticks_left=40)
    hold(duel, A.BLOCK, ticks=48)
    assert duel.damage_taken == 0
    assert duel.player.posture == pytest.approx(duel.task.boss.moves["crown"].posture, abs=3)
    assert duel.boss.posture == 0 and duel.state["parries"][0] == 0


def test_a_block_at_the_last_moment_parries_and_the_boss_pays(duel):
    attack(duel, "crown", ticks_left=8)
    hold(duel, A.BLOCK, ticks=16)
    assert duel.damage_taken == 0 and duel.state["parries"][0] == 1
    assert duel.boss.posture == pytest.approx(duel.task.boss.moves["crown"].posture, abs=1)
    assert duel.player.posture < 10


def test_hammering_the_block_parries_nothing(duel):
    attack(duel, "crown", ticks_left=30)
    for _ in range(10):
        hold(duel, A.BLOCK, ticks=2)
        hold(duel, ticks=2)
    assert duel.state["parries"][0] == 0


def test_no_guard_holds_a_perilous_blow_and_a_step_evades_it():
    blocked, stepped = (Fight(load_task("ronin"), 7) for _ in range(2))
    for each in (blocked, stepped):
        attack(each, "mow", ticks_left=12)
    hold(blocked, A.BLOCK, ticks=24)
    assert blocked.damage_taken == blocked.task.boss.moves["mow"].damage
    hold(stepped, A.DODGE, A.MOVE_BACK, ticks=24)
    assert stepped.damage_taken == 0


def test_a_guard_breaks_under_too_many_blows(duel):
    duel.player.posture = 90.0
    attack(duel, "crown", ticks_left=30)
    hold(duel, A.BLOCK, ticks=38)
    assert player_state(duel) == "broken"


def test_a_broken_boss_is_open_to_a_deathblow_and_only_that_ends_the_fight(duel):
    task = duel.task
    for life in range(len(task.boss.phases)):
        facing(duel, 2.0)
        duel.boss.posture, duel.boss.pause = task.boss.posture, 10
        hold(duel, ticks=1)
        assert duel.truth()["boss"]["stage"] == "broken"
        hold(duel, A.LIGHT_ATTACK, ticks=2)
        assert player_state(duel) == "deathblow"
        hold(duel, ticks=rules.DEATHBLOW_AT)
        assert duel.state["deathblows"][0] == life + 1
        expected = task.boss.phases[life].above * task.boss.health
        assert duel.boss.health == pytest.approx(expected)
        hold(duel, ticks=70)
    assert duel.result == "win"
    other = Fight(task, 8)
    facing(other, 2.0)
    other.boss.health = 0.0
    hold(other, ticks=2)
    assert other.result is None and other.truth()["boss"]["stage"] == "broken"


def test_a_standing_boss_guards(duel):
    facing(duel, 2.0)
    hold(duel, A.LIGHT_ATTACK, ticks=12)
    assert duel.damage_dealt == pytest.approx(rules.LIGHT_DAMAGE * rules.BOSS_GUARD)
    assert duel.boss.posture == pytest.approx(rules.LIGHT_POSTURE, abs=0.5)


# -- plans, saving --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10), min_size=36, max_size=36), st.integers(0, 30))
@settings(max_examples=150, deadline=None)
def test_compiled_plans_are_the_plans_of_the_vocabulary(numbers, thinking):
    array = np.array(numbers)
    for step in range(3):
        array[step * 12 : step * 12 + 11] %= 2
    plan = Plan.from_array(array)
    compiled, plain = (Fight(load_task("first"), 5) for _ in range(2))
    compiled.decide(WAIT_PLAN.to_array(), 0, 6)
    compiled.decide(array, thinking, 40)
    for tick in range(6 + thinking):
        plain.tick(WAIT_PLAN.held_at(tick * 1000 / 60))
    for tick in range(max(0, 40 - thinking)):
        plain.tick(plan.held_at(tick * 1000 / 60))
    for name in FIGHT.names:
        if not name.startswith("plan_"):
            assert compiled.state[name].tobytes() == plain.state[name].tobytes(), name


def test_a_wrong_plan_is_named_and_moves_nothing():
    fight = Fight(load_task("first"), 5)
    before = fight.save()
    wrong = WAIT_PLAN.to_array()
    wrong[5] = 2
    with pytest.raises(ValueError, match=r"expected 0 to 1 at action\[5\] \(dodge of step 1\), got 2"):
        fight.decide(wrong)
    with pytest.raises(ValueError, match=r"shape \(36,\).* got int64 of shape \(35,\)"):
        fight.decide(wrong[:-1])
    assert fight.save() == before


@pytest.mark.parametrize("name", task_names())
def test_a_restored_fight_goes_on_identically(name):
    fight = Fight(load_task(name), 11)
    for point in range(12):
        play_at_random(fight, point, ticks=90)
        saved = fight.save()
        first = play_at_random(fight, 99, ticks=180)
        fight.restore(saved)
        assert fight.save() == saved
        assert play_at_random(fight, 99, ticks=180) == first
        fight.restore(saved)
    with pytest.raises(ValueError, match="a saved fight has"):
        fight.restore(saved[:-1])
