"""The balance of actions: in plans, in sessions, and in datasets of any make."""

from __future__ import annotations

import json

import pytest

from combatvla.actions import Action, Plan, Step
from combatvla.aot import AoT, encode
from combatvla.errors import UserError
from tests.tracker.lists import press, write_lists
from tracker.align import Sample
from tracker.balance import added, histogram, kind, main, warnings, weights
from tracker.dataset import chat_row, read_plans, write_rows

PLANS = [Plan.of("wait")] * 5 + [Plan.of("move_back", "dodge")] * 2 + [Plan((Step.of("sprint"), Step.of("heal")))]


def figures(capsys) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_plan_counts_as_its_most_telling_action():
    assert kind(Plan.of("move_left", "sprint")) is Action.MOVE_LEFT
    assert kind(Plan.of("move_left", "heal")) is Action.HEAL
    assert kind(Plan((Step.of("sprint"), Step.of("dodge")))) is Action.SPRINT
    assert kind(Plan.of("wait")) is Action.WAIT


def test_plans_samples_and_texts_count_alike():
    expected = {"sprint": 1, "dodge": 2, "wait": 5}
    texts = [encode(AoT(plan), order="thought_first") for plan in PLANS]
    assert histogram(PLANS) == histogram(Sample(0, plan, (0,)) for plan in PLANS) == expected
    assert histogram([*texts, "", "no plan"]) == expected and list(histogram(texts)) == list(expected)
    assert histogram([]) == {} == added({}, {})
    assert added(expected, {"heal": 1, "wait": 1}) == {"sprint": 1, "dodge": 2, "heal": 1, "wait": 6}


def test_what_is_rare_is_told_and_weighs_more():
    actions = {"dodge": 1, "light_attack": 100, "wait": 899}
    found = weights(actions)
    assert found["dodge"] == 8.0 and found["dodge"] > found["light_attack"] > 1 > found["wait"]
    assert [text.split(":")[0] for text in warnings(actions)] == ["dodge", "heal"]
    assert warnings(actions, possible=[Action.DODGE])[0].startswith("dodge: 1 of 1000 samples (0.1%)")
    assert warnings({"dodge": 20, "heal": 20, "wait": 60}) == [] == warnings({}) and weights({}) == {}


def test_sessions_and_datasets_are_counted(tmp_path, capsys):
    events = [*press("space", 500, 600), *press("mouse_left", 2000, 2100)]
    session = write_lists(tmp_path / "fight", [i * 33 for i in range(120)], events)
    rows = [
        chat_row("?", [], encode(AoT(plan, ("so",) * len(plan.steps)), dialect, order), source="simulator", t_ns=i)
        for i, plan in enumerate(PLANS)
        for dialect in ("compact", "json")
        for order in ("action_first", "thought_first")
    ]
    rows.append(chat_row("What does the enemy do?", [], "slam lands now", source="simulator", t_ns=0))
    write_rows(tmp_path / "data", rows)
    assert main([str(session.folder), str(tmp_path / "data"), "--every-ms", "0", "--json"]) == 0
    report = figures(capsys)
    assert report["sessions"] == {
        "fight": {"dodge": 1, "light_attack": 1, "wait": 3},
        "data": {"sprint": 4, "dodge": 8, "wait": 20},
    }
    assert report["actions"] == {"sprint": 4, "dodge": 9, "light_attack": 1, "wait": 23} and report["samples"] == 37
    assert report["weights"].keys() == report["actions"].keys() and len(report["too_rare"]) == 1


def test_the_plans_of_exported_rows_are_read_without_their_pictures(tmp_path):
    write_rows(tmp_path / "d", [chat_row("?", [], "-", source="session", t_ns=1, session="s", plan="<heal><t100>")])
    assert list(read_plans(tmp_path / "d")) == [("s", "<heal><t100>")]


def test_what_cannot_be_counted(tmp_path):
    (tmp_path / "train-00000.parquet").write_bytes(b"PAR1 no")
    for argv, said in (
        ([], "nothing to count"),
        ([str(tmp_path / "none")], "no dataset at"),
        ([str(tmp_path)], "no readable Parquet file"),
        ([str(tmp_path), "--every-ms", "-1"], "start at 0"),
    ):
        with pytest.raises(UserError, match=said):
            main(argv)
