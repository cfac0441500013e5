"""`combatvla env calibrate`: how often the scripted players win each fight, beside what its tier promises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from combatvla.actions import Plan
from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import around, emit, progress, table, write_between
from combatvla.stats import mean, wilson_interval
from env.players import PLAYERS

CHUNK = 20
"""Fights that a process takes at a time."""
RANDOM_AT_MOST, ORACLE_AT_LEAST = 0.02, 0.95
REACTION = {"easy": 0.95, "middle": 0.75, "hard": 0.50, "very hard": 0.25}
REACTION_WITHIN = 0.10
"""The tiers lie 0.20 and more apart, so this near no fight is taken for one of the next tier."""
BEGIN, END = "<!-- CALIBRATION -->", "<!-- /CALIBRATION -->"


@dataclass
class Args:
    """Measure how often the scripted players win each fight, beside what its tier promises.

    For example:

        combatvla env calibrate
        combatvla env calibrate --tasks first,2 --players reaction --fights 100
        combatvla env calibrate --write docs/arena.md

    Everybody fights the same held-out seeds in game time: ten decisions a second, each a fixed time late.
    """

    fights: int = 200
    """Fights for each player and task."""
    tasks: str = "all"
    """The fights, names or numbers separated by commas."""
    players: str = "random,reaction,oracle"
    """Who fights, separated by commas: random, reaction (acts 250 ms late, and slips), oracle (sees the true state)."""
    latency_ms: float = 60.0
    """How long each decision takes, in game time."""
    workers: int = 0
    """Processes that fight at once; 0: as many as there are cores."""
    write: Path | None = None
    """Puts the table into this page, between its lines `<!-- CALIBRATION -->` and `<!-- /CALIBRATION -->`."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


class Job(NamedTuple):
    task: str
    player: str
    seeds: range
    latency_ms: float


class Outcome(NamedTuple):
    task: str
    player: str
    result: str
    damage_taken: float
    """In fractions of the fighter's full health; with heals it can exceed 1."""
    fight_s: float


@lru_cache(maxsize=4096)  # the reading players have few plans, and choose them often
def as_array(plan: Plan) -> np.ndarray:
    return plan.to_array()


def play(job: Job) -> list[Outcome]:
    """The fights of `job`, one for each seed."""
    from env.arena.fight import Fight
    from env.arena.latency import to_thinking_ticks
    from env.arena.state import TICK_HZ, to_ticks
    from env.tasks import load_task

    task, player = load_task(job.task), PLAYERS[job.player]()
    late = to_thinking_ticks(job.latency_ms, to_ticks(task.time_limit_s))
    outcomes = []
    for seed in job.seeds:
        fight = Fight(task, seed)
        player.reset(seed)
        while fight.result is None:
            plan = player.decide((), truth=fight.truth() if player.needs_truth else None).plan
            fight.decide(as_array(plan), late)
        taken = fight.damage_taken / task.player.health
        outcomes.append(Outcome(job.task, job.player, fight.result, taken, fight.tick_count / TICK_HZ))
    return outcomes


def play_all(jobs: list[Job], workers: int) -> Iterator[list[Outcome]]:
    """The outcomes of each job, in no particular order."""
    if workers == 1:
        yield from map(play, jobs)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(play, job) for job in jobs]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def target(tier: str, player: str) -> tuple[float, float] | None:
    """The lowest and the highest success that a tier promises of a player, or None."""
    if player == "random":
        return None if tier == "easy" else (0.0, RANDOM_AT_MOST)
    if player == "oracle":
        return ORACLE_AT_LEAST, 1.0
    return REACTION[tier] - REACTION_WITHIN, min(1.0, REACTION[tier] + REACTION_WITHIN)


def summarize(outcomes: list[Outcome], tier: str) -> dict[str, Any]:
    """The figures of one player in one task."""
    wins = sum(o.result == "win" for o in outcomes)
    rate = wins / len(outcomes)
    wanted = target(tier, outcomes[0].player)
    return {
        "fights": len(outcomes),
        "wins": wins,
        "timeouts": sum(o.result == "timeout" for o in outcomes),
        "success_rate": rate,
        "success_ci95": list(wilson_interval(wins, len(outcomes))),
        "target": None if wanted is None else list(wanted),
        "met": wanted is None or bool(wanted[0] - 1e-9 <= rate <= wanted[1] + 1e-9),
        "damage_taken": mean([o.damage_taken for o in outcomes]),
        "fight_s_mean": mean([o.fight_s for o in outcomes]),
    }


def says_target(tier: str, player: str) -> str:
    if player == "reaction":
        return f"{REACTION[tier]:.2f}"
    if player == "oracle":
        return f"≥ {ORACLE_AT_LEAST:.2f}"
    return "" if tier == "easy" else f"≤ {RANDOM_AT_MOST:.2f}"


def says_rate(figures: dict[str, Any]) -> str:
    low, high = figures["success_ci95"]
    return f"{figures['success_rate']:.2f} [{low:.2f}, {high:.2f}]"


