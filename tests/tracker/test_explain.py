"""What is said about a moment agrees with its true state."""

from __future__ import annotations

import pytest

from combatvla.actions import Plan, Step
from env.arena.fight import Fight
from env.arena.state import STAGES
from env.players import best_plan
from env.tasks import load_task
from tracker.explain import explain, intent, questions


@pytest.fixture
def fight() -> Fight:
    """The boss three ticks before it slams a fighter of little health."""
    fight = Fight(load_task("first"), 7)
    boss, player = fight.boss, fight.player
    boss.x = boss.y = boss.facing = 0.0
    boss.move, boss.stage, boss.t, boss.total = fight.move_named("slam"), STAGES.index("windup"), 57, 60
    player.x, player.y, player.health, player.stamina = 2.0, 0.0, 25.0, 50.0
    return fight


def test_an_explanation_names_the_threat_and_the_answer(fight):
    truth = fight.truth()
    told = explain(truth, best_plan(truth))
    assert told == "slam lands now, in reach; health low, stamina half: step left and dodge."
    fight.boss.t = 30
    assert explain(fight.truth(), Plan.of("wait")).startswith("slam comes soon,")
    fight.boss.t = 5
    assert explain(fight.truth(), Plan.of("wait")).startswith("slam begins,")
    fight.boss.frozen = 60
    assert explain(fight.truth(), Plan.of("skill")).startswith("enemy is frozen,")
    fight.boss.frozen, fight.boss.stage = 0, STAGES.index("recover")
    fight.player.x = 4.0
    assert explain(fight.truth(), Plan.of("heal")) == "enemy is open, near; health low, stamina half: heal."


def test_the_questions_have_true_answers(fight):
    asked = dict(questions(fight.truth()))
    assert asked == {
        "What does the enemy do?": "slam lands now",
        "How soon does the blow land?": "0 tenths",
        "How far is the enemy?": "in reach",
        "How much health is left?": "2 tenths",
        "How much stamina is left?": "5 tenths",
        "How many heals are left?": "3",
        "Is the skill ready?": "yes",
        "What am I doing?": "idle",
    }


def test_in_a_blade_fight_posture_stands_where_stamina_does():
    fight = Fight(load_task("ronin"), 7)
    fight.player.posture = 0.7 * fight.task.player.posture
    truth = fight.truth()
    assert explain(truth, Plan.of("block")) == "enemy waits, far; health high, posture high: block."
    asked = dict(questions(truth))
    assert asked["How full is the posture?"] == "7 tenths" and "How much stamina is left?" not in asked


def test_intent_is_in_the_order_of_the_vocabulary():
    assert intent(Step.of("dodge", "move_back")) == "step back and dodge"
