"""What ends a recording from outside: the session stays readable, and `tracker check` says what is in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from combatvla.actions import Action
from combatvla.desktop import open_desktop
from combatvla.desktop.display import own_display
from combatvla.desktop.inject import GuardedInjector
from tests.conftest import ProbeWindow
from tests.helpers import run_command, start_command, until

PLENTY = 40
"""Pictures that are recorded before it ends: some 0.6 s, of which a crash takes 0.2 s or little more."""


def recording(folder, *extra: str) -> subprocess.Popen:
    recorder = start_command("tracker", "record", "--game", "arena", "--out", str(folder), "--idle", "None", *extra)
    frames = folder / "frames.jsonl"
    until(lambda: recorder.poll() is not None or (frames.is_file() and frames.read_bytes().count(b"\n") >= PLENTY), 60)
    return recorder


def checked(folder) -> dict:
    """What `tracker check` says of the mended session, which has all pictures that it had before."""
    reports = []
    for extra in ((), ("--mend",), ()):
        done = run_command("tracker", "check", str(folder), "--json", *extra)
        assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
        reports.append(json.loads(done.stdout.splitlines()[-1]))
    torn, _, mended = reports
    assert torn["frames"] >= torn["pictures"] == mended["pictures"] == mended["frames"] > 0
    assert mended["stuck_keys"] == []
    return mended


def test_the_x_server_goes(display, arena, tmp_path):
    with own_display(640, 480):
        window = ProbeWindow("CombatVLA Arena – probe", 320, 180, 0, 0, "flicker")
        desktop = open_desktop()
        found = window.find(desktop, arena)
        recorder = recording(tmp_path / "s")
        injector = GuardedInjector(desktop, found, arena, armed=True)
        assert injector.set_held(frozenset({Action.MOVE_FORWARD}))
        until(lambda: b'"w"' in (tmp_path / "s" / "events.jsonl").read_bytes())
    _, said = recorder.communicate(timeout=60)
    injector.close()
    desktop.close()
    window.process.kill()
    window.process.communicate()
    assert recorder.returncode in (0, 2) and "Traceback" not in said, said
    assert checked(tmp_path / "s")["presses"] == {"w": 1}


def test_the_window_goes(desktop, arena, game, tmp_path):
    recorder = recording(tmp_path / "s")
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        assert injector.set_held(frozenset({Action.DODGE}))
        time.sleep(0.1)
        game[0].close()
    _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0 and "window was closed" in " ".join(said.split()), said
    assert checked(tmp_path / "s")["presses"] == {"space": 1}


def test_the_disk_is_full(desktop, arena, game, small_disk):
    recorder = recording(small_disk / "s", "--least-free-mb", "0")
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
        while recorder.poll() is None:
            injector.set_held(frozenset({Action.DODGE}))
            injector.set_held(frozenset())
            with suppress(OSError):
                os.write(filler, b"x" * 4096)
            time.sleep(0.01)
        os.close(filler)
    _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 2 and "the disk is full" in " ".join(said.split()), said
    (small_disk / "filler").unlink()
    assert checked(small_disk / "s")["presses"]["space"] >= 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGHUP])
def test_a_signal_ends_the_recorder(desktop, arena, game, tmp_path, number):
    recorder = recording(tmp_path / "s")
    with GuardedInjector(desktop, game[1], arena, armed=True) as injector:
        assert injector.set_held(frozenset({Action.DODGE}))
        until(lambda: b'"space"' in (tmp_path / "s" / "events.jsonl").read_bytes())
        recorder.send_signal(number)
        recorder.communicate(timeout=60)
    assert checked(tmp_path / "s")["presses"] == {"space": 1}
