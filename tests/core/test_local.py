"""The decision engine: grammar, the same tokens as Hugging Face's generate(), truncation, deadline, caching."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.generate import Generate
from combatvla.actions import Plan
from combatvla.aot import DURATION_TOKENS, decode
from combatvla.policy.base import Frame, Policy
from combatvla.policy.grammar import Grammar
from combatvla.policy.local import load_policy
from combatvla.policy.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def policy(tiny_folder):
    return load_policy(tiny_folder, threads=1)


def frames(pictures, start=0):
    return [Frame(p, start + i) for i, p in enumerate(pictures)]


TOKENIZER = train_tokenizer(["roll away"])


@pytest.mark.parametrize("order", ["action_first", "thought_first"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_the_grammar_allows_decodes(order, data):
    grammar = Grammar(TOKENIZER, 512, order)
    said = []
    for _ in range(200):
        allowed = grammar.allowed(said).tolist()
        if not allowed:
            break
        said.append(allowed[data.draw(st.integers(0, len(allowed) - 1))] if len(said) < 40 else allowed[-1])
    text = TOKENIZER.decode(said).removesuffix("<|im_end|>")
    actions, mark, _ = text.partition("<TRUNC>")
    if order == "action_first":
        assert len(decode(actions + mark).plan.steps) in (1, 2, 3)
    elif said[-1] == grammar.end:
        first = next(i for i, t in enumerate(said) if t in grammar.action_of)
        assert decode(TOKENIZER.decode(said[first:-1]) + "<TRUNC>").plan


def test_same_tokens_as_masked_generate(policy, pictures):
    generate = Generate(policy)
    for pair in (pictures[:2], pictures[2:], pictures[1:3]):
        decision = policy.decide(frames(pair))
        policy.explain_last()
        assert generate(frames(pair), len(policy.said), masked=True) == policy.said
        assert decision.tokens == policy.said.index(policy.grammar.trunc) + 1


def test_what_was_read_ahead_changes_nothing(policy, pictures, monkeypatch):
    policy.reset()
    sequence = frames(pictures)
    whole = [policy.decide(sequence[i : i + 2]).text for i in range(3)]
    rested, reads = [], []
    for at, part in policy.engine._parts.items():
        monkeypatch.setattr(part, "_read", lambda x, at=at, read=part._read: reads.append(at) or read(x))
    for i in range(3):
        rested.append(policy.decide(sequence[i : i + 2]).text)
        policy.rest()
        assert policy.explain_last() is None
    assert rested == whole
    assert reads == [(0, 2), (0, 1), (1, 2), (0, 1), (1, 2), (0, 1)]


def test_decision_is_truncated_parsed_and_timed(policy, pictures):
    assert isinstance(policy, Policy)
    decision = policy.decide(frames(pictures[:2]))
    assert decision.parsed and decision.text.endswith("<TRUNC>") and decision.explanation is None
    assert decision.plan == decode(decision.text).plan
    assert set(decision.timings_ms) == {"preprocess", "vision", "prefill", "decode", "total"}
    explanation = policy.explain_last()
    assert explanation == policy.explain_last()
    assert policy.decide(frames(pictures[:2])).text == decision.text


def test_any_number_and_size_of_frames(policy, pictures):
    one = policy.decide(frames(pictures[:1])).text
    assert one == policy.decide(frames(pictures[[0, 0]])).text  # a missing older frame repeats the oldest
    assert policy.decide(frames(pictures)).text == policy.decide(frames(pictures[2:], 2)).text
    large = np.repeat(np.repeat(pictures[0], 4, 0), 4, 1)
    assert policy.decide([Frame(large, 9)]).text == one
    with pytest.raises(ValueError):
        policy.decide([])


def test_features_of_seen_frames_are_kept_and_never_mixed_up(policy, pictures):
    policy.reset()
    calls = []
    vision = policy.engine.see
    policy.engine.see = lambda x: calls.append(len(x)) or vision(x)
    try:
        sequence = frames(pictures)
        for i in range(3):
            policy.decide(sequence[i : i + 2])
        assert calls == [2, 1, 1]
        other = [Frame(np.zeros_like(pictures[0]), f.t_ns) for f in sequence[:2]]  # same times, other pictures
        policy.decide(other)
        assert calls == [2, 1, 1, 2]
        for i in range(40):
            policy.decide([Frame(pictures[0], 100 + i)])
        assert len(policy._seen) < 5
    finally:
        del policy.engine.see


def test_frames_far_apart_are_seen_once(tiny_folder):
    policy = load_policy(tiny_folder, frames=5)
    seen, see = [], policy.engine.see

    def count(pixels):
        seen.append(len(pixels))
        return see(pixels)

    policy.engine.see = count
    pictures = np.random.default_rng(0).integers(0, 255, (30, 112, 196, 3), dtype=np.uint8)
    taken = [Frame(pixels, i * 100_000_000) for i, pixels in enumerate(pictures)]
    for newest in range(30):  # ten decisions a second, of frames 400 ms apart
        policy.decide(taken[newest % 4 : newest + 1 : 4][-5:])
    assert len(seen) == 30 and seen[20:] == [1] * 10


def test_deadline_gives_the_best_plan_so_far(policy, pictures):
    assert policy.decide(frames(pictures[:2]), deadline_ns=0).plan == Plan.of("wait")
    whole = policy.decide(frames(pictures[:2]), deadline_ns=time.monotonic_ns() + 10**12)
    assert whole.text.endswith("<TRUNC>")
    ids = policy.tokenizer.convert_tokens_to_ids
    said = [ids("<move_left>"), ids("<dodge>"), ids("<t500>"), ids("<then>"), ids("<heal>")]
    plan = policy.grammar.plan_so_far(said)
    assert [(sorted(s.actions), s.duration_ms) for s in plan.steps] == [(["dodge", "move_left"], 500), (["heal"], 100)]
    assert DURATION_TOKENS[6] == "<t400>"
