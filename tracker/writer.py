"""Writes a session (`tracker.session` says what is in one), so that it is readable after `kill -9` at any moment."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from combatvla.errors import UserError
from tracker.lock import lock
from tracker.rows import Event, EventRow, FrameRow, Row, SegmentRow, SessionInfo, line

_MILLISECOND = Fraction(1, 1000)
SEGMENT_S = 600.0
"""A new video begins this often: a damaged one costs ten minutes at most, and each can be read on its own."""


class SessionWriter:
    """Writes a session. `frame` is for one thread, `event` for any.

    Raises `UserError` when the folder cannot be begun. A failing write (a full disk) raises `OSError` from `frame` or
    `event`; what was written before stays readable, and `close` never fails.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        game: str,
        title: str,
        width: int,
        height: int,
        fps: int,
        segment_s: float = SEGMENT_S,
    ) -> None:
        self.folder = Path(folder)
        self.info = SessionInfo(
            game=game,
            title=title,
            width=width,
            height=height,
            fps=fps,
            monotonic_ns=time.monotonic_ns(),
            wall_time=datetime.now(UTC),
        )
        self.frames = self.events = 0
        self._segment_ns = int(segment_s * 1e9)
        self._lock = threading.Lock()
        self._held: dict[str, None] = {}
        """Keys and buttons that were down when the last picture was taken, in the order of their presses..."""
        self._since: list[EventRow] = []
        """...and what came after it. Pictures wait to be written, so that some of this is after the next one, too."""
        self._segment: SegmentRow | None = None
        self._video: _Video | None = None
        self._files: dict[str, FileIO] = {}
        self._lock_file: BinaryIO | None = None
        self._last_pts = -1
        if self.folder.is_file() or (self.folder.is_dir() and any(self.folder.iterdir())):
            raise UserError(f"{self.folder} exists already: choose another --out, recordings are never overwritten")
        try:
            # Every key that is typed in the game is in it: nobody else's to read.
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            part = self.folder / "session.json.part"
            part.write_text(self.info.model_dump_json(indent=2) + "\n", encoding="utf-8")
            part.rename(self.folder / "session.json")
            self._lock_file = lock(self.folder)
            # Unbuffered: a line is the kernel's as soon as it is written.
            for name in ("segments", "frames", "events"):
                self._files[name] = open(self.folder / f"{name}.jsonl", "ab", buffering=0)
            self._video = _Video(self.folder / _file(0), width, height, fps)  # what cannot be begun is told of at once
        except (OSError, av.FFmpegError) as error:
            self.discard()
            raise UserError(f"cannot begin a session in {self.folder} ({error}): choose another --out") from error

    def frame(self, pixels: np.ndarray, t_ns: int) -> None:
        """Adds a picture, `uint8[H, W, 3]` RGB or `uint8[H, W, 4]` BGRA, taken at `t_ns`. Another size than that of the
        one before begins a new video."""
        height, width = pixels.shape[:2]
        segment = self._segment
        self._hold_until(t_ns)
        if (
            segment is None
            or (segment.width, segment.height) != (width, height)
            or t_ns - segment.t_ns >= self._segment_ns
        ):
            segment = self._begin(width, height, t_ns)
        pts = max((t_ns - segment.t_ns) // 1_000_000, self._last_pts + 1)
        self._video.add(pixels, pts)
        self._append("frames", FrameRow(index=self.frames, pts=pts, t_ns=t_ns, segment=segment.index))
        self._last_pts = pts
        self.frames += 1

    def _begin(self, width: int, height: int, t_ns: int) -> SegmentRow:
        """A new video, and its line in the list before its first frame."""
        index, fps = self._segment.index + 1 if self._segment else 0, self.info.fps
        if index or (width, height) != (self._video.width, self._video.height):
            self._video.close()
            self._video = _Video(self.folder / _file(index), width, height, fps)
        held = tuple(self._held)
        self._segment = SegmentRow(index=index, file=_file(index), width=width, height=height, t_ns=t_ns, held=held)
        self._append("segments", self._segment)
        self._last_pts = -1
        return self._segment

    def _hold_until(self, t_ns: int) -> None:
        """`_held` becomes what the events before `t_ns` say."""
        with self._lock:
            due = [event for event in self._since if event.t_ns < t_ns]
            self._since = [event for event in self._since if event.t_ns >= t_ns]
        for event in due:
            if event.down:
                self._held[event.key] = None
            else:
                self._held.pop(event.key, None)

    def event(self, event: Event) -> None:
        """Adds an event."""
        with self._lock:
            if self._files["events"].closed:
                return
            self._append("events", event)
            if isinstance(event, EventRow):
                self._since.append(event)
                self.events += 1

    def close(self) -> None:
        """Finishes the video. Safe after a failed write, and again."""
        if self._video is not None:
            self._video.close()
        with self._lock:
            for file in self._files.values():
                file.close()
        if self._lock_file is not None:
            self._lock_file.close()

    def discard(self) -> None:
        """Closes it and takes away what it began, when there is no picture in it yet: the folder may be used again."""
        self.close()
        if self.frames:
            return
        for name in ("session.json.part", "session.json", *(f"{name}.jsonl" for name in self._files), _file(0)):
            with suppress(OSError):
                (self.folder / name).unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _append(self, name: str, row: Row) -> None:
        data, file = line(row), self._files[name]
        if file.write(data) != len(data):  # the disk has become full within the line; the reader drops a torn last line
            raise OSError(28, os.strerror(28), file.name)


def _file(index: int) -> str:
    return f"video-{index:05d}.mkv"


class _Video:
    """One video file; its pictures have one size. Raises `OSError` or `av.FFmpegError` when it cannot be begun."""

    def __init__(self, path: Path, width: int, height: int, fps: int) -> None:
        self.width, self.height = width, height
        self._container = av.open(
            str(path), "w", format="matroska", options={"flush_packets": "1", "cluster_time_limit": "200"}
        )
        # One quantizer for all frames: as good as crf 18 at the same size, without its look at each frame beforehand
        # (1.7 instead of 2.4 ms at 720p).
        self._stream = self._container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency", "qp": "18"}
        )
        # H.264 in 4:2:0 wants even sides; the reader cuts the padding off again.
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = 2 * fps
        # One thread: it is fast enough, and more threads would hold frames back.
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = self._stream.time_base = _MILLISECOND
        # What OpenCV converts to. Untold, players take another matrix for large pictures than for small ones.
        self._stream.codec_context.colorspace = Colorspace.SMPTE170M
        self._stream.codec_context.color_range = ColorRange.MPEG
        self._planes = np.empty((self._stream.height * 3 // 2, self._stream.width), np.uint8)

    def add(self, pixels: np.ndarray, pts: int) -> None:
        if self.width % 2 or self.height % 2:
            pixels = cv2.copyMakeBorder(pixels, 0, self.height % 2, 0, self.width % 2, cv2.BORDER_REPLICATE)
        how = cv2.COLOR_BGRA2YUV_I420 if pixels.shape[2] == 4 else cv2.COLOR_RGB2YUV_I420
        cv2.cvtColor(pixels, how, dst=self._planes)
        picture = av.VideoFrame.from_numpy_buffer(self._planes, format="yuv420p")
        picture.pts, picture.time_base = pts, _MILLISECOND
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        # A full disk: the clusters written before are whole.
        with suppress(OSError, av.FFmpegError, ValueError):
            self._container.mux(self._stream.encode(None))
        with suppress(OSError, av.FFmpegError, ValueError):
            self._container.close()
