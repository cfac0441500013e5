"""Decisions are those of `generate()`, and the bench that times both."""

from __future__ import annotations

import json

import pytest

from benchmark.generate import Generate
from benchmark.latency import windows
from combatvla.cli import run
from combatvla.policy.local import load_policy

KEYS = (
    *("decision_ms_p50", "decision_ms_p95", "speedup_vs_full_generate", "speedup_vs_truncated_generate"),
    *("speedup_vs_five_calls", "speedup_vs_ten_calls", "tokens_per_decision"),
)


def same_as_generate(count: int, frames: int) -> None:
    """Plays on as in a fight, frames seen before and read ahead included."""
    policy = load_policy("tiny", frames=frames)
    generate = Generate(policy)
    texts = set()
    for window in windows(count, frames):
        decision = policy.decide(window)
        assert generate(window, decision.tokens, masked=True) == policy.said
        texts.add(decision.text)
        policy.rest()
    assert len(texts) > 4, "it says different things"


def test_it_decides_as_masked_generate_does():
    same_as_generate(40, 4)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 4])
def test_it_decides_as_masked_generate_does_on_a_thousand_windows(frames):
    same_as_generate(1000, frames)


def test_the_command_tells_all(capsys):
    assert run(["bench", "latency", "--windows", "4", "--live", "0", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert all(figures[key] > 0 for key in KEYS) and figures["frames"] == 4
    assert figures["ten_calls_ms_p50"] > figures["five_calls_ms_p50"] > figures["full_generate_ms_p50"]


def test_a_published_shape_with_random_weights(capsys):
    argv = ["--shape", "small", "--size", "224x168", "--frames", "3", "--windows", "2", "--live", "0", "--json"]
    assert run(["bench", "latency", *argv]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == 3
