"""Guarded injection: real keys by XTest into real windows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from Xlib import X, Xutil

from combatvla.actions import Action
from combatvla.desktop import WindowGone, watchdog
from combatvla.desktop.exits import release_on_exit
from combatvla.desktop.inject import GuardedInjector, _Answer
from combatvla.desktop.x11 import connect, key_code
from combatvla.errors import UserError
from tests.helpers import until

FORWARD_DODGE = frozenset({Action.MOVE_FORWARD, Action.DODGE})


def presses(got: list[tuple[str, str]]) -> list[str]:
    return [key for kind, key in got if kind == "press"]


def test_only_the_difference_is_sent(desktop, arena, probe, server):
    window = probe()
    with GuardedInjector(desktop, window.find(desktop, arena), arena, armed=True) as injector:
        assert injector.set_held(frozenset({Action.MOVE_FORWARD}))
        assert injector.set_held(FORWARD_DODGE)
        assert injector.set_held(frozenset({Action.DODGE, Action.LIGHT_ATTACK}))
        assert server() == (1, 1)
        assert injector.held == {Action.DODGE, Action.LIGHT_ATTACK}
        assert injector.set_held(frozenset())
        assert server() == (0, 0)
    assert window.close() == [
        ("press", "w"),
        ("press", " "),
        ("release", "w"),
        ("press", "button1"),
        ("release", " "),
        ("release", "button1"),
    ]


def test_every_key_of_the_profile_arrives(desktop, arena, probe, server):
    window = probe()
    with GuardedInjector(desktop, window.find(desktop, arena), arena, armed=True) as injector:
        for action in arena.actions:
            assert injector.set_held(frozenset({action}))
        assert injector.set_held(frozenset({Action.BLOCK}))  # the Arena has no key for it
        assert server() == (0, 0)
    assert presses(window.close()) == ["w", "s", "a", "d", "50", " ", "r", "1", "button1", "button3"]


def test_stolen_focus_lets_go_and_nothing_arrives_elsewhere(desktop, arena, probe, server):
    window = probe(x=0)
    target = window.find(desktop, arena)
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(frozenset(Action) - {Action.WAIT})
        assert server() == (8, 2)
        thief = probe(title="thief", x=600)
        thief_window = thief.find(desktop, arena)
        until(lambda: server() == (0, 0))  # nobody calls the injector: it hears of it itself
        assert injector.held == frozenset()
        for _ in range(20):
            assert injector.set_held(FORWARD_DODGE) is False
            assert injector.set_held(frozenset({Action.LIGHT_ATTACK})) is False
        assert server() == (0, 0)
        assert desktop.active_window() == thief_window.id
        assert desktop.activate(target, timeout_s=5)
        until(lambda: injector.set_held(FORWARD_DODGE))
        assert server() == (2, 0)
    assert presses(thief.close()) == []


def test_focus_taken_without_the_window_manager(desktop, arena, probe, server):
    """Some windows take the server's focus themselves; the window manager's word comes later, or never."""
    target = probe(x=0).find(desktop, arena)
    other = probe(title="other", x=600)
    elsewhere = other.find(desktop, arena, focus=False)
    assert desktop.activate(target, timeout_s=5)
    x = connect()
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(FORWARD_DODGE)
        x.set_input_focus(x.create_resource_object("window", elsewhere.id), X.RevertToParent, X.CurrentTime)
        x.sync()
        until(lambda: server() == (0, 0))
        assert injector.set_held(FORWARD_DODGE) is False
    x.close()
    assert presses(other.close()) == []


class Grabber:
    """Another program, with a small window at 900, 500, that takes the keyboard or the pointer for itself."""

    def __init__(self) -> None:
        self.x = connect()
        root, depth = self.x.screen().root, self.x.screen().root_depth
        mask = X.KeyPressMask | X.ButtonPressMask
        self.window = root.create_window(900, 500, 100, 100, 0, depth, override_redirect=True, event_mask=mask)
        self.window.map()
        self.x.sync()

    def keyboard(self) -> None:
        taken = self.window.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
        assert taken == X.GrabSuccess

    def pointer(self) -> None:
        how = (False, X.ButtonPressMask, X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime)
        assert self.window.grab_pointer(*how) == X.GrabSuccess

    def let_go(self) -> None:
        self.x.ungrab_keyboard(X.CurrentTime)
        self.x.ungrab_pointer(X.CurrentTime)
        self.x.sync()

    def pressed(self) -> list[int]:
        """The keys and buttons that it got, since the last question."""
        self.x.sync()
        events = [self.x.next_event() for _ in range(self.x.pending_events())]
        return [event.detail for event in events if event.type in (X.KeyPress, X.ButtonPress)]


@pytest.fixture
def grabber(display):
    opened = Grabber()
    yield opened
    opened.x.close()


def warp(x: int, y: int) -> None:
    connection = connect()
    connection.screen().root.warp_pointer(x, y)
    connection.sync()
    connection.close()


def test_a_screen_lock_lets_go_and_gets_nothing(desktop, arena, probe, server, grabber):
    """It grabs the keyboard; the game stays the active window, with the focus of X."""
    window = probe()
    target = window.find(desktop, arena)
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(FORWARD_DODGE | {Action.LIGHT_ATTACK})
        grabber.keyboard()
        until(lambda: server() == (0, 0))  # nobody calls the injector: it hears of it itself
        assert injector.held == frozenset() and desktop.active_window() == target.id
        for _ in range(20):
            assert injector.set_held(FORWARD_DODGE) is False
            assert injector.set_held(frozenset({Action.LIGHT_ATTACK})) is False
            assert injector.set_held(frozenset()) is False
        assert grabber.pressed() == []
        grabber.let_go()
        until(lambda: injector.set_held(FORWARD_DODGE))
    assert presses(window.close()) == ["w", " ", "button1", "w", " "]


def test_a_screen_that_was_locked_before(desktop, arena, probe, server, grabber):
    window = probe()
    target = window.find(desktop, arena)
    grabber.keyboard()
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(FORWARD_DODGE) is False
        assert grabber.pressed() == []
        grabber.let_go()
        until(lambda: injector.set_held(FORWARD_DODGE))
    assert presses(window.close()) == ["w", " "]


@pytest.mark.parametrize("begins", [(50, 50), (700, 600)], ids=["over the game", "beside the game"])
def test_a_button_does_not_go_to_who_has_grabbed_the_pointer(desktop, arena, probe, server, grabber, begins):
    """A menu of another program, say. Keys go to the game all the while."""
    window = probe()
    target = window.find(desktop, arena)
    warp(*begins)
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        grabber.pointer()
        assert injector.set_held(frozenset({Action.LIGHT_ATTACK})) is False
        warp(60, 60)  # the person's hand: now it is over the game, and still the other's
        assert injector.set_held(frozenset({Action.LIGHT_ATTACK})) is False
        assert injector.set_held(FORWARD_DODGE) and server() == (2, 0)
        assert grabber.pressed() == []
        at = grabber.x.screen().root.query_pointer()
        assert (at.root_x, at.root_y) == (60, 60), "nor is the pointer taken from it"
        grabber.let_go()
        assert injector.set_held(frozenset({Action.LIGHT_ATTACK}))
    assert presses(window.close()) == ["w", " ", "button1"]


@pytest.mark.parametrize("begins", [(950, 550), (700, 400)], ids=["in it", "beside it"])
def test_a_game_that_grabs_for_itself_is_played(desktop, arena, probe, server, grabber, begins):
    """The window with the focus is the grabber's own: games hold the pointer, and old ones the keyboard."""
    x = grabber.x
    game = x.screen().root.create_window(900, 500, 100, 100, 0, x.screen().root_depth)
    game.change_attributes(event_mask=X.KeyPressMask | X.ButtonPressMask)
    game.set_wm_normal_hints(flags=Xutil.USPosition)
    game.change_property(x.get_atom("_NET_WM_NAME"), x.get_atom("UTF8_STRING"), 8, b"grabs")
    game.map()
    grabber.window.destroy()
    grabber.window = game
    x.sync()
    target = desktop.find_window(arena.model_copy(update={"title": "grabs"}), wait_s=5)
    assert desktop.activate(target, timeout_s=5)
    warp(*begins)
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        grabber.pointer()
        grabber.keyboard()
        assert injector.set_held(FORWARD_DODGE | {Action.LIGHT_ATTACK})
        assert injector.set_held(frozenset({Action.HEAVY_ATTACK}))
    assert len(grabber.pressed()) == 4


