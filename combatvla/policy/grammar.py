"""What a model may say next: the compact AoT grammar over token ids. What it forbids cannot be said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from combatvla.actions import DURATIONS_MS, MAX_STEPS, OPPOSITES, TAP_MS, WAIT_PLAN, Action, Plan, Step
from combatvla.aot import ACTION_TOKENS, AOT_TOKENS, CAMERA_TOKENS, DURATION_TOKENS, THEN, TRUNC, Order
from combatvla.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_TOKENS = 64
"""Longest decision, and longest explanation, in tokens."""
_OPPOSITE = {a: b for pair in OPPOSITES for a in pair for b in pair - {a}}


class Choices(NamedTuple):
    ids: torch.Tensor
    """`int64[n]`"""
    places: torch.Tensor | None
    """`int64[n]`: where they stand among the AoT tokens (`Grammar.aot`); None when others are among them."""


class Grammar:
    """Which tokens may follow those generated so far; of the actions for the camera those in `camera`. `UserError` when
    the tokenizer lacks an AoT token."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        vocabulary: int,
        order: Order = "action_first",
        camera: Collection[Action] = (),
    ):
        self.order = order
        tokens = (*AOT_TOKENS, *(token for a, token in CAMERA_TOKENS.items() if a in camera))
        ids = {t: tokenizer.convert_tokens_to_ids(t) for t in tokens}
        if missing := [t for t, i in ids.items() if i is None or i == tokenizer.unk_token_id]:
            raise UserError(
                f"the checkpoint's tokenizer has no token {missing[0]}: expected one that combatvla trained"
            )
        self.trunc, self.then, self.end = ids[TRUNC], ids[THEN], tokenizer.eos_token_id
        self.action_of = {i: Action(t[1:-1]) for t, i in ids.items() if t in (*ACTION_TOKENS, *CAMERA_TOKENS.values())}
        self.id_of = {a: i for i, a in self.action_of.items()}
        self.durations = [ids[t] for t in DURATION_TOKENS]
        special = {*ids.values(), *tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        self.words = [i for i in range(min(len(tokenizer), vocabulary)) if i not in special]
        self.aot = list(ids.values())
        """The ids of the AoT tokens."""
        self._cache: dict[object, Choices] = {}

    def allowed(self, generated: Sequence[int]) -> torch.Tensor:
        """`int64[n]`: the ids that may come next; empty when the text is complete."""
        return self.choices(generated).ids

    def choices(self, generated: Sequence[int]) -> Choices:
        """What may come next; nothing when the text is complete."""
        if self.order == "action_first":
            if self.trunc in generated:
                at = list(generated).index(self.trunc)
                return self._thought(generated[at + 1 :], list(generated[:at]).count(self.then))
            return self._steps(generated, self.trunc)
        first = next((k for k, t in enumerate(generated) if t in self.action_of), None)
        if first is not None:
            return self._steps(generated[first:], self.end)
        begin = list(self.action_of)
        extra = [self.then] if generated and generated[-1] != self.then else []
        return self._cached(("words", *begin, *extra), lambda: [*self.words, *begin, *extra])

    def plan_so_far(self, said: Sequence[int]) -> Plan:
        """The plan in an unfinished text: completed steps stand, one without a duration is a tap, nothing a `wait`."""
        steps, held = [], []
        for token in said:
            if token in self.action_of:
                held.append(self.action_of[token])
            elif token in self.durations and held:
                steps.append(Step.of(*held, ms=DURATIONS_MS[self.durations.index(token)]))
                held = []
        if held:
            steps.append(Step.of(*held, ms=TAP_MS))
        return Plan(tuple(steps)) if steps else WAIT_PLAN

    def _steps(self, generated: Sequence[int], stop: int) -> Choices:
        """Inside the steps, which end with `stop`."""
        if generated and generated[-1] == stop:
            return self._cached("complete", list)
        steps, held = 1, []
        for token in generated:
            if token == self.then:
                steps, held = steps + 1, []
            elif token in self.action_of:
                held.append(self.action_of[token])
        if generated and generated[-1] in self.durations:
            return self._cached(("after", steps < MAX_STEPS), lambda: [self.then] * (steps < MAX_STEPS) + [stop])
        if not held:
            return self._cached("first", lambda: list(self.action_of))

        def more() -> list[int]:
            joined = [a for a in self.id_of if a is not Action.WAIT]  # in the order in which they are written
            later = [] if Action.WAIT in held else joined[joined.index(held[-1]) + 1 :]
            return [*(self.id_of[a] for a in later if _OPPOSITE.get(a) not in held), *self.durations]

        return self._cached(("held", *held), more)

    def _thought(self, generated: Sequence[int], thens: int) -> Choices:
        """Inside the explanations that follow `<TRUNC>`: one a step."""
        if generated and generated[-1] == self.end:
            return self._cached("complete", list)
        if not generated:  # none at all is allowed
            return self._cached("thought", lambda: [*self.words, self.end])
        if generated[-1] == self.then:
            return self._cached("word", lambda: self.words)
        after = self.then if list(generated).count(self.then) < thens else self.end
        return self._cached(("thought", after), lambda: [*self.words, after])

    def _cached(self, key: object, make: Callable[[], Sequence[int]]) -> Choices:
        if key not in self._cache:
            ids = list(make())
            known = set(ids) <= set(self.aot)
            places = torch.tensor([self.aot.index(i) for i in ids], dtype=torch.int64) if known else None
            self._cache[key] = Choices(torch.tensor(ids, dtype=torch.int64), places)
        return self._cache[key]
