"""What a policy gets right on held-out rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from combatvla.actions import Action
from training.sft.data import ACTION, ANSWER, EXPLANATION, Batcher
from training.sft.loss import batch_loss, to_device

if TYPE_CHECKING:
    from combatvla.policy.net import Net


@torch.no_grad()
def measure(
    net: Net, batcher: Batcher, index: Sequence[int], weights: torch.Tensor, size: int = 64
) -> dict[str, float]:
    """Measures on the samples at `index`, all of their turns.

    `loss`; `action_exact`: share of decisions whose every action token is the most likely one given those before it
    (greedy decoding gives that very plan); `answer_exact`: the same for questions, and `question/<text>` for each;
    `word`: share of explanation tokens; `recall/<action>`: share of an action's tokens that are predicted.
    """
    device = weights.device
    losses, words = [], []
    exact: dict[str, list[bool]] = defaultdict(list)
    recall: dict[str, list[bool]] = defaultdict(list)
    training = net.model.training
    net.model.eval()
    for start in range(0, len(index), size):
        batch = to_device(batcher(index[start : start + size]), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
            loss, logits, _ = batch_loss(net, batch, weights)
        losses.append(loss.item())
        right = (logits.argmax(-1) == batch.targets).cpu().numpy()
        kinds, owner, targets = (t.cpu().numpy() for t in (batch.kinds, batch.branch, batch.targets))
        words += right[kinds == EXPLANATION].tolist()
        for k, branch in enumerate(batch.chosen):
            mine = owner == k
            kind = ACTION if branch.decision else ANSWER
            ok = bool(right[mine & (kinds == kind)].all())
            exact["action" if branch.decision else f"question/{branch.user}"].append(ok)
        for action, token in action_tokens(batcher).items():
            recall[action] += right[(kinds == ACTION) & (targets == token)].tolist()
    net.model.train(training)
    found = {"loss": float(np.mean(losses)) if losses else float("nan")}
    if exact.get("action"):
        found["action_exact"] = float(np.mean(exact.pop("action")))
    if exact:
        found["answer_exact"] = float(np.mean([np.mean(v) for v in exact.values()]))
    if words:
        found["word"] = float(np.mean(words))
    found |= {name: float(np.mean(v)) for name, v in exact.items()}
    found |= {f"recall/{action}": float(np.mean(v)) for action, v in recall.items() if v}
    return found


def action_tokens(batcher: Batcher) -> dict[str, int]:
    """Token id of each action that the tokenizer has."""
    ids = batcher.tokenizer.get_vocab()
    return {a.value: ids[f"<{a}>"] for a in Action if f"<{a}>" in ids}
