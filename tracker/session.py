"""A session: the folder a recording leaves, readable after `kill -9` at any moment.

    session.json      what was recorded, and the wall-clock time of one monotonic instant
    segments.jsonl    one line a video: its file, its size, when it begins, and which keys are held then
    video-00000.mkv   H.264; a frame's pts is its milliseconds since the first frame of the video
    frames.jsonl      one line a frame: {"index", "pts", "t_ns", "segment"}
    events.jsonl      one line an input, or a thing that happened to the window: `EVENTS` says which kinds there are
    explanations.jsonl  (later, by `tracker explain`) why the player did what was done, a line a decision
    flags.jsonl         (later, by `tracker view`) spans that are not to be exported, a line each

All times are `time.monotonic_ns()`. The lists only grow, a line at a time; a video is written in clusters of 200 ms,
and another one begins every few minutes and when the window changes its size. A killed recorder so leaves at most torn
last lines and a video a few frames shorter than `frames.jsonl`. Version 1 had a single `video.mkv`, and keys and
buttons alone in its events; it is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import av
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from combatvla.errors import UserError

VERSION = 2


class SessionInfo(BaseModel):
    """`session.json`."""

    model_config = ConfigDict(extra="forbid")
    version: int = VERSION
    game: str
    """The profile's name (or path)."""
    title: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    """Of the window at the beginning; later sizes are those of the segments."""
    fps: int = Field(gt=0)
    monotonic_ns: int
    """One instant on the clock of all other times here..."""
    wall_time: datetime
    """...and the same instant by the wall clock, for people."""


class SegmentRow(BaseModel):
    """A line of `segments.jsonl`: one video."""

    index: int = Field(ge=0)
    file: str = Field(pattern=r"^[\w-]+\.mkv$")
    """Its name in the session's folder."""
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    t_ns: int
    """Of its first frame."""
    held: tuple[str, ...] = ()
    """The keys and buttons that were down when it began."""


class FrameRow(BaseModel):
    """A line of `frames.jsonl`."""

    index: int = Field(ge=0)
    pts: int = Field(ge=0)
    """Milliseconds since the first frame of its segment, strictly increasing there."""
    t_ns: int
    segment: int = Field(default=0, ge=0)


class EventRow(BaseModel):
    """A key or button that went down or up. `key` is in the words of the game profiles (w, shift, mouse_left)."""

    t_ns: int
    kind: Literal["key", "button"]
    key: str
    down: bool


class ScrollRow(BaseModel):
    """The wheel: steps to the right and away from the hand."""

    t_ns: int
    kind: Literal["scroll"] = "scroll"
    dx: int
    dy: int


class MotionRow(BaseModel):
    """Where the pointer is, in pixels from the window's upper left corner."""

    t_ns: int
    kind: Literal["motion"] = "motion"
    x: int
    y: int


class LookRow(BaseModel):
    """How far the mouse was moved, in its own counts to the right and down, also past the screen: what games
    turn the camera by."""

    t_ns: int
    kind: Literal["look"] = "look"
    dx: float
    dy: float


class FocusRow(BaseModel):
    """The window got the focus or lost it. While it is without, nothing is recorded."""

    t_ns: int
    kind: Literal["focus"] = "focus"
    focused: bool


class WindowRow(BaseModel):
    """The window lies elsewhere, or has another size: its picture on the screen in pixels."""

    t_ns: int
    kind: Literal["window"] = "window"
    x: int
    y: int
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class PauseRow(BaseModel):
    """Recording rests (`paused`) or goes on."""

    t_ns: int
    kind: Literal["pause"] = "pause"
    paused: bool
    why: Literal["idle", "hotkey"]


class MarkRow(BaseModel):
    """The player marked this moment."""

    t_ns: int
    kind: Literal["mark"] = "mark"
    label: str = ""


class ExplanationRow(BaseModel):
    """A line of `explanations.jsonl`: why a plan was the right one. A later line about the same moment replaces an
    earlier one."""

    t_ns: int
    """When it was decided (`tracker.align.Sample.t_ns`)."""
    frame: int = Field(ge=0)
    """The index of the newest picture that it is about."""
    plan: str
    """The plan that is explained, as compact AoT text without explanations, thought first (`combatvla.aot.encode`):
    one for another plan does not count."""
    steps: tuple[str, ...] = Field(min_length=1)
    """One sentence a step, as `combatvla.aot.AoT` takes them."""
    by: str
    """The annotator: "truth", "hud", or "vlm:" and the model's name."""


