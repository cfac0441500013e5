"""Samples that teach nothing are left out: menus, long idling, what was shown before, what was flagged. Each kind is
counted, and each can be kept. (Over a loss of the focus or a pause there are none: `tracker.align`.)

A dodge, a heal or a skill is never left out as idle or as shown before: there are few enough of them.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from combatvla.actions import Action, Plan
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import Sample
from tracker.hud_track import HudTrack, has_hud
from tracker.session import Session

MS = 1_000_000
NEVER_DROPPED = {Action.DODGE, Action.HEAL, Action.SKILL}
IDLE_MS = 1000
"""The first second of waiting, and the last half, belong to the fight: something was waited for."""
ALERT_MS = 500
SMALL = (32, 18)
"""Pictures are compared at this width and height, in grey."""
SAME = 1.0
"""Two pictures are the same when their small grey ones differ by less on average, of 255."""

FLAGGED, IDLE, MENU, REPEATED = "flagged", "idle", "no fight on the screen", "repeated"


@dataclass(kw_only=True)
class CleanTimes:
    """What is left out of the samples, whatever their pictures show."""

    keep_idle: float = 0.2
    """Of the samples in which nothing has been pressed for a second or longer, this share is kept (0 to 1)."""
    keep_flagged: bool = False
    """Keeps samples that touch a span flagged in `tracker view`."""

    def check_cleaning(self) -> None:
        """`UserError` for numbers that make no sense."""
        if not 0 <= self.keep_idle <= 1:
            raise UserError(f"--keep-idle is a share from 0 to 1, got {self.keep_idle:g}")


@dataclass(kw_only=True)
class CleanOptions(CleanTimes):
    """What is left out of the samples."""

    keep_menus: bool = False
    """Keeps samples whose picture shows no HUD, or how the fight ended (profiles without HUD bars always do)."""
    keep_repeated: bool = False
    """Keeps samples of the same plan on almost the same picture as the one before."""


class Cleaner:
    """Cleans the samples of one session: `by_time` first, then `keeps` with each one's picture, in order. `dropped`
    counts by reason."""

    def __init__(self, session: Session, profile: GameProfile, options: CleanOptions, dropped: dict[str, int]) -> None:
        self._session, self._options, self._dropped = session, options, dropped
        self._track = HudTrack(profile) if has_hud(profile) and not options.keep_menus else None
        self._before: tuple[Sample, np.ndarray] | None = None

    def by_time(self, samples: Sequence[Sample]) -> list[Sample]:
        """Without what is flagged or idle; needs no pictures."""
        flags = _Spans([] if self._options.keep_flagged else [(f.begin_ns, f.end_ns) for f in self._session.flags()])
        idle = _idle(self._session, samples)
        kept, due = [], 0.0
        for sample in samples:
            begin, end = self._span(sample)
            if flags.touch(begin, end):
                self._drop(FLAGGED)
            elif sample in idle and (due := due + self._options.keep_idle) < 1 - 1e-9:
                self._drop(IDLE)
            else:
                due -= sample in idle
                kept.append(sample)
        return kept

    def keeps(self, sample: Sample, pixels: np.ndarray) -> bool:
        """Whether the sample is kept, by its newest picture `uint8[H, W, 3]` (RGB, of the whole window). Ask once, in
        order of the pictures."""
        if self._track is not None:
            self._track.add(int(self._session.frames.t_ns[sample.frames[-1]]), pixels)
            if not self._track.visible or self._track.result is not None:
                return self._drop(MENU)
        if self._options.keep_repeated:
            return True
        small = _small(pixels)
        if self._before is not None and not _rare(sample.plan):
            earlier, picture = self._before
            if earlier.plan == sample.plan and np.abs(small - picture).mean() < SAME:
                return self._drop(REPEATED)
        self._before = sample, small
        return True

    def _drop(self, why: str) -> bool:
        self._dropped[why] = self._dropped.get(why, 0) + 1
        return False

    def _span(self, sample: Sample) -> tuple[int, int]:
        """From its oldest picture to the end of its plan, in ns: what was pressed in a flagged span is no label."""
        times, end_ns = self._session.frames.t_ns, sample.t_ns + sample.plan.duration_ms * MS
        return int(min(times[sample.frames[0]], sample.t_ns)), int(max(times[sample.frames[-1]], end_ns))


class _Spans:
    """Spans of time: whether one of them touches another span."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in sorted(spans):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def touch(self, begin: int, end: int) -> bool:
        i = bisect.bisect_right(self._begins, end) - 1
        return i >= 0 and self._ends[i] >= begin


def _rare(plan: Plan) -> bool:
    return any(step.actions & NEVER_DROPPED for step in plan.steps)


def _idle(session: Session, samples: Sequence[Sample]) -> set[Sample]:
    """Those in the middle of a long time in which no key and no button was down."""
    times = np.array([event.t_ns for event in session.events], np.int64)
    found = set()
    for sample in samples:
        if sample.plan.steps[0].held or _rare(sample.plan):
            continue
        i = int(np.searchsorted(times, sample.t_ns, side="right"))
        since = sample.t_ns - int(times[i - 1] if i else session.frames.t_ns[0])
        until = int(times[i] if i < len(times) else session.frames.t_ns[-1]) - sample.t_ns
        if since >= IDLE_MS * MS and until >= ALERT_MS * MS:
            found.add(sample)
    return found


def _small(pixels: np.ndarray) -> np.ndarray:
    """`float32[18, 32]`, grey; every fourth row and column is enough of a large picture."""
    step = max(1, min(pixels.shape[0] // 144, pixels.shape[1] // 256))
    small = cv2.resize(np.ascontiguousarray(pixels[::step, ::step]), SMALL, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32).mean(axis=2)
