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

from combatvla.aot import camera_in
from combatvla.errors import UserError
from combatvla.policy.build import build_model
from combatvla.policy.checkpoint import PolicyInfo, check_target, load_qwen, read_info, save_checkpoint
from combatvla.policy.net import Net
from combatvla.policy.tokenizer import add_aot_tokens, train_tokenizer
from combatvla.vision import FrameSpec
from training.sft import state
from training.sft.data import ACTION, ANSWER, EXPLANATION, Batch, Batcher, Samples, load_samples, split, texts
from training.sft.loss import Probes, batch_loss, to_device
from training.sft.measure import measure
from training.sft.team import Team

if TYPE_CHECKING:
    from training.sft.train import Args


PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def faster_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where it multiplies faster than float32 (GPUs, some CPUs), else float32. Takes a few milliseconds."""
    if device.type != "cpu":
        return torch.bfloat16
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(2048, 192, dtype=dtype), torch.ones(512, 192, dtype=dtype)
        times = []
        for _ in range(10):
            start = time.thread_time()  # of the processor, not of the wall: others may be busy
            F.linear(a, b)
            times.append(time.thread_time() - start)
        best[dtype] = min(times)
    return min(best, key=best.__getitem__)


def schedule(progress: float, warmup: float, decay: float) -> float:
    """Share of the peak learning rate at `progress` in [0, 1]: rises, stays, falls to zero as 1 - sqrt."""
    if progress < warmup:
        return progress / warmup
    if progress > 1 - decay:
        return max(0.0, 1 - math.sqrt((progress - (1 - decay)) / decay))
    return 1.0


def batches(
    batcher: Batcher, rows: np.ndarray, size: int, turns: int, seed: int, skip: int = 0
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Endless shuffled batches: of each sample its decision and `turns - 1` of its questions. The first `skip` are left
    out, so that a resumed run goes on with the batch it would have had."""
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
            if skip:
                skip -= 1
                continue
            yield index, batcher(index, chosen)


def prepare(args: Args) -> tuple[Any, Any, PolicyInfo, Samples]:
    """Model, tokenizer, info and samples of a run. `UserError` for what the user got wrong."""
    from tracker.dataset import read_rows

    rows = [row for folder in args.data for row in read_rows(folder)]
    if not rows:
        raise UserError("the data set has no rows: make some with `combatvla env data` or `combatvla tracker export`")
    order = "action_first" if args.stage == "truncated" else "thought_first"
    camera = camera_in(texts(rows))
    source = args.out if args.resume else args.init
    if source is not None:
        model, tokenizer = load_qwen(source)
        known = read_info(source) if args.resume or (source / "combatvla.json").exists() else None
        camera += tuple(a for a in known.camera if a not in camera) if known else ()
        add_aot_tokens(tokenizer, camera)
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64)
        spec = known.spec if known else FrameSpec()
    else:
        tokenizer = train_tokenizer(texts(rows[:20000]), args.vocab, camera)
        model, spec, known = build_model(args.preset, tokenizer, seed=args.seed), FrameSpec(), None
    frames = args.frames or (known.frames_per_decision if known else max(len(r.images) for r in rows))
    samples = load_samples(rows, tokenizer, spec, order=order, frames_per_decision=frames)
    info = PolicyInfo(
        width=spec.width,
        height=spec.height,
        frames_per_decision=frames,
        frame_gap_ms=args.frame_gap_ms,
        order=order,
        camera=camera,
        prompt=samples.user_prompt or (known.prompt if known else ""),
        system=samples.system,
    )
    return model, tokenizer, info, samples


