"""Rows from simulated fights: what they show and say agrees, seeds are kept apart, and a policy may play."""

from __future__ import annotations

from pathlib import Path

import pytest

from combatvla.actions import Action
from combatvla.aot import decode
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from env.arena.render import Renderer
from env.tasks import TEST_SEED_START
from tracker.dataset import decode_png, read_rows
from training.sft import simulate


def rows_of(**options) -> list:
    return list(simulate.answers(simulate.Args(out=Path("unused"), **options)))


def test_rows_are_chat_rows_that_the_dataset_keeps(tmp_path, capsys):
    assert simulate.main(["--out", str(tmp_path / "rows"), "--rows", "40"]) == 0
    assert "40 rows" in capsys.readouterr().out
    rows = list(read_rows(tmp_path / "rows"))
    assert len(rows) == 40
    for row in rows:
        assert decode_png(row.images[0]).shape == (112, 196, 3)
        question, answer = row.messages[0], row.messages[1]
        assert question.content[-1].text == load_profile("arena").prompt
        aot = decode(answer.content[0].text)
        assert len(aot.explanations) == 1
        asked = dict(zip((m.content[0].text for m in row.messages[2::2]), row.messages[3::2], strict=True))
        assert len(asked) == 8
        enemy = asked["What does the enemy do?"].content[0].text
        assert aot.explanations[0].startswith(enemy), "the thought and the answer name the same move"
    with pytest.raises(UserError, match="already holds"):
        simulate.main(["--out", str(tmp_path / "rows"), "--rows", "5"])


def test_same_seed_same_rows_and_other_seeds_others():
    first = rows_of(rows=12)
    assert first == rows_of(rows=12)
    assert first != rows_of(rows=12, first_seed=50)


def test_fights_of_several_tasks_take_turns():
    rows = rows_of(rows=700, task="9,ronin")
    sources = {row.source for row in rows}
    assert sources == {"arena/tiger", "arena/ronin"}
    told = {row.messages[1].content[0].text for row in rows if row.source == "arena/ronin"}
    assert any("<block>" in text for text in told) and any("<dodge>" in text for text in told)


def test_rare_decisions_are_there():
    plans = [decode(row.messages[1].content[0].text).plan for row in rows_of(rows=400, first_seed=3)]
    seen = {action for plan in plans for action in plan.steps[0].actions}
    assert {Action.DODGE, Action.HEAL, Action.SKILL, Action.HEAVY_ATTACK, Action.LIGHT_ATTACK} <= seen


def test_held_out_seeds_are_refused():
    with pytest.raises(UserError, match="held out"):
        rows_of(rows=1, first_seed=TEST_SEED_START)
    with pytest.raises(UserError, match="at least one row"):
        simulate.main(["--out", "unused", "--rows", "0"])


def test_no_task_is_named():
    with pytest.raises(UserError, match="--task names no task; give at least one, like --task first"):
        rows_of(rows=1, task=",")


def test_the_shipped_policy_can_play_for_data(monkeypatch):
    drawn = []
    draw = Renderer.draw
    monkeypatch.setattr(Renderer, "draw", lambda self, fight: drawn.append(1) or draw(self, fight))
    rows = rows_of(rows=60, first_seed=44, policy="tiny")
    assert len(rows) == 60 and len(drawn) > 60, "the policy saw frames that did not become rows"
