"""Rows to training batches: pictures decoded once into memory, text to token ids, several turns in one sequence.

A sequence is a *prefix* (system message and the pictures) and *branches*: one a supervised turn (a question or the
decision). Each branch sees the prefix and itself, never another branch, and its positions go on from the prefix: it is
trained exactly as if it had been asked alone, but all branches share one pass over the pictures. (Were they a
conversation, a decision could be read off the answers before it, and nothing would be learnt from the pixels.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from combatvla.aot import AoT, AoTError, Dialect, Order, decode, encode
from combatvla.errors import UserError
from combatvla.policy.net import text_positions
from combatvla.policy.tokenizer import prefix_ids, question
from combatvla.vision import FrameSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ACTION, EXPLANATION, ANSWER = 1, 2, 3
"""Kinds of supervised tokens; 0 is not supervised."""


@dataclass(slots=True)
class Branch:
    """One turn as tokens."""

    user: str
    answer: str
    ids: np.ndarray
    """`int64[T]`: the user's text, the assistant's text, end of turn."""
    kinds: np.ndarray
    """`int8[T]`: the kind of each token as a target; 0 in the user's part."""
    decision: bool


@dataclass(slots=True)
class Samples:
    """A data set in memory."""

    frames: np.ndarray
    """`uint8[N, K, H, W, 3]`"""
    branches: list[list[Branch]]
    """The turns of each sample; the decision comes first, if there is one."""
    prefix: np.ndarray
    """`int64[P]`: what stands before every branch, image tokens included."""
    sessions: list[str]
    """The fight or recording that each sample was cut from, "" where it is not known."""
    user_prompt: str
    system: str | None
    spec: FrameSpec

    def __len__(self) -> int:
        return len(self.frames)


def texts(rows: Iterable[Any]) -> Iterable[str]:
    """All text of `rows`, for training a tokenizer."""
    for row in rows:
        for message in row.messages:
            yield message.role
            yield from (part.text for part in message.content if part.text)


def load_samples(
    rows: Sequence[Any],
    tokenizer: PreTrainedTokenizerBase,
    spec: FrameSpec,
    *,
    order: Order,
    dialect: Dialect = "compact",
    frames_per_decision: int,
) -> Samples:
    """Decodes and tokenizes `rows` (`tracker.dataset.Row`). Missing older frames repeat the oldest there is.

    `UserError` for rows without pictures, of another size, with different system messages, or without an answer.
    """
    from tracker.dataset import decode_png

    if not rows:
        raise UserError("the data set has no rows: make some with `combatvla env data` or `combatvla tracker export`")
    frames = np.empty((len(rows), frames_per_decision, spec.height, spec.width, 3), np.uint8)
    branches: list[list[Branch]] = []
    systems: set[str | None] = set()
    prompts: dict[str, int] = {}
    cache: dict[tuple[str, str], Branch] = {}
    for i, row in enumerate(rows):
        try:
            pictures = [decode_png(png) for png in row.images[-frames_per_decision:]]
        except ValueError as error:
            raise UserError(f"row {i} has a broken picture: {error}; make the data set anew") from error
        if not pictures:
            raise UserError(f"row {i} has no pictures: expected rows of frames and turns")
        if bad := [p.shape for p in pictures if p.shape != frames.shape[2:]]:
            raise UserError(
                f"row {i} has a picture of {bad[0][1]}x{bad[0][0]}: "
                f"expected {spec.width}x{spec.height}, as FrameSpec.prepare makes"
            )
        frames[i] = [pictures[0]] * (frames_per_decision - len(pictures)) + pictures
        system, turns = _turns(row)
        systems.add(system)
        own = []
        for user, answer in turns:
            branch = cache.get((user, answer))
            if branch is None:
                branch = cache[user, answer] = _branch(tokenizer, user, answer, order, dialect)
            if branch.decision:
                prompts[user] = prompts.get(user, 0) + 1
            own.append(branch)
        if not own:
            raise UserError(f"row {i} has no assistant message: there is nothing to learn from it")
        branches.append(sorted(own, key=lambda b: not b.decision))
    if len(systems) > 1:
        raise UserError(f"expected one system message in all rows, got {len(systems)}")
    system = systems.pop()
    prefix = prefix_ids(tokenizer, system, spec.tokens, frames_per_decision)
    prompt = max(prompts, key=prompts.__getitem__) if prompts else ""
    sessions = [row.session for row in rows]
    return Samples(frames, branches, np.array(prefix), sessions, prompt, system, spec)


