"""What the page shows, whoever recorded it: plain data that goes to it as JSON, and the protocol of who gives it.

All times are milliseconds from the beginning of the recording, as floats that hold its nanoseconds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

CHUNK_MS = 20_000
"""The mouse's motion is asked for in pieces of this length."""


@dataclass
class Video:
    """One film of the recording; their times do not overlap and rise."""

    begin: float
    """Of its first picture."""
    end: float
    """Of its last one."""
    width: int
    height: int
    """Of the picture: what the film has beyond them to the right and below is padding."""
    pictures: int
    """That it should have: after a crash it has a few less."""


@dataclass
class Gap:
    """Between these two pictures nothing was recorded."""

    begin: float
    end: float
    why: str


@dataclass
class Lane:
    """When a key or button was down."""

    name: str
    """What it does, in words; empty where nobody knows."""
    key: str
    spans: list[float]
    """Begin, end, begin, end, …"""


@dataclass
class Event:
    """Something that happened at one moment."""

    t: float
    kind: Literal["mark", "focus", "pause", "window", "cover", "scroll", "mode", "failure"]
    text: str
    dx: int = 0
    dy: int = 0
    """Of a scroll: steps to the right and away from the hand."""


@dataclass
class NoteStep:
    what: str
    """What is done, in words."""
    ms: int
    why: str


@dataclass
class Note:
    """Why something was done: what was thought at the picture of that time."""

    t: float
    by: str
    steps: list[NoteStep]
    facts: list[tuple[str, str]] = field(default_factory=list)
    """What else is known of it: a word and what it is."""
    stages: list[tuple[str, float]] = field(default_factory=list)
    """How long each part of deciding it took, in milliseconds."""
    bad: bool = False
    """Nothing could be made of it."""


@dataclass
class Span:
    """A time in which something was not as usual."""

    begin: float
    end: float
    kind: Literal["no focus", "human", "killed"]
    text: str


@dataclass
class Curve:
    """A number that changes."""

    name: str
    unit: str
    goal: float
    """It had better stay below this."""
    points: list[float]
    """Time, number, time, number, …; the times rise."""


@dataclass
class Flag:
    """A bad span, from one picture to another (both belong to it)."""

    begin: float
    end: float
    why: str


@dataclass
class Show:
    """A recording: a session of the tracker, or an episode of the agent."""

    title: str
    about: list[str]
    """A few words each: the game, the size, when it was recorded…"""
    duration: float
    videos: list[Video] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is damaged, in plain sentences."""
    no_notes: str = ""
    """How notes are made where there are none."""
    can_flag: bool = False
    kind: Literal["session", "episode"] = "session"
    spans: list[Span] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    chunk_ms: int = CHUNK_MS


@dataclass
class Card:
    """A recording in a list of several."""

    title: str
    about: list[str] = field(default_factory=list)
    duration: float = 0.0
    presses: int = 0
    notes: int = 0
    flags: int = 0
    kind: Literal["session", "episode"] = "session"
    error: str = ""
    """Why it cannot be shown."""


class Source(Protocol):
    """Gives a recording to the page. Called from several threads. Raises `UserError` for what cannot be given, and
    `LookupError` for an index that there is not."""

    def show(self) -> Show:
        """Read anew each time."""

    def card(self) -> Card: ...

    def film(self, video: int) -> memoryview:
        """An MP4 file of H.264."""

    def frames(self, video: int) -> bytes:
        """`float64[N, 2]`, little-endian: when each picture is shown in the film, and when it was taken; both in
        milliseconds, rising."""

    def motion(self, kind: Literal["pointer", "look"], chunk: int) -> bytes:
        """`float64[N, 3]`, little-endian, of the motion between `chunk * CHUNK_MS` and the next: time, x and y of the
        pointer in pixels of the picture; or time and how far the mouse was moved."""

    def flag(self, flag: Flag, *, undo: bool) -> list[Flag]:
        """Keeps a flag, or takes it back; gives all that stand then, by time."""
