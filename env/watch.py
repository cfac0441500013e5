"""`combatvla env watch`: a policy or a scripted player fights in a window, unpaused, and shows what it holds."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.actions import WAIT_PLAN, Action
from combatvla.arguments import parse, parse_size
from combatvla.errors import UserError
from combatvla.report import emit, percentile, table

if TYPE_CHECKING:
    from env.arena.fight import Fight
    from env.arena.panel import Panel
    from env.arena.render import Renderer
    from env.arena.window import ArenaWindow
    from env.mind import Mind


@dataclass
class Args:
    """Shows a policy fighting in a window. The boss does not wait for it.

    For example:

        combatvla env watch --policy tiny --task first
        combatvla env watch --policy reaction --task shogun --fights 3
        combatvla env watch --policy out/my-checkpoint --task sage --speed 0.5

    The policy decides in a process of its own, from pictures of the window's size; it presses no key, so the window
    needs no focus. On the right stand the keys it holds, its plan, and its reason. Escape or p pauses and shows the
    menu, Backspace begins the fight again, F1 shows the keys.
    """

    policy: str = "tiny"
    """What plays: `tiny`, `random`, `reaction`, `oracle`, the folder of a checkpoint, `vllm:FOLDER`, or a server,
    `openai:URL#MODEL` (docs/policies.md)."""
    task: str = "first"
    """The fight: a name, a number, or the path of a task file."""
    seed: int | None = None
    """The first fight's seed; by default the first of those held out from training."""
    fights: int = 1
    """So many fights, on consecutive seeds; then the window closes."""
    size: str = "1280x720"
    """The window's size in pixels, and that of the pictures which the policy gets."""
    speed: float = 1.0
    """Seconds of the fight in a second. The policy thinks as long as ever: slower, its thinking costs it less."""
    mute: bool = False
    """No sound; without it there is sound if the machine has any."""
    json: bool = False
    """Prints the outcomes as one JSON object on the last line."""


class Hands:
    """The player of a match: shows its mind the moment, and holds what the mind decided last."""

    def __init__(self, mind: Mind, window: ArenaWindow, renderer: Renderer | None, panel: Panel) -> None:
        self.mind, self.window, self.renderer, self.panel = mind, window, renderer, panel
        self.took_ms: list[float] = []
        """Of each decision, the milliseconds from its picture to its plan."""
        self._fight: Fight | None = None

    def __call__(self, fight: Fight, keys: frozenset[Action]) -> frozenset[Action]:
        from env.arena.fight import TICK_MS
        from env.arena.state import PERIOD_TICKS
        from env.mind import Thought

        if fight is not self._fight:
            self._fight, self._plan, self._began, self._next = fight, WAIT_PLAN, 0, 0
            self.mind.begin(fight.seed)
        tick = fight.tick_count
        while (heard := self.mind.hear()) is not None:
            if isinstance(heard, Thought):
                self._plan, self._began = heard.decision.plan, tick
                self.took_ms.append(heard.took_ms)
                self.panel.decided(*heard)
            else:
                self.panel.think(heard)
        if fight.result is None and not self.mind.busy and tick >= self._next:
            self._next = tick + PERIOD_TICKS
            self.mind.look(self._picture(fight), fight.truth() if self.mind.needs_truth else None)
        held = self._plan.held_at((tick - self._began) * TICK_MS) if fight.result is None else frozenset()
        self.panel.hold(held)
        return held

    def _picture(self, fight: Fight):
        if self.renderer is None:
            return None
        with self.window.resting():
            return self.renderer.draw(fight)


def outcome(fight: Fight) -> dict[str, Any]:
    """How a fight went, in figures."""
    from env.arena.state import TICK_HZ

    return {
        "seed": fight.seed,
        "result": fight.result,
        "seconds": round(fight.tick_count / TICK_HZ, 1),
        "damage_dealt": round(fight.damage_dealt / fight.task.boss.health, 3),
        "damage_taken": round(fight.damage_taken / fight.task.player.health, 3),
    }


def note(fight: Fight, by_seed: dict[int, dict[str, Any]]) -> str:
    """Adds a fight's outcome, unless its seed has one: a fight begun again after its end counts once. Says it."""
    row = outcome(fight)
    again = by_seed.setdefault(fight.seed, row) is not row
    return (
        f"seed {row['seed']}: {row['result']} after {row['seconds']:.1f} s, dealt {row['damage_dealt']:.0%}, "
        f"taken {row['damage_taken']:.0%}{' (fought again: its first outcome counts)' if again else ''}"
    )


def watch(args: Args) -> int:
    from env.play import open_window, warn_of_misfit
    from env.tasks import TEST_SEED_START, load_task, profile_of

    task = load_task(args.task)
    width, height = parse_size(args.size)
    if args.fights < 1:
        raise UserError(f"--fights must be at least 1, got {args.fights}")
    if not 0.05 <= args.speed <= 8:
        raise UserError(f"--speed: expected a number from 0.05 to 8, got {args.speed:g}")
    seed = TEST_SEED_START if args.seed is None else args.seed
    profile = profile_of(task)
    by_seed: dict[int, dict[str, Any]] = {}

    def on_over(fight: Fight) -> None:
        print(note(fight, by_seed), flush=True)

    with ExitStack() as stack:
        from env.mind import Mind

        mind = Mind(args.policy)
        stack.callback(mind.close)
        window = open_window(stack, task, width, height)
        from env.arena.match import Match
        from env.arena.panel import Panel
        from env.arena.render import Renderer
        from env.arena.sound import Sounds

        renderer = Renderer(width, height) if mind.wants_pictures else None
        if renderer is not None:
            stack.callback(renderer.close)
        sounds = Sounds(task, mute=args.mute)
        stack.callback(sounds.close)
        panel = Panel(Path(args.policy).name, profile.actions)
        window.overlay.add(panel.root)
        panel.root.show()
        hands = Hands(mind, window, renderer, panel)
        print(f"{task.title}, {args.policy}, seed {seed}, unpaused", file=sys.stderr, flush=True)
        Match(
            window,
            task,
            seed,
            hands,
            sounds,
            fights=args.fights,
            speed=args.speed,
            plain=True,
            on_over=on_over,
            on_drawn=warn_of_misfit(window),
        ).run()
    outcomes = list(by_seed.values())
    wins = sum(row["result"] == "win" for row in outcomes)
    if len(outcomes) > 1:
        table(f"{task.title}, {args.policy}", list(outcomes[0]), [list(row.values()) for row in outcomes])
    emit(
        {
            "policy": args.policy,
            "task": task.name,
            "fights": len(outcomes),
            "wins": wins,
            "success_rate": wins / len(outcomes) if outcomes else None,
            "decisions": len(hands.took_ms),
            "decision_ms_p50": percentile(hands.took_ms, 50),
            "decision_ms_p95": percentile(hands.took_ms, 95),
            "outcomes": outcomes,
        },
        as_json=args.json,
    )
    return 0


def main(argv: list[str]) -> int:
    return watch(parse(Args, argv, "env watch"))
