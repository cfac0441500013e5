"""What every annotator is: it says of each sample why it was right, or why it cannot say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from combatvla.actions import Plan
from combatvla.aot import AoT, encode
from combatvla.profiles import GameProfile
from tracker.align import Sample
from tracker.rows import ExplanationRow
from tracker.session import Session


class Dropped(NamedTuple):
    """A sample that was not explained."""

    sample: Sample
    why: str
    """In a few words that are the same for all of a kind: they are counted."""


class Annotator(Protocol):
    """Explains samples of recorded sessions."""

    by: str
    """Who explains, as `ExplanationRow.by` names it."""

    def check(self, session: Session, profile: GameProfile) -> None:
        """`UserError` when it cannot explain such a session. Asked before `annotate`."""

    def annotate(
        self, session: Session, profile: GameProfile, samples: Sequence[Sample]
    ) -> Iterator[ExplanationRow | Dropped]:
        """One of the two for each of `samples` (which are in order of their pictures), in any order. `UserError` when
        it is no use to go on with any session."""

    def figures(self) -> dict[str, int]:
        """What else it counts, by name."""


def plan_text(plan: Plan) -> str:
    """`plan` as `ExplanationRow.plan` holds it."""
    return encode(AoT(plan), order="thought_first")


def explanation(session: Session, sample: Sample, steps: Sequence[str], by: str) -> ExplanationRow:
    """The line that explains `sample`. `ValueError` for steps that AoT cannot hold."""
    AoT(sample.plan, tuple(steps))
    frame = int(session.frames.index[sample.frames[-1]])
    return ExplanationRow(t_ns=sample.t_ns, frame=frame, plan=plan_text(sample.plan), steps=tuple(steps), by=by)
