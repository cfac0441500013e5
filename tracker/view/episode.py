"""An episode of the agent for the page (`tracker.view.show`): its film, what it held, and each of its decisions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np

from combatvla.episode import (
    AGE_GOAL_MS,
    DECISIONS,
    HELD,
    PARTS,
    SUMMARY,
    DecisionLine,
    EpisodeInfo,
    HeldLine,
    ModeLine,
    film_of,
    first_frame_ns,
    read_info,
    read_lines,
    read_modes,
    spans_of,
)
from combatvla.errors import UserError
from combatvla.profiles import GameProfile, load_profile
from tracker.view.film import Films
from tracker.view.show import Card, Curve, Event, Flag, Gap, Lane, Note, NoteStep, Show, Span, Video

MS = 1e6
MODES = {
    "armed": "the agent plays",
    "dry run": "dry run: the agent presses nothing",
    "no focus": "another window had the focus: everything was let go",
    "human": "a person played",
    "killed": "the kill chord: the agent was stopped",
}


@dataclass
class Logs:
    """An episode's lists, each by time. `UserError` when they cannot be read."""

    info: EpisodeInfo | None
    decisions: list[DecisionLine]
    held: list[HeldLine]
    modes: list[ModeLine]

    @classmethod
    def of(cls, folder: Path) -> Logs:
        decisions = read_lines(folder / DECISIONS, DecisionLine)
        held = read_lines(folder / HELD, HeldLine) if (folder / HELD).exists() else []
        return cls(
            read_info(folder),
            sorted(decisions, key=lambda d: d.frame_ns),
            sorted(held, key=lambda h: h.t_ns),
            sorted(read_modes(folder), key=lambda m: m.t_ns),
        )

    def ends(self) -> tuple[int, int] | None:
        """From when until when something is logged."""
        times = [t for rows in (self.held, self.modes) for i in (0, -1) if rows for t in [rows[i].t_ns]]
        times += [
            t for i in (0, -1) if self.decisions for t in (self.decisions[i].frame_ns, self.decisions[i].acted_ns)
        ]
        return (min(times), max(times)) if times else None


@dataclass
class Film:
    """The pictures of an episode."""

    first_ns: int
    times: list[int]
    """Of each picture in the film, in milliseconds."""
    width: int
    height: int

    def taken(self) -> list[int]:
        return [self.first_ns + t * 1_000_000 for t in self.times]


class EpisodeSource:
    """An episode as the page's `tracker.view.show.Source`. `game`: another profile than the one that was played (name
    or path; `UserError` when there is none). `films`: shared by the episodes that are shown together."""

    def __init__(self, folder: Path, game: str | None = None, films: Films | None = None) -> None:
        self.folder = folder
        self._game = None if game is None else load_profile(game)
        self._films = films or Films()
        self._lock = threading.RLock()
        self._begin: int | None = None

    def show(self) -> Show:
        logs = Logs.of(self.folder)
        problems: list[str] = []
        film = None
        if film_of(self.folder) is None:
            problems.append("Nothing was filmed: there is no picture to show.")
        else:
            try:
                film = self._film()
            except UserError as error:
                problems.append(f"The film cannot be shown: {error}.")
        first, last = self._ends(logs, film)
        with self._lock:
            self._begin = first
        page = Show(
            title=self.folder.resolve().name,
            about=_about(self.folder, logs),
            duration=(last - first) / MS,
            lanes=_lanes(logs.held, self._game or (logs.info.game if logs.info else None), first, last),
            events=_events(logs, first),
            notes=[_note(d, logs.info, first) for d in logs.decisions],
            problems=problems,
            kind="episode",
            spans=list(_spans(logs.modes, first, last)),
        )
        if film is not None:
            taken = film.taken()
            page.videos = [
                Video((taken[0] - first) / MS, (taken[-1] - first) / MS, film.width, film.height, len(film.times))
            ]
            page.gaps = list(_gaps(taken, first))
        ages = [(d.acted_ns, d.action_age_ms) for d in logs.decisions if d.changed]
        if ages:
            points = [n for t_ns, ms in sorted(ages) for n in ((t_ns - first) / MS, ms)]
            page.curves = [Curve("action age", "ms", AGE_GOAL_MS, points)]
        return page

    def card(self) -> Card:
        name = self.folder.resolve().name
        try:
            logs = Logs.of(self.folder)
        except UserError as error:
            return Card(name, error=str(error), kind="episode")
        ends = logs.ends() or (0, 0)
        presses = sum(len(set(b.held) - set(a.held)) for a, b in pairwise([HeldLine(t_ns=0, held=()), *logs.held]))
        return Card(
            name, _about(self.folder, logs), (ends[1] - ends[0]) / MS, presses, len(logs.decisions), kind="episode"
        )

    def film(self, video: int) -> memoryview:
        return self._films.get(self._path(video))[0]

    def frames(self, video: int) -> bytes:
        self._path(video)
        film = self._film()
        with self._lock:
            begin = self._begin
        if begin is None:
            begin, _ = self._ends(Logs.of(self.folder), film)
        rows = [(t, (ns - begin) / MS) for t, ns in zip(film.times, film.taken(), strict=True)]
        return np.array(rows, "<f8").tobytes()

    def motion(self, kind: Literal["pointer", "look"], chunk: int) -> bytes:
        return b""

    def flag(self, flag: Flag, *, undo: bool) -> list[Flag]:
        raise UserError("an episode has no flags: they are for what is learnt from")

    def _path(self, video: int) -> Path:
        if video != 0 or (path := film_of(self.folder)) is None:
            raise LookupError(video)
        return path

    def _film(self) -> Film:
        """`UserError` when it cannot be read."""
        path = self._path(0)
        _, times = self._films.get(path)
        with av.open(str(path)) as file:  # `Films` has just read it
            shape = file.streams.video[0].codec_context
            first_ns = first_frame_ns(file.metadata)
        if first_ns is None:
            raise UserError(f"{path.name} does not say when it was made")
        return Film(first_ns, times, shape.width, shape.height)

    def _ends(self, logs: Logs, film: Film | None) -> tuple[int, int]:
        times = [*(logs.ends() or ()), *([film.taken()[0], film.taken()[-1]] if film else ())]
        return (min(times), max(times)) if times else (0, 0)