def split(sessions: Sequence[str], held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to measure on, both shuffled. Whole sessions are held out (neighbouring frames are almost
    the same picture), at least `held_out` rows of them but at most a fifth of all; rows of no session stand alone."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = {}
    for i, session in enumerate(sessions):
        groups.setdefault(session or f"row {i}", []).append(i)
    held: list[int] = []
    names = list(groups)
    for k in rng.permutation(len(names)):
        group = groups[names[k]]
        if len(held) >= held_out:
            break
        if len(held) + len(group) <= len(sessions) // 5:
            held += group
    if not held:  # one session, or a few large ones: its end
        held = list(range(len(sessions) - min(held_out, len(sessions) // 20), len(sessions)))
    rest = np.setdiff1d(np.arange(len(sessions)), held)
    return rng.permutation(rest), rng.permutation(np.array(held, dtype=np.int64))[:held_out]


def _turns(row: Any) -> tuple[str | None, list[tuple[str, str]]]:
    """The system text and the (user, assistant) pairs of a row."""
    system, user, turns = None, "", []
    for message in row.messages:
        text = "".join(part.text for part in message.content if part.text)
        if message.role == "system":
            system = text
        elif message.role == "user":
            user = text
        else:
            turns.append((user, text))
    return system, turns


def _branch(tokenizer: Any, user: str, answer: str, order: Order, dialect: Dialect) -> Branch:
    """Tokens of one turn. AoT, however the row writes it, is written in the stage's dialect and order."""
    aot = _aot(answer)
    parts: list[tuple[str, int]] = [(question(user), 0)]
    if aot is None:
        parts.append((f"{answer}<|im_end|>", ANSWER))
    else:
        bare = encode(AoT(aot.plan), dialect, order)
        answer = encode(aot, dialect, order)
        thought = answer.removeprefix(bare) if order == "action_first" else answer.removesuffix(bare)
        if order == "action_first":
            parts += [(bare, ACTION), (f"{thought}<|im_end|>", EXPLANATION)]
        else:
            parts += [(thought, EXPLANATION), (f"{bare}<|im_end|>", ACTION)]
    ids, kinds = [], []
    for text, kind in parts:
        tokens = tokenizer(text).input_ids if text else []
        ids += tokens
        kinds += [kind] * len(tokens)
    return Branch(user, answer, np.array(ids), np.array(kinds, dtype=np.int8), aot is not None)


def _aot(answer: str) -> AoT | None:
    """`answer` as an action of thought, in whichever dialect and order; None when it is none."""
    for dialect, order in product(get_args(Dialect), get_args(Order)):
        try:
            return decode(answer, dialect, order)
        except AoTError:
            continue
    return None


@dataclass(slots=True)
class Batch:
    """Tensors of B sequences of up to T tokens."""

    frames: torch.Tensor
    """`uint8[B*K, H, W, 3]`"""
    ids: torch.Tensor
    """`int64[B, T]`"""
    positions: torch.Tensor
    """`int64[3, B, T]` M-RoPE positions"""
    mask: torch.Tensor | None
    """`bool[B, 1, T, T]`: who may attend to whom; None when plain causal attention does"""
    targets: torch.Tensor
    """`int64[M]`: the supervised tokens, and where in `ids.flatten()` each is predicted (`at`), and its kind"""
    at: torch.Tensor
    kinds: torch.Tensor
    branch: torch.Tensor
    """`int64[M]`: which branch of the batch a target belongs to (for exact match), counted through the batch"""
    chosen: list[Branch]


class Batcher:
    """Builds batches; keeps what is the same for all of them."""

    def __init__(self, samples: Samples, tokenizer: PreTrainedTokenizerBase, pad_to: int = 8):
        self.samples, self.tokenizer, self.pad_to = samples, tokenizer, pad_to
        image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.pad = tokenizer.pad_token_id
        prefix = torch.from_numpy(samples.prefix)
        self.prefix_positions = text_positions(prefix == image, samples.spec).numpy()

    def __call__(self, index: Sequence[int], branches: Sequence[Sequence[Branch]] | None = None) -> Batch:
        """The samples at `index`, each with `branches` of its own (default: all that it has)."""
        samples = self.samples
        if branches is None:
            branches = [samples.branches[i] for i in index]
        p = len(samples.prefix)
        lengths = [p + sum(len(b.ids) for b in own) for own in branches]
        t = -(-max(lengths) // self.pad_to) * self.pad_to
        n = len(index)
        ids = np.full((n, t), self.pad)
        positions = np.zeros((3, n, t), np.int64)
        segment = np.full((n, t), -1, np.int64)
        ids[:, :p], positions[:, :, :p], segment[:, :p] = samples.prefix, self.prefix_positions[:, None], 0
        after = int(self.prefix_positions.max()) + 1
        targets, at, kinds, owner, chosen = [], [], [], [], []
        for row, own in enumerate(branches):
            start = p
            for k, branch in enumerate(own):
                m = len(branch.ids)
                ids[row, start : start + m] = branch.ids
                positions[:, row, start : start + m] = after + np.arange(m)
                segment[row, start : start + m] = k + 1
                here = np.flatnonzero(branch.kinds)
                targets.append(branch.ids[here])
                at.append(row * t + start + here - 1)
                kinds.append(branch.kinds[here])
                owner.append(np.full(len(here), len(chosen)))
                chosen.append(branch)
                start += m
        mask = None
        if any(len(own) > 1 for own in branches):
            seen = (segment[:, None, :] == 0) | (segment[:, None, :] == segment[:, :, None])
            mask = torch.from_numpy(np.tril(seen))[:, None]
        return Batch(
            frames=torch.from_numpy(samples.frames[np.asarray(index)]).flatten(0, 1),
            ids=torch.from_numpy(ids),
            positions=torch.from_numpy(positions),
            mask=mask,
            targets=torch.from_numpy(np.concatenate(targets)),
            at=torch.from_numpy(np.concatenate(at)),
            kinds=torch.from_numpy(np.concatenate(kinds)),
            branch=torch.from_numpy(np.concatenate(owner)),
            chosen=chosen,
        )
