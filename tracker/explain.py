"""Why a plan makes sense, in one short sentence, from a game's true state.

The words are few and fixed: the sentence names what a fighter must see (the enemy's move and how soon it lands, the
distance, the own health, and the own stamina or posture), so that learning to write it is learning to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from combatvla.actions import Action, Plan, Step

NOW_MS, SOON_MS = 285, 600
IN_REACH_M, NEAR_M = 2.6, 4.5

_VERBS = {
    Action.MOVE_FORWARD: "close in",
    Action.MOVE_BACK: "step back",
    Action.MOVE_LEFT: "step left",
    Action.MOVE_RIGHT: "step right",
    Action.SPRINT: "run",
    Action.DODGE: "dodge",
    Action.HEAL: "heal",
    Action.SKILL: "freeze it",
    Action.LIGHT_ATTACK: "strike",
    Action.HEAVY_ATTACK: "strike hard",
    Action.BLOCK: "block",
    Action.WAIT: "hold",
    Action.LOOK_LEFT: "look left",
    Action.LOOK_RIGHT: "look right",
    Action.LOOK_UP: "look up",
    Action.LOOK_DOWN: "look down",
    Action.LOCK_ON: "lock on",
}


def explain(truth: Mapping[str, Any], plan: Plan) -> str:
    """One sentence for a plan of the moment `truth` (see `Fight.truth`). Its last words name the first step."""
    player, boss = truth["player"], truth["boss"]
    strength = _strength(truth)
    body = f"health {level(player['health'])}, {strength} {level(player[strength])}"
    return f"{_enemy(boss)}, {_distance(truth['distance'])}; {body}: {intent(plan.steps[0])}."


def sentences(truth: Mapping[str, Any] | None, plan: Plan) -> tuple[str, ...]:
    """One sentence a step: the first as `explain` says it where the true state is known, the others what is done."""
    steps = [intent(step) for step in plan.steps]
    return tuple(steps) if truth is None else (explain(truth, plan), *steps[1:])


def intent(step: Step) -> str:
    """What a step does, in words."""
    return " and ".join(_VERBS[a] for a in step.ordered())


def _enemy(boss: Mapping[str, Any]) -> str:
    stage, move = boss["stage"], boss["kind"]
    if stage == "windup":
        left = boss["impact_ms"]
        return f"{move} " + ("lands now" if left <= NOW_MS else "comes soon" if left <= SOON_MS else "begins")
    if stage == "strike":
        return f"{move} strikes"
    calm = {"recover": "enemy is open", "frozen": "enemy is frozen", "broken": "enemy is broken"}
    return calm.get(stage, "enemy waits")


def _distance(metres: float) -> str:
    return "in reach" if metres <= IN_REACH_M else "near" if metres <= NEAR_M else "far"


def _strength(truth: Mapping[str, Any]) -> str:
    """What limits the fighter besides its health: its stamina, or under the blade rules its posture, which breaks when
    it is full."""
    return "posture" if truth.get("rules") == "blade" else "stamina"


def level(share: float) -> str:
    """How much of a bar is left, in a word."""
    return "low" if share <= 0.3 else "half" if share <= 0.6 else "high"


def questions(truth: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Questions about the moment with their true answers: extra supervision for the eyes."""
    player, boss = truth["player"], truth["boss"]
    impact, strength = boss["impact_ms"], _strength(truth)
    how_much = "How much stamina is left?" if strength == "stamina" else "How full is the posture?"
    return [
        ("What does the enemy do?", _enemy(boss)),
        ("How soon does the blow land?", "no blow" if impact < 0 else f"{min(9, impact // 100)} tenths"),
        ("How far is the enemy?", _distance(truth["distance"])),
        ("How much health is left?", f"{round(player['health'] * 10)} tenths"),
        (how_much, f"{round(player[strength] * 10)} tenths"),
        ("How many heals are left?", str(player["heals"])),
        ("Is the skill ready?", "yes" if player["skill_ready"] else "no"),
        ("What am I doing?", player["state"]),
    ]