def test_a_button_does_not_go_to_a_window_that_covers_the_pointer(desktop, arena, probe, server):
    window = probe(x=0, width=400, height=400)
    target = window.find(desktop, arena)
    cover = probe("cover", 100, 100, 150, 150, "unmanaged")  # like a menu: no focus, no window manager, on top
    x = connect()
    x.screen().root.warp_pointer(200, 200)
    x.sync()
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(frozenset({Action.LIGHT_ATTACK})) is False
        x.screen().root.warp_pointer(900, 600)
        x.sync()
        assert injector.set_held(frozenset({Action.LIGHT_ATTACK})) is False  # its middle is covered too
        x.screen().root.warp_pointer(20, 20)
        x.sync()
        assert injector.set_held(frozenset({Action.LIGHT_ATTACK}))
    x.close()
    assert presses(cover.close()) == []
    assert presses(window.close()) == ["button1"]


def test_a_window_manager_that_looks_at_each_click_first(desktop, arena, probe, server, click_to_focus):
    """It grabs the pointer for a moment and lets the click go on: no reason to let go of it."""
    window = probe()
    target = window.find(desktop, arena)
    warp(50, 50)
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        for _ in range(10):
            assert injector.set_held(FORWARD_DODGE | {Action.LIGHT_ATTACK})
            time.sleep(0.02)
            assert server() == (2, 1)
            assert injector.set_held(FORWARD_DODGE)
    assert presses(window.close()).count("button1") == click_to_focus() == 10


