"""The forward pass of Qwen2.5-VL, batched for frames of one size, over the parameters of the Hugging Face model.

Hugging Face's forward handles any mixture of sizes and pays for it in Python loops, index building and separate small
kernels, which on a CPU cost a tiny model more than its arithmetic. Here all frames of a batch have one grid, and (tiny
models only) one attention window. The results are the same; tests/core/test_net.py holds both to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from combatvla.policy.build import pair_patches, single_patches
from combatvla.vision import MERGE, PATCH, FrameSpec

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of `[B, heads, T, head_dim]`; `sin` carries the sign of the first half."""
    half = x.shape[-1] // 2
    return x * cos + x.roll(half, -1) * sin


def _signed(sin: torch.Tensor) -> torch.Tensor:
    half = sin.shape[-1] // 2
    return torch.cat([-sin[..., :half], sin[..., half:]], -1)


class Net:
    """Vision and text towers of `model` as functions of tensors. Holds no parameters of its own.

    Where a frame does not lie in one attention window (published weights), the model's own vision forward is used.
    """

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, spec: FrameSpec):
        self.model, self.spec = model, spec
        config = model.config.vision_config
        rows, cols = spec.grid
        assert (config.patch_size, config.spatial_merge_size) == (PATCH, MERGE), "not the patches of Qwen2.5-VL"
        self.one_window = max(rows, cols) <= config.window_size // config.patch_size
        self.vision_heads = config.num_heads
        # Positions in merge-group order, as the patches come.
        device = model.device
        h = torch.arange(rows).view(rows // MERGE, 1, MERGE, 1).expand(-1, cols // MERGE, -1, MERGE).reshape(-1)
        w = torch.arange(cols).view(1, cols // MERGE, 1, MERGE).expand(rows // MERGE, -1, MERGE, -1).reshape(-1)
        cos, sin = model.model.visual.rotary_pos_emb(torch.zeros(1, device=device), torch.stack([h, w], -1).to(device))
        self.vision_cos, self.vision_sin = cos, _signed(sin)  # [N, head_dim]

    def vision(self, frames: torch.Tensor) -> torch.Tensor:
        """`uint8[B, H, W, 3]` to image tokens `[B, spec.tokens, text width]`."""
        tower = self.model.model.visual
        patches = single_patches(frames).to(tower.dtype)  # [B, N, 588]
        if not self.one_window:
            grid = torch.tensor([[1, *self.spec.grid]] * len(frames), device=frames.device)
            return tower(pair_patches(patches).flatten(0, 1), grid).pooler_output.view(
                len(frames), self.spec.tokens, -1
            )
        # A still picture fills both halves of a temporal patch: add the kernel's halves instead.
        kernel = tower.patch_embed.proj.weight  # [D, 3, 2, 14, 14]
        x = F.linear(patches, kernel.sum(2).flatten(1))
        b, n, d = x.shape
        cos, sin = self.vision_cos.to(x), self.vision_sin.to(x)
        for block in tower.blocks:
            y = _norm(x, block.norm1)
            q, k, v = block.attn.qkv(y).view(b, n, 3, self.vision_heads, -1).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(_rotate(q, cos, sin), _rotate(k, cos, sin), v)
            x = x + block.attn.proj(y.transpose(1, 2).reshape(b, n, d))
            x = x + _mlp(_norm(x, block.norm2), block.mlp)
        merged = _norm(x, tower.merger.ln_q).view(b, n // MERGE**2, -1)
        return tower.merger.mlp(merged)

    def embed(self, ids: torch.Tensor, image_tokens: torch.Tensor) -> torch.Tensor:
        """Token embeddings `[B, T, D]` with the image tokens in the places of `<|image_pad|>`, in order."""
        x = self.model.model.language_model.embed_tokens(ids)
        mask = (ids == self.model.config.image_token_id).unsqueeze(-1)
        return x.masked_scatter(mask, image_tokens.to(x.dtype))

    def rope(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotary tables `[B, 1, T, head_dim]` of M-RoPE positions `int[3, B, T]`."""
        text = self.model.model.language_model
        cos, sin = text.rotary_emb(torch.zeros(1, device=positions.device), positions)
        return cos.unsqueeze(1), _signed(sin).unsqueeze(1)

    def text(
        self,
        x: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None = None,
        past: list[tuple[torch.Tensor, torch.Tensor]] | None = None,
    ) -> torch.Tensor:
        """Last hidden states `[B, T, D]` of embeddings `[B, T, D]`. Causal, unless `mask` (bool, `[B, 1, T, T]`) says
        what may be attended to. `past`, one (keys, values) a layer, is read and replaced by what it grows to."""
        text = self.model.model.language_model
        config = text.config
        groups = config.num_attention_heads // config.num_key_value_heads
        b, t, _ = x.shape
        cos, sin = (r.to(x.dtype) for r in rope)
        for i, layer in enumerate(text.layers):
            attn = layer.self_attn
            y = _norm(x, layer.input_layernorm)
            q = attn.q_proj(y).view(b, t, config.num_attention_heads, -1).transpose(1, 2)
            k = attn.k_proj(y).view(b, t, config.num_key_value_heads, -1).transpose(1, 2)
            v = attn.v_proj(y).view(b, t, config.num_key_value_heads, -1).transpose(1, 2)
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            if past is not None:
                if i < len(past):
                    k, v = torch.cat([past[i][0], k], 2), torch.cat([past[i][1], v], 2)
                    past[i] = (k, v)
                else:
                    past.append((k, v))
            causal = mask is None and t == k.shape[2]
            if mask is None and not causal and t > 1:
                here = torch.arange(k.shape[2] - t, k.shape[2], device=x.device)
                mask = torch.arange(k.shape[2], device=x.device) <= here[:, None]
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=groups > 1)
            x = x + attn.o_proj(y.transpose(1, 2).reshape(b, t, -1))
            x = x + _mlp(_norm(x, layer.post_attention_layernorm), layer.mlp)
        return _norm(x, text.norm)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """`[..., D]` to `[..., vocabulary]`."""
        return self.model.lm_head(hidden)


def _norm(x: torch.Tensor, norm: torch.nn.Module) -> torch.Tensor:
    return F.rms_norm(x, (x.shape[-1],), norm.weight.to(x.dtype), norm.variance_epsilon)


def _mlp(x: torch.Tensor, mlp: torch.nn.Module) -> torch.Tensor:
    return mlp.down_proj(F.silu(mlp.gate_proj(x)) * mlp.up_proj(x))


def text_positions(is_image: torch.Tensor, spec: FrameSpec) -> torch.Tensor:
    """M-RoPE positions `int64[3, T]` of one sequence, given which of its tokens are image tokens (`bool[T]`).

    As `Qwen2_5_VLModel.get_rope_index`: text counts on in all three rows; an image's tokens share the temporal
    position and count rows and columns from there; what follows starts after the image's longer side.
    """
    rows, cols = spec.height // 28, spec.width // 28
    assert int(is_image.sum()) % (rows * cols) == 0, "image tokens do not make up whole frames"
    out = torch.empty(3, len(is_image), dtype=torch.int64)
    at = i = 0
    flags = is_image.tolist()
    while i < len(flags):
        if flags[i]:
            n = rows * cols
            out[0, i : i + n] = at
            out[1, i : i + n] = at + torch.arange(rows).repeat_interleave(cols)
            out[2, i : i + n] = at + torch.arange(cols).repeat(rows)
            i, at = i + n, at + max(rows, cols)
        else:
            out[:, i] = at
            i, at = i + 1, at + 1
    return out
