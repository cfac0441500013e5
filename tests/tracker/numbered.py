"""Sessions with real videos in which each picture shows its number: what is shown of them can be read off exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.tracker.lists import MS, at, press
from tracker.rows import LookRow, MarkRow, MotionRow, PauseRow, ScrollRow, WindowRow
from tracker.writer import SessionWriter

BITS = 10
FIRST, SECOND = (321, 181), (480, 270)
"""The sizes of the two videos; sides are odd in one."""
PAUSE_MS = 5000
PRESSES = {
    "w": [(100, 612), (2100, 2600)],
    "space": [(1005, 1011)],
    "mouse_left": [(7500, 7700)],
    "f7": [(900, 1000)],
    "mouse_8": [(300, 420)],
}
"""In milliseconds. The space bar is tapped between two pictures."""


def picture(number: int, width: int, height: int) -> np.ndarray:
    """`uint8[height, width, 3]`: the number's bits as bright and dark fields side by side."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit, (left, right) in enumerate(zip(edges, edges[1:], strict=False)):
        pixels[:, left:right] = 230 if number >> bit & 1 else 20
    return pixels


def write_numbered(folder: Path, game: str = "arena") -> list[float]:
    """90 pictures in a first video, with a pause in the middle, and 60 in a second one of another size; gives when each
    was taken, in milliseconds."""
    taken, ms = [], 0.0
    with SessionWriter(folder, game=game, title="<b>numbers</b>", width=FIRST[0], height=FIRST[1], fps=30) as writer:
        for number in range(150):
            if number == 45:
                ms += PAUSE_MS
            writer.frame(picture(number, *(FIRST if number < 90 else SECOND)), at(ms))
            taken.append(ms)
            ms += 33 if number % 3 else 34.5
        for key, spans in PRESSES.items():
            for begin, end in spans:
                for event in press(key, begin, end):
                    writer.event(event)
        for i in range(0, 1200, 8):
            writer.event(MotionRow(t_ns=at(i), x=i // 8, y=90))
            writer.event(LookRow(t_ns=at(i), dx=1.5, dy=-2))
        for event in (
            PauseRow(t_ns=at(taken[44] + 10), paused=True, why="idle"),
            PauseRow(t_ns=at(taken[45] - 10), paused=False, why="idle"),
            WindowRow(t_ns=at(taken[90] - 1), x=0, y=0, width=SECOND[0], height=SECOND[1]),
            ScrollRow(t_ns=at(400), dx=0, dy=-2),
            MarkRow(t_ns=at(700), label="here"),
            MarkRow(t_ns=at(7000)),
        ):
            writer.event(event)
    assert MS == 1_000_000
    return taken
