"""The lines of a session's lists. `tracker.session` says which list holds which."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from combatvla.actions import MAX_STEPS, WAIT_PLAN
from combatvla.aot import AoT

VERSION = 2
Nanoseconds = Annotated[int, Field(ge=0, lt=2**62)]
"""On the clock of `time.monotonic_ns`."""
Count = Annotated[int, Field(ge=0, lt=2**40)]
Side = Annotated[int, Field(gt=0, le=2**14)]
"""Of a picture, in pixels."""
Whole = Annotated[int, Field(gt=-(2**31), lt=2**31)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


BY = r"^[A-Za-z0-9_:./@+ -]+$"
"""What an annotator may be called: it is shown in tables."""


def _sentence(text: str) -> str:
    AoT(WAIT_PLAN, (text,))
    return text


Sentence = Annotated[str, Field(max_length=2000), AfterValidator(_sentence)]


class SessionInfo(BaseModel):
    """`session.json`."""

    model_config = ConfigDict(extra="forbid")
    version: int = VERSION
    game: str
    """The profile's name (or path); empty when it was recorded without one."""
    title: str
    width: Side
    height: Side
    """Of the window at the beginning; later sizes are those of the segments."""
    fps: int = Field(gt=0, le=1000)
    monotonic_ns: Nanoseconds
    """One instant on the clock of all other times here..."""
    wall_time: datetime
    """...and the same instant by the wall clock, for people."""


@dataclass(slots=True, kw_only=True)
class SegmentRow:
    """A line of `segments.jsonl`: one video."""

    index: Count
    file: str = Field(pattern=r"^[\w-]+\.mkv$")
    """Its name in the session's folder."""
    width: Side
    height: Side
    t_ns: Nanoseconds
    """Of its first frame."""
    held: tuple[str, ...] = ()
    """The keys and buttons that were down when it began: what the events before `t_ns` say, as the recorder heard them.
    `tracker check` compares the two, so that lost inputs are found."""


@dataclass(slots=True, kw_only=True)
class FrameRow:
    """A line of `frames.jsonl`."""

    index: Count
    pts: Count
    """Milliseconds since the first frame of its segment, strictly increasing there."""
    t_ns: Nanoseconds
    segment: Count = 0


@dataclass(slots=True, kw_only=True)
class EventRow:
    """A key or button that went down or up. `key` is in the words of the game profiles (w, shift, mouse_left); the
    buttons at the mouse's side are mouse_8 (back), mouse_9 (forward), and so on."""

    t_ns: Nanoseconds
    kind: Literal["key", "button"]
    key: str
    down: bool


@dataclass(slots=True, kw_only=True)
class ScrollRow:
    """The wheel: steps to the right and away from the hand."""

    t_ns: Nanoseconds
    kind: Literal["scroll"] = "scroll"
    dx: Whole
    dy: Whole


@dataclass(slots=True, kw_only=True)
class MotionRow:
    """Where the pointer is, in pixels from the window's upper left corner."""

    t_ns: Nanoseconds
    kind: Literal["motion"] = "motion"
    x: Whole
    y: Whole


@dataclass(slots=True, kw_only=True)
class LookRow:
    """How far the mouse was moved, in its own counts to the right and down, also past the screen: what games
    turn the camera by."""

    t_ns: Nanoseconds
    kind: Literal["look"] = "look"
    dx: Finite
    dy: Finite


@dataclass(slots=True, kw_only=True)
class FocusRow:
    """The window got the focus or lost it. While it is without, nothing is recorded."""

    t_ns: Nanoseconds
    kind: Literal["focus"] = "focus"
    focused: bool


@dataclass(slots=True, kw_only=True)
class WindowRow:
    """The window lies elsewhere, or has another size: its picture on the screen in pixels."""

    t_ns: Nanoseconds
    kind: Literal["window"] = "window"
    x: Whole
    y: Whole
    width: Side
    height: Side


@dataclass(slots=True, kw_only=True)
class CoverRow:
    """From now on other windows cover this share of the window: it is black in the pictures."""

    t_ns: Nanoseconds
    kind: Literal["cover"] = "cover"
    share: Annotated[float, Field(ge=0, le=1)]


@dataclass(slots=True, kw_only=True)
class PauseRow:
    """Recording rests (`paused`) or goes on: nobody plays ("idle"; the input that ends this is noted, and may be before
    the row that tells of it), the player wants it so ("hotkey"), or a part of the window is off the screen
    ("offscreen"). In the latter two no input is noted."""

    t_ns: Nanoseconds
    kind: Literal["pause"] = "pause"
    paused: bool
    why: Literal["idle", "hotkey", "offscreen"]


@dataclass(slots=True, kw_only=True)
class MarkRow:
    """The player marked this moment."""

    t_ns: Nanoseconds
    kind: Literal["mark"] = "mark"
    label: str = ""


@dataclass(slots=True, kw_only=True)
class ExplanationRow:
    """A line of `explanations.jsonl`: why a plan was the right one. A later line about the same moment replaces an
    earlier one."""

    t_ns: Nanoseconds
    """When it was decided (`tracker.align.Sample.t_ns`)."""
    frame: Count
    """The index of the newest picture that it is about."""
    plan: str
    """The plan that is explained, as compact AoT text without explanations, thought first (`combatvla.aot.encode`):
    one for another plan does not count."""
    steps: tuple[Sentence, ...] = Field(min_length=1, max_length=MAX_STEPS)
    """One sentence a step, as `combatvla.aot.AoT` takes them."""
    by: str = Field(pattern=BY, max_length=220)
    """The annotator: "truth", "hud", or "vlm:" and the model's name."""


@dataclass(slots=True, kw_only=True)
class FlagRow:
    """A line of `flags.jsonl`: a span of the recording that is not to be exported. A later line about the very same
    span replaces an earlier one."""

    begin_ns: Nanoseconds
    end_ns: Nanoseconds
    why: str = ""
    undone: bool = False
    """The span is flagged no more: a list only grows."""

    @model_validator(mode="after")
    def _forward(self) -> FlagRow:
        if self.end_ns < self.begin_ns:
            raise ValueError(f"a span ends after it begins, got {self.begin_ns} to {self.end_ns}")
        return self


Motion = MotionRow | LookRow
Event = EventRow | ScrollRow | MotionRow | LookRow | FocusRow | WindowRow | CoverRow | PauseRow | MarkRow
EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
SEGMENTS, FRAMES = TypeAdapter(SegmentRow), TypeAdapter(FrameRow)
EXPLANATIONS, FLAGS = TypeAdapter(ExplanationRow), TypeAdapter(FlagRow)
Row = Event | SegmentRow | FrameRow | ExplanationRow | FlagRow
_OF = {SegmentRow: SEGMENTS, FrameRow: FRAMES, ExplanationRow: EXPLANATIONS, FlagRow: FLAGS}


def line(row: Row) -> bytes:
    """`row` as it stands in its list, with the line's end."""
    return _OF.get(type(row), EVENTS).dump_json(row) + b"\n"
