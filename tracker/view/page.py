"""A session for the page (`tracker.view.show`)."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from combatvla.aot import AoTError, decode
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import stretches
from tracker.append import Appender
from tracker.rows import (
    FLAGS,
    CoverRow,
    EventRow,
    ExplanationRow,
    FlagRow,
    FocusRow,
    MarkRow,
    MotionRow,
    PauseRow,
    ScrollRow,
    SessionInfo,
    WindowRow,
)
from tracker.rows import Event as EventLine
from tracker.session import Session
from tracker.view.film import Films
from tracker.view.motion import MotionFile
from tracker.view.show import CHUNK_MS, Card, Event, Flag, Gap, Lane, Note, NoteStep, Show, Video

MS = 1e6
PAUSES = {
    "idle": "recording rested: nobody played",
    "hotkey": "recording was paused",
    "offscreen": "recording rested: the window was not wholly on the screen",
}


def show(session: Session, game: str | None = None) -> Show:
    """What the page is told of a session; what is damaged beside the pictures and keys is named in it as a problem.
    `game`: another profile than the one that it was recorded with (name or path; `UserError` when there is none)."""
    info = session.info
    first, last = ends(session)
    problems: list[str] = []
    if not len(session.frames):
        problems.append("No picture was recorded: recording was stopped in its first moment.")
    page = Show(
        title=session.name,
        about=[text for text in (info.game, info.title, f"{info.width}x{info.height}", _recorded(info)) if text],
        duration=(last - first) / MS,
        videos=list(_videos(session, first)),
        gaps=list(_gaps(session, first)),
        lanes=lanes(session.events, _profile(session, game), first, last),
        events=[e for row in session.others if first <= row.t_ns <= last and (e := _event(row, first)) is not None],
        no_notes=f"combatvla tracker explain {session.folder} --by "
        + ("truth" if (session.folder / "truth.jsonl").is_file() else "hud"),
        problems=problems,
        can_flag=bool(len(session.frames)),
    )
    try:
        page.notes = _notes(session, first)
    except UserError as error:
        problems.append(f"The explanations cannot be shown: {error}.")
    try:
        page.flags = flags(session, first)
    except UserError as error:
        problems.append(f"The flags cannot be shown, and none can be set: {error}.")
        page.can_flag = False
    return page


def ends(session: Session) -> tuple[int, int]:
    """From when until when it is shown, in nanoseconds: from its first picture to its last, or, without any, of its
    events."""
    times = session.frames.t_ns
    if len(times):
        return int(times[0]), int(times[-1])
    seen = [rows[i].t_ns for rows in (session.events, session.others) for i in (0, -1) if rows]
    return (min(seen), max(seen)) if seen else (session.info.monotonic_ns, session.info.monotonic_ns)


def _recorded(info: SessionInfo) -> str:
    """When, on this machine's clock."""
    try:
        return info.wall_time.astimezone().strftime("%d %B %Y, %H:%M").lstrip("0")
    except (OverflowError, ValueError, OSError):
        return info.wall_time.isoformat()  # in the year 1, or 9999


def flags(session: Session, first: int) -> list[Flag]:
    return [Flag((f.begin_ns - first) / MS, (f.end_ns - first) / MS, f.why) for f in session.flags()]


def _profile(session: Session, game: str | None) -> GameProfile | None:
    try:
        return session.profile(game)
    except UserError:
        if game is not None:
            raise
        return None  # a game that has no profile here, or none at all: its keys are shown by name


def _videos(session: Session, first: int) -> Iterator[Video]:
    for segment, begin, end in shown_segments(session):
        row = session.segments[segment]
        times = session.frames.t_ns
        shown = (int(times[begin]) - first) / MS, (int(times[end - 1]) - first) / MS
        yield Video(*shown, row.width, row.height, end - begin)


def shown_segments(session: Session) -> list[tuple[int, int, int]]:
    """The segments that have frames: index, and which frames are theirs."""
    found = []
    for i in range(len(session.segments)):
        begin, end = np.searchsorted(session.frames.segment, (i, i + 1))
        if begin < end:
            found.append((i, int(begin), int(end)))
    return found


def _gaps(session: Session, first: int) -> Iterator[Gap]:
    rests = [(e.t_ns, e) for e in session.others if isinstance(e, FocusRow | PauseRow)]
    times = session.frames.t_ns
    for a, b in pairwise(stretches(session)):
        begin, end = int(times[a.last]), int(times[b.first])
        # What made the recording rest is told of up to a picture's time before its last picture.
        low = bisect.bisect_left(rests, int(begin - 100 * MS), key=lambda r: r[0])
        high = bisect.bisect_right(rests, end, key=lambda r: r[0])
        why = "pictures are missing"
        for _, row in rests[low:high]:
            if isinstance(row, FocusRow) and not row.focused:
                why = "the window was without the focus"
            elif isinstance(row, PauseRow) and row.paused:
                why = PAUSES[row.why]
        yield Gap((begin - first) / MS, (end - first) / MS, why)


def lanes(events: Sequence[EventRow], profile: GameProfile | None, first: int, last: int) -> list[Lane]:
    """One a key that was pressed: those of the profile in its order, then the others by how often they were."""
    spans: dict[str, list[float]] = {}
    down: dict[str, int] = {}
    until: dict[str, int] = {}

    def close(key: str, t_ns: int) -> None:
        begin = max(down.pop(key), first, until.get(key, first))
        end = min(max(t_ns, begin), last)
        if begin <= last and t_ns >= first:
            spans.setdefault(key, []).extend(((begin - first) / MS, (end - first) / MS))
            until[key] = end

    for event in events:
        if event.down:
            down.setdefault(event.key, event.t_ns)
        elif event.key in down:
            close(event.key, event.t_ns)
    for key in list(down):  # never let go
        close(key, last)
    names = {key: action.value.replace("_", " ") for action, key in profile.keys.items()} if profile else {}
    known = [key for key in names if key in spans]
    others = sorted(spans.keys() - names.keys(), key=lambda key: (-len(spans[key]), key))
    return [Lane(names.get(key, ""), key, spans[key]) for key in known + others]


