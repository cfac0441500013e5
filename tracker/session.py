"""A session: the folder a recording leaves, readable after `kill -9` at any moment.

    session.json      what was recorded, and the wall-clock time of one monotonic instant
    segments.jsonl    one line a video: its file, its size, when it begins, and which keys are held then
    video-00000.mkv   H.264; a frame's pts is its milliseconds since the first frame of the video
    frames.jsonl      one line a frame: {"index", "pts", "t_ns", "segment"}
    events.jsonl      one line an input, or a thing that happened to the window: `EVENTS` says which kinds there are
    explanations.jsonl  (later, by `tracker explain`) why the player did what was done, a line a decision
    flags.jsonl         (later, by `tracker view`) spans that are not to be exported, or are again, a line each

All times are `time.monotonic_ns()`. The lists only grow, a line at a time; a video is written in clusters of 200 ms,
and another one begins every few minutes and when the window changes its size. A killed recorder so leaves at most torn
last lines and a video a few frames shorter than `frames.jsonl`. Version 1 had a single `video.mkv`, and keys and
buttons alone in its events; it is read as well.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np
from pydantic import TypeAdapter, ValidationError

from combatvla.errors import UserError
from combatvla.profiles import GameProfile, load_profile
from tracker.rows import (
    EVENTS,
    EXPLANATIONS,
    FLAGS,
    FRAMES,
    SEGMENTS,
    VERSION,
    Event,
    EventRow,
    ExplanationRow,
    FlagRow,
    FrameRow,
    Motion,
    SegmentRow,
    SessionInfo,
)

RowT = TypeVar("RowT")
FAR_MS = 5000
"""What begins later than this in a video is looked up, rather than decoded up to."""
_IS_MOTION = re.compile(rb'"kind": ?"(?:motion|look)"').search
"""Of a line of `events.jsonl`. There are a hundred a second of them: they are read only where they are asked for."""


class Frames(Sequence[FrameRow]):
    """The lines of `frames.jsonl`, in columns: a long recording has a million."""

    def __init__(self, rows: Iterable[FrameRow]) -> None:
        columns = array("q"), array("q"), array("q"), array("q")
        for row in rows:
            for column, value in zip(columns, (row.index, row.pts, row.t_ns, row.segment), strict=True):
                column.append(value)
        self.index, self.pts, self.t_ns, self.segment = (np.array(c, np.int64) for c in columns)
        """Each `int64[N]`."""

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        return FrameRow(
            index=int(self.index[i]), pts=int(self.pts[i]), t_ns=int(self.t_ns[i]), segment=int(self.segment[i])
        )

    def part(self, begin: int, end: int) -> Frames:
        """Those from `begin` to before `end`."""
        some = Frames(())
        some.index, some.pts, some.t_ns, some.segment = (
            c[begin:end] for c in (self.index, self.pts, self.t_ns, self.segment)
        )
        return some

    def cut(self, count: int) -> None:
        """Keeps the first `count`."""
        self.index, self.pts, self.t_ns, self.segment = (
            c[:count] for c in (self.index, self.pts, self.t_ns, self.segment)
        )

    def damage(self) -> int | None:
        """The place of the first line that is not after its forerunner, or None."""
        same = np.diff(self.segment) == 0
        wrong = (np.diff(self.index) <= 0) | (np.diff(self.t_ns) < 0) | (np.diff(self.segment) < 0)
        found = np.flatnonzero(wrong | (same & (np.diff(self.pts) <= 0)))
        return int(found[0]) + 1 if len(found) else None


class Session:
    """A recorded session. `UserError` when there is none in `folder` or it cannot be read."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.info = read_info(self.folder)
        self.frames = Frames(read_rows(self.folder / "frames.jsonl", FRAMES))
        if (place := self.frames.damage()) is not None:
            raise UserError(
                f"{self.folder}/frames.jsonl is damaged: frame {self.frames.index[place]} is not after its forerunner"
            )
        self.segments = self._read_segments()
        self.events: list[EventRow] = []
        """Keys and buttons, by time."""
        self.others: list[Event] = []
        """All other events but motion, by time."""
        for event in read_rows(self.folder / "events.jsonl", EVENTS, skip=_IS_MOTION):
            (self.events if isinstance(event, EventRow) else self.others).append(event)
        for kind in (self.events, self.others):
            kind.sort(key=lambda e: e.t_ns)

    def _read_segments(self) -> list[SegmentRow]:
        path = self.folder / "segments.jsonl"
        if self.info.version == 1:
            info, first = self.info, self.frames[0].t_ns if len(self.frames) else self.info.monotonic_ns
            rows = [SegmentRow(index=0, file="video.mkv", width=info.width, height=info.height, t_ns=first)]
        else:
            rows = list(read_rows(path, SEGMENTS))
        for i, row in enumerate(rows):
            if row.index != i:
                raise UserError(f"{path} is damaged: expected segment {i}, got segment {row.index}")
        # The last segment's line may have been torn off.
        self.frames.cut(int(np.searchsorted(self.frames.segment, len(rows))))
        return rows

    def motions(self) -> Iterator[Motion]:
        """The pointer's places and the mouse's own motion, in the order in which they were written."""
        return read_rows(self.folder / "events.jsonl", EVENTS, skip=lambda line: not _IS_MOTION(line))

    def explanations(self, begin_ns: int = 0, end_ns: int = 2**62) -> dict[int, ExplanationRow]:
        """By the time of their decision, those from `begin_ns` to before `end_ns`; empty when there are none yet."""
        path = self.folder / "explanations.jsonl"
        rows = read_rows(path, EXPLANATIONS) if path.is_file() else ()
        return {row.t_ns: row for row in rows if begin_ns <= row.t_ns < end_ns}

    def flags(self) -> list[FlagRow]:
        """Spans that are not to be exported, by time, without those that were taken back; empty when there are none."""
        path = self.folder / "flags.jsonl"
        rows = read_rows(path, FLAGS) if path.is_file() else ()
        standing = {(row.begin_ns, row.end_ns): row for row in rows}
        return [row for _, row in sorted(standing.items()) if not row.undone]

    def profile(self, game: str | None = None) -> GameProfile:
        """The profile of the game that was recorded, or of `game` (a name or a path) where that is given. `UserError`
        when there is none."""
        return profile_of(self.folder, self.info, game)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def duration_s(self) -> float:
        return int(self.frames.t_ns[-1] - self.frames.t_ns[0]) / 1e9 if len(self.frames) else 0.0

    def pictures(self) -> Iterator[tuple[FrameRow, np.ndarray]]:
        """The frames that have a picture, in order: the row and `uint8[H, W, 3]` RGB, H and W those of its segment. One
        pass through the videos; a torn end ends one."""
        for row, picture in self.decoded():
            yield row, self.rgb(row, picture)

    def rgb(self, row: FrameRow, picture: av.VideoFrame) -> np.ndarray:
        """What `decoded` gave for `row`, as `pictures` gives it."""
        segment = self.segments[row.segment]
        if picture.format.name == "yuv420p":
            # The inverse of what the recorder does. FFmpeg's own is not: it comes out one step too dark of 255.
            pixels = cv2.cvtColor(picture.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
        else:
            pixels = picture.to_ndarray(format="rgb24")
        return pixels[: segment.height, : segment.width]

    def part(self, begin: int, end: int) -> Session:
        """The session with only the frames from `begin` to before `end`, and no events. Its pictures are read from the
        keyframe before the first of them."""
        some = copy(self)
        some.frames, some.events, some.others = self.frames.part(begin, end), [], []
        return some

    def decoded(self, threads: int = 0) -> Iterator[tuple[FrameRow, av.VideoFrame]]:
        """As `pictures`, as the decoder gives them: with sides that are even, and nothing converted. `threads`: of the
        decoder, 0 as many as it likes."""
        for segment in self.segments:
            begin, end = np.searchsorted(self.frames.segment, (segment.index, segment.index + 1))
            if begin < end:
                yield from self._decoded(segment, {row.pts: row for row in self.frames[begin:end]}, threads)

    def _decoded(
        self, segment: SegmentRow, rows: dict[int, FrameRow], threads: int
    ) -> Iterator[tuple[FrameRow, av.VideoFrame]]:
        first, last = min(rows), max(rows)
        try:
            container = av.open(str(self.folder / segment.file))
        except (OSError, av.FFmpegError):
            return  # killed in its first moment
        with container:
            try:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                # No memory for what a damaged header claims. (The decoder rounds the sides up to 64 at most.)
                sides = [-(-side // 64) * 64 for side in (segment.width, segment.height)]
                stream.codec_context.options = {"max_pixels": str(sides[0] * sides[1])}
                stream.codec_context.thread_count = threads
                if first > FAR_MS:
                    container.seek(int(first / 1000 / stream.time_base), stream=stream)
                tick_ms = float(1000 * stream.time_base)
                for picture in container.decode(stream):
                    pts = round(picture.pts * tick_ms)
                    row = rows.get(pts)
                    if row is not None and picture.width >= segment.width and picture.height >= segment.height:
                        yield row, picture
                    if pts >= last:
                        return
            except (IndexError, TypeError, av.FFmpegError):
                return  # the torn end of a killed recording, or no video


def profile_of(folder: Path, info: SessionInfo, game: str | None = None) -> GameProfile:
    """What `Session.profile` gives, for a session that is not read yet."""
    if not (game or info.game):
        raise UserError(
            f"{folder} was recorded without a game's profile: name one with --game (a name, or the path of a .yaml "
            "file; docs/window.md says how to write one)"
        )
    return load_profile(game or info.game)


def read_info(folder: Path) -> SessionInfo:
    """`session.json`. `UserError` when there is none or it cannot be read."""
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
    except (OSError, ValueError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UserError(f"{path} cannot be read ({what}): it is no session of combatvla, or is damaged") from error


def read_rows(
    path: Path, kind: TypeAdapter[RowT], *, skip: Callable[[bytes], object] = lambda line: False
) -> Iterator[RowT]:
    """The lines of a list, without a torn end and those that `skip` tells. `UserError` for a damaged line with readable
    ones after it."""
    torn = broken = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if skip(line) or not line.strip(b"\0 \r\n"):
                    continue
                try:
                    row = kind.validate_json(line)
                except ValidationError:
                    torn, broken = torn or number, broken + 1
                    continue
                if torn:
                    raise UserError(f"{path} is damaged at line {torn}: delete that line to read the rest")
                yield row
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): the session is not whole") from error
    if broken > 1:  # a crash tears one line
        raise UserError(f"{path} is damaged from line {torn} on: delete these lines to read the rest")
