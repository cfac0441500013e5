"""`combatvla agent run`: a policy plays a game window, live and unpaused."""

from __future__ import annotations

import _thread
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.actions import PERIOD_MS
from combatvla.arguments import parse
from combatvla.desktop.base import DisplayEnded, WindowGone
from combatvla.desktop.grip import GIVE_BACK, KILL_CHORD, Grip, Killed
from combatvla.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.loop import Acted, Episode
    from combatvla.desktop.base import Desktop, Window
    from combatvla.episode import Mode
    from combatvla.policy.base import Policy
    from combatvla.profiles import GameProfile


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


@dataclass
class Seat:
    """Where a policy sits down to play: everything `play` needs besides the policy."""

    desktop: Desktop
    window: Window
    profile: GameProfile
    folder: Path
    """Gets the log and the videos (`combatvla.episode`)."""
    policy: str = ""
    """The policy's name, for the log."""
    armed: bool = True
    grip: Grip = field(default_factory=Grip)
    """By which keys the person gives control back and ends it."""
    replay: bool = True
    linger_s: float = 0.0
    """The film goes on for so long after the end, to show it."""


def play(
    policy: Policy,
    seat: Seat,
    *,
    seconds: float,
    seed: int | None = None,
    period_ms: float = PERIOD_MS,
    deadline_ms: float | None = None,
    dead_man_ms: float = 1000.0,
    stop: Callable[[], bool] = lambda: False,
    on_acted: Callable[[Acted], None] = lambda acted: None,
    on_mode: Callable[[Mode], None] = lambda mode: None,
    on_end: Callable[[], None] = lambda: None,
    episode: Episode | None = None,
) -> dict[str, Any]:
    """Plays one episode and returns its figures (`agent.log.figures`), which also stand in `summary.json`.

    On every way out, exceptions included, all input is let go, what was logged is on disk, and the videos are made
    (after SIGTERM there is no time for that: the film stays beside the log, and `combatvla agent videos` makes them).
    `on_end` is called once nothing is held any more, before that; `on_mode`, from another thread, when it changes who
    plays. Raises `Killed` after the kill chord.
    """
    from agent.film import Film
    from agent.log import EpisodeLog, figures
    from agent.loop import KILLED, Episode, fight
    from agent.videos import make_videos
    from combatvla.desktop.base import open_injector
    from combatvla.desktop.capture import WindowCapture
    from combatvla.desktop.exits import release_on_exit
    from combatvla.episode import FILM

    episode = Episode() if episode is None else episode
    videos = None
    log = EpisodeLog(seat.folder)
    try:
        with ExitStack() as stack:
            stack.enter_context(log)
            log.begins(
                seat.profile,
                seat.window,
                policy=seat.policy,
                armed=seat.armed,
                seconds=seconds,
                give_back=seat.grip.give_back,
            )
            if seat.replay:
                stack.enter_context(Film(seat.folder / FILM, seat.window))
            capture = stack.enter_context(WindowCapture(seat.window, desktop=seat.desktop, keep=1))
            # The actuator must get in while the policy computes: Python's own 5 ms are long for a key.
            stack.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(0.001)
            with_main = _Interrupt()

            def heard(t_ns: int, mode: Mode) -> None:
                log.mode(t_ns, mode)
                if mode == "killed":
                    with_main.soon()
                on_mode(mode)

            injector = open_injector(
                seat.desktop,
                seat.window,
                seat.profile,
                armed=seat.armed,
                grip=seat.grip,
                on_mode=heard,
                on_limit=lambda text: print(text, file=sys.stderr, flush=True),
            )
            injector = stack.enter_context(release_on_exit(injector))

            def note(acted: Acted) -> None:
                log.acted(acted)
                on_acted(acted)

            with with_main:
                try:
                    fight(
                        policy,
                        capture,
                        injector,
                        seconds=seconds,
                        seed=seed,
                        period_ms=period_ms,
                        deadline_ms=deadline_ms,
                        dead_man_ms=dead_man_ms,
                        stop=stop,
                        on_acted=note,
                        on_held=log.held,
                        episode=episode,
                    )
                except KeyboardInterrupt:
                    if injector.mode != "killed":
                        raise
                    episode.ended = KILLED
                    raise Killed(KILLED) from None
            episode.left_out = injector.meter.left_out
            injector.close()
            if seat.replay:
                time.sleep(seat.linger_s)
    finally:
        on_end()
        try:
            if seat.replay and not isinstance(sys.exc_info()[1], SystemExit | Killed):
                videos = make_videos(seat.folder, seat.profile)
        except (KeyboardInterrupt, UserError) as error:  # the fight counts without them
            said = f"no replay{f': {error}' * bool(str(error))}"
            print(f"{said}; `combatvla agent videos {seat.folder}` makes it", file=sys.stderr)
        finally:
            clean, replay = map(str, videos) if videos else (None, None)
            record = {**figures(episode), "replay": replay, "clean": clean, "log": str(seat.folder)}
            log.summarize(record)
    return record


