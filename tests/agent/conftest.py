"""Scripted policies, and what the X server holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from Xlib import X

from combatvla.actions import WAIT_PLAN, Plan
from combatvla.desktop.x11 import connect, key_code
from combatvla.policy.base import Decision, Frame


class Scripted:
    """Plays the given plans in order, then waits; thinks `think_s` for each."""

    name = "scripted"
    needs_truth = False

    def __init__(self, *plans: Plan, think_s: float = 0.0, frames_per_decision: int = 1) -> None:
        self.plans, self.think_s, self.frames_per_decision = list(plans), think_s, frames_per_decision
        self.seen: list[list[Frame]] = []

    def reset(self, seed: int | None = None) -> None:
        self.seen.clear()

    def decide(self, frames: Sequence[Frame], *, deadline_ns=None, truth=None) -> Decision:
        assert truth is None, "a policy in a window must not be told the truth"
        time.sleep(self.think_s)
        self.seen.append(list(frames))
        turn = len(self.seen) - 1
        return Decision(self.plans[turn] if turn < len(self.plans) else WAIT_PLAN)


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def down(display, arena) -> Iterator[Callable[[], int]]:
    """How many of the Arena's keys and of the buttons the X server holds; none before and after a test."""
    x = connect()
    codes = [key_code(x, k) for k in arena.keys.values() if not k.startswith("mouse")]

    def count() -> int:
        keys, mask = x.query_keymap(), x.screen().root.query_pointer().mask
        buttons = sum(bool(mask & m) for m in (X.Button1Mask, X.Button2Mask, X.Button3Mask))
        return sum(bool(keys[c // 8] & 1 << c % 8) for c in codes) + buttons

    assert count() == 0, "an earlier test left input held"
    yield count
    assert count() == 0, "input was left held"
    x.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.005)

    return wait
