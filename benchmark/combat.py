"""Combat: players fight whole bosses on held-out seeds, and every millisecond of thinking is the boss's to use.

The fights run in process (`combatvla/Arena-v0`), faster than real time where the player allows it, yet unpaused:
before each step the environment is charged the time that this very decision took on this machine. The same fights in
a real window are `combatvla agent run`.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from combatvla.arguments import parse, parse_size
from combatvla.errors import UserError
from combatvla.policy.base import Frame, Policy
from combatvla.report import emit, percentile, progress, table
from combatvla.stats import mean, wilson_interval

if TYPE_CHECKING:
    import gymnasium

PLAYERS = ("policy", "random", "reaction", "oracle")


@dataclass
class Args:
    """Measure how well players fight.

    For example:

        combatvla bench combat --tasks first --episodes 100
        combatvla bench combat --players policy --policy out/my-checkpoint --episodes 20 --json

    Every player fights the same seeds. All of them lie in the held-out range, which training never draws from.
    """

    tasks: str = "first"
    """The fights, names or numbers separated by commas; or all."""
    episodes: int = 20
    """Fights for each player and task."""
    players: str = "policy,random,reaction"
    """Who fights, separated by commas: policy, random, reaction (250 ms late), oracle (sees the true state)."""
    policy: str = "tiny"
    """What `policy` is: a checkpoint (`tiny`, which ships with the package, or a folder), `vllm:FOLDER`, or a server,
    `openai:URL#MODEL` (docs/policies.md)."""
    seed_start: int | None = None
    """The first seed; by default the first one of the held-out range."""
    size: str = "1280x720"
    """Width x height at which the game is drawn: that of the window it is played in."""
    workers: int = 1
    """Processes that fight at once. Use more than one only with as many idle cores: thinking time is measured."""
    out: Path = Path("out/bench")
    """Where the log of every fight is written, in a folder named after the time."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


class Job(NamedTuple):
    player: str
    task: str
    seed: int


@dataclass
class Outcome:
    """One fight, as it is logged."""

    player: str
    task: str
    seed: int
    result: str
    """win, loss or timeout."""
    fight_s: float
    decisions: int
    parse_failures: int
    damage_dealt: float
    """In fractions of the boss's full health."""
    damage_taken: float
    """In fractions of the player's full health; with heals it can exceed 1."""
    decision_ms: list[float] = field(default_factory=list)
    """How long each decision took, in order; each was charged to the fight."""


def play_episode(env: gymnasium.Env, policy: Policy, job: Job, *, warm_up: bool = False) -> Outcome:
    """One fight of `policy` in `env`, a `combatvla/Arena-v0`, from reset to its end.

    With `warm_up` the first decision is made once beforehand, uncounted: a freshly loaded model is slow once.
    """
    from env.arena.state import TICK_HZ

    pixels, info = env.reset(seed=job.seed)
    policy.reset(job.seed)
    if warm_up:
        policy.decide([Frame(pixels, time.monotonic_ns())], truth=info["truth"] if policy.needs_truth else None)
        policy.reset(job.seed)
    frames: deque[Frame] = deque(maxlen=max(1, policy.frames_per_decision))
    took_ms: list[float] = []
    failures = 0
    over = False
    while not over:
        frames.append(Frame(pixels, time.monotonic_ns()))
        began = time.perf_counter()
        decision = policy.decide(list(frames), truth=info["truth"] if policy.needs_truth else None)
        wall_ms = (time.perf_counter() - began) * 1000
        # A policy's own clock may leave out what its caller waited for; the boss does not.
        took_ms.append(max(wall_ms, decision.timings_ms.get("total", 0.0)))
        failures += not decision.parsed
        env.unwrapped.charge(took_ms[-1])
        pixels, _, terminated, truncated, info = env.step(decision.plan.without_camera().to_array())
        over = terminated or truncated
    truth = info["truth"]
    return Outcome(
        player=job.player,
        task=job.task,
        seed=job.seed,
        result=truth["result"] or "timeout",
        fight_s=round(truth["tick"] / TICK_HZ, 3),
        decisions=len(took_ms),
        parse_failures=failures,
        damage_dealt=truth["damage_dealt"],
        damage_taken=truth["damage_taken"],
        decision_ms=[round(ms, 3) for ms in took_ms],
    )


class Ring:
    """Plays jobs one after the other, and keeps environments and players between them."""

    def __init__(self, policy: str, width: int, height: int) -> None:
        self.policy, self.size = policy, {"width": width, "height": height}
        self.envs: dict[tuple[str, bool], gymnasium.Env] = {}
        self.players: dict[str, Policy] = {}

    def play(self, job: Job) -> Outcome:
        from combatvla.policy import make_policy
        from env.players import make_player

        fresh = job.player not in self.players
        if fresh:
            self.players[job.player] = make_policy(self.policy) if job.player == "policy" else make_player(job.player)
        player = self.players[job.player]
        return play_episode(self.arena(job.task, player.frames_per_decision > 0), player, job, warm_up=fresh)

    def arena(self, task: str, pixels: bool) -> gymnasium.Env:
        """The environment of `task`; without `pixels` nothing is drawn, for players that look at none."""
        import gymnasium

        import env  # noqa: F401  registers combatvla/Arena-v0

        if (task, pixels) not in self.envs:
            self.envs[task, pixels] = gymnasium.make(
                "combatvla/Arena-v0", task=task, pixels=pixels, disable_env_checker=True, **self.size
            )
        return self.envs[task, pixels]

    def close(self) -> None:
        for environment in self.envs.values():
            environment.close()


