"""The strip of what the agent does: the keys as on a keyboard, who plays, the plan, the thought, and how old the action
was. It stands under the replay, and during the fight beside the game's window (`agent.strip`)."""

from __future__ import annotations

import numpy as np

from agent.chronicle import CURVE_POINTS, Moment
from agent.paint import BAD, BLUE, EDGE, FAINT, GOOD, GROUND, LIT, PANEL, TEXT, VIOLET, Canvas, fit, width_of, wrap
from combatvla.actions import LOOKS, Action
from combatvla.episode import AGE_GOAL_MS, Mode
from combatvla.profiles import GameProfile
from combatvla.report import percentile

WIDTH, HEIGHT = 1280, 160
"""Of a strip as it is designed; others are drawn larger or smaller."""
COLUMN_WIDTH, COLUMN_HEIGHT = 390, 492
"""Of the same three panels one under the other."""
BADGES: dict[Mode, tuple[str, tuple[int, int, int]]] = {
    "armed": ("ARMED", GOOD),
    "dry run": ("DRY RUN", BLUE),
    "no focus": ("NO FOCUS", BAD),
    "human": ("YOU PLAY", VIOLET),
    "killed": ("STOPPED", BAD),
}
SAYS: dict[Mode, str] = {
    "no focus": "click the game's window: everything is let go",
    "human": "{give_back} gives back",
    "killed": "everything is let go",
}
"""In place of what is held, where the agent does not play."""

KEY, GAP = 32, 4
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHIFTS = (0.0, 0.5, 0.75, 1.25)
_WIDE = {"shift": (0, 3, 1.15, "shift"), "space": (1.25, 4, 3.2, "space"), "ctrl": (0, 4, 1.15, "ctrl")}
"""Column, row, width and label, in keys."""
_MOUSE = (286, 16, 66, 98)
"""Left, top, width and height of the mouse."""


