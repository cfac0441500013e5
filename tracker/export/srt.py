"""Subtitles for a session's videos: any player that shows them shows what was held."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import MS, Interval, intervals
from tracker.session import Session

LEAST_MS = 200
"""A tap stays to be read for so long, or until the next press of the same key."""


class Cue(NamedTuple):
    """What is shown from `begin_ms` until `end_ms` of a video."""

    begin_ms: int
    end_ms: int
    text: str


def write_srt(session: Session, profile: GameProfile, out: Path | None = None) -> list[Path]:
    """One file a video, in the folder `out` or beside the video, under the video's name. `UserError` when it cannot be
    written."""
    folder = out or session.folder
    pressed = _readable(intervals(session.events, profile, _end_ns(session)))
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for segment in session.segments:
            times = session.frames.t_ns[session.frames.segment == segment.index]
            if not len(times):
                continue
            path = folder / Path(segment.file).with_suffix(".srt").name
            part = path.with_suffix(".part")
            cues = cues_of(pressed, profile, segment.t_ns, int(times[-1]))
            part.write_text("\n".join(f"{i}\n{_text(cue)}" for i, cue in enumerate(cues, 1)), encoding="utf-8")
            os.replace(part, path)
            written.append(path)
    except OSError as error:
        raise UserError(
            f"cannot write the subtitles in {folder} ({error.strerror or error}): free some space or choose another "
            "--out"
        ) from error
    return written


def cues_of(pressed: Sequence[Interval], profile: GameProfile, begin_ns: int, end_ns: int) -> Iterator[Cue]:
    """What is held between two changes, in a video from `begin_ns` to `end_ns`: one cue each, none over another."""
    ours = [i for i in pressed if i.end_ns > begin_ns and i.start_ns <= end_ns]
    last_ms = max(1, (end_ns - begin_ns) // MS)
    changes: dict[int, list[tuple[bool, Action]]] = {0: [], last_ms: []}
    for interval in ours:
        start = min(max(0, (interval.start_ns - begin_ns) // MS), last_ms - 1)
        end = min(max(start + 1, (interval.end_ns - begin_ns) // MS), last_ms)
        changes.setdefault(start, []).append((True, interval.action))
        changes.setdefault(end, []).append((False, interval.action))
    held: dict[Action, int] = {}
    times = sorted(changes)
    for at, until in zip(times, times[1:], strict=False):
        for down, action in changes[at]:
            held[action] = held.get(action, 0) + (1 if down else -1)
        if text := " + ".join(f"{a} ({profile.keys[a]})" for a in Action if held.get(a)):
            yield Cue(at, until, text)


def _readable(pressed: Sequence[Interval]) -> list[Interval]:
    """Short ones are made longer, up to the next of the same action."""
    following: dict[Action, int] = {}
    found = []
    for i in reversed(pressed):
        end = max(i.end_ns, min(i.start_ns + LEAST_MS * MS, following.get(i.action, 2**62) - MS))
        following[i.action] = i.start_ns
        found.append(i._replace(end_ns=end))
    return found[::-1]


def _end_ns(session: Session) -> int:
    return int(session.frames.t_ns[-1]) if len(session.frames) else 0


def _text(cue: Cue) -> str:
    return f"{_clock(cue.begin_ms)} --> {_clock(cue.end_ms)}\n{cue.text}\n"


def _clock(ms: int) -> str:
    s, ms = divmod(ms, 1000)
    return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d},{ms:03d}"
