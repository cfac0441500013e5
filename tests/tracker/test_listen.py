"""How keys are named, what is heard of late, and which listeners a platform gets."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import pytest
from Xlib import XK, X
from Xlib.ext.xtest import fake_input

from combatvla.desktop import WindowGone, open_desktop
from combatvla.desktop.display import own_display
from combatvla.desktop.x11 import connect
from tests.conftest import ProbeWindow
from tests.helpers import until
from tracker.rows import EventRow
from tracker.session import Session


@pytest.fixture
def code(display):
    """The code of a key, by the name of its symbol."""
    connection = connect()
    yield lambda name: connection.keysym_to_keycode(XK.string_to_keysym(name))
    connection.close()


class Busy:
    """Notes what it is told; with the first it takes so long that what follows is heard of only when all is over."""

    def __init__(self) -> None:
        self.told: list = []
        self.over = False

    def __call__(self, event) -> None:
        self.told.append(event)
        if len(self.told) == 1:
            until(lambda: self.over)

    def keys(self) -> list[tuple[str, bool]]:
        return [(e.key, e.down) for e in self.told if isinstance(e, EventRow)]


def test_the_platform_chooses_the_listeners(display, monkeypatch):
    from tracker import listen  # needs a display
    from tracker.source_pynput import PynputSource
    from tracker.source_x11 import X11Source

    assert listen._source() is X11Source
    for platform in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        assert listen._source() is PynputSource


@pytest.mark.parametrize(
    ("platform", "vk", "char", "plain"),
    [
        ("darwin", 18, "!", "1"),
        ("darwin", 13, "W", "w"),
        ("win32", 0x31, "!", "1"),
        ("win32", 0x57, "W", "w"),
        ("win32", None, "É", "é"),
    ],
)
def test_a_key_is_named_without_shift_there(display, monkeypatch, platform, vk, char, plain):
    from tracker import source_pynput

    def as_windows_has_it(code: int) -> str:
        return {0x31: "1", 0x57: "w"}[code]

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(source_pynput, "_on_windows", as_windows_has_it)
    source = source_pynput.PynputSource.__new__(source_pynput.PynputSource)
    assert source.plain(SimpleNamespace(vk=vk, char=char)) == plain


def test_a_key_is_named_by_where_it_is(desktop, game, xtest, code):
    """Whatever else is down, and the same when it goes up as when it went down."""
    from tracker.listen import InputListener

    told: list[EventRow] = []
    listener = InputListener(desktop, game[1], told.append, motion=False)

    def heard(*presses: str) -> list[str]:
        """What "+key" and "-key" are told as."""
        told.clear()
        for press in presses:
            xtest(X.KeyPress if press[0] == "+" else X.KeyRelease, code(press[1:]))
        until(lambda: len(told) == len(presses))
        return [("+" if event.down else "-") + event.key for event in told]

    assert heard("+Alt_L", "+Shift_L", "-Alt_L", "+Tab", "-Shift_L", "-Tab") == (
        ["+alt", "+shift", "-alt", "+tab", "-shift", "-tab"]
    )
    assert heard("+Shift_L", "+1", "+w", "-Shift_L", "-w", "-1") == ["+shift", "+1", "+w", "-shift", "-w", "-1"]
    pad = ["+KP_Multiply", "-KP_Multiply", "+KP_Add", "-KP_Add", "+KP_Subtract", "-KP_Subtract"]
    assert heard(*pad) == ["+*", "-*", "++", "-+", "+-", "--"]
    assert heard("+KP_Home", "-KP_Home") == ["+home", "-home"]
    assert heard("+KP_Home", "+Num_Lock", "-Num_Lock", "-KP_Home")[-1] == "-home"
    try:
        assert heard("+KP_Home", "-KP_Home", "+KP_Begin", "-KP_Begin") == ["+7", "-7", "+5", "-5"]
        assert heard("+Shift_L", "+KP_Home", "-KP_Home", "-Shift_L", *pad)[1:3] == ["+7", "-7"]
    finally:
        heard("+Num_Lock", "-Num_Lock")
    listener.close()
    assert listener.down == ()


def test_the_buttons_at_the_side_of_the_mouse(desktop, game, xtest):
    from tracker.listen import InputListener

    told: list[EventRow] = []
    listener = InputListener(desktop, game[1], told.append, motion=False)
    xtest(X.MotionNotify, 0, x=50, y=50)
    for button in (8, 9):
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    until(lambda: len(told) == 4)
    listener.close()
    assert [(e.kind, e.key, e.down) for e in told] == [
        ("button", f"mouse_{n}", down) for n in (8, 9) for down in (True, False)
    ]


def test_a_recording_with_the_plain_listeners(desktop, arena, game, xtest, tmp_path, monkeypatch):
    """As on Windows and macOS: keys, buttons and motion; no motion of the mouse itself."""
    from tracker import listen, source_pynput
    from tracker.recorder import Recorder

    monkeypatch.setattr(listen, "_source", lambda: source_pynput.PynputSource)
    recorder = Recorder(desktop, game[1], arena, tmp_path / "s")
    for x in (20, 50):
        xtest(X.MotionNotify, 0, x=x, y=60)
    until(lambda: b"motion" in (tmp_path / "s" / "events.jsonl").read_bytes())
    xtest(X.KeyPress, 25)  # w
    xtest(X.KeyRelease, 25)
    until(lambda: recorder.status.events == 2)
    recorder.stop()
    recorder.wait()
    for what in ((X.KeyPress, 25), (X.KeyRelease, 25)):  # here pynput's own listeners end with the next input
        xtest(*what)
    xtest(X.MotionNotify, 0, x=52, y=60)
    session = Session(tmp_path / "s")
    assert [(e.key, e.down) for e in session.events] == [("w", True), ("w", False)]
    assert {e.kind for e in session.motions()} == {"motion"}


def test_an_input_that_is_heard_of_late_is_dated_when_it_happened(desktop, game, xtest, code):
    from tracker.listen import InputListener  # wants a display

    told: list[EventRow] = []

    def slow(event: EventRow) -> None:
        told.append(event)
        time.sleep(0.4)  # as on a machine that has other things to do

    listener = InputListener(desktop, game[1], slow, motion=False)
    sent = []
    for kind in (X.KeyPress, X.KeyRelease):
        for key in "wd":
            begin = time.monotonic_ns()
            xtest(kind, code(key))
            sent.append((begin, time.monotonic_ns()))
    until(lambda: len(told) == 4)
    listener.close()
    assert [(e.key, e.down) for e in told] == [("w", True), ("d", True), ("w", False), ("d", False)]
    for event, (begin, end) in zip(told, sent, strict=True):
        assert begin <= event.t_ns <= end


def test_what_was_done_elsewhere_is_not_reported_where_it_is_heard_of_after_the_focus_came(
    desktop, arena, game, probe, xtest, code
):
    from tracker.listen import InputListener

    other = probe("other", x=600).find(desktop, arena)
    assert desktop.activate(game[1], timeout_s=5)
    listener = InputListener(desktop, game[1], busy := Busy())
    xtest(X.KeyPress, code("w"))
    xtest(X.MotionNotify, 0, x=50, y=50)  # from here on all that listens waits
    assert desktop.activate(other, timeout_s=5)
    xtest(X.KeyPress, code("q"))
    xtest(X.KeyRelease, code("q"))
    xtest(X.MotionNotify, 0, x=650, y=50)
    for button in (4, 2):
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    xtest(X.MotionNotify, 0, x=50, y=50)
    for button in (5, 3):  # without the focus a click into the game's window counts as little
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    assert desktop.activate(game[1], timeout_s=5)
    xtest(X.KeyPress, code("d"))
    busy.over = True
    until(lambda: ("d", True) in busy.keys())
    xtest(X.KeyRelease, code("d"))
    xtest(X.KeyRelease, code("w"))
    until(lambda: len(busy.keys()) == 4)
    assert busy.keys() == [("w", True), ("d", True), ("d", False), ("w", False)]
    assert len(busy.told) == 4, "no motion, no wheel"
    listener.close()


def test_a_click_on_what_lies_above_is_not_reported_where_that_is_gone_when_it_is_heard_of(
    desktop, game, probe, xtest, code
):
    from tracker.listen import InputListener

    note = probe("note", 100, 50, 60, 60, "unmanaged")
    listener = InputListener(desktop, game[1], busy := Busy(), motion=False)
    xtest(X.MotionNotify, 0, x=20, y=20)
    xtest(X.KeyPress, code("w"))
    xtest(X.ButtonPress, 1)  # from here on the mouse waits too
    xtest(X.ButtonRelease, 1)
    xtest(X.MotionNotify, 0, x=120, y=80)
    for button in (4, 2):
        xtest(X.ButtonPress, button)
        xtest(X.ButtonRelease, button)
    note.close()
    xtest(X.ButtonPress, 3)
    xtest(X.ButtonRelease, 3)
    xtest(X.KeyRelease, code("w"))
    busy.over = True
    until(lambda: len(busy.told) == 6)
    buttons = [(key, down) for key, down in busy.keys() if key != "w"]
    assert buttons == [("mouse_left", True), ("mouse_left", False), ("mouse_right", True), ("mouse_right", False)]
    listener.close()


def test_a_display_that_ends_while_inputs_wait(display, arena, monkeypatch, caplog):
    """What was down is reported as released, and nothing else is said."""
    from tracker.listen import InputListener

    raised: list = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    with own_display(640, 480):
        probe, desktop, x = ProbeWindow("CombatVLA Arena – probe", 320, 180, 0, 0), open_desktop(), connect()
        listener = InputListener(desktop, probe.find(desktop, arena), busy := Busy())
        fake_input(x, X.KeyPress, 25)  # w
        x.sync()
        until(lambda: busy.told)
        fake_input(x, X.KeyPress, 40)
        for at in (20, 90):
            fake_input(x, X.MotionNotify, 0, x=at, y=at)
        fake_input(x, X.ButtonPress, 1)
        x.sync()
        x.close()
        time.sleep(0.1)
    probe.process.communicate()
    busy.over = True
    with pytest.raises(WindowGone, match="ended"):
        listener.heed_focus()
    listener.close()
    assert busy.keys()[0] == ("w", True) and busy.keys()[-1] == ("w", False)
    assert raised == [] and caplog.records == []


def test_a_key_that_is_heard_before_the_source_stands_is_told_all_the_same(desktop, game, xtest, code, monkeypatch):
    from tracker import source_x11
    from tracker.listen import InputListener

    class Slow(source_x11.X11Source):
        def __init__(self, **callbacks) -> None:
            super().__init__(**callbacks)
            xtest(X.KeyPress, code("w"))
            xtest(X.KeyRelease, code("w"))
            time.sleep(0.3)

    monkeypatch.setattr(source_x11, "X11Source", Slow)
    told = []
    listener = InputListener(desktop, game[1], told.append)
    try:
        until(lambda: [(e.key, e.down) for e in told if e.kind == "key"] == [("w", True), ("w", False)])
    finally:
        listener.close()
