"""Sessions as chat rows (`tracker.dataset`): the pictures, the plan and why."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

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


PART_S = 60
"""Also of a session with a single video every process then has its share."""


class Part(NamedTuple):
    """The samples whose newest picture is in one minute of one video of a session: what is exported at a time. Where
    the samples are cut into parts does not depend on how many are exported at once, and so neither does what comes
    out."""

    session: Session
    """With the frames alone that the samples need (`Session.part`)."""
    samples: list[Sample]
    """Their pictures are places in the frames of `session`."""


def rows(
    session: Session, profile: GameProfile, options: ChatOptions, truth: TruthTrack | None, counts: Alignment
) -> Iterator[Row]:
    """The session's samples as chat rows. One pass through the video; only the pictures that a coming sample still
    needs are kept, prepared as the model sees them."""
    for part in parts(session, profile, options, counts):
        yield from part_rows(part, profile, options, truth, counts)


def parts(session: Session, profile: GameProfile, options: ChatOptions, counts: Alignment) -> Iterator[Part]:
    """The session's samples, minute by minute of each video."""
    cleaner = Cleaner(session, profile, options, counts.left_out)
    waiting = cleaner.by_time(samples(session, profile, options, counts))
    minute = session.frames.pts // (PART_S * 1000)
    cuts = np.flatnonzero((np.diff(session.frames.segment) != 0) | (np.diff(minute) != 0)) + 1
    begin = 0
    for end in [*cuts.tolist(), len(minute)]:
        stop = bisect.bisect_left(waiting, end, lo=begin, key=lambda s: s.frames[-1])
        if found := waiting[begin:stop]:
            first = min(s.frames[0] for s in found)
            some = [s._replace(frames=tuple(i - first for i in s.frames)) for s in found]
            yield Part(session.part(first, found[-1].frames[-1] + 1), some)
        begin = stop


def part_rows(
    part: Part,
    profile: GameProfile,
    options: ChatOptions,
    truth: TruthTrack | None,
    counts: Alignment,
    threads: int = 0,
) -> Iterator[Row]:
    """As `rows`. Pictures that no sample needs are decoded, but not converted."""
    spec, session = FrameSpec(options.width, options.height), part.session
    cleaner = Cleaner(session, profile, options, counts.left_out)
    decided = [s.t_ns for s in part.samples]
    told = session.explanations(min(decided), max(decided) + 1)
    waiting = list(reversed(part.samples))
    needed = {i for s in waiting for i in s.frames}
    position = {index: i for i, index in enumerate(session.frames.index.tolist())}
    pictures: dict[int, bytes] = {}
    for row, picture in session.decoded(threads):
        i = position[row.index]
        if i not in needed:
            continue
        pixels = session.rgb(row, picture)
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
        for j in [j for j in pictures if session.frames.t_ns[j] < oldest_ns]:
            del pictures[j]  # no coming sample looks back that far
    counts.without_picture += len(waiting)  # the torn end of a killed recording


def _why(
    sample: Sample, told: dict[int, ExplanationRow], truth: TruthTrack | None, t_ns: int, counts: Alignment
) -> tuple[str, ...]:
    """A sentence a step: what `tracker explain` left in the session for this plan, else from the true state at `t_ns`
    where there is one, else what is done."""
    row = told.get(sample.t_ns)
    if row is not None and row.plan == plan_text(sample.plan) and len(row.steps) == len(sample.plan.steps):
        steps, by = row.steps, row.by
    else:
        state = truth.at(t_ns) if truth else None
        steps, by = sentences(state, sample.plan), "truth" if state is not None else None
    if by is not None:
        counts.explained += 1
        counts.explained_by[by] = counts.explained_by.get(by, 0) + 1
    return steps
