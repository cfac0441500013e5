"""`combatvla agent run`: a policy plays a game window, live and unpaused."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from combatvla.arguments import parse
from combatvla.desktop.base import DisplayEnded, WindowGone
from combatvla.desktop.grip import GIVE_BACK, KILL_CHORD, Grip, Killed
from combatvla.errors import UserError


@dataclass
class Args:
    """Let a policy play a game window.

    For example:

        combatvla agent run --game arena --armed
        combatvla agent run --game arena --policy out/my-checkpoint --seconds 60

    Start the game first (`combatvla env play` for the Arena). The policy sees only the window's pixels. Without
    --armed nothing is pressed: it looks, decides, and says what it would do. With it, input goes out only while the
    window has the focus, and only keys of the game's profile; click another window and the agent waits, press Ctrl-C
    here and it ends. Any key, mouse button or motion of yours in the game takes control, and the agent presses nothing
    until --give-back gives it back; --kill-chord ends it at once, whatever window you are in (exit status 3). On every
    way out everything is let go. A game that is closed in mid-fight counts as a failure.

    For single-player games: others would notice, and anti-cheat programs may ban who automates (docs/safety.md).
    The game does not wait: the Arena's fight begins with its window, and Enter in it begins the next one.
    """

    game: str = "arena"
    """The game's profile: a name that ships with the package, or the path of a .yaml file."""
    policy: str = "tiny"
    """What plays: a checkpoint (`tiny` and `flare`, for Flare, ship with the package; or a folder), `random`,
    `vllm:FOLDER`, or a server, `openai:URL#MODEL` (docs/policies.md)."""
    armed: bool = False
    """Press the keys. Without it, this is a dry run."""
    seconds: float = 120.0
    """How long it plays at most; it also ends with the window."""
    wait: float = 10.0
    """Seconds to wait for the window to appear."""
    hz: float = 10.0
    """Decisions a second at most."""
    deadline: float | None = None
    """Milliseconds after its newest picture was taken until which a decision must stand: then the policy gives the plan
    that it has so far."""
    dead_man: float = 1.0
    """Without a new decision for so many seconds, everything is let go."""
    give_back: str = GIVE_BACK
    """The key that gives control back to the agent, after any input of yours in the game has taken it."""
    kill_chord: str = KILL_CHORD
    """The keys that end the agent at once when you press them together, wherever."""
    replay: Path | None = None
    """Where to write the replay video; by default `replay.mp4` beside the log."""
    no_replay: bool = False
    """Record no video."""
    hud: bool = False
    """Show the strip of keys, plan, thought and ages in a window beside the game's (docs/agent.md)."""
    plain: bool = False
    """Plain lines in place of the panel in the terminal."""
    log: Path = Path("out/agent")
    """Where the log is written, in a folder named after the time."""
    json: bool = False
    """Print the result as one JSON object on the last line."""


MOST = 1e6
"""Of seconds, decisions a second and milliseconds: more is a slip, and clocks count no further."""
OURS = ("arena", "blade", "flare")
"""Games that are meant to be played by agents: the notice is not for them."""
NOTICE = (
    "for single-player games only: do not use it against other people or where a game's terms forbid automation, and "
    "anti-cheat programs may ban you for it (docs/safety.md)"
)


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "agent run")
    for option in ("seconds", "hz", "deadline", "dead_man"):
        value = getattr(args, option)
        if value is not None and not 0 < value <= MOST:
            raise UserError(f"--{option.replace('_', '-')} must be more than 0 and at most {MOST:g}, got {value:g}")
    if args.no_replay and args.replay is not None:
        raise UserError("--replay says where the video goes and --no-replay that there is none: give one of them")

    from agent.loop import warm_up
    from agent.play import Seat, new_folder, play
    from agent.ticker import show, watch
    from combatvla.desktop.base import open_desktop
    from combatvla.desktop.capture import WindowCapture
    from combatvla.policy import make_policy
    from combatvla.profiles import load_profile
    from combatvla.report import emit

    profile = load_profile(args.game)
    grip = Grip(args.give_back.lower(), args.kill_chord.lower())
    grip.check(profile.keys.values())
    if args.armed and profile.name not in OURS:
        print(NOTICE, file=sys.stderr)
    desktop = open_desktop()
    try:
        policy = make_policy(args.policy)
        window = desktop.find_window(profile, wait_s=args.wait)
        with WindowCapture(window, desktop=desktop) as capture:
            warm_up(policy, capture.grab())
        if args.armed and not desktop.activate(window):
            print("the window does not have the focus: click it, and the agent begins", file=sys.stderr)
        seat = Seat(
            desktop,
            window,
            profile,
            new_folder(args.log),
            policy=args.policy,
            armed=args.armed,
            grip=grip,
            replay=not args.no_replay,
        )
        how = "playing" if args.armed else "dry run (nothing is pressed; --armed plays):"
        print(
            f"{how} {window.title!r} with {args.policy}; Ctrl-C ends it, {grip.kill_chord} in any window too",
            file=sys.stderr,
        )
        left = "the log and the replay are" if seat.replay else "the log is"
        watching = ExitStack()
        try:
            ticker = watching.enter_context(watch(seat, plain=args.plain, hud=args.hud))
            record = play(
                policy,
                seat,
                seconds=args.seconds,
                period_ms=1000 / args.hz,
                deadline_ms=args.deadline,
                dead_man_ms=args.dead_man * 1000,
                on_acted=ticker,
                on_mode=ticker.mode,
                on_end=watching.close,
            )
        except Killed as error:
            raise Killed(f"ended by {grip.kill_chord}: every key was let go, the log is in {seat.folder}") from error
        except KeyboardInterrupt:
            print(f"ended by Ctrl-C: every key was let go, {left} in {seat.folder}", file=sys.stderr)
            raise
        except WindowGone as error:
            what = "display ended" if isinstance(error, DisplayEnded) else f"window {window.title!r} was closed"
            raise UserError(
                f"the {what} while the agent played: every key was let go, {left} in {seat.folder}"
            ) from error
        finally:
            watching.close()
    finally:
        desktop.close()
    if args.replay is not None and record["replay"]:
        record["replay"] = str(_move(Path(record["replay"]), args.replay))
    if record["parse_failures"] and (counts := getattr(policy, "counts", None)):
        print(f"{record['parse_failures']} decisions were no plan and became a wait, the last one: {counts.last_error}")
    show(record, f"{record['decisions']} decisions in {record['seconds']:.0f} s ({record['ended']})")
    print(f"log:    {record['log']}  (combatvla agent replay {record['log']})")
    if record["replay"]:
        print(f"replay: {record['replay']}")
    emit({"game": profile.name, "policy": args.policy, "armed": args.armed, **record}, as_json=args.json)
    return 0


def _move(source: Path, target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(source, target))
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"the replay cannot be moved to {target} ({why}): it is in {source}") from error
