"""What the recorder shows a person: the notice before the first recording, and the gauges while it records."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from types import SimpleNamespace

import pytest
from rich.console import Console

from tests.helpers import COMBATVLA
from tracker.gauges import Gauges, clock
from tracker.notice import shown_before, tell_once
from tracker.recorder import Recording

KEYS = {"mark": "f9", "pause": "f11", "stop": "f12"}


def told(tmp_path, **options) -> str:
    out = io.StringIO()
    tell_once(Console(file=out, width=80), tmp_path / "s", KEYS, idle_s=60, **options)
    return out.getvalue()


def test_it_is_told_once(tmp_path, state):
    said = told(tmp_path)
    for word in (
        "not recorded",
        "sound",
        "nothing is sent anywhere",
        "F9",
        "F11",
        "F12",
        "single-player",
        str(tmp_path),
    ):
        assert word in said.replace("\n", "") or word in " ".join(said.split())
    assert shown_before() == state / "combatvla" / "recording-notice-shown" and shown_before().is_file()
    assert told(tmp_path) == ""


def test_a_home_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert told(tmp_path) and told(tmp_path), "it is told again"


def test_without_a_state_home_it_is_remembered_in_the_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shown_before().parent == tmp_path / ".local" / "state" / "combatvla"


@pytest.mark.parametrize(
    ("typed", "yes", "goes_on"), [(b"\n", False, True), (b"\x04", False, False), (b"", True, True)]
)
def test_in_a_terminal_it_asks(desktop, tmp_path, state, typed, yes, goes_on):
    """What comes after is told by the message that there is no such window."""
    ours, theirs = pty.openpty()
    extra = ["--yes"] if yes else []
    command = subprocess.Popen(
        [*COMBATVLA, "tracker", "record", "--title", "nowhere", "--wait", "0", "--out", str(tmp_path / "s"), *extra],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the command has ended
            break
        if not part:
            break
        said += part
        if b"Press Enter" in said and typed:
            os.write(ours, typed)
            typed = b""
    os.close(ours)
    assert command.wait(30) == (2 if goes_on else 130)
    assert (b"no window with" in said) is goes_on and b"Before your first recording" in said
    assert (b"Press Enter" in said) is not yes
    assert shown_before().exists() is goes_on, "who did not go on is asked again"


def gauges(tmp_path, **status) -> tuple[Gauges, Recording, io.StringIO]:
    out = io.StringIO()
    recording = Recording(**{"seconds": 754.0, "frames": 9000, "disk_free_mb": 213_400.0, **status})
    recorder = SimpleNamespace(status=recording, keys_down=("w", "shift"))
    shown = Gauges(recorder, tmp_path, KEYS, Console(file=out, width=80, force_terminal=False))
    return shown, recording, out


def text(shown: Gauges) -> str:
    return "\n".join(line.plain for line in shown.lines())


def test_the_gauges_fit_a_terminal_and_say_what_is(tmp_path):
    shown, recording, _ = gauges(tmp_path, covered_by=("Chat [/]",))
    (tmp_path / "video").write_bytes(b"x" * 1_000_000)
    shown.live_s = 10.0
    shown.update()
    assert all(len(line.plain) <= 80 for line in shown.lines())
    said = text(shown)
    for word in (
        "recording",
        "12:34",
        "fps",
        "0 dropped",
        "keys/s",
        "213.4 GB free",
        "h)",
        "held: w shift",
        "F11 pause",
        "Chat [/]",
    ):
        assert word in said, word
    recording.focused = False
    assert "does not have the focus" in text(shown) and "recording" not in text(shown).splitlines()[0]
    recording.focused, recording.paused = True, "idle"
    assert "nobody plays" in text(shown)
    recording.paused = "offscreen"
    assert "offscreen" in text(shown).splitlines()[0] and "is off the screen: move it back" in text(shown)
    assert all(len(line.plain) <= 80 for line in shown.lines())
    recording.paused = "hotkey"
    assert "press F11 in the game's window to go on" in text(shown)


def test_rates_are_those_of_late(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("tracker.gauges.time.monotonic", lambda: now[0])
    shown, recording, _ = gauges(tmp_path, frames=9000, events=400)
    for _ in range(40):
        shown.update()
        now[0] += 0.1
        recording.frames += 3
        recording.events += 1
    shown.update()
    assert "30.0 fps" in text(shown) and "5.0 keys/s" in text(shown)
    assert 3.9 < shown.live_s < 4.1
    recording.paused = "idle"
    now[0] += 0.1
    shown.update()
    assert " 0.0 fps" in text(shown)


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("tracker.gauges.time.monotonic", lambda: now[0])
    shown, _, out = gauges(tmp_path)
    with shown:
        for _ in range(250):
            shown.update()
            now[0] += 0.1
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 and all("recording" in line and "fps" in line for line in lines)


def test_times_read_as_on_a_clock():
    assert [clock(s) for s in (0.9, 61, 3723)] == ["00:00", "01:01", "1:02:03"]
