"""`combatvla bench flare`: players fight the boss of our mod in Flare's own window, unpaused, seeing pixels only."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.hud import EMPTY, HudReader
from combatvla.report import emit, table
from combatvla.stats import mean

if TYPE_CHECKING:
    from agent.loop import Episode
    from combatvla.desktop.base import Desktop, Window
    from combatvla.policy.base import Policy
    from combatvla.profiles import GameProfile

SCREEN = (640, 360)
"""The display of our own: Flare's window is 588x336."""
LINGER_S = 1.0
"""The end is filmed and recorded for so long."""


@dataclass
class Args:
    """Let players fight a boss in Flare, a real open-source game, and count who wins.

    For example:

        combatvla bench flare
        combatvla bench flare --player random --episodes 20 --no-replay --json
        combatvla bench flare --episodes 20 --no-replay --sessions sessions/flare
        combatvla bench flare --player flare --episodes 20 --no-replay

    It needs Flare (`scripts/setup.sh flare`), opens it on a display of its own with a fresh hero for each fight, and
    presses real keys. Who won is read off the screen alone. With --sessions each fight is recorded by the tracker.
    """

    player: str = "scripted"
    """`scripted` (sees pixels only), `random`, or a policy: `flare` (ships with the package), `tiny`, or a folder."""
    episodes: int = 1
    """How many fights."""
    seed: int = 0
    """Of the first fight; the others follow. It picks where the hero begins."""
    seconds: float = 120.0
    """A fight that takes longer counts as not won."""
    out: Path = Path("out/flare")
    """Where logs and replays are written."""
    sessions: Path | None = None
    """Records each fight into a session folder of its own in here."""
    fps: int = 30
    """Pictures a second of a recording."""
    no_replay: bool = False
    """Make no video."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


class Referee:
    """Reads off the screen how the fight stands. Called as `stop`: says whether it is over."""

    def __init__(self, desktop: Desktop, window: Window, profile: GameProfile) -> None:
        from combatvla.desktop.capture import WindowCapture

        self.capture = WindowCapture(window, desktop=desktop, keep=1)
        self.reader = HudReader(profile)
        self.result: str | None = None
        self.health = self.boss = 1.0
        """The last that could be read."""
        self.damage = 0.0
        """All that the hero's bar lost so far, in fractions of a whole one; potions fill it again."""
        self._said: str | None = None

    def __call__(self) -> bool:
        if self.result is None:
            hud = self.reader.read(self.capture.grab().pixels)
            if hud["health"] == hud["health"]:  # NaN: not to be seen
                self.damage += max(0.0, self.health - hud["health"])
                self.health = hud["health"]
            if hud["boss_health"] >= EMPTY:  # the game leaves its bar out of a picture now and then
                self.boss = hud["boss_health"]
            said = self.reader.result(hud)
            self.result = said if said == self._said else None  # two readings in a row
            self._said = said
            if self.result == "win":
                self.boss = 0.0
        return self.result is not None

    def score(self) -> str:
        return f"boss {self.boss:4.0%}  own {self.health:4.0%}  "


