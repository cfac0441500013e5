"""Asks for the keys of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.ask import check_key
from combatvla.actions import CAMERA_ACTIONS, HELD_ACTIONS, LOOKS, Action
from combatvla.errors import UserError

if TYPE_CHECKING:
    from agent.ask import Terminal

MEANS = {
    Action.MOVE_FORWARD: "walk forwards",
    Action.MOVE_BACK: "walk backwards",
    Action.MOVE_LEFT: "walk to the left",
    Action.MOVE_RIGHT: "walk to the right",
    Action.SPRINT: "sprint, while it is held",
    Action.DODGE: "dodge or roll",
    Action.HEAL: "heal",
    Action.SKILL: "the special skill",
    Action.LIGHT_ATTACK: "the light attack",
    Action.HEAVY_ATTACK: "the heavy attack",
    Action.BLOCK: "block or parry",
    Action.LOCK_ON: "lock the camera on the enemy",
}
USUALLY_PRESSED = (Action.DODGE, Action.HEAL, Action.SKILL, Action.LIGHT_ATTACK, Action.HEAVY_ATTACK, Action.LOCK_ON)


def ask_keys(ask: Terminal, data: dict[str, Any]) -> None:
    """The key of each action, which ones act once a press, the camera's speed, the key for the next fight."""
    ask.say(
        "\nThe keys. Press each one in the game's window, or type its name here (w, 1, space, up, mouse_left …).\n"
        "Enter here, or F12 in the game, skips an action that the game has not; - takes away what stands in brackets."
    )
    old: dict[str, str] = dict(data.get("keys") or {})
    keys: dict[str, str] = {}
    for action in (*HELD_ACTIONS, *(a for a in CAMERA_ACTIONS if a not in LOOKS)):
        if key := one_key(ask, f"  {action.value} ({MEANS[action]})", old.pop(action.value, ""), keys):
            keys[action.value] = key
        # Those not asked for yet stay, in case of a Ctrl-C.
        data["keys"] = keys | {a: k for a, k in old.items() if k not in keys.values()}
    data["keys"] = keys
    if not keys:
        raise UserError("no key was given, so there is nothing to play with: run it again and give some")
    ask_pressed(ask, data)
    ask_look(ask, data)
    restart = one_key(ask, "The key that begins the next fight when one is over", data.get("restart", ""), {})
    put(data, "restart", restart)


def put(data: dict[str, Any], field: str, value: Any) -> None:
    """Sets a field, or takes it away where there is nothing for it."""
    if value:
        data[field] = value
    else:
        data.pop(field, None)


def one_key(ask: Terminal, question: str, default: str, keys: dict[str, str]) -> str:
    """A key that profiles know and that no action of `keys` has; "" when skipped."""
    while True:
        key = ask.key(question, str(default))
        if not key:
            return ""
        try:
            return check_key(key, {k: action for action, k in keys.items()})
        except UserError as error:
            ask.say(f"    {error}")


def ask_pressed(ask: Terminal, data: dict[str, Any]) -> None:
    keys = data["keys"]
    usual = [a.value for a in USUALLY_PRESSED if a.value in keys]
    default = [a for a in data.get("press", usual) if a in keys]
    while True:
        said = ask.line("Which act once when their key goes down, not again while it is held?", " ".join(default))
        pressed = said.replace(",", " ").split()
        if not (unknown := [a for a in pressed if a not in keys]):
            break
        ask.say(f"  {unknown[0]} has no key; of these: {' '.join(keys)}")
    put(data, "press", list(dict.fromkeys(pressed)))


def ask_look(ask: Terminal, data: dict[str, Any]) -> None:
    speed = (data.get("look") or {}).get("speed", "")
    while True:
        said = ask.line("Counts of mouse motion a second that turn its camera (such as 1200; Enter: none)", str(speed))
        try:
            if not said or 0 < float(said) <= 20_000:
                break
        except ValueError:
            pass
        ask.say("  a number over 0, up to 20000")
    put(data, "look", {"speed": float(said)} if said else None)
