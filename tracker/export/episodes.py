"""From one video of a session to the episodes of a LeRobot dataset: its packets, as they are, at even times.

LeRobot wants frame `n` of an episode at exactly `n / fps`, a recording has the times at which its pictures were taken.
So an episode ends where the two would be more than `MOST_ERROR_MS` apart (pictures are missing, or the pace was
another), and each frame's real time stands in the column `t_ns`. An episode also ends with the video, with the window's
focus, at a pause and at a flagged span. Nothing is encoded again: pictures stay as they were recorded.

A picture depends on those before it, back to a keyframe. Behind a flagged span an episode can therefore begin only at
the next keyframe, two seconds later at most: nothing of what was flagged is copied.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from combatvla.actions import Action
from tracker.align import MS, Interval, stretches
from tracker.rows import LookRow
from tracker.session import Session

MOST_ERROR_MS = 50
"""A frame's even time is never farther from its real one, both counted from the episode's first frame."""
LEAST_FRAMES = 10
"""An episode has so many at least."""
FLAGGED, NO_PICTURE, SHORT, BEHIND_FLAG = "flagged", "no picture", "too short an episode", "behind a flagged span"


class Look(NamedTuple):
    """The mouse's own motion, by time: `int64[N]` ns and `float64[N]` counts."""

    t_ns: np.ndarray
    dx: np.ndarray
    dy: np.ndarray

    @staticmethod
    def of(session: Session) -> Look:
        from array import array

        t_ns, dx, dy = array("q"), array("d"), array("d")
        for row in session.motions():
            if isinstance(row, LookRow):
                t_ns.append(row.t_ns)
                dx.append(row.dx)
                dy.append(row.dy)
        order = np.argsort(np.frombuffer(t_ns, np.int64), kind="stable") if t_ns else np.zeros(0, np.int64)
        return Look(*(np.array(c)[order] for c in (t_ns, dx, dy)))

    def between(self, begin_ns: int, end_ns: int) -> Look:
        a, b = np.searchsorted(self.t_ns, (begin_ns, end_ns))
        return Look(self.t_ns[a:b], self.dx[a:b], self.dy[a:b])


@dataclass
class Piece:
    """One video of a session, and all that is needed to copy it."""

    session: Session
    """With this video's frames alone (`Session.part`)."""
    segment: int
    runs: list[tuple[int, int]]
    """Unbroken parts, from and to before which of these frames."""
    flagged: np.ndarray
    """`bool[N]`: frames that are not to be exported."""
    pressed: list[Interval]
    look: Look
    actions: tuple[Action, ...]
    out: Path
    """The video to write."""


@dataclass
class Episode:
    """A run of frames as LeRobot has them; its arrays have one row each."""

    from_s: float
    """Where it begins in the video."""
    t_ns: np.ndarray
    """`int64[T]`"""
    state: np.ndarray
    """`float32[T, A]`: 1 for what is held when the picture is taken."""
    action: np.ndarray
    """`float32[T, A + 2]`: 1 for what is held at any moment from this picture to the next, and the mouse's motion."""


@dataclass
class Copied:
    """What became of a `Piece`."""

    episodes: list[Episode] = field(default_factory=list)
    pixels: PixelStats | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    """Frames, by reason."""
    seconds: float = 0.0
    codec: str = ""


@dataclass
class PixelStats:
    """Sums over the pixels of some pictures, scaled to 0..1; each `float64[3]` (RGB)."""

    pictures: int = 0
    count: int = 0
    total: np.ndarray = field(default_factory=lambda: np.zeros(3))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(3))
    least: np.ndarray = field(default_factory=lambda: np.ones(3))
    most: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def see(self, pixels: np.ndarray) -> None:
        """`uint8[H, W, 3]`; every fourth row and column is looked at."""
        some = pixels[::4, ::4].reshape(-1, 3) / 255
        self.add(PixelStats(1, len(some), some.sum(0), (some**2).sum(0), some.min(0), some.max(0)))

    def add(self, other: PixelStats) -> None:
        self.pictures += other.pictures
        self.count += other.count
        self.total, self.squares = self.total + other.total, self.squares + other.squares
        self.least, self.most = np.minimum(self.least, other.least), np.maximum(self.most, other.most)


