"""Reading a HUD off the picture: drawn by hand under every disturbance, and the Arena's own in real fights."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from combatvla.hud import HudReader, picture_of
from combatvla.profiles import GameProfile, load_profile
from env.arena.fight import Fight
from env.arena.render import Renderer
from env.arena.state import RESULTS
from env.players import PLAYERS
from env.tasks import Task, load_task, profile_of, task_names

RED, GOLD, GREY, BACK = (217, 41, 31), (250, 158, 26), (200, 200, 205), (10, 10, 13)
SIZES = [(1280, 720), (1000, 563), (640, 360)]


def profile(**hud: dict) -> GameProfile:
    return GameProfile(name="drawn", title="Drawn", keys={"dodge": "space"}, prompt="?", hud=hud)


def bar(color=RED, fill="right", **more) -> dict:
    return {"kind": "bar", "x": 0.2, "y": 0.05, "w": 0.6, "h": 0.035, "color": color, "fill": fill, **more}


def scene(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A picture with nothing in it: blurred patches of all colours."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def paint(pixels: np.ndarray, entry: dict, share: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    left, right = entry["x"] * width, (entry["x"] + entry["w"]) * width
    top, bottom = round(entry["y"] * height), round((entry["y"] + entry["h"]) * height)
    pixels[top - 3 : bottom + 3, round(left) - 3 : round(right) + 3] = BACK
    ends = {
        "right": (left, left + share * (right - left)),
        "left": (right - share * (right - left), right),
        "center": ((left + right - share * (right - left)) / 2, (left + right + share * (right - left)) / 2),
    }[entry["fill"]]
    pixels[top:bottom, round(ends[0]) : round(ends[1])] = entry["color"]
    return pixels


def blend(pixels, color, alpha) -> np.ndarray:
    return cv2.addWeighted(pixels, 1 - alpha, np.full_like(pixels, color), alpha, 0)


def vignette(pixels) -> np.ndarray:
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (pixels * np.clip(1.25 - 0.55 * np.hypot(x, y), 0, 1)[..., None]).astype(np.uint8)


def sparks(pixels) -> np.ndarray:
    rng = np.random.default_rng(1)
    height, width = pixels.shape[:2]
    for x in rng.integers(0, width, 8):
        cv2.circle(pixels, (int(x), int(0.07 * height)), height // 90, (120, 255, 160), -1)
    return pixels


DISTURBED = {
    "as it is": lambda p: p,
    "white flash": lambda p: blend(p, (255, 255, 255), 0.3),
    "red tint": lambda p: blend(p, (200, 0, 0), 0.25),
    "blue tint": lambda p: blend(p, (40, 80, 255), 0.25),
    "dimmed": lambda p: blend(p, (0, 0, 0), 0.35),
    "vignette": vignette,
    "sparks": sparks,
    "scaled": lambda p: cv2.resize(cv2.resize(p, None, fx=0.6, fy=0.6), p.shape[1::-1]),
    "video": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR),
}


@pytest.mark.parametrize("disturbance", DISTURBED)
@pytest.mark.parametrize(("color", "fill"), [(RED, "right"), (GOLD, "center"), (GREY, "left")])
def test_a_bar_is_read_at_every_size_under_every_disturbance(disturbance, fill, color):
    entry = bar(color, fill)
    reader = HudReader(profile(health=entry))
    for width, height in SIZES:
        for share in (0.0, 0.11, 0.83, 1.0):
            pixels = DISTURBED[disturbance](paint(scene(width, height), entry, share))
            read = reader.read(pixels)["health"]
            assert abs(read - share) <= 3 / (0.6 * width), (width, share, read)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_no_bar_is_not_read(size):
    reader = HudReader(profile(health=bar(), posture=bar(GOLD, "center")))
    for seed in range(20):
        assert all(math.isnan(v) for v in reader.read(scene(*size, seed)).values())
    for shade in (150, 255):
        assert all(math.isnan(v) for v in reader.read(np.full((*size[::-1], 3), shade, np.uint8)).values())
    half_covered = paint(scene(*size), bar(), 0.7)
    half_covered[:, size[0] // 3 : size[0] * 2 // 3] = (90, 160, 70)
    assert math.isnan(reader.read(half_covered)["health"])


def test_pips_are_counted():
    entry = {"kind": "count", "of": 5, "x": 0.3, "y": 0.9, "w": 0.2, "h": 0.05, "color": (64, 230, 89)}
    reader = HudReader(profile(heals=entry))
    for width, height in SIZES:
        for lit in range(6):
            pixels = scene(width, height)
            for k in range(5):
                color = (64, 230, 89) if k < lit else (16, 46, 27)
                middle = (round((0.3 + 0.2 * (k + 0.5) / 5) * width), round(0.925 * height))
                cv2.circle(pixels, middle, round(0.02 * height), color, -1)
            assert reader.read(pixels)["heals"] == lit
            assert reader.read(blend(pixels, (255, 255, 255), 0.15))["heals"] == lit
            assert reader.read(blend(pixels, (0, 0, 0), 0.15))["heals"] == lit


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 9), (40, 300)])
def test_in_a_picture_too_small_to_be_read_nothing_is(size):
    for name in ("arena", "blade"):
        read = HudReader(load_profile(name)).read(scene(*size))
        assert read["heals"] == 0 and set(read) == set(load_profile(name).hud)


def banner(text: str, color, width: int, height: int, seed: int = 0) -> np.ndarray:
    """A scene with `text` on a plate across the middle."""
    pixels, scale = scene(width, height, seed), height / 160
    pixels[round(0.4 * height) : round(0.6 * height)] = BACK
    thick = max(1, round(4 * scale))
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    at = ((width - w) // 2, (height + h) // 2)
    return cv2.putText(pixels, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thick)


def test_a_banner_is_told_from_another_one_and_from_play():
    place = {"kind": "banner", "x": 0.35, "y": 0.42, "w": 0.3, "h": 0.16, "back": BACK}
    reader = HudReader(profile(win=place | {"color": GOLD}, loss=place | {"color": RED}))
    for width, height in SIZES:
        for seed in range(10):
            assert reader.read(banner("VICTORY", GOLD, width, height, seed)) == {"win": True, "loss": False}
            assert reader.read(banner("YOU DIED", RED, width, height, seed)) == {"win": False, "loss": True}
            assert reader.read(banner("", RED, width, height, seed)) == {"win": False, "loss": False}
            assert reader.read(scene(width, height, seed)) == {"win": False, "loss": False}
        for color in (GOLD, RED, BACK):
            assert not any(reader.read(np.full((height, width, 3), color, np.uint8)).values())


@pytest.mark.parametrize(
    ("reading", "result", "running"),
    [
        ({"health": 0.5, "boss_health": 0.5}, None, True),
        ({"health": 0.5, "boss_health": 0.0}, "win", False),
        ({"health": 0.0, "boss_health": 0.5}, "loss", False),
        ({"health": 0.0, "boss_health": 0.0}, None, False),  # dark all over: a menu, say
        ({"health": math.nan, "boss_health": 0.0}, None, False),
        ({"health": 0.5, "boss_health": math.nan}, None, False),
    ],
)
def test_without_banners_an_empty_bar_tells_the_result(reading, result, running):
    reader = HudReader(profile(health=bar(), boss_health=bar()))
    assert reader.result(reading) == result and reader.running(reading) == running


def test_banners_overrule_the_bars():
    banner = {"kind": "banner", "x": 0.3, "y": 0.4, "w": 0.4, "h": 0.2, "color": RED}
    reader = HudReader(profile(health=bar(), boss_health=bar(), win=banner, timeout=banner))
    reading = {"health": 0.5, "boss_health": 0.0, "win": False, "timeout": False}
    assert reader.result(reading) is None  # a boss with a second life
    assert reader.result(reading | {"win": True}) == "win"
    assert reader.result(reading | {"timeout": True}) == "timeout"


def moments(task: Task, decisions: int):
    """Real fights, one after the other, in which the fighter heals, strikes, wins and dies: after each decision."""
    for seed, name in enumerate(("random", "oracle", "reaction", "random") * 9):
        player, fight = PLAYERS[name](), Fight(task, seed)
        player.reset(seed)
        while fight.result is None:
            plan = player.decide([], truth=fight.truth()).plan
            fight.decide(plan.to_array())
            yield fight
            decisions -= 1
            if not decisions:
                return


def check_readings(task: Task, size: tuple[int, int], decisions: int, most: float) -> set[str | None]:
    """Compares each reading with the truth; `most`: by how much of a bar it may be off. Gives the results seen."""
    reader, renderer = HudReader(profile_of(task)), Renderer(*size)
    results = set()
    for fight in moments(task, decisions):
        hud, truth = reader.read(renderer.draw(fight)), fight.truth()
        player, boss = truth["player"], truth["boss"]
        wanted = {"health": player["health"], "boss_health": boss["health"]}
        if truth["rules"] == "staff":
            wanted["stamina"] = player["stamina"]
        else:
            wanted |= {"posture": player["posture"], "boss_posture": boss["posture"]}
        for name, share in wanted.items():
            assert abs(hud[name] - share) <= most, (name, hud, truth)
        assert hud["heals"] == player["heals"] and reader.result(hud) == fight.result, (hud, truth)
        if "boss_lives" in hud:
            lives = len(fight.task.boss.phases) + 1 - truth["phase"]
            assert hud["boss_lives"] == (0 if fight.result == "win" else lives)
        results.add(fight.result)
    renderer.close()
    return results


@pytest.mark.parametrize("name", ["first", "ronin"])
def test_the_arena_is_read_as_it_is(name):
    task = load_task(name)
    task = task.model_copy(update={"boss": task.boss.model_copy(update={"health": 150.0})})  # a short fight
    check_readings(task, (1280, 720), 60, most=0.005)
    assert check_readings(task, (640, 360), 300, most=0.01) == {None, "win", "loss"}


@pytest.mark.slow
@pytest.mark.parametrize("name", task_names())
def test_every_fight_is_read_as_it_is(name):
    task = load_task(name)
    check_readings(task, (1280, 720), 300, most=0.005)
    check_readings(task, (640, 360), 800, most=0.01)
    check_readings(task, (320, 180), 800, most=0.02)


@pytest.mark.parametrize("task", ["first", "ronin"])
def test_the_arenas_banners_are_told_apart_at_every_size(task):
    reader = HudReader(profile_of(load_task(task)))
    for size in ((1280, 720), (448, 252), (320, 180)):
        renderer, fight = Renderer(*size), Fight(load_task(task), 3)
        for number, result in enumerate(RESULTS):
            fight.state["result"] = number
            assert reader.result(reader.read(renderer.draw(fight))) == result
        renderer.close()


def test_a_picture_in_a_window_of_another_shape():
    reader, fight = HudReader(profile_of(load_task("first"))), Fight(load_task("first"), 3)
    fight.player.health = 40.0
    renderer = Renderer(640, 360)
    picture = renderer.draw(fight)
    renderer.close()
    for shape, top, left in (((480, 640, 3), 60, 0), ((360, 800, 3), 0, 80)):
        window = np.zeros(shape, np.uint8)
        window[top : top + 360, left : left + 640] = picture
        assert np.array_equal(picture_of(reader.profile, window), picture)
        assert reader.read(window) == reader.read(picture)
    assert reader.read(picture)["health"] == pytest.approx(0.4, abs=0.01)


def test_the_pages_hud_is_one():
    page = (Path(__file__).parents[2] / "docs" / "window.md").read_text(encoding="utf-8")
    written = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert set(profile(**written["hud"]).hud) == {"health", "boss_health", "heals", "win"}
