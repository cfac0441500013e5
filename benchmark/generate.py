"""The same model driven as everyone does: transformers' own `generate()`. What the decision engine is measured
against, and held to token for token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from combatvla.policy.base import Frame
from combatvla.policy.build import patchify
from combatvla.policy.grammar import Grammar
from combatvla.policy.local import LocalPolicy


class Mask(LogitsProcessor):
    """Lets `generate()` say only what the grammar allows, after a prompt of `start` tokens."""

    def __init__(self, grammar: Grammar, start: int) -> None:
        self.grammar, self.start = grammar, start

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        allowed = self.grammar.allowed(ids[0, self.start :].tolist()).to(scores.device)
        out = torch.full_like(scores, -torch.inf)
        out[:, allowed] = scores[:, allowed]
        return out


class Generate:
    """`generate()` on the weights, the prompt and the frames of `policy`."""

    def __init__(self, policy: LocalPolicy) -> None:
        self.policy = policy
        self._ids = torch.tensor([policy.prompt], device=policy.model.device)
        self._grid = torch.tensor([[1, *policy.spec.grid]] * policy.frames_per_decision, device=self._ids.device)

    @torch.inference_mode()
    def __call__(self, frames: Sequence[Frame], tokens: int, *, masked: bool = False) -> list[int]:
        """Says `tokens` tokens about the window `frames` (as many as the policy wants), greedily; with `masked` only
        what the grammar allows. Without, it goes on to that number whatever it says."""
        policy, ids = self.policy, self._ids
        prepared = np.stack([policy.spec.prepare(frame.pixels) for frame in frames])
        mask = LogitsProcessorList([Mask(policy.grammar, ids.shape[1])] if masked else [])
        out = policy.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == policy.model.config.image_token_id).int(),
            pixel_values=patchify(torch.from_numpy(prepared)).flatten(0, 1).to(policy.model.device, policy.model.dtype),
            image_grid_thw=self._grid,
            do_sample=False,
            max_new_tokens=tokens,
            **({} if masked else {"min_new_tokens": tokens}),
            logits_processor=mask,
        )
        return out[0, ids.shape[1] :].tolist()
