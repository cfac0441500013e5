"""Recorded play for tests of exports: real videos whose pictures tell their number, keys, and the mouse."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tracker.rows import EventRow, LookRow
from tracker.session import Session
from tracker.writer import SessionWriter

MS = 1_000_000
START = 5_000 * MS


def picture(i: int, width: int = 320, height: int = 180) -> np.ndarray:
    """Different for each `i`, and unlike the one before."""
    small = np.random.default_rng(i).integers(0, 256, (9, 16, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def play(
    folder: Path,
    seconds: float = 3.0,
    *,
    fps: int = 30,
    size: tuple[int, int] = (320, 180),
    segment_s: float = 600.0,
    presses: tuple = (("w", 300, 900), ("space", 1203, 1208), ("mouse_left", 1500, 1600)),
    skip: tuple[int, ...] = (),
) -> Session:
    """`presses`: (key, from, until, in ms); `skip`: numbers of pictures that were dropped. The mouse moves by (2, -1)
    in the middle between two pictures."""
    with SessionWriter(
        folder, game="arena", title="t", width=size[0], height=size[1], fps=fps, segment_s=segment_s
    ) as writer:
        for i in range(int(seconds * fps)):
            t_ns = START + i * 1000 * MS // fps
            if i not in skip:
                writer.frame(picture(i, *size), t_ns + (i % 3) * MS)
            writer.event(LookRow(t_ns=t_ns + 500 * MS // fps, dx=2.0, dy=-1.0))
        for key, begin, end in presses:
            kind = "button" if key.startswith("mouse") else "key"
            writer.event(EventRow(t_ns=START + begin * MS, kind=kind, key=key, down=True))
            writer.event(EventRow(t_ns=START + end * MS, kind=kind, key=key, down=False))
    return Session(folder)
