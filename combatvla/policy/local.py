"""The decision engine: a Qwen2.5-VL folder played on this machine, greedily, under the AoT grammar.

    policy = load_policy("tiny")
    decision = policy.decide([Frame(pixels, time.monotonic_ns())])
    decision.plan, decision.timings_ms, policy.explain_last()

A decision costs one pass over the pictures, one over the prompt, and a step for each further token up to `<TRUNC>`;
the explanation comes after it and is made only when asked for. Features of frames already seen are kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from combatvla.actions import TAP_MS, WAIT_PLAN, Plan, Step
from combatvla.aot import DURATION_TOKENS, THEN, ParseCounts, decode_or_wait
from combatvla.errors import UserError
from combatvla.policy.base import Decision, Frame
from combatvla.policy.checkpoint import load_checkpoint
from combatvla.policy.grammar import Grammar
from combatvla.policy.net import Net, text_positions
from combatvla.policy.tokenizer import prefix_ids, question

MAX_TOKENS = 64
"""Longest decision, and longest explanation, in tokens."""
_KEPT_FRAMES = 8


def load_policy(name_or_path: str | Path, *, threads: int = 1, explain: bool = False) -> LocalPolicy:
    """The policy in a folder, or `tiny`, the one that ships with the package. `UserError` when it cannot be used."""
    if str(name_or_path) == "tiny":
        folder = Path(str(resources.files("combatvla") / "checkpoints" / "tiny"))
        if not (folder / "config.json").is_file():
            raise UserError(
                f"the tiny checkpoint is missing from {folder}: make it with runs/tiny.sh, or name a folder"
            )
        return LocalPolicy(folder, name="tiny", threads=threads, explain=explain)
    return LocalPolicy(name_or_path, threads=threads, explain=explain)


class LocalPolicy:
    """Implements `Policy` over Hugging Face weights.

    Sets torch's thread count for the process. One is the default: at these sizes a second saves a millisecond or two on
    an idle machine and costs seconds on a busy one, where the threads wait for each other.
    `UserError` for a checkpoint that is missing, foreign, damaged, or not of the compact dialect.
    """

    needs_truth = False

    def __init__(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        threads: int = 1,
        dtype: str = "float32",
        device: str = "cpu",
        explain: bool = False,
    ):
        torch.set_num_threads(threads)
        self.model, self.tokenizer, self.info = load_checkpoint(folder, dtype=dtype)
        if self.info.dialect != "compact":
            raise UserError(
                f"{folder} writes the {self.info.dialect} dialect: the local policy decodes the compact one"
            )
        self.name = name or Path(folder).name
        self.device = torch.device(device)
        self.model.to(self.device)
        self.frames_per_decision, self.frame_gap_ms = self.info.frames_per_decision, self.info.frame_gap_ms
        self.spec, self.explain = self.info.spec, explain
        self.counts = ParseCounts()
        self.net = Net(self.model, self.spec)
        vocabulary = self.model.config.text_config.vocab_size
        self.grammar = Grammar(self.tokenizer, vocabulary, self.info.order)
        prompt = prefix_ids(self.tokenizer, self.info.system, self.spec.tokens, self.frames_per_decision)
        prompt += self.tokenizer(question(self.info.prompt)).input_ids
        self._ids = torch.tensor([prompt], device=self.device)
        positions = text_positions(self._ids[0].cpu() == self.model.config.image_token_id, self.spec)
        self._next = int(positions.max()) + 1
        with torch.inference_mode():
            self._rope = self.net.rope(positions[:, None].to(self.device))
            later = torch.arange(self._next, self._next + 2 * MAX_TOKENS, device=self.device)
            cos, sin = self.net.rope(later.expand(3, 1, -1))
            self._later = [(cos[:, :, i : i + 1], sin[:, :, i : i + 1]) for i in range(cos.shape[2])]
        self.reset()
        blank = Frame(np.zeros((self.spec.height, self.spec.width, 3), np.uint8), 0)
        self.decide([blank])  # the first pass of a process is slow: not in a fight
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forgets the frames and the last decision; decoding is greedy, so there is no seed to set."""
        self._seen: list[tuple[Frame, torch.Tensor]] = []
        self._past: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._said: list[int] = []
        self._hidden: torch.Tensor | None = None

    @torch.inference_mode()
    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        """Decides from the last `frames_per_decision` of `frames` (any size); missing ones repeat the oldest.

        After `deadline_ns` it stops: completed steps stand, a step without a duration becomes a tap, nothing a `wait`.
        `timings_ms`: `preprocess`, `vision`, `prefill`, `decode`, `total`, and `explain` beside them when asked for.
        """
        if not frames:
            raise ValueError("a decision needs at least one frame")
        clock = [time.perf_counter()]
        frames = [frames[0]] * (self.frames_per_decision - len(frames)) + list(frames[-self.frames_per_decision :])
        self._said, self._past = [], []
        new = self._unseen(frames)
        prepared = [self.spec.prepare(frame.pixels) for frame in new]
        clock.append(time.perf_counter())
        if new:
            features = self.net.vision(torch.from_numpy(np.stack(prepared)).to(self.device))
            self._seen = (self._seen + list(zip(new, features, strict=True)))[-_KEPT_FRAMES - len(frames) :]
        image_tokens = torch.cat([self._features(frame) for frame in frames])
        clock.append(time.perf_counter())
        x = self.net.embed(self._ids, image_tokens)
        self._hidden = self.net.text(x, self._rope, past=self._past)[:, -1]
        clock.append(time.perf_counter())
        finished = self._generate(deadline_ns)
        clock.append(time.perf_counter())

        text = self.tokenizer.decode(self._said)
        if finished:
            aot, parsed = decode_or_wait(
                text.removesuffix(self.tokenizer.eos_token), "compact", self.info.order, self.counts
            )
            plan, explanation = aot.plan, " ".join(aot.explanations) or None
        else:
            plan, parsed, explanation = self._best_so_far(), True, None
        spent = [1000 * (b - a) for a, b in zip(clock, clock[1:], strict=False)]
        timings = dict(zip(("preprocess", "vision", "prefill", "decode"), spent, strict=True)) | {"total": sum(spent)}
        decision = Decision(plan, explanation, text, len(self._said), parsed, timings)
        if self.explain and finished and self.info.order == "action_first":
            start = time.perf_counter()
            decision.explanation = self.explain_last()
            timings["explain"] = 1000 * (time.perf_counter() - start)
        return decision

    @torch.inference_mode()
    def explain_last(self, *, deadline_ns: int | None = None) -> str | None:
        """Why the last decision was taken: goes on after its `<TRUNC>`. None when it was not finished, says nothing, or
        was not done by `deadline_ns` (monotonic)."""
        if not self._said or self.grammar.trunc not in self._said:
            return None
        start = self._said.index(self.grammar.trunc) + 1
        del self._said[start:]
        past, self._past = self._past, [(k.clone(), v.clone()) for k, v in self._past]
        self._feed(self._said[-1])
        for _ in range(MAX_TOKENS):
            if not self._say() or self._said[-1] == self.grammar.end:
                break
            if deadline_ns is not None and time.monotonic_ns() > deadline_ns:
                self._past = past
                return None
            self._feed(self._said[-1])
        text = self.tokenizer.decode([t for t in self._said[start:] if t != self.grammar.end])
        self._past = past
        return text.replace(THEN, "; ").strip() or None

    def _unseen(self, frames: Sequence[Frame]) -> list[Frame]:
        """The different frames among `frames` that have no features yet."""
        new: list[Frame] = []
        for frame in frames:
            if all(not _same(frame, old) for old in (*(f for f, _ in self._seen), *new)):
                new.append(frame)
        return new

    def _features(self, frame: Frame) -> torch.Tensor:
        return next(features for old, features in self._seen if _same(frame, old))

    def _generate(self, deadline_ns: int | None) -> bool:
        """Says tokens until the decision stands; False when the deadline or the length cut it off."""
        stop = self.grammar.trunc if self.info.order == "action_first" else self.grammar.end
        for _ in range(MAX_TOKENS):
            if deadline_ns is not None and time.monotonic_ns() > deadline_ns:
                return False
            self._say()
            if self._said[-1] == stop:
                return True
            self._feed(self._said[-1])
        return False

    def _say(self) -> bool:
        """Adds the likeliest token that the grammar allows; False when the text is complete."""
        allowed = self.grammar.allowed(self._said).to(self.device)
        if not len(allowed):
            return False
        logits = self.net.logits(self._hidden)[0, allowed]
        self._said.append(int(allowed[logits.argmax()]))
        return True

    def _feed(self, token: int) -> None:
        """One step of the language model; keys and values grow by one."""
        x = self.model.model.language_model.embed_tokens(torch.tensor([[token]], device=self.device))
        position = self._past[0][0].shape[2] - self._ids.shape[1]
        self._hidden = self.net.text(x, self._later[position], past=self._past)[:, -1]

    def _best_so_far(self) -> Plan:
        """The plan in an unfinished text."""
        steps, held = [], []
        for token in self._said:
            if token in self.grammar.action_of:
                held.append(self.grammar.action_of[token])
            elif token in self.grammar.durations and held:
                steps.append(Step.of(*held, ms=int(DURATION_TOKENS[self.grammar.durations.index(token)][2:-1])))
                held = []
        if held:
            steps.append(Step.of(*held, ms=TAP_MS))
        return Plan(tuple(steps)) if steps else WAIT_PLAN


def _same(a: Frame, b: Frame) -> bool:
    return a.t_ns == b.t_ns and a.pixels is b.pixels
