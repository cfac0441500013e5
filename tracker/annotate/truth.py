"""The true states of a fight, where the game logs them."""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from combatvla.actions import WAIT_PLAN
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import Sample
from tracker.annotate.annotator import Dropped, explanation
from tracker.explain import explain, sentences
from tracker.rows import ExplanationRow
from tracker.session import Session

MS = 1_000_000
TRUTH_MS = 100
"""A true state farther than this from the picture does not explain it."""


class TruthTrack:
    """The true states of a fight by time. `UserError` when `path` is no log of `combatvla env play`."""

    def __init__(self, path: Path) -> None:
        self._times: list[int] = []
        self._states: list[dict[str, Any]] = []
        try:
            lines = path.read_bytes().splitlines(keepends=True)
            for line in lines:
                if line.endswith(b"\n"):  # a killed game leaves a torn last line
                    state = json.loads(line)
                    explain(state, WAIT_PLAN)  # it holds all that an explanation needs
                    self._times.append(int(state["t_ns"]))
                    self._states.append(state)
        except OSError as error:
            raise UserError(f"the log of true states {path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise UserError(
                f"{path}, line {len(self._times) + 1}, is no true state: expected a log of `combatvla env play --log`"
            ) from error

    def at(self, t_ns: int) -> dict[str, Any] | None:
        """The state nearest to `t_ns`, None when it is farther than `TRUTH_MS`."""
        i = bisect.bisect_left(self._times, t_ns)
        near = [j for j in (i - 1, i) if 0 <= j < len(self._times)]
        best = min(near, key=lambda j: abs(self._times[j] - t_ns), default=None)
        return None if best is None or abs(self._times[best] - t_ns) > TRUTH_MS * MS else self._states[best]


class TruthAnnotator:
    """Explains from the log of true states beside a session (`truth.jsonl`), or from `log`."""

    by = "truth"

    def __init__(self, log: Path | None = None) -> None:
        self._log = log

    def check(self, session: Session, profile: GameProfile) -> None:
        if not (path := self._path(session)).is_file():
            raise UserError(
                f"there is no log of true states {path}: only the Arena writes one (`tracker demonstrate`, "
                "`env play --log`); explain other recordings with --by hud or --by vlm"
            )
        self._track = TruthTrack(path)

    def figures(self) -> dict[str, int]:
        return {}

    def annotate(
        self, session: Session, profile: GameProfile, samples: Sequence[Sample]
    ) -> Iterator[ExplanationRow | Dropped]:
        for sample in samples:
            state = self._track.at(int(session.frames.t_ns[sample.frames[-1]]))
            if state is None:
                yield Dropped(sample, "no true state at that time")
            else:
                yield explanation(session, sample, sentences(state, sample.plan), self.by)

    def _path(self, session: Session) -> Path:
        return self._log or session.folder / "truth.jsonl"
