"""`combatvla env speed`: how many decisions a second the Arena gives, beside ViZDoom in the same run."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import emit, percentile, progress, table
from env.arena.state import PERIOD_TICKS

WIDTH, HEIGHT = 320, 180
BATCH = 256
"""Fights that the in-process batch carries at once."""
PLANS = 1024
ROUNDS = 3
"""How often each task is measured; a machine's other work comes and goes."""
SCENARIO = "deadly_corridor"
"""Of ViZDoom's own, the one that is a fight at close quarters."""
FRAME_SKIP = PERIOD_TICKS
"""Ticks of the game in a decision, the last one drawn, here (60 a second, ten decisions) as in ViZDoom."""
LEAD_S = 0.02
"""From the call until the workers begin, at one moment."""
WITHOUT_VIZDOOM = "ViZDoom is not installed, so there is no ratio to it; install it with: pip install vizdoom"


@dataclass
class Args:
    """Measure how many decisions a second the Arena gives, beside ViZDoom at the same size and frame skip.

    For example:

        combatvla env speed
        combatvla env speed --seconds 300 --json

    One core steps each fight with random plans, with pictures of 320x180 and without; two processes do it at once; and
    ViZDoom (`pip install vizdoom`) is stepped on the same core. All of it takes turns in slices, so that what else the
    machine does strikes each alike; a figure is the median of its slices. Leave the machine alone meanwhile.
    """

    seconds: float = 120.0
    """How long to measure, in all."""
    tasks: str = "all"
    """The fights, names or numbers separated by commas."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


class Slice(NamedTuple):
    """One measurement: `what` ("pixels", "no pixels", "batch", "save and restore" or "vizdoom") for `seconds` of
    `time.monotonic`, from the moment `begin` on."""

    what: str
    task: str
    begin: float
    seconds: float


class Worker:
    """What one process measures with, on a core of its own. It keeps one fight's environments at a time."""

    def __init__(self, core: int | None) -> None:
        if core is not None and hasattr(os, "sched_setaffinity"):  # not on macOS
            os.sched_setaffinity(0, {core})
        self.task = ""
        self.doing: dict[str, Callable[[], int]] = {}
        self.close: list[Callable[[], None]] = []
        self.doom: Callable[[], int] | None = None

    def measure(self, job: Slice) -> float:
        """Decisions a second (of "save and restore": pairs a second)."""
        if job.what == "vizdoom":
            self.doom = self.doom or step_vizdoom()
            return rate(self.doom, job)
        if job.task != self.task:
            for close in self.close:
                close()
            self.task, self.doing, self.close = job.task, {}, []
        if job.what not in self.doing:
            self.doing[job.what], close = MAKERS[job.what](job.task)
            self.close.append(close)
        return rate(self.doing[job.what], job)


def rate(step: Callable[[], int], job: Slice) -> float:
    """How many `step` gives a second. A few are done first: compiling, and what is built at the first picture."""
    for _ in range(3):
        step()
    while time.monotonic() < job.begin:
        pass  # at once, not when the scheduler likes
    began, done = time.monotonic(), 0
    end = max(began, job.begin) + job.seconds
    while (now := time.monotonic()) < end:
        done += step()
    return done / (now - began)


def random_plans(count: int) -> np.ndarray:
    """Plans of the random player as arrays."""
    from combatvla.policy.random import RandomPlayer

    player = RandomPlayer(seed=0)
    return np.array([player.decide(()).plan.to_array() for _ in range(count)])


def step_arena(task: str, pixels: bool) -> tuple[Callable[[], int], Callable[[], None]]:
    """A function that takes one random decision in the environment, and one that closes it. A new fight begins when
    one is over."""
    import gymnasium

    import env  # noqa: F401  registers combatvla/Arena-v0

    arena = gymnasium.make(
        "combatvla/Arena-v0", task=task, width=WIDTH, height=HEIGHT, pixels=pixels, disable_env_checker=True
    )
    plans = random_plans(PLANS)
    arena.reset(seed=0)
    count = 0

    def step() -> int:
        nonlocal count
        _, _, terminated, truncated, _ = arena.step(plans[count % PLANS])
        count += 1
        if terminated or truncated:
            arena.reset()
        return 1

    return step, arena.close


