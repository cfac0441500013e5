"""The decision engine: a Qwen2.5-VL folder played on this machine, greedily, under the AoT grammar.

    policy = load_policy("tiny")
    decision = policy.decide([Frame(pixels, time.monotonic_ns())])
    decision.plan, decision.timings_ms, policy.explain_last()

A decision costs one pass over the frames that were not seen before, one over what was not read ahead of the prompt
together with a draft of what may be said, and a step for each token that the draft did not foresee, up to `<TRUNC>`:
what the grammar forces is not computed.
The explanation comes after it, from the same keys and values, and is made only when asked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from combatvla.aot import THEN, ParseCounts, decode_or_wait
from combatvla.errors import UserError
from combatvla.policy.base import Decision, Frame, last_frames
from combatvla.policy.checkpoint import PolicyInfo, load_checkpoint, policy_folder
from combatvla.policy.draft import Draft
from combatvla.policy.engine import NODES, Engine
from combatvla.policy.grammar import MAX_TOKENS, Grammar
from combatvla.policy.net import Net
from combatvla.policy.ops import fastest
from combatvla.policy.tokenizer import prefix_ids, question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2_5_VLForConditionalGeneration

_KEPT_FRAMES = 64


def load_policy(name_or_path: str | Path, *, device: str | None = None, **options: Any) -> LocalPolicy:
    """The policy in a folder, or `tiny`, the one that ships with the package, with the options of `LocalPolicy`; on the
    GPU (in bf16) where there is one, unless a `device` is named. `UserError` when it is missing, foreign, damaged, or
    not of the compact dialect."""
    folder = policy_folder(name_or_path)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer, info = load_checkpoint(folder, dtype="float32" if device == "cpu" else "bfloat16")
    if info.dialect != "compact":
        raise UserError(f"{folder} writes the {info.dialect} dialect: the local policy decodes the compact one")
    return LocalPolicy(model.to(device), tokenizer, info, name=folder.name, **options)


class LocalPolicy:
    """Implements `Policy` over the weights of `model`, on the device where they lie.

    Sets torch's thread count for the process. One is the default: at these sizes a second saves a millisecond or two on
    an idle machine and costs seconds on a busy one, where the threads wait for each other. `frames`: another window
    than the checkpoint's, to measure it.
    """

    needs_truth = False

    def __init__(
        self,
        model: Qwen2_5_VLForConditionalGeneration,
        tokenizer: PreTrainedTokenizerBase,
        info: PolicyInfo,
        *,
        name: str,
        threads: int = 1,
        explain: bool = False,
        frames: int | None = None,
    ):
        torch.set_num_threads(threads)
        self.model, self.tokenizer, self.info, self.name = model, tokenizer, info, name
        self.frames_per_decision, self.frame_gap_ms = frames or self.info.frames_per_decision, self.info.frame_gap_ms
        self.spec, self.explain = self.info.spec, explain
        self.counts = ParseCounts()
        self.grammar = Grammar(self.tokenizer, self.model.config.text_config.vocab_size, info.order, info.camera)
        self.prompt = prefix_ids(self.tokenizer, self.info.system, self.spec.tokens, self.frames_per_decision)
        self.prompt += self.tokenizer(question(self.info.prompt)).input_ids
        with torch.inference_mode():
            net = Net(self.model, self.spec, fastest(self.model))
            self.engine = Engine(net, self.prompt, 2 * MAX_TOKENS, self.grammar.aot)
        self.reset()
        blank = Frame(np.zeros((self.spec.height, self.spec.width, 3), np.uint8), 0)
        self.decide([blank])  # the first pass of a process is slow: not in a fight
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forgets the frames and the last decision; decoding is greedy, so there is no seed to set."""
        self._seen: list[tuple[Frame, torch.Tensor]] = []
        self._window: list[torch.Tensor] = []
        self._draft, self._tree = Draft(NODES), None
        self._said: list[int] = []
        self._finished = 0
        self._expect()

    @property
    def said(self) -> list[int]:
        """The token ids of the last decision, and of its explanation once that was asked for."""
        return list(self._said)

    @torch.inference_mode()
    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        """Decides from the last `frames_per_decision` of `frames` (any size); missing ones repeat the oldest.

        After `deadline_ns` it stops: completed steps stand, a step without a duration becomes a tap, nothing a `wait`.
        `timings_ms`: `preprocess`, `vision`, `prefill`, `decode`, `total`, and `explain` beside them when asked for.
        """
        clock = [time.perf_counter()]
        frames = last_frames(frames, self.frames_per_decision)
        self._expect()
        new = self._unseen(frames)
        prepared = [self.spec.prepare(frame.pixels) for frame in new]
        clock.append(time.perf_counter())
        if new:
            features = self.engine.see(torch.from_numpy(np.stack(prepared)))
            self._seen += zip(new, features, strict=True)
        self._window = [self._features(frame) for frame in frames]
        # Later windows reach back no further than this one.
        self._seen = [(f, x) for f, x in self._seen if f.t_ns >= frames[0].t_ns][-_KEPT_FRAMES:]
        clock.append(time.perf_counter())
        self._ends = self.engine.read(self._window)
        clock.append(time.perf_counter())
        self._row, self._left, self._read = 0, None, 0
        finished = self._generate(deadline_ns)
        self._finished = len(self._said) if finished else 0
        clock.append(time.perf_counter())

        text = self.tokenizer.decode(self._said)
        if finished:
            aot, parsed = decode_or_wait(
                text.removesuffix(self.tokenizer.eos_token), "compact", self.info.order, self.counts
            )
            plan, explanation = aot.plan, " ".join(aot.explanations) or None
        else:
            plan, parsed, explanation = self.grammar.plan_so_far(self._said), True, None
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
        if len(self._said) > start:  # it was asked before
            del self._said[start:]
            self._read = self._explains_at
            self.engine.back_to(self._read)
        else:
            self._settle()
            self._explains_at = self._read
        for _ in range(MAX_TOKENS):
            if not self._say() or self._said[-1] == self.grammar.end:
                break
            if deadline_ns is not None and time.monotonic_ns() > deadline_ns:
                return None
        text = self.tokenizer.decode([t for t in self._said[start:] if t != self.grammar.end])
        return text.replace(THEN, "; ").strip() or None

    @torch.inference_mode()
    def rest(self) -> None:
        """Uses the idle time before the next decision, whose window is expected to begin with this one's later frames:
        it then has only its newest frame to read. The last decision can be explained no more."""
        if self._window:
            self.engine.read_ahead(self._window[1:])
            self._expect()

    @torch.inference_mode()
    def _expect(self) -> None:
        """Forgets what was said, but for what may be said again."""
        if self._finished:
            self._draft.heard(self._said[: self._finished])
        self._said, self._finished = [], 0
        tree = self._draft.tree()
        if self._tree is None or tree.parents != self._tree.parents or tree.tokens != self._tree.tokens:
            self._tree = tree
            self.engine.expect(tree)

    def _unseen(self, frames: Sequence[Frame]) -> list[Frame]:
        """The different frames among `frames` that have no features yet."""
        new: list[Frame] = []
        for frame in frames:
            if all(not frame.same(old) for old in (*(f for f, _ in self._seen), *new)):
                new.append(frame)
        return new

    def _features(self, frame: Frame) -> torch.Tensor:
        return next(features for old, features in self._seen if frame.same(old))

    def _generate(self, deadline_ns: int | None) -> bool:
        """Says tokens until the decision stands; False when the deadline or the length cut it off."""
        stop = self.grammar.trunc if self.info.order == "action_first" else self.grammar.end
        for _ in range(MAX_TOKENS):
            if deadline_ns is not None and time.monotonic_ns() > deadline_ns:
                return False
            self._say()
            if self._said[-1] == stop:
                return True
        return False

    def _say(self) -> bool:
        """Adds the likeliest token that the grammar allows; False when the text is complete. A token that is the only
        one is not computed, and not read before another has to be chosen."""
        allowed, places = self.grammar.choices(self._said)
        if not len(allowed):
            return False
        if len(allowed) > 1:
            hidden, scores = self._ends_now()
            if places is None:
                places, scores = allowed, self.engine.net.logits(hidden)
            allowed = allowed[scores.cpu()[places].argmax()]
        token = int(allowed)
        if self._row is not None:
            before, self._row = self._row, self._tree.follow(self._row, token)
            if self._row is None:
                self._left = before
        self._said.append(token)
        return True

    def _ends_now(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The hidden state `[D]` and the scores `[n]` after what was said."""
        row = self._row
        if row is None:
            self._settle()
            if self._read < len(self._said):
                self._ends = self.engine.step(self._said[self._read :])
                self._read = len(self._said)
            row = 0
        return self._ends[0][row], self._ends[1][row]

    def _settle(self) -> None:
        """Once what is said has left the draft: keeps the nodes it went through, so that steps can go on from there."""
        if self._left is not None:
            path = self._tree.path(self._left - 1)
            self.engine.keep(path)
            self._left, self._read = None, len(path)
