"""Sessions as chat rows (`tracker.dataset`): the pictures, the plan and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from combatvla.actions import MOVES, Action, Plan
from combatvla.aot import AoT, encode
from combatvla.profiles import GameProfile
from combatvla.vision import FrameSpec
from tracker.align import LATE_MS, MS, Alignment, AlignOptions, samples
from tracker.annotate.truth import TruthTrack
from tracker.dataset import Row, chat_row, encode_png
from tracker.explain import explain, intent
from tracker.session import Session


@dataclass(kw_only=True)
class ChatOptions(AlignOptions):
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
    waiting = list(reversed(samples(session, profile, options, counts)))
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
            last = session.frames[sample.frames[-1]]
            state = truth.at(last.t_ns) if truth else None
            steps = [intent(Plan((step,))) for step in sample.plan.steps]
            if state is not None:
                steps[0] = explain(state, sample.plan)
                counts.explained += 1
            counts.samples += 1
            first = _kind(sample.plan)
            counts.actions[first] = counts.actions.get(first, 0) + 1
            yield chat_row(
                profile.prompt,
                [pictures[j] for j in sample.frames],
                encode(AoT(sample.plan, tuple(steps)), options.dialect, options.order),
                source="session",
                t_ns=last.t_ns,
                session=session.name,
                frame_index=last.index,
                plan=encode(AoT(sample.plan), order="thought_first"),
            )
        oldest_ns = row.t_ns - ((options.frames - 1) * options.frame_gap_ms + LATE_MS) * MS
        for j in [j for j in pictures if session.frames[j].t_ns < oldest_ns]:
            del pictures[j]  # no coming sample looks back that far
    counts.without_picture += len(waiting)  # the torn end of a killed recording


def _kind(plan: Plan) -> str:
    """The most telling action of a plan's first step, for the table."""
    ordered = plan.steps[0].ordered()
    return next((a for a in ordered if a not in MOVES and a is not Action.SPRINT), ordered[0]).value
