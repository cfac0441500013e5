"""Policies: frames in, a decision out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from combatvla.policy.base import Policy


def make_policy(name: str) -> Policy:
    """`random`, or the checkpoint of that name (`tiny`) or folder. `UserError` when there is none."""
    if name == "random":
        from combatvla.policy.random import RandomPlayer

        return RandomPlayer()
    from combatvla.policy.local import load_policy

    return load_policy(name)
