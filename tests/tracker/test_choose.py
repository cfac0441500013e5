"""`tracker record` and `tracker windows`: the window of one's choice, with a game's profile and without one."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from pathlib import Path

import pytest
from Xlib import XK, X

from combatvla.cli import resolve
from combatvla.desktop.base import Window
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.x11 import connect
from combatvla.errors import UserError
from combatvla.profiles import profile_for
from tests.helpers import run_command, start_command, until
from tracker.check import check
from tracker.record import Args, check_names, pace
from tracker.session import Session


def recorded(tmp_path, *extra: str) -> dict:
    done = run_command("tracker", "record", "--out", str(tmp_path / "s"), "--json", "--stop-after", "0.6", *extra)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def refused(tmp_path, *extra: str) -> str:
    done = run_command("tracker", "record", "--out", str(tmp_path / "s"), *extra)
    assert done.returncode == 2 and "Traceback" not in done.stderr and not (tmp_path / "s").exists()
    return " ".join(done.stderr.split())


def test_a_profile_fits_a_title():
    assert profile_for("CombatVLA Arena – first") == "arena" and profile_for("CombatVLA Blade") == "blade"
    assert profile_for("My CombatVLA Arena") is None


def test_any_window_is_recorded_by_its_title(desktop, arena, probe, tmp_path):
    probe("Some Game [v1]", 640, 360).find(desktop, arena)
    figures = recorded(tmp_path, "--title", "game [V1]")
    session = Session(tmp_path / "s")
    assert session.info.title == "Some Game [v1]" and session.info.game == ""
    assert figures["fps_asked"] == session.info.fps == 60
    report = check(tmp_path / "s")
    assert "no key was pressed" in report.reasons and any("--game" in note for note in report.notes)
    assert "no key of the game was pressed" in check(tmp_path / "s", "arena").reasons
    with pytest.raises(UserError, match="recorded without a game's profile: name one with --game"):
        session.profile()
    assert session.profile("arena").name == "arena"
    done = run_command("tracker", "export", str(tmp_path / "s"), "--out", str(tmp_path / "d"))
    assert done.returncode == 2 and "--game" in done.stderr and "Traceback" not in done.stderr


def test_by_process_and_the_profile_is_known_by_the_title(desktop, probe, tmp_path):
    probe("CombatVLA Arena – one", 200, 150, 0, 0)
    other = probe("CombatVLA Arena – two", 200, 150, 300, 0)
    recorded(tmp_path, "--pid", str(other.process.pid))
    info = Session(tmp_path / "s").info
    assert info.title == "CombatVLA Arena – two" and info.game == "arena"


def test_a_chosen_window_with_the_keys_of_a_profile(desktop, arena, probe, tmp_path):
    probe("unrelated", 200, 150).find(desktop, arena)
    recorded(tmp_path, "--title", "unrelated", "--game", "blade")
    assert Session(tmp_path / "s").info.game == "blade"


def test_the_pace_follows_the_size(desktop, probe, tmp_path):
    probe("probe", 200, 150)
    assert recorded(tmp_path, "--title", "^probe$", "--fps", "25")["fps_asked"] == 25
    sizes = ((1280, 720), (1281, 720), (1920, 1080))
    assert [pace(Window(1, "", None, 0, 0, *size)) for size in sizes] == [60, 30, 30]


def test_what_cannot_be_chosen_is_said_in_one_sentence(desktop, probe, tmp_path):
    probe("twin a", 200, 150, 0, 0), probe("twin b", 200, 150, 300, 0)
    until(lambda: len([w for w in desktop.windows() if w.title.startswith("twin")]) == 2)
    assert "2 windows with 'twin' in the title are open: 'twin a'" in refused(tmp_path, "--title", "twin")
    assert "no window is chosen" in refused(tmp_path)
    assert "leave out --title" in refused(tmp_path, "--click", "--title", "twin a")
    assert "three keys" in refused(tmp_path, "--title", "twin a", "--stop-key", "F9")
    assert "no window with 'x' in the title" in refused(tmp_path, "--title", "x", "--wait", "0")


def test_keys_that_would_never_fire_are_refused(desktop, probe, tmp_path):
    """The listener says escape, nothing types ! without shift, and the Arena dodges with the space bar."""
    probe("CombatVLA Arena – probe", 200, 150)
    where = ("--title", "Arena – probe")
    assert "--pause-key: expected a key's name" in (said := refused(tmp_path, *where, "--pause-key", "esc"))
    assert "did you mean escape?" in said
    assert "such as p, f8" in refused(tmp_path, *where, "--mark-key", "!")
    assert "three keys that arena does not use" in refused(tmp_path, *where, "--pause-key", "space")
    assert not (tmp_path / "s").exists()
    recorded(tmp_path, *where, "--pause-key", "Escape", "--mark-key", "p", "--stop-key", "mouse_middle")


def test_any_key_that_the_listener_reports_may_be_a_hotkey(display):
    from pynput import keyboard

    from tracker.listen import InputListener

    for key in [*keyboard.Key, keyboard.KeyCode.from_vk(0xFFB0)]:
        check_names({"stop": InputListener._name(None, key)})
    for name in ("f8", "p", "1", "-", "ö", "mouse_left", "page_up"):
        check_names({"stop": name})
    for name in ("esc", "!", "_", "", " ", "shift_l", "return", "mouse_4", "f99", "key_", "\n"):
        with pytest.raises(UserError, match="--stop-key: expected"):
            check_names({"stop": name})


def test_of_several_windows_of_a_game_none_is_recorded(desktop, arena, probe, tmp_path):
    """Not the newest, nor the one with the focus: either may be what nobody wanted to have recorded."""
    probe("CombatVLA Arena – guide", 200, 150, 0, 0).find(desktop, arena)
    other = probe("CombatVLA Arena – game", 200, 150, 300, 0)
    until(lambda: len([w for w in desktop.windows() if w.title.startswith("CombatVLA Arena")]) == 2)
    other.find(desktop, arena)
    said = refused(tmp_path, "--game", "arena")
    assert (
        "2 windows whose title starts with 'CombatVLA Arena' are open" in said and "--title, --pid or --click" in said
    )
    assert "'CombatVLA Arena – guide'" in said and f"'CombatVLA Arena – game' (process {other.process.pid})" in said
    recorded(tmp_path, "--game", "arena", "--pid", str(other.process.pid))
    assert Session(tmp_path / "s").info.title == "CombatVLA Arena – game"


def test_by_a_click_with_the_command(desktop, arena, probe, xtest, tmp_path):
    probe("clicked", 300, 200).find(desktop, arena)
    command = start_command("tracker", "record", "--click", "--out", str(tmp_path / "s"), "--stop-after", "0.5")
    x = connect()
    how = (X.GrabModeAsync, X.GrabModeAsync)

    def grabbed() -> bool:
        taken = x.screen().root.grab_pointer(False, 0, *how, X.NONE, X.NONE, X.CurrentTime)
        x.ungrab_pointer(X.CurrentTime)
        x.sync()
        return taken != X.GrabSuccess

    until(grabbed, 60)
    x.close()
    xtest(X.MotionNotify, 0, x=60, y=60)
    xtest(X.ButtonPress, 1)
    xtest(X.ButtonRelease, 1)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 0 and "Click on the window" in said
    session = Session(tmp_path / "s")
    assert session.info.title == "clicked" and session.events == [], "the click that chose it is none of the game's"


def test_it_waits_for_the_key(desktop, arena, game, xtest, tmp_path):
    command = start_command(
        *("tracker", "record", "--game", "arena", "--out", str(tmp_path / "s"), "--wait-for-key", "--stop-after", "1")
    )
    until(
        lambda: (
            (tmp_path / "s" / "events.jsonl").is_file() and b"pause" in (tmp_path / "s" / "events.jsonl").read_bytes()
        ),
        60,
    )
    codes = connect()
    f11 = codes.keysym_to_keycode(XK.XK_F11)
    codes.close()
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        injector.set_held(frozenset({next(iter(arena.keys))}))
        time.sleep(1.5)  # longer than it is to record
        injector.set_held(frozenset())
        assert command.poll() is None and not (tmp_path / "s" / "frames.jsonl").read_bytes()
        xtest(X.KeyPress, f11)
        xtest(X.KeyRelease, f11)
        _, said = command.communicate(timeout=60)
    assert command.returncode == 0, said
    session = Session(tmp_path / "s")
    assert len(session.frames) > 10 and session.events == [] and session.duration_s > 0.5


def test_the_windows_are_listed(desktop, arena, probe):
    probe("CombatVLA Arena – listed", 320, 240).find(desktop, arena)
    done = run_command("tracker", "windows", "--json")
    rows = json.loads(done.stdout.splitlines()[-1])["windows"]
    (row,) = [r for r in rows if r["title"] == "CombatVLA Arena – listed"]
    assert (row["width"], row["height"], row["game"], row["focused"]) == (320, 240, "arena", True)
    assert "CombatVLA Arena – listed" in done.stdout.splitlines()[4]


def test_the_page_names_options_that_exist():
    page = (Path(__file__).parents[2] / "docs" / "recording.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`--([a-z-]+)", page)) - {"game"}  # (of `tracker check` and `tracker export` as well)
    options = {field.name.replace("_", "-") for field in dataclasses.fields(Args)}
    assert len(named) > 10 and named <= options
    assert all(resolve(words.split()) for words in re.findall(r"`(?:combatvla )?(tracker [a-z]+)", page))
