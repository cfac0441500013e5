"""Models of a published shape with random weights, for measuring where no weights are at hand; and what a GPU could do
at best."""

from __future__ import annotations

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from combatvla.errors import UserError
from combatvla.policy.build import make_config
from combatvla.policy.checkpoint import PolicyInfo
from combatvla.policy.local import LocalPolicy
from combatvla.policy.tokenizer import train_tokenizer

PROMPT = "Defeat the enemy. Which action comes next?"
SHAPES: dict[str, dict[str, dict]] = {
    # as in the config.json of Qwen/Qwen2.5-VL-3B-Instruct
    "3b": {
        "text": dict(h=2048, mlp=11008, n=36, heads=16, kv=2, vocab=151936, rope=[16, 24, 24], theta=1e6),
        "vision": dict(h=1280, mlp=3420, n=32, heads=16, full=[7, 15, 23, 31], window=112),
    },
    "small": {
        "text": dict(h=64, mlp=128, n=2, heads=2, kv=1, vocab=1024, rope=[4, 6, 6], theta=1e6),
        "vision": dict(h=64, mlp=128, n=2, heads=2, full=[1], window=112),
    },
}
PEAKS = {"H100": (989e12, 3.35e12), "H200": (989e12, 4.8e12), "A100": (312e12, 2.0e12)}
"""Dense bf16 operations and bytes of memory a second, by the makers' data sheets."""


def random_policy(shape: str, size: tuple[int, int], frames: int) -> LocalPolicy:
    """A policy of that shape with random weights, on the GPU where there is one. `UserError` for an unknown shape."""
    if shape not in SHAPES:
        raise UserError(f"--shape: expected one of {', '.join(SHAPES)}, got {shape!r}")
    text, vision = SHAPES[shape]["text"], SHAPES[shape]["vision"]
    tokenizer = train_tokenizer([PROMPT])
    config = make_config(tokenizer, text, vision)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration._from_config(
            config, dtype=torch.float32 if device == "cpu" else torch.bfloat16
        )
    info = PolicyInfo(width=size[0], height=size[1], frames_per_decision=frames, prompt=PROMPT)
    return LocalPolicy(model.eval(), tokenizer, info, name=shape)


def roofline(policy: LocalPolicy, tokens: int = 3) -> dict[str, float | str | None]:
    """The least time that a decision of so many tokens can take on this GPU: one new frame through the vision tower and
    the prompt through the language model at its peak arithmetic, then the weights read once for each further token."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    peak = next((peaks for card, peaks in PEAKS.items() if card in name), None)
    if peak is None:
        return {"device": name, "roofline_ms": None}
    vision, text = policy.model.model.visual, policy.model.model.language_model
    rows, cols = policy.spec.grid
    weights = {m: sum(p.numel() for k, p in m.named_parameters() if "embed_tokens" not in k) for m in (vision, text)}
    flops = 2 * weights[vision] * rows * cols + 2 * weights[text] * len(policy.prompt)
    reads = 2 * weights[text] * (tokens - 1)
    return {"device": name, "roofline_ms": 1000 * (flops / peak[0] + reads / peak[1])}