def pieces(session: Session, pressed: Sequence[Interval], look: Look, actions: tuple[Action, ...]) -> list[Piece]:
    """The session's videos; `out` is still to be named."""
    frames = session.frames
    flagged = np.zeros(len(frames), bool)
    for flag in session.flags():
        a, b = np.searchsorted(frames.t_ns, (flag.begin_ns, flag.end_ns + 1))
        flagged[a:b] = True
    unbroken = stretches(session)
    starts = np.array([i.start_ns for i in pressed], np.int64)
    longest = max((i.end_ns - i.start_ns for i in pressed), default=0)
    found = []
    for segment in session.segments:
        begin, end = (int(i) for i in np.searchsorted(frames.segment, (segment.index, segment.index + 1)))
        if begin == end:
            continue
        since, until = int(frames.t_ns[begin]), int(frames.t_ns[end - 1]) + 1000 * MS
        a, b = np.searchsorted(starts, (since - longest, until))
        runs = [(max(s.first, begin) - begin, min(s.last + 1, end) - begin) for s in unbroken]
        found.append(
            Piece(
                session.part(begin, end),
                segment.index,
                [(x, y) for x, y in runs if x < y],
                flagged[begin:end],
                [i for i in pressed[a:b] if i.end_ns > since],
                look.between(since, until),
                actions,
                Path(),
            )
        )
    return found


def copy_piece(piece: Piece) -> Copied:
    """Writes the video, and says which episodes are in it: none, and no video, where there is nothing. `OSError` when
    it cannot be written."""
    session, done = piece.session, Copied()
    path = session.folder / session.segments[piece.segment].file
    try:
        keys, at = _packets(path, session)
    except (OSError, av.FFmpegError, IndexError, TypeError):
        done.left_out[NO_PICTURE] = len(session.frames)
        return done
    usable = _usable(keys, at, piece.flagged)
    spans = _spans(piece, usable, at)
    covered = np.zeros(len(usable), bool)
    for a, b in spans:
        covered[a:b] = True
    for why, which in (
        (FLAGGED, piece.flagged),
        (NO_PICTURE, (at < 0) & ~piece.flagged),
        (BEHIND_FLAG, ~usable & (at >= 0) & ~piece.flagged),
        (SHORT, usable & ~covered),
    ):
        if number := int(which.sum()):
            done.left_out[why] = number
    if not spans:
        return done
    place = _copy(path, piece, _chosen(keys, at[covered]))
    fps = session.info.fps
    state, action = _inputs(piece)
    for a, b in spans:
        done.episodes.append(Episode(place[at[a]] / fps, session.frames.t_ns[a:b], state[a:b], action[a:b]))
        done.seconds += float(session.frames.t_ns[b - 1] - session.frames.t_ns[a]) / 1e9
    done.pixels = _look_at_keyframes(piece.out)
    return done