class _Interrupt:
    """Ends what the main thread does, as Ctrl-C, where it has not ended by itself soon: a policy may think for long.
    As a context: only within it."""

    PATIENCE_S = 0.3

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = False

    def soon(self) -> None:
        timer = threading.Timer(self.PATIENCE_S, self._now)
        timer.daemon = True
        timer.start()

    def _now(self) -> None:
        with self._lock:
            if self._within and callable(signal.getsignal(signal.SIGINT)):  # it may be ignored, as under nohup
                if hasattr(signal, "pthread_kill"):
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                else:  # Windows
                    _thread.interrupt_main()

    def __enter__(self) -> _Interrupt:
        self._within = threading.current_thread() is threading.main_thread()
        return self

    def __exit__(self, *_) -> None:
        with self._lock:
            self._within = False


def new_folder(parent: Path) -> Path:
    """A folder of its own in `parent`, named after the time. `UserError` when it cannot be made."""
    name = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        try:
            (parent / (name + suffix)).mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"the folder {parent} cannot be made ({error.strerror}): give another one") from error
        return parent / (name + suffix)
    raise UserError(f"too many runs began in {parent} within one second: give another folder")


def show(record: dict[str, Any], title: str) -> None:
    """The latency table of an episode or several: each stage from the screen to the key."""
    from rich.text import Text

    from combatvla.episode import PARTS
    from combatvla.report import table

    meaning = {
        "capture": "capture of the window",
        "wait": "picture to policy",
        "preprocess": "  frame to model input",
        "vision": "  vision tower",
        "prefill": "  prompt",
        "decode": "  action tokens",
        "other": "  text to plan",
        "decide": "decision: frames in, plan out",
        "act": "plan to key down",
        "age": "action age: capture of the newest frame to key down",
    }
    rows = []
    for stage, f in record["stages_ms"].items():
        style = "bold" if stage == "age" else "" if stage not in PARTS else "dim"
        rows.append([Text(text, style) for text in (meaning[stage], *(f"{f[q]:.1f}" for q in ("p50", "p95", "max")))])
    table(title, ["milliseconds", "p50", "p95", "max"], rows)


TROUBLE_S = 1.0
"""A policy whose every second answer is bad is not told of more often than this."""
OURS = ("arena", "blade", "flare")
"""Games that are meant to be played by agents: the notice is not for them."""
NOTICE = (
    "for single-player games only: do not use it against other people or where a game's terms forbid automation, and "
    "anti-cheat programs may ban you for it (docs/safety.md)"
)


