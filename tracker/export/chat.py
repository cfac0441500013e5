"""Sessions as chat rows (`tracker.dataset`): the pictures, the plan and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from combatvla.aot import AoT, encode
from combatvla.profiles import GameProfile
from combatvla.vision import FrameSpec
from tracker.align import LATE_MS, MS, Alignment, AlignOptions, Sample, samples
from tracker.annotate.annotator import plan_text
from tracker.annotate.truth import TruthTrack
from tracker.balance import kind
from tracker.clean import Cleaner, CleanOptions
from tracker.dataset import Row, chat_row, encode_png
from tracker.explain import sentences
from tracker.rows import ExplanationRow
from tracker.session import Session


@dataclass(kw_only=True)
class ChatOptions(AlignOptions, CleanOptions):
    """How a sample is written."""

    dialect: Literal["compact", "json"] = "compact"
    """How the answer is written."""
    order: Literal["action_first", "thought_first"] = "action_first"
    """What comes first in the answer."""
    width: int = 196
    """Width of the pictures; a multiple of 28."""
    height: int = 112
    """Height of the pictures; a multiple of 28."""


def rows(
    session: Session, profile: GameProfile, options: ChatOptions, truth: TruthTrack | None, counts: Alignment
) -> Iterator[Row]:
    """The session's samples as chat rows. One pass through the video; only the pictures that a coming sample still
    needs are kept, prepared as the model sees them."""
    spec = FrameSpec(options.width, options.height)
    cleaner, told = Cleaner(session, profile, options, counts.left_out), session.explanations()
    waiting = list(reversed(cleaner.by_time(samples(session, profile, options, counts))))
    needed = {i for s in waiting for i in s.frames}
    position = {index: i for i, index in enumerate(session.frames.index.tolist())}
    pictures: dict[int, bytes] = {}
    for row, pixels in session.pictures():
        i = position[row.index]
        if i in needed:
            pictures[i] = encode_png(spec.prepare(pixels))
        while waiting and waiting[-1].frames[-1] <= i:
            sample = waiting.pop()
            if not all(j in pictures for j in sample.frames):
                counts.without_picture += 1  # a hole in the video
                continue
            if not cleaner.keeps(sample, pixels):
                continue
            last = session.frames[sample.frames[-1]]
            steps = _why(sample, told, truth, last.t_ns, counts)
            counts.samples += 1
            first = kind(sample.plan).value
            counts.actions[first] = counts.actions.get(first, 0) + 1
            yield chat_row(
                profile.prompt,
                [pictures[j] for j in sample.frames],
                encode(AoT(sample.plan, steps), options.dialect, options.order),
                source="session",
                t_ns=last.t_ns,
                session=session.name,
                frame_index=last.index,
                plan=plan_text(sample.plan),
            )
        oldest_ns = row.t_ns - ((options.frames - 1) * options.frame_gap_ms + LATE_MS) * MS
        for j in [j for j in pictures if session.frames[j].t_ns < oldest_ns]:
            del pictures[j]  # no coming sample looks back that far
    counts.without_picture += len(waiting)  # the torn end of a killed recording


def _why(
    sample: Sample, told: dict[int, ExplanationRow], truth: TruthTrack | None, t_ns: int, counts: Alignment
) -> tuple[str, ...]:
    """A sentence a step: what `tracker explain` left in the session for this plan, else from the true state at `t_ns`
    where there is one, else what is done."""
    row = told.get(sample.t_ns)
    if row is not None and row.plan == plan_text(sample.plan):
        steps, by = row.steps, row.by
    else:
        state = truth.at(t_ns) if truth else None
        steps, by = sentences(state, sample.plan), "truth" if state is not None else None
    if by is not None:
        counts.explained += 1
        counts.explained_by[by] = counts.explained_by.get(by, 0) + 1
    return steps
