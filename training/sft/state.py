"""What an interrupted run needs to go on: optimizer, probes, averages, step and clock, as safetensors and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from combatvla.errors import UserError

if TYPE_CHECKING:
    from torch import nn

Average = dict[str, torch.Tensor] | None


def save(
    folder: Path,
    model: nn.Module,
    probes: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average,
    step: int,
    seconds: float,
) -> None:
    """Writes `state.safetensors` in `folder`, whole or not at all; step and clock ride in its metadata."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {f"model.{k}": v.detach() for k, v in model.named_parameters()}
    tensors |= {f"probes.{k}": v.detach() for k, v in probes.named_parameters()}
    tensors |= {f"average.{k}": v for k, v in (average or {}).items()}
    for name, p in _named(model, probes):
        tensors |= {f"optimizer.{name}.{k}": v for k, v in optimizer.state.get(p, {}).items()}
    part = folder / "state.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {k: v.contiguous() for k, v in tensors.items()},
            part,
            {"run": json.dumps({"step": step, "seconds": seconds})},
        )
        os.replace(part, folder / "state.safetensors")
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"cannot write {folder}: {reason}; free some space, then --resume") from error


def load(
    folder: Path, model: nn.Module, probes: nn.Module, optimizer: torch.optim.Optimizer, average: Average
) -> tuple[int, float]:
    """Puts everything back; returns step and seconds spent. `UserError` when there is nothing to go on from."""
    from safetensors import SafetensorError, safe_open

    path = folder / "state.safetensors"
    try:
        with safe_open(path, "pt") as file, torch.no_grad():
            run = json.loads(file.metadata()["run"])
            names = set(file.keys())
            for module, prefix in ((model, "model"), (probes, "probes")):
                for name, p in module.named_parameters():
                    p.copy_(file.get_tensor(f"{prefix}.{name}"))
            for name, value in (average or {}).items():
                value.copy_(file.get_tensor(f"average.{name}"))
            for name, p in _named(model, probes):
                kept = {k: f"optimizer.{name}.{k}" for k in ("step", "exp_avg", "exp_avg_sq")}
                if kept["step"] in names:
                    optimizer.state[p] = {k: file.get_tensor(full).to(p.device) for k, full in kept.items()}
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"cannot resume from {path} ({type(error).__name__}): expected an interrupted run with the same --out, "
            "data and settings; leave --resume out to start anew"
        ) from error
    return int(run["step"]), float(run["seconds"])


def _named(model: nn.Module, probes: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    yield from ((f"model.{k}", v) for k, v in model.named_parameters())
    yield from ((f"probes.{k}", v) for k, v in probes.named_parameters())


@torch.no_grad()
def blend(average: dict[str, torch.Tensor], model: nn.Module, keep: float) -> None:
    """Moves the average a little towards the model."""
    torch._foreach_lerp_(list(average.values()), [p.detach() for p in model.parameters()], 1 - keep)


@contextmanager
def swapped(model: nn.Module, average: Average) -> Iterator[None]:
    """The model with the averaged weights, for as long as the block lasts."""
    if average is None:
        yield
        return
    own = {k: p.detach().clone() for k, p in model.named_parameters()}
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(average[name])
    try:
        yield
    finally:
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.copy_(own[name])
