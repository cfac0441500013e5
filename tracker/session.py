"""A session: the folder a recording leaves, readable after `kill -9` at any moment.

    session.json   what was recorded, and the wall-clock time of one monotonic instant
    video.mkv      H.264; a frame's pts is its milliseconds since the first frame
    frames.jsonl   one line a frame: {"index", "pts", "t_ns"}
    events.jsonl   one line an input: {"t_ns", "kind": "key" | "button", "key", "down"}

All times are `time.monotonic_ns()`. The two lists only grow, a line at a time; the video is written in clusters of
200 ms. A killed recorder so leaves at most a torn last line and a video a few frames shorter than `frames.jsonl`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeVar

import av
import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from combatvla.errors import UserError
from combatvla.policy.base import Frame

VERSION = 1
_MILLISECOND = Fraction(1, 1000)


class SessionInfo(BaseModel):
    """`session.json`."""

    model_config = ConfigDict(extra="forbid")
    version: int = VERSION
    game: str
    """The profile's name (or path)."""
    title: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fps: int = Field(gt=0)
    monotonic_ns: int
    """One instant on the clock of all other times here..."""
    wall_time: datetime
    """...and the same instant by the wall clock, for people."""


class FrameRow(BaseModel):
    """A line of `frames.jsonl`."""

    index: int = Field(ge=0)
    pts: int = Field(ge=0)
    """Milliseconds since the first frame, strictly increasing."""
    t_ns: int


class EventRow(BaseModel):
    """A line of `events.jsonl`. `key` is in the words of the game profiles (w, shift, mouse_left)."""

    t_ns: int
    kind: Literal["key", "button"]
    key: str
    down: bool


RowT = TypeVar("RowT", FrameRow, EventRow)


