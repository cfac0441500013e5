"""The recorder: one thread takes pictures of a window, one writes them, and the listeners tell what is done in it."""

from __future__ import annotations

import errno
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from combatvla.desktop.base import Box, Desktop, DisplayEnded, OffScreen, View, Window, WindowGone
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.rows import CoverRow, Event, FocusRow, MarkRow, PauseRow, WindowRow

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The disk, the quota or the largest file size is used up."""
OFFSCREEN_NS = 200_000_000
"""So often it is looked whether a window that was off the screen is back: each look opens the screen anew."""
QUEUED = 8
"""Pictures that may wait to be encoded; beyond it they are dropped, and counted."""


@dataclass
class Recording:
    """What a recorder did so far."""

    seconds: float = 0.0
    frames: int = 0
    dropped: int = 0
    """Pictures that were due but not taken because the one before took too long."""
    events: int = 0
    focused: bool = True
    paused: str = ""
    """Why recording rests (`tracker.rows.PauseRow.why`); empty while it goes on."""
    marks: int = 0
    covered: int = 0
    """Pictures in which something was painted black because other windows covered it..."""
    covered_by: tuple[str, ...] = ()
    """...and the titles of those that do now."""
    capture_ms: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """How long the last pictures took to be taken."""
    disk_free_mb: float = 0.0
    ended: str = ""
    """Why it ended; empty while it runs."""


class Recorder:
    """Records `window` into `folder` until `stop` or the window's end: one thread takes pictures, one writes them, and
    the listeners have their own.

    `game` is how `load_profile` finds the profile again (default: its name); a window without a profile is recorded the
    same way. With `paused` recording rests until the pause key is pressed. `hotkeys` names keys by what they do
    ("stop", "pause", "mark"); they are not recorded. After `idle_s` without an input recording rests until the next
    one, and while a part of the window is off the screen. It ends when less than `least_free_mb` are free on the disk.
    `status` may be read at any time. `wait` raises what went wrong (a full disk, a lost display) as `UserError`; what
    was recorded until then is kept, and it says where.
    """

    def __init__(
        self,
        desktop: Desktop,
        window: Window,
        profile: GameProfile | None,
        folder: Path,
        *,
        fps: int = 30,
        game: str | None = None,
        hotkeys: Mapping[str, str] | None = None,
        idle_s: float | None = None,
        least_free_mb: float = 0.0,
        paused: bool = False,
    ) -> None:
        from combatvla.desktop.capture import WindowCapture
        from tracker.listen import InputListener
        from tracker.writer import SessionWriter

        if not 1 <= fps <= 240:
            raise UserError(f"--fps: expected 1 to 240 pictures a second, got {fps}")
        self.status = Recording()
        self._window = desktop.geometry(window)
        first = WindowCapture(self._window, desktop=desktop, keep=1)
        try:
            seen = first.grab()  # a window that cannot be captured is told of before there is a folder
            if desktop.note and not seen.pixels.any():
                raise UserError(f"the picture of the window {window.title!r} is black: {desktop.note}")
        finally:
            first.close()
        self._writer = SessionWriter(
            folder,
            game=game or (profile.name if profile is not None else ""),
            title=self._window.title,
            width=self._window.width,
            height=self._window.height,
            fps=fps,
        )
        self._fps, self._idle_s, self._least_free_mb = fps, idle_s, least_free_mb
        self._hotkeys = {key: what for what, key in (hotkeys or {}).items()}
        self._stop = threading.Event()
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._desktop = desktop
        self._covered: tuple[Box, ...] = ()
        self._look_ns = 0
        """When to look again whether the window is back on the screen."""
        self._resting = threading.RLock()
        """Held from a look at whether recording rests until that is changed: the pause key is another thread's."""
        self._waiting: queue.Queue[tuple[np.ndarray, int] | None] = queue.Queue(QUEUED)
        with ExitStack() as undo:  # so that the same folder may be tried again
            undo.callback(self._writer.discard)
            self._capture = WindowCapture(self._window, desktop=desktop, keep=1, private=True)
            undo.callback(self._capture.close)
            self._listener = InputListener(
                desktop, self._window, self._note, hotkeys=self._hotkeys, on_hotkey=self._hotkey
            )
            undo.pop_all()
        if paused:
            self._rest("", "hotkey")
        self._writing = threading.Thread(target=self._write, name="writer", daemon=True)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._writing.start()
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

    # -- what is heard ---------------------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        try:
            self._writer.event(event)
            self.status.events = self._writer.events
        except OSError as error:
            self._fail(error)

    def _hotkey(self, key: str) -> None:
        what, t_ns = self._hotkeys[key], time.monotonic_ns()
        if what == "stop":
            self.stop(f"{key} was pressed")
        elif what == "mark":
            self.status.marks += 1
            self._note(MarkRow(t_ns=t_ns, label=str(self.status.marks)))
        else:
            with self._resting:
                before = self.status.paused
                self._rest(before, "" if before == "hotkey" else "hotkey")

    def _rest(self, before: str, why: str, t_ns: int | None = None) -> bool:
        """Recording rests from `t_ns` (or now) on, or with "" goes on. Only where `before` is still why it rests: gives
        whether it was."""
        with self._resting:
            if self.status.paused != before:
                return False
            self.status.paused = why
            self._listener.muted = why in ("hotkey", "offscreen")
            if self._listener.muted:
                self._listener.release()
            t_ns = time.monotonic_ns() if t_ns is None else t_ns
            self._note(PauseRow(t_ns=t_ns, paused=bool(why), why=why or before))
            return True

    # -- pictures --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with ExitStack() as stack:
            ends = (self._done.set, self._capture.close, self._writer.close, self._listener.close, self._end_writing)
            for last in ends:
                stack.callback(last)
            try:
                self._record()
            except WindowGone as gone:
                ended = isinstance(gone, DisplayEnded)
                self.stop("the display ended" if ended else "the game's window was closed")
            except BaseException as error:  # reported by `wait`; the files are closed first
                self._fail(error)

    def _end_writing(self) -> None:
        self._waiting.put(None)
        self._writing.join()

    def _write(self) -> None:
        """Encodes and writes the pictures that wait. A new video every few minutes so costs no picture."""
        cv2.setNumThreads(1)  # a second thread costs more than it saves here
        while (taken := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._writer.frame(*taken)
                    self.status.frames = self._writer.frames
                except BaseException as error:
                    self._fail(error)

    def _record(self) -> None:
        period = 1_000_000_000 // self._fps
        start = due = time.monotonic_ns()
        looked = 0
        while not self._stop.is_set():
            now = time.monotonic_ns()
            self.status.seconds = (now - start) / 1e9
            if now < due:
                self._stop.wait((due - now) / 1e9)
                continue
            if now - looked > 1_000_000_000:
                looked = now
                self._check_disk()
            live = self._live(now) and self._take()
            late = (time.monotonic_ns() - due) // period
            if live:
                self.status.dropped += late
            due += (late + 1) * period

    def _live(self, now: int) -> bool:
        """Whether a picture is to be taken: the window has the focus, and recording does not rest."""
        focused = self._listener.heed_focus()
        if focused != self.status.focused:
            self.status.focused = focused
            self._note(FocusRow(t_ns=now, focused=focused))
        if not focused:
            self._desktop.geometry(self._window)  # tells of a window that was closed
            return False
        if self._idle_s is not None:
            idle = not self._listener.down and now - self._listener.last_ns > self._idle_s * 1e9
            self._rest(*("", "idle") if idle else ("idle", ""))
        paused = self.status.paused
        return not paused or (paused == "offscreen" and now >= self._look_ns)

    def _take(self) -> bool:
        """Takes a picture; whether there is one."""
        try:
            taken = self._capture.grab_bgra()
        except OffScreen:
            self._look_ns = time.monotonic_ns() + OFFSCREEN_NS
            self._rest("", "offscreen")
            return False
        if self.status.paused and not self._rest("offscreen", "", taken[1]):
            return False  # the pause key was pressed meanwhile
        self.status.capture_ms.append((time.monotonic_ns() - taken[1]) / 1e6)
        lies = self._capture.window
        if lies != self._window:
            self._window = self._listener.window = lies
            self._note(WindowRow(t_ns=taken[1], x=lies.x, y=lies.y, width=lies.width, height=lies.height))
        self._heed_cover(self._capture.view, taken[1])
        try:
            self._waiting.put_nowait(taken)
        except queue.Full:
            self.status.dropped += 1
        return True

    def _heed_cover(self, view: View, t_ns: int) -> None:
        self.status.covered += bool(view.covered)
        if view.covered != self._covered:
            self._covered, self.status.covered_by = view.covered, view.by
            self._note(CoverRow(t_ns=t_ns, share=round(view.share_covered(), 4)))

    def _check_disk(self) -> None:
        self.status.disk_free_mb = shutil.disk_usage(self._writer.folder).free / 1e6
        if self.status.disk_free_mb < self._least_free_mb:
            raise OSError(errno.ENOSPC, f"less than {self._least_free_mb:g} MB are free")

    def _kept(self) -> str:
        return f"the {self.status.frames} frames recorded so far are kept in {self._writer.folder}"

    def _as_user_error(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError):
            number = error.errno if error.errno is not None else getattr(error, "args", [None])[0]
            what = "the disk is full" if number in DISK_FULL else f"the session could not be written ({error})"
            return UserError(f"{what}, so the recording was stopped: {self._kept()}; free some space and record again")
        if isinstance(error, UserError):
            return UserError(f"{error}; the recording was stopped: {self._kept()}")
        error.add_note(self._kept())  # our mistake: it is shown with it
        return error
