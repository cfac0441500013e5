"""Records a game window and the keys pressed in it into a session."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from combatvla.arguments import parse
from combatvla.desktop.base import Desktop, Window, WindowGone
from combatvla.errors import UserError
from combatvla.profiles import GameProfile, load_profile

DISK_FULL = {28, 122, 27}
"""ENOSPC, EDQUOT and EFBIG: the disk, the quota or the largest file size is used up."""


@dataclass
class Args:
    """Records a game window and your keys into a session.

    Start the game, then:

        combatvla tracker record --game arena --out sessions/first
        combatvla tracker check sessions/first
        combatvla tracker align sessions/first --out data/first

    Only while the game's window has the focus are pictures taken and keys noted: change to another window and nothing
    of it is recorded. Ctrl-C ends the recording, as does closing the game. A crash loses a fraction of a second.
    """

    game: str
    """The game's profile: a name (arena) or the path of a .yaml file."""
    out: Path
    """The session's folder; it must not exist yet."""
    fps: Annotated[int, tyro.conf.arg(metavar="1..240")] = 30
    """Pictures a second."""
    stop_after: float | None = None
    """Ends the recording after so many seconds."""
    wait: float = 10.0
    """How many seconds to wait for the game's window."""
    json: bool = False
    """Prints one JSON object as the last line."""


@dataclass
class Recording:
    """What a recorder did so far."""

    seconds: float = 0.0
    frames: int = 0
    dropped: int = 0
    """Pictures that were due but not taken because the one before took too long."""
    events: int = 0
    focused: bool = True
    ended: str = ""
    """Why it ended; empty while it runs."""