def check_numbers(args: Args) -> None:
    """`UserError` for options outside of their range."""
    for names, fits, said in (
        ("minutes steps frames lr", lambda x: x is None or x > 0, "more than 0"),
        ("batch turns threads frame_gap_ms", lambda x: x >= 1, "at least 1"),
        ("vocab", lambda x: x >= 300, "at least 300"),  # bytes and special tokens alone are that many
        ("held_out weight_decay clip explanation_weight", lambda x: x >= 0, "at least 0"),
        ("warmup decay ema", lambda x: 0 <= x <= 1, "from 0 to 1"),
    ):
        for name in names.split():
            if not fits(getattr(args, name)):
                raise UserError(f"--{name.replace('_', '-')} must be {said}, got {getattr(args, name)}")


def train(args: Args) -> dict[str, Any]:
    """Trains as `args` say; returns the last measurement."""
    if (args.minutes is None) == (args.steps is None):
        raise UserError("say how long to train: --minutes or --steps, one of them")
    check_numbers(args)
    check_target(args.out)
    gpu = torch.cuda.is_available()
    if args.device == "cuda" and not gpu:
        raise UserError("--device cuda: torch sees no NVIDIA GPU here; leave it out, or use --device cpu")
    device = torch.device("cuda" if gpu and args.device != "cpu" else "cpu")
    torch.set_num_threads(1)  # until the team has forked: a pool of threads does not survive that
    run = Run(args, device)
    size = args.threads if device.type == "cpu" and min(args.batch, len(run.rows)) >= args.threads else 1
    run.team = Team([*run.model.parameters(), *run.probes.parameters()], size)
    run.team.start(run.loop)
    try:
        return run.loop()
    finally:
        run.team.close()


