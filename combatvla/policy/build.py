"""Tiny `Qwen2_5_VLForConditionalGeneration` models, and frames as their vision tower wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from combatvla.errors import UserError
from combatvla.vision import MERGE, PATCH, FrameSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

IMAGE_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
IMAGE_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
"""Normalisation of Qwen2.5-VL (CLIP's)."""

PRESETS: dict[str, dict[str, dict]] = {
    # text: width, MLP width, layers, heads, key-value heads; vision: width, MLP width, layers, heads
    "XS": {"text": dict(h=64, mlp=128, n=2, heads=2, kv=1), "vision": dict(h=64, mlp=128, n=2, heads=2)},
    "S": {"text": dict(h=192, mlp=512, n=4, heads=4, kv=2), "vision": dict(h=128, mlp=384, n=4, heads=4)},
    "M": {"text": dict(h=256, mlp=768, n=6, heads=4, kv=2), "vision": dict(h=192, mlp=512, n=6, heads=6)},
}
"""XS is for tests. S has about 2.5 million parameters, M about 8."""

ROPE_THETA = 50.0
"""Text positions are few: with Qwen's 1e6 an image's width axis would hardly turn at all, and sight is learnt later."""


def build_model(
    preset: str, tokenizer: PreTrainedTokenizerBase, *, seed: int = 0
) -> Qwen2_5_VLForConditionalGeneration:
    """A freshly initialised model (fp32) of a preset for this tokenizer. `UserError` for an unknown preset."""
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    if preset not in PRESETS:
        raise UserError(f"unknown preset {preset!r}: expected one of {', '.join(PRESETS)}")
    text, vision = PRESETS[preset]["text"], PRESETS[preset]["vision"]
    half = text["h"] // text["heads"] // 2
    time = half // 6
    height = (half - time) // 2
    ids = {t: tokenizer.convert_tokens_to_ids(t) for t in ("<|endoftext|>", "<|im_end|>")}
    config = make_config(
        tokenizer,
        text | dict(vocab=-(-len(tokenizer) // 64) * 64, rope=[time, height, half - time - height], theta=ROPE_THETA),
        # One window holds a whole tiny frame: every layer sees all of it.
        vision | dict(window=448, full=list(range(vision["n"]))),
        max_position_embeddings=4096,
        rms_norm_eps=1e-6,
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
        pad_token_id=ids["<|endoftext|>"],
    )
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    _init_for_small_widths(model)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    return model


def make_config(
    tokenizer: PreTrainedTokenizerBase, text: dict[str, Any], vision: dict[str, Any], **more: Any
) -> Qwen2_5_VLConfig:
    """The configuration of a shape. Of both towers `h`, `mlp`, `n` and `heads` (width, MLP width, layers, heads); of
    `text` also `kv`, `vocab`, `rope` (M-RoPE's three sections) and `theta`; of `vision` also `window` (pixels) and
    `full` (layers that see the whole frame). `more` are further words of the text's configuration."""
    from transformers import Qwen2_5_VLConfig

    rope = {"rope_type": "default", "type": "mrope", "mrope_section": text["rope"], "rope_theta": text["theta"]}
    special = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        )
    }
    return Qwen2_5_VLConfig(
        text_config=dict(
            vocab_size=text["vocab"],
            hidden_size=text["h"],
            intermediate_size=text["mlp"],
            num_hidden_layers=text["n"],
            num_attention_heads=text["heads"],
            num_key_value_heads=text["kv"],
            rope_parameters=rope,
            tie_word_embeddings=True,
            **more,
        ),
        vision_config=dict(
            depth=vision["n"],
            hidden_size=vision["h"],
            intermediate_size=vision["mlp"],
            num_heads=vision["heads"],
            out_hidden_size=text["h"],
            window_size=vision["window"],
            fullatt_block_indexes=vision["full"],
        ),
        tie_word_embeddings=True,
        **special,
    )


def _init_for_small_widths(model: Qwen2_5_VLForConditionalGeneration) -> None:
    """Matrices at 1/sqrt(fan-in). Qwen's 0.02 suits wide models; at these widths it leaves attention and MLPs so faint
    that the model first has to grow them before it sees anything."""
    import torch

    for name, p in model.named_parameters():
        if p.ndim > 1 and "embed_tokens" not in name and "lm_head" not in name:
            torch.nn.init.normal_(p, 0, p[0].numel() ** -0.5)


def patchify(frames: torch.Tensor) -> torch.Tensor:
    """`uint8[B, H, W, 3]` to normalised patches `float32[B, (H/14)(W/14), 3*2*14*14]`.

    Row by row equal to `Qwen2VLImageProcessorPil` without resizing: patches in 2x2 merge groups, channels first, each
    picture repeated over the two frames of a temporal patch.
    """
    return pair_patches(single_patches(frames))


def single_patches(frames: torch.Tensor) -> torch.Tensor:
    """Like `patchify`, but each picture once: `float32[B, N, 3*14*14]`."""
    import torch

    b, h, w, _ = frames.shape
    FrameSpec(width=w, height=h)
    # One multiply-add: x / 255 normalised.
    scale = torch.from_numpy(1 / (255 * IMAGE_STD)).to(frames.device)
    shift = torch.from_numpy(-IMAGE_MEAN / IMAGE_STD).to(frames.device)
    x = torch.addcmul(shift, frames.float(), scale)
    x = x.view(b, h // PATCH // MERGE, MERGE, PATCH, w // PATCH // MERGE, MERGE, PATCH, 3)
    # [B, gh, mh, ph, gw, mw, pw, C] -> [B, gh, gw, mh, mw, C, ph, pw]
    return x.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(b, -1, 3 * PATCH * PATCH)


def pair_patches(patches: torch.Tensor) -> torch.Tensor:
    """Repeats each patch over the temporal patch: `[B, N, 3*196]` to `[B, N, 3*2*196]`."""
    b, n, _ = patches.shape
    return patches.view(b, n, 3, 1, -1).expand(b, n, 3, 2, -1).reshape(b, n, -1)
