"""`combatvla env soak`: random play for millions of ticks, and a look at what must not happen."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import Advance, emit, percentile, progress, table

if TYPE_CHECKING:
    from env.arena.fight import Fight
    from env.arena.render import Renderer
    from env.tasks import Task

DRAW_EVERY, ENV_EVERY = 8, 64
"""Of so many fights one is drawn now and then, and one is played through the Gymnasium environment, each step drawn."""
RSS_GROWTH_MB = 16.0
"""What memory may grow from the second quarter of the run to the last: allocators breathe, leaks climb."""
CONTINUE_TICKS = 180
"""How long a restored fight is played on."""


@dataclass
class Args:
    """Play at random for millions of ticks over all fights, and look for what must not happen.

    For example:

        combatvla env soak
        combatvla env soak --ticks 500000 --tasks first,ronin --json

    Every fight must end by its time limit, no number be NaN or out of its bounds, memory stay flat while pictures are
    drawn, and a saved fight go on after `restore` exactly as it did before. Exit status 1 when something did not hold.
    """

    ticks: int = 10_000_000
    """How long to play, in ticks of 1/60 s."""
    points: int = 1000
    """Moments at which a fight is saved, played on, restored, and played on again."""
    tasks: str = "all"
    """The fights, names or numbers separated by commas."""
    seed: int = 0
    """Of the random inputs."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


def inputs(rng: random.Random) -> Iterator[tuple[int, int]]:
    """Endless random inputs: bits of `HELD_ACTIONS`, and for how many ticks they are held."""
    from combatvla.actions import HELD_ACTIONS

    while True:
        often = rng.choice((0.08, 0.25, 0.5))
        yield sum(1 << i for i in range(len(HELD_ACTIONS)) if rng.random() < often), rng.randint(1, 24)


def set_scene(fight: Fight, rng: random.Random) -> None:
    """Every other fight begins late: random play alone would hardly see the later phases, a broken posture, or the
    time run out."""
    from env.arena.state import TICK_HZ, to_ticks

    if rng.random() < 0.5:
        fight.boss.health = fight.task.boss.health * rng.uniform(0.02, 1.0)
        fight.boss.posture = fight.task.boss.posture * rng.uniform(0.0, 0.99)
        fight.player.posture = fight.task.player.posture * rng.uniform(0.0, 0.99)
        if rng.random() < 0.2:
            fight.state["tick"] = to_ticks(fight.task.time_limit_s) - rng.randint(1, 10 * TICK_HZ)


