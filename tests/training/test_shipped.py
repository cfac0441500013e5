"""The policy that ships: it sees, on pictures of fights that it was not trained on; and its folder is as promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from combatvla.aot import decode
from combatvla.policy.base import Frame
from combatvla.policy.local import load_policy
from tracker.dataset import decode_png
from training.sft import simulate

FIRST_SEED = 990_000
"""Far from the seeds of `runs/tiny.sh`, below those held out for measuring."""


@pytest.fixture(scope="module")
def policy():
    return load_policy("tiny")


def test_it_decides_as_the_oracle_does_on_new_pictures(policy):
    rows = list(simulate.answers(simulate.Args(out=Path("unused"), rows=120, first_seed=FIRST_SEED)))
    told = [decode(row.messages[1].content[0].text) for row in rows]
    own = [policy.decide([Frame(decode_png(row.images[0]), i)]) for i, row in enumerate(rows)]
    assert all(decision.parsed for decision in own)
    waits = sum(aot.plan.steps[0].held == frozenset() for aot in told) / len(told)
    right = sum(decision.plan == aot.plan for decision, aot in zip(own, told, strict=True)) / len(told)
    assert waits < 0.6, "always waiting would score that"
    assert right >= 0.85, f"{right:.0%} of the decisions are the oracle's"


def test_it_says_why(policy):
    (row,) = simulate.answers(simulate.Args(out=Path("unused"), rows=1, first_seed=FIRST_SEED + 5))
    policy.decide([Frame(decode_png(row.images[0]), 0)])
    thought = policy.explain_last()
    assert thought and "health" in thought and thought.endswith(".")


def test_its_folder_is_small_and_without_pickles():
    import combatvla

    folder = Path(combatvla.__file__).parent / "checkpoints" / "tiny"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 32e6
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".jinja", ".md", ".safetensors"}
