"""`combatvla env data`: exact AoT rows from the Arena, as many as wanted.

Fights are played in process by players that err on purpose, so that the pictures show every kind of trouble; the
answer to each picture is what the oracle does there. Rare decisions are kept more often than common ones.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from combatvla.arguments import parse
from combatvla.errors import UserError

KEEP = {"dodge": 1.0, "heal": 1.0, "skill": 1.0, "heavy_attack": 1.0, "light_attack": 0.45, "move": 0.5, "wait": 0.3}
"""The chance that a picture becomes a row, by what its answer does first."""
SIZES = ((640, 360), (640, 360), (1280, 720), (960, 540))
"""Sizes at which fights are drawn before they are prepared: windows differ."""


@dataclass
class Args:
    """Makes a training dataset from simulated fights.

    For example:

        combatvla env data --out data/first --rows 60000
        combatvla env data --out data/hard --task 9,10 --rows 60000 --first-seed 500000

    Seeds from 1,000,000 on are held out for measuring and are refused.
    """

    out: Path
    """The folder to write: Parquet shards of chat rows."""
    task: str = "first"
    """The fights, names or numbers separated by commas, or all; they take turns. For zero-shot figures train on 9,10
    alone."""
    rows: int = 60_000
    """How many rows."""
    first_seed: int = 0
    """The first fight's seed; the next fights take the next seeds."""
    policy: str | None = None
    """A checkpoint that plays in half of the fights (the oracle still answers): its own mistakes become data."""


def answers(args: Args) -> Iterator:
    """Yields `tracker.dataset.Row`s."""
    from combatvla.aot import AoT, encode
    from combatvla.vision import FrameSpec
    from env.arena.fight import Fight
    from env.arena.render import Renderer
    from env.arena.state import PERIOD_TICKS, TICK_HZ
    from env.players import RandomPlayer, ReactionPlayer, best_plan
    from env.tasks import TEST_SEED_START, load_task, named_tasks, profile_of
    from tracker.dataset import Message, Part, chat_row, encode_png
    from tracker.explain import explain, questions

    tasks, spec = [load_task(name) for name in named_tasks(args.task, "--task")], FrameSpec()

    def message(role: str, text: str) -> Message:
        return Message(role=role, content=[Part(type="text", text=text)])

    learner = None
    if args.policy:
        from combatvla.policy.base import Frame
        from combatvla.policy.local import load_policy

        learner = load_policy(args.policy)
    renderers = {size: Renderer(*size) for size in dict.fromkeys(SIZES)}
    made, seed = 0, args.first_seed
    while made < args.rows:
        if seed >= TEST_SEED_START:
            raise UserError(f"seeds from {TEST_SEED_START} on are held out for measuring: choose a lower --first-seed")
        rng = random.Random(f"data/{seed}")
        task = tasks[(seed - args.first_seed) % len(tasks)]
        prompt = profile_of(task).prompt
        fight, chaos, reaction = Fight(task, seed), RandomPlayer(seed), ReactionPlayer()
        reaction.reset(seed)
        renderer = renderers[rng.choice(SIZES)]
        mistakes = rng.choice((0.0, 0.05, 0.15, 0.35, 0.6))
        learner_plays = learner is not None and rng.random() < 0.5
        late = rng.random() < 0.3  # plays as the reaction player does: late and sometimes wrong
        latency = rng.uniform(0, 7)
        # Fights begin anywhere, so that low health and empty stocks are seen as often as full ones.
        fight.player.health *= rng.choice((1.0, 1.0, rng.uniform(0.1, 1.0)))
        fight.player.heals = rng.choice((task.player.heals, rng.randint(0, task.player.heals)))
        fight.boss.health *= rng.choice((1.0, rng.uniform(0.1, 1.0)))
        fight.player.cooldown = rng.choice((0, rng.randint(0, round(task.player.skill_cooldown * TICK_HZ))))
        plan, began, busy_until = None, 0, 0
        while fight.result is None and made < args.rows:
            truth = fight.truth()
            best = best_plan(truth)
            first = best.steps[0].ordered()
            kind = next((str(a) for a in first if str(a) in KEEP), "move")
            picture = None
            if rng.random() < KEEP[kind]:
                picture = renderer.draw(fight)
                row = chat_row(
                    prompt,
                    [encode_png(spec.prepare(picture))],
                    encode(AoT(best, (explain(truth, best),))),
                    source=f"arena/{task.name}",
                    t_ns=fight.tick_count * 1_000_000_000 // TICK_HZ,
                    session=f"seed-{seed}",
                    frame_index=fight.tick_count,
                )
                for question, answer in questions(truth):
                    row.messages += [message("user", question), message("assistant", answer)]
                yield row
                made += 1
            new = best
            seen = reaction.decide([], truth=truth).plan if late else None  # asked each time: it remembers what it saw
            if learner_plays:
                if picture is None:
                    picture = renderer.draw(fight)
                new = learner.decide([Frame(picture, fight.tick_count)]).plan
            elif fight.tick_count < busy_until:
                new = None  # a mistake runs its course
            elif rng.random() < mistakes:
                new = chaos.decide([]).plan
                busy_until = fight.tick_count + new.duration_ms * TICK_HZ // 1000
            elif late:
                new = seen
            for tick in range(PERIOD_TICKS):
                if tick == round(min(latency, PERIOD_TICKS - 1)) and new is not None:
                    plan, began = new, fight.tick_count
                held = plan.held_at((fight.tick_count - began) * 1000 / TICK_HZ) if plan else frozenset()
                fight.tick(held)
            latency = max(0.0, latency + rng.gauss(0, 0.5))
        seed += 1


def main(argv: list[str]) -> int:
    from rich.progress import track

    from tracker.dataset import write_rows

    args = parse(Args, argv, "env data")
    if args.rows < 1:
        raise UserError(f"expected at least one row, got --rows {args.rows}")
    kinds: Counter[str] = Counter()

    def counted():
        for row in track(answers(args), total=args.rows, description="playing fights"):
            kinds[row.messages[1].content[0].text.split(">")[0] + ">"] += 1
            yield row

    total = write_rows(args.out, counted())
    print(f"{total} rows in {args.out}: " + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common()))
    return 0
