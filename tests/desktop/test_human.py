"""The person takes control, gives it back, and ends the agent: real inputs by another XTest connection, as over VNC."""

from __future__ import annotations

import time

import pytest

from combatvla.actions import Action
from combatvla.desktop.grip import Grip, Killed
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.takeover import JITTER_COUNTS, SETTLE_S
from combatvla.errors import UserError
from tests.helpers import until

FORWARD = frozenset({Action.MOVE_FORWARD})
BUSY = frozenset({Action.MOVE_FORWARD, Action.SPRINT, Action.LIGHT_ATTACK})


@pytest.fixture
def injector(desktop, arena, probe, server):
    """Armed on a probe window, listening to the person; `.window`, `.modes`."""
    window = probe()
    target = window.find(desktop, arena)
    modes: list[str] = []
    with GuardedInjector(
        desktop, target, arena, armed=True, grip=Grip(), on_mode=lambda t_ns, mode: modes.append(mode)
    ) as opened:
        opened.modes = modes
        time.sleep(SETTLE_S)
        yield opened


def test_its_own_inputs_are_not_the_persons(injector, server):
    for action in (*Action, *Action):
        assert injector.set_held(frozenset({action}) - {Action.WAIT})
    assert injector.set_held(BUSY) and server() == (2, 1)
    assert injector.set_held(frozenset()) and server() == (0, 0)
    assert injector.modes == ["armed"]


@pytest.mark.parametrize("how", ["a key", "its own key", "a click", "the wheel", "the mouse"])
def test_any_input_takes_control_and_one_key_gives_it_back(injector, server, person, how):
    assert injector.set_held(BUSY)
    does = {
        "a key": lambda: person.tap("k"),
        "its own key": lambda: person.tap("r"),
        "a click": lambda: person.click(2),
        "the wheel": lambda: person.click(5),
        "the mouse": lambda: person.move(JITTER_COUNTS, 0),
    }
    does[how]()
    until(lambda: server() == (0, 0) and injector.mode == "human", 1)  # nobody calls the injector
    assert injector.held == frozenset()
    for _ in range(5):
        assert injector.set_held(BUSY) is False
    assert server() == (0, 0)
    person.tap("f9")
    assert injector.set_held(BUSY) and server() == (2, 1)
    assert injector.modes == ["armed", "human", "armed"]
    does[how]()
    until(lambda: server() == (0, 0) and injector.mode == "human", 1)  # again, at any time


def test_what_the_person_does_in_the_middle_of_its_presses_is_heard(injector, server, person):
    """The same key at the same time: that it goes up again is the person's doing."""
    for n in range(20):
        assert injector.set_held(FORWARD)
        person.press("w")
        person.let_go()
        assert injector.set_held(FORWARD) is False, n
        person.tap("f9")
        assert injector.set_held(frozenset())
        time.sleep(0.1)  # the limit of presses


def test_a_shaking_table_takes_nothing(injector, server, person):
    assert injector.set_held(FORWARD)
    for _ in range(3):
        person.move(JITTER_COUNTS // 4, 0)
        person.move(-JITTER_COUNTS // 4, 0)
        time.sleep(0.3)
    assert injector.set_held(FORWARD) and injector.mode == "armed" and server() == (1, 0)


def test_typing_elsewhere_takes_nothing(desktop, arena, probe, injector, server, person):
    assert injector.set_held(FORWARD)
    other = probe(title="other", x=600)
    other.find(desktop, arena)
    until(lambda: injector.mode == "no focus")
    person.tap("k", "w")
    person.move(50, 50)
    person.click()
    person.tap("f9")
    assert injector.set_held(FORWARD) is False
    assert desktop.activate(injector.window, timeout_s=5)
    person.move(50, 50)  # the hand that clicked the game
    until(lambda: injector.set_held(FORWARD))
    assert server() == (1, 0) and injector.modes == ["armed", "no focus", "armed"]
    time.sleep(SETTLE_S)
    person.move(50, 50)
    until(lambda: injector.mode == "human")


def test_a_give_back_typed_elsewhere_gives_nothing(desktop, arena, probe, injector, person):
    person.tap("k")
    until(lambda: injector.mode == "human")
    probe(title="other", x=600).find(desktop, arena)
    person.tap("f9")
    assert desktop.activate(injector.window, timeout_s=5)
    assert injector.set_held(FORWARD) is False and injector.mode == "human"


@pytest.mark.parametrize("when", ["playing", "taken", "elsewhere"])
def test_the_kill_chord_ends_it(desktop, arena, probe, injector, server, person, when):
    assert injector.set_held(BUSY)
    if when == "taken":
        person.tap("k")
    elif when == "elsewhere":
        probe(title="other", x=600).find(desktop, arena)
    person.tap("ctrl", "shift", "q")
    until(lambda: injector.mode == "killed" and server() == (0, 0), 1)
    for held in (BUSY, frozenset()):
        with pytest.raises(Killed, match="kill chord"):
            injector.set_held(held)
    person.tap("f9")
    with pytest.raises(Killed):
        injector.set_held(BUSY)


def test_the_chord_is_the_persons_alone(injector, server, person):
    """The agent's own shift is none of it, nor are the keys one after the other."""
    assert injector.set_held(frozenset({Action.SPRINT}))
    person.tap("ctrl", "q")
    person.tap("ctrl")
    person.tap("shift")
    person.tap("q")
    until(lambda: injector.mode == "human")
    assert injector.set_held(BUSY) is False


def test_a_dry_run_hears_the_person_too(desktop, arena, probe, person):
    target = probe().find(desktop, arena)
    with GuardedInjector(desktop, target, arena, armed=False, grip=Grip()) as injector:
        assert injector.set_held(BUSY) and injector.mode == "dry run"
        person.tap("k")
        until(lambda: injector.mode == "human")
        assert injector.held == frozenset() and injector.set_held(BUSY) is False
        person.tap("ctrl", "shift", "q")
        until(lambda: injector.mode == "killed")


def test_a_window_manager_that_looks_at_each_click_first(desktop, arena, probe, server, click_to_focus):
    """It freezes the pointer meanwhile, and the click comes back late: still the agent's own."""
    target = probe().find(desktop, arena)
    with GuardedInjector(desktop, target, arena, armed=True, grip=Grip()) as injector:
        for _ in range(10):
            assert injector.set_held(FORWARD | {Action.LIGHT_ATTACK})
            assert injector.set_held(FORWARD)
            time.sleep(0.1)
        assert injector.mode == "armed"


@pytest.mark.parametrize(
    ("grip", "says"),
    [
        (Grip(give_back="w"), "is one of the game's"),
        (Grip(give_back="hello"), "--give-back: expected one character"),
        (Grip(give_back="q"), "also in the kill chord"),
        (Grip(kill_chord="q"), "--kill-chord: expected keys with \\+"),
        (Grip(kill_chord="ctrl+hyper+q"), "--kill-chord: expected keys with \\+"),
        (Grip(kill_chord="ctrl+alt+nothing"), "--kill-chord: expected one character"),
    ],
)
def test_keys_that_cannot_be(desktop, arena, probe, grip, says):
    target = probe().find(desktop, arena)
    with pytest.raises(UserError, match=says):
        GuardedInjector(desktop, target, arena, armed=False, grip=grip)
