"""Policies: frames in, a decision out. `load_policy("tiny" | folder)`; torch is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from combatvla.policy.local import LocalPolicy


def load_policy(name_or_path: str | Path, *, threads: int = 1, explain: bool = False) -> LocalPolicy:
    """See `combatvla.policy.local.load_policy`."""
    from combatvla.policy import local

    return local.load_policy(name_or_path, threads=threads, explain=explain)