def test_the_pointer_is_brought_into_the_window_for_a_button(desktop, arena, probe, server):
    window = probe(x=0)
    target = window.find(desktop, arena)
    x = connect()
    x.screen().root.warp_pointer(1200, 700)
    x.sync()
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(frozenset({Action.HEAVY_ATTACK}))
    x.close()
    assert presses(window.close()) == ["button3"]


def test_closed_window(desktop, arena, probe, server):
    window = probe()
    injector = GuardedInjector(desktop, window.find(desktop, arena), arena, armed=True)
    assert injector.set_held(FORWARD_DODGE)
    window.close()
    until(lambda: server() == (0, 0))
    with pytest.raises(WindowGone, match="was closed: start the game again"):
        until(lambda: injector.set_held(FORWARD_DODGE) is None)
    assert server() == (0, 0)
    injector.close()
    injector.close()
    assert not injector.set_held(FORWARD_DODGE)


def test_dry_run_sends_nothing(desktop, arena, probe, server):
    window = probe()
    with GuardedInjector(desktop, window.find(desktop, arena), arena, armed=False) as injector:
        assert injector.set_held(FORWARD_DODGE | {Action.LIGHT_ATTACK})
        assert injector.held == FORWARD_DODGE | {Action.LIGHT_ATTACK}
        assert server() == (0, 0)
        injector.release_all()
    assert window.close() == []


def test_what_a_predecessor_left_held_is_released_at_the_start(desktop, arena, probe, server):
    target = probe().find(desktop, arena)
    x = connect()
    x.xtest_fake_input(X.KeyPress, key_code(x, "w"))
    x.sync()
    x.close()
    assert server() == (1, 0)
    with GuardedInjector(desktop, target, arena, armed=True):
        assert server() == (0, 0)


CHILD = """
    import sys, time
    from combatvla.actions import Action
    from combatvla.desktop import open_desktop
    from combatvla.desktop.exits import release_on_exit
    from combatvla.desktop.inject import GuardedInjector
    from combatvla.profiles import load_profile
    desktop, arena = open_desktop(), load_profile("arena")
    injector = GuardedInjector(desktop, desktop.find_window(arena), arena, armed=True)
    with release_on_exit(injector):
        while True:  # as busy as an agent: a signal falls into the middle of a call
            injector.set_held(frozenset({Action.MOVE_FORWARD, Action.SPRINT, Action.LIGHT_ATTACK}))
            print("held", flush=True)
            if sys.argv[1] == "raise":
                raise RuntimeError("a bug in the caller")
            if sys.argv[1] == "calm":
                time.sleep(60)
"""


@pytest.fixture
def start_child(server):
    started: list[subprocess.Popen] = []

    def start(how: str) -> subprocess.Popen:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,  # a job of its own, as in a shell: else it may be one that Ctrl-Z does not stop
        )
        started.append(child)
        assert child.stdout.readline() == "held\n"
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
            child.communicate()


@pytest.mark.parametrize("how", ["calm", "busy"])
def test_kill_9_is_made_good_by_the_watchdog(desktop, arena, probe, server, how, start_child):
    probe().find(desktop, arena)
    child = start_child(how)
    assert server() == (2, 1)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    until(lambda: server() == (0, 0))


def is_stopped(child: subprocess.Popen) -> bool:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("how", ["calm", "busy"])
def test_ctrl_z_releases_everything_first(desktop, arena, probe, server, how, start_child):
    probe().find(desktop, arena)
    child = start_child(how)
    for _ in range(3):
        until(lambda: server() == (2, 1) or how == "calm")
        child.send_signal(signal.SIGTSTP)
        until(lambda: is_stopped(child))
        assert server() == (0, 0)
        time.sleep(0.1)
        assert server() == (0, 0)
        child.send_signal(signal.SIGCONT)
    until(lambda: server() == (2, 1) or how == "calm")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=10)
    assert child.returncode == 143


