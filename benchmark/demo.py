"""The demo: the Arena in a window, and the shipped policy fighting in it, seeing nothing but the window's pixels."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import emit, table
from combatvla.stats import mean

if TYPE_CHECKING:
    from agent.loop import Episode
    from combatvla.policy.base import Policy

SIZE = (1280, 720)
LINGER_S = 1.2
"""The film shows the end for so long; the game's window stays two seconds."""


@dataclass
class Args:
    """Watch the shipped policy fight a boss.

    For example:

        combatvla demo
        combatvla demo --seed 1000003 --policy out/my-checkpoint
        combatvla demo --episodes 20 --json

    It opens the Arena's window, on a display of its own where there is none, and plays it by pressing keys, unpaused.
    Leave the window in front until the fight is over.
    """

    policy: str = "tiny"
    """What fights: a checkpoint (`tiny`, which ships with the package, or a folder), `random`, `vllm:FOLDER`, or a
    server, `openai:URL#MODEL` (docs/policies.md)."""
    task: str = "first"
    """The fight."""
    seed: int | None = None
    """The fight's seed; by default the first of those held out from training."""
    episodes: int = 1
    """How many fights, on consecutive seeds."""
    out: Path = Path("out/demo")
    """Where logs and replays are written."""
    no_replay: bool = False
    """Record no video."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


class Referee:
    """Reads the true state that the Arena's window logs. The policy never sees it; it only tells how the fight goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.truth: dict[str, Any] = {}
        self._at = 0

    def look(self) -> dict[str, Any]:
        """The newest true state, empty before the first tick."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._at)
                whole, newline, _ = file.read().rpartition(b"\n")
            if newline:
                self._at += len(whole) + 1
                self.truth = json.loads(whole[whole.rfind(b"\n") + 1 :])
        return self.truth

    def over(self) -> bool:
        return self.look().get("result") is not None

    def score(self) -> str:
        """The state of the fight for people."""
        if not self.truth:
            return ""
        boss, own = self.truth["boss"]["health"], self.truth["player"]["health"]
        return f"boss {boss:4.0%} {_bar(boss)}  own {own:4.0%} {_bar(own)}  "


def _bar(fraction: float, width: int = 10) -> str:
    full = round(max(0.0, min(1.0, fraction)) * width)
    return "█" * full + "░" * (width - full)


def one_fight(
    policy: Policy,
    task: str,
    seed: int,
    folder: Path,
    episode: Episode,
    *,
    replay: bool = True,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Opens the window, lets `policy` fight in it to the end (for `seconds` at most), and returns the outcome and the
    agent's figures.

    What the agent does is noted in `episode`. `UserError` when the window is closed before the fight is over.
    """
    from agent.play import Seat, play
    from agent.ticker import Ticker
    from combatvla.desktop.base import WindowGone, open_desktop
    from env.live import TRUTH_FILE, arena_window, find_arena
    from env.tasks import load_task, profile_of

    fought = load_task(task)
    profile = profile_of(fought)
    folder.mkdir(parents=True, exist_ok=True)
    referee = Referee(folder / TRUTH_FILE)
    ticker = Ticker(extra=referee.score)
    with ExitStack() as stack:
        desktop = open_desktop()
        stack.callback(desktop.close)
        game = stack.enter_context(arena_window(folder, task, seed, "{}x{}".format(*SIZE), "--exit-when-over"))
        window = find_arena(desktop, profile, game, folder)
        seat = Seat(desktop, window, profile, folder, policy=policy.name, replay=replay, linger_s=LINGER_S)
        limit = seconds or fought.time_limit_s + 10
        try:
            record = play(
                policy,
                seat,
                seconds=limit,
                seed=seed,
                stop=referee.over,
                on_acted=ticker,
                on_mode=ticker.mode,
                on_end=ticker.end,
                episode=episode,
            )
        except WindowGone as error:
            raise UserError(
                f"the Arena's window was closed in mid-fight; every key was let go, and the log and the replay are in "
                f"{folder}: start again and leave the window open until the fight is over"
            ) from error
    truth = referee.look()
    return {
        "result": truth.get("result") or "timeout",
        "task": task,
        "seed": seed,
        "damage_dealt": truth.get("damage_dealt", 0.0),
        "damage_taken": truth.get("damage_taken", 0.0),
        **record,
    }


def merge(fights: list[dict[str, Any]], episodes: list[Episode]) -> dict[str, Any]:
    """One record of all fights; latencies are over all their decisions."""
    from benchmark.tally import tally

    record = {**fights[-1], "success": all(f["result"] == "win" for f in fights)}
    if len(fights) > 1:
        record.update(tally(fights, episodes))
        record.update({key: mean([f[key] for f in fights]) for key in ("damage_dealt", "damage_taken")})
    return record


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "demo")
    if args.episodes < 1:
        raise UserError(f"--episodes must be at least 1, got {args.episodes}")

    from env.tasks import TEST_SEED_START, load_task

    task = load_task(args.task)
    start = TEST_SEED_START if args.seed is None else args.seed
    if start < 0:
        raise UserError(f"--seed must not be negative, got {start}")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the game and the display are ended on the way out
    say(f"1/3 loading the policy {args.policy}")
    import numpy as np

    from agent.loop import Episode, warm_up
    from agent.play import new_folder
    from agent.ticker import show
    from benchmark.tally import won
    from combatvla.desktop.display import own_display
    from combatvla.policy import make_policy
    from combatvla.policy.base import Frame

    policy = make_policy(args.policy)
    warm_up(policy, Frame(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), time.monotonic_ns()))

    folder = new_folder(args.out)
    fights, episodes = [], []
    with ExitStack() as stack:
        if os.environ.get("DISPLAY"):
            say(f"2/3 opening the Arena on your display {os.environ['DISPLAY']}: leave its window in front")
        else:
            say(f"2/3 no display here: opening the Arena on one of our own, {stack.enter_context(own_display(*SIZE))}")
        for seed in range(start, start + args.episodes):
            say(f"3/3 fighting {task.title}, seed {seed}, unpaused")
            into = folder if args.episodes == 1 else folder / str(seed)
            episodes.append(Episode())
            fights.append(one_fight(policy, args.task, seed, into, episodes[-1], replay=not args.no_replay))
            if args.episodes > 1:
                say(f"    {fights[-1]['result']}: {sum(f['result'] == 'win' for f in fights)} won of {len(fights)}")
    record = merge(fights, episodes)
    table(
        f"{task.title}, {args.policy}, unpaused",
        ["seed", "result", "decisions", "dealt", "taken", "seconds"],
        [
            [
                f["seed"],
                f["result"],
                f["decisions"],
                f"{f['damage_dealt']:.2f}",
                f"{f['damage_taken']:.2f}",
                f["seconds"],
            ]
            for f in fights
        ],
    )
    show(record, "Latency")
    if args.episodes > 1:
        print(won(record))
    if record["replay"]:
        print(f"replay: {record['replay']}")
    emit(record, as_json=args.json)
    return 0