_ring: Ring | None = None
"""The ring of a worker process."""


def _start_worker(policy: str, width: int, height: int) -> None:
    global _ring
    _ring = Ring(policy, width, height)


def _work(job: Job) -> Outcome:
    assert _ring is not None
    return _ring.play(job)


def play_all(jobs: list[Job], args: Args) -> Iterator[Outcome]:
    """The outcomes of `jobs`, in their order."""
    width, height = parse_size(args.size)
    if args.workers == 1:
        ring = Ring(args.policy, width, height)
        try:
            yield from map(ring.play, jobs)
        finally:
            ring.close()
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.workers, start, _start_worker, (args.policy, width, height)) as pool:
        try:
            yield from pool.map(_work, jobs)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def summarize(outcomes: list[Outcome]) -> dict[str, Any]:
    """The figures of one player; damage is a mean per fight, the latency percentiles are over all its decisions."""
    wins = sum(o.result == "win" for o in outcomes)
    took = [ms for o in outcomes for ms in o.decision_ms]
    return {
        "episodes": len(outcomes),
        "wins": wins,
        "success_rate": wins / len(outcomes) if outcomes else None,
        "success_ci95": list(wilson_interval(wins, len(outcomes))),
        "timeouts": sum(o.result == "timeout" for o in outcomes),
        "damage_dealt": mean([o.damage_dealt for o in outcomes]),
        "damage_taken": mean([o.damage_taken for o in outcomes]),
        "decision_ms_p50": percentile(took, 50),
        "decision_ms_p95": percentile(took, 95),
        "decisions": len(took),
        "parse_failures": sum(o.parse_failures for o in outcomes),
        "fight_s_mean": mean([o.fight_s for o in outcomes]),
    }


def check_args(args: Args) -> tuple[list[str], list[str], int]:
    """The players, tasks and first seed that `args` ask for. `UserError` for what cannot be played."""
    from env.tasks import TEST_SEED_START, named_tasks

    players = [name.strip() for name in args.players.split(",") if name.strip()]
    tasks = named_tasks(args.tasks)
    unknown = [name for name in players if name not in PLAYERS]
    if unknown or not players:
        raise UserError(f"unknown player {', '.join(unknown) or '(none given)'}: expected some of {', '.join(PLAYERS)}")
    for option in ("episodes", "workers"):
        if getattr(args, option) < 1:
            raise UserError(f"--{option} must be at least 1, got {getattr(args, option)}")
    parse_size(args.size)
    start = TEST_SEED_START if args.seed_start is None else args.seed_start
    if start < TEST_SEED_START:
        raise UserError(
            f"--seed-start {start} lies where training draws its seeds; those held out begin at {TEST_SEED_START}"
        )
    return list(dict.fromkeys(players)), tasks, start


def show(players: dict[str, dict[str, Any]], title: str) -> None:
    def row(name: str, p: dict[str, Any]) -> list[Any]:
        low, high = p["success_ci95"]
        return [
            name,
            f"{p['wins']}/{p['episodes']}",
            f"{p['success_rate']:.0%} [{low:.0%}, {high:.0%}]",
            f"{p['damage_dealt']:.2f}",
            f"{p['damage_taken']:.2f}",
            f"{p['decision_ms_p50']:.1f}",
            f"{p['decision_ms_p95']:.1f}",
            p["parse_failures"],
        ]

    columns = ["player", "wins", "success [95 %]", "dealt", "taken", "decision ms p50", "p95", "parse failures"]
    table(title, columns, [row(name, p) for name, p in players.items()])


def main(argv: list[str]) -> int:
    from agent.play import new_folder

    args = parse(Args, argv, "bench combat")
    players, tasks, start = check_args(args)
    folder = new_folder(args.out)
    seeds = range(start, start + args.episodes)
    jobs = [Job(player, task, seed) for player in players for task in tasks for seed in seeds]
    outcomes: list[Outcome] = []
    with progress("fights", len(jobs)) as advance, (folder / "episodes.jsonl").open("w", encoding="utf-8") as log:
        for outcome in play_all(jobs, args):
            outcomes.append(outcome)
            log.write(json.dumps(asdict(outcome)) + "\n")
            log.flush()
            wins = sum(o.result == "win" for o in outcomes if o.player == outcome.player)
            fought = sum(o.player == outcome.player for o in outcomes)
            advance(note=f"{outcome.player}: {wins} won of {fought}")
    record: dict[str, Any] = {
        "suite": "combat",
        "tasks": tasks,
        "seed_start": start,
        "episodes": args.episodes,
        "policy": args.policy,
        "paused": False,
        "workers": args.workers,
        "players": {p: summarize([o for o in outcomes if o.player == p]) for p in players},
        "log": str(folder / "episodes.jsonl"),
    }
    show(record["players"], f"{', '.join(tasks)}: seeds {start} to {seeds[-1]}, unpaused")
    if len(tasks) > 1:
        record["by_task"] = {
            t: {p: summarize([o for o in outcomes if (o.player, o.task) == (p, t)]) for p in players} for t in tasks
        }
        for name, figures in record["by_task"].items():
            show(figures, name)
    (folder / "result.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"every fight: {record['log']}")
    emit(record, as_json=args.json)
    return 0