def step_batch(task: str) -> tuple[Callable[[], int], Callable[[], None]]:
    """As `step_arena`, with `BATCH` fights of one process, and no pictures."""
    import gymnasium

    import env  # noqa: F401  registers combatvla/Arena-v0

    batch = gymnasium.make_vec(
        "combatvla/Arena-v0", num_envs=BATCH, vectorization_mode="vector_entry_point", task=task, pixels=False
    )
    plans = random_plans(PLANS + BATCH)
    batch.reset(seed=0)
    count = 0

    def step() -> int:
        nonlocal count
        count = (count + 1) % PLANS
        batch.step(plans[count : count + BATCH])
        return BATCH

    return step, batch.close


def save_and_restore(task: str) -> tuple[Callable[[], int], Callable[[], None]]:
    """A function that saves a fight and restores it, a hundred times."""
    from env.arena.fight import Fight
    from env.tasks import load_task

    fight = Fight(load_task(task), 0)
    fight.run(0, 90)

    def step() -> int:
        for _ in range(100):
            fight.restore(fight.save())
        return 100

    return step, lambda: None


MAKERS: dict[str, Callable[[str], tuple[Callable[[], int], Callable[[], None]]]] = {
    "pixels": lambda task: step_arena(task, pixels=True),
    "no pixels": lambda task: step_arena(task, pixels=False),
    "batch": step_batch,
    "save and restore": save_and_restore,
}


def has_vizdoom() -> bool:
    return importlib.util.find_spec("vizdoom") is not None


def step_vizdoom() -> Callable[[], int]:
    """A function that takes one random decision in ViZDoom: `FRAME_SKIP` tics, and the picture of the last one."""
    import vizdoom

    game = vizdoom.DoomGame()
    game.load_config(os.path.join(vizdoom.scenarios_path, f"{SCENARIO}.cfg"))
    game.set_screen_resolution(vizdoom.ScreenResolution.RES_320X180)
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_mode(vizdoom.Mode.PLAYER)
    game.set_window_visible(False)
    game.set_sound_enabled(False)
    game.set_seed(1)
    with chdir(tempfile.gettempdir()):  # it leaves a folder and a file of settings where it starts
        game.init()
    rng = np.random.default_rng(0)
    buttons = (rng.random((PLANS, game.get_available_buttons_size())) < 0.3).tolist()
    count = 0

    def step() -> int:
        nonlocal count
        game.make_action(buttons[count % PLANS], FRAME_SKIP)
        count += 1
        if game.is_episode_finished():
            game.new_episode()
        picture = game.get_state().screen_buffer
        assert picture.shape == (HEIGHT, WIDTH, 3), picture.shape
        return 1

    return step


_worker: Worker | None = None
"""Of a worker process."""


def _start(core: int | None) -> None:
    global _worker
    _worker = Worker(core)


def _measure(job: Slice) -> float:
    assert _worker is not None
    return _worker.measure(job)


def measure_task(workers: list[Executor], task: str, seconds: float, doom: bool, turn: int) -> dict[str, float]:
    """One turn at one task: each figure once. Odd turns take the two-process slice and ViZDoom first."""

    def at(what: str, *who: int) -> float:
        begin = time.monotonic() + LEAD_S
        return sum(f.result() for f in [workers[w].submit(_measure, Slice(what, task, begin, seconds)) for w in who])

    found: dict[str, float] = {}
    for who in (0, 1):
        first = Slice("pixels", task, 0.0, 0.01)
        workers[who].submit(_measure, first).result()  # makes the environment, so that both can begin at one moment
    steps: list[Callable[[], None]] = [
        lambda: found.update({"pixels": at("pixels", 0)}),
        lambda: found.update({"two workers": at("pixels", 0, 1)}),
        lambda: found.update({"the other": at("pixels", 1)}),
    ]
    if doom:
        steps.insert(1, lambda: found.update(vizdoom=at("vizdoom", 0)))
    for step in steps[::-1] if turn % 2 else steps:
        step()
    for what in ("no pixels", "batch", "save and restore"):
        found[what] = at(what, 0)
    return found


