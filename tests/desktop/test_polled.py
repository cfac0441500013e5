"""The rules of the injector that asks for the focus, on a system that the test plays; the watchdog is a real process.

What calls Windows itself (`windows_input.py`) cannot be tried here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from combatvla.actions import Action
from combatvla.desktop import WindowGone, open_injector
from combatvla.desktop.base import Window
from combatvla.desktop.exits import release_on_exit
from combatvla.desktop.grip import Grip, Killed
from combatvla.desktop.polled import PolledInjector
from combatvla.desktop.polled_human import Done
from combatvla.desktop.portable import PortableDesktop, Shown
from combatvla.desktop.takeover import JITTER_COUNTS
from combatvla.errors import UserError
from combatvla.profiles import Look
from tests.desktop.file_hands import FileHands
from tests.helpers import until

GAME = Window(7, "CombatVLA Arena", 20, 100, 100, 200, 150)
RUN = frozenset({Action.MOVE_FORWARD, Action.SPRINT})

HOLDER = """
import sys, time
from combatvla.desktop.exits import release_on_exit
from combatvla.profiles import load_profile
from tests.desktop.test_polled import RUN, opened
from tests.desktop.file_hands import FileHands
hands = FileHands()
with release_on_exit(opened(hands, load_profile("arena"))) as injector:
    assert injector.set_held(RUN)
    print("held", flush=True)
    if sys.argv[1] == "fail":
        raise RuntimeError("out of memory")
    while True:
        time.sleep(0.05)
        injector.set_held(RUN)
