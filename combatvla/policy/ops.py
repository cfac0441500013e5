"""The matrix products of a transformer: as its modules have them, or packed once for this machine.

MKL, which torch's `F.linear` calls, takes AVX2 on AMD's processors; oneDNN with weights packed beforehand takes what
the processor has (twice as fast there for more than one token), and adds activations and residuals as it writes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

MOST = 100_000_000
"""Parameters of a model that is packed at most: packing copies the weights."""


class Ops:
    """The modules as they are: for training, and on a GPU."""

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


class PackedOps(Ops):
    """The same on copies of the weights of `model`, for inference on a CPU in fp32."""

    def __init__(self, model: nn.Module) -> None:
        self._one: dict[nn.Module, tuple[torch.Tensor, torch.Tensor | None]] = {}
        """Weights and biases for a single token, where MKL is the faster one..."""
        self._many: dict[nn.Module, torch.Tensor] = {}
        """...and packed ones for several."""
        for module in model.modules():
            if isinstance(module, nn.Linear):
                self._pack(module, module.weight, module.bias)
            elif hasattr(module, "q_proj"):
                parts = (module.q_proj, module.k_proj, module.v_proj)
                self._pack(module, torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))
            elif hasattr(module, "gate_proj") and module.gate_proj.bias is None:
                self._one[module] = torch.cat([module.gate_proj.weight, module.up_proj.weight]).detach(), None

    def _pack(self, key: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._one[key] = weight.detach(), None if bias is None else bias.detach()
        self._many[key] = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)

    def linear(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if _alone(x):
            return F.linear(x, *self._one[module])
        return self._several(module, x, "none")

    def add(self, module: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        if _alone(x):
            return to + F.linear(x, *self._one[module])
        return torch.ops.mkldnn._linear_pointwise.binary(x, to, self._many[module], self._one[module][1], "add")

    def qkv(self, attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return self.linear(attention, x)

    def mlp(self, mlp: nn.Module, x: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        if _alone(x) and mlp in self._one:
            gate, up = F.linear(x, self._one[mlp][0]).chunk(2, -1)
            return self.add(mlp.down_proj, F.silu(gate) * up, to)
        if _alone(x):
            return super().mlp(mlp, x, to)
        gate, up = self._several(mlp.gate_proj, x, "swish"), mlp.up_proj
        both = torch.ops.mkldnn._linear_pointwise.binary(x, gate, self._many[up], self._one[up][1], "mul")
        return self.add(mlp.down_proj, both, to)

    def _several(self, module: nn.Module, x: torch.Tensor, then: str) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._many[module], self._one[module][1], then, [], "")


def _alone(x: torch.Tensor) -> bool:
    return x.numel() == x.shape[-1]


def fastest(model: nn.Module) -> Ops:
    """What is fastest for playing `model` where it lies."""
    parameters = list(model.parameters())
    small = sum(p.numel() for p in parameters) <= MOST
    if small and parameters[0].device.type == "cpu" and parameters[0].dtype == torch.float32:
        if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            return PackedOps(model)
    return Ops()
