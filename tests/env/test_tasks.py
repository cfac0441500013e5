"""The task files: thirteen readable fights, and what is said about a file that is none."""

from __future__ import annotations

from collections import Counter
from importlib import resources

import pytest
import yaml
from pydantic import ValidationError

from combatvla.errors import UserError
from env.arena.fight import Fight
from env.tasks import TEST_SEED_START, Task, load_task, task_names

TASKS = [load_task(name) for name in task_names()]


def test_thirteen_tasks_two_rule_sets_four_tiers():
    assert [t.number for t in TASKS] == list(range(1, 14))
    assert Counter(t.rules for t in TASKS) == {"staff": 10, "blade": 3}
    assert set(Counter(t.tier for t in TASKS)) == {"easy", "middle", "hard", "very hard"}
    assert [t.number for t in TASKS if t.train] == [9, 10]
    assert all(t.tier == "very hard" for t in TASKS if t.train)
    assert len({t.name for t in TASKS}) == len({t.title for t in TASKS}) == 13


@pytest.mark.parametrize("task", TASKS, ids=task_names())
def test_each_boss_has_attacks_phases_and_in_the_upper_tiers_feints(task):
    kinds = {m.kind for m in task.boss.moves.values()}
    assert len(kinds) >= 4 and len(task.boss.moves) >= 4
    assert len({(m.kind, m.gesture) for m in task.boss.moves.values()}) == len(task.boss.moves)
    assert len({m.gesture for m in task.boss.moves.values()}) == len(task.boss.moves), "two attacks begin alike"
    assert len(task.boss.phases) >= 2
    assert any(m.then for m in task.boss.moves.values()), "no combos"
    if task.tier in ("hard", "very hard"):
        assert all(p.feint > 0 for p in task.boss.phases)
        assert {"delayed", "grab", "ranged"} & kinds
    else:
        assert task.boss.phases[0].feint == 0


def test_what_seeds_vary_stays_within_bounds_and_is_not_the_same_twice():
    fights = [Fight(TASKS[0], seed) for seed in [*range(60), *range(TEST_SEED_START, TEST_SEED_START + 60)]]
    assert all(0.93 <= f.state["timing"][0] <= 1.07 and 5.0 <= f.distance <= 8.0 for f in fights)
    assert len({f.state["timing"][0] for f in fights}) == len({f.look_seed for f in fights}) == 120
    assert all((f.player.x**2 + f.player.y**2) ** 0.5 <= 2.6 for f in fights)
    assert all((f.boss.x**2 + f.boss.y**2) ** 0.5 <= TASKS[0].arena_radius for f in fights)


def test_a_task_is_found_by_name_number_and_path(tmp_path):
    assert load_task("9") is load_task("tiger")
    text = (resources.files("env.arena") / "tasks" / "tiger.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("name: tiger", "name: mine"), encoding="utf-8")
    assert load_task(str(tmp_path / "mine.yaml")).name == "mine"
    with pytest.raises(UserError, match="unknown task 'frist': expected one of first, .*a number from 1 to 13"):
        load_task("frist")


def test_a_task_survives_its_file():
    data = load_task("first").model_dump(mode="json")
    assert Task.model_validate(yaml.safe_load(yaml.safe_dump(data))) == load_task("first")
    data["boss"]["phases"][0]["weights"]["bite"] = 1
    with pytest.raises(ValidationError, match="bite"):
        Task.model_validate(data)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: tiger", "name: [", "line"),
        ("tier: very hard", "tier: \xff", "utf-8"),
        ("tier: very hard", "tier: trivial", "tier: Input should be 'easy'"),
        ("speed: 3.6", "speed: -1", "boss.speed: Input should be greater than or equal to 0"),
        ("time_limit_s: 150", "time_limit_s: .inf", "time_limit_s: Input should be a finite number"),
        ("idle: [0.35, 0.75]", "idle: [0.75, 0.35]", "boss.phases.0.idle: .*the smaller one first"),
        ("wind: 2}", "wind: -1}", "boss.phases.0.weights.wind: Input should be greater than or equal to 0"),
        ("{cleave: 3, reap: 3, claw: 4, rising: 3, lunge: 3, wind: 2}", "{claw: 0}", "the boss would never attack"),
        ("above: 0.65", "above: 0.0", "the phases' `above`"),
        ("gesture: uppercut", "gesture: stab", "move rising: a biped has no gesture 'stab'; it knows overhead"),
        ("hold: [0.02, 0.70], ", "", "a delayed move needs a hold"),
        ("then: {reap: 0.35}", "then: {bite: 0.35}", r"after lunge come moves that the boss does not have: \['bite'\]"),
        ("kind: quick", "kind: slow", "boss.moves.claw.kind: Input should be 'quick'"),
    ],
)
def test_a_malformed_task_file_is_one_sentence(old, new, said, tmp_path):
    whole = (resources.files("env.arena") / "tasks" / "tiger.yaml").read_text(encoding="utf-8")
    assert old in whole
    (tmp_path / "mine.yaml").write_text(whole.replace(old, new), encoding="latin-1")
    with pytest.raises(UserError, match=f"mine.yaml is malformed: .*{said}") as caught:
        load_task(str(tmp_path / "mine.yaml"))
    assert "\n" not in str(caught.value)