def _event(row: EventLine, first: int) -> Event | None:
    t = (row.t_ns - first) / MS
    match row:
        case MarkRow():
            return Event(t, "mark", row.label or "mark")
        case FocusRow():
            return Event(t, "focus", "focus came back" if row.focused else "focus was lost")
        case PauseRow():
            return Event(t, "pause", PAUSES[row.why] if row.paused else "recording went on")
        case WindowRow():
            return Event(t, "window", f"window at {row.x}, {row.y}, {row.width}x{row.height}")
        case CoverRow():
            covered = f"other windows cover {row.share:.0%} of it" if row.share else "nothing covers it any more"
            return Event(t, "cover", covered)
        case ScrollRow():
            words = [(row.dy, "up", "down"), (row.dx, "right", "left")]
            said = " and ".join(f"{abs(n)} {more if n > 0 else less}" for n, more, less in words if n)
            return Event(t, "scroll", f"wheel {said or 'still'}", row.dx, row.dy)
    return None


def _notes(session: Session, first: int) -> list[Note]:
    frames = session.frames
    found = []
    for row in session.explanations().values():
        i = int(np.searchsorted(frames.index, row.frame))
        # A frame that has been torn off leaves the time of the decision.
        t_ns = int(frames.t_ns[i]) if i < len(frames) and frames.index[i] == row.frame else row.t_ns
        found.append(Note((t_ns - first) / MS, row.by, _steps(row)))
    return sorted(found, key=lambda note: note.t)


def _steps(row: ExplanationRow) -> list[NoteStep]:
    try:
        plan = decode(row.plan, order="thought_first").plan
    except AoTError:
        return [NoteStep(row.plan, 0, why) for why in row.steps]
    texts = [*row.steps, *[""] * len(plan.steps)]
    return [
        NoteStep(" + ".join(a.value.replace("_", " ") for a in step.ordered()), step.duration_ms, why)
        for step, why in zip(plan.steps, texts, strict=False)
    ]


class SessionSource:
    """A recorded session as the page's `tracker.view.show.Source`. `UserError` when there is none in `folder`. `films`:
    shared by the sessions that are shown together."""

    def __init__(self, folder: Path, game: str | None = None, films: Films | None = None) -> None:
        self.folder, self._game = folder, game
        self._lock = threading.RLock()
        self._opened: Session | None = None
        self._films = films or Films()

    def _session(self) -> Session:
        with self._lock:
            if self._opened is None:
                self._opened = Session(self.folder)
            return self._opened

    def _film(self, video: int) -> tuple[memoryview, list[int]]:
        session = self._session()
        segment, _, _ = shown_segments(session)[video]
        return self._films.get(self.folder / session.segments[segment].file)

    def show(self) -> Show:
        with self._lock:
            self._opened = None
            self.__dict__.pop("_motion", None)
            return show(self._session(), self._game)

    def card(self) -> Card:
        try:
            session = Session(self.folder)
            first, last = ends(session)
            info = session.info
            card = Card(session.name, [info.game or "no game", _recorded(info)], (last - first) / MS)
            card.presses = sum(event.down for event in session.events)
            card.notes, card.flags = len(session.explanations()), len(session.flags())
            return card
        except UserError as error:
            return Card(self.folder.resolve().name, error=str(error))

    def film(self, video: int) -> memoryview:
        return self._film(video)[0]

    def frames(self, video: int) -> bytes:
        session = self._session()
        _, begin, end = shown_segments(session)[video]
        pts, times = session.frames.pts[begin:end], session.frames.t_ns[begin:end]
        there = np.isin(pts, self._film(video)[1])
        first, _ = ends(session)
        return np.column_stack((pts[there], (times[there] - first) / MS)).astype("<f8").tobytes()

    @cached_property
    def _motion(self) -> MotionFile:
        return MotionFile(self.folder / "events.jsonl")

    def motion(self, kind: Literal["pointer", "look"], chunk: int) -> bytes:
        first, _ = ends(self._session())
        begin = first + int(chunk * CHUNK_MS * MS)
        rows = self._motion.between(begin, begin + int(CHUNK_MS * MS))
        points = [
            (row.t_ns, row.x, row.y) if kind == "pointer" else (row.t_ns, row.dx, row.dy)
            for row in rows
            if isinstance(row, MotionRow) == (kind == "pointer")
        ]
        return _columns(points, first)

    def flag(self, flag: Flag, *, undo: bool) -> list[Flag]:
        with self._lock:
            session = self._session()
            session.flags()  # damaged, nothing is written behind the damage
            first, _ = ends(session)
            begin, end = (first + round(t * MS) for t in (flag.begin, flag.end))
            if begin < 0 or end >= 2**62:
                raise UserError("expected a span within the recording")
            path = self.folder / "flags.jsonl"
            try:
                with Appender(path, FLAGS) as file:
                    file.add(FlagRow(begin_ns=begin, end_ns=end, why=flag.why, undone=undo))
            except OSError as error:
                raise UserError(f"the flag cannot be kept in {path} ({error.strerror}): nothing was changed") from error
            return flags(session, first)


def _columns(points: list[tuple[int, float, float]], first: int) -> bytes:
    rows = np.array([((t - first) / MS, x, y) for t, x, y in sorted(points, key=lambda p: p[0])], "<f8")
    return rows.tobytes()
