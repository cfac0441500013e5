"""Action-of-thought (AoT): the text in which a model writes what to do and why.

One codec, two dialects, two orders. All four round-trip exactly: `decode(encode(x, ...), ...) == x`.

*compact* (default): every action and every duration is one token of the tiny tokenizer.

    action_first    <move_back><dodge><t200><then><light_attack><t100><TRUNC>slam comes, roll away<then>punish it
    thought_first   slam comes, roll away<then>punish it<move_back><dodge><t200><then><light_attack><t100>

*json*: the paper's wire form, one entry a held action; `"with": true` joins an entry to the step before it.

    {"actions":[{"type":"keyboard","action":"hold","key":"s","duration":0.2},...]}<TRUNC>{"explanations":["slam ..."]}
    {"type":"mouse","action":"move","direction":"left","duration":0.2} (look_left)
    {"type":"mouse","action":"press","button":"middle"} (lock_on)

Text of a model is data: it is parsed by this grammar and nothing else, and what does not parse raises `AoTError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from combatvla.actions import (
    CAMERA_ACTIONS,
    DURATIONS_MS,
    HELD_ACTIONS,
    LOOKS,
    MAX_STEPS,
    TAP_MS,
    WAIT_PLAN,
    Action,
    Plan,
    Step,
)

Dialect = Literal["compact", "json"]
Order = Literal["action_first", "thought_first"]

TRUNC = "<TRUNC>"
"""Stands after the actions in `action_first`: generation stops here when only the decision is wanted."""
THEN = "<then>"
"""Stands between steps, and between explanations."""
ACTION_TOKENS = tuple(f"<{a}>" for a in (*HELD_ACTIONS, Action.WAIT))
CAMERA_TOKENS = {a: f"<{a}>" for a in CAMERA_ACTIONS}
"""Of policies that turn the camera: a tokenizer has them only where its data did."""
DURATION_TOKENS = tuple(f"<t{ms}>" for ms in DURATIONS_MS)
AOT_TOKENS = (TRUNC, THEN, *ACTION_TOKENS, *DURATION_TOKENS)
"""What every tokenizer adds as single tokens."""

MAX_CHARS = 16_384
"""Longer text is refused unread."""

JSON_KEYS = {
    Action.MOVE_FORWARD: "w",
    Action.MOVE_BACK: "s",
    Action.MOVE_LEFT: "a",
    Action.MOVE_RIGHT: "d",
    Action.SPRINT: "shift",
    Action.DODGE: "space",
    Action.HEAL: "r",
    Action.SKILL: "1",
    Action.BLOCK: "e",
}
"""The keys of the paper's wire form. They name actions; which key a game wants is its profile's business."""
_ACTION_OF_KEY = {key: action for action, key in JSON_KEYS.items()}

_TAG = re.compile(r"<[^<>]*>")
_WRITTEN = tuple(f"<{a}>" for a in Action)
_FIRST_ACTION = re.compile("|".join(_WRITTEN))
_LOOK_OF = {a.removeprefix("look_"): a for a in LOOKS}


class AoTError(ValueError):
    """The text is not AoT. The message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class AoT:
    """A plan and, one to one with its steps, why (or no explanations at all).

    Raises `ValueError` when the numbers differ, or for an explanation that is empty, has blanks at an end, or holds
    `<` or `>` (which mark tokens).
    """

    plan: Plan
    explanations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "explanations", tuple(self.explanations))
        if self.explanations and len(self.explanations) != len(self.plan.steps):
            raise ValueError(f"expected one explanation a step ({len(self.plan.steps)}), got {len(self.explanations)}")
        for text in self.explanations:
            if not text or text != text.strip() or "<" in text or ">" in text:
                raise ValueError(f"an explanation is non-empty, without <, > and outer blanks; got {text!r}")


def encode(aot: AoT, dialect: Dialect = "compact", order: Order = "action_first") -> str:
    """Writes `aot`. The result holds no end-of-turn token."""
    if dialect == "compact":
        actions = THEN.join("".join(f"<{a}>" for a in s.ordered()) + f"<t{s.duration_ms}>" for s in aot.plan.steps)
        thought = THEN.join(aot.explanations)
    else:
        actions = _dumps({"actions": [e for step in aot.plan.steps for e in _entries(step)]})
        thought = _dumps({"explanations": list(aot.explanations)}) if aot.explanations else ""
    return actions + TRUNC + thought if order == "action_first" else thought + actions


