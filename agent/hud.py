"""The strip under the replay: the keys as on a keyboard, the thought, and how old the action was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from combatvla.actions import LOOKS, Action
from combatvla.profiles import GameProfile

HEIGHT = 160
"""Pixels under the picture, for a picture 1280 wide; the strip is drawn at that width and scaled to others."""
WIDTH = 1280
GROUND, PANEL, EDGE = (17, 19, 25), (27, 30, 38), (58, 63, 76)
TEXT, FAINT, LIT, GOOD, BAD = (232, 235, 242), (132, 139, 155), (255, 186, 58), (104, 211, 145), (255, 107, 107)
AGE_GOAL_MS = 120
"""The line in the age's curve."""
CURVE_POINTS = 80
FONT = cv2.FontFace("sans")

KEY, GAP = 32, 4
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHIFTS = (0.0, 0.5, 0.75, 1.25)
_WIDE = {"shift": (0, 3, 1.15, "shift"), "space": (1.25, 4, 3.2, "space"), "ctrl": (0, 4, 1.15, "ctrl")}
"""Column, row, width and label, in keys."""
_MOUSE = (300, 28, 58, 104)
"""Left, top, width and height of the mouse."""


@dataclass(frozen=True)
class Moment:
    """What the strip shows."""

    held: frozenset[Action]
    plan: str
    thought: str
    age_ms: float | None
    ages_ms: tuple[float, ...]
    decisions: int
    hz: float
    seconds: int
    focused: bool = True
    said: str = ""
    """The model's own tokens, shown where there is no thought."""


