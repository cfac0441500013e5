"""Sessions written without a recorder: their lists alone, as tests of what reads them want them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tracker.rows import Event, EventRow, FrameRow, SegmentRow, SessionInfo, line
from tracker.session import Session

MS = 1_000_000
START = 10_000 * MS


def at(ms: float) -> int:
    """Milliseconds of a test's own clock in those of a session."""
    return START + int(ms * MS)


def press(key: str, at_ms: float, until_ms: float) -> list[EventRow]:
    """A press of a key of the Arena, as the two events of a recording."""
    kind = "button" if key.startswith("mouse") else "key"
    return [
        EventRow(t_ns=at(at_ms), kind=kind, key=key, down=True),
        EventRow(t_ns=at(until_ms), kind=kind, key=key, down=False),
    ]


def write_lists(folder: Path, frames_ms: Sequence[float], events: Iterable[Event], fps: int = 30) -> Session:
    """A session with frames at these times, and no video."""
    folder.mkdir(parents=True, exist_ok=True)
    info = SessionInfo(
        game="arena", title="t", width=64, height=64, fps=fps, monotonic_ns=START, wall_time="2026-01-01T00:00:00Z"
    )
    (folder / "session.json").write_text(info.model_dump_json())
    first = at(frames_ms[0]) if frames_ms else START
    rows = [FrameRow(index=i, pts=i, t_ns=at(ms)) for i, ms in enumerate(frames_ms)]
    for name, lines in (
        ("segments", [SegmentRow(index=0, file="video-00000.mkv", width=64, height=64, t_ns=first)]),
        ("frames", rows),
        ("events", events),
    ):
        (folder / f"{name}.jsonl").write_bytes(b"".join(map(line, lines)))
    return Session(folder)