def show(rows: list[dict[str, Any]], fights: int) -> None:
    columns = ["task", "tier", "player", "success [95 %]", "target", "", "timeouts", "damage taken", "fight s"]
    table(
        f"{fights} fights for each task and player",
        columns,
        [
            [
                f"{row['number']:>2} {row['task']}",
                row["tier"],
                player,
                says_rate(figures),
                says_target(row["tier"], player),
                "" if figures["met"] else "missed",
                figures["timeouts"],
                f"{figures['damage_taken']:.2f}",
                f"{figures['fight_s_mean']:.0f}",
            ]
            for row in rows
            for player, figures in row["players"].items()
        ],
        left=3,
    )


def markdown(rows: list[dict[str, Any]], fights: int, first_seed: int, latency_ms: float) -> str:
    """The table as a page shows it: a row a task, a column a player."""
    players = list(rows[0]["players"])
    out = [
        f"{fights} fights for each task and player, seeds {first_seed:,} to {first_seed + fights - 1:,}, ten decisions "
        f"a second, each {latency_ms:g} ms late. Success with its 95 % Wilson interval, the tier's target behind it; "
        "then, in the players' order, the mean damage taken (in full healths) and the mean length of a fight. "
        f"An asterisk marks a target missed (of `reaction`: by more than {REACTION_WITHIN:.2f}).",
        "",
        "| # | task | tier | " + " | ".join(f"`{p}`" for p in players) + " | damage taken | seconds |",
        "|--:|---|---|" + "---|" * len(players) + "---|---|",
    ]
    for row in rows:
        cells = []
        for player, figures in row["players"].items():
            wanted = says_target(row["tier"], player)
            mark = "" if figures["met"] else " *"
            cells.append(says_rate(figures) + mark + (f", {wanted}" if wanted else ""))
        damage = " / ".join(f"{f['damage_taken']:.2f}" for f in row["players"].values())
        seconds = " / ".join(f"{f['fight_s_mean']:.0f}" for f in row["players"].values())
        cells += [damage, seconds]
        out.append(f"| {row['number']} | {row['task']} | {row['tier']} | " + " | ".join(cells) + " |")
    return "\n".join(out)


def check_args(args: Args) -> tuple[list[str], list[str]]:
    """The tasks and players that `args` ask for. `UserError` for what cannot be played."""
    from env.tasks import named_tasks

    asked = named_tasks(args.tasks)
    players = [p.strip() for p in args.players.split(",") if p.strip()]
    unknown = [p for p in players if p not in PLAYERS]
    if unknown or not players:
        raise UserError(f"unknown player {', '.join(unknown) or '(none given)'}: expected some of {', '.join(PLAYERS)}")
    if args.fights < 1:
        raise UserError(f"--fights must be at least 1, got {args.fights}")
    if args.workers < 0:
        raise UserError(f"--workers must be at least 1, or 0 for one a core, got {args.workers}")
    if not 0 <= args.latency_ms <= 10_000:
        raise UserError(f"--latency-ms must lie in 0 to 10000, got {args.latency_ms:g}")
    return asked, list(dict.fromkeys(players))


def main(argv: list[str]) -> int:
    from env.tasks import TEST_SEED_START, load_task

    args = parse(Args, argv, "env calibrate")
    asked, players = check_args(args)
    if args.write is not None:
        around(args.write, BEGIN, END)  # refuses a wrong page before the long run, not after it
    seeds = range(TEST_SEED_START, TEST_SEED_START + args.fights)
    chunks = [seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK)]
    jobs = [Job(task, player, chunk, args.latency_ms) for task in asked for player in players for chunk in chunks]
    outcomes: dict[tuple[str, str], list[Outcome]] = {(t, p): [] for t in asked for p in players}
    with progress("fights", len(asked) * len(players) * args.fights) as advance:
        for done in play_all(jobs, args.workers or os.cpu_count() or 1):
            outcomes[done[0].task, done[0].player] += done
            advance(len(done), f"{done[0].task} {done[0].player}")
    rows = []
    for name in asked:
        task = load_task(name)
        figures = {player: summarize(outcomes[name, player], task.tier) for player in players}
        rows.append(
            {"number": task.number, "task": task.name, "tier": task.tier, "rules": task.rules, "players": figures}
        )
    show(rows, args.fights)
    missed = [f"{row['task']} {p}" for row in rows for p, figures in row["players"].items() if not figures["met"]]
    print(f"targets missed: {', '.join(missed) or 'none'}")
    if args.write is not None:
        write_between(args.write, BEGIN, END, markdown(rows, args.fights, seeds[0], args.latency_ms))
        print(f"written to {args.write}")
    emit(
        {
            "fights": args.fights,
            "seed_start": seeds[0],
            "latency_ms": args.latency_ms,
            "tasks": rows,
            "missed": missed,
        },
        as_json=args.json,
    )
    return 0