def one_fight(
    policy: Policy, folder: Path, episode: Episode, args: Args, seed: int, session: Path | None
) -> dict[str, Any]:
    """Opens the game, lets `policy` fight to the end, and returns the outcome and the agent's figures."""
    from agent.play import Seat, play
    from agent.ticker import Ticker
    from combatvla.desktop.base import WindowGone, open_desktop
    from combatvla.profiles import load_profile
    from env.flare.game import find_flare, flare_window
    from tracker.recorder import Recorder

    profile = load_profile("flare")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        desktop = open_desktop()
        stack.callback(desktop.close)
        game = stack.enter_context(flare_window(folder, seed))
        window = find_flare(desktop, profile, game, folder)
        referee = Referee(desktop, window, profile)
        stack.callback(referee.capture.close)
        recorder = Recorder(desktop, window, profile, session, fps=args.fps) if session else None
        seat = Seat(desktop, window, profile, folder, policy=args.player, replay=not args.no_replay, linger_s=LINGER_S)
        ticker = Ticker(extra=referee.score)
        try:
            record = play(
                policy,
                seat,
                seconds=args.seconds,
                seed=seed,
                stop=referee,
                on_acted=ticker,
                on_mode=ticker.mode,
                on_end=ticker.end,
                episode=episode,
            )
        except WindowGone as error:
            raise UserError(
                f"Flare's window was closed in mid-fight; every key was let go, and the log is in {folder}"
            ) from error
        finally:
            if recorder is not None:
                recorder.stop("the fight is over")
                recorder.running(10)
        if recorder is not None:
            recorder.wait()
    return {
        "result": referee.result or "timeout",
        "seed": seed,
        "boss_health_left": round(referee.boss, 3),
        "health_left": round(referee.health, 3),
        "damage_taken": round(referee.damage, 3),
        "session": str(session) if session else None,
        **record,
    }


def merge(fights: list[dict[str, Any]], episodes: list[Episode]) -> dict[str, Any]:
    """One record of all fights; latencies are over all their decisions."""
    from benchmark.tally import tally

    return {
        **tally(fights, episodes),
        **{
            key: round(mean([f[key] for f in fights]), 3) for key in ("boss_health_left", "health_left", "damage_taken")
        },
        "log": fights[-1]["log"],
        "replay": fights[-1]["replay"],
        "sessions": [f["session"] for f in fights if f["session"]],
    }


def make_player(name: str) -> Policy:
    """`scripted`, or what `make_policy` knows."""
    if name == "scripted":
        from env.flare.player import FlarePlayer

        return FlarePlayer()
    from combatvla.policy import make_policy

    return make_policy(name)


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "bench flare")
    if args.episodes < 1:
        raise UserError(f"--episodes must be at least 1, got {args.episodes}")
    if not args.seconds > 0:
        raise UserError(f"--seconds must be more than 0, got {args.seconds:g}")

    import numpy as np

    from agent.loop import Episode, warm_up
    from agent.play import new_folder
    from agent.ticker import show
    from benchmark.tally import won
    from combatvla.desktop.display import own_display
    from combatvla.policy.base import Frame
    from env.flare.game import find_game

    find_game()  # says so before anything else when it is not installed

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the game and the display are ended on the way out
    policy = make_player(args.player)
    warm_up(policy, Frame(np.zeros((336, 588, 3), np.uint8), time.monotonic_ns()))
    folder = new_folder(args.out)
    fights, episodes = [], []
    with own_display(*SCREEN) as display:
        say(f"Flare on display {display}: {args.player} fights, unpaused")
        for seed in range(args.seed, args.seed + args.episodes):
            into = folder if args.episodes == 1 else folder / str(seed)
            session = args.sessions / f"{args.player.rpartition('/')[2]}-{seed}" if args.sessions else None
            episodes.append(Episode())
            fights.append(one_fight(policy, into, episodes[-1], args, seed, session))
            wins = sum(f["result"] == "win" for f in fights)
            say(f"seed {seed}: {fights[-1]['result']} after {fights[-1]['seconds']:.0f} s; {wins} won of {len(fights)}")
    record = merge(fights, episodes)
    table(
        f"Flare, {args.player}, unpaused",
        ["seed", "result", "boss left", "own left", "decisions", "seconds"],
        [
            [
                f["seed"],
                f["result"],
                f"{f['boss_health_left']:.0%}",
                f"{f['health_left']:.0%}",
                f["decisions"],
                f"{f['seconds']:.1f}",
            ]
            for f in fights
        ],
    )
    show(record, "Latency")
    print(won(record))
    if args.sessions:
        print(f"sessions: {args.sessions}")
    if record["replay"]:
        print(f"replay: {record['replay']}")
    emit({"player": args.player, **record}, as_json=args.json)
    return 0
