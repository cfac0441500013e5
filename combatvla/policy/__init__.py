"""Policies: frames in, a decision out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from combatvla.policy.base import Policy


def make_policy(name: str) -> Policy:
    """The policy of that name: `random`; a checkpoint (`tiny` or a folder), played by our own engine or, as
    `vllm:FOLDER`, by vLLM; or `openai:URL#MODEL`, played by a server (docs/policies.md). `UserError` when there is
    none."""
    kind, colon, rest = name.partition(":")
    if name == "random":
        from combatvla.policy.random import RandomPlayer

        return RandomPlayer()
    if colon and kind == "openai":
        from combatvla.policy.openai import load_openai

        return load_openai(rest)
    if colon and kind == "vllm":
        from combatvla.policy.vllm import load_vllm

        return load_vllm(rest)
    from combatvla.policy.local import load_policy

    return load_policy(name)
