"""How often each action is in sessions or datasets: what a policy can learn, and what it sees too little of."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from combatvla.actions import MOVES, Action, Plan
from combatvla.aot import AoTError, decode
from combatvla.arguments import parse
from combatvla.errors import UserError
from tracker.align import Alignment, AlignOptions, Sample, samples
from tracker.session import Session

CRITICAL = (Action.DODGE, Action.HEAL)
"""Rare, and what fights are won by (the paper's words on its data)."""
LEAST_SHARE = 0.02
"""A critical action with a smaller share of the samples is learnt late or never: a choice of ours, not the paper's."""
MOST_WEIGHT = 8.0


@dataclass(kw_only=True)
class Args(AlignOptions):
    """Counts the actions in sessions or datasets, and says which are too rare to be learnt.

    For example:

        combatvla tracker balance sessions/*
        combatvla tracker balance data/mine --json

    A sample counts for the most telling action of its first step: an attack, a dodge or a heal before a move. Weights
    would bring all actions to the same share by their square root, as a hint for mixing data.
    """

    sources: tyro.conf.Positional[list[Path]]
    """Session folders, or datasets made by `combatvla tracker export` or `combatvla env data`."""
    game: str | None = None
    """Another profile than the one a session was recorded with (name or path)."""
    json: bool = False
    """Prints one JSON object as the last line."""


def kind(plan: Plan) -> Action:
    """The most telling action of a plan's first step: what it counts as."""
    ordered = plan.steps[0].ordered()
    return next((a for a in ordered if a not in MOVES and a is not Action.SPRINT), ordered[0])


def histogram(items: Iterable[Plan | Sample | str]) -> dict[str, int]:
    """How many of `items` count as which action (`kind`), in order of the vocabulary, without those that none counts
    as. An item is a plan, a sample, or a plan's text as the column `plan` of a dataset holds it; texts that are no plan
    ("": a row without one) count as nothing."""
    counts: Counter[Action] = Counter()
    for item in items:
        plan = item.plan if isinstance(item, Sample) else item
        if isinstance(plan, str):
            try:
                plan = decode(plan, order="thought_first").plan
            except AoTError:
                continue
        counts[kind(plan)] += 1
    return {action.value: counts[action] for action in Action if counts[action]}


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """Two histograms as one, in order of the vocabulary."""
    both = Counter(one) + Counter(other)
    return {action.value: both[action.value] for action in Action if both[action.value]}


def weights(actions: dict[str, int]) -> dict[str, float]:
    """For each action of a histogram how much more often to draw its samples, 1 for an action of mean frequency: the
    square root of its rarity, at most `MOST_WEIGHT`."""
    mean = sum(actions.values()) / max(1, len(actions))
    return {a: round(min(MOST_WEIGHT, (mean / n) ** 0.5), 2) for a, n in actions.items()}


def warnings(actions: dict[str, int], possible: Iterable[Action] = CRITICAL) -> list[str]:
    """A sentence for each critical action that is too rare; `possible`: those that the game has."""
    total = sum(actions.values())
    found = []
    for action in CRITICAL:
        count = actions.get(action.value, 0)
        if total and action in possible and count < LEAST_SHARE * total:
            found.append(
                f"{action.value}: {count} of {total} samples ({count / total:.1%}): record more fights in which it is "
                "needed, or repeat these rows"
            )
    return found


def main(argv: list[str]) -> int:
    from combatvla.report import emit, table

    args = parse(Args, argv, "tracker balance")
    if not args.sources:
        raise UserError("nothing to count: name session folders, or datasets")
    args.check()
    each: dict[str, dict[str, int]] = {}
    for source in args.sources:
        for name, plans in _plans(source, args):
            each[name] = added(each.get(name, {}), histogram(plans))
    actions: dict[str, int] = {}
    for found in each.values():
        actions = added(actions, found)
    total, rarity = sum(actions.values()), weights(actions)
    table(
        f"{total} samples",
        ("begins with", "samples", "share", "weight"),
        [(a, n, f"{n / total:.1%}", f"{rarity[a]:.2f}") for a, n in sorted(actions.items(), key=lambda i: -i[1])],
    )
    if len(each) > 1:
        table(
            "by session",
            ("session", "samples", *(a.value for a in CRITICAL)),
            [(name, sum(h.values()), *(h.get(a.value, 0) for a in CRITICAL)) for name, h in each.items()],
        )
    for said in (warned := warnings(actions)):
        print(said, file=sys.stderr)
    emit(
        {"samples": total, "actions": actions, "weights": rarity, "too_rare": warned, "sessions": each},
        as_json=args.json,
    )
    return 0


def _plans(source: Path, args: Args) -> Iterator[tuple[str, Iterable[Plan | Sample | str]]]:
    """What is in a session or a dataset, by the session's name."""
    if (source / "session.json").is_file():
        session = Session(source)
        profile = session.profile(args.game)
        yield session.name, samples(session, profile, args, Alignment())
        return
    from tracker.dataset import read_plans

    plans: dict[str, list[str]] = {}
    for session_name, plan in read_plans(source):
        plans.setdefault(session_name or source.name, []).append(plan)
    yield from plans.items()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
