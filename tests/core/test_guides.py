"""The grammar in its other forms says the same as the codec."""

import json
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from combatvla.actions import DURATIONS_MS, HELD_ACTIONS, Action, Plan, Step
from combatvla.aot import ACTION_TOKENS, DURATION_TOKENS, THEN, AoT, AoTError, decode, encode
from combatvla.policy.grammar import Grammar
from combatvla.policy.guides import actions_schema, steps_regex
from combatvla.policy.tokenizer import train_tokenizer

STEPS = re.compile(steps_regex())
GRAMMAR = Grammar(train_tokenizer(["roll away"]), 512)


@given(st.lists(st.sampled_from([*ACTION_TOKENS, *DURATION_TOKENS[:2], THEN]), max_size=9).map("".join))
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
    assert bool(STEPS.fullmatch(text)) == plan


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_the_local_grammar_says_the_regex_takes(data):
    said = []
    while GRAMMAR.trunc not in said:
        said.append(data.draw(st.sampled_from(GRAMMAR.allowed(said).tolist())))
    ids = {**{i: f"<{a}>" for i, a in GRAMMAR.action_of.items()}, GRAMMAR.then: THEN}
    ids |= dict(zip(GRAMMAR.durations, DURATION_TOKENS, strict=True))
    assert STEPS.fullmatch("".join(ids[i] for i in said[:-1]))


PARTS = st.sets(st.sampled_from([a for a in HELD_ACTIONS if a not in ("move_back", "move_right")]), min_size=1)
STEP = st.builds(
    lambda held, ms: Step(frozenset(held), ms), PARTS | st.just({Action.WAIT}), st.sampled_from(DURATIONS_MS)
)


@given(st.lists(STEP, min_size=1, max_size=3))
def test_the_schema_takes_what_the_codec_writes(steps):
    entries = json.loads(encode(AoT(Plan(tuple(steps))), "json").removesuffix("<TRUNC>"))["actions"]
    schema = actions_schema()["properties"]["actions"]
    assert len(entries) <= schema["maxItems"]
    assert all(sum(fits(entry, kind) for kind in schema["items"]["anyOf"]) == 1 for entry in entries)


def fits(entry: dict, kind: dict) -> bool:
    """Whether `entry` is of that `kind`, which knows no other words than these."""
    if not set(kind["required"]) <= set(entry) <= set(kind["properties"]):
        return False
    rules = {name: kind["properties"][name] for name in entry}
    assert all(set(rule) <= {"const", "enum"} for rule in rules.values())
    return all(entry[name] in rule.get("enum", [rule.get("const")]) for name, rule in rules.items())
