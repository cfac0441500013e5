"""The forward pass of Qwen2.5-VL, batched for frames of one size, over the parameters of the Hugging Face model.

Hugging Face's forward handles any mixture of sizes and pays for it in Python loops, index building and separate small
kernels, which on a CPU cost a tiny model more than its arithmetic, and which no CUDA graph can hold. Here all frames of
a batch have one grid. The results are the same; tests/core/test_net.py holds both to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from combatvla.policy.ops import Ops
from combatvla.vision import MERGE, PATCH, FrameSpec

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration


class Cache:
    """Keys and values of one sequence, in buffers that stay where they are: a new decision writes over the last one."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, slots: int):
        config = model.config.text_config
        head = config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, 2, 1, config.num_key_value_heads, slots, head)
        self.slots = slots
        self._layers = torch.zeros(shape, dtype=model.dtype, device=model.device)

    def put(
        self, layer: int, k: torch.Tensor, v: torch.Tensor, at: slice | torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keeps `[1, kv heads, t, head_dim]` in the slots `at`, and gives all keys and values: those up to the end of a
        slice; of slots named by an `int64[t]` tensor (on a GPU, where a recorded graph has one length) the whole
        buffers."""
        keys, values = self._layers[layer]
        if isinstance(at, slice):
            keys[:, :, at], values[:, :, at] = k, v
            return keys[:, :, : at.stop], values[:, :, : at.stop]
        keys.index_copy_(2, at, k)
        values.index_copy_(2, at, v)
        return keys, values

    def move(self, slots: Sequence[int], to: int) -> None:
        """Moves what lies in `slots` to those from `to` on."""
        index = torch.tensor(list(slots), device=self._layers.device)
        self._layers[..., to : to + len(slots), :] = self._layers[..., index, :]


class Net:
    """Vision and text towers of `model` as functions of tensors; their matrix products are those of `ops`."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, spec: FrameSpec, ops: Ops | None = None):
        self.model, self.spec, self.ops = model, spec, ops or Ops()
        config = model.config.vision_config
        rows, cols = spec.grid
        assert (config.patch_size, config.spatial_merge_size) == (PATCH, MERGE), "not the patches of Qwen2.5-VL"
        self.vision_heads = config.num_heads
        self.full = set(model.model.visual.fullatt_block_indexes)
        # Positions in merge-group order, as the patches come.
        device = model.device
        h = torch.arange(rows).view(rows // MERGE, 1, MERGE, 1).expand(-1, cols // MERGE, -1, MERGE).reshape(-1)
        w = torch.arange(cols).view(1, cols // MERGE, 1, MERGE).expand(rows // MERGE, -1, MERGE, -1).reshape(-1)
        cos, sin = model.model.visual.rotary_pos_emb(torch.zeros(1, device=device), torch.stack([h, w], -1).to(device))
        order, self.windows = window_order(rows // MERGE, cols // MERGE, config.window_size // PATCH // MERGE)
        order = (order[:, None] * MERGE**2 + torch.arange(MERGE**2)).where(order[:, None] >= 0, -1).view(-1)
        self.order = self.back = self.padding = None
        if self.windows > 1:
            real = (order >= 0).nonzero().view(-1)
            self.back = real[order[real].argsort()].to(device)  # where each patch went
            self.order = order.clamp(min=0).to(device)
            if len(real) < len(order):
                self.padding = (order >= 0).view(1, 1, 1, -1).to(device)
            cos, sin = cos[self.order], sin[self.order]
        self.vision_rope = cos, sin  # each [N, head_dim]

    def vision(self, frames: torch.Tensor) -> torch.Tensor:
        """`uint8[B, H, W, 3]` to image tokens `[B, spec.tokens, text width]`."""
        tower = self.model.model.visual
        x = self.ops.patches(tower, frames)
        if self.order is not None:
            x = x[:, self.order]  # window by window, each as long as the largest
        b, n, d = x.shape
        turn, heads = self.ops.turn(*(r.to(x) for r in self.vision_rope)), self.vision_heads
        for i, block in enumerate(tower.blocks):
            y = self.ops.norm(block.norm1, x)
            qk, v = self.ops.linear(block.attn.qkv, y).view(b, n, 3 * heads, -1).split((2 * heads, heads), 2)
            q, k = self.ops.rotate(qk, turn).transpose(1, 2).chunk(2, 1)
            y = self._attend(q, k, v.transpose(1, 2), 1 if i in self.full else self.windows)
            x = self.ops.add(block.attn.proj, y.transpose(1, 2).reshape(b, n, d), x)
            x = self.ops.mlp(block.mlp, self.ops.norm(block.norm2, x), x)
        if self.back is not None:
            x = x[:, self.back]
        merged = self.ops.norm(tower.merger.ln_q, x).view(b, self.spec.tokens, -1)
        first, _, second = tower.merger.mlp
        return self.ops.linear(second, F.gelu(self.ops.linear(first, merged)))

    def _attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, windows: int) -> torch.Tensor:
        """Attention of `[B, heads, N, head_dim]` within each of so many windows of one length."""
        b, heads, n, d = q.shape
        if windows == 1:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.padding)
        q, k, v = (x.reshape(b, heads, windows, -1, d).transpose(1, 2).flatten(0, 1) for x in (q, k, v))
        mask = None if self.padding is None else self.padding.view(windows, 1, 1, -1).repeat(b, 1, 1, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return y.view(b, windows, heads, -1, d).transpose(1, 2).reshape(b, heads, n, d)

    def embed(self, ids: torch.Tensor, image_tokens: torch.Tensor) -> torch.Tensor:
        """Token embeddings `[B, T, D]` with the image tokens in the places of `<|image_pad|>`, in order."""
        x = self.model.model.language_model.embed_tokens(ids)
        mask = (ids == self.model.config.image_token_id).unsqueeze(-1)
        return x.masked_scatter(mask, image_tokens.to(x.dtype))

    def rope(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotary tables `[B, T, head_dim]` of M-RoPE positions `int[3, B, T]`."""
        return self.model.model.language_model.rotary_emb(torch.zeros(1, device=positions.device), positions)

    def text(
        self,
        x: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None = None,
        cache: Cache | None = None,
        at: slice | torch.Tensor | None = None,
        *,
        last: int | None = None,
    ) -> torch.Tensor:
        """Last hidden states `[B, T, D]` of embeddings `[B, T, D]`, or of the `last` so many tokens alone. Causal,
        unless `mask` (`[B, 1, T, T]`, bool or additive) says what may be attended to. With a `cache` (B = 1) these are
        the tokens `at` some slots of it, and attend to all before them too; slots that a tensor names need a mask
        `[T, slots]`."""
        text = self.model.model.language_model
        config = text.config
        heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
        b, t, width = x.shape[0], x.shape[1], x.shape[2] // heads
        turn = self.ops.turn(*(r.to(x.dtype) for r in rope))
        causal = mask is None and (cache is None or at.start == 0)
        if mask is None and not causal and t > 1:
            mask = torch.arange(at.stop, device=x.device) <= torch.arange(at.start, at.stop, device=x.device)[:, None]
        for i, layer in enumerate(text.layers):
            y = self.ops.qkv(layer.self_attn, self.ops.norm(layer.input_layernorm, x)).view(b, t, -1, width)
            qk, v = y.split((heads + kv_heads, kv_heads), 2)
            q, k = self.ops.rotate(qk, turn).transpose(1, 2).split((heads, kv_heads), 1)
            v = v.transpose(1, 2)
            if cache is not None:
                k, v = cache.put(i, k, v, at)
            if last and i == len(text.layers) - 1 and t > last:  # nobody asks what the others come to
                q, x = q[:, :, -last:], x[:, -last:]
                assert last == 1 or not causal, "for several the mask must be given"
                mask, causal = None if mask is None else mask[..., -last:, :], False
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=heads > kv_heads)
            x = self.ops.add(layer.self_attn.o_proj, y.transpose(1, 2).flatten(2), x)
            x = self.ops.mlp(layer.mlp, self.ops.norm(layer.post_attention_layernorm, x), x)
        return self.ops.norm(text.norm, x)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """`[..., D]` to `[..., vocabulary]`."""
        return self.model.lm_head(hidden)


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


def window_order(rows: int, cols: int, side: int) -> tuple[torch.Tensor, int]:
    """The units (2x2 patches) of a grid window by window, and how many windows of `side` x `side` units there are. Each
    window has as many places as the largest; those that hold nothing are -1."""
    side_h, side_w = min(side, rows), min(side, cols)
    high, wide = -(-rows // side_h), -(-cols // side_w)
    units = torch.full((high * side_h, wide * side_w), -1)
    units[:rows, :cols] = torch.arange(rows * cols).view(rows, cols)
    order = units.view(high, side_h, wide, side_w).transpose(1, 2).reshape(high * wide, -1)
    return order.flatten(), high * wide
