"""The eye: a thread that takes each picture when it is due, while another one decides.

A decision's window is its newest picture, taken when the look was due and not before, and those `gap_ms` apart before
it. So the eye also looks where a later window will want a picture, which is nowhere else while the gap is the period of
the looks. How long a decision takes cannot be known: while one is being made, it looks thirty times a second as well,
as a recording does, so that the next window is spaced rightly even when its look comes late.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from combatvla.desktop.base import Capture
from combatvla.policy.base import Frame

MS = 1_000_000
THINKING_MS = 33
"""While a decision is being made there is a picture so often, at least."""
NEAR_MS = 5
"""A picture that was taken so shortly before another one was due stands in for it."""
LATE_MS = 100
"""A picture that is so far from where the window wants one does not count: the window is shorter then, as in the
tracker's samples."""
_NONE = np.empty((0, 0, 3), np.uint8)


class Eye:
    """Takes the pictures of windows of `count` frames, `gap_ms` apart, for looks that come every `period_ms` or later.

    `aim` says when the next look is, `look` waits for it. The pixels of a window stay untouched until the next `look`.
    """

    def __init__(self, capture: Capture, count: int, gap_ms: float, period_ms: float) -> None:
        self._capture, self._count = capture, count
        self._gap, self._period = round(gap_ms * MS), round(period_ms * MS)
        first = capture.grab()
        # Fresh buffers are slow once: not in the fight.
        self._buffers = [first.pixels.copy() for _ in range(count + 2)]
        self._frames: list[Frame] = []  # oldest first
        self._lent: list[Frame] = []
        self._at: int | None = None  # when the next look is; while a decision is being made, when it is at the earliest
        self._thinking = self._asked = self._closed = False
        self._seen_ns = 0
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="eye", daemon=True)
        self._thread.start()

    def aim(self, at_ns: int) -> None:
        """The next look is at `at_ns` (monotonic), or as soon as it is asked for after that."""
        with self._changed:
            self._at, self._thinking = at_ns, False
            self._changed.notify_all()

    def look(self) -> tuple[list[Frame], int]:
        """Waits for the look that was aimed at: the window, oldest first, and when it was there (monotonic ns). At the
        start it is shorter. Raises what went wrong in the thread, e.g. `WindowGone`."""
        with self._changed:
            assert self._at is not None, "aim first"
            self._asked = True
            self._changed.notify_all()
            while self._asked and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            self._lent = self._window()
            self._at, self._thinking = self._at + self._period, True
            self._changed.notify_all()
            return self._lent, self._seen_ns

    def forget(self) -> None:
        """Forgets what was seen, and rests until the next `aim`."""
        with self._changed:
            self._at = None
            self._frames.clear()

    def close(self) -> None:
        """Ends the thread. The capture is the caller's."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(5)

    def __enter__(self) -> Eye:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while self._await_due():
                frame = self._capture.grab(self._spare())
                with self._changed:
                    self._take(frame)
        except Exception as error:  # handed to the loop, which ends the fight
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _await_due(self) -> bool:
        """Waits until a picture is due; False at the end."""
        with self._changed:
            while not self._closed:
                due = self._due()
                left = None if due is None else (due - time.monotonic_ns()) / 1e9
                if left is not None and left <= 0:
                    return True
                self._changed.wait(left)
        return False

    def _due(self) -> int | None:
        """When the next picture is to be taken; None while none is wanted."""
        if self._at is None:
            return None
        wanted = [self._at] if self._asked else []
        if self._count > 1:
            last = self._frames[-1].t_ns if self._frames else time.monotonic_ns()
            since = last + NEAR_MS * MS
            # Later looks are expected a period apart; a window of each reaches back by k gaps.
            wanted += [since + (self._at - k * self._gap - since) % self._period for k in range(self._count)]
            if self._thinking:
                wanted.append(last + min(THINKING_MS * MS, self._gap))
        return min(wanted, default=None)

    def _take(self, frame: Frame) -> None:
        seen_ns = time.monotonic_ns()
        if not any(frame.pixels is buffer for buffer in self._buffers):  # more were needed, or the window was resized
            self._buffers = [b for b in self._buffers if b.shape == frame.pixels.shape] + [frame.pixels]
        if self._at is None:
            return  # it was told to forget meanwhile
        self._frames.append(frame)
        if self._asked and frame.t_ns >= self._at:
            self._asked, self._seen_ns = False, seen_ns
            self._changed.notify_all()
        oldest = frame.t_ns - (self._count - 1) * self._gap - LATE_MS * MS * (self._count > 1)
        self._frames = [f for f in self._frames if f.t_ns >= oldest]

    def _window(self) -> list[Frame]:
        """The newest frame and those nearest to `gap_ms`, twice that and so on before it."""
        chosen = [self._frames[-1]]
        for k in range(1, self._count):
            wanted = chosen[0].t_ns - k * self._gap
            older = [f for f in self._frames if f.t_ns < chosen[-1].t_ns]
            nearest = min(older, key=lambda f: abs(f.t_ns - wanted), default=None)  # noqa: B023
            if nearest is None or abs(nearest.t_ns - wanted) > LATE_MS * MS:
                break
            chosen.append(nearest)
        return chosen[::-1]

    def _spare(self) -> np.ndarray:
        """A buffer that lies neither among the frames nor with the decider; without one, the capture makes another."""
        with self._changed:
            used = {id(f.pixels) for f in (*self._frames, *self._lent)}
            return next((b for b in self._buffers if id(b) not in used), _NONE)
