"""What a window shows of a policy that plays in it: the keys it holds, its plan, its reason, how long it thought."""

from __future__ import annotations

from panda3d.core import NodePath

from combatvla.actions import Action, Plan
from combatvla.policy.base import Decision
from env.arena.overlay import ACCENT, BACK, CAP, FAINT, INK, LIT, card, label

LEFT, WIDTH, TOP, ROW = 4.95, 2.8, 3.25, 0.33
TEXT = 0.215
MOST_LETTERS = 100
"""Of a reason: four or five lines."""
_DIM = tuple(dark / lit for dark, lit in zip(CAP, LIT, strict=True))


def plan_words(plan: Plan) -> str:
    """One line a step."""
    return "\n".join(
        f"{' + '.join(a.replace('_', ' ') for a in step.ordered())}  {step.duration_ms} ms" for step in plan.steps
    )


def _writable(text: str, most: int) -> str:
    """At most so many letters, and only such as Panda3D's own font has (Latin)."""
    known = "".join(c if " " <= c < "\u0180" and c.isprintable() else "?" for c in " ".join(text.split()))
    return known if len(known) <= most else known[: most - 1] + "…"


class Panel:
    """A part of `Overlay` on the right. `root` is to be added to it."""

    def __init__(self, title: str, actions: tuple[Action, ...]) -> None:
        self.root = NodePath("panel")
        height = ROW * len(actions) + 2.85
        card(self.root, LEFT, TOP - height, WIDTH, height, BACK, 0.72)
        label(self.root, _writable(title, 20), LEFT + 0.15, TOP - 0.36, 0.27, ACCENT)
        self._chips: dict[Action, NodePath] = {}
        for i, action in enumerate(actions):
            y = TOP - 0.78 - ROW * i
            self._chips[action] = card(self.root, LEFT + 0.12, y - 0.08, WIDTH - 0.24, ROW - 0.05, LIT)
            label(self.root, action.replace("_", " "), LEFT + 0.24, y, TEXT)
        y = TOP - 0.78 - ROW * len(actions) - 0.04
        self._plan = label(self.root, "", LEFT + 0.15, y, TEXT, INK, wrap=WIDTH - 0.3)[1]
        self._thought = label(self.root, "", LEFT + 0.15, y - 0.72, TEXT, ACCENT, wrap=WIDTH - 0.3)[1]
        self._speed = label(self.root, "", LEFT + 0.15, TOP - height + 0.13, 0.20, FAINT)[1]
        self._held: frozenset[Action] | None = None
        self.hold(frozenset())

    def hold(self, held: frozenset[Action]) -> None:
        """Lights what is held."""
        if held == self._held:
            return
        self._held = held
        for action, chip in self._chips.items():
            chip.set_color_scale(*((1, 1, 1) if action in held else _DIM), 1)

    def decided(self, decision: Decision, took_ms: float) -> None:
        """Shows a decision, and the milliseconds from its picture to its plan."""
        self._plan.set_text(plan_words(decision.plan))
        self._speed.set_text(f"decided in {took_ms:.0f} ms")
        self.think(decision.explanation)

    def think(self, reason: str | None) -> None:
        """Shows the reason; None leaves the last one until another comes."""
        if reason:
            self._thought.set_text(_writable(reason, MOST_LETTERS))
