"""The heavy parts of a transformer's towers: as its modules have them, or prepared once for this machine.

On a CPU two libraries offer matrix products, and `fastest` measures which is the quicker one here. MKL, which torch's
`F.linear` calls, takes AVX2 on AMD's processors; oneDNN with weights packed beforehand takes what the processor has
(twice as fast with AVX-512), and adds activations and residuals as it writes.
"""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from combatvla.policy.build import IMAGE_MEAN, IMAGE_STD, single_patches
from combatvla.vision import MERGE, PATCH

MOST = 100_000_000
"""Parameters of a model that is prepared at most: the weights are copied."""
TRIALS, TOKENS = 20, 64
"""`fastest` measures so many passes over so many tokens."""

_Weights = tuple[torch.Tensor, torch.Tensor | None]
"""Of a product, and its biases."""


class Ops:
    """The modules as they are: for training, and on a GPU."""

    def patches(self, tower: nn.Module, frames: torch.Tensor) -> torch.Tensor:
        """`uint8[B, H, W, 3]` to embedded patches `[B, N, D]`."""
        # A still picture fills both halves of a temporal patch: add the kernel's halves instead.
        kernel = tower.patch_embed.proj.weight  # [D, 3, 2, 14, 14]
        return F.linear(single_patches(frames).to(kernel.dtype), kernel.sum(2).flatten(1))

    def norm(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """The root-mean-square norm."""
        return F.rms_norm(x, (x.shape[-1],), module.weight.to(x.dtype), module.variance_epsilon)

    def turn(self, cos: torch.Tensor, sin: torch.Tensor) -> Any:
        """What `rotate` makes of the tables `[..., T, head_dim]` of a rotary embedding."""
        half = sin.shape[-1] // 2
        sin = torch.cat([-sin[..., :half], sin[..., half:]], -1)
        return cos.unsqueeze(-2), sin.unsqueeze(-2)

    def rotate(self, x: torch.Tensor, turn: Any) -> torch.Tensor:
        """Rotary embedding of `[B, T, heads, head_dim]`, which may be changed in place."""
        cos, sin = turn
        return x * cos + x.roll(x.shape[-1] // 2, -1) * sin

    def linear(self, module: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        return module(x)

    def add(self, module: nn.Linear, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        """`to + module(x)`"""
        return to + module(x)

    def qkv(self, attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values of the text tower, side by side."""
        return torch.cat([attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)], -1)

    def mlp(self, mlp: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        """`to` and the gated MLP of `x`."""
        return to + mlp.down_proj(F.silu(mlp.gate_proj(x)) * mlp.up_proj(x))


class JoinedOps(Ops):
    """The same on copies of the weights of `model`, for inference on a CPU in fp32. Products that share their input are
    one; the patches' normalisation is part of their embedding; and queries and keys have the two numbers that a rotary
    embedding turns beside each other, where it is one complex product (their own product is the same in any order)."""

    @torch.no_grad()
    def __init__(self, model: nn.Module) -> None:
        tower, text, config = model.model.visual, model.model.language_model, model.config
        modules = [*tower.modules(), *text.modules()]
        self._patches = _of_bytes(tower.patch_embed.proj.weight)
        self._norms = {
            m: (m.weight, torch.tensor(m.variance_epsilon)) for m in modules if hasattr(m, "variance_epsilon")
        }
        self._weights: dict[nn.Module, _Weights] = {m: (m.weight, m.bias) for m in modules if isinstance(m, nn.Linear)}
        heads, kv_heads = config.text_config.num_attention_heads, config.text_config.num_key_value_heads
        width = config.text_config.hidden_size // heads
        for layer in text.layers:
            attention = layer.self_attn
            parts = attention.q_proj, attention.k_proj, attention.v_proj
            self._weights[attention] = _paired(*_joined(*parts), (heads + kv_heads) * width, width)
            for part in parts:
                del self._weights[part]
        for block in tower.blocks:
            qkv, width = block.attn.qkv, block.attn.qkv.in_features
            self._weights[qkv] = _paired(*self._weights[qkv], 2 * width, width // config.vision_config.num_heads)
        for layer in (*tower.blocks, *text.layers):
            self._weights[layer.mlp] = _joined(layer.mlp.gate_proj, layer.mlp.up_proj)

    def norm(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        weight, epsilon = self._norms[module]
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = torch.addcmul(epsilon, length, length, value=1 / x.shape[-1]).rsqrt_()
        return torch.mul(x, scale).mul_(weight)

    def turn(self, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        half = cos.shape[-1] // 2  # the other half is the same
        return torch.complex(cos[..., :half], sin[..., :half]).unsqueeze(-2)

    def rotate(self, x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(turn)
        return x

    def patches(self, tower: nn.Module, frames: torch.Tensor) -> torch.Tensor:
        b, h, w, _ = frames.shape
        x = frames.view(b, h // PATCH // MERGE, MERGE, PATCH, w // PATCH // MERGE, MERGE, PATCH * 3)
        x = x.permute(0, 1, 4, 2, 5, 3, 6).reshape(b, -1, PATCH * PATCH * 3)  # as bytes, which are less to move
        return F.linear(x.float(), *self._patches)

    def linear(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, *self._weights[module])

    def add(self, module: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        return self.linear(module, x).add_(to)

    def qkv(self, attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return self.linear(attention, x)

    def mlp(self, mlp: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        gate, up = self.linear(mlp, x).chunk(2, -1)
        return self.add(mlp.down_proj, F.silu(gate).mul_(up), to)


class PackedOps(JoinedOps):
    """The same with weights packed for oneDNN, but for a single token, where MKL is the faster one everywhere."""

    @torch.no_grad()
    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self._packed = {
            module: torch.ops.mkldnn._reorder_linear_weight(weight, None)
            for module, (weight, _) in self._weights.items()
            if not hasattr(module, "gate_proj")  # gate and up apart, each with what follows it
        }

    def linear(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if _alone(x):
            return super().linear(module, x)
        return self._unary(module, x, "none")

    def add(self, module: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        if _alone(x):
            return super().add(module, x, to)
        return self._binary(module, x, to, "add")

    def mlp(self, mlp: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        if _alone(x):
            return super().mlp(mlp, x, to)
        gated = self._binary(mlp.up_proj, x, self._unary(mlp.gate_proj, x, "swish"), "mul")
        return self._binary(mlp.down_proj, gated, to, "add")

    def _unary(self, module: nn.Module, x: torch.Tensor, then: str) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed[module], self._weights[module][1], then, [], "")

    def _binary(self, module: nn.Module, x: torch.Tensor, other: torch.Tensor, then: str) -> torch.Tensor:
        bias = self._weights[module][1]
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, self._packed[module], bias, then)


def fastest(model: nn.Module) -> Ops:
    """What is fastest for playing `model` where it lies, on this machine."""
    parameters = list(model.parameters())
    small = sum(p.numel() for p in parameters) <= MOST
    if not small or parameters[0].device.type != "cpu" or parameters[0].dtype != torch.float32:
        return Ops()
    kinds = [JoinedOps(model)]
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        kinds.append(PackedOps(model))
    return min(kinds, key=lambda ops: _seconds(ops, model))


def _seconds(ops: Ops, model: nn.Module) -> float:
    """How long a layer's products take: the best of some trials."""
    layer = model.model.language_model.layers[0]
    x = torch.zeros(1, TOKENS, model.config.text_config.hidden_size)
    took = []
    for _ in range(TRIALS):
        began = time.perf_counter()
        ops.qkv(layer.self_attn, x)
        ops.mlp(layer.mlp, x, x)
        took.append(time.perf_counter() - began)
    return min(took)


def _alone(x: torch.Tensor) -> bool:
    return x.numel() == x.shape[-1]


def _joined(*modules: nn.Linear) -> _Weights:
    """Weights and biases of products with the same input, as of one."""
    weight = torch.cat([m.weight for m in modules])
    return weight, None if modules[0].bias is None else torch.cat([m.bias for m in modules])


def _paired(weight: torch.Tensor, bias: torch.Tensor | None, rotated: int, width: int) -> _Weights:
    """With the first `rotated` outputs, heads of `width`, in the order 0, width / 2, 1, width / 2 + 1, ..."""
    order = torch.arange(len(weight))
    order[:rotated] = order[:rotated].view(-1, 2, width // 2).transpose(1, 2).flatten()
    return weight[order], None if bias is None else bias[order]


def _of_bytes(kernel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The embedding of patches `[D, 3, 2, 14, 14]`, as a product with their bytes in the order row, column, channel."""
    kernel = kernel.sum(2).permute(0, 2, 3, 1)
    scale, shift = torch.from_numpy(1 / (255 * IMAGE_STD)), torch.from_numpy(-IMAGE_MEAN / IMAGE_STD)
    return (kernel * scale).flatten(1), (kernel * shift).flatten(1).sum(1)
