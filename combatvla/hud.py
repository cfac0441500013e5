"""Reads a game's HUD off its picture: how full the bars are, how many pips are lit, whether a banner is up.

What is where, and in which colours, says the `hud` of a game's profile (`combatvla.profiles`). A bar is read as the
place where its columns change from full to empty, whichever their exact shades: a flash, a tint or a darkened rim
shifts all of them alike, and a spark or a letter that lies over a part of the bar is outvoted.
"""

from __future__ import annotations

import math

import numpy as np

from combatvla.profiles import GameProfile, HudBanner, HudBar, HudCount, Region, Rgb

Reading = float | int | bool
READABLE = 0.8
"""A bar counts as seen when so many more of its columns agree with the reading than do not, as a share of all."""
LUMA = 0.35
"""Brightness counts for less than colour, since flashes and shadows change it first."""
NOISE = 0.005
"""A bar's share that changed by less did not change: a flash may shift its end by a pixel."""
EMPTY = 0.01
"""A bar with less left is empty: some games leave a last pixel."""
SAME_COLOR = 50.0
"""How far a pip or a banner may be from its colour, as a distance in RGB."""
PLATE = 0.05
"""How much of a pip's part of the row its plate covers at least."""
PLAIN = 0.8
"""How much of a banner on a plate is letters or plate."""


class HudReader:
    """Reads the HUD of one profile."""

    def __init__(self, profile: GameProfile) -> None:
        self.profile = profile

    def read(self, pixels: np.ndarray) -> dict[str, Reading]:
        """Of a picture `uint8[h, w, 3]` (RGB) of the whole window, at any size, each entry of the profile's `hud` by
        its name: a bar's filled share (0..1), a count's lit pips, whether a banner is up. NaN for a bar that is not to
        be seen there."""
        pixels = picture_of(self.profile, pixels)
        return {name: _READ[entry.kind](entry, pixels) for name, entry in self.profile.hud.items()}

    def result(self, hud: dict[str, Reading]) -> str | None:
        """How the fight ended by one reading: "win", "loss", "timeout", or None. The profile's banner tells, or, where
        it has none, one empty bar of the two."""
        health, boss = hud.get("health", math.nan), hud.get("boss_health", math.nan)  # comparisons with NaN are false
        told: dict[str, bool] = {"win": boss < EMPTY <= health, "loss": health < EMPTY <= boss, "timeout": False}
        told |= {name: hud[name] for name in told if name in self.profile.hud}
        return next((name for name, up in told.items() if up), None)

    def running(self, hud: dict[str, Reading]) -> bool:
        """Whether a fight is to be seen that is not over."""
        return hud["health"] >= EMPTY and hud["boss_health"] >= EMPTY and self.result(hud) is None


def picture_of(profile: GameProfile, pixels: np.ndarray) -> np.ndarray:
    """The game's picture within that of its window, `uint8[h, w, 3]`: without the rims of a window whose shape is not
    the profile's `aspect`."""
    if profile.aspect is None:
        return pixels
    (h, w), (across, down) = pixels.shape[:2], profile.aspect
    height, width = min(h, round(w * down / across)), min(w, round(h * across / down))
    top, left = (h - height) // 2, (w - width) // 2
    return pixels[top : top + height, left : left + width]


def _bar(bar: HudBar, pixels: np.ndarray) -> float:
    strip = _cut(bar, pixels)
    edge = strip.shape[0] // 4  # scaling blurs the frame into the rim
    columns = np.median(strip[edge : strip.shape[0] - edge], axis=0).astype(np.float32)  # [n, RGB]
    along, aside = _between(columns, bar.back, bar.color)
    back, color = np.array(bar.back), np.array(bar.color)
    reach = 0.7 * np.linalg.norm(color - back)  # no flash turns one into the other
    full = (along > 0.45) & (aside < 0.5) & (np.linalg.norm(columns - color, axis=1) < reach)
    empty = (along <= 0.45) & (aside < 0.5) & (np.linalg.norm(columns - back, axis=1) < reach)
    votes = full.astype(int) - empty  # [n], 0 for a column that is neither
    if bar.fill == "left":
        votes = votes[::-1]
    elif bar.fill == "center":  # outwards from the middle, both sides at once
        half = max(1, len(votes) // 2)
        votes = (votes[-half:] + votes[:half][::-1]) / 2
    split = int(np.argmax(np.concatenate([[0], np.cumsum(votes)])))  # full before it, empty from it on
    agree = (np.sum(votes[:split]) - np.sum(votes[split:])) / len(votes)
    return split / len(votes) if agree >= READABLE else math.nan


def _count(count: HudCount, pixels: np.ndarray) -> int:
    cut = _cut(count, pixels)
    if cut.shape[1] < 3 * count.of:
        return 0  # too small to be told
    lit, plate = _near(count.color, cut), None if count.back is None else _near(count.back, cut)
    rows = slice(lit.shape[0] // 3, -(lit.shape[0] // 3) or None)
    edges = np.linspace(0, lit.shape[1], 3 * count.of + 1).round().astype(int)
    found = 0
    for k in range(count.of):
        left, inner, outer, right = edges[3 * k : 3 * k + 4]
        stands = plate is None or plate[:, left:right].mean() > PLATE
        found += bool(stands and lit[rows, inner:outer].mean() > 0.5)
    return found


def _banner(banner: HudBanner, pixels: np.ndarray) -> bool:
    cut = _cut(banner, pixels)
    every = max(1, len(cut) // 25)  # a sample of the pixels tells as much
    cut = cut[::every, ::every]
    lit = float(np.mean(_near(banner.color, cut)))
    if not banner.share[0] <= lit <= banner.share[1]:
        return False
    return banner.back is None or lit + float(np.mean(_near(banner.back, cut))) > PLAIN


def _near(color: Rgb, pixels: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pixels - np.array(color, np.float32), axis=-1) < SAME_COLOR


def _cut(region: Region, pixels: np.ndarray) -> np.ndarray:
    """The pixels whose centres lie in the region; at least one."""
    height, width = pixels.shape[:2]
    left, top = min(width - 1, round(region.x * width)), min(height - 1, round(region.y * height))
    right, bottom = round((region.x + region.w) * width), round((region.y + region.h) * height)
    return pixels[top : max(top + 1, bottom), left : max(left + 1, right)]


def _between(pixels: np.ndarray, back: Rgb, color: Rgb) -> tuple[np.ndarray, np.ndarray]:
    """How far each pixel of `[..., 3]` is on the way from `back` (0) to `color` (1), and how far off that way."""
    axis = _less_luma(np.array(color, np.float32) - np.array(back, np.float32))
    seen = _less_luma(pixels - np.array(back, np.float32))
    along = seen @ axis / (axis @ axis)
    return along, np.linalg.norm(seen - along[..., None] * axis, axis=-1) / np.linalg.norm(axis)


def _less_luma(rgb: np.ndarray) -> np.ndarray:
    return rgb - (1 - LUMA) * rgb.mean(axis=-1, keepdims=True)


_READ = {"bar": _bar, "count": _count, "banner": _banner}
