"""How keys are named, and which listeners a platform gets."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from tracker.session import Session


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


def test_a_recording_with_the_plain_listeners(desktop, arena, game, xtest, tmp_path, monkeypatch):
    """As on Windows and macOS: keys, buttons and motion; no motion of the mouse itself."""
    from Xlib import X

    from tests.helpers import until
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
