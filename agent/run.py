"""`combatvla agent run`: a policy plays a game window, live and unpaused."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.loop import Acted, Episode
    from combatvla.desktop.base import Desktop, Window
    from combatvla.policy.base import Policy
    from combatvla.profiles import GameProfile


@dataclass
class Args:
    """Let a policy play a game window.

        combatvla agent run --game arena
        combatvla agent run --game arena --policy out/my-checkpoint --seconds 60 --dry-run

    Start the game first (`combatvla env play` for the Arena). The policy sees only the window's pixels. Input goes out
    only while the window has the focus, and only keys of the game's profile; click another window, close the game, or
    press Ctrl-C here, and everything is let go.
    """

    game: str = "arena"
    """The game's profile: a name that ships with the package, or the path of a .yaml file."""
    policy: str = "tiny"
    """The checkpoint: `tiny` (it ships with the package) or a folder."""
    seconds: float = 120.0
    """How long it plays at most; it also ends with the window."""
    wait: float = 10.0
    """Seconds to wait for the window to appear."""
    dry_run: bool = False
    """Decide, but press nothing."""
    replay: bool = True
    """Record a video with the keys, the thought and the action's age under the picture."""
    out: Path = Path("out/agent")
    """Where the log and the replay are written, in a folder named after the time."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


@dataclass
class Seat:
    """Where a policy sits down to play: everything `play` needs besides the policy."""

    desktop: Desktop
    window: Window
    profile: GameProfile
    folder: Path
    """Gets `decisions.jsonl`, `summary.json` and `replay.mp4`."""
    armed: bool = True
    replay: bool = True


def play(
    policy: Policy,
    seat: Seat,
    *,
    seconds: float,
    seed: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_acted: Callable[[Acted], None] = lambda acted: None,
    episode: Episode | None = None,
) -> dict[str, Any]:
    """Plays one episode and returns its figures (`agent.log.figures`), which also stand in `summary.json`.

    On every way out, exceptions included, all input is let go and what was logged is on disk.
    """
    from contextlib import ExitStack

    from agent.log import EpisodeLog, figures
    from agent.loop import Episode, fight
    from agent.replay import Replay
    from combatvla.desktop.capture import WindowCapture
    from combatvla.desktop.inject import GuardedInjector, release_on_exit

    episode = Episode() if episode is None else episode
    with ExitStack() as stack:
        log = stack.enter_context(EpisodeLog(seat.folder))
        capture = stack.enter_context(WindowCapture(seat.window, desktop=seat.desktop))
        video = None
        if seat.replay:
            watcher = WindowCapture(seat.window, desktop=seat.desktop)
            video = stack.enter_context(Replay(seat.folder / "replay.mp4", watcher, seat.profile))
        injector = GuardedInjector(seat.desktop, seat.window, seat.profile, armed=seat.armed)
        injector = stack.enter_context(release_on_exit(injector))

        def note(acted: Acted) -> None:
            log.write(acted)
            if video is not None:
                video.show(acted)
            on_acted(acted)

        try:
            fight(policy, capture, injector, seconds=seconds, seed=seed, stop=stop, on_acted=note, episode=episode)
        finally:
            record = {**figures(episode), "replay": str(video.path) if video else None, "log": str(seat.folder)}
            log.summarize(record)
    return record


def new_folder(parent: Path) -> Path:
    """A folder of its own in `parent`, named after the time. `UserError` when it cannot be made."""
    name = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        try:
            (parent / (name + suffix)).mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(
                f"the folder {parent} cannot be made ({error.strerror}): give another one with --out"
            ) from error
        return parent / (name + suffix)
    raise UserError(f"too many runs began in {parent} within one second: give another folder with --out")


def show(record: dict[str, Any], title: str) -> None:
    """The latency table of an episode or several."""
    from combatvla.report import table

    def ms(name: str) -> list[str | None]:
        return [None if (value := record[f"{name}_ms_{q}"]) is None else f"{value:.1f}" for q in ("p50", "p95")]

    rows = [
        ["decision: frames in, plan out", *ms("decision")],
        ["action age: capture of the newest frame to key down", *ms("action_age")],
    ]
    table(title, ["milliseconds", "p50", "p95"], rows)


class Ticker:
    """Says every few seconds, on standard error, what the agent does: called after each decision."""

    def __init__(self, every_s: float = 2.0) -> None:
        self.every_s = 0.2 if sys.stderr.isatty() else every_s
        self.began = self.said = time.monotonic()
        self.count = 0

    def __call__(self, acted: Acted) -> None:
        from agent.loop import words

        self.count += 1
        now = time.monotonic()
        if now - self.said < self.every_s:
            return
        self.said = now
        what = words(acted.decision.plan) if acted.sent else "the window has no focus: nothing is held"
        line = f"{now - self.began:5.1f} s  decision {self.count:4d}  {acted.action_age_ms:4.0f} ms old  {what}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)


def main(argv: list[str]) -> int:
    import tyro

    args = tyro.cli(Args, args=argv, prog="combatvla agent run")
    if args.seconds <= 0:
        raise UserError(f"--seconds must be more than 0, got {args.seconds:g}")

    from agent.loop import warm_up
    from combatvla.desktop.base import open_desktop
    from combatvla.desktop.capture import WindowCapture
    from combatvla.profiles import load_profile
    from combatvla.report import emit

    profile = load_profile(args.game)
    desktop = open_desktop()
    try:
        window = desktop.find_window(profile, wait_s=args.wait)
        from combatvla.policy.local import load_policy

        policy = load_policy(args.policy)
        with WindowCapture(window, desktop=desktop) as capture:
            warm_up(policy, capture.grab())
        desktop.activate(window)
        seat = Seat(desktop, window, profile, new_folder(args.out), armed=not args.dry_run, replay=args.replay)
        ticker = Ticker()
        print(f"playing {window.title!r} with {args.policy}; Ctrl-C ends it", file=sys.stderr)
        try:
            record = play(policy, seat, seconds=args.seconds, on_acted=ticker)
        finally:
            ticker.end()
    finally:
        desktop.close()
    show(record, f"{record['decisions']} decisions in {record['seconds']:.0f} s ({record['ended']})")
    print(f"log and replay: {record['log']}")
    emit({"game": profile.name, "policy": args.policy, "armed": not args.dry_run, **record}, as_json=args.json)
    return 0
