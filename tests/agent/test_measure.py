"""What is measured off a picture is read as it was drawn, though the corners were pointed at some pixels beside."""

from __future__ import annotations

import numpy as np
import pytest

from agent import measure
from combatvla.errors import UserError
from combatvla.hud import HudReader
from combatvla.profiles import GameProfile

RED, DARK, GREEN = (190, 55, 50), (30, 26, 30), (64, 230, 89)
BOX = (100, 40, 420, 56)


def scene(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.repeat(np.repeat(rng.integers(0, 256, (18, 32, 3), np.uint8), 20, 0), 20, 1)


def drawn(share: float, fill: str = "right", back=DARK, color=RED, noise: int = 6) -> np.ndarray:
    """A bar with a frame, letters over it and a grain."""
    pixels = scene()
    left, top, right, bottom = BOX
    pixels[top - 3 : bottom + 3, left - 3 : right + 3] = (240, 240, 240)
    pixels[top:bottom, left:right] = back
    wide = round(share * (right - left))
    begin = {"right": left, "left": right - wide, "center": (left + right - wide) // 2}[fill]
    pixels[top:bottom, begin : begin + wide] = color
    pixels[top + 5 : bottom - 5, left + 30 : left + 60 : 4] = 255
    grain = np.random.default_rng(1).integers(-noise, noise + 1, pixels.shape)
    return np.clip(pixels.astype(int) + grain, 0, 255).astype(np.uint8)


def read(pixels: np.ndarray, **hud):
    return HudReader(GameProfile(name="?", title="?", keys={}, prompt="?", hud=hud)).read(pixels)


@pytest.mark.parametrize("off", [(0, 0, 0, 0), (4, -2, -4, 2), (-5, 3, 5, -3), (3, -3, 4, 3)])
@pytest.mark.parametrize("fill", ["right", "left", "center"])
def test_a_bar_is_read_as_drawn(fill, off):
    corners = (BOX[0] + off[0], BOX[1] + off[1]), (BOX[2] + off[2], BOX[3] + off[3])
    entry, plain = measure.bar(drawn(1.0), *corners)
    assert plain > 0.95 and measure.box_in(drawn(1.0), entry) == BOX
    assert np.abs(np.array(entry["color"]) - RED).max() <= 2
    assert measure.emptied(drawn(1.0), entry) is None and measure.emptied(drawn(0.0), entry) is None
    entry |= measure.emptied(drawn(0.5, fill), entry)
    assert entry.get("fill", "right") == fill and np.abs(np.array(entry["back"]) - DARK).max() <= 2
    for share in (0.1, 0.33, 0.8, 1.0):
        assert read(drawn(share, fill), health=entry)["health"] == pytest.approx(share, abs=0.01)


def test_a_bar_that_is_not_full_is_not_taken_for_a_shorter_one():
    entry, plain = measure.bar(drawn(0.7), BOX[:2], BOX[2:])
    assert plain < 0.8 and entry["w"] == pytest.approx((BOX[2] - BOX[0]) / 640, abs=0.002)


def test_corners_may_come_in_any_order_but_not_as_one():
    assert measure.box_of((420, 56), (100, 40)) == BOX
    with pytest.raises(UserError, match="expected 8x2 or more"):
        measure.box_of((100, 40), (103, 60))


@pytest.mark.parametrize("of", [1, 3, 5])
def test_pips_are_counted(of):
    places = [(100 + 30 * k, 300) for k in range(of)]

    def row(lit: int) -> np.ndarray:
        pixels = scene(3)
        for k, (x, y) in enumerate(places):
            pixels[y - 9 : y + 9, x - 9 : x + 9] = GREEN if k < lit else DARK
        return pixels

    entry = measure.pips(row(of), (places[0][0] + 2, 302), (places[-1][0] - 1, 299), of, 0.45)
    assert entry["worth"] == 0.45
    assert [read(row(lit), heals=entry)["heals"] for lit in range(of + 1)] == list(range(of + 1))


def test_pips_stand_in_a_row():
    with pytest.raises(UserError, match="3 heals between .*in a row"):
        measure.pips(scene(), (100, 100), (102, 100), 3, 0)


@pytest.mark.parametrize("plate", [True, False])
def test_a_banner_is_told_from_a_fight(plate):
    pixels = scene(5) // 3
    if plate:
        pixels[150:200, 200:440] = (10, 10, 13)
    pixels[160:190, 220:420:8] = pixels[160:190, 221:420:8] = pixels[160:190, 222:420:8] = (255, 214, 92)
    entry = measure.banner(pixels, (200, 150), (440, 200))
    assert ("back" in entry) is plate
    assert read(pixels, win=entry)["win"] and not read(scene(5) // 3, win=entry)["win"]
