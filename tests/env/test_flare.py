"""The boss fight in Flare: what is written for the game, what is read off its screen, and the game itself."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest

from combatvla.actions import Action
from combatvla.desktop.display import missing_programs
from combatvla.errors import UserError
from combatvla.hud import HudReader
from combatvla.policy.base import Frame
from combatvla.profiles import load_profile
from env.flare import game
from env.flare.game import PICTURES, PLACES, find_game, make_home
from env.flare.player import REACH, WAYS, FlarePlayer, find_boss, way_to
from tests.helpers import run_command

SIZE = (588, 336)


def installed() -> bool:
    try:
        find_game()
    except UserError:
        return False
    return not missing_programs()


needs_flare = pytest.mark.skipif(
    not installed(), reason="Flare, Xvfb or openbox is not installed: scripts/setup.sh flare"
)


def picture(
    health: float = 1.0, boss: float = 1.0, at: tuple[float, float] | None = None, plate: str = ""
) -> np.ndarray:
    """The screen as our mod draws it, without the floor: bars, the boss `at` (tiles right, down), a plate."""
    seen = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    for left, name, full in ((7, "combatvla_hero", health), (381, "combatvla_boss", boss)):
        seen[4:30, left - 3 : left + 203] = PICTURES["combatvla_back"][1]
        seen[7:27, left : left + round(200 * full)] = PICTURES[name][1]
    if at is not None:
        x, y = round(294 + 45 * at[0]), round(163 + 22.5 * at[1])
        seen[y - 60 : y, x - 12 : x + 12] = (160, 40, 30)
    if plate:
        seen[58:158, 166:422] = PICTURES[plate][1]
    return seen


def test_the_keys_of_the_game_are_those_of_the_profile(tmp_path):
    make_home(tmp_path, 0)
    bound = dict(re.findall(r"^(\w+)=SDL:(\w+),0", (tmp_path / ".config/flare/keybindings.txt").read_text(), re.M))
    keys = load_profile("flare").keys
    names = {"up": "move_forward", "down": "move_back", "left": "move_left", "right": "move_right"}
    names |= {"bar1": "light_attack", "bar2": "heal", "bar3": "dodge"}
    assert {names[k]: v for k, v in bound.items() if k in names} == {a.value: k for a, k in keys.items()}


def test_a_seed_always_begins_at_the_same_place(tmp_path):
    spawns = []
    for n, seed in enumerate([1, 1, *range(40)]):
        make_home(tmp_path / str(n), seed)
        hero = (tmp_path / str(n) / f".local/share/flare/saves/empyrean/{game.SLOT}/avatar.txt").read_text()
        spawns.append(re.search(r"^spawn=maps/combatvla_arena.txt,(\d+),(\d+)$", hero, re.M).groups())
    assert spawns[0] == spawns[1] and {(int(x), int(y)) for x, y in spawns} == set(PLACES)


def test_the_bars_are_drawn_in_the_colours_that_the_profile_reads(tmp_path):
    make_home(tmp_path, 0)
    hud = load_profile("flare").hud
    for name, entry in (
        ("combatvla_hero", "health"),
        ("combatvla_boss", "boss_health"),
        ("combatvla_won", "win"),
        ("combatvla_lost", "loss"),
    ):
        drawn = cv2.imread(str(tmp_path / f".local/share/flare/mods/{game.MOD}/images/menus/{name}.png"))
        assert tuple(drawn[0, 0, ::-1]) == hud[entry].color


@pytest.mark.parametrize("scale", [1, 2])
def test_health_and_outcome_are_read_off_the_screen(scale):
    reader = HudReader(load_profile("flare"))

    def read(**what):
        seen = np.repeat(np.repeat(picture(**what), scale, 0), scale, 1)
        return reader.read(seen), reader.result(reader.read(seen))

    hud, result = read(health=0.4, boss=0.75)
    assert hud["health"] == pytest.approx(0.4, abs=0.01) and hud["boss_health"] == pytest.approx(0.75, abs=0.01)
    assert result is None and reader.running(hud)
    assert read(health=0.2, boss=0.0, plate="combatvla_won")[1] == "win"
    assert read(health=0.0, boss=0.3, plate="combatvla_lost")[1] == "loss"
    assert read(health=0.2, boss=0.0)[1] is None, "without the plate an empty bar may be one that is not drawn"


def test_the_player_sees_where_the_boss_is():
    assert find_boss(picture()) is None
    for at in ((3, 0), (-3, 0), (0, 3), (0, -3), (2, 2), (-2, -2)):
        assert find_boss(picture(at=at)) == pytest.approx(at, abs=0.35)
    assert set(way_to(3, 3)) == {Action.MOVE_RIGHT, Action.MOVE_BACK} and way_to(-2, 0.1) == (Action.MOVE_LEFT,)


def test_the_player_walks_strikes_and_drinks():
    player = FlarePlayer()

    def holds(**what):
        return player.decide([Frame(picture(**what), 0)]).plan.steps[0].held

    assert holds(at=(4, 0)) == {Action.MOVE_RIGHT}
    assert holds(at=(0.1, 0.1)) == {Action.LIGHT_ATTACK}
    assert holds(at=(-REACH + 0.5, 0)) == {Action.LIGHT_ATTACK, Action.MOVE_LEFT}
    assert holds(at=(0.1, 0.1), health=0.3) == {Action.LIGHT_ATTACK, Action.HEAL}
    assert holds() == frozenset() and holds(health=0.3) == {Action.HEAL}


def test_it_stumbles_as_often_as_it_is_told_and_says_when():
    player = FlarePlayer(stumble=0.25)
    player.reset(1)
    seen, period_ns = picture(at=(0.1, 0.1)), 100_000_000
    stumbled = set()
    for n in range(2000):
        held = player.decide([Frame(seen, n * period_ns)]).plan.steps[0].held
        assert held == {Action.LIGHT_ATTACK} or held in [set(way) for way in WAYS]
        if held != {Action.LIGHT_ATTACK}:
            stumbled.add(n)
    assert 0.2 < len(stumbled) / 2000 < 0.3
    told = [n for begin, end in player.stumbles for n in range(begin // period_ns, -(-end // period_ns)) if n < 2000]
    assert sorted(told) == sorted(stumbled)
    player.reset(1)
    assert player.stumbles == []


def test_without_the_game_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(game.shutil, "which", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"scripts/setup.sh flare"):
        find_game()


@needs_flare
def test_the_real_game_takes_our_keys(tmp_path):
    """Six seconds of the scripted player in the game's own window: it comes up to the boss and hurts it."""
    out = ("--out", str(tmp_path / "out"), "--sessions", str(tmp_path / "sessions"), "--no-replay", "--json")
    done = run_command("bench", "flare", "--seconds", "6", *out)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["results"] == ["timeout"] and record["decisions"] > 40
    assert 0.3 < record["boss_health_left"] < 0.99 and 0.3 < record["health_left"] <= 1
    (session,) = record["sessions"]
    from tracker.check import check
    from tracker.session import Session

    (flag,) = Session(session).flags()
    assert flag.why == "nobody plays yet"
    report = check(session)
    assert report.presses.get("j", 0) >= 1 and report.stuck_keys == []


@needs_flare
@pytest.mark.live
@pytest.mark.parametrize(("player", "result"), [("scripted", "win"), ("random", "loss")])
def test_whole_fights_are_won_and_lost(player, result, tmp_path):
    done = run_command("bench", "flare", "--player", player, "--out", str(tmp_path), "--no-replay", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["results"] == [result], done.stderr
