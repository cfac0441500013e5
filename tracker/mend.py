"""Mends a session that a crash or a careless hand has left torn: what can be read stays, what cannot is cut off."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import av
from pydantic import TypeAdapter, ValidationError

from combatvla.errors import UserError
from tracker.lock import lock
from tracker.rows import EVENTS, EXPLANATIONS, FLAGS, FRAMES, SEGMENTS, EventRow, FrameRow, line
from tracker.session import Session, read_info

LISTS: dict[str, TypeAdapter] = {
    "segments": SEGMENTS,
    "frames": FRAMES,
    "events": EVENTS,
    "explanations": EXPLANATIONS,
    "flags": FLAGS,
}


def mend(folder: Path) -> list[str]:
    """Cuts off what cannot be read, lets go of what was never let go, gives cut-off videos an end; what was done, in
    words. The lists as they were stay beside the mended ones (NAME.before). `UserError` for damage that cannot be
    mended so: no `session.json`, or no list of frames; and for a session that is still being recorded."""
    read_info(folder)
    try:
        with lock(folder):
            return _mend(folder)
    except BlockingIOError:
        raise UserError(f"{folder} is still being recorded (or mended): end that, then mend it") from None


def _mend(folder: Path) -> list[str]:
    done = [*_whole_lines(folder)]
    session = Session(folder)
    done += _ends(session)
    seen = {row.index for row, _ in session.decoded()}
    if blind := [index for index in session.frames.index.tolist() if index not in seen]:
        _rewrite(folder / "frames.jsonl", (line(row) for row in session.frames if row.index in seen))
        done.append(f"{len(blind)} frames without a picture were taken off the list")
    if down := _never_let_go(session.events):
        last = [*session.frames.t_ns[-1:].tolist(), *(e.t_ns for e in session.events[-1:])]
        rows = [EventRow(t_ns=max(last), kind=event.kind, key=key, down=False) for key, event in down.items()]
        path = folder / "events.jsonl"
        _rewrite(path, chain(_lines(path), map(line, rows)))
        done.append(f"let go at the end: {', '.join(down)}")
    return done


def _whole_lines(folder: Path) -> Iterator[str]:
    """Takes lines that cannot be read, or that are not after their forerunners, off the lists."""
    for name in LISTS:
        path = folder / f"{name}.jsonl"
        if path.is_file() and (cut := sum(not good for _, good in _judged(path))):
            _rewrite(path, (text for text, good in _judged(path) if good))
            yield f"{cut} damaged line{'s' * (cut != 1)} of {path.name} {'were' if cut != 1 else 'was'} taken off"


def _judged(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Each line of a list, and whether it stays. (One after the other: ten hours of a mouse are ten million.)"""
    name, kept = path.stem, 0
    before = FrameRow(index=0, pts=0, t_ns=0)
    for text in _lines(path):
        try:
            row = LISTS[name].validate_json(text)
        except ValidationError:
            yield text, False
            continue
        good = True
        if name == "segments":
            good = row.index == kept
        elif name == "frames":
            good = not kept or _after(before, row)
            before = row if good else before
        kept += good
        yield text, good


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, each with its end: the last one may have lost it."""
    with open(path, "rb") as file:
        for text in file:
            yield text if text.endswith(b"\n") else text + b"\n"


def _after(before: FrameRow, row: FrameRow) -> bool:
    same = row.segment == before.segment
    forward = row.index > before.index and row.t_ns >= before.t_ns and row.segment >= before.segment
    return forward and (not same or row.pts > before.pts)


def _never_let_go(events: Iterable[EventRow]) -> dict[str, EventRow]:
    down: dict[str, EventRow] = {}
    for event in events:
        if event.down:
            down[event.key] = event
        else:
            down.pop(event.key, None)
    return down


def _ends(session: Session) -> Iterator[str]:
    """Copies the packets of cut-off videos into files with an index and a duration, so that any player can jump."""
    for segment in session.segments:
        path = session.folder / segment.file
        part = path.with_suffix(".part.mkv")
        try:
            with av.open(str(path)) as torn:
                if torn.duration:
                    continue
                stream = torn.streams.video[0]
                with av.open(str(part), "w", format="matroska") as whole:
                    copy = whole.add_stream_from_template(stream)
                    whole.start_encoding()  # else nothing is written where there is no packet
                    for packet in _packets(torn, stream):
                        packet.stream = copy
                        whole.mux(packet)
        except (OSError, IndexError, av.FFmpegError):
            part.unlink(missing_ok=True)
            continue  # nothing of it can be read; its frames are taken off the list
        part.replace(path)
        yield f"{path.name}, which was cut off, has an end now"


def _packets(container, stream) -> Iterator[av.Packet]:
    """Those that can be read."""
    with suppress(av.error.InvalidDataError):  # the torn end
        for packet in container.demux(stream):
            if packet.pts is not None:
                if packet.dts is None:  # a short video does not tell; without B frames the two are the same
                    packet.dts = packet.pts
                yield packet


def _rewrite(path: Path, lines: Iterable[bytes]) -> None:
    before = path.with_suffix(path.suffix + ".before")
    if not before.exists():  # the first one is what was recorded
        shutil.copy2(path, before)
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        file.writelines(lines)
    part.replace(path)