def decode(text: str, dialect: Dialect = "compact", order: Order = "action_first") -> AoT:
    """Reads what `encode` wrote. In `action_first` the explanations may be missing (truncated inference).

    `AoTError` for anything else; no other exception, whatever the text.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARS:
        _fail(f"expected AoT text of at most {MAX_CHARS} characters", text)
    try:
        actions, thought = _split(text, dialect, order)
        if dialect == "compact":
            plan = Plan(tuple(_compact_step(part) for part in actions.split(THEN)))
            explanations = tuple(thought.split(THEN)) if thought else ()
        else:
            plan = _json_plan(actions)
            explanations = _json_explanations(thought) if thought else ()
        return AoT(plan, explanations)
    except AoTError:
        raise
    except (ValueError, RecursionError) as error:  # of Step, Plan, AoT and json: the text broke one of their rules
        raise AoTError(f"not AoT: {error}") from error


def camera_in(texts: Iterable[str]) -> tuple[Action, ...]:
    """The camera actions whose compact tokens stand in `texts`."""
    left, found = dict(CAMERA_TOKENS), set()
    for text in texts:
        found |= {a for a, token in left.items() if token in text}
        left = {a: token for a, token in left.items() if a not in found}
        if not left:
            break
    return tuple(a for a in CAMERA_ACTIONS if a in found)


@dataclass(slots=True)
class ParseCounts:
    """How many texts parsed and how many became `wait`, with the last reason."""

    parsed: int = 0
    failed: int = 0
    last_error: str = ""


def decode_or_wait(
    text: str, dialect: Dialect = "compact", order: Order = "action_first", counts: ParseCounts | None = None
) -> tuple[AoT, bool]:
    """`(decode(text), True)`, or `(AoT(wait), False)` when the text does not parse; `counts` is kept if given."""
    try:
        aot, parsed, reason = decode(text, dialect, order), True, ""
    except AoTError as error:
        aot, parsed, reason = AoT(WAIT_PLAN), False, str(error)
    if counts is not None:
        counts.parsed += parsed
        counts.failed += not parsed
        counts.last_error = reason or counts.last_error
    return aot, parsed


def _fail(expected: str, got: object) -> NoReturn:
    shown = ascii(got)
    raise AoTError(f"{expected}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")


def _split(text: str, dialect: Dialect, order: Order) -> tuple[str, str]:
    """Cuts text into its actions and its explanations."""
    if order == "action_first":
        actions, mark, thought = text.partition(TRUNC)
        if not mark:
            _fail(f"expected {TRUNC} after the actions", text)
        return actions, thought
    if dialect == "compact":
        first = _FIRST_ACTION.search(text)
        if not first:
            _fail("expected an action token", text)
        return text[first.start() :], text[: first.start()]
    value, end = json.JSONDecoder(object_pairs_hook=_strict_object, parse_constant=_constant).raw_decode(text)
    return (text[end:], text[:end]) if isinstance(value, dict) and "explanations" in value else (text, "")


def _compact_step(text: str) -> Step:
    tags = _TAG.findall(text)
    if "".join(tags) != text or len(tags) < 2:
        _fail("expected action tokens and then a duration token", text)
    if tags[-1] not in DURATION_TOKENS:
        _fail(f"expected a duration token ({DURATION_TOKENS[0]} ... {DURATION_TOKENS[-1]})", tags[-1])
    if unknown := [t for t in tags[:-1] if t not in _WRITTEN]:
        _fail("expected an action token", unknown[0])
    order = [_WRITTEN.index(t) for t in tags[:-1]]
    if order != sorted(set(order)):
        _fail("expected each action once, in vocabulary order", text)
    return Step.of(*(t[1:-1] for t in tags[:-1]), ms=int(tags[-1][2:-1]))


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _entries(step: Step) -> list[dict[str, Any]]:
    """One JSON entry a held action; `with` marks those that belong to the entry before."""
    seconds = step.duration_ms / 1000
    entries: list[dict[str, Any]] = []
    for action in step.ordered():
        if action is Action.WAIT:
            entry: dict[str, Any] = {"type": "wait", "duration": seconds}
        elif action is Action.LIGHT_ATTACK:
            entry = {"type": "mouse", "action": "press"}
            if step.duration_ms != TAP_MS:
                entry["duration"] = seconds
        elif action is Action.HEAVY_ATTACK:
            entry = {"type": "mouse", "action": "hold", "duration": seconds}
        elif action in LOOKS:
            entry = {"type": "mouse", "action": "move", "direction": action.removeprefix("look_"), "duration": seconds}
        elif action is Action.LOCK_ON:
            entry = {"type": "mouse", "action": "press", "button": "middle"}
            if step.duration_ms != TAP_MS:
                entry |= {"action": "hold", "duration": seconds}
        elif step.duration_ms == TAP_MS:
            entry = {"type": "keyboard", "action": "press", "key": JSON_KEYS[action]}
        else:
            entry = {"type": "keyboard", "action": "hold", "key": JSON_KEYS[action], "duration": seconds}
        entries.append(entry | {"with": True} if entries else entry)
    return entries


def _strict_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise AoTError(f"expected each key once, got {[k for k, _ in pairs][:8]}")
    return value


def _constant(name: str) -> NoReturn:
    raise AoTError(f"expected a finite number, got {name}")


def _loads(text: str, only_key: str) -> list[Any]:
    value = json.loads(text, object_pairs_hook=_strict_object, parse_constant=_constant)
    if not isinstance(value, dict) or set(value) != {only_key} or not isinstance(value[only_key], list):
        _fail(f'expected {{"{only_key}": [...]}}', value)
    return value[only_key]


def _json_plan(text: str) -> Plan:
    steps: list[Step] = []
    for entry in _loads(text, "actions"):
        if not isinstance(entry, dict):
            _fail("expected an object for each action", entry)
        action, duration_ms = _json_action(entry)
        joined = entry.get("with", False)
        if joined is True:
            if not steps or steps[-1].duration_ms != duration_ms or action in steps[-1].actions:
                _fail('expected "with" to add a new action to a step of the same duration', entry)
            steps[-1] = Step(steps[-1].actions | {action}, duration_ms)
        elif joined is False:
            if len(steps) == MAX_STEPS:
                _fail(f"expected at most {MAX_STEPS} steps", len(steps) + 1)
            steps.append(Step.of(action, ms=duration_ms))
        else:
            _fail('expected "with" to be true or false', joined)
    return Plan(tuple(steps))


def _json_action(entry: dict[str, Any]) -> tuple[Action, int]:
    """One entry's action and its duration in ms."""
    kind, how = entry.get("type"), entry.get("action")
    allowed, required = {"type", "with"}, set()
    if kind == "wait":
        action, allowed, required = Action.WAIT, allowed | {"duration"}, {"duration"}
    elif kind == "mouse" and how == "move":
        direction = entry.get("direction")
        if not isinstance(direction, str) or direction not in _LOOK_OF:
            _fail(f"expected a direction of {sorted(_LOOK_OF)}", direction)
        action, allowed = _LOOK_OF[direction], allowed | {"action", "direction", "duration"}
        required = {"direction", "duration"}
    elif kind == "mouse" and how in ("press", "hold") and "button" in entry:
        if entry["button"] != "middle":
            _fail('expected the button "middle"', entry["button"])
        action, required = Action.LOCK_ON, {"duration"} if how == "hold" else set()
        allowed |= {"action", "button"} | required
    elif kind == "mouse" and how == "press":
        action, allowed = Action.LIGHT_ATTACK, allowed | {"action", "duration"}
    elif kind == "mouse" and how == "hold":
        action, allowed, required = Action.HEAVY_ATTACK, allowed | {"action", "duration"}, {"duration"}
    elif kind == "keyboard" and how in ("press", "hold"):
        key = entry.get("key")
        if not isinstance(key, str) or key not in _ACTION_OF_KEY:
            _fail(f"expected a key of {sorted(_ACTION_OF_KEY)}", key)
        action, allowed = _ACTION_OF_KEY[key], allowed | {"action", "key"}
        required = {"duration"} if how == "hold" else set()
        allowed |= required
    else:
        _fail("expected a keyboard press or hold, a mouse press, hold or move, or a wait", entry)
    if not required <= set(entry) <= allowed:
        _fail(f"expected the fields {sorted(allowed - {'with'})}", entry)
    if "duration" not in entry:
        return action, TAP_MS
    seconds = entry["duration"]
    for ms in DURATIONS_MS:
        if type(seconds) in (int, float) and seconds == ms / 1000:
            return action, ms
    _fail(f"expected a duration of {[ms / 1000 for ms in DURATIONS_MS]} s", seconds)


def _json_explanations(text: str) -> tuple[str, ...]:
    explanations = _loads(text, "explanations")
    if not explanations or not all(isinstance(e, str) for e in explanations):
        _fail("expected a list of texts as explanations", explanations)
    return tuple(explanations)