class Run:
    """One training run: what is built before the team forks, and the loop that every process of it goes through."""

    team: Team

    def __init__(self, args: Args, device: torch.device):
        from rich.console import Console

        self.probe = args.probe if args.probe is not None else float(args.init is None)
        self.args, self.device, self.console = args, device, Console(stderr=True, highlight=False)
        self.console.print("reading the data ...")
        self.model, self.tokenizer, self.info, samples = prepare(args)
        self.rows, self.held = split(samples.sessions, args.held_out, args.seed)
        self.model.to(device).train()
        self.net, self.batcher = Net(self.model, samples.spec), Batcher(samples, self.tokenizer)
        self.probes = Probes(samples, self.model.config.text_config.hidden_size).to(device)
        self.precision = faster_precision(device) if args.precision == "auto" else PRECISIONS[args.precision]
        self.weights = torch.zeros(4, device=device)
        self.weights[ACTION], self.weights[EXPLANATION], self.weights[ANSWER] = 1.0, args.explanation_weight, 1.0
        matrices = [p for p in self.model.parameters() if p.ndim > 1] + [self.probes.out.weight]
        vectors = [p for p in self.model.parameters() if p.ndim == 1] + [
            self.probes.out.bias,
            *self.probes.norm.parameters(),
        ]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=args.lr,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.ema = {k: v.detach().clone() for k, v in self.model.named_parameters()} if args.ema else None
        self.side = args.out.with_name(args.out.name + ".training")
        self.step, self.spent = 0, 0.0
        if args.resume:
            self.step, self.spent = state.load(self.side, self.model, self.probes, self.optimizer, self.ema)
        self.console.print(
            f"{len(self.rows)} rows of {samples.frames.shape[1]} frames to train on, {len(self.held)} held out; "
            f"vocabulary {len(self.tokenizer)}; "
            f"{sum(p.numel() for p in self.model.parameters()) / 1e6:.2f} M parameters; "
            f"{self.precision} on {device}"
        )

    def progress(self) -> float:
        """How much of the run is over."""
        args = self.args
        return self.step / args.steps if args.steps else (time.monotonic() - self.began) / (args.minutes * 60)

    def loop(self) -> dict[str, Any]:
        """Trains to the end; rank 0 measures, saves and reports."""
        args, team, first = self.args, self.team, self.team.rank == 0
        shard = self.rows[team.rank :: team.size]
        seed = args.seed + 1000 * team.rank
        stream = batches(self.batcher, shard, args.batch // team.size, args.turns, seed, skip=self.step)
        self.began = time.monotonic() - self.spent
        log = Curves(self.side / "curves", self.step) if first else None
        last_eval = window = time.monotonic()
        seen = 0
        # Every rank follows rank 0's clock, told at each meeting, so that all take the same steps.
        now = self.step / args.steps if args.steps else self.spent / (args.minutes * 60)
        while now < 1:
            factor = schedule(now, args.warmup, args.decay)
            for group in self.optimizer.param_groups:
                group["lr"] = args.lr * factor
            probe_weight = self.probe * max(0.0, 1 - 2 * now)
            index, batch = next(stream)
            team.row.zero_()
            loss, probe_loss = self.backward(index, to_device(batch, self.device), probe_weight)
            self.step, seen = self.step + 1, seen + len(index) * team.size
            now = team.average(self.progress())
            norm = team.clip(args.clip)
            self.optimizer.step()
            if self.ema is not None:
                state.blend(self.ema, self.model, min(args.ema, (1 + self.step) / (10 + self.step)))
            if first and self.step % 25 == 0:
                rate = seen / (time.monotonic() - window)
                window, seen = time.monotonic(), 0
                curves = {
                    "loss": loss.item(),
                    "gradient_norm": norm.item(),
                    "lr": args.lr * factor,
                    "samples_per_s": rate,
                }
                if probe_weight:
                    curves["probe_loss"] = probe_loss.item()
                log.add("train", curves, self.step)
                if self.step % 100 == 0:
                    line = "  ".join(f"{k} {v:.4g}" for k, v in curves.items())
                    self.console.print(f"[dim]{now:4.0%}  step {self.step:6d}  {line}", soft_wrap=True)
            if first and time.monotonic() - last_eval > args.eval_every:
                log.add("held_out", self.measure_and_save(), self.step)
                last_eval = window = time.monotonic()
                seen = 0
        if not first:
            return {}
        found = self.measure_and_save()
        log.add("held_out", found, self.step)
        log.close()
        self.console.print(f"saved {args.out}; curves: tensorboard --logdir {self.side}", soft_wrap=True)
        return {"steps": self.step, **found}

    def backward(self, index: np.ndarray, batch: Batch, probe_weight: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds the batch's gradient; returns the two losses."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
            loss, _, image_tokens = batch_loss(self.net, batch, self.weights)
        probe_loss = loss.new_zeros(())
        total = loss
        if probe_weight:
            probe_loss = self.probes(image_tokens.unflatten(0, (len(index), -1)), index)
            total = loss + probe_weight * probe_loss
        total.backward()
        return loss.detach(), probe_loss.detach()

    def measure_and_save(self) -> dict[str, float]:
        """Measures on the held-out rows and writes the checkpoint and what resuming needs."""
        torch.set_num_threads(self.args.threads)
        with state.swapped(self.model, self.ema):
            found = measure(self.net, self.batcher, self.held, self.weights)
            save_checkpoint(self.args.out, self.model, self.tokenizer, self.info)
        torch.set_num_threads(1)
        seconds = time.monotonic() - self.began
        state.save(self.side, self.model, self.probes, self.optimizer, self.ema, self.step, seconds)
        line = "  ".join(f"{k} {v:.3f}" for k, v in found.items() if "/" not in k)
        self.console.print(
            f"{self.progress():4.0%}  step {self.step:6d}  {seconds / 60:5.1f} min  {line}", soft_wrap=True
        )
        return found


class Curves:
    """TensorBoard scalars."""

    def __init__(self, folder: Path, purge_step: int):
        from torch.utils.tensorboard import SummaryWriter

        try:
            self.writer = SummaryWriter(str(folder), purge_step=purge_step)
        except OSError as error:
            raise UserError(f"cannot write {folder}: {error.strerror}; choose another --out") from error

    def add(self, group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        self.writer.close()
