"""The AoT codec: exact round trips, and nothing but `AoTError` for hostile text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import CAMERA_ACTIONS, DURATIONS_MS, HELD_ACTIONS, OPPOSITES, Action, Plan, Step
from combatvla.aot import (
    AOT_TOKENS,
    TRUNC,
    AoT,
    AoTError,
    ParseCounts,
    camera_in,
    decode,
    decode_or_wait,
    encode,
)

WAYS = [(d, o) for d in ("compact", "json") for o in ("action_first", "thought_first")]

held = st.frozensets(st.sampled_from((*HELD_ACTIONS, *CAMERA_ACTIONS)), min_size=1).filter(
    lambda s: not any(p <= s for p in OPPOSITES)
)
steps = st.builds(Step, held | st.just(frozenset({Action.WAIT})), st.sampled_from(DURATIONS_MS))
words = st.text(st.characters(exclude_characters="<>"), min_size=1).map(str.strip).filter(bool)


@st.composite
def aots(draw):
    plan = Plan(tuple(draw(st.lists(steps, min_size=1, max_size=3))))
    n = len(plan.steps)
    return AoT(plan, tuple(draw(st.just([]) | st.lists(words, min_size=n, max_size=n))))


@pytest.mark.parametrize(("dialect", "order"), WAYS)
@given(aot=aots())
@settings(max_examples=60, deadline=None)
def test_round_trip_is_exact(dialect, order, aot):
    assert decode(encode(aot, dialect, order), dialect, order) == aot


@pytest.mark.parametrize(("dialect", "order"), WAYS)
@given(text=st.text() | st.lists(st.sampled_from([*AOT_TOKENS, "[", "{", '{"actions":', "]}", "x"])).map("".join))
@settings(max_examples=80, deadline=None)
def test_any_text_decodes_or_raises_aot_error_only(dialect, order, text):
    try:
        aot = decode(text, dialect, order)
    except AoTError:
        return
    assert decode(encode(aot, dialect, order), dialect, order) == aot


@st.composite
def nearly_aot(draw):
    """What `encode` wrote, with a few places changed: closer to the grammar than any text drawn at random."""
    dialect, order = draw(st.sampled_from(WAYS))
    text = encode(draw(aots()), dialect, order)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 4))
        put = draw(
            st.just("") | st.text(max_size=3) | st.sampled_from([*AOT_TOKENS, '"', ",", "{", "}", "[", "]", "0"])
        )
        text = text[:at] + put + text[at + cut :]
    return dialect, order, text


@given(nearly_aot())
@settings(max_examples=300, deadline=None)
def test_nearly_right_text_decodes_or_raises_aot_error_only(drawn):
    dialect, order, text = drawn
    try:
        aot = decode(text, dialect, order)
    except AoTError as error:
        assert str(error) and len(str(error)) < 500
        return
    assert decode(encode(aot, dialect, order), dialect, order) == aot
    if dialect == "compact":
        assert encode(aot, dialect, order) == text, "one meaning has one text"


@pytest.mark.parametrize(("dialect", "order"), WAYS)
@given(data=st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_bytes_become_a_plan_or_wait(dialect, order, data):
    """As a text of one character a byte, as the text that a server makes of them, and as they are."""
    for text in (data.decode("latin-1"), data.decode("utf-8", "replace"), data.decode("utf-8", "surrogateescape")):
        aot, parsed = decode_or_wait(text, dialect, order)
        assert parsed or aot.plan == Plan.of("wait")
    assert decode_or_wait(data, dialect, order)[1] is False


@given(aots(), aots())
@settings(max_examples=100, deadline=None)
def test_all_ways_tell_the_same_and_different_things_differently(one, other):
    texts = [encode(one, dialect, order) for dialect, order in WAYS]
    assert {decode(text, *way) for text, way in zip(texts, WAYS, strict=True)} == {one}
    assert all((encode(other, *way) == text) == (other == one) for text, way in zip(texts, WAYS, strict=True))


@given(aots(), st.sampled_from(["compact", "json"]))
@settings(max_examples=100, deadline=None)
def test_what_stands_before_trunc_is_the_whole_decision(aot, dialect):
    """Truncated inference: the model is stopped there."""
    text = encode(aot, dialect, "action_first")
    assert decode(text[: text.index(TRUNC) + len(TRUNC)], dialect) == AoT(aot.plan)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["type", "action", "key", "duration", "with"]), inner)
    ),
)


@given(value=json_values)
@settings(max_examples=80, deadline=None)
def test_any_json_decodes_or_raises_aot_error_only(value):
    for text in (json.dumps(value), json.dumps({"actions": value}), json.dumps({"actions": [value]})):
        for order in ("action_first", "thought_first"):
            decode_or_wait(text + "<TRUNC>", "json", order)
            decode_or_wait(text, "json", order)


HOSTILE_JSON = [
    "[" * 8000 + "]" * 8000,
    '{"actions":' + "[" * 8000,
    '{"actions":[{"type":"wait","duration":NaN}]}',
    '{"actions":[{"type":"wait","duration":Infinity}]}',
    '{"actions":[{"type":"wait","duration":1e999}]}',
    '{"actions":[{"type":"wait","duration":' + "9" * 5000 + "}]}",
    '{"actions":[{"type":"wait","duration":true}]}',
    '{"actions":[{"type":"wait","duration":0.1,"duration":0.2}]}',
    '{"actions":[],"actions":[{"type":"wait","duration":0.1}]}',
    '{"actions":[]}',
    '{"actions":[{"type":"keyboard","action":"press","key":["w"]}]}',
    '{"actions":[{"type":"keyboard","action":"press","key":"delete"}]}',
    '{"actions":[{"type":"keyboard","action":"press","key":"w","cmd":"rm"}]}',
    '{"actions":[{"type":"mouse","action":"press","with":true}]}',
    '{"actions":[{"type":"wait","duration":0.1,"with":1}]}',
    '{"actions":[{"type":"mouse","action":"move","duration":0.1}]}',
    '{"actions":[{"type":"mouse","action":"move","direction":["left"],"duration":0.1}]}',
    '{"actions":[{"type":"mouse","action":"move","direction":"left"}]}',
    '{"actions":[{"type":"mouse","action":"move","dx":90,"duration":0.1}]}',
    '{"actions":[{"type":"mouse","action":"press","button":"left"}]}',
    '{"actions":[{"type":"mouse","action":"hold","button":"middle"}]}',
    '{"actions":[' + ",".join(['{"type":"wait","duration":0.1}'] * 4) + "]}",
    '{"actions":[{"type":"keyboard","action":"press","key":"w"},{"type":"keyboard","action":"press","key":"s","with":true}]}',
    "__import__('os').system('true')",
    "\x00\ud800",
]


@pytest.mark.parametrize("text", HOSTILE_JSON, ids=range(len(HOSTILE_JSON)))
def test_hostile_json_raises_aot_error(text):
    for tail in ("", "<TRUNC>", '<TRUNC>{"explanations":"x"}', "<TRUNC>[]"):
        for order in ("action_first", "thought_first"):
            with pytest.raises(AoTError):
                decode(text + tail, "json", order)


HOSTILE_COMPACT = [
    "",
    "<TRUNC>",
    "<dodge><TRUNC>",
    "<t100><TRUNC>",
    "<dodge><t100>",  # no <TRUNC> in action_first
    "<dodge><t101><TRUNC>",
    "<dodge><dodge><t100><TRUNC>",
    "<light_attack><dodge><t100><TRUNC>",  # not in vocabulary order
    "<wait><dodge><t100><TRUNC>",
    "<move_forward><move_back><t100><TRUNC>",
    "<dodge> <t100><TRUNC>",
    "<fly><t100><TRUNC>",
    "<look_left><look_right><t100><TRUNC>",
    "<lock_on><look_left><t100><TRUNC>",
    "<look_left><dodge><t100><TRUNC>",
    "<then>".join(["<wait><t100>"] * 4) + "<TRUNC>",
    "<dodge><t100><TRUNC>one<then>two",  # more explanations than steps
    "<dodge><t100><TRUNC>one<TRUNC>",
    "<dodge><t100><TRUNC> one",
    "<dodge><t100><TRUNC>" + "x" * 20_000,
    None,
    b"<dodge><t100><TRUNC>",
]


@pytest.mark.parametrize("text", HOSTILE_COMPACT, ids=range(len(HOSTILE_COMPACT)))
def test_hostile_compact_raises_aot_error(text):
    with pytest.raises(AoTError):
        decode(text)


def test_wire_forms_are_those_of_the_docs():
    aot = AoT(
        Plan((Step.of("move_back", "dodge", ms=200), Step.of("light_attack"), Step.of("heavy_attack", ms=1000))),
        ("roll away", "punish", "and more"),
    )
    assert encode(aot) == (
        "<move_back><dodge><t200><then><light_attack><t100><then><heavy_attack><t1000>"
        "<TRUNC>roll away<then>punish<then>and more"
    )
    assert encode(aot, order="thought_first").startswith("roll away<then>punish<then>and more<move_back>")
    actions, explanations = encode(aot, "json").split("<TRUNC>")
    assert json.loads(actions) == {
        "actions": [
            {"type": "keyboard", "action": "hold", "key": "s", "duration": 0.2},
            {"type": "keyboard", "action": "hold", "key": "space", "duration": 0.2, "with": True},
            {"type": "mouse", "action": "press"},
            {"type": "mouse", "action": "hold", "duration": 1.0},
        ]
    }
    assert json.loads(explanations) == {"explanations": ["roll away", "punish", "and more"]}
    turn = AoT(Plan((Step.of("move_forward", "look_left", "lock_on"), Step.of("lock_on", ms=200))))
    assert encode(turn) == "<move_forward><look_left><lock_on><t100><then><lock_on><t200><TRUNC>"
    assert json.loads(encode(turn, "json").removesuffix("<TRUNC>"))["actions"] == [
        {"type": "keyboard", "action": "press", "key": "w"},
        {"type": "mouse", "action": "move", "direction": "left", "duration": 0.1, "with": True},
        {"type": "mouse", "action": "press", "button": "middle", "with": True},
        {"type": "mouse", "action": "hold", "button": "middle", "duration": 0.2},
    ]
    assert encode(AoT(Plan.of("wait", ms=500)), "json") == '{"actions":[{"type":"wait","duration":0.5}]}<TRUNC>'


def test_what_does_not_parse_becomes_wait_and_is_counted():
    counts = ParseCounts()
    assert decode_or_wait("<dodge><t200><TRUNC>", counts=counts) == (AoT(Plan.of("dodge", ms=200)), True)
    aot, parsed = decode_or_wait("I would dodge", counts=counts)
    assert (aot.plan, parsed) == (Plan.of("wait"), False)
    assert (counts.parsed, counts.failed) == (1, 1)
    assert "<TRUNC>" in counts.last_error


@pytest.mark.parametrize("explanations", [("a", "b"), ("",), (" a",), ("a<b",)])
def test_bad_explanations_are_refused(explanations):
    with pytest.raises(ValueError):
        AoT(Plan.of("dodge"), explanations)


def test_camera_actions_are_found_in_texts():
    assert camera_in(["system", "<dodge><t100><TRUNC>", "look left"]) == ()
    assert camera_in(["<lock_on><t100>", "<move_back><look_up><t100>"]) == (Action.LOOK_UP, Action.LOCK_ON)
