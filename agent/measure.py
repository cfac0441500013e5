"""What a profile says of a HUD, measured off a picture: where a bar ends, its colours, pips, the letters of a banner.

Places come as two corners that a person pointed at, some pixels beside the truth. Pictures are `uint8[h, w, 3]` RGB,
corners x, y in pixels. Results are entries of a profile's `hud` as plain data.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from combatvla.errors import UserError
from combatvla.hud import SAME_COLOR

Corner = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""
LEAST = (8, 2)
"""A bar is at least so wide and high, in pixels."""
PLAIN = 0.7
"""So much of a row or column of a bar has its colour, at least: the rest are letters and sparks."""
DARK = (10, 10, 13)
"""The empty part, where nobody has seen it: as `HudBar.back`."""


def box_of(first: Corner, second: Corner) -> Box:
    """The box between two corners. `UserError` when it is too small to be a bar."""
    left, right = sorted((first[0], second[0]))
    top, bottom = sorted((first[1], second[1]))
    if right - left < LEAST[0] or bottom - top < LEAST[1]:
        raise UserError(
            f"between {first[0]},{first[1]} and {second[0]},{second[1]} lie {right - left}x{bottom - top} pixels, "
            f"expected {LEAST[0]}x{LEAST[1]} or more: the upper left and the lower right corner of the whole bar"
        )
    return left, top, right, bottom


def region(box: Box, pixels: np.ndarray) -> dict[str, float]:
    """A box as fractions of the picture."""
    (height, width), (left, top, right, bottom) = pixels.shape[:2], box
    x, y = min(max(left / width, 0), 1), min(max(top / height, 0), 1)
    return {
        "x": round(x, 5),
        "y": round(y, 5),
        "w": round(min(right / width, 1) - x, 5),
        "h": round(min(bottom / height, 1) - y, 5),
    }


def bar(pixels: np.ndarray, first: Corner, second: Corner) -> tuple[dict[str, Any], float]:
    """The entry of a bar that is full, and how much of it has its one colour: well under 1 it was not full."""
    box = box_of(first, second)
    color = main_color(_inside(pixels, box))
    box = snap(pixels, box, color)
    color = main_color(_inside(pixels, box))
    plain = float(np.mean(_near(_inside(pixels, box), color)))
    return {"kind": "bar", **region(box, pixels), "color": color.tolist()}, plain


def emptied(pixels: np.ndarray, entry: dict[str, Any]) -> dict[str, Any] | None:
    """What the picture of the same bar, in part empty, adds to its entry: `back`, and `fill` where it does not grow to
    the right. None when it still looks full, or is too full to tell."""
    box = box_in(pixels, entry)
    full = np.mean(_near(_inside(pixels, box), np.array(entry["color"])), axis=0) > PLAIN  # [columns]
    if np.mean(~full) < 0.05 or not full.any():
        return None
    columns = np.flatnonzero(full)
    left, right = int(columns[0]), len(full) - 1 - int(columns[-1])
    edge = len(full) // 20
    back = main_color(_inside(pixels, box)[:, ~full])
    if np.abs(back.astype(int) - np.array(entry["color"])).sum() < 60:
        return None
    fill = "center" if left > edge and right > edge else "left" if left > right else "right"
    return {"back": back.tolist()} | ({"fill": fill} if fill != "right" else {})


def pips(pixels: np.ndarray, first: Corner, last: Corner, of: int, worth: float) -> dict[str, Any]:
    """The entry of a row of `of` pips, all lit, by the middles of the first and the last one. `UserError` when they
    have not one colour or do not stand in a row."""
    left, right = sorted((first, last))
    if of > 1 and (right[0] - left[0] < 3 * (of - 1) or abs(right[1] - left[1]) > (right[0] - left[0])):
        raise UserError(f"{of} heals between {left[0]},{left[1]} and {right[0]},{right[1]}: they must stand in a row")
    color = main_color(pixels[left[1] - 1 : left[1] + 2, left[0] - 1 : left[0] + 2])
    near = _near(pixels, color)
    tall = _run(near[:, left[0]], left[1])
    wide = _run(near[left[1]], left[0])
    middle = (tall[0] + tall[1]) / 2
    height = 1.5 * max(2, tall[1] - tall[0])  # only the middle third of it is looked at
    step = (right[0] - left[0]) / (of - 1) if of > 1 else 2 * max(2, wide[1] - wide[0])
    start = (wide[0] + wide[1]) / 2 - step / 2
    box = (round(start), round(middle - height / 2), round(start + of * step), round(middle + height / 2))
    entry = {"kind": "count", "of": of, **({"worth": worth} if worth else {}), **region(box, pixels)}
    return entry | {"color": color.tolist()}


def banner(pixels: np.ndarray, first: Corner, second: Corner) -> dict[str, Any]:
    """The entry of words that are up, between two corners: the colour of the letters, how much they cover, and the
    plate behind them where it has one colour."""
    box = box_of(first, second)
    cut = _inside(pixels, box, rows=1.0).reshape(-1, 3).astype(np.float32)
    _, label, _ = cv2.kmeans(cut, 2, None, (cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0), 3, cv2.KMEANS_PP_CENTERS)
    letters = label[:, 0] == int(np.mean(label) < 0.5)  # the fewer ones
    color, back = main_color(cut[letters]), main_color(cut[~letters])
    share = float(np.mean(_near(cut, color)))
    plate = float(np.mean(_near(cut, color) | _near(cut, back))) > 0.9
    entry = {"kind": "banner", **region(box, pixels), "color": color.tolist()}
    entry["share"] = [round(max(0.01, 0.6 * share), 3), round(min(1.0, max(0.02, 1.6 * share)), 3)]
    return entry | ({"back": back.tolist()} if plate else {})


def snap(pixels: np.ndarray, box: Box, color: np.ndarray) -> Box:
    """`box` with each side moved by some pixels, to where this colour ends; a side where it does not end so near stays
    where it is."""
    left, top, right, bottom = box
    height, width = pixels.shape[:2]
    wide, tall = max(6, round(0.02 * (right - left))), max(4, round(0.5 * (bottom - top)))
    eighth = (right - left) // 8
    rows = np.mean(_near(pixels[:, left + eighth : right - eighth], color), axis=1) > PLAIN
    begin, end = _run(rows, (top + bottom) // 2, max(0, top - tall), min(height, bottom + tall))
    if end - begin < 0.4 * (bottom - top):
        return box
    quarter = (end - begin) // 4
    columns = np.mean(_near(pixels[begin + quarter : end - quarter], color), axis=0) > PLAIN
    first = np.flatnonzero(columns[max(0, left - wide) : left + wide])
    last = np.flatnonzero(columns[right - wide : min(width, right + wide)])
    return (
        max(0, left - wide) + int(first[0]) if len(first) else left,
        begin,
        right - wide + int(last[-1]) + 1 if len(last) else right,
        end,
    )


def box_in(pixels: np.ndarray, entry: dict[str, Any]) -> Box:
    """Where an entry lies in a picture."""
    height, width = pixels.shape[:2]
    left, top = round(entry["x"] * width), round(entry["y"] * height)
    return left, top, round((entry["x"] + entry["w"]) * width), round((entry["y"] + entry["h"]) * height)


def main_color(pixels: np.ndarray) -> np.ndarray:
    """The colour of the most of `[..., 3]`: the median of what is near the median, so that letters do not count."""
    flat = pixels.reshape(-1, 3)
    middle = np.median(flat, axis=0)
    near = flat[_near(flat, middle)]
    return np.round(np.median(near if len(near) else flat, axis=0)).astype(int)


def _inside(pixels: np.ndarray, box: Box, rows: float = 0.5) -> np.ndarray:
    """The pixels of a box; of its rows only the middle ones, since scaling blurs the frame into the rim."""
    left, top, right, bottom = box
    cut = int((bottom - top) * (1 - rows) / 2)
    return pixels[top + cut : max(top + cut + 1, bottom - cut), left:right]


def _near(pixels: np.ndarray, color: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pixels.astype(np.float32) - np.asarray(color, np.float32), axis=-1) < SAME_COLOR


def _run(flags: np.ndarray, at: int, least: int = 0, most: int | None = None) -> tuple[int, int]:
    """The stretch of True around `at`, between `least` and `most`: its beginning and end, empty where `at` is False."""
    most = len(flags) if most is None else most
    if not (least <= at < most and flags[at]):
        return at, at
    begin, end = at, at + 1
    while begin > least and flags[begin - 1]:
        begin -= 1
    while end < most and flags[end]:
        end += 1
    return begin, end
