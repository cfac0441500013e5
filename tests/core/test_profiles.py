"""Game profiles: the ones that ship, one from a file, and one sentence for any that cannot be used."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from combatvla import profiles
from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import MOUSE_BUTTONS, NAMED_KEYS, GameProfile, load_profile, profile_for, profile_names

ARENA = (resources.files(profiles) / "arena.yaml").read_text(encoding="utf-8")


def test_every_shipped_profile_loads_and_reads_its_keys_back():
    assert "arena" in profile_names()
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name and profile.prompt
        assert {profile.action_of(key) for key in profile.keys.values()} == set(profile.actions)
        assert {"health", "boss_health"} <= set(profile.hud)
    assert load_profile("arena").action_of("f12") is None


def test_a_profile_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(ARENA.replace("dodge: space", "dodge: ctrl"), encoding="utf-8")
    assert load_profile(str(path)).keys[Action.DODGE] == "ctrl"


def test_a_game_with_a_camera_and_presses(tmp_path):
    path = tmp_path / "mine.yaml"
    more = "fps: 60\npress: [light_attack, dodge]\nlook: {speed: 900}"
    path.write_text(ARENA.replace("fps: 60", more).replace("  heal: r", "  heal: r\n  lock_on: mouse_middle"))
    profile = load_profile(str(path))
    assert profile.press == (Action.LIGHT_ATTACK, Action.DODGE) and profile.look.speed == 900
    assert profile.actions[-1] is Action.LOCK_ON and profile.action_of("mouse_middle") is Action.LOCK_ON
    for name in ("arena", "blade", "flare"):
        shipped = load_profile(name)
        assert shipped.press == () and shipped.look is None, "holding repeats there, and policies were trained so"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: arena", "name: [", "line"),
        ("name: arena", "name: \xff", "utf-8"),
        ("dodge: space", "dodge: spacebar", "unknown key 'spacebar'"),
        ("dodge: space", "dodge: w", "two actions share one key"),
        ("dodge: space", "wait: space", "wait holds no key"),
        ("dodge: space", "jump: space", "keys.jump"),
        ("title: CombatVLA Arena", "title: ''", "title: .*at least 1 character"),
        ("fps: 60", "frames: 60", "frames: Extra inputs"),
        ("fps: 60", "program: ['']", "program.0: .*at least 1 character"),
        ("dodge: space", "look_left: space", "look_left is mouse motion and has no key"),
        ("fps: 60", "press: [block]", "press: block has no key"),
        ("fps: 60", "press: [jump]", "press.0"),
        ("fps: 60", "look: {speed: 0}", "look.speed"),
        ("restart: enter", "restart: return", "restart: .*unknown key 'return'"),
        ("aspect: [16, 9]", "aspect: [16, 0]", "aspect"),
        ("kind: bar", "kind: gauge", "hud.boss_health: .*'bar'"),
        ("w: 0.60000", "w: 0.9", "hud.boss_health.bar: .*ends at x 1.1, y .*outside of the window"),
        ("w: 0.60000", "w: wide", "hud.boss_health.bar.w: .*valid number"),
        ("color: [217, 41, 31]", "color: [217, 41, 300]", "hud.boss_health.bar.color.2: .*255"),
        ("color: [217, 41, 31]", "color: [20, 20, 20]", r"color \[20, 20, 20\] and back .* too alike"),
        ("color: [217, 41, 31]", "colour: red", "hud.boss_health.bar.color: Field required"),
        ("  health: {kind: bar", "  health: {kind: banner", "health is a bar, got a banner"),
        ("of: 3", "of: 0", "hud.heals.count.of"),
        ("color: [235, 41, 31]", "color: [235, 41, 31], share: [0.5, 0.2]", "share: expected two numbers"),
    ],
)
def test_a_malformed_profile_is_one_sentence(old, new, said, tmp_path):
    assert old in ARENA
    path = tmp_path / "mine.yaml"
    path.write_text(ARENA.replace(old, new), encoding="latin-1")
    with pytest.raises(UserError, match=f"mine.yaml is malformed: .*{said}") as caught:
        load_profile(str(path))
    assert "\n" not in str(caught.value)


def test_the_games_of_the_paper():
    wukong, sekiro = load_profile("wukong"), load_profile("sekiro")
    assert set("w s a d shift space r 1 mouse_left mouse_right".split()) <= set(wukong.keys.values())
    assert sekiro.keys[Action.BLOCK] == "mouse_right" and Action.SPRINT not in sekiro.keys


def test_another_program_is_not_the_game():
    wukong, arena = load_profile("wukong"), load_profile("arena")
    assert wukong.fits("b1  ", ["B1-win64-shipping.exe"]) and wukong.fits("b1", ["steam_app_2358720"])
    assert not wukong.fits("b1  ", ["firefox"]) and not wukong.fits("b1  ") and not wukong.fits("Wukong", ["b1.exe"])
    assert arena.fits("CombatVLA Arena – first") and arena.fits("CombatVLA Arena", ["whatever"])
    assert profile_for("b1  ") is None and profile_for("b1  ", ["steam_app_2358720"]) == "wukong"
    assert profile_for("Sekiro", ["sekiro.exe"]) == "sekiro"


def test_a_program_is_one_name_or_several(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(ARENA + "program: mine.exe\n", encoding="utf-8")
    assert load_profile(str(path)).program == ("mine.exe",)


def test_the_page_names_the_fields_that_exist():
    page = (Path(__file__).parents[2] / "docs" / "profile.md").read_text(encoding="utf-8")
    table = page.partition("\n| field |")[2].partition("\n\n")[0]
    named = [word for row in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(GameProfile.model_fields) and all(f"`{key}`" in table for key in NAMED_KEYS + MOUSE_BUTTONS)


@pytest.mark.parametrize("name", ["tetris", "/nowhere/mine.yaml"])
def test_an_unknown_game_is_told_which_ones_there_are(name):
    with pytest.raises(UserError, match=f"unknown game '{name}': expected one of .*arena"):
        load_profile(name)
