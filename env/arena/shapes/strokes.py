"""Letters of straight strokes, made of rectangles: text that costs the renderer little and is the same everywhere."""

from __future__ import annotations

import numpy as np

from env.arena.shapes.canvas import Canvas

_LETTERS = {
    "A": "00 05 16 36 45 40,03 43",
    "B": "00 06 36 45 44 33 03,33 42 41 30 00",
    "C": "45 36 16 05 01 10 30 41",
    "D": "00 06 26 44 42 20 00",
    "E": "46 06 00 40,03 33",
    "F": "46 06 00,03 33",
    "G": "45 36 16 05 01 10 30 41 43 23",
    "H": "00 06,40 46,03 43",
    "I": "00 06",
    "J": "36 31 20 10 01",
    "K": "00 06,46 03 40",
    "L": "06 00 40",
    "M": "00 06 23 46 40",
    "N": "00 06 40 46",
    "O": "10 01 05 16 36 45 41 30 10",
    "P": "00 06 36 45 44 33 03",
    "Q": "10 01 05 16 36 45 41 30 10,22 40",
    "R": "00 06 36 45 44 33 03,23 40",
    "S": "45 36 16 05 04 13 33 42 41 30 10 01",
    "T": "06 46,26 20",
    "U": "06 01 10 30 41 46",
    "V": "06 20 46",
    "W": "06 10 23 30 46",
    "X": "00 46,06 40",
    "Y": "06 23 46,23 20",
    "Z": "06 46 00 40",
    "0": "10 01 05 16 36 45 41 30 10",
    "1": "05 16 10",
    "2": "05 16 36 45 44 00 40",
    "3": "06 46 23 42 41 30 10 01",
    "4": "30 36 02 42",
    "5": "46 06 04 34 43 41 30 00",
    "6": "36 16 05 01 10 30 41 42 33 03",
    "7": "06 46 20",
    "8": "13 04 05 16 36 45 44 33 13 02 01 10 30 41 42 33",
    "9": "10 30 41 45 36 16 05 04 13 43",
    "!": "06 02,00 00",
    "-": "03 33",
    "'": "06 05",
    ".": "00 00",
}
"""Of each letter its lines, each through points of a grid 4 wide and 6 high, written as x and y."""
_SPACE, _GAP = 3.0, 1.9
"""In steps of the grid."""


def _lines(letter: str) -> list[np.ndarray]:
    return [np.array([(int(p[0]), int(p[1])) for p in line.split()], float) for line in _LETTERS[letter].split(",")]


def strokes(text: str) -> tuple[np.ndarray, float]:
    """The segments `[S, 2, 2]` (x, y) of a text on the letters' grid, from its lower left corner, and its width.

    `KeyError` for a letter that the alphabet lacks; small letters are drawn as capitals."""
    segments, x = [], 0.0
    for letter in text.upper():
        if letter == " ":
            x += _SPACE
            continue
        lines = [line + (x, 0) for line in _lines(letter)]
        for line in lines:
            segments += list(zip(line[:-1], line[1:], strict=True))
        x = max(float(line[:, 0].max()) for line in lines) + _GAP
    return np.array(segments).reshape(-1, 2, 2), max(0.0, x - _GAP)


def write(canvas: Canvas, text: str, x: float, y: float, height: float, color, weight: float = 0.9, align: float = 0.5):
    """Adds a text to a canvas, upright in the plane of the HUD. `(x, y)`: its lower edge, at the share `align` of its
    width; `weight`: the strokes' width in steps of the grid (6 a height). Returns the text's left end and its width."""
    segments, width = strokes(text)
    unit = height / 6
    left = x - width * unit * align
    a, b = segments[:, 0], segments[:, 1]
    along = b - a
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 0, along / np.maximum(length, 1e-9), (1.0, 0.0)) * weight / 2
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    # Half a stroke longer at both ends, so that the corners close.
    corners = np.stack([a - along - across, b + along - across, b + along + across, a - along + across], axis=1)
    faces = np.zeros((len(corners), 4, 3))
    faces[:, :, 0] = left + corners[:, :, 0] * unit
    faces[:, :, 2] = y + corners[:, :, 1] * unit
    if len(faces):
        canvas.polygons(faces, color)
    return left, width * unit
