"""`env soak`: states stay within their bounds, and what must not happen is noticed when it does."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import HELD_ACTIONS
from combatvla.cli import main as combatvla
from env import soak
from env.arena.bounds import violations
from env.arena.fight import Fight
from env.arena.state import FIGHT, LONG_AGO, STAGES, to_ticks
from env.tasks import load_task, task_names

held_inputs = st.tuples(st.integers(0, (1 << len(HELD_ACTIONS)) - 1), st.integers(1, 90))


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(task_names()),
    seed=st.integers(0, 2**63),
    inputs=st.lists(held_inputs, min_size=1, max_size=60),
    boss_health=st.floats(0.001, 1),
    fighter_health=st.floats(0.001, 1),
)
def test_no_input_leads_out_of_bounds(name, seed, inputs, boss_health, fighter_health):
    fight = Fight(load_task(name), seed)
    fight.boss.health = fight.task.boss.health * boss_health
    fight.player.health = fight.task.player.health * fighter_health
    states = [fight.save()]
    for bits, ticks in inputs:
        before = fight.state.copy()
        fight.run(bits, ticks)
        states.append(fight.save())
        now = fight.state
        assert now["tick"] <= before["tick"] + ticks and (now["tick"] == before["tick"] + ticks or now["result"])
        for total in ("damage_dealt", "damage_taken", "healed", "hits", "hits_taken", "dodges", "parries"):
            assert now[total] >= before[total], f"{total} never falls"
        assert now["boss"]["phase"] >= before["boss"]["phase"]
        if before["result"]:
            assert now == before, "nothing happens after the end"
    assert not violations(np.frombuffer(b"".join(states), FIGHT), fight.task)


@pytest.mark.parametrize("name", task_names())
def test_every_fight_ends_by_its_time_limit(name):
    task = load_task(name)
    for bits in (0, 1 << HELD_ACTIONS.index("move_back") | 1 << HELD_ACTIONS.index("sprint")):
        fight = Fight(task, 1)
        fight.run(bits, to_ticks(task.time_limit_s))
        assert fight.result in ("loss", "timeout")
    fight = Fight(task, 1)
    while fight.result is None:
        fight.player.health = task.player.health  # who never falls runs out of time
        fight.run(0, 10)
    assert fight.result == "timeout" and fight.tick_count == to_ticks(task.time_limit_s)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("player", "x"), np.nan, "NaN"),
        (("boss", "walk"), np.inf, "NaN or infinite"),
        (("shots", 1, "vx"), np.nan, "NaN"),
        (("timing",), np.nan, "NaN"),
        (("player", "health"), 101.0, "fighter's health"),
        (("player", "health"), -0.5, "fighter's health"),
        (("player", "stamina"), 100.5, "stamina"),
        (("player", "posture"), -1.0, "fighter's posture"),
        (("player", "heals"), 9, "heals"),
        (("player", "state"), 13, "fighter's state"),
        (("player", "y"), 12.0, "fighter out of the ring"),
        (("player", "pause"), -1, "pause below 0"),
        (("player", "hit_t"), LONG_AGO + 1, "hit_t"),
        (("boss", "health"), 1e6, "boss's health"),
        (("boss", "move"), 7, "boss's move"),
        (("boss", "stage"), STAGES.index("strike"), "boss's move"),  # a strike of no move
        (("boss", "facing"), 4.0, "facing"),
        (("boss", "x"), -12.0, "boss out of the ring"),
        (("boss", "phase"), 2, "phase"),
        (("result",), 4, "result"),
        (("tick",), 120 * 60 + 1, "time limit"),
    ],
)
def test_each_bound_is_looked_at(path, value, said):
    fight = Fight(load_task("first"), 2)
    fight.run(0, 30)
    states = np.frombuffer(fight.save() * 3, FIGHT).copy()
    assert not violations(states, fight.task)
    place = states
    *folders, last = path
    for key in folders:
        place = place[key] if isinstance(key, str) else place[:, key]
    place[last][1] = value
    found = violations(states, fight.task)
    assert any(said in name for name in found) and set(found.values()) == {1}, found


def soaked(capsys, *argv: str) -> tuple[int, dict]:
    status = combatvla(["env", "soak", "--points", "13", *argv, "--json"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_short_soak_of_all_fights(capsys):
    status, record = soaked(capsys, "--ticks", "400000")
    assert record["must_not"] == {} and status == 0
    assert record["ticks"] >= 400_000 and sum(record["results"].values()) == record["fights"]
    assert {"win", "loss", "timeout"} <= set(record["results"])
    assert record["pictures"] > 300 and record["restore_points"] == 13


def lose_a_number(fight: Fight) -> None:
    fight.state["healed"] = np.inf


def stop_the_clock(fight: Fight) -> None:
    fight.state["tick"], fight.player.health = 100, 50.0


@pytest.mark.parametrize(
    ("break_it", "said"), [(lose_a_number, "a number is NaN or infinite"), (stop_the_clock, "a fight did not end")]
)
def test_what_must_not_happen_gives_status_1(break_it, said, capsys, monkeypatch):
    whole = Fight.run

    def broken(self, bits, ticks):
        whole(self, bits, ticks)
        break_it(self)

    monkeypatch.setattr(Fight, "run", broken)
    monkeypatch.setattr(soak, "ENV_EVERY", 10**9)
    status, record = soaked(capsys, "--ticks", "3000", "--tasks", "first", "--points", "0")
    assert status == 1 and said in record["must_not"]


def test_memory_that_climbs_is_told_from_memory_that_warms_up():
    flat = [(i, 200.0 + min(i, 20) * 10 + random.Random(i).random()) for i in range(1, 101)]
    assert abs(soak.memory_growth_mb(flat)) < 2
    climbing = [(ticks, mb + ticks) for ticks, mb in flat]
    assert soak.memory_growth_mb(climbing) > 40
    assert soak.memory_growth_mb([]) is None


def test_inputs_reach_every_action_and_repeat_with_the_seed():
    first, again = soak.inputs(random.Random(1)), soak.inputs(random.Random(1))
    drawn = [next(first) for _ in range(200)]
    assert drawn == [next(again) for _ in range(200)]
    assert {i for bits, _ in drawn for i in range(len(HELD_ACTIONS)) if bits >> i & 1} == set(range(len(HELD_ACTIONS)))


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["--ticks", "0"], "--ticks from 1"), (["--tasks", "frist"], "unknown task"), (["--tasks", ""], "names no task")],
)
def test_wrong_arguments_are_one_sentence(argv, said, capsys):
    assert combatvla(["env", "soak", *argv]) == 2
    assert said in capsys.readouterr().err
