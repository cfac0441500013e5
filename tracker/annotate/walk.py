"""Samples with their pictures, in one pass through a session's videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from tracker.align import Sample
from tracker.session import Session

T = TypeVar("T")


def walk(
    session: Session, samples: Sequence[Sample], prepare: Callable[[np.ndarray], T]
) -> Iterator[tuple[Sample, list[T] | None]]:
    """`samples`, which are in order of their pictures, each with what `prepare` made of its pictures (`uint8[H, W, 3]`
    RGB), oldest first; None where the video lacks one. Pictures that no coming sample needs are let go of."""
    uses = Counter(i for sample in samples for i in sample.frames)
    position = {index: i for i, index in enumerate(session.frames.index.tolist())}
    waiting = list(reversed(samples))
    held: dict[int, T] = {}

    def take(sample: Sample) -> list[T] | None:
        found = [held[i] for i in sample.frames] if all(i in held for i in sample.frames) else None
        for i in sample.frames:
            uses[i] -= 1
            if not uses[i]:
                held.pop(i, None)
        return found

    for row, picture in session.decoded():
        if not waiting:
            return
        i = position[row.index]
        if uses[i]:
            held[i] = prepare(session.rgb(row, picture))
        while waiting and waiting[-1].frames[-1] <= i:
            yield waiting[-1], take(waiting.pop())
    while waiting:  # the torn end of a killed recording
        yield waiting[-1], take(waiting.pop())