class Strip:
    """Draws the strip for one game's keys, `width` pixels wide (even); `column`: the panels one under the other.
    `give_back`: the key that gives control back to the agent."""

    def __init__(
        self, profile: GameProfile, width: int = WIDTH, *, column: bool = False, give_back: str = "f9"
    ) -> None:
        self.profile, self.give_back = profile, give_back.upper()
        design = (COLUMN_WIDTH, COLUMN_HEIGHT) if column else (WIDTH, HEIGHT)
        scale = width / design[0]
        self.size = width, round(design[1] * scale / 2) * 2
        canvas = Canvas(np.full((self.size[1], width, 3), GROUND, np.uint8), scale)
        if column:
            panels = [(8, 8, 374, 146), (8, 162, 374, 168), (8, 338, 374, 146)]
        else:
            panels = [(8, 8, 368, 144), (384, 8, 584, 144), (976, 8, 296, 144)]
        for x, y, w, h in panels:
            canvas.box(x, y, w, h, 9, PANEL)
        self._keys, self._words, self._ages = (canvas.at(x, y) for x, y, _, _ in panels)
        (_, _, self._words_width, self._words_height), (_, _, self._ages_width, _) = panels[1:]
        self._draw_keyboard()
        self._back = canvas.out

    def draw(self, now: Moment) -> np.ndarray:
        """`uint8[size[1], size[0], 3]`, RGB."""
        out = self._back.copy()
        held = [a for a in self.profile.actions if a in now.held]  # a plan may name what this game has no key for
        for action in held:
            self._key(self._keys.on(out), self.profile.keys[action], lit=True)
        turning = [a for a in LOOKS if a in now.held and self.profile.look]  # the mouse moves: no key lights up
        if turning:
            self._draw_turn(self._keys.on(out), turning)
        held += turning
        self._draw_words(self._words.on(out), now, held)
        self._draw_ages(self._ages.on(out), now)
        return out

    # -- who plays, the plan, the thought -----------------------------------------------------------------------------

    def _draw_words(self, c: Canvas, now: Moment, held: list[Action]) -> None:
        wide, left = self._words_width, 18
        badge, colour = BADGES[now.mode]
        c.box(0, 14, 4, 26, 2, colour)
        size = width_of(badge, 13, 700) + 22
        c.box(wide - 14 - size, 15, size, 24, 12, colour)
        c.text(badge, wide - 14 - size + 11, 32, GROUND, 13, 700)
        room = wide - 14 - size - left - 10
        says = SAYS.get(now.mode, "").format(give_back=self.give_back)
        headline = says or " + ".join(a.value.replace("_", " ") for a in held) or "wait"
        large = next((s for s in (24, 20, 17) if width_of(headline, s, 700) <= room), 15)
        c.text(fit(headline, room, large, 700), left, 36, colour if says else LIT if held else FAINT, large, 700)
        self._draw_plan(c, now, left, 50, wide - left - 14)
        ink, text = (TEXT, now.thought) if now.thought else (FAINT, now.said)
        if not now.parsed:
            ink, text = BAD, f"no plan: {now.said or 'no answer'}"
        for i, line in enumerate(wrap(text, wide - left - 14, 17, (self._words_height - 80) // 21)):
            c.text(line, left, 97 + 21 * i, ink, 17)

    def _draw_plan(self, c: Canvas, now: Moment, x: float, y: float, room: float) -> None:
        """The steps of the plan, each in a plate; the one that is being carried out is bright."""
        if not now.plan:
            c.text("no decision yet" if not now.decisions else "no fresh decision", x, y + 16, FAINT, 14)
        for i, (what, ms) in enumerate(now.plan):
            time = f"{ms / 1000:g} s"
            left = room - 22 - width_of(time, 13)
            if left < 30:
                return
            what = fit(what, left, 14)
            wide = width_of(what, 14) + width_of(time, 13) + 24
            current = i == now.step
            c.box(x, y, wide, 23, 6, EDGE if current else PANEL)
            c.box(x, y, wide, 23, 6, LIT if current else EDGE, line=1)
            c.text(what, x + 9, y + 16, TEXT if current else FAINT, 14)
            c.text(time, x + 15 + width_of(what, 14), y + 16, LIT if current else FAINT, 13)
            x, room = x + wide + 6, room - wide - 6

    # -- how old the action was ---------------------------------------------------------------------------------------

    def _draw_ages(self, c: Canvas, now: Moment) -> None:
        x, wide = 14, self._ages_width - 28
        colour = FAINT if now.age_ms is None else GOOD if now.age_ms <= AGE_GOAL_MS else BAD
        c.text("action age", x, 27, FAINT, 13)
        number = "–" if now.age_ms is None else f"{now.age_ms:.0f}"
        c.text(number, x, 60, colour, 32, 700)
        if now.age_ms is not None:
            c.text("ms", x + width_of(number, 32, 700) + 5, 60, colour, 15, 700)
        right = x + wide
        rows = [
            (f"{now.hz:.1f} / s", TEXT, 15, 27),
            (f"{now.decisions} decisions", FAINT, 13, 45),
            (f"{now.seconds // 60}:{now.seconds % 60:02d}", FAINT, 13, 62),
        ]
        for text, ink, size, y in rows:
            c.text(text, right - width_of(text, size), y, ink, size)
        if now.ages_ms:
            c.text(f"p95 {percentile(now.ages_ms, 95):.0f}", x + 84, 27, FAINT, 13)
        top, high = 74, 58
        c.box(x, top, wide, high, 5, GROUND)
        full = max(150.0, *now.ages_ms) if now.ages_ms else 150.0

        def y(ms: float) -> float:
            return top + high - 2 - max(0.0, ms) / full * (high - 6)

        goal = f"{AGE_GOAL_MS} ms"
        for dash in range(int(x) + 4, int(right) - width_of(goal, 11) - 12, 8):
            c.lines([(dash, y(AGE_GOAL_MS)), (dash + 4, y(AGE_GOAL_MS))], EDGE)
        c.text(goal, right - width_of(goal, 11) - 5, min(max(y(AGE_GOAL_MS) + 4, top + 12), top + high - 3), FAINT, 11)
        step = (wide - 8) / (CURVE_POINTS - 1)
        points = [(x + 4 + i * step, y(ms)) for i, ms in enumerate(now.ages_ms[-CURVE_POINTS:])]
        if len(points) > 1:
            floor = top + high - 2
            c.area([*points, (points[-1][0], floor), (points[0][0], floor)], (28, 58, 48))
            c.lines(points, GOOD, 1.6)
            for (px, py), ms in zip(points, now.ages_ms[-CURVE_POINTS:], strict=True):
                if ms > AGE_GOAL_MS:
                    c.box(px - 2, py - 2, 4, 4, 2, BAD)

    # -- keys and mouse -----------------------------------------------------------------------------------------------

    def _draw_keyboard(self) -> None:
        c, named = self._keys, set(self.profile.keys.values())
        for row, keys in enumerate(_ROWS):
            for column, key in enumerate(keys[:6]):
                if key not in named:
                    c.box(*_place(column + _SHIFTS[row], row), 5, (40, 44, 55), line=1)
        x, y, w, h = _MOUSE
        c.box(x, y, w, h, 30, (33, 37, 46))
        c.box(x, y, w, h, 30, EDGE, line=1.5)
        for key in ("mouse_left", "mouse_right", "mouse_middle"):
            self._key(c, key, lit=False, named=key in named)
        for key in named:
            if not key.startswith("mouse_"):
                self._key(c, key, lit=False)

    def _draw_turn(self, c: Canvas, turning: list[Action]) -> None:
        """An arrow in the mouse, where it moves to."""
        left, top, wide, high = _MOUSE
        dx, dy = (sum(LOOKS[a][i] for a in turning) for i in (0, 1))
        far = 13 / max(1.0, float(np.hypot(dx, dy)))
        (x, y), (ux, uy) = (left + wide / 2, top + high * 0.7), (dx * far, dy * far)
        c.lines([(x - ux, y - uy), (x + ux, y + uy)], LIT, 3)
        for side in (-1, 1):
            c.lines([(x + ux, y + uy), (x + ux * 0.2 - side * uy * 0.6, y + uy * 0.2 + side * ux * 0.6)], LIT, 3)

    def _key(self, c: Canvas, key: str, *, lit: bool, named: bool = True) -> None:
        fill, ink = (LIT, GROUND) if lit else (EDGE, TEXT)
        if key.startswith("mouse_"):
            _button(c, key, fill if named else PANEL)
            word = self._mouse_word(key)
            x, y, w, h = _MOUSE
            if word and key != "mouse_middle":
                mid = x + (w * (0.25 if key == "mouse_left" else 0.75))
                c.text(word, mid - width_of(word, 11) / 2, y + h + 15, LIT if lit else FAINT, 11)
            return
        label = key.upper() if len(key) == 1 else key
        if key in _WIDE:
            column, row, width, label = _WIDE[key]
        else:
            row = next((r for r, keys in enumerate(_ROWS) if key in keys), None)
            if row is None:
                return  # a key that the drawing has no place for; the headline names it
            column, width = _ROWS[row].index(key) + _SHIFTS[row], 1.0
        x, y, w, h = _place(column, row, width)
        c.box(x, y, w, h, 5, fill)
        size = 15 if len(label) == 1 else 12
        c.text(label, x + (w - width_of(label, size, 700)) / 2, y + h / 2 + 5, ink, size, 700)

    def _mouse_word(self, key: str) -> str:
        action = self.profile.action_of(key)
        return action.value.split("_")[0] if action else ""


def _place(column: float, row: int, width: float = 1.0) -> tuple[int, int, int, int]:
    pitch_x, pitch_y, high = KEY + GAP, 26, 22
    return (round(14 + column * pitch_x), 9 + row * pitch_y, round(width * pitch_x) - GAP, high)


def _button(c: Canvas, button: str, colour: tuple[int, int, int]) -> None:
    x, y, w, h = _MOUSE
    if button == "mouse_middle":
        c.box(x + w / 2 - 4, y + 10, 8, 22, 4, colour)
        return
    # Half of the mouse's upper part: round outside, straight inside.
    side = 1 if button == "mouse_left" else -1
    outer, inner = (x + 4, x + w / 2 - 2) if side > 0 else (x + w - 4, x + w / 2 + 2)
    top, low, r = y + 4, y + h * 0.42, 25
    arc = [(outer + side * r * (1 - np.cos(a)), top + r * (1 - np.sin(a))) for a in np.linspace(0, np.pi / 2, 10)]
    c.area([(outer, low), *arc, (inner, top), (inner, low)], colour)