class SessionWriter:
    """Writes a session. `frame` is for one thread, `event` for any.

    Raises `UserError` when the folder cannot be begun. A failing write (a full disk) raises `OSError` from `frame` or
    `event`; what was written before stays readable, and `close` never fails.
    """

    def __init__(self, folder: str | Path, *, game: str, title: str, width: int, height: int, fps: int) -> None:
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
        self._lock = threading.Lock()
        self._first_ns = 0
        self._last_pts = -1
        if self.folder.is_file() or (self.folder.is_dir() and any(self.folder.iterdir())):
            raise UserError(f"{self.folder} exists already: choose another --out, recordings are never overwritten")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / "session.json.part"
            part.write_text(self.info.model_dump_json(indent=2) + "\n", encoding="utf-8")
            part.rename(self.folder / "session.json")
            # Unbuffered: a line is the kernel's as soon as it is written.
            self._frames_file = open(self.folder / "frames.jsonl", "ab", buffering=0)
            self._events_file = open(self.folder / "events.jsonl", "ab", buffering=0)
            self._container = av.open(
                str(self.folder / "video.mkv"),
                "w",
                format="matroska",
                options={"flush_packets": "1", "cluster_time_limit": "200"},
            )
        except (OSError, av.FFmpegError) as error:
            raise UserError(f"cannot begin a session in {self.folder} ({error}): choose another --out") from error
        self._stream = self._container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
        )
        # H.264 in 4:2:0 wants even sides; the reader cuts the padding off again.
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = 2 * fps
        # One thread: it takes 4 ms a frame, and more threads would hold frames back.
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = self._stream.time_base = _MILLISECOND

    def frame(self, frame: Frame) -> None:
        """Adds a frame. `ValueError` for another size than the session's."""
        if frame.pixels.shape != (self.info.height, self.info.width, 3):
            raise ValueError(f"expected uint8[{self.info.height}, {self.info.width}, 3], got {frame.pixels.shape}")
        pixels = frame.pixels
        if self.info.width % 2 or self.info.height % 2:
            pixels = cv2.copyMakeBorder(pixels, 0, self.info.height % 2, 0, self.info.width % 2, cv2.BORDER_REPLICATE)
        if not self.frames:
            self._first_ns = frame.t_ns
        picture = av.VideoFrame.from_ndarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
        picture.pts = max((frame.t_ns - self._first_ns) // 1_000_000, self._last_pts + 1)
        picture.time_base = _MILLISECOND
        self._container.mux(self._stream.encode(picture))
        row = FrameRow(index=self.frames, pts=picture.pts, t_ns=frame.t_ns)
        _append(self._frames_file, row)
        self._last_pts = picture.pts
        self.frames += 1

    def event(self, event: EventRow) -> None:
        """Adds an input."""
        with self._lock:
            if not self._events_file.closed:
                _append(self._events_file, event)
                self.events += 1

    def close(self) -> None:
        """Finishes the video. Safe after a failed write, and again."""
        try:
            if self.frames:
                self._container.mux(self._stream.encode(None))
        except (OSError, av.FFmpegError, ValueError):
            pass  # a full disk: the clusters written before are whole
        try:
            self._container.close()
        except (OSError, av.FFmpegError, ValueError):
            pass
        with self._lock:
            self._frames_file.close()
            self._events_file.close()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Session:
    """A recorded session. `UserError` when there is none in `folder` or it cannot be read."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.info = _read_info(self.folder)
        self.frames: list[FrameRow] = _read_rows(self.folder / "frames.jsonl", FrameRow)
        self.events: list[EventRow] = _read_rows(self.folder / "events.jsonl", EventRow)
        for earlier, later in zip(self.frames, self.frames[1:], strict=False):
            if later.pts <= earlier.pts or later.t_ns < earlier.t_ns:
                raise UserError(
                    f"{self.folder}/frames.jsonl is damaged: frame {later.index} is not after its forerunner"
                )
        self.events.sort(key=lambda e: e.t_ns)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def duration_s(self) -> float:
        return (self.frames[-1].t_ns - self.frames[0].t_ns) / 1e9 if self.frames else 0.0

    def pictures(self) -> Iterator[tuple[FrameRow, np.ndarray]]:
        """The frames that have a picture, in order: the row and `uint8[H, W, 3]` RGB. One pass through the video; a
        torn end ends it. `UserError` when the video does not open at all."""
        rows = {row.pts: row for row in self.frames}
        path = self.folder / "video.mkv"
        try:
            container = av.open(str(path))
            stream = container.streams.video[0]
        except (OSError, IndexError, av.FFmpegError) as error:
            raise UserError(
                f"the video {path} cannot be read ({error}): was the recording stopped in its first half second?"
            ) from error
        with container:
            stream.thread_type = "AUTO"
            try:
                for picture in container.decode(stream):
                    row = rows.get(round(picture.pts * stream.time_base * 1000))
                    if row is not None:
                        pixels = picture.to_ndarray(format="rgb24")
                        yield row, pixels[: self.info.height, : self.info.width]
            except av.FFmpegError:
                return  # the torn end of a killed recording


def _append(file, row: BaseModel) -> None:
    data = row.model_dump_json().encode() + b"\n"
    written = file.write(data)
    if written != len(data):  # the disk has become full within the line; the reader drops a torn last line
        raise OSError(28, os.strerror(28), file.name)


def _read_info(folder: Path) -> SessionInfo:
    path = folder / "session.json"
    if not path.is_file():
        raise UserError(f"no session in {folder}: expected a folder made by `combatvla tracker record`")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and isinstance(data.get("version"), int) and data["version"] > VERSION:
            raise UserError(
                f"{folder} was recorded by a newer version (session format {data['version']}, this one reads "
                f"{VERSION}): update combatvla"
            )
        return SessionInfo.model_validate(data)
    except (OSError, ValueError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UserError(f"{path} cannot be read ({what}): it is no session of combatvla, or is damaged") from error


def _read_rows(path: Path, kind: type[RowT]) -> list[RowT]:
    """The lines of a list, without a torn end. `UserError` for a damaged line with readable ones after it."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): the session is not whole") from error
    rows: list[RowT] = []
    torn = broken = 0
    for number, line in enumerate(lines, 1):
        if not line.strip(b"\0 \r"):
            continue
        try:
            row = kind.model_validate_json(line)
        except ValidationError:
            torn, broken = torn or number, broken + 1
            continue
        if torn:
            raise UserError(f"{path} is damaged at line {torn}: delete that line to read the rest")
        rows.append(row)
    if broken > 1:  # a crash tears one line
        raise UserError(f"{path} is damaged from line {torn} on: delete these lines to read the rest")
    return rows
