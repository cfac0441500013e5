"""What a model may say, and what it may not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from combatvla.actions import Action, Plan, Step
from combatvla.aot import AOT_TOKENS, AoT, decode, encode
from tracker.annotate.answers import LONGEST, Cache, InvalidAnswer, sentences

ROLL = Plan((Step.of("move_back", "dodge"), Step.of("light_attack")))
GOOD = ["The slam comes down, so roll back out of its reach.", "It is open for 0.5 s now, so punish it."]


def answer(*steps: str) -> str:
    return json.dumps({"steps": steps})


@pytest.mark.parametrize(
    "text",
    [
        answer(*GOOD),
        f"```json\n{answer(*GOOD)}\n```",
        f"Here you are: {answer(*GOOD)}",
        json.dumps({"steps": [f"  {GOOD[0]} ", GOOD[1]], "sure": True}),
    ],
)
def test_a_good_answer_is_taken(text):
    assert sentences(text, ROLL) == tuple(GOOD)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Der Schlag kommt, also weg von ihm.", "Er ist offen: jetzt zuschlagen!"),
        ("敌人挥棒，向后翻滚躲开。", "敌人露出破绽，趁机攻击。"),
        ("Its block is down (health e.g. half), so I roll.", "I strike before it can block."),
    ],
)
def test_any_language_will_do(one, other):
    assert sentences(answer(one, other), ROLL) == (one, other)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON object"),
        ("I think it rolls.", "no JSON object"),
        ("} {", "no JSON object"),
        ("{" * 5000 + "}", "no JSON object {"),
        ('{"steps": "roll"}', "no JSON object {"),
        ('{"steps": [1, 2]}', "no JSON object {"),
        ('{"why": []}', "no JSON object {"),
        ('["steps"]', "no JSON object"),
        (answer(GOOD[0]), "not one sentence a step"),
        (answer(*GOOD, GOOD[0]), "not one sentence a step"),
        (answer("", GOOD[1]), "too short"),
        (answer("so", GOOD[1]), "too short"),
        (answer("a " * LONGEST, GOOD[1]), "too long"),
        (answer("Roll\naway from it", GOOD[1]), "control characters"),
        (answer("Roll \u202eaway from it", GOOD[1]), "control characters"),
        (answer("Roll \u0000 away", GOOD[1]), "control characters"),
        (answer("Roll <b>away</b> from it", GOOD[1]), "markup or tokens"),
        (answer("Roll **away** from it", GOOD[1]), "markup or tokens"),
        (answer("See https://example.com", GOOD[1]), "markup or tokens"),
        (answer("- roll away from it", GOOD[1]), "markup or tokens"),
        (answer("12345.", GOOD[1]), "no words"),
        (answer("The slam comes. Roll away.", GOOD[1]), "more than one sentence"),
        (answer("敌人挥棒。向后翻滚。", GOOD[1]), "more than one sentence"),
        (answer("Time to heal before it comes.", GOOD[1]), "names another action"),
        (answer(GOOD[0], "A good moment to dodge."), "names another action"),
    ],
)
def test_a_bad_answer_is_refused(text, why):
    with pytest.raises(InvalidAnswer) as caught:
        sentences(text, ROLL)
    assert why in str(caught.value)


@pytest.mark.parametrize("token", [*AOT_TOKENS, "<|im_end|>", "<|vision_start|>"])
def test_no_token_of_the_grammar_gets_through(token):
    with pytest.raises(InvalidAnswer, match="markup or tokens"):
        sentences(answer(f"It comes {token} so roll.", GOOD[1]), ROLL)


@pytest.mark.parametrize("action", list(Action))
def test_the_actions_own_name_is_no_contradiction(action):
    said = f"Now is the time to {action.value.replace('_', ' ')}."
    assert sentences(answer(said), Plan.of(action)) == (said,)
    other = Action.HEAL if action is not Action.HEAL else Action.BLOCK
    with pytest.raises(InvalidAnswer, match="another action"):
        sentences(answer(said), Plan.of(other))


@given(st.text(max_size=300) | st.lists(st.text(max_size=80), max_size=4).map(lambda s: json.dumps({"steps": s})))
def test_whatever_is_said_is_refused_or_round_trips(text):
    try:
        steps = sentences(text, ROLL)
    except InvalidAnswer:
        return
    for dialect in ("compact", "json"):
        for order in ("action_first", "thought_first"):
            aot = AoT(ROLL, steps)
            assert decode(encode(aot, dialect, order), dialect, order) == aot


def test_the_cache_keeps_texts_by_what_was_asked(tmp_path):
    cache, request = Cache(tmp_path / "answers"), {"model": "m", "messages": ["hello"]}
    key = cache.key("http://127.0.0.1/v1", request)
    assert key == cache.key("http://127.0.0.1/v1", dict(reversed(request.items())))
    assert len({key, cache.key("https://other/v1", request), cache.key("http://127.0.0.1/v1", {"model": "n"})}) == 3
    assert cache.get(key) is None
    cache.put(key, "äöü \ud800")
    assert cache.get(key) == "äöü ?"
    (file,) = (tmp_path / "answers").rglob("*.*")
    file.write_bytes(b"\xff broken")
    assert cache.get(key) is None
    file.write_bytes(b"a" * (2 << 20))
    assert cache.get(key) is None
