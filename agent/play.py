"""One episode: the loop on a window, with its log, its film and its videos, and every input let go at the end."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.actions import PERIOD_MS
from combatvla.desktop.grip import Grip, Killed
from combatvla.errors import UserError

if TYPE_CHECKING:
    from agent.loop import Acted, Episode
    from combatvla.desktop.base import Desktop, Window
    from combatvla.episode import Mode
    from combatvla.policy.base import Policy
    from combatvla.profiles import GameProfile


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

            try:
                with with_main:
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
            finally:
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
