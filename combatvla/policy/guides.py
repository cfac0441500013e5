"""The AoT grammar as other servers of models take it: a regular expression of the compact dialect, a JSON schema."""

from __future__ import annotations

from typing import Any

from combatvla.actions import DURATIONS_MS, HELD_ACTIONS, MAX_STEPS, Action
from combatvla.aot import JSON_KEYS, THEN

THOUGHT = f"[^<>]+(?:{THEN}[^<>]+)*"


def steps_regex() -> str:
    """The steps of a plan: each action once and in vocabulary order, no opposite moves, then a duration."""
    forward, back, left, right, *single = (f"<{a}>" for a in HELD_ACTIONS)
    held = [f"(?:{forward}|{back})", f"(?:{left}|{right})", *single]
    firsts = [one + "".join(f"(?:{later})?" for later in held[i + 1 :]) for i, one in enumerate(held)]
    durations = "|".join(str(ms) for ms in DURATIONS_MS)
    step = f"(?:{'|'.join(firsts)}|<{Action.WAIT}>)<t(?:{durations})>"
    return f"{step}(?:{THEN}{step}){{0,{MAX_STEPS - 1}}}"


def actions_schema() -> dict[str, Any]:
    """The JSON schema of the actions in the json dialect (which forbids more than this says)."""
    durations = {"enum": [ms / 1000 for ms in DURATIONS_MS]}
    keyboard, mouse = {"const": "keyboard"}, {"const": "mouse"}
    press, hold, key = {"const": "press"}, {"const": "hold"}, {"enum": list(JSON_KEYS.values())}
    entries = [
        _entry({"type": keyboard, "action": press, "key": key}),
        _entry({"type": keyboard, "action": hold, "key": key, "duration": durations}),
        _entry({"type": mouse, "action": press}, {"duration": durations}),
        _entry({"type": mouse, "action": hold, "duration": durations}),
        _entry({"type": {"const": "wait"}, "duration": durations}),
    ]
    most = MAX_STEPS * len(HELD_ACTIONS)
    return _object({"actions": {"type": "array", "items": {"anyOf": entries}, "minItems": 1, "maxItems": most}})


def _entry(needs: dict[str, Any], may: dict[str, Any] | None = None) -> dict[str, Any]:
    return _object(needs, {**(may or {}), "with": {"const": True}})


def _object(needs: dict[str, Any], may: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {**needs, **(may or {})}
    return {"type": "object", "properties": properties, "required": list(needs), "additionalProperties": False}
