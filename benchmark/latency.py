"""Latency: how long from the frames to the first action, beside the same weights driven in the usual ways."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.arguments import parse, parse_size
from combatvla.errors import UserError
from combatvla.report import around, emit, percentile, progress, table, write_between

if TYPE_CHECKING:
    from combatvla.policy.base import Frame
    from combatvla.policy.local import LocalPolicy

CALLS = {"five_calls": 5, "ten_calls": 10}
"""Pipelines of so many questions to the model a decision, as Cradle and VARP have (the paper's table of latencies)."""
EXPLANATION = "slam lands now, in reach; health low, stamina half: step left and dodge."
"""A full answer goes on for as long as this one of the training data, whatever it says: windows that a checkpoint was
not trained for make it taciturn."""
BEGIN, END = "<!-- FIGURES: written by combatvla bench latency -->", "<!-- /FIGURES -->"
TURNS = 20
"""The slow ways are measured on so many of the windows, all ways by turns."""


@dataclass
class Args:
    """Measures decisions: this engine's, and `generate()` of transformers on the same weights, frames and prompt.

    For example:

        combatvla bench latency
        combatvla bench latency --frames 1 --live 0 --json
        combatvla bench latency --shape 3b --size 1008x560 --frames 3
        combatvla bench latency --write docs/latency.md

    Both begin with the pictures as they were captured. "Truncated" stops with the action, "full" goes on to the end of
    an explanation. The pipelines ask the model five and ten full questions for one action. At the end the policy plays
    one fight in the Arena's window.
    """

    policy: str = "tiny"
    """The checkpoint: `tiny` (it ships with the package) or a folder."""
    frames: int = 4
    """Frames in a decision's window."""
    windows: int = 1000
    """Decisions that are measured."""
    shape: str | None = None
    """`3b`: a model of Qwen2.5-VL-3B's shape with random weights instead (for a GPU), at --size."""
    size: str = "1008x560"
    """With --shape: of a frame as the model sees it."""
    live: float = 60.0
    """Seconds of play in the Arena's window at most; 0: none."""
    threads: int = 1
    """Of torch, for both sides; one is what the agent plays with, as the game needs the other core."""
    write: Path | None = None
    """Puts the figures into this page too, between the lines that mark their place (docs/latency.md)."""
    json: bool = False
    """Prints the result as one JSON object on the last line."""


def windows(count: int, frames: int) -> list[list[Frame]]:
    """So many windows of the last pictures of Arena fights, ten a second, 640x360."""
    from combatvla.policy.base import Frame
    from env.arena.fight import Fight
    from env.arena.render import Renderer
    from env.arena.state import PERIOD_TICKS
    from env.players import RandomPlayer
    from env.tasks import TEST_SEED_START, load_task

    renderer, task = Renderer(640, 360), load_task("first")
    found: list[list[Frame]] = []
    seed = TEST_SEED_START
    while len(found) < count:
        fight, player = Fight(task, seed), RandomPlayer(seed)
        seen: list[Frame] = []
        while fight.result is None and len(found) < count:
            seen.append(Frame(renderer.draw(fight).copy(), len(found) * 100_000_000 + seed))
            if len(seen) >= frames:
                found.append(seen[-frames:])
            held = player.decide([]).plan.held_at(0)
            for _ in range(PERIOD_TICKS):
                fight.tick(held)
        seed += 1
    return found


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and what `work` gave; a GPU has finished."""
    import torch

    began = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - began) * 1000, result


def measure(policy: LocalPolicy, seen: list[list[Frame]]) -> dict[str, Any]:
    """The figures of decisions about the windows `seen`, in their order. Between two the policy has its rest, as in
    play; that time is told apart."""
    from benchmark.generate import Generate

    generate = Generate(policy)
    answer = len(policy.tokenizer(EXPLANATION).input_ids) + 1
    took: dict[str, list[float]] = {name: [] for name in ("decision", "same", "truncated", "full", *CALLS)}
    stages: dict[str, list[float]] = {}
    tokens, full_tokens, rests = [], [], []
    every = max(1, len(seen) // TURNS)
    policy.reset()
    for window in seen[:3]:
        policy.decide(window)
        generate(window, 4)
    policy.reset()
    with progress("decisions", len(seen)) as advance:
        for i, window in enumerate(seen):
            ms, decision = timed(lambda window=window: policy.decide(window))
            took["decision"].append(ms)
            tokens.append(decision.tokens)
            for stage, spent in decision.timings_ms.items():
                stages.setdefault(stage, []).append(spent)
            rests.append(timed(policy.rest)[0])
            if i % every == every - 1:
                # What is compared is what was measured at the same moment.
                took["same"].append(ms)
                whole = decision.tokens + answer
                full_tokens.append(whole)
                ways = {"truncated": (1, decision.tokens), "full": (1, whole)}
                ways |= {name: (calls, whole) for name, calls in CALLS.items()}
                for name, (calls, said) in ways.items():
                    ms, _ = timed(lambda w=window, n=said, c=calls: [generate(w, n) for _ in range(c)])
                    took[name].append(ms)
            advance()
    same = percentile(took["same"], 50)
    named = {"truncated": "truncated_generate", "full": "full_generate"} | {name: name for name in CALLS}
    return {
        "decision_ms_p50": percentile(took["decision"], 50),
        "decision_ms_p95": percentile(took["decision"], 95),
        **{f"{key}_ms_p50": percentile(took[name], 50) for name, key in named.items()},
        **{f"speedup_vs_{key}": percentile(took[name], 50) / same for name, key in named.items()},
        "tokens_per_decision": sum(tokens) / len(tokens),
        "tokens_per_full_answer": sum(full_tokens) / len(full_tokens),
        "rest_ms_p50": percentile(rests, 50),
        "stages_ms_p50": {stage: round(percentile(ms, 50), 3) for stage, ms in stages.items()},
        "windows": len(seen),
        "frames": policy.frames_per_decision,
    }


def live(policy: LocalPolicy, seconds: float) -> dict[str, Any]:
    """One fight in the Arena's window, on a display of its own where there is none."""
    from agent.loop import Episode
    from benchmark.demo import one_fight
    from combatvla.desktop.display import own_display
    from env.tasks import TEST_SEED_START

    with ExitStack() as stack:
        if not os.environ.get("DISPLAY"):
            stack.enter_context(own_display(1280, 720))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="combatvla-latency-")))
        fought = one_fight(policy, "first", TEST_SEED_START, folder, Episode(), replay=False, seconds=seconds)
    figures = {f"live_{key}": fought[key] for key in ("action_age_ms_p50", "action_age_ms_p95", "decisions_per_s")}
    return {**figures, "live_decisions": fought["decisions"]}