class Ticker:
    """Says on standard error what the agent does, a line that renews itself: called after each decision.

    `extra` adds what is to be shown besides. Where nobody watches a terminal it speaks every `every_s` seconds.
    """

    def __init__(self, every_s: float = 3.0, extra: Callable[[], str] = lambda: "", give_back: str = GIVE_BACK) -> None:
        self.live = sys.stderr.isatty()
        self.every_s = 0.2 if self.live else every_s
        self.extra = extra
        self.began = self.said = time.monotonic()
        self.count = self.said_count = 0
        self.give_back, self.played = give_back, False
        self.trouble, self.troubled = False, -TROUBLE_S

    def __call__(self, acted: Acted) -> None:
        from agent.loop import words

        self.count += 1
        self._tell_of_trouble(acted)
        now = time.monotonic()
        if now - self.said < self.every_s:
            return
        hz = (self.count - self.said_count) / (now - self.said)
        self.said, self.said_count = now, self.count
        what = words(acted.decision.plan) if acted.sent else "waiting"
        thought = f"  ({acted.decision.explanation})" if acted.decision.explanation else ""
        line = (
            f"{now - self.began:5.1f} s {hz:5.1f}/s  age {acted.action_age_ms:3.0f} ms  {self.extra()}{what}{thought}"
        )
        self._say(line)

    def mode(self, mode: Mode) -> None:
        """Says that it has changed who plays."""
        first, self.played = not self.played, self.played or mode in ("armed", "dry run")
        said = {
            "no focus": "the window is without the focus: nothing is held, waiting for it",
            "human": f"you have control: nothing is held; {self.give_back.upper()} in the game's window gives it back",
            "armed": "playing on" * (not first),
            "dry run": "going on" * (not first),
        }.get(mode, "")
        if said:
            self.say(said)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.end()
        print(text, file=sys.stderr, flush=True)

    def _tell_of_trouble(self, acted: Acted) -> None:
        """When no plan comes from the policy, and when one does again."""
        decision, now = acted.decision, time.monotonic()
        if decision.parsed and self.trouble:
            self.trouble = False
            self.say("the policy gives plans again: playing on")
        elif not decision.parsed and not self.trouble and now - self.troubled > TROUBLE_S:
            self.trouble, self.troubled = True, now
            why = decision.explanation or f"what it said is none: {decision.text[:40]!r}"
            self.say(f"no plan came from the policy ({why}): nothing is held until one does")

    def end(self) -> None:
        if self.live:
            print(file=sys.stderr)

    def _say(self, line: str) -> None:
        if self.live:
            print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


class Silent(Ticker):
    """Where others tell what the agent does."""

    def __call__(self, acted: Acted) -> None:
        pass

    def mode(self, mode: Mode) -> None:
        pass

    def end(self) -> None:
        pass


@contextmanager
def watch(seat: Seat, *, plain: bool, hud: bool) -> Iterator[Ticker]:
    """Shows what the agent does: the panel where there is a terminal, else (or when `plain`) lines; the strip beside
    the game when `hud`. Each has a process of its own and reads the log."""
    from agent.panel import Panel
    from agent.strip import StripWindow

    with ExitStack() as stack:
        drawable = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        ticker = (Silent if drawable and not plain else Ticker)(give_back=seat.grip.give_back)
        if isinstance(ticker, Silent):
            stack.enter_context(Panel(seat.folder))
        if hud:
            stack.enter_context(StripWindow(seat.window, seat.folder))
        stack.callback(ticker.end)
        yield ticker


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "agent run")
    for option in ("seconds", "hz", "deadline", "dead_man"):
        if getattr(args, option) is not None and not getattr(args, option) > 0:
            raise UserError(f"--{option.replace('_', '-')} must be more than 0, got {getattr(args, option):g}")

    from agent.loop import warm_up
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
        except WindowGone as error:
            what = "display ended" if isinstance(error, DisplayEnded) else f"window {window.title!r} was closed"
            raise UserError(
                f"the {what} while the agent played: every key was let go, the log{' and the replay are' * seat.replay}"
                f"{' is' * (not seat.replay)} in {seat.folder}"
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
