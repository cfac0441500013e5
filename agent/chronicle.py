"""What the agent did, asked by time: read from an episode's log, after the fight or while it goes on."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from combatvla.actions import Action
from combatvla.episode import DECISIONS, HELD, MODES, DecisionLine, HeldLine, Line, Mode, ModeLine, parse_lines
from combatvla.errors import UserError

SHOWN_MS = 1500
"""A decision older than this is no longer shown."""
THOUGHT_MS = 500
"""A decision that had no time to be explained shows the thought of one with the same plan, at most so much older."""
RATE_NS = 2_000_000_000
"""Over the last so many nanoseconds the decisions a second are counted."""
CURVE_POINTS = 80
"""So many of the last ages are shown."""


@dataclass(frozen=True)
class Moment:
    """What the strip shows."""

    held: frozenset[Action]
    plan: tuple[tuple[str, int], ...]
    """Its steps in words, and for how many milliseconds each is held."""
    thought: str
    age_ms: float | None
    ages_ms: tuple[float, ...]
    decisions: int
    hz: float
    seconds: int
    step: int = -1
    """Which step of the plan is being carried out; -1 once it has ended."""
    mode: Mode = "armed"
    said: str = ""
    """The model's own tokens, shown where there is no thought."""
    parsed: bool = True
    """Whether they were a plan."""


class Follow(Generic[Line]):
    """The lines of a log that may still be written."""

    def __init__(self, path: Path, kind: type[Line]) -> None:
        self.path, self.kind = path, kind
        self.lines: list[Line] = []
        self._place = 0

    def read(self) -> list[Line]:
        """The lines that have come since; a half-written one comes later. `UserError` when it cannot be read."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._place)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []  # not begun
        except OSError as error:
            raise UserError(f"the log {self.path} cannot be read ({error.strerror or error})") from error
        self._place += len(whole) + len(newline)
        fresh = parse_lines(whole, self.kind, self.path, after=len(self.lines))
        self.lines += fresh
        return fresh


class Chronicle:
    """An episode's log. `look` reads what has been written since. `UserError` when it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._decisions = Follow(folder / DECISIONS, DecisionLine)
        self._held = Follow(folder / HELD, HeldLine)
        self._modes = Follow(folder / MODES, ModeLine)
        self.decisions: list[DecisionLine] = self._decisions.lines
        self.held: list[HeldLine] = self._held.lines
        self.modes: list[ModeLine] = self._modes.lines
        self.parse_failures = 0
        self._acted_ns: list[int] = []
        self._held_ns: list[int] = []
        self._mode_ns: list[int] = []
        self._thoughts: list[str] = []
        self._told: DecisionLine | None = None
        self._ages: list[float] = []
        """Of those decisions that changed what was held; and how many there were up to each decision:"""
        self._aged: list[int] = []
        self.look()

    def look(self) -> None:
        for d in self._decisions.read():
            self._acted_ns.append(d.acted_ns)
            if d.changed:
                self._ages.append(d.action_age_ms)
            self._aged.append(len(self._ages))
            self.parse_failures += not d.parsed
            if d.explanation:
                self._told = d
            told = self._told
            fits = told is not None and told.plan == d.plan and d.acted_ns - told.acted_ns <= THOUGHT_MS * 1e6
            self._thoughts.append(told.explanation if fits else "")
        self._held_ns += [h.t_ns for h in self._held.read()]
        self._mode_ns += [m.t_ns for m in self._modes.read()]

    def mode_at(self, t_ns: int) -> Mode:
        count = bisect_right(self._mode_ns, t_ns)
        return self.modes[count - 1].mode if count else self.modes[0].mode if self.modes else "armed"

    def ages_until(self, t_ns: int, most: int) -> list[float]:
        """The ages of the last `most` actions up to then, in milliseconds."""
        count = bisect_right(self._acted_ns, t_ns)
        aged = self._aged[count - 1] if count else 0
        return self._ages[max(0, aged - most) : aged]

    def at(self, t_ns: int, first_ns: int) -> Moment:
        """What the strip shows at `t_ns` of a film that began at `first_ns`."""
        count = bisect_right(self._acted_ns, t_ns)
        changes = bisect_right(self._held_ns, t_ns)
        held = frozenset(self.held[changes - 1].held) if changes else frozenset()
        last = self.decisions[count - 1] if count else None
        if last is not None and t_ns - last.acted_ns > SHOWN_MS * 1e6:
            last = None
        ages = self.ages_until(t_ns, CURVE_POINTS)
        recent = count - bisect_right(self._acted_ns, t_ns - RATE_NS)
        return Moment(
            held=held,
            plan=tuple((" + ".join(s.actions).replace("_", " "), s.ms) for s in last.plan) if last else (),
            step=_step(last, t_ns) if last else -1,
            thought=self._thoughts[count - 1] if last else "",
            said=last.text if last else "",
            parsed=last.parsed if last else True,
            age_ms=ages[-1] if ages else None,
            ages_ms=tuple(ages),
            decisions=count,
            hz=recent / (RATE_NS / 1e9) if last else 0.0,
            seconds=max(0, int((t_ns - first_ns) / 1e9)),
            mode=self.mode_at(t_ns) if self.modes else "armed" if last is None or last.sent else "no focus",
        )


def _step(line: DecisionLine, t_ns: int) -> int:
    """Which step of its plan is being carried out at `t_ns`; -1 once it has ended."""
    left = (t_ns - line.acted_ns) / 1e6
    for i, step in enumerate(line.plan):
        left -= step.ms
        if left < 0:
            return i
    return -1