class Recorder:
    """Records `window` into `folder` with a thread of its own beside the listeners', until `stop` or the window's end.

    `game` is how `load_profile` finds the profile again (default: its name). `status` may be read at any time. `wait`
    raises what went wrong (a full disk, a window that changed its size) as `UserError`; what was recorded until then
    is kept.
    """

    def __init__(
        self,
        desktop: Desktop,
        window: Window,
        profile: GameProfile,
        folder: Path,
        *,
        fps: int = 30,
        game: str | None = None,
    ) -> None:
        from combatvla.desktop.capture import WindowCapture
        from tracker.listen import InputListener
        from tracker.session import EventRow, SessionWriter

        if not 1 <= fps <= 240:
            raise UserError(f"--fps: expected 1 to 240 pictures a second, got {fps}")
        self.status = Recording()
        self._window = desktop.geometry(window)
        first = WindowCapture(self._window, desktop=desktop, keep=2)
        try:
            first.grab()  # a window that cannot be captured is told of before there is a folder
        finally:
            first.close()
        self._writer = SessionWriter(
            folder,
            game=game or profile.name,
            title=self._window.title,
            width=self._window.width,
            height=self._window.height,
            fps=fps,
        )
        self._fps = fps
        self._stop = threading.Event()
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._desktop = desktop

        def note(event: EventRow) -> None:
            try:
                self._writer.event(event)
                self.status.events = self._writer.events
            except OSError as error:
                self._fail(error)

        try:
            self._capture = WindowCapture(self._window, desktop=desktop, keep=2)
            self._listener = InputListener(desktop, self._window, note)
        except BaseException:
            self._writer.close()
            raise
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def keys_down(self) -> tuple[str, ...]:
        return self._listener.down

    def stop(self, why: str = "stopped") -> None:
        """Asks the recording to end."""
        self.status.ended = self.status.ended or why
        self._stop.set()

    def running(self, timeout_s: float = 0.0) -> bool:
        """Waits up to `timeout_s` for the end; whether it still runs."""
        return not self._done.wait(timeout_s)

    def wait(self) -> Recording:
        """Waits for the end and raises what went wrong."""
        self._done.wait()
        if self._error is not None:
            raise self._as_user_error(self._error)
        return self.status

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop.set()

    def _run(self) -> None:
        with ExitStack() as stack:
            for last in (self._done.set, self._capture.close, self._writer.close, self._listener.close):
                stack.callback(last)
            try:
                self._record()
            except WindowGone:
                self.stop("the game's window was closed")
            except BaseException as error:  # reported by `wait`; the files are closed first
                self._fail(error)

    def _record(self) -> None:
        period = 1_000_000_000 // self._fps
        start = due = time.monotonic_ns()
        while not self._stop.is_set():
            now = time.monotonic_ns()
            self.status.seconds = (now - start) / 1e9
            if now < due:
                self._stop.wait((due - now) / 1e9)
                continue
            self.status.focused = self._listener.heed_focus()
            if self.status.focused:
                frame = self._capture.grab()
                if frame.pixels.shape[:2] != (self._window.height, self._window.width):
                    raise UserError(
                        f"the window {self._window.title!r} changed its size from {self._window.width}x"
                        f"{self._window.height} to {frame.pixels.shape[1]}x{frame.pixels.shape[0]}, which ends a "
                        f"session: {self._kept()}; record again without resizing"
                    )
                self._writer.frame(frame)
                self.status.frames = self._writer.frames
            elif not self._desktop.alive(self._window):
                raise WindowGone("closed")
            late = (time.monotonic_ns() - due) // period
            if self.status.focused:
                self.status.dropped += late
            due += (late + 1) * period

    def _kept(self) -> str:
        return f"the {self.status.frames} frames recorded so far are kept in {self._writer.folder}"

    def _as_user_error(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError):
            number = error.errno if error.errno is not None else getattr(error, "args", [None])[0]
            what = "the disk is full" if number in DISK_FULL else f"the session could not be written ({error})"
            return UserError(f"{what}, so the recording was stopped: {self._kept()}; free some space and record again")
        return error


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker record")
    from rich.console import Console

    from combatvla.desktop import open_desktop

    profile = load_profile(args.game)
    console = Console(stderr=True)
    desktop = open_desktop()
    with console.status(f"waiting for the window {profile.title!r}"):
        window = desktop.find_window(profile, wait_s=args.wait)
    desktop.activate(window)
    game = str(Path(args.game).resolve()) if Path(args.game).is_file() else args.game
    recorder = Recorder(desktop, window, profile, args.out, fps=args.fps, game=game)
    before = signal.signal(signal.SIGTERM, lambda *_: recorder.stop("SIGTERM"))
    try:
        with console.status("") as line:
            while recorder.running(0.1):
                line.update(_line(recorder))
                if args.stop_after is not None and recorder.status.seconds >= args.stop_after:
                    recorder.stop(f"{args.stop_after:g} s are over")
    except KeyboardInterrupt:
        recorder.stop("Ctrl-C")
    finally:
        recorder.stop()
        signal.signal(signal.SIGTERM, before)
    status = recorder.wait()
    rate = status.frames / status.seconds if status.seconds else 0.0
    console.print(
        f"{status.ended}: {status.frames} frames in {status.seconds:.1f} s ({rate:.1f} fps, {status.dropped} dropped), "
        f"{status.events} inputs, in {args.out}"
    )
    if args.json:
        figures = {
            "session": str(args.out),
            "seconds": round(status.seconds, 3),
            "frames": status.frames,
            "fps": round(rate, 2),
            "dropped": status.dropped,
            "events": status.events,
            "ended": status.ended,
        }
        print(json.dumps(figures))
    return 0


def _line(recorder: Recorder) -> str:
    status = recorder.status
    if not status.focused:
        return f"{status.seconds:6.1f} s  paused: the game's window does not have the focus"
    rate = status.frames / status.seconds if status.seconds else 0.0
    keys = " ".join(recorder.keys_down) or "-"
    return (
        f"recording {status.seconds:6.1f} s  {rate:4.1f} fps  {status.dropped} dropped  keys: {keys}  (Ctrl-C ends it)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