def comparison(figures: dict[str, Any]) -> list[list[str]]:
    """The rows of the table: who, p50, p95, and how many times ours."""
    ours = f"{figures['decision_ms_p50']:.1f}", f"{figures['decision_ms_p95']:.1f}"
    rows = [["this engine, to the first action", *ours, "1"]]
    for key, words in (
        ("truncated_generate", "generate(), to the first action"),
        ("full_generate", "generate(), with the explanation"),
        ("five_calls", "generate(), five questions"),
        ("ten_calls", "generate(), ten questions"),
    ):
        rows.append([words, f"{figures[f'{key}_ms_p50']:.1f}", "", f"{figures[f'speedup_vs_{key}']:.1f}"])
    return rows


def markdown(name: str, figures: dict[str, Any]) -> str:
    lines = [
        "",
        f"`{name}`, {figures['windows']} windows of {figures['frames']} frames, {figures['tokens_per_decision']:.1f} "
        f"tokens a decision ({figures['tokens_per_full_answer']:.1f} with an explanation), "
        f"{figures['threads']} thread{'s' * (figures['threads'] > 1)} of torch:",
        "",
        "| | p50 ms | p95 ms | times ours |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in comparison(figures)),
        "",
        "| of a decision | p50 ms |",
        "|---|---|",
        *(f"| {stage} | {ms:.2f} |" for stage, ms in figures["stages_ms_p50"].items()),
        f"| (rest, in idle time after it) | {figures['rest_ms_p50']:.2f} |",
        "",
    ]
    if "live_action_age_ms_p50" in figures:
        lines += [
            f"In the Arena's window, unpaused: action age p50 {figures['live_action_age_ms_p50']:.1f} ms, p95 "
            f"{figures['live_action_age_ms_p95']:.1f} ms at {figures['live_decisions_per_s']:.1f} decisions a second.",
            "",
        ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "bench latency")
    for option in ("frames", "windows", "threads"):
        if getattr(args, option) < 1:
            raise UserError(f"--{option}: expected at least 1, got {getattr(args, option)}")
    if args.write is not None:
        around(args.write, BEGIN, END)  # refuses a wrong page before the long run, not after it
    if args.shape is None:
        from combatvla.policy.local import load_policy

        policy, name = load_policy(args.policy, frames=args.frames, threads=args.threads), args.policy
    else:
        from benchmark.shape import random_policy

        policy, name = random_policy(args.shape, parse_size(args.size), args.frames), f"random weights, {args.shape}"
    figures = measure(policy, windows(args.windows, args.frames))
    if args.shape is not None:
        from benchmark.shape import roofline

        figures |= roofline(policy)
    if args.live > 0:
        print("playing a fight in the Arena's window", file=sys.stderr, flush=True)
        figures |= live(policy, args.live)
    figures["threads"] = args.threads
    rows = comparison(figures)
    title = f"{name}: windows of {args.frames} frames, {figures['tokens_per_decision']:.1f} tokens a decision"
    table(title, ["", "ms p50", "p95", "times ours"], rows)
    table("this engine", ["stage", "ms p50"], [[s, f"{ms:.2f}"] for s, ms in figures["stages_ms_p50"].items()])
    if args.live > 0:
        print(
            f"in the window: action age p50 {figures['live_action_age_ms_p50']:.1f} ms, p95 "
            f"{figures['live_action_age_ms_p95']:.1f} ms, {figures['live_decisions_per_s']:.1f} decisions a second"
        )
    if args.write is not None:
        write_between(args.write, BEGIN, END, markdown(name, figures))
        print(f"written to {args.write}")
    emit({"policy": name, **figures}, as_json=args.json)
    return 0
