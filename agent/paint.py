"""Draws the HUD strip's shapes and words at any size: all coordinates are of a strip 1280 wide, and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

Colour = tuple[int, int, int]
GROUND, PANEL, EDGE = (14, 16, 21), (26, 29, 37), (56, 62, 76)
TEXT, FAINT, LIT, GOOD, BAD = (232, 235, 242), (136, 144, 160), (255, 186, 58), (104, 211, 145), (255, 107, 107)
BLUE, VIOLET = (122, 176, 255), (196, 156, 255)
FONT = cv2.FontFace("sans")


class Canvas:
    """Draws on `out` (`uint8[H, W, 3]`, RGB). Its own point (0, 0) lies at `x`, `y` of the picture's."""

    def __init__(self, out: np.ndarray, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> None:
        self.out, self.scale, self.x, self.y = out, scale, x, y

    def at(self, x: float, y: float) -> Canvas:
        """The same picture, with its own (0, 0) at `x`, `y` of this one's."""
        return Canvas(self.out, self.scale, self.x + x, self.y + y)

    def on(self, out: np.ndarray) -> Canvas:
        """The same place on another picture."""
        return Canvas(out, self.scale, self.x, self.y)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        return round((self.x + x) * self.scale), round((self.y + y) * self.scale)

    def text(self, text: str, x: float, y: float, colour: Colour, size: float, weight: int = 400) -> None:
        """`text` with its base line's left end at `x`, `y`."""
        if text:
            pixels = max(5, round(size * self.scale))
            cv2.putText(self.out, text, self._point(x, y), colour, FONT, pixels, weight)

    def box(self, x: float, y: float, w: float, h: float, r: float, colour: Colour, *, line: float = 0) -> None:
        """A rectangle with round corners of radius `r`: filled, or its outline `line` thick."""
        (left, top), (right, bottom) = self._point(x, y), self._point(x + w, y + h)
        r = max(0, min(round(r * self.scale), (right - left) // 2, (bottom - top) // 2))
        corners = [
            (left + r, top + r, 180),
            (right - r, top + r, 270),
            (right - r, bottom - r, 0),
            (left + r, bottom - r, 90),
        ]
        points = [p for cx, cy, a in corners for p in cv2.ellipse2Poly((cx, cy), (r, r), 0, a, a + 90, 10)]
        if line:
            thick = max(1, round(line * self.scale))
            cv2.polylines(self.out, [np.array(points, np.int32)], True, colour, thick, cv2.LINE_AA)
        else:
            cv2.fillPoly(self.out, [np.array(points, np.int32)], colour, cv2.LINE_AA)

    def lines(self, points: Sequence[tuple[float, float]], colour: Colour, thick: float = 1.0) -> None:
        if len(points) > 1:
            places = np.array([[(self.x + x, self.y + y) for x, y in points]]) * self.scale * 16
            width = max(1, round(thick * self.scale))
            cv2.polylines(self.out, places.round().astype(np.int32), False, colour, width, cv2.LINE_AA, 4)

    def area(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        places = np.array([[(self.x + x, self.y + y) for x, y in points]]) * self.scale
        cv2.fillPoly(self.out, places.round().astype(np.int32), colour, cv2.LINE_AA)


@lru_cache(4096)
def width_of(text: str, size: float, weight: int = 400) -> int:
    """Of `text` in a strip 1280 wide."""
    return cv2.getTextSize((0, 0), text, (0, 0), FONT, round(size), weight)[2]


def fit(text: str, width: float, size: float, weight: int = 400) -> str:
    """`text`, cut to `width`."""
    text = text[:300]
    if width_of(text, size, weight) <= width:
        return text
    while text and width_of(text + "…", size, weight) > width:
        text = text[:-1]
    return text + "…"


def wrap(text: str, width: float, size: float, most: int) -> list[str]:
    """`text` in at most `most` lines of `width`; the last one is cut."""
    lines: list[str] = []
    words = text.split()
    for i, word in enumerate(words):
        if lines and width_of(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        elif len(lines) == most:
            lines[-1] = fit(" ".join([lines[-1], *words[i : i + 12]]), width, size)
            return lines
        else:
            lines.append(fit(word, width, size))
    return lines