def _packets(path: Path, session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Which packets of the video are keyframes, `bool[P]`, and which packet each frame is, `int64[N]`, -1 for none."""
    keys, of_pts = [], {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        try:
            for packet in container.demux(stream):
                if packet.pts is None:
                    continue
                of_pts[round(packet.pts * packet.time_base * 1000)] = len(keys)
                keys.append(packet.is_keyframe)
        except av.FFmpegError:
            pass  # the torn end of a killed recording
    at = np.array([of_pts.get(pts, -1) for pts in session.frames.pts.tolist()], np.int64)
    return np.array(keys, bool), at


def _usable(keys: np.ndarray, at: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """`bool[N]`: frames with a packet, not flagged, and none flagged (or in no list) from their keyframe on."""
    clean = np.zeros(len(keys), bool)
    clean[at[(at >= 0) & ~flagged]] = True
    bad = np.cumsum(~clean)
    key = np.maximum.accumulate(np.where(keys, np.arange(len(keys)), -1))
    whole = (key >= 0) & (bad - np.where(key > 0, bad[key - 1], 0) == 0)
    return (at >= 0) & whole[np.maximum(at, 0)] if len(keys) else np.zeros(len(at), bool)


def _spans(piece: Piece, usable: np.ndarray, at: np.ndarray) -> list[tuple[int, int]]:
    """The episodes, as frames of the piece: usable ones, packet after packet, whose real times stay near the even."""
    times, period = piece.session.frames.t_ns.tolist(), 1e9 / piece.session.info.fps
    good, packets = usable.tolist(), at.tolist()
    found = []
    for begin, end in piece.runs:
        first = begin
        for i in range(begin, end + 1):
            if i < end and good[i]:
                if i == first:
                    continue
                error = times[i] - times[first] - (i - first) * period
                if packets[i] == packets[i - 1] + 1 and abs(error) <= MOST_ERROR_MS * MS:
                    continue
            if i - first >= LEAST_FRAMES:
                found.append((first, i))
            first = i if i < end and good[i] else i + 1
    return found


def _chosen(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The packets that `wanted` ones need, in order: those from their keyframe on."""
    group = np.cumsum(keys)
    last = np.full(int(group[-1]) + 1, -1)
    np.maximum.at(last, group[wanted], wanted)
    return np.flatnonzero(np.arange(len(keys)) <= last[group])


def _copy(path: Path, piece: Piece, chosen: np.ndarray) -> np.ndarray:
    """Copies the chosen packets, one frame's time after another; returns each packet's place in the new video."""
    place = np.full(int(chosen[-1]) + 1, -1)
    place[chosen] = np.arange(len(chosen))
    time_base = Fraction(1, piece.session.info.fps)
    piece.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(path)) as source, av.open(str(piece.out), "w", format="mp4") as target:
            stream = source.streams.video[0]
            copied = target.add_stream_from_template(stream)
            copied.time_base = time_base
            number = -1
            for packet in source.demux(stream):
                if packet.pts is None:
                    continue
                number += 1
                if number >= len(place):
                    break
                if place[number] >= 0:
                    packet.stream = copied
                    packet.pts = packet.dts = int(place[number])
                    packet.duration, packet.time_base = 1, time_base
                    target.mux(packet)
    except av.FFmpegError as error:
        raise OSError(error.errno, os.strerror(error.errno or 5), str(piece.out)) from error
    return place


def _inputs(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """What is held at each frame, `float32[N, A]`, and from it to the next with the mouse's motion, `[N, A + 2]`."""
    t, period = piece.session.frames.t_ns, int(1e9 / piece.session.info.fps)
    following = np.append(t[1:], t[-1] + period)
    following = np.minimum(following, t + period + MOST_ERROR_MS * MS)  # not over a gap
    column = {action: i for i, action in enumerate(piece.actions)}
    state = np.zeros((len(t), len(column)), np.float32)
    action = np.zeros((len(t), len(column) + 2), np.float32)
    for i in piece.pressed:
        if (c := column.get(i.action)) is not None:
            last = np.searchsorted(t, i.end_ns)
            state[np.searchsorted(t, i.start_ns) : last, c] = 1
            action[np.searchsorted(following, i.start_ns, side="right") : last, c] = 1
    begin, end = np.searchsorted(piece.look.t_ns, t), np.searchsorted(piece.look.t_ns, following)
    for c, moved in enumerate((piece.look.dx, piece.look.dy), len(column)):
        until = np.append(0.0, np.cumsum(moved))
        action[:, c] = until[end] - until[begin]
    return state, action


def _look_at_keyframes(video: Path) -> PixelStats:
    stats = PixelStats()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        for picture in container.decode(stream):
            stats.see(picture.to_ndarray(format="rgb24"))
    return stats
