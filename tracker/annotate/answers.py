"""What a model says about a plan, as sentences that may stand in a dataset, or why they may not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from combatvla.actions import Action, Plan, Step

SHORTEST, LONGEST = 4, 240
"""Characters of a sentence."""
MOST_BYTES = 1 << 20

_MARKUP = re.compile(r"[<>`{}\[\]|*_#~\\]|https?:|&\w+;")
_SENTENCE_ENDS = re.compile(r"[.!?]+[\"')]*\s+(\S)|[。！？](?=.)")  # noqa: RUF001
_NAMES = {a: re.compile(rf"\b{a.value.replace('_', ' ')}\b") for a in Action}
_ALSO = {
    Action.MOVE_FORWARD: ("clos", "approach", "advanc", "forward", "step", "mov"),
    Action.MOVE_BACK: ("back", "retreat", "away", "step", "mov"),
    Action.MOVE_LEFT: ("left", "circl", "strafe", "step", "mov"),
    Action.MOVE_RIGHT: ("right", "circl", "strafe", "step", "mov"),
    Action.SPRINT: ("run", "sprint", "rush"),
    Action.DODGE: ("dodg", "roll", "evad", "evas"),
    Action.HEAL: ("heal", "drink", "flask", "potion"),
    Action.SKILL: ("skill", "freez", "immobil", "spell"),
    Action.LIGHT_ATTACK: ("attack", "strik", "hit", "punish"),
    Action.HEAVY_ATTACK: ("attack", "strik", "hit", "punish", "heavy"),
    Action.BLOCK: ("block", "parr", "guard", "deflect"),
    Action.WAIT: ("wait", "hold", "watch", "still"),
    Action.LOOK_LEFT: ("look", "turn", "camera", "left"),
    Action.LOOK_RIGHT: ("look", "turn", "camera", "right"),
    Action.LOOK_UP: ("look", "turn", "camera", "up"),
    Action.LOOK_DOWN: ("look", "turn", "camera", "down"),
    Action.LOCK_ON: ("lock", "focus", "target", "camera"),
}
"""Beginnings of words that tell an action beside its name: enough to see that the sentence is about the right one."""


class InvalidAnswer(ValueError):
    """The message says what is wrong in a few words, the same for all of a kind."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    steps: list[str]


def sentences(text: str, plan: Plan) -> tuple[str, ...]:
    """The sentences in a model's answer, one a step of `plan`. `InvalidAnswer` when they may not be used.

    The answer holds one JSON object {"steps": [...]}; what stands around it (a fence, a remark) is left out.
    """
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        raise InvalidAnswer("no JSON object")
    try:
        steps = _Answer.model_validate_json(text[begin : end + 1]).steps
    except (ValidationError, UnicodeError) as error:
        raise InvalidAnswer('no JSON object {"steps": [...]}') from error
    if len(steps) != len(plan.steps):
        raise InvalidAnswer("not one sentence a step")
    return tuple(_checked(sentence.strip(), step) for sentence, step in zip(steps, plan.steps, strict=True))


def _checked(sentence: str, step: Step) -> str:
    if not SHORTEST <= len(sentence) <= LONGEST:
        raise InvalidAnswer("a sentence is too short" if len(sentence) < SHORTEST else "a sentence is too long")
    if any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in sentence):
        raise InvalidAnswer("control characters")
    if _MARKUP.search(sentence) or sentence.startswith(("- ", "+ ", "• ")):
        raise InvalidAnswer("markup or tokens")
    if not any(c.isalpha() for c in sentence):
        raise InvalidAnswer("no words")
    if any(found[1] is None or not found[1].islower() for found in _SENTENCE_ENDS.finditer(sentence)):
        raise InvalidAnswer("more than one sentence")
    said = sentence.lower()
    named = {action for action, name in _NAMES.items() if name.search(said)}
    own = any(re.search(rf"\b{word}", said) for action in step.actions for word in _ALSO[action])
    if named and not named & step.actions and not own:
        raise InvalidAnswer("it names another action")
    return sentence


class Cache:
    """Answers by what was asked, a file each: what was asked once is not paid for twice, in any session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def key(url: str, request: Mapping[str, Any]) -> str:
        """Of the server, the model, the words and the pictures."""
        return hashlib.sha256(json.dumps([url, request], sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> str | None:
        """The text of an earlier answer, or None."""
        try:
            with open(self._path(key), "rb") as file:
                data = file.read(MOST_BYTES + 1)
            return data.decode() if len(data) <= MOST_BYTES else None
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, key: str, text: str) -> None:
        """Keeps an answer; a killed program leaves none or the whole."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_bytes(text.encode(errors="replace"))
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.txt"
