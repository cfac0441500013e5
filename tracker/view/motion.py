"""The mouse's motion by time, read from the list of events where it stands: an hour of it need not be in memory."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tracker.rows import EVENTS, LookRow, Motion, MotionRow

BLOCK = 1 << 18
"""Bytes from one place whose time is known to the next."""
_TIME = re.compile(rb'"t_ns": ?(\d{1,19})\b')


class MotionFile:
    """The pointer's places and the mouse's own motion in an `events.jsonl`. A damaged line is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times: list[int] = []
        self._places: list[int] = []
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            for place in range(0, size, BLOCK):
                file.seek(place)
                if place:
                    file.readline(BLOCK)  # the rest of a line
                begin = file.tell()
                if found := _TIME.search(file.readline(BLOCK)):
                    self._places.append(begin)
                    self._times.append(max([int(found[1]), *self._times[-1:]]))
        self._places.append(size)

    def between(self, begin_ns: int, end_ns: int) -> Iterator[Motion]:
        """Those from `begin_ns` up to `end_ns`, as they stand there (nearly by time)."""
        # Lines are written in the order in which they are heard of; a block is far longer than what one may be late.
        first = max(0, bisect.bisect_left(self._times, begin_ns) - 2)
        last = min(len(self._places) - 1, bisect.bisect_right(self._times, end_ns) + 1)
        with open(self._path, "rb") as file:
            file.seek(self._places[first])
            data = file.read(self._places[last] - self._places[first])
        for text in data.splitlines():
            found = _TIME.search(text)
            if found and begin_ns <= int(found[1]) < end_ns and (b'"motion"' in text or b'"look"' in text):
                try:
                    row = EVENTS.validate_json(text)
                except ValidationError:
                    continue
                if isinstance(row, MotionRow | LookRow):
                    yield row