def cores_busy(seconds: float = 1.0) -> float | None:
    """How many cores the machine's programs keep busy while we do nothing; None where it does not tell (no /proc)."""

    def busy() -> int:
        user, nice, system, *_ = Path("/proc/stat").read_text().split()[1:]
        return int(user) + int(nice) + int(system)

    try:
        began, before = time.monotonic(), busy()
        time.sleep(seconds)
        return (busy() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
    except OSError:
        return None


def measure(tasks: list[str], seconds: float, doom: bool) -> list[dict[str, Any]]:
    """`ROUNDS` turns at each task, in slices that make up `seconds` together."""
    import multiprocessing

    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    start = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, start, _start, (cores[w % len(cores)],)) for w in (0, 1)]
    each = seconds / (ROUNDS * len(tasks) * (7 if doom else 6))
    turns = []
    try:
        with progress("measured", ROUNDS * len(tasks)) as advance:
            for turn in range(ROUNDS):
                for task in tasks:
                    turns.append({"task": task, **measure_task(pools, task, each, doom, turn)})
                    advance(1, task)
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    return turns


def summarize(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of these turns: medians, and the spread as the 10th and 90th percentile of the slices."""

    def column(name: str) -> list[float]:
        return [turn[name] for turn in turns if name in turn]

    one = [(turn["pixels"] + turn["the other"]) / 2 for turn in turns]
    speedup = [turn["two workers"] / alone for turn, alone in zip(turns, one, strict=True)]
    ratio = [turn["pixels"] / turn["vizdoom"] for turn in turns if "vizdoom" in turn]
    pair_us = [1e6 / pairs for pairs in column("save and restore")]
    values = {
        "decisions_per_s": column("pixels"),
        "decisions_per_s_no_pixels": column("no pixels"),
        "two_workers_speedup": speedup,
        "ratio_vs_vizdoom": ratio,
        "vizdoom_decisions_per_s": column("vizdoom"),
        "batch_decisions_per_s": column("batch"),
        "save_restore_us": pair_us,
    }
    record: dict[str, Any] = {name: median(v) if v else None for name, v in values.items()}
    record["spread_p10_p90"] = {n: [percentile(v, 10), percentile(v, 90)] for n, v in values.items() if v}
    return record


def main(argv: list[str]) -> int:
    from env.tasks import named_tasks

    args = parse(Args, argv, "env speed")
    tasks = named_tasks(args.tasks)
    if not 0 < args.seconds <= 86_400:
        raise UserError(f"--seconds must lie above 0 and be at most 86400, got {args.seconds:g}")
    doom = has_vizdoom()
    others = [cores_busy()]
    turns = measure(tasks, args.seconds, doom)
    others = [busy for busy in (*others, cores_busy()) if busy is not None]
    record = summarize(turns)
    table(
        f"{len(tasks)} fights at {WIDTH}x{HEIGHT}, ten decisions a second of game time, medians of {ROUNDS} turns",
        ["task", "decisions/s", "no pictures", "batch", "two processes", "ViZDoom", "ratio"],
        [[name, *cells(summarize([t for t in turns if t["task"] == name]))] for name in tasks]
        + [["all", *cells(record)], ["p10", *cells(record, 0)], ["p90", *cells(record, 1)]],
    )
    print(f"save and restore: {record['save_restore_us']:.1f} µs")
    if len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)) < 2:
        print("this machine lends one core, so two processes share it")
    if others and max(others) > 0.2:
        print(f"other programs kept {max(others):.1f} cores busy, before or after: these figures are too low")
    print(f"ViZDoom: {SCENARIO}, {FRAME_SKIP} tics a decision" if doom else WITHOUT_VIZDOOM)
    record["cores_busy_otherwise"] = max(others, default=None)
    record.update(size=f"{WIDTH}x{HEIGHT}", frame_skip=FRAME_SKIP, batch=BATCH, tasks=tasks)
    record["by_task"] = {
        name: {k: v for k, v in summarize([t for t in turns if t["task"] == name]).items() if k != "spread_p10_p90"}
        for name in tasks
    }
    emit(record, as_json=args.json)
    return 0


def cells(record: dict[str, Any], spread: int | None = None) -> list[str | None]:
    """A row's figures: the medians, or one end of their spread."""
    if spread is not None:
        record = {name: ends[spread] for name, ends in record["spread_p10_p90"].items()}
    names = {
        "decisions_per_s": "{:,.0f}",
        "decisions_per_s_no_pixels": "{:,.0f}",
        "batch_decisions_per_s": "{:,.0f}",
        "two_workers_speedup": "{:.2f}x",
        "vizdoom_decisions_per_s": "{:,.0f}",
        "ratio_vs_vizdoom": "{:.2f}",
    }
    return [None if record.get(n) is None else form.format(record[n]) for n, form in names.items()]