def resident_mb() -> float | None:
    """The memory of this process, or None where the system does not tell (no /proc)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass
class Soak:
    """What a soak has seen so far."""

    ticks: int = 0
    fights: int = 0
    pictures: int = 0
    results: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[str, int, int]] = field(default_factory=set)
    """Task, phase and move of every wind-up."""
    memory_mb: list[tuple[int, float]] = field(default_factory=list)
    """Ticks played and megabytes resident."""


def look_at(states: np.ndarray, task: Task, soak: Soak) -> None:
    from env.arena.bounds import violations

    soak.violations += violations(states, task)
    boss = states["boss"]
    pairs = np.unique(np.stack([boss["phase"], boss["move"]], axis=1)[boss["move"] >= 0], axis=0)
    soak.seen |= {(task.name, phase, move) for phase, move in pairs.tolist()}


def play_fight(fight: Fight, rng: random.Random, soak: Soak, renderer: Renderer | None) -> None:
    """One fight under random inputs, until it ends or has had a second more than its time."""
    from env.arena.state import FIGHT, TICK_HZ, to_ticks

    set_scene(fight, rng)
    held = inputs(rng)
    began, left = fight.tick_count, to_ticks(fight.task.time_limit_s) + TICK_HZ
    states = []
    while fight.result is None and left > 0:
        bits, ticks = next(held)
        fight.run(bits, ticks)
        left -= ticks
        states.append(fight.save())
        if renderer is not None and rng.random() < 0.05:
            renderer.draw(fight)
            soak.pictures += 1
    look_at(np.frombuffer(b"".join(states), FIGHT), fight.task, soak)
    soak.ticks += fight.tick_count - began
    soak.results[fight.result or "did not end"] += 1


def play_env(task: str, seed: int, soak: Soak) -> None:
    """One fight through the environment, with drawn frames and actions drawn from its space."""
    import gymnasium

    import env  # noqa: F401  registers combatvla/Arena-v0

    arena = gymnasium.make("combatvla/Arena-v0", task=task, width=320, height=180, disable_env_checker=True)
    arena.action_space.seed(seed)
    observation, info = arena.reset(seed=seed)
    over = False
    while not over:
        observation, reward, terminated, truncated, info = arena.step(arena.action_space.sample())
        soak.pictures += 1
        soak.violations["a reward is NaN or infinite"] += not np.isfinite(reward)
        over = terminated or truncated
    soak.violations["a black picture"] += not np.any(observation)
    soak.ticks += info["truth"]["tick"]
    soak.results[info["truth"]["result"]] += 1
    arena.close()


def play_all(tasks: list[Task], ticks: int, rng: random.Random, advance: Advance) -> Soak:
    """Random fights of `tasks` in turn until `ticks` are played, or one does not end."""
    from env.arena.fight import Fight
    from env.arena.render import Renderer

    soak, renderer = Soak(), Renderer(320, 180)
    while soak.ticks < ticks and not soak.results["did not end"]:
        turn, place = divmod(soak.fights, len(tasks))
        task, seed, before = tasks[place], rng.randrange(1 << 31), soak.ticks
        try:
            # Each task has its turn at being drawn.
            if (turn + place) % ENV_EVERY == 0:
                play_env(task.name, seed, soak)
            else:
                play_fight(Fight(task, seed), rng, soak, renderer if (turn + place) % DRAW_EVERY == 0 else None)
        except Exception as error:
            error.add_note(f"in fight {soak.fights} of the soak: {task.name}, seed {seed}")
            raise
        soak.fights += 1
        if (memory := resident_mb()) is not None:
            soak.memory_mb.append((soak.ticks, memory))
        advance(soak.ticks - before, task.name)
    renderer.close()
    return soak


def memory_growth_mb(memory: list[tuple[int, float]]) -> float | None:
    """How much more was resident at most in the last quarter of the run than in the second; the first warms up."""
    if not memory:
        return None
    quarters: list[list[float]] = [[], [], [], []]
    for ticks, mb in memory:
        quarters[min(3, 4 * ticks // memory[-1][0])].append(mb)
    return max(quarters[3]) - max(quarters[1]) if quarters[1] else None


def play_up_to(task: Task, seed: int, ticks: int) -> tuple[Fight, int]:
    """A fight under random inputs of that seed after so many ticks, or at its end; and how many it has had."""
    from env.arena.fight import Fight

    fight, rng = Fight(task, seed), random.Random(seed)
    set_scene(fight, rng)
    held, began = inputs(rng), fight.tick_count
    while fight.result is None and (left := began + ticks - fight.tick_count) > 0:
        bits, span = next(held)
        fight.run(bits, min(span, left))
    return fight, fight.tick_count - began


def play_on(fight: Fight, seed: int) -> list[bytes]:
    """The states of `fight` under random inputs of that seed."""
    held, states = inputs(random.Random(seed)), []
    until = fight.tick_count + CONTINUE_TICKS
    while fight.result is None and fight.tick_count < until:
        fight.run(*next(held))
        states.append(fight.save())
    return states


def replay_points(tasks: list[Task], points: int, rng: random.Random, advance: Advance) -> dict[str, Any]:
    """Saves fights at random moments, plays on, restores, and plays on with the same inputs: in the same fight, and in
    a new one; all three must be the same. Of every tenth the pictures are compared too. Counts what differed; times
    save with restore."""
    from env.arena.fight import Fight
    from env.arena.render import Renderer

    mine, others = Renderer(320, 180), Renderer(320, 180)
    differing, pictures, took_us = 0, 0, []
    for point in range(points):
        task, seed = tasks[point % len(tasks)], rng.randrange(1 << 31)
        fight, played = play_up_to(task, seed, rng.randrange(60, 1800))
        if fight.result is not None:
            fight, _ = play_up_to(task, seed, rng.randrange(played))  # the same fight, before its end
        saved = fight.save()
        first = play_on(fight, seed)
        drawn = mine.draw(fight) if point % 10 == 0 else None
        began = time.perf_counter()
        fight.restore(saved)
        again = fight.save()
        took_us.append((time.perf_counter() - began) * 1e6)
        second = play_on(fight, seed)
        other = Fight(task, seed)
        other.restore(saved)
        third = play_on(other, seed)
        same = again == saved and first == second == third
        if drawn is not None:
            same = same and np.array_equal(drawn, mine.draw(fight)) and np.array_equal(drawn, others.draw(other))
            pictures += 1
        differing += not same
        advance(1)
    mine.close()
    others.close()
    return {
        "restore_points": points,
        "restore_pictures": pictures,
        "restore_differing": differing,
        "save_restore_us_p50": percentile(took_us, 50),
        "save_restore_us_p99": percentile(took_us, 99),
    }


def unseen(tasks: list[Task], seen: set[tuple[str, int, int]]) -> list[str]:
    """The attacks of `tasks` that no fight has shown in a phase that has a weight for them."""
    return [
        f"{task.name} {name} (phase {i + 1})"
        for task in tasks
        for i, phase in enumerate(task.boss.phases)
        for k, name in enumerate(task.boss.moves)
        if phase.weights.get(name, 0) > 0 and (task.name, i, k) not in seen
    ]


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "env soak")
    from env.tasks import load_task, named_tasks

    names = named_tasks(args.tasks)
    if args.ticks < 1 or args.points < 0:
        raise UserError(f"expected --ticks from 1 and --points from 0 on, got {args.ticks} and {args.points}")
    tasks, rng = [load_task(name) for name in names], random.Random(args.seed)
    began = time.monotonic()
    with progress("ticks", args.ticks) as advance:
        soak = play_all(tasks, args.ticks, rng, advance)
    seconds = time.monotonic() - began
    with progress("saved and restored", args.points) as advance:
        replay = replay_points(tasks, args.points, rng, advance)
    growth = memory_growth_mb(soak.memory_mb)
    wrong = {name: count for name, count in soak.violations.items() if count}
    if soak.results["did not end"]:
        wrong["a fight did not end"] = soak.results["did not end"]
    if replay["restore_differing"]:
        wrong["a restored fight went on otherwise"] = replay["restore_differing"]
    if growth is not None and growth > RSS_GROWTH_MB:
        wrong[f"memory grew by more than {RSS_GROWTH_MB:g} MB"] = 1
    record = {
        "ticks": soak.ticks,
        "fights": soak.fights,
        "results": dict(soak.results),
        "pictures": soak.pictures,
        "seconds": seconds,
        "ticks_per_s": soak.ticks / seconds,
        "memory_mb": soak.memory_mb[-1][1] if soak.memory_mb else None,
        "memory_growth_mb": growth,
        **replay,
        "attacks_not_seen": unseen(tasks, soak.seen),
        "must_not": wrong,
    }
    table(
        f"{soak.fights} fights of {', '.join(names)}",
        ["figure", "value"],
        [[name, says(value)] for name, value in record.items() if name != "must_not"],
    )
    print("what must not happen: " + ("; ".join(f"{name} ({n})" for name, n in wrong.items()) or "nothing did"))
    emit(record, as_json=args.json)
    return 1 if wrong else 0


def says(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:,.1f}" if isinstance(value, float) else value
