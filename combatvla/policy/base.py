"""What a policy is: frames in, a decision out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from combatvla.actions import Plan


class Frame(NamedTuple):
    """One captured picture."""

    pixels: np.ndarray
    """`uint8[H, W, 3]`, RGB."""
    t_ns: int
    """`time.monotonic_ns()` of the capture."""

    def same(self, other: Frame) -> bool:
        """Whether it is that very picture, without comparing pixels."""
        return self.t_ns == other.t_ns and self.pixels is other.pixels


def last_frames(frames: Sequence[Frame], count: int) -> list[Frame]:
    """The last `count` of `frames`; missing ones repeat the oldest. `ValueError` without any."""
    if not frames:
        raise ValueError("a decision needs at least one frame")
    return [frames[0]] * (count - len(frames)) + list(frames[-count:])


@dataclass(slots=True)
class Decision:
    """What a policy wants done, and how it came to it."""

    plan: Plan
    explanation: str | None = None
    text: str = ""
    """The raw text of the model, special tokens included; empty for players without a model."""
    tokens: int = 0
    """Tokens generated until the decision stood."""
    parsed: bool = True
    """False when the text did not parse and `plan` is the `wait` that stands in for it."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds by stage: `preprocess`, `vision`, `prefill`, `decode`, and `total`."""


@runtime_checkable
class Policy(Protocol):
    """Anything that plays: the model, the random player, the Arena's reference players."""

    name: str
    frames_per_decision: int
    """How many frames, oldest first, `decide` wants at most; fewer come at the start of an episode."""
    needs_truth: bool
    """True for reference players, which read the game's true state instead of its pixels."""

    def reset(self, seed: int | None = None) -> None:
        """Forgets the last episode."""

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        """Decides from `frames` (oldest first). After `deadline_ns` (monotonic) it returns the best plan so far."""
