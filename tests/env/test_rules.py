"""The fight's rules: what each action does, and that a fight is a function of its seed and inputs."""

from __future__ import annotations

import random
from importlib import resources

import pytest
import yaml
from pydantic import ValidationError

from combatvla.actions import HELD_ACTIONS, Action
from combatvla.errors import UserError
from env import tasks
from env.arena.rules import BLOWS, Fight
from env.tasks import Task, load_task

A = Action
NOTHING: frozenset[Action] = frozenset()


@pytest.fixture
def fight() -> Fight:
    return Fight(load_task("first"), 7)


def facing(fight: Fight, distance: float) -> None:
    """Sets the fighter `distance` metres before the boss's nose, the boss calm for long."""
    fight.boss.x = fight.boss.y = fight.boss.facing = 0.0
    fight.boss.idle_left = 10_000
    fight.player.x, fight.player.y = distance, 0.0


def attack(fight: Fight, move: str, ticks_left: int) -> None:
    """Lets the boss be `ticks_left` ticks before the strike of `move`."""
    facing(fight, 2.0)
    boss = fight.boss
    boss.move, boss.stage, boss.total = move, "windup", 60
    boss.t = 60 - ticks_left


def hold(fight: Fight, *actions: Action, ticks: int) -> None:
    for _ in range(ticks):
        fight.tick(frozenset(actions))


def replay(seed: int, ticks: int = 2500) -> list[dict]:
    rng, fight = random.Random(seed), Fight(load_task("first"), seed)
    truths = []
    held = NOTHING
    for tick in range(ticks):
        if tick % 9 == 0:
            held = frozenset(a for a in HELD_ACTIONS if rng.random() < 0.2)
        fight.tick(held)
        truths.append(fight.truth())
    return truths


def test_same_seed_and_inputs_same_fight_and_every_fight_ends():
    assert replay(3) == replay(3)
    assert replay(3) != replay(4)
    fight = Fight(load_task("first"), 1)
    hold(fight, ticks=60 * 121)
    assert fight.result in ("loss", "timeout")
    before = fight.truth()
    fight.tick(frozenset({A.LIGHT_ATTACK}))
    assert fight.truth() == before, "nothing happens after the end"


def test_light_attack_hits_in_reach_only_and_goes_on_while_held(fight):
    facing(fight, 2.0)
    health = fight.boss.health
    hold(fight, A.LIGHT_ATTACK, ticks=BLOWS[A.LIGHT_ATTACK].hit_at + 1)
    assert fight.boss.health == health - BLOWS[A.LIGHT_ATTACK].damage
    hold(fight, A.LIGHT_ATTACK, ticks=60)
    assert fight.boss.health < health - 2 * BLOWS[A.LIGHT_ATTACK].damage
    far = Fight(load_task("first"), 7)
    facing(far, 5.0)
    far.boss.idle_left = 10_000
    health = far.boss.health
    hold(far, A.LIGHT_ATTACK, ticks=20)
    assert far.boss.health == health


@pytest.mark.parametrize("move", ["slam", "sweep", "thrust"])
def test_a_blow_hits_who_stands_and_misses_who_dodges_in_time(move):
    standing, dodging, early = (Fight(load_task("first"), 7) for _ in range(3))
    for each in (standing, dodging, early):
        attack(each, move, ticks_left=10)
    hold(standing, ticks=25)
    assert standing.player.health == standing.task.player.health - standing.task.boss.moves[move].damage
    hold(dodging, A.DODGE, ticks=25)
    assert dodging.player.health == dodging.task.player.health
    attack(early, move, ticks_left=40)
    early.player.x = 2.0
    hold(early, A.DODGE, A.MOVE_FORWARD, ticks=60)
    assert early.player.health < early.task.player.health, "a dodge 0.67 s too early protects nobody"


def test_a_dodge_needs_a_new_press_and_stamina(fight):
    facing(fight, 5.0)
    hold(fight, A.DODGE, ticks=32)
    assert fight.player.state == "idle"
    stamina = fight.player.stamina
    hold(fight, A.DODGE, ticks=5)
    assert fight.player.stamina >= stamina, "a key still held dodges once"
    hold(fight, ticks=1)
    fight.player.stamina = -10.0
    hold(fight, A.DODGE, ticks=2)
    assert fight.player.state != "dodge"


def test_heal_takes_a_charge_and_a_hit_interrupts_it(fight):
    facing(fight, 5.0)
    fight.player.health = 20.0
    hold(fight, A.HEAL, ticks=1)
    hold(fight, ticks=60)
    assert fight.player.health == 65.0 and fight.player.heals == 2
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
    assert fight.player.state != "skill"


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


def test_phase_two_begins_at_half_health_and_is_faster(fight):
    assert fight.truth()["phase"] == 1
    fight.boss.health = fight.task.boss.health * 0.49
    hold(fight, ticks=1)
    assert fight.truth()["phase"] == 2 and fight.phase.windup_scale < 1


def test_all_four_moves_are_used_and_each_can_hit():
    hits: dict[str, int] = {}
    for seed in range(12):
        fight = Fight(load_task("first"), seed)
        while fight.result is None:
            before = fight.player.health
            fight.player.health = max(before, 60.0)
            fight.tick(frozenset({A.MOVE_BACK}) if seed % 2 else NOTHING)
            if fight.damage_taken and fight.player.state == "hurt" and fight.player.t == 0:
                hits[fight.boss.move] = hits.get(fight.boss.move, 0) + 1
    assert set(hits) == {"slam", "sweep", "thrust", "leap"}


def test_unknown_and_malformed_tasks_are_refused():
    with pytest.raises(UserError, match="unknown task 'frist'.*first"):
        load_task("frist")
    data = load_task("first").model_dump(mode="json")
    assert Task.model_validate(yaml.safe_load(yaml.safe_dump(data))) == load_task("first")
    data["boss"]["phases"][0]["weights"]["bite"] = 1
    with pytest.raises(ValidationError, match="bite"):
        Task.model_validate(data)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: first", "name: [", "line"),
        ("tier: easy", "tier: \xff", "utf-8"),
        ("tier: easy", "tier: trivial", "tier: Input should be 'easy'"),
        ("health: 440", "health: 0", "boss.health: Input should be greater than 0"),
        ("time_limit_s: 120", "time_limit_s: .inf", "time_limit_s: Input should be a finite number"),
        ("idle: [0.55, 1.15]", "idle: [1.15, 0.55]", "boss.phases.0.idle: .*the smaller one first"),
        ("leap: 1}", "leap: -1}", "boss.phases.0.weights.leap: Input should be greater than or equal to 0"),
        ("{slam: 4, sweep: 3, thrust: 4, leap: 1}", "{slam: 0}", "the boss would never attack"),
        ("above: 0.5", "above: 0.0", "the phases' `above`"),
    ],
)
def test_a_malformed_task_file_is_one_sentence(old, new, said, tmp_path, monkeypatch):
    whole = (resources.files("env.arena") / "tasks" / "first.yaml").read_text(encoding="utf-8")
    assert old in whole
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(whole.replace(old, new), encoding="latin-1")
    monkeypatch.setattr(tasks.resources, "files", lambda package: tmp_path)
    with pytest.raises(UserError, match=f"mine.yaml is malformed: .*{said}") as caught:
        load_task("mine")
    assert "\n" not in str(caught.value)
