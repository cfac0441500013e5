"""The grammar in its other forms says the same as the codec."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from combatvla.actions import CAMERA_ACTIONS, DURATIONS_MS, HELD_ACTIONS, Action, Plan, Step
from combatvla.aot import ACTION_TOKENS, CAMERA_TOKENS, DURATION_TOKENS, THEN, AoT, AoTError, decode, encode
from combatvla.errors import UserError
from combatvla.policy.grammar import Grammar
from combatvla.policy.guides import actions_schema, steps_regex
from combatvla.policy.tokenizer import train_tokenizer

STEPS, TURNING = re.compile(steps_regex()), re.compile(steps_regex(CAMERA_ACTIONS))
GRAMMARS = {
    STEPS: Grammar(train_tokenizer(["roll away"]), 512),
    TURNING: Grammar(train_tokenizer(["roll away"], camera=CAMERA_ACTIONS), 512, camera=CAMERA_ACTIONS),
}


def test_the_camera_adds_to_the_regex_and_takes_nothing_away():
    for text in ("<dodge><t100>", "<move_left><look_up><t100>", "<look_left><look_down><lock_on><t50>"):
        assert TURNING.fullmatch(text)
    assert not STEPS.fullmatch("<look_left><t100>") and not TURNING.fullmatch("<look_left><look_right><t100>")


@given(
    st.lists(st.sampled_from([*ACTION_TOKENS, *CAMERA_TOKENS.values(), *DURATION_TOKENS[:2], THEN]), max_size=9).map(
        "".join
    )
)
@example("<wait><t100>")
@example("<move_forward><move_back><t100>")
@example("<dodge><move_left><t100>")
@settings(max_examples=500, deadline=None)
def test_the_regex_takes_what_the_codec_takes_and_nothing_else(text):
    try:
        decode(text + "<TRUNC>")
        plan = True
    except AoTError:
        plan = False
    assert bool(TURNING.fullmatch(text)) == plan
    assert bool(STEPS.fullmatch(text)) == (plan and not any(t in text for t in CAMERA_TOKENS.values()))


@pytest.mark.parametrize("regex", [STEPS, TURNING], ids=["fight", "camera"])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_the_local_grammar_says_the_regex_takes(regex, data):
    said, grammar = [], GRAMMARS[regex]
    while grammar.trunc not in said:
        said.append(data.draw(st.sampled_from(grammar.allowed(said).tolist())))
    ids = {**{i: f"<{a}>" for i, a in grammar.action_of.items()}, grammar.then: THEN}
    ids |= dict(zip(grammar.durations, DURATION_TOKENS, strict=True))
    assert regex.fullmatch("".join(ids[i] for i in said[:-1]))


def test_a_tokenizer_without_the_camera_is_told():
    with pytest.raises(UserError, match="no token <look_left>"):
        Grammar(train_tokenizer(["roll away"]), 512, camera=CAMERA_ACTIONS)


ONE_WAY = [
    a for a in (*HELD_ACTIONS, *CAMERA_ACTIONS) if a not in ("move_back", "move_right", "look_right", "look_down")
]
PARTS = st.sets(st.sampled_from(ONE_WAY), min_size=1)
STEP = st.builds(
    lambda held, ms: Step(frozenset(held), ms), PARTS | st.just({Action.WAIT}), st.sampled_from(DURATIONS_MS)
)


@given(st.lists(STEP, min_size=1, max_size=3))
def test_the_schema_takes_what_the_codec_writes(steps):
    entries = json.loads(encode(AoT(Plan(tuple(steps))), "json").removesuffix("<TRUNC>"))["actions"]
    schema = actions_schema(CAMERA_ACTIONS)["properties"]["actions"]
    assert len(entries) <= schema["maxItems"]
    assert all(sum(fits(entry, kind) for kind in schema["items"]["anyOf"]) == 1 for entry in entries)
    plain = actions_schema()["properties"]["actions"]["items"]["anyOf"]
    turns = [e.get("action") == "move" or "button" in e for e in entries]
    assert [sum(fits(entry, kind) for kind in plain) for entry in entries] == [0 if turn else 1 for turn in turns]


def fits(entry: dict, kind: dict) -> bool:
    """Whether `entry` is of that `kind`, which knows no other words than these."""
    if not set(kind["required"]) <= set(entry) <= set(kind["properties"]):
        return False
    rules = {name: kind["properties"][name] for name in entry}
    assert all(set(rule) <= {"const", "enum"} for rule in rules.values())
    return all(entry[name] in rule.get("enum", [rule.get("const")]) for name, rule in rules.items())