"""


class Stack:
    note = ""

    def stack(self):
        return [Shown(GAME, (100, 70, 300, 250))]

    def exists(self, id_):
        return True


def opened(system: FileHands, profile, *, armed: bool = True, **options) -> PolledInjector:
    return PolledInjector(system, PortableDesktop(Stack()), GAME, profile, armed=armed, **options)


@pytest.fixture
def system(tmp_path, monkeypatch) -> FileHands:
    monkeypatch.setenv("FILE_HANDS", str(tmp_path))
    made = FileHands()
    made.set_focus(7)
    return made


def test_it_sends_the_difference_only(system, arena):
    with opened(system, arena) as injector:
        assert injector.set_held(RUN) and injector.set_held(RUN)
        assert injector.set_held(frozenset({Action.MOVE_FORWARD, Action.LIGHT_ATTACK}))
        assert system.down() == {"w", "mouse_left"}
    assert system.log() == ["+w", "+shift", "-shift", "+mouse_left", "-w", "-mouse_left"]
    assert injector.set_held(RUN) is False and system.down() == set(), "closed"


def test_actions_without_a_key_hold_nothing(system, arena):
    with opened(system, arena) as injector:
        assert injector.set_held(frozenset({Action.BLOCK})) and injector.held == frozenset()


def test_a_dry_run_sends_nothing(system, arena):
    with opened(system, arena, armed=False) as injector:
        assert injector.set_held(RUN) and injector.held == RUN
        system.set_focus(1)
        until(lambda: injector.held == frozenset())
    assert system.log() == []


def test_without_the_focus_nothing_is_pressed(system, arena):
    with opened(system, arena) as injector:
        assert not injector.turn(1, 1), "a game without a camera"
    with opened(system, arena.model_copy(update={"look": Look(speed=1200)})) as injector:
        system.set_focus(1)
        assert not injector.set_held(RUN) and not injector.turn(3, 0) and system.log() == []
        system.set_focus(7)
        assert injector.set_held(RUN) and injector.turn(3, -4) and "move 3 -4" in system.log()
        system.set_focus(None)  # a locked screen
        until(lambda: system.down() == set())
        assert injector.held == frozenset()


def test_the_focus_goes_away_between_two_presses(system, arena):
    system.on_send = lambda key, down: system.set_focus(1) if key == "w" and down else None
    with opened(system, arena) as injector:
        assert not injector.set_held(RUN) and system.down() == set() and "+shift" not in system.log()
    system.on_send = lambda key, down: system.set_focus(1) if key == "shift" and down else None
    system.set_focus(7)
    with opened(system, arena) as injector:
        assert not injector.set_held(RUN) and system.down() == set(), "in the last press itself"


def test_a_click_goes_to_the_window_or_nowhere(system, arena):
    attack = frozenset({Action.MOVE_FORWARD, Action.LIGHT_ATTACK})
    with opened(system, arena) as injector:
        system.pointer = 1  # over another window, and something lies on the game's middle
        assert not injector.set_held(attack) and system.down() == set() and system.placed == [(200, 175)]
        system.place_pointer = lambda x, y: setattr(system, "pointer", 7)
        assert injector.set_held(attack) and system.down() == {"w", "mouse_left"}


def test_a_closed_window_and_a_refusal_are_told(system, arena, tmp_path):
    with opened(system, arena) as injector:
        system.refuses = True
        with pytest.raises(UserError, match="refused the input .*administrator"):
            injector.set_held(RUN)
        system.refuses = False
        assert injector.set_held(RUN)
        system.set_focus(None)
        (tmp_path / "closed").touch()
        with pytest.raises(WindowGone, match="was closed"):
            injector.set_held(RUN)
        assert system.down() == set()


def test_what_a_predecessor_left_is_released_and_no_other_key(system, arena):
    system.send("w", down=True)
    system.send("f9", down=True)
    with opened(system, arena):
        assert system.down() == {"f9"}


def test_a_key_that_the_keyboard_lacks(system, arena):
    with pytest.raises(UserError, match="no plain key 'ü'"):
        opened(system, arena.model_copy(update={"keys": {Action.DODGE: "ü"}}))


def test_more_presses_than_hands_make_are_left_out(system, arena):
    with opened(system, arena) as injector:
        for _ in range(20):
            assert injector.set_held(RUN) and injector.set_held(frozenset())
        assert system.log().count("+w") == injector.meter.limits.presses_per_key_per_s and injector.meter.left_out


def test_a_killed_watchdog_ends_the_input(system, arena):
    with opened(system, arena) as injector:
        assert injector.set_held(RUN)
        injector._watchdog.kill()
        injector._watchdog.wait()
        with pytest.raises(UserError, match="watchdog .* was killed"):
            injector.set_held(RUN | {Action.DODGE})
        assert system.down() == set()


@pytest.mark.parametrize(
    ("number", "mode"),
    [
        (signal.SIGKILL, "hold"),
        (signal.SIGTERM, "hold"),
        (signal.SIGHUP, "hold"),
        (signal.SIGINT, "hold"),
        (None, "fail"),
    ],
)
def test_every_way_out_lets_go(system, number, mode):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, mode], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    if number is not None:
        assert system.down() == {"w", "shift"}
        process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode != 0, said
    until(lambda: system.down() == set())


def test_a_standstill_lets_go_and_is_taken_up_again(system):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, "hold"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: system.down() == set())
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: system.down() == {"w", "shift"})
    finally:
        process.kill()
        process.communicate()
    until(lambda: system.down() == set())


def test_a_person_takes_control_and_gives_it_back(system, arena):
    modes: list[str] = []
    with opened(system, arena, grip=Grip(), on_mode=lambda t_ns, mode: modes.append(mode)) as injector:
        assert injector.set_held(RUN) and modes == ["armed"]
        system.person(Done("key", "p", down=False))  # its press came before we listened
        assert injector.mode == "armed"
        system.person(Done("key", "p"))
        assert system.down() == set() and injector.mode == "human" and not injector.set_held(RUN)
        system.person(Done("key", "f9"))
        assert injector.set_held(RUN) and system.down() == {"w", "shift"}
        system.set_focus(1)
        until(lambda: injector.mode == "no focus")
        system.person(Done("button"))
        system.person(Done("motion", counts=500))
        system.person(Done("key", "x"))
        assert injector.mode == "no focus", "what is done elsewhere is no taking over"
        system.set_focus(7)
        until(lambda: injector.mode == "armed")
        system.person(Done("motion", counts=500))  # the hand that clicked the window
        assert injector.mode == "armed"
        time.sleep(0.6)
        system.person(Done("motion", counts=JITTER_COUNTS - 1))
        assert injector.mode == "armed"
        system.person(Done("motion", counts=1))
        assert injector.mode == "human"
    assert modes == ["armed", "human", "armed", "no focus", "armed", "human"] and system.person is None


def test_the_kill_chord_ends_it_from_everywhere(system, arena):
    with opened(system, arena, grip=Grip()) as injector:
        assert injector.set_held(RUN)
        system.set_focus(1)
        for key in ("ctrl", "shift", "q"):
            system.person(Done("key", key))
        assert injector.mode == "killed" and system.down() == set()
        system.set_focus(7)
        with pytest.raises(Killed):
            injector.set_held(RUN)
        with pytest.raises(Killed):
            injector.turn(1, 1) if injector.look_speed else injector.set_held(frozenset())


def test_the_platform_chooses_the_injector(system, arena, monkeypatch):
    from combatvla.desktop import windows_input

    monkeypatch.setattr(windows_input, "WindowsHands", lambda: system)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "DETACHED_PROCESS", 0, raising=False)
    with release_on_exit(open_injector(PortableDesktop(Stack()), GAME, arena, armed=True)) as injector:
        assert isinstance(injector, PolledInjector) and injector.set_held(RUN)
    assert system.down() == set()


def test_who_hears_of_the_mode_cannot_end_the_guard(system, arena):
    def full(t_ns: int, mode: str) -> None:
        if mode == "no focus":
            assert not system.down(), "told before it let go"
            told.append(mode)
            raise OSError(28, "No space left on device")

    told: list[str] = []
    with opened(system, arena, on_mode=full) as injector:
        assert injector.set_held(RUN)
        system.set_focus(1)
        until(lambda: told and not system.down())
        system.set_focus(7)
        assert injector.set_held(RUN)
        system.set_focus(1)
        until(lambda: not system.down(), 2)
