"""`combatvla env play`: the Arena in a window, for a person, a recorder or an agent."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from combatvla.arguments import parse
from combatvla.errors import UserError

MAX_LAG_TICKS = 6
"""After a stall the world catches up by this many ticks at most, and lets the rest of the lost time go."""
BANNER_S = 2.0
KEYS = (
    "w a s d move, shift sprint, space dodge, left mouse button light attack, right heavy attack, r heal, "
    "1 immobilise; Enter next fight, Escape close"
)


@dataclass
class Args:
    """Opens a boss fight in a window, for you to play.

    For example:

        combatvla env play
        combatvla env play --task first --seed 7 --size 960x540

    Keys: w a s d move, shift sprint, space dodge, left mouse button light attack, right heavy attack, r heal,
    1 immobilise. Enter starts the next fight when one is over, Escape closes the window.
    """

    task: str = "first"
    """The fight."""
    seed: int | None = None
    """The fight's seed; by default another one each time."""
    size: str = "1280x720"
    """The window's size in pixels."""
    fps: int = 60
    """Pictures a second; the rules always run at 60 ticks a second."""
    log: Path | None = None
    """Writes one JSON line a tick: clock, held actions, true state."""
    exit_when_over: bool = False
    """Closes the window two seconds after the fight has ended."""


def parse_size(text: str) -> tuple[int, int]:
    """`1280x720` as numbers. `UserError` for anything else."""
    try:
        width, height = (int(n) for n in text.lower().split("x"))
    except ValueError:
        raise UserError(f"--size: expected a size such as 1280x720, got {text!r}") from None
    if not (160 <= width <= 7680 and 90 <= height <= 4320):
        raise UserError(f"--size: expected a size between 160x90 and 7680x4320, got {text!r}")
    return width, height


def play(args: Args) -> int:
    from combatvla.profiles import load_profile
    from env.arena.rules import TICK_HZ, Fight
    from env.tasks import TEST_SEED_START, load_task

    task = load_task(args.task)
    width, height = parse_size(args.size)
    if args.fps < 1:
        raise UserError(f"expected at least 1 picture a second, got --fps {args.fps}")
    seed = args.seed if args.seed is not None else time.time_ns() % TEST_SEED_START  # what is played may be recorded

    from env.arena.window import ArenaWindow

    window = ArenaWindow(f"CombatVLA Arena – {task.title}", width, height, load_profile("arena"))
    try:
        log = args.log.open("w", encoding="utf-8") if args.log else None
    except OSError as error:
        window.close()
        raise UserError(f"cannot write the log {args.log}: {error.strerror}; choose another path") from error
    fight = Fight(task, seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tick_ns = 1_000_000_000 // TICK_HZ
    draw_ns = 1_000_000_000 // min(args.fps, TICK_HZ)
    next_tick = next_draw = time.monotonic_ns()
    over_at: int | None = None
    print(f"{task.title}, seed {seed}. {KEYS}", flush=True)
    try:
        window.draw(fight)
        while window.open:
            now = time.monotonic_ns()
            if now - next_tick > MAX_LAG_TICKS * tick_ns:
                next_tick = now - MAX_LAG_TICKS * tick_ns
            while next_tick <= now:
                held = window.poll()
                if "escape" in window.other_keys:
                    return 0
                if fight.result is not None and "enter" in window.other_keys:
                    seed += 1
                    fight, over_at = Fight(task, seed), None
                fight.tick(held)
                next_tick += tick_ns
                if log and over_at is None:
                    line = {"t_ns": time.monotonic_ns(), "held": sorted(held), **fight.truth()}
                    log.write(json.dumps(line, separators=(",", ":")) + "\n")
                    log.flush()
                if fight.result is not None and over_at is None:
                    over_at = now
            if over_at is not None and args.exit_when_over and now - over_at > BANNER_S * 1e9:
                return 0
            if now >= next_draw:
                window.draw(fight)
                next_draw = max(next_draw + draw_ns, now)
            pause = (min(next_tick, next_draw) - time.monotonic_ns()) / 1e9
            if pause > 0:
                time.sleep(pause)
        return 0
    finally:
        window.close()
        if log:
            log.close()


def main(argv: list[str]) -> int:
    return play(parse(Args, argv, "env play"))
