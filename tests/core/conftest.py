"""A tiny model of random weights, saved and loaded once for the tests that need one."""

import numpy as np
import pytest

PROMPT = "Defeat the enemy. Which action comes next?"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """Folder of an XS policy of two frames a decision, bf16 on disk."""
    from combatvla.policy.build import build_model
    from combatvla.policy.checkpoint import PolicyInfo, save_checkpoint
    from combatvla.policy.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("policy") / "tiny"
    tokenizer = train_tokenizer([PROMPT, "slam comes soon, near; health low: roll back."])
    save_checkpoint(
        folder, build_model("XS", tokenizer, seed=3), tokenizer, PolicyInfo(prompt=PROMPT, frames_per_decision=2)
    )
    return folder


@pytest.fixture
def pictures():
    """`uint8[4, 112, 196, 3]`"""
    return np.random.default_rng(0).integers(0, 256, (4, 112, 196, 3), dtype=np.uint8)
