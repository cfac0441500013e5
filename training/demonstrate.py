"""The reaction player at a real window: presses real keys into the Arena, so that a fight can be recorded without a
person. It reads the true state that the window writes (`env play --log`), as late as a person would see it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from combatvla.actions import WAIT_PLAN
from combatvla.arguments import parse
from combatvla.desktop.base import Desktop, Window, WindowGone
from combatvla.desktop.display import own_display
from combatvla.errors import UserError
from combatvla.policy.base import Policy
from combatvla.profiles import GameProfile

DECISION_S = 0.1
"""Seconds from one decision to the next: the shortest step of `combatvla/Arena-v0`."""
LOOP_S = 1 / 120
TRUTH_KEYS = {"seed", "tick", "result", "player", "boss", "distance", "damage_dealt", "damage_taken"}


@dataclass
class Args:
    """Lets the reaction player fight in the Arena's window by pressing real keys, and records it.

    For example:

        combatvla tracker demonstrate --out sessions/reference-7 --seed 7
        combatvla tracker export sessions/reference-7 --out data/reference

    It opens the Arena itself (on a display of its own where there is none) and ends with the fight. Into an Arena that
    is open already (`combatvla env play --log truth.jsonl`) it plays with `--truth truth.jsonl`.
    """

    out: Path | None = None
    """Records into this session folder, true states included; without it nothing is recorded."""
    seconds: float = 120.0
    """Ends after so many seconds at the latest."""
    task: str = "first"
    """The fight."""
    seed: int = 0
    """The fight's seed, and the player's."""
    size: str = "1280x720"
    """The window's size in pixels."""
    reaction_ms: int = 250
    """How late the player sees what happens."""
    fps: int = 30
    """Pictures a second of the recording."""
    truth: Path | None = None
    """The log of an Arena that is open already."""
    json: bool = False
    """Prints one JSON object as the last line."""


@dataclass
class Demonstration:
    """How a demonstrated fight went."""

    result: str | None = None
    seconds: float = 0.0
    decisions: int = 0
    damage_dealt: float = 0.0
    damage_taken: float = 0.0


class TruthLog:
    """Follows the log of `combatvla env play`. `latest()`: the newest whole line, None before the first."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UserError(
                f"the log {path} cannot be read ({error.strerror}): start `combatvla env play --log {path}` first"
            ) from error
        self._rest = b""
        self._truth: dict[str, Any] | None = None

    def latest(self) -> dict[str, Any] | None:
        lines = (self._rest + self._file.read()).split(b"\n")
        self._rest = lines.pop()
        if lines:
            try:
                state = json.loads(lines[-1])
            except ValueError:
                state = None
            if not isinstance(state, dict) or not state.keys() >= TRUTH_KEYS:
                raise UserError(f"{self._file.name} is no log of `combatvla env play`: a line is no true state")
            self._truth = state
        return self._truth

    def close(self) -> None:
        self._file.close()


def demonstrate(
    desktop: Desktop,
    window: Window,
    profile: GameProfile,
    truth: Path,
    player: Policy,
    seconds: float,
    *,
    seed: int = 0,
    go_on: Callable[[], bool] = lambda: True,
) -> Demonstration:
    """Has `player` press keys into `window` until the fight or the time is over, or `go_on()` says no. While the window
    is without the focus nothing is pressed. `WindowGone` when it is closed in mid-fight."""
    from combatvla.desktop.exits import release_on_exit
    from combatvla.desktop.inject import GuardedInjector

    done = Demonstration()
    player.reset(seed)
    log = TruthLog(truth)
    start = time.monotonic()
    with release_on_exit(GuardedInjector(desktop, window, profile, armed=True)) as injector:
        try:
            plan, decided = WAIT_PLAN, 0.0
            while (now := time.monotonic()) < start + seconds and go_on():
                state = log.latest()
                if state is None:
                    time.sleep(LOOP_S)
                    continue
                if now - decided >= DECISION_S:
                    plan, decided = player.decide((), truth=state).plan, now
                    done.decisions += 1
                injector.set_held(plan.held_at((now - decided) * 1000))
                done.seconds = now - start
                done.result = state["result"]
                done.damage_dealt, done.damage_taken = state["damage_dealt"], state["damage_taken"]
                if done.result is not None:
                    break
                time.sleep(LOOP_S)
        except WindowGone:
            state = log.latest()
            if state is None or state["result"] is None:
                raise
            done.result = state["result"]
        finally:
            log.close()
    return done


def main(argv: list[str]) -> int:
    from rich.console import Console

    from combatvla.desktop import open_desktop
    from env.live import START_S, TRUTH_FILE, arena_window, find_arena
    from env.players import ReactionPlayer
    from env.tasks import TEST_SEED_START, load_task, profile_of
    from tracker.recorder import Recorder

    args = parse(Args, argv, "tracker demonstrate")
    profile = profile_of(load_task(args.task))
    if args.out is not None and args.seed >= TEST_SEED_START:
        raise UserError(f"seeds from {TEST_SEED_START} on are held out for measuring: record a lower --seed")
    console = Console(stderr=True)
    player = ReactionPlayer(reaction_ms=args.reaction_ms)
    with ExitStack() as stack:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        if args.truth is None and not os.environ.get("DISPLAY"):
            stack.enter_context(own_display(1920, 1080))
        desktop = open_desktop()
        stack.callback(desktop.close)
        with console.status("waiting for the Arena's window"):
            if args.truth is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="combatvla-")))
                game = stack.enter_context(arena_window(folder, args.task, args.seed, args.size))
                window, truth = find_arena(desktop, profile, game, folder), folder / TRUTH_FILE
            else:
                window, truth = desktop.find_window(profile, wait_s=START_S), args.truth
                if not desktop.activate(window, timeout_s=5):
                    raise UserError("the Arena's window did not get the focus, so no keys can be sent: click on it")
        if args.out is not None and _seed(truth) >= TEST_SEED_START:
            raise UserError(
                f"the open Arena fights a seed that is held out for measuring: start it with a --seed below "
                f"{TEST_SEED_START}"
            )
        recorder = Recorder(desktop, window, profile, args.out, fps=args.fps) if args.out else None
        try:
            with console.status(f"the reaction player fights (seed {args.seed})"):
                go_on = recorder.running if recorder is not None else lambda: True
                done = demonstrate(desktop, window, profile, truth, player, args.seconds, seed=args.seed, go_on=go_on)
        finally:
            if recorder is not None:
                recorder.stop("the fight is over")
                recorder.running(10)
                with suppress(OSError):  # a full disk: the recorder tells of it, if nothing worse is on its way
                    shutil.copyfile(truth, args.out / TRUTH_FILE)  # `tracker export` explains the actions from it
        if recorder is not None:
            recorder.wait()
    console.print(
        f"{done.result or 'not over'} after {done.seconds:.1f} s: dealt {done.damage_dealt:.0%}, "
        f"taken {done.damage_taken:.0%}, {done.decisions} decisions" + (f", recorded in {args.out}" if args.out else "")
    )
    if args.json:
        print(json.dumps({"session": args.out and str(args.out), "seed": args.seed, **vars(done)}))
    return 0


def _seed(truth: Path) -> int:
    """The seed of the fight that is logged there, -1 before its first tick."""
    log = TruthLog(truth)
    state = log.latest()
    log.close()
    return state["seed"] if state else -1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
