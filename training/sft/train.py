"""Supervised fine-tuning of a policy on AoT rows: one device, one loss, on a CPU a few processes that share each batch.

    combatvla env data --task first --rows 20000 --out data/arena
    combatvla train sft --data data/arena --out checkpoints/mine --minutes 30
    combatvla train sft --data data/arena --out checkpoints/mine --minutes 30 --resume

`--out` becomes an ordinary Hugging Face folder; beside it, `<out>.training` holds the curves (TensorBoard) and what
`--resume` needs. The loss of a batch, over its supervised tokens i with kind k(i) (decision, explanation, answer):

    L = sum_i w[k(i)] * CE(logits_i, token_i) / sum_i w[k(i)]  +  probe * L_probe

L_probe is the mean cross-entropy of linear classifiers that read each turn's whole answer off the *mean* of a frame's
image tokens. A freshly initialised model attends evenly to its image tokens, so the mean is what it first gets to see;
the classifiers make that mean worth reading within seconds instead of minutes, and are thrown away.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from combatvla.arguments import parse

Stage = Literal["video", "frame", "truncated"]


@dataclass
class Args:
    """Train a policy on action-of-thought data.

    For example:

        combatvla train sft --data data/first --init combatvla/checkpoints/tiny --out out/mine --minutes 30
        combatvla train sft --data data/more --init out/mine --out out/better --steps 2000 --lr 3e-4
    """

    data: tuple[Path, ...]
    """Folders of Parquet rows (`combatvla env data`, `combatvla tracker export`)."""
    out: Path
    """The checkpoint's folder; a checkpoint there is replaced whole at each save, anything else is refused."""
    init: Path | None = None
    """Start from this checkpoint, ours or any Qwen2.5-VL folder, instead of from nothing."""
    resume: bool = False
    """Go on where an interrupted run with the same --out stopped."""
    stage: Stage = "truncated"
    """video, frame: explanation first; truncated: action first, then <TRUNC> and the explanation."""
    preset: str = "S"
    """Size of a model that starts from nothing: S or M."""
    minutes: float | None = None
    """Length of the training by the clock; the schedule follows it."""
    steps: int | None = None
    """Length of the training in steps, instead of --minutes."""
    batch: int = 32
    """Samples a step."""
    turns: int = 2
    """Turns of a sample taught at a time: its decision and a random choice of its questions."""
    frames: int | None = None
    """Frames a decision sees (default: those of the rows)."""
    frame_gap_ms: int = 100
    """Time between them, as the rows were made; play keeps to it."""
    lr: float = 1.5e-3
    """Peak learning rate."""
    warmup: float = 0.02
    """Share of the run in which the learning rate rises."""
    decay: float = 0.4
    """Share of the run, at its end, in which it falls to zero."""
    weight_decay: float = 0.05
    """AdamW's, on matrices only."""
    clip: float = 1.0
    """Largest gradient norm."""
    explanation_weight: float = 0.3
    """Weight of a token of an explanation; those of decisions and answers weigh 1."""
    probe: float | None = None
    """Weight of the probes' loss at the start; it fades out over the first half of the run. Default: 1 for a new model,
    0 (none) with --init."""
    ema: float = 0.0
    """Decay of a moving average of the weights which is saved and evaluated instead of them; 0: none."""
    held_out: int = 256
    """Rows kept from training to measure on, of whole sessions (fights)."""
    eval_every: float = 60.0
    """Seconds between measurements (and saves)."""
    vocab: int = 1024
    """Most tokens of a new tokenizer."""
    seed: int = 0
    """Of the initialisation and of the order of the data."""
    threads: int = 2
    """Processes that share a batch on a CPU, one thread each."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the arithmetic (weights stay fp32); auto takes what is faster here."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes a GPU where there is one."""
    json: bool = False
    """Print one JSON object with the last measurement as the last line."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "train sft")
    from training.sft.loop import train

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the team's other processes are ended on the way out
    started = time.monotonic()
    try:
        report = train(args)
    except KeyboardInterrupt:
        kept = args.out.with_name(args.out.name + ".training") / "state.safetensors"
        how = "--resume goes on from the last save" if kept.exists() else "nothing was saved yet (see --eval-every)"
        print(f"combatvla: interrupted; {how}", file=sys.stderr)
        return 130
    report["seconds"] = round(time.monotonic() - started, 1)
    if args.json:
        from combatvla.report import json_line

        print(json_line(report))
    return 0
