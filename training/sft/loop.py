"""The training loop behind `combatvla train sft`: data, loss, schedule, measurement, saving."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from combatvla.errors import UserError
from combatvla.policy.build import build_model
from combatvla.policy.checkpoint import PolicyInfo, load_qwen, read_info, save_checkpoint
from combatvla.policy.net import Net
from combatvla.policy.tokenizer import train_tokenizer
from combatvla.vision import FrameSpec
from training.sft import state
from training.sft.data import ACTION, ANSWER, EXPLANATION, Batch, Batcher, Samples, load_samples, texts
from training.sft.measure import measure

if TYPE_CHECKING:
    from training.sft.train import Args


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
        self.out = torch.nn.Linear(width * samples.frames.shape[1], sum(sizes))
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


def schedule(progress: float, warmup: float, decay: float) -> float:
    """Share of the peak learning rate at `progress` in [0, 1]: rises, stays, falls to zero as 1 - sqrt."""
    if progress < warmup:
        return progress / warmup
    if progress > 1 - decay:
        return max(0.0, 1 - math.sqrt((progress - (1 - decay)) / decay))
    return 1.0


def batches(batcher: Batcher, rows: np.ndarray, size: int, turns: int, seed: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """Endless shuffled batches: of each sample its decision and `turns - 1` of its questions."""
    rng = np.random.default_rng(seed)
    size = min(size, len(rows))
    while True:
        order = rng.permutation(rows)
        for start in range(0, len(order) - size + 1, size):
            index = order[start : start + size]
            chosen = []
            for i in index:
                own = batcher.samples.branches[i]
                fixed = own[:1] if own[0].decision else []
                rest = own[len(fixed) :]
                picks = rng.choice(len(rest), min(turns - len(fixed), len(rest)), replace=False) if rest else []
                chosen.append(fixed + [rest[j] for j in picks])
            yield index, batcher(index, chosen)


def prepare(args: Args) -> tuple[Any, Any, PolicyInfo, Samples]:
    """Model, tokenizer, info and samples of a run. `UserError` for what the user got wrong."""
    from tracker.dataset import read_rows

    rows = [row for folder in args.data for row in read_rows(folder)]
    if not rows:
        raise UserError("the data set has no rows: make some with `combatvla env data` or `combatvla tracker align`")
    order = "action_first" if args.stage == "truncated" else "thought_first"
    source = args.out if args.resume else args.init
    if source is not None:
        model, tokenizer = load_qwen(source)
        known = read_info(source) if args.resume or (source / "combatvla.json").exists() else None
        spec = known.spec if known else FrameSpec()
    else:
        tokenizer = train_tokenizer(texts(rows[:20000]), args.vocab)
        model, spec, known = build_model(args.preset, tokenizer, seed=args.seed), FrameSpec(), None
    frames = args.frames or (known.frames_per_decision if known else max(len(r.images) for r in rows))
    samples = load_samples(rows, tokenizer, spec, order=order, frames_per_decision=frames)
    info = PolicyInfo(
        width=spec.width,
        height=spec.height,
        frames_per_decision=frames,
        frame_gap_ms=args.frame_gap_ms,
        order=order,
        prompt=samples.user_prompt or (known.prompt if known else ""),
        system=samples.system,
    )
    return model, tokenizer, info, samples


def train(args: Args) -> dict[str, Any]:
    """Trains as `args` say; returns the last measurement."""
    if (args.minutes is None) == (args.steps is None):
        raise UserError("say how long to train: --minutes or --steps, one of them")
    from rich.console import Console

    console = Console(stderr=True)
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if args.device == "auto" and torch.cuda.is_available() else args.device.replace("auto", "cpu"))
    console.print("reading the data ...")
    model, tokenizer, info, samples = prepare(args)
    rows = np.random.default_rng(args.seed).permutation(len(samples))
    held, rows = rows[: min(args.held_out, len(rows) // 5)], rows[min(args.held_out, len(rows) // 5) :]
    model.to(device).train()
    net, batcher = Net(model, samples.spec), Batcher(samples, tokenizer)
    probes = Probes(samples, model.config.text_config.hidden_size).to(device)
    console.print(
        f"{len(rows)} rows of {samples.frames.shape[1]} frames to train on, {len(held)} held out, vocabulary {len(tokenizer)}, "
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, on {device}"
    )
    weights = torch.zeros(4, device=device)
    weights[ACTION], weights[EXPLANATION], weights[ANSWER] = 1.0, args.explanation_weight, 1.0
    matrices = [p for p in model.parameters() if p.ndim > 1] + [probes.out.weight]
    vectors = [p for p in model.parameters() if p.ndim == 1] + [probes.out.bias, *probes.norm.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=args.lr,
        betas=(0.9, 0.98),
        fused=True,
    )
    average = {k: v.detach().clone() for k, v in model.named_parameters()} if args.ema else None
    side = args.out.with_name(args.out.name + ".training")
    step, spent = state.load(side, model, probes, optimizer, average) if args.resume else (0, 0.0)
    log = Curves(side / "curves", step)
    stream = batches(batcher, rows, args.batch, args.turns, args.seed + step)
    began, last_eval, report, seen = time.monotonic() - spent, time.monotonic(), {}, 0

    def progress() -> float:
        return step / args.steps if args.steps else (time.monotonic() - began) / (args.minutes * 60)

    def pause_and_measure() -> dict[str, Any]:
        with state.swapped(model, average):
            found = measure(net, batcher, held, weights)
            save_checkpoint(args.out, model, tokenizer, info)
        state.save(side, model, probes, optimizer, average, step, time.monotonic() - began)
        log.add("held_out", found, step)
        console.print(
            f"{progress():4.0%}  step {step:6d}  {(time.monotonic() - began) / 60:5.1f} min  "
            + "  ".join(f"{k} {v:.3f}" for k, v in found.items() if not k.startswith(("recall", "question")))
        )
        return found

    window = time.monotonic()
    while (now := progress()) < 1:
        factor = schedule(now, args.warmup, args.decay)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * factor
        index, batch = next(stream)
        batch = to_device(batch, device)
        with torch.autocast(device.type, torch.bfloat16):
            loss, _, image_tokens = batch_loss(net, batch, weights)
        probe_weight = args.probe * max(0.0, 1 - 2 * now)
        total = loss
        if probe_weight:
            probe_loss = probes(image_tokens.unflatten(0, (len(index), -1)), index)
            total = loss + probe_weight * probe_loss
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_([*model.parameters(), *probes.parameters()], args.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + len(index)
        if average is not None:
            state.blend(average, model, min(args.ema, (1 + step) / (10 + step)))
        if step % 25 == 0:
            rate = seen / (time.monotonic() - window)
            window, seen = time.monotonic(), 0
            curves = {"loss": loss.item(), "gradient_norm": norm.item(), "lr": args.lr * factor, "samples_per_s": rate}
            if probe_weight:
                curves["probe_loss"] = probe_loss.item()
            log.add("train", curves, step)
            if step % 100 == 0:
                console.print(f"[dim]{now:4.0%}  step {step:6d}  " + "  ".join(f"{k} {v:.4g}" for k, v in curves.items()))
        if time.monotonic() - last_eval > args.eval_every:
            report = pause_and_measure()
            last_eval = window = time.monotonic()
            seen = 0
    report = pause_and_measure()
    log.close()
    console.print(f"saved {args.out}; curves: tensorboard --logdir {side}")
    return {"steps": step, **report}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Moves a batch's tensors; on a CPU it does nothing."""
    if device.type != "cpu":
        for name in ("frames", "ids", "positions", "mask", "targets", "at", "kinds", "branch"):
            value = getattr(batch, name)
            setattr(batch, name, None if value is None else value.to(device, non_blocking=True))
    return batch


class Curves:
    """TensorBoard scalars."""

    def __init__(self, folder: Path, purge_step: int):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=purge_step)

    def add(self, group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        self.writer.close()
