"""Recording a real window with real keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from Xlib import XK, X
from Xlib.ext.xtest import fake_input

from combatvla.actions import Action
from combatvla.desktop import open_desktop
from combatvla.desktop.display import own_display
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.x11 import connect
from combatvla.errors import UserError
from tests.conftest import ProbeWindow
from tests.helpers import start_command, until
from tracker.align import stretches
from tracker.check import check
from tracker.check import main as check_main
from tracker.recorder import Recorder, Recording
from tracker.rows import LookRow, MarkRow, MotionRow, PauseRow, ScrollRow, WindowRow
from tracker.session import Session
from tracker.view.page import show

A = Action


def hold(injector: GuardedInjector, *actions: Action, seconds: float = 0.12) -> None:
    assert injector.set_held(frozenset(actions))
    time.sleep(seconds)


def test_keys_and_pictures_on_one_clock(desktop, arena, game, tmp_path):
    window = game[1]
    recorder = Recorder(desktop, window, arena, tmp_path / "s", fps=30)
    sent = []
    with GuardedInjector(desktop, window, arena, armed=True) as injector:
        for actions in ({A.MOVE_FORWARD, A.SPRINT}, {A.DODGE}, {A.LIGHT_ATTACK}, {A.SKILL, A.SPRINT}, {A.HEAVY_ATTACK}):
            sent.append(time.monotonic_ns())
            hold(injector, *actions)
    recorder.stop()
    status = recorder.wait()
    session = Session(tmp_path / "s")
    pressed = [e for e in session.events if e.down]
    assert sorted(e.key for e in pressed) == sorted(["w", "shift", "space", "mouse_left", "1", "shift", "mouse_right"])
    assert len(session.events) == 2 * len(pressed) == status.events
    by_time = [
        next(e for e in pressed if e.key == key).t_ns for key in ("w", "space", "mouse_left", "1", "mouse_right")
    ]
    for at, t_ns in zip(sent, by_time, strict=True):
        assert 0 <= t_ns - at < 0.5e9, "an event is stamped when it happens"
    assert status.frames == len(session.frames) == len(list(session.pictures())) >= 6
    assert status.frames + status.dropped >= 12, "what a busy machine leaves out is counted"
    assert session.frames[0].t_ns < sent[0] and session.frames[-1].t_ns > sent[-1]


def test_nothing_is_recorded_while_another_window_has_the_focus(desktop, arena, game, probe, tmp_path):
    window = game[1]
    recorder = Recorder(desktop, window, arena, tmp_path / "s", fps=60)
    other = probe(title="letters", x=600)
    assert desktop.activate(window, timeout_s=5)
    with GuardedInjector(desktop, window, arena, armed=True) as injector:
        hold(injector, A.MOVE_FORWARD)
        elsewhere = other.find(desktop, arena)  # the focus goes in the middle of the hold
        time.sleep(0.15)
        frames = recorder.status.frames
        assert not recorder.status.focused
        with GuardedInjector(desktop, elsewhere, arena, armed=True) as typist:
            hold(typist, A.HEAL)
            hold(typist, A.SKILL)
        assert recorder.status.frames == frames
        assert desktop.activate(window, timeout_s=5)
        time.sleep(0.1)
        hold(injector, A.DODGE)
    recorder.stop()
    recorder.wait()
    assert [(e.key, e.down) for e in Session(tmp_path / "s").events] == [
        ("w", True),
        ("w", False),
        ("space", True),
        ("space", False),
    ]
    assert recorder.status.frames > frames


def test_auto_repeat_is_dropped(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        hold(injector, A.MOVE_LEFT, seconds=1.2)
        assert recorder.keys_down == ("a",)
    recorder.stop()
    recorder.wait()
    assert [(e.key, e.down) for e in Session(tmp_path / "s").events] == [("a", True), ("a", False)]


def test_the_game_closes(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    wait_for_frames(tmp_path / "s", 10)
    game[0].close()
    assert recorder.wait().ended == "the game's window was closed"
    assert len(list(Session(tmp_path / "s").pictures())) >= 10


def test_the_display_ends(display, arena, tmp_path):
    with own_display(640, 480):
        probe, desktop, keys = (
            ProbeWindow("CombatVLA Arena – probe", 320, 180, 0, 0, "flicker"),
            open_desktop(),
            connect(),
        )
        probe.find(desktop, arena)
        command = recording("--out", str(tmp_path / "s"))
        wait_for_frames(tmp_path / "s", 10)
        fake_input(keys, X.KeyPress, 25)  # w
        keys.sync()
        until(lambda: b'"w"' in (tmp_path / "s" / "events.jsonl").read_bytes())
    probe.process.communicate()
    _, said = command.communicate(timeout=60)
    assert command.returncode == 0 and "the display ended: " in said and "Traceback" not in said, said
    assert [(e.key, e.down) for e in Session(tmp_path / "s").events] == [("w", True), ("w", False)]


def test_a_window_that_changes_its_size(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    wait_for_frames(tmp_path / "s", 8)
    x = connect()
    x.create_resource_object("window", game[1].id).configure(width=400, height=300)
    x.sync()
    x.close()
    until(lambda: recorder.status.frames >= 16)
    recorder.stop()
    recorder.wait()
    session = Session(tmp_path / "s")
    assert [(s.width, s.height) for s in session.segments] == [(320, 180), (400, 300)]
    assert [(e.width, e.height) for e in session.others if isinstance(e, WindowRow)][-1:] == [(400, 300)]
    shapes = [pixels.shape for _, pixels in session.pictures()]
    assert shapes[0] == (180, 320, 3) and shapes[-1] == (300, 400, 3) and len(shapes) == len(session.frames)


def test_the_mouse_is_recorded_where_the_pointer_cannot_go(desktop, arena, game, xtest, tmp_path):
    lies = desktop.geometry(game[1])
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    xtest(X.MotionNotify, 0, x=lies.x + 50, y=lies.y + 60)
    noted = tmp_path / "s" / "events.jsonl"

    def moved() -> bool:
        for x in (1, -1):  # it may have been there before
            xtest(X.MotionNotify, 1, x=x, y=0)
        time.sleep(0.05)
        return b"motion" in noted.read_bytes() and b"look" in noted.read_bytes()

    until(moved)
    for button in (4, 5, 5):  # the wheel
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    until(lambda: noted.read_bytes().count(b"scroll") == 3)
    for _ in range(4):
        xtest(X.MotionNotify, 1, x=0, y=-500)  # the screen ends after the first
    recorder.stop()
    recorder.wait()
    session = Session(tmp_path / "s")
    motions = list(session.motions())
    places = [(e.x, e.y) for e in motions if isinstance(e, MotionRow)]
    assert (50, 60) in places and places[-1] == (50, -lies.y)
    # (the first motion, to a place, counts too)
    assert -2000 <= sum(e.dy for e in motions if isinstance(e, LookRow)) <= -1900
    assert [(e.dx, e.dy) for e in session.others if isinstance(e, ScrollRow)] == [(0, 1), (0, -1), (0, -1)]


def test_clicks_that_a_window_manager_looks_at_first(desktop, arena, game, xtest, click_to_focus, tmp_path):
    """It grabs the pointer for a moment, and lets them go on to the game."""
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    xtest(X.MotionNotify, 0, x=50, y=60)
    for _ in range(10):
        xtest(X.ButtonPress, 1)
        xtest(X.ButtonRelease, 1)
    until(lambda: recorder.status.events == 20)
    recorder.stop()
    recorder.wait()
    assert click_to_focus() == 10


def test_no_motion_is_recorded_while_another_window_has_the_focus(desktop, arena, game, probe, xtest, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    other = probe(title="letters", x=600)
    other.find(desktop, arena)
    until(lambda: not recorder.status.focused)
    for dx in (5, 7, 9):
        xtest(X.MotionNotify, 1, x=dx, y=1)
        xtest(X.ButtonPress, 4)
        xtest(X.ButtonRelease, 4)
    assert desktop.activate(game[1], timeout_s=5)
    until(lambda: recorder.status.focused)
    recorder.stop()
    recorder.wait()
    session = Session(tmp_path / "s")
    others = session.others
    assert {e.kind for e in others} == {"focus"} and not list(session.motions())
    assert [e.focused for e in others][-2:] == [False, True]


def test_hotkeys_pause_mark_and_stop_and_are_not_recorded(desktop, arena, game, xtest, tmp_path):
    keys = {"stop": "f12", "pause": "f11", "mark": "f9"}
    codes = connect()
    code = {what: codes.keysym_to_keycode(XK.string_to_keysym(key.upper())) for what, key in keys.items()}
    codes.close()
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", hotkeys=keys)
    wait_for_frames(tmp_path / "s", 5)

    def press(what: str) -> None:
        xtest(X.KeyPress, code[what])
        xtest(X.KeyRelease, code[what])

    press("mark")
    press("pause")
    until(lambda: recorder.status.paused == "hotkey")
    time.sleep(0.1)
    frames = recorder.status.frames
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        hold(injector, A.MOVE_FORWARD)
        assert recorder.status.frames == frames
        press("pause")
        until(lambda: not recorder.status.paused)
        hold(injector, A.DODGE)
    press("stop")
    assert recorder.wait().ended == "f12 was pressed"
    session = Session(tmp_path / "s")
    assert [(e.key, e.down) for e in session.events] == [("space", True), ("space", False)]
    assert [e.label for e in session.others if isinstance(e, MarkRow)] == ["1"]
    rests = [(e.paused, e.why) for e in session.others if isinstance(e, PauseRow)]
    assert rests == [(True, "hotkey"), (False, "hotkey")] and len(session.frames) > frames


def test_it_rests_while_nobody_plays(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", idle_s=0.4)
    until(lambda: recorder.status.paused == "idle")
    time.sleep(0.1)
    frames = recorder.status.frames
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        time.sleep(0.2)
        assert recorder.status.frames == frames
        hold(injector, A.DODGE, seconds=0.6)  # what is held is no idling
        assert not recorder.status.paused
    recorder.stop()
    recorder.wait()
    session = Session(tmp_path / "s")
    assert [e.key for e in session.events] == ["space", "space"] and len(session.frames) > frames


def move(window, x: int) -> None:
    connection = connect()
    connection.create_resource_object("window", window.id).configure(x=x)
    connection.sync()
    connection.close()


def test_it_rests_while_the_window_is_not_wholly_on_the_screen(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", hotkeys={"pause": "f11"})
    lies = desktop.geometry(game[1])
    wait_for_frames(tmp_path / "s", 8)
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        hold(injector, A.MOVE_FORWARD)
        move(game[1], 1280 - lies.width + 5)
        until(lambda: recorder.status.paused == "offscreen")
        frames = recorder.status.frames
        hold(injector, A.MOVE_FORWARD, A.SKILL, seconds=0.3)  # what no picture shows is not noted
        injector.release_all()
        assert recorder.running() and recorder.status.frames <= frames + 1
        move(game[1], lies.x)
        until(lambda: recorder.status.frames > frames + 5)
        assert not recorder.status.paused
        hold(injector, A.DODGE)
    move(game[1], 1280 - lies.width + 5)
    until(lambda: recorder.status.paused == "offscreen")
    recorder._hotkey("f11")
    move(game[1], lies.x)
    time.sleep(0.4)
    assert recorder.status.paused == "hotkey", "the pause key stands when the window is back"
    recorder.stop()
    assert recorder.wait().ended == "stopped"
    session = Session(tmp_path / "s")
    assert [(e.key, e.down) for e in session.events] == [
        ("w", True),
        ("w", False),
        ("space", True),
        ("space", False),
    ]
    rests = [e for e in session.others if isinstance(e, PauseRow)]
    assert [(e.paused, e.why) for e in rests] == [
        (True, "offscreen"),
        (False, "offscreen"),
        (True, "offscreen"),
        (True, "hotkey"),
    ]
    assert not [f for f in session.frames if rests[0].t_ns <= f.t_ns < rests[1].t_ns or f.t_ns > rests[2].t_ns]
    assert len(stretches(session)) == 2
    assert "not wholly on the screen" in show(session).gaps[0].why


@pytest.mark.parametrize("error", [UserError("the picture is gone"), ValueError("a mistake of ours")])
def test_whatever_ends_a_recording_it_says_what_is_kept(desktop, arena, game, tmp_path, error):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    wait_for_frames(tmp_path / "s", 3)

    def fail() -> None:
        raise error

    recorder._capture.grab_bgra = fail
    with pytest.raises(type(error), match=str(error)) as caught:
        recorder.wait()
    said = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert f"the {recorder.status.frames} frames recorded so far are kept in {tmp_path / 's'}" in said


@pytest.mark.parametrize("why", ["idle", ""])
def test_the_pause_key_is_not_overruled_by_idling(desktop, arena, game, tmp_path, why):
    """It is pressed in the very moment in which the recorder begins to rest by itself, or goes on again."""
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", idle_s=0.4, hotkeys={"pause": "f11"})
    begun, done = threading.Event(), threading.Event()

    def press() -> None:
        recorder._hotkey("f11")
        done.set()

    class AtThatMoment(Recording):
        def __setattr__(self, name: str, value: object) -> None:
            ours = threading.current_thread().name == "recorder"
            if name == "paused" and value == why and ours and not begun.is_set():
                begun.set()
                threading.Thread(target=press).start()
                done.wait(0.5)  # the listener's thread gets as far as it can
            super().__setattr__(name, value)

    recorder.status = AtThatMoment(**vars(recorder.status))
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        until(lambda: begun.is_set() or recorder.status.paused == "idle")
        if not why:
            hold(injector, A.DODGE)
        assert begun.wait(10) and done.wait(10)
        time.sleep(0.1)
        assert recorder.status.paused == "hotkey"
        frames = recorder.status.frames
        hold(injector, A.SKILL, seconds=0.6)
        assert recorder.status.paused == "hotkey" and recorder.status.frames <= frames + 1
    recorder.stop()
    recorder.wait()
    assert "1" not in {e.key for e in Session(tmp_path / "s").events}, "it is typed into a recording that rests"


def test_it_stops_before_the_disk_is_full(desktop, arena, game, tmp_path):
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s", least_free_mb=1e9)
    with pytest.raises(UserError, match="the disk is full, so the recording was stopped"):
        recorder.wait()


def test_a_full_disk_ends_the_recording_with_one_sentence(desktop, arena, game, small_disk):
    recorder = Recorder(desktop, game[1], arena, small_disk / "s", fps=60)
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        fill = threading.Timer(0.6, lambda: write_until_full(small_disk / "filler"))
        fill.start()
        while recorder.running(0.05):
            injector.set_held(frozenset({A.MOVE_FORWARD}))
            injector.set_held(frozenset())
    fill.join()
    with pytest.raises(UserError, match=r"the disk is full.*\d+ frames recorded so far are kept in") as caught:
        recorder.wait()
    assert "\n" not in str(caught.value)
    session = Session(small_disk / "s")
    assert len(session.frames) >= 10 and len(list(session.pictures())) >= len(session.frames) - 20


def write_until_full(path) -> None:
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512) == 512:
                pass
        except OSError:
            pass


def recording(*extra: str, game: str = "arena") -> subprocess.Popen:
    return start_command("tracker", "record", "--game", game, "--json", *extra)


def wait_for_frames(folder, count: int) -> None:
    path = folder / "frames.jsonl"
    until(lambda: path.is_file() and path.read_bytes().count(b"\n") >= count, 60)


def test_the_command_stops_after_a_while(desktop, game, tmp_path):
    out, _ = recording("--out", str(tmp_path / "s"), "--stop-after", "1", "--fps", "20").communicate(timeout=60)
    figures = json.loads(out.splitlines()[-1])
    assert figures["ended"] == "1 s are over" and 8 <= figures["frames"]
    assert 15 <= figures["frames"] + figures["dropped"] <= 20 * figures["seconds"] + 2
    report = check(tmp_path / "s")
    assert report.frames == report.pictures == figures["frames"] and report.stuck_keys == []
    assert check_main([str(tmp_path / "s")]) == 1, "no key was pressed, which is odd"


def test_a_profile_from_a_file_is_found_again(desktop, arena, game, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = {action.value: key for action, key in arena.keys.items()}
    Path("mine.yaml").write_text(yaml.safe_dump({**arena.model_dump(mode="json"), "name": "mine", "keys": keys}))
    recorder = recording("--out", "s", "--stop-after", "0.5", game="mine.yaml")
    _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, said
    monkeypatch.chdir("/")
    assert check(tmp_path / "s").reasons == ["no key of the game was pressed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly_on(desktop, game, tmp_path, number):
    recorder = recording("--out", str(tmp_path / "s"))
    wait_for_frames(tmp_path / "s", 10)
    recorder.send_signal(number)
    out, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, said
    figures = json.loads(out.splitlines()[-1])
    session = Session(tmp_path / "s")
    assert figures["frames"] == len(session.frames) == len(list(session.pictures()))


def test_kill_9_of_the_command(desktop, arena, game, tmp_path):
    recorder = recording("--out", str(tmp_path / "s"))
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        wait_for_frames(tmp_path / "s", 10)
        hold(injector, A.MOVE_FORWARD, seconds=0.5)
        os.kill(recorder.pid, signal.SIGKILL)
        recorder.communicate()
    session = Session(tmp_path / "s")
    assert [(e.key, e.down) for e in session.events] == [("w", True)]
    pictures = len(list(session.pictures()))
    assert len(session.frames) >= 20 and pictures >= len(session.frames) - 10
    assert check(tmp_path / "s").stuck_keys == ["w"]


def test_the_command_stops_before_the_disk_is_full(desktop, game, tmp_path):
    recorder = recording("--out", str(tmp_path / "s"), "--least-free-mb", "1e9", "--stop-after", "20")
    _, error = recorder.communicate(timeout=60)
    assert recorder.returncode == 2 and "the disk is full" in error.replace("\n", " ")


def test_bad_arguments_end_with_one_sentence(desktop, arena, game, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    recorder = recording("--out", str(tmp_path / "used"))
    _, error = recorder.communicate(timeout=60)
    assert recorder.returncode == 2 and "exists already" in error.replace("\n", " ") and "Traceback" not in error
    for folder, fps, said in ((tmp_path / "a", 0, "expected 1 to 240"), (Path("/proc/nowhere"), 30, "cannot begin")):
        with pytest.raises(UserError, match=said):
            Recorder(desktop, game[1], arena, folder, fps=fps)


def test_a_window_that_cannot_be_captured_leaves_no_folder(desktop, arena, probe, tmp_path):
    window = probe("CombatVLA Arena – aside", 320, 180, 1200, 0).find(
        desktop, arena.model_copy(update={"title": "CombatVLA Arena – aside"}), focus=False
    )
    with pytest.raises(UserError, match="not wholly on the screen"):
        Recorder(desktop, window, arena, tmp_path / "s")
    assert not (tmp_path / "s").exists(), "the same --out may be used again"


def test_a_recorder_that_cannot_listen_leaves_nothing_behind(desktop, arena, game, tmp_path, monkeypatch):
    """As where the display lacks an extension. The same --out may be tried again, and connections are closed."""
    import gc

    from tracker import listen

    def refuse(**_) -> None:
        raise UserError("the keys cannot be listened to")

    tries, still_open = [], []
    with monkeypatch.context() as patch:
        patch.setattr(listen, "_source", lambda: refuse)
        for _ in range(3):
            with pytest.raises(UserError, match="cannot be listened to") as caught:
                Recorder(desktop, game[1], arena, tmp_path / "s")
            tries.append(caught)  # which holds the recorder: nothing is closed only because it is forgotten
            gc.collect()
            still_open.append(len(os.listdir("/proc/self/fd")))
            assert not (tmp_path / "s").exists()
    assert still_open[1] == still_open[2]
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    until(lambda: recorder.status.frames)
    recorder.stop()
    assert recorder.wait().ended == "stopped"
