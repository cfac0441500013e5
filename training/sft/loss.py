"""What supervised training minimises: the weighted cross-entropy of a batch, and the probes' loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from combatvla.policy.net import Net
from training.sft.data import Batch, Samples


class Probes(torch.nn.Module):
    """Linear classifiers on the mean image token of each frame: for each turn's user text, which of its answers."""

    def __init__(self, samples: Samples, width: int, most_answers: int = 64):
        super().__init__()
        answers: dict[str, dict[str, int]] = {}
        for own in samples.branches:
            for branch in own:
                known = answers.setdefault(branch.user, {})
                known.setdefault(self._answer(branch), len(known))
        self.answers = {q: known for q, known in answers.items() if 1 < len(known) <= most_answers}
        sizes = [len(known) for known in self.answers.values()]
        self.columns = dict(zip(self.answers, np.cumsum([0, *sizes]).tolist(), strict=False))
        self.norm = torch.nn.LayerNorm(width * samples.frames.shape[1])
        self.out = torch.nn.Linear(width * samples.frames.shape[1], max(1, sum(sizes)))
        # [N, questions]: each sample's answers as classes, -1 where it was not asked.
        self.labels = np.full((len(samples), len(self.answers)), -1)
        column = {q: j for j, q in enumerate(self.answers)}
        for i, own in enumerate(samples.branches):
            for branch in own:
                if branch.user in column:
                    self.labels[i, column[branch.user]] = self.answers[branch.user][self._answer(branch)]

    @staticmethod
    def _answer(branch: Any) -> str:
        return branch.answer.partition("<TRUNC>")[0]

    def forward(self, image_tokens: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        """Mean cross-entropy of image tokens `[B, K, tokens, D]` of the samples at `index`."""
        logits = self.out(self.norm(image_tokens.float().mean(2).flatten(1)))
        labels = torch.from_numpy(self.labels[index]).to(logits.device)
        losses = [
            F.cross_entropy(logits[:, start : start + len(self.answers[q])], labels[:, j], ignore_index=-1)
            for j, (q, start) in enumerate(self.columns.items())
            if (labels[:, j] >= 0).any()
        ]
        return torch.stack(losses).mean() if losses else logits.sum() * 0


def batch_loss(net: Net, batch: Batch, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weighted mean cross-entropy over the supervised tokens; also their logits `[M, V]` and the image tokens."""
    image_tokens = net.vision(batch.frames)  # [B*K, tokens, D]
    x = net.embed(batch.ids, image_tokens)
    hidden = net.text(x, net.rope(batch.positions), batch.mask)
    logits = net.logits(hidden.flatten(0, 1)[batch.at]).float()
    w = weights[batch.kinds.long()]
    loss = (F.cross_entropy(logits, batch.targets, reduction="none") * w).sum() / w.sum()
    return loss, logits, image_tokens


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Moves a batch's tensors; on a CPU it does nothing."""
    if device.type != "cpu":
        for name in ("frames", "ids", "positions", "mask", "targets", "at", "kinds", "branch"):
            value = getattr(batch, name)
            setattr(batch, name, None if value is None else value.to(device, non_blocking=True))
    return batch