class FlagRow(BaseModel):
    """A line of `flags.jsonl`: a span of the recording that is not to be exported."""

    begin_ns: int
    end_ns: int
    why: str = ""

    @model_validator(mode="after")
    def _forward(self) -> FlagRow:
        if self.end_ns < self.begin_ns:
            raise ValueError(f"a span ends after it begins, got {self.begin_ns} to {self.end_ns}")
        return self


Event = EventRow | ScrollRow | MotionRow | LookRow | FocusRow | WindowRow | PauseRow | MarkRow
EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
_SEGMENTS, _FRAMES = TypeAdapter(SegmentRow), TypeAdapter(FrameRow)
_EXPLANATIONS, _FLAGS = TypeAdapter(ExplanationRow), TypeAdapter(FlagRow)
RowT = TypeVar("RowT")


class Session:
    """A recorded session. `UserError` when there is none in `folder` or it cannot be read."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.info = _read_info(self.folder)
        self.frames: list[FrameRow] = _read_rows(self.folder / "frames.jsonl", _FRAMES)
        self.segments = self._read_segments()
        every: list[Event] = sorted(_read_rows(self.folder / "events.jsonl", EVENTS), key=lambda e: e.t_ns)
        self.events: list[EventRow] = [e for e in every if isinstance(e, EventRow)]
        """Keys and buttons, by time."""
        self.others: list[Event] = [e for e in every if not isinstance(e, EventRow)]
        """All other events, by time."""
        for earlier, later in zip(self.frames, self.frames[1:], strict=False):
            same = later.segment == earlier.segment
            if later.t_ns < earlier.t_ns or later.segment < earlier.segment or (same and later.pts <= earlier.pts):
                raise UserError(
                    f"{self.folder}/frames.jsonl is damaged: frame {later.index} is not after its forerunner"
                )

    def _read_segments(self) -> list[SegmentRow]:
        path = self.folder / "segments.jsonl"
        if self.info.version == 1:
            info, first = self.info, self.frames[0].t_ns if self.frames else self.info.monotonic_ns
            return [SegmentRow(index=0, file="video.mkv", width=info.width, height=info.height, t_ns=first)]
        rows = _read_rows(path, _SEGMENTS)
        for i, row in enumerate(rows):
            if row.index != i:
                raise UserError(f"{path} is damaged: expected segment {i}, got segment {row.index}")
        while self.frames and self.frames[-1].segment >= len(rows):  # its line was torn off
            self.frames.pop()
        return rows

    def explanations(self) -> dict[int, ExplanationRow]:
        """By the time of their decision; empty when there are none yet."""
        path = self.folder / "explanations.jsonl"
        return {row.t_ns: row for row in _read_rows(path, _EXPLANATIONS)} if path.is_file() else {}

    def flags(self) -> list[FlagRow]:
        """Spans that are not to be exported, by time; empty when none was flagged."""
        path = self.folder / "flags.jsonl"
        return sorted(_read_rows(path, _FLAGS), key=lambda f: f.begin_ns) if path.is_file() else []

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def duration_s(self) -> float:
        return (self.frames[-1].t_ns - self.frames[0].t_ns) / 1e9 if self.frames else 0.0

    def pictures(self) -> Iterator[tuple[FrameRow, np.ndarray]]:
        """The frames that have a picture, in order: the row and `uint8[H, W, 3]` RGB, H and W those of its segment. One
        pass through the videos; a torn end ends one. `UserError` when the first one does not open at all."""
        for segment in self.segments:
            rows = [row for row in self.frames if row.segment == segment.index]
            if rows or not segment.index:
                yield from self._pictures(segment, rows)

    def _pictures(self, segment: SegmentRow, frames: Sequence[FrameRow]) -> Iterator[tuple[FrameRow, np.ndarray]]:
        rows = {row.pts: row for row in frames}
        path = self.folder / segment.file
        try:
            container = av.open(str(path))
            stream = container.streams.video[0]
        except (OSError, IndexError, av.FFmpegError) as error:
            if segment.index:
                return  # killed in its first moment
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
                        yield row, pixels[: segment.height, : segment.width]
            except av.FFmpegError:
                return  # the torn end of a killed recording


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


def _read_rows(path: Path, kind: TypeAdapter[RowT]) -> list[RowT]:
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
            row = kind.validate_json(line)
        except ValidationError:
            torn, broken = torn or number, broken + 1
            continue
        if torn:
            raise UserError(f"{path} is damaged at line {torn}: delete that line to read the rest")
        rows.append(row)
    if broken > 1:  # a crash tears one line
        raise UserError(f"{path} is damaged from line {torn} on: delete these lines to read the rest")
    return rows