class Strip:
    """Draws the strip for one game's keys."""

    def __init__(self, profile: GameProfile) -> None:
        self.profile = profile
        self._back = self._background()

    def draw(self, now: Moment) -> np.ndarray:
        """`uint8[HEIGHT, WIDTH, 3]`, RGB."""
        out = self._back.copy()
        held = [a for a in self.profile.actions if a in now.held]  # a plan may name what this game has no key for
        for action in held:
            self._key(out, self.profile.keys[action], lit=True)
        held += [a for a in LOOKS if a in now.held and self.profile.look]  # the mouse moves: no key lights up
        x = 404
        headline = " + ".join(a.value.replace("_", " ") for a in held) or "wait"
        if not now.focused:
            headline = "no focus: everything is let go"
        _text(out, headline, (x, 40), LIT if held else FAINT, 24, 700)
        _text(out, f"plan  {_fit(now.plan, 500, 15)}", (x, 66), FAINT, 15)
        for i, line in enumerate(_wrap(now.thought or now.said, 540, 17)[:3]):
            _text(out, line, (x, 96 + 22 * i), TEXT if now.thought else FAINT, 17)
        self._age(out, now)
        return out

    def _age(self, out: np.ndarray, now: Moment) -> None:
        x = 990
        _text(out, "action age", (x, 34), FAINT, 14)
        colour = FAINT if now.age_ms is None else GOOD if now.age_ms <= AGE_GOAL_MS else BAD
        _text(out, "–" if now.age_ms is None else f"{now.age_ms:.0f} ms", (x, 66), colour, 30, 700)
        _text(out, f"{now.hz:.1f} decisions/s", (x + 130, 34), TEXT, 15)
        _text(out, f"{now.decisions} decisions", (x + 130, 54), FAINT, 14)
        _text(out, f"{now.seconds // 60}:{now.seconds % 60:02d}", (x + 130, 72), FAINT, 14)
        left, top, width, height = x, 84, 262, 56
        cv2.rectangle(out, (left, top), (left + width, top + height), GROUND, cv2.FILLED)
        full = max(150.0, *now.ages_ms) if now.ages_ms else 150.0

        def y(ms: float) -> int:
            return round(top + height - ms / full * (height - 4))

        for dash in range(left, left + width, 8):
            cv2.line(out, (dash, y(AGE_GOAL_MS)), (min(dash + 4, left + width), y(AGE_GOAL_MS)), EDGE, 1)
        _text(out, f"{AGE_GOAL_MS} ms", (left + width - 40, y(AGE_GOAL_MS) + 13), EDGE, 12)
        if len(now.ages_ms) > 1:
            step = width / (CURVE_POINTS - 1)
            points = [(round(left + i * step), y(ms)) for i, ms in enumerate(now.ages_ms[-CURVE_POINTS:])]
            cv2.polylines(out, [np.array(points, np.int32)], False, GOOD, 2, cv2.LINE_AA)

    def _background(self) -> np.ndarray:
        out = np.full((HEIGHT, WIDTH, 3), GROUND, np.uint8)
        for left, right in ((10, 378), (388, 966), (976, 1270)):
            _rounded(out, (left, 8, right - left, HEIGHT - 16), 8, PANEL, cv2.FILLED)
        named = set(self.profile.keys.values())
        columns = 5
        for row, keys in enumerate(_ROWS):
            for column, key in enumerate(keys[:columns]):
                if key not in named:
                    _rounded(out, _place(column + _SHIFTS[row], row), 5, EDGE, 1)
        x, y, w, h = _MOUSE
        _rounded(out, (x, y + h // 2 - 6, w, h // 2 + 6), 24, EDGE, 1)
        for key in named:
            self._key(out, key, lit=False)
        return out

    def _key(self, out: np.ndarray, key: str, *, lit: bool) -> None:
        fill, ink = (LIT, GROUND) if lit else (EDGE, TEXT)
        if key.startswith("mouse_"):
            _mouse(out, key, fill)
            return
        label = key.upper()
        if key in _WIDE:
            column, row, width, label = _WIDE[key]
        else:
            row = next((r for r, keys in enumerate(_ROWS) if key in keys), None)
            if row is None:
                return  # a key that the drawing has no place for; the headline names it
            column, width = _ROWS[row].index(key) + _SHIFTS[row], 1.0
        x, y, w, h = _place(column, row, width)
        _rounded(out, (x, y, w, h), 5, fill, cv2.FILLED)
        size = 15 if len(label) == 1 else 12
        wide = _width(label, size, 700)
        _text(out, label, (x + (w - wide) // 2, y + h // 2 + 5), ink, size, 700)


def _place(column: float, row: int, width: float = 1.0) -> tuple[int, int, int, int]:
    pitch_x, pitch_y, high = KEY + GAP, 27, 23
    return (round(24 + column * pitch_x), 15 + row * pitch_y, round(width * pitch_x) - GAP, high)


def _mouse(out: np.ndarray, button: str, colour: tuple[int, int, int]) -> None:
    x, y, w, h = _MOUSE
    half = w // 2 - 3
    left = {"mouse_left": x, "mouse_right": x + w - half, "mouse_middle": x + half - 5}[button]
    width = 14 if button == "mouse_middle" else half
    _rounded(out, (left, y, width, h // 2 - 12), 7, colour, cv2.FILLED)


def _rounded(
    out: np.ndarray, box: tuple[int, int, int, int], r: int, colour: tuple[int, int, int], thickness: int
) -> None:
    """A rectangle with round corners of radius `r`."""
    x, y, w, h = box
    corners = [(x + r, y + r, 180), (x + w - r, y + r, 270), (x + w - r, y + h - r, 0), (x + r, y + h - r, 90)]
    points = [p for cx, cy, a in corners for p in cv2.ellipse2Poly((cx, cy), (r, r), 0, a, a + 90, 15)]
    if thickness == cv2.FILLED:
        cv2.fillPoly(out, [np.array(points, np.int32)], colour, cv2.LINE_AA)
    else:
        cv2.polylines(out, [np.array(points, np.int32)], True, colour, thickness, cv2.LINE_AA)


def _text(
    out: np.ndarray, text: str, at: tuple[int, int], colour: tuple[int, int, int], size: int, weight: int = 400
) -> None:
    cv2.putText(out, text, at, colour, FONT, size, weight)


def _width(text: str, size: int, weight: int = 400) -> int:
    return cv2.getTextSize((0, 0), text, (0, 0), FONT, size, weight)[2]


def _fit(text: str, width: int, size: int) -> str:
    """`text`, cut to `width` pixels."""
    if _width(text, size) <= width:
        return text
    while text and _width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def _wrap(text: str, width: int, size: int) -> Sequence[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(_fit(word, width, size))
    return lines