def _about(folder: Path, logs: Logs) -> list[str]:
    info, said = logs.info, []
    if info is not None:
        said = [info.game.name, info.policy, "" if info.armed else "dry run"]
        if info.width:
            said.append(f"{info.width}x{info.height}")
        said.append(info.wall_time.strftime("%d %B %Y, %H:%M").lstrip("0"))
    return [text for text in (*said, f"{len(logs.decisions)} decisions", _ended(folder)) if text]


def _ended(folder: Path) -> str:
    try:
        told = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return str(told["ended"])[:40]
    except FileNotFoundError:
        return "goes on, or was cut off"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _lanes(held: Sequence[HeldLine], profile: GameProfile | None, first: int, last: int) -> list[Lane]:
    """One an action that was held, in the profile's order; those without a key by name."""
    spans: dict[str, list[float]] = {}
    since: dict[str, int] = {}
    for line in [*held, HeldLine(t_ns=last, held=())]:
        for action in since.keys() - set(line.held):
            spans.setdefault(action, []).extend(((since.pop(action) - first) / MS, (line.t_ns - first) / MS))
        for action in line.held:
            since.setdefault(action, line.t_ns)
    keys = {} if profile is None else dict(profile.keys)
    order = [*keys, *sorted(spans.keys() - keys.keys())]
    return [Lane(a.replace("_", " "), keys.get(a, ""), spans[a]) for a in order if a in spans]


def _note(line: DecisionLine, info: EpisodeInfo | None, first: int) -> Note:
    steps = [NoteStep(" + ".join(a.replace("_", " ") for a in s.actions), s.ms, "") for s in line.plan]
    steps = steps or [NoteStep("nothing", 0, "")]
    steps[0].why = line.explanation or ""
    whole = {"age", "decide"} if any(part in line.timings_ms for part in PARTS) else {"age"}
    parts = [(stage, ms) for stage, ms in line.timings_ms.items() if stage not in whole and ms >= 0]
    what = f"{line.action_age_ms:.1f} ms" if line.changed else f"{line.action_age_ms:.1f} ms; it changed nothing"
    facts = [("age", what), ("tokens", str(line.tokens))]
    if line.text:
        facts.append(("said", line.text[:400]))
    if not line.parsed:
        facts.append(("no plan", "what it said was none, and became a wait"))
    if not line.sent:
        facts.append(("not sent", "nothing was held: see who played then"))
    return Note(
        (line.frame_ns - first) / MS,
        (info.policy if info else "") or "the policy",
        steps,
        facts,
        parts,
        not line.parsed,
    )


def _events(logs: Logs, first: int) -> list[Event]:
    modes = [Event((m.t_ns - first) / MS, "mode", MODES[m.mode]) for m in logs.modes]
    failures = [
        Event((d.frame_ns - first) / MS, "failure", f"no plan: {d.text[:100] or 'no answer'}")
        for d in logs.decisions
        if not d.parsed
    ]
    return sorted(modes + failures, key=lambda event: event.t)


def _spans(modes: Sequence[ModeLine], first: int, last: int) -> Iterator[Span]:
    """When the agent did not play though it was let loose."""
    for line, end in spans_of(modes, last):
        if line.mode in ("no focus", "human", "killed"):
            yield Span((line.t_ns - first) / MS, (max(end, line.t_ns) - first) / MS, line.mode, MODES[line.mode])


def _gaps(taken: Sequence[int], first: int) -> Iterator[Gap]:
    """Where there is no picture for a second or more."""
    if taken[0] > first:
        yield Gap(0.0, (taken[0] - first) / MS, "the film had not begun")
    for a, b in pairwise(taken):
        if b - a > 1000 * MS:
            yield Gap((a - first) / MS, (b - first) / MS, "no picture was taken")
