"""The AoT grammar as other servers of models take it: a regular expression of the compact dialect, a JSON schema."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from combatvla.actions import CAMERA_ACTIONS, DURATIONS_MS, HELD_ACTIONS, LOOKS, MAX_STEPS, OPPOSITES, Action
from combatvla.aot import JSON_KEYS, THEN

THOUGHT = f"[^<>]+(?:{THEN}[^<>]+)*"


def steps_regex(camera: Collection[Action] = ()) -> str:
    """The steps of a plan: each action once and in vocabulary order, no opposite moves or looks, then a duration; of
    the actions for the camera those in `camera`."""
    held, left = [], [a for a in (*HELD_ACTIONS, *CAMERA_ACTIONS) if a in HELD_ACTIONS or a in camera]
    while left:
        pair = next((p for p in OPPOSITES if left[0] in p), {left[0]})
        among = [f"<{a}>" for a in left if a in pair]  # opposites stand beside each other
        held.append(f"(?:{'|'.join(among)})" if len(among) > 1 else among[0])
        left = left[len(among) :]
    firsts = [one + "".join(f"(?:{later})?" for later in held[i + 1 :]) for i, one in enumerate(held)]
    durations = "|".join(str(ms) for ms in DURATIONS_MS)
    step = f"(?:{'|'.join(firsts)}|<{Action.WAIT}>)<t(?:{durations})>"
    return f"{step}(?:{THEN}{step}){{0,{MAX_STEPS - 1}}}"


def actions_schema(camera: Collection[Action] = ()) -> dict[str, Any]:
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
    if looks := [a.removeprefix("look_") for a in LOOKS if a in camera]:
        entries.append(
            _entry({"type": mouse, "action": {"const": "move"}, "direction": {"enum": looks}, "duration": durations})
        )
    if Action.LOCK_ON in camera:
        middle = {"const": "middle"}
        entries.append(_entry({"type": mouse, "action": press, "button": middle}))
        entries.append(_entry({"type": mouse, "action": hold, "button": middle, "duration": durations}))
    most = MAX_STEPS * (len(HELD_ACTIONS) + len(camera))
    return _object({"actions": {"type": "array", "items": {"anyOf": entries}, "minItems": 1, "maxItems": most}})


def _entry(needs: dict[str, Any], may: dict[str, Any] | None = None) -> dict[str, Any]:
    return _object(needs, {**(may or {}), "with": {"const": True}})


def _object(needs: dict[str, Any], may: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {**needs, **(may or {})}
    return {"type": "object", "properties": properties, "required": list(needs), "additionalProperties": False}
