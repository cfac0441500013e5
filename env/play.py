"""`combatvla env play`: the Arena in a window, for a person, a recorder or an agent."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from combatvla.arguments import parse, parse_size
from combatvla.errors import UserError
from combatvla.report import emit, table

if TYPE_CHECKING:
    from combatvla.actions import Action
    from combatvla.profiles import GameProfile
    from env.arena.fight import Fight
    from env.arena.window import ArenaWindow
    from env.tasks import Task


FRAMED_NS = 700_000_000
"""By then the window manager has put its frame around a new window."""


@dataclass
class Args:
    """Opens a boss fight in a window, for you to play.

    For example:

        combatvla env play
        combatvla env play --task ronin --seed 7 --size 960x540
        combatvla env play --bench 10 --json

    The keys stand in the window when it opens, and again with F1. Escape or p pauses and shows the menu, Backspace
    begins the fight again, Enter the next one when it is over. `combatvla env tasks` lists the fights.
    """

    task: str = "first"
    """The fight: a name, a number, or the path of a task file."""
    seed: int | None = None
    """The fight's seed; by default another one each time."""
    size: str = "1280x720"
    """The window's size in pixels; it can be changed later, and the picture keeps 16:9 in its middle."""
    fps: int = 60
    """Pictures a second; the rules always run at 60 ticks a second."""
    mute: bool = False
    """No sound; without it there is sound if the machine has any."""
    plain: bool = False
    """Nothing but the fight in the window: no key help when it opens, no hint when it is over."""
    log: Path | None = None
    """Writes one JSON line a tick: clock, held actions, true state."""
    exit_when_over: bool = False
    """Closes the window two seconds after the fight has ended."""
    bench: float | None = None
    """Measures for so many seconds how many pictures come and how evenly, while the oracle fights; then closes."""
    json: bool = False
    """With --bench: prints the figures as one JSON object on the last line."""


def open_window(stack: ExitStack, task: Task, width: int, height: int) -> ArenaWindow:
    """The window for `task`; closed with `stack`, and from now on by SIGTERM (exit status 143)."""
    from env.arena.window import ArenaWindow
    from env.live import warm_rules

    warm_rules(task)
    # Not before: the compiler has callbacks in which an exception goes under, and SystemExit with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    window = ArenaWindow(task, width, height)
    stack.callback(window.close)
    return window


def key_line(profile: GameProfile) -> str:
    """The keys in one line, for the terminal."""
    from env.arena.overlay import help_rows

    return ", ".join(f"{what.lower()}: {' '.join(keys)}" for what, keys in help_rows(profile))


def warn_of_misfit(window: ArenaWindow) -> Callable[[int], None]:
    """Says once, when the window has its frame, that it does not fit the screen. To be called after each picture."""
    look_at_ns: int | None = time.monotonic_ns() + FRAMED_NS

    def look(now_ns: int) -> None:
        nonlocal look_at_ns
        if look_at_ns is not None and now_ns > look_at_ns:
            look_at_ns = None
            if said := window.misfit():
                print(f"combatvla: {said}", file=sys.stderr, flush=True)

    return look


def play(args: Args) -> int:
    from env.tasks import TEST_SEED_START, load_task, profile_of

    task = load_task(args.task)
    if args.fps < 1:
        raise UserError(f"expected at least 1 picture a second, got --fps {args.fps}")
    if args.bench is not None and not args.bench > 0:
        raise UserError(f"--bench: expected a number of seconds above 0, got {args.bench:g}")
    width, height = parse_size(args.size)
    seed = args.seed if args.seed is not None else time.time_ns() % TEST_SEED_START  # what is played may be recorded
    with ExitStack() as stack:
        window = open_window(stack, task, width, height)
        from env.arena.match import Match
        from env.arena.sound import Sounds

        on_tick = _logger(stack, args.log)
        sounds = Sounds(task, mute=args.mute)
        stack.callback(sounds.close)
        if args.bench is not None:
            from env.arena.pace import measure

            figures = measure(window, task, seed, sounds, args.fps, args.bench)
            table(f"{task.title} in a window", ["figure", "value"], list(figures.items()))
            emit(figures, as_json=args.json)
            return 0
        print(f"{task.title}, seed {seed}. {key_line(profile_of(task))}", flush=True)
        Match(
            window,
            task,
            seed,
            lambda fight, keys: keys,
            sounds,
            fights=1 if args.exit_when_over else None,
            fps=args.fps,
            plain=args.plain,
            on_tick=on_tick,
            on_drawn=warn_of_misfit(window),
        ).run()
    return 0


def _logger(stack: ExitStack, path: Path | None) -> Callable[[Fight, frozenset[Action]], None]:
    """Writes the true state of each tick into `path`, if there is one."""
    if path is None:
        return lambda fight, held: None
    try:
        log = stack.enter_context(path.open("w", encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot write the log {path}: {error.strerror}; choose another path") from error

    def on_tick(fight: Fight, held: frozenset[Action]) -> None:
        line = {"t_ns": time.monotonic_ns(), "held": sorted(held), **fight.truth()}
        log.write(json.dumps(line, separators=(",", ":")) + "\n")
        log.flush()

    return on_tick


def main(argv: list[str]) -> int:
    return play(parse(Args, argv, "env play"))