@pytest.mark.parametrize("how", ["calm", "busy"])
def test_a_process_that_stands_still_holds_nothing(desktop, arena, probe, server, how, start_child):
    """Nor does it believe so when it comes to life again."""
    probe().find(desktop, arena)
    child = start_child(how)
    for _ in range(2):
        until(lambda: server() == (2, 1))
        stopped = time.monotonic()
        child.send_signal(signal.SIGSTOP)
        until(lambda: server() == (0, 0), 5)
        assert 0.5 < time.monotonic() - stopped < 3
        time.sleep(0.3)
        assert server() == (0, 0)
        child.send_signal(signal.SIGCONT)
        if how == "calm":
            break
    time.sleep(0.2)  # it has come to life: a signal of before may miss its main thread
    until(lambda: server() == ((2, 1) if how == "busy" else (0, 0)))
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=10)
    assert child.returncode == 143


def test_what_is_held_stays_so_while_nothing_else_is_done(desktop, arena, probe, server):
    """The watchdog hears that the process lives."""
    target = probe().find(desktop, arena)
    with GuardedInjector(desktop, target, arena, armed=True) as injector:
        assert injector.set_held(FORWARD_DODGE)
        time.sleep(1.6)
        assert server() == (2, 0) and injector.held == FORWARD_DODGE


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, -2), (signal.SIGHUP, 129)])
def test_signals_release_everything(desktop, arena, probe, server, number, status, start_child):
    probe().find(desktop, arena)
    child = start_child("busy")
    child.send_signal(number)
    child.communicate(timeout=10)
    assert child.returncode == status
    assert server() == (0, 0)


def test_a_signal_that_is_ignored_stays_ignored(desktop, arena, probe, server):
    """As under `nohup`: the end of the terminal does not end the program."""
    target = probe().find(desktop, arena)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with release_on_exit(GuardedInjector(desktop, target, arena, armed=True)) as injector:
            assert injector.set_held(FORWARD_DODGE)
            os.kill(os.getpid(), signal.SIGHUP)
            assert server() == (2, 0)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_exception_releases_everything(desktop, arena, probe, server, start_child):
    probe().find(desktop, arena)
    child = start_child("raise")
    assert "a bug in the caller" in child.communicate(timeout=10)[1]
    assert server() == (0, 0)


def repeats() -> bool:
    x = connect()
    found = watchdog.repeating(x, [key_code(x, "w"), key_code(x, "space")])
    x.close()
    assert len(found) in (0, 2)
    return bool(found)


def test_a_key_that_is_held_is_not_repeated_into_whatever_takes_the_focus(desktop, arena, probe, server):
    window = probe()
    with GuardedInjector(desktop, window.find(desktop, arena), arena, armed=True) as injector:
        assert not repeats()
        assert injector.set_held(FORWARD_DODGE)
        time.sleep(1.2)  # a server begins to repeat after 0.5 or 0.66 s
    assert repeats()
    assert presses(window.close()) == ["w", " "]


def test_a_dry_run_leaves_the_keyboard_as_it_is(desktop, arena, probe):
    with GuardedInjector(desktop, probe().find(desktop, arena), arena, armed=False):
        assert repeats()


@pytest.mark.parametrize("victim", ["agent", "watchdog"])
def test_keys_repeat_again_after_kill_9(desktop, arena, probe, server, victim, start_child):
    target = probe().find(desktop, arena)
    if victim == "agent":
        child = start_child("calm")
        assert not repeats()
        child.kill()
    else:
        with GuardedInjector(desktop, target, arena, armed=True) as injector:
            injector._watchdog.kill()
            injector._watchdog.wait()
            assert not repeats()
    until(repeats)


def test_a_killed_watchdog_stops_the_input(desktop, arena, probe, server):
    target = probe().find(desktop, arena)
    with release_on_exit(GuardedInjector(desktop, target, arena, armed=True)) as injector:
        assert injector.set_held(FORWARD_DODGE)
        injector._watchdog.kill()
        injector._watchdog.wait()
        with pytest.raises(UserError, match="watchdog"):
            injector.set_held(frozenset({Action.MOVE_BACK}))
        assert server() == (0, 0)


def test_a_key_that_the_keyboard_lacks(desktop, arena, probe):
    target = probe().find(desktop, arena)
    strange = arena.model_copy(update={"keys": {Action.HEAL: "\u20bf"}})
    with pytest.raises(UserError, match="keyboard layout has no plain key"):
        GuardedInjector(desktop, target, strange, armed=True)


def test_closing_carries_out_what_an_interrupted_call_left(desktop, arena, probe, server):
    window = probe()
    injector = GuardedInjector(desktop, window.find(desktop, arena), arena, armed=True)
    # As after a signal between the two halves of handing a job over: the thread was not woken.
    injector._jobs.put((lambda: injector._set(FORWARD_DODGE), _Answer()))
    closing = threading.Thread(target=injector.close, daemon=True)
    closing.start()
    closing.join(6)
    assert not closing.is_alive(), "it waits for an answer that nobody gives"
    assert server() == (0, 0)
