"""The server is grabbed around each press: nothing arrives elsewhere, and who is stopped in it freezes nothing long."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time

from Xlib import X

from combatvla.actions import Action
from combatvla.desktop import watchdog
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.limits import UNLIMITED
from combatvla.desktop.x11 import connect

PRESSES = 600


def test_a_thief_of_the_focus_gets_no_press(desktop, arena, probe, server):
    """It takes the focus of X again and again while keys are pressed as fast as can be; nobody tells the presser."""
    target = probe(x=0).find(desktop, arena)
    thief = probe(title="thief", x=600)
    other = thief.find(desktop, arena, focus=False)
    assert desktop.activate(target, timeout_s=5)
    over, thefts = threading.Event(), []

    def steal() -> None:
        x = connect()
        mine, game = (x.create_resource_object("window", w.id) for w in (other, target))
        while not over.is_set():
            x.set_input_focus(mine, X.RevertToParent, X.CurrentTime)
            x.sync()
            thefts.append(time.monotonic())
            time.sleep(0.002)
            x.set_input_focus(game, X.RevertToParent, X.CurrentTime)
            x.sync()
            time.sleep(0.004)
        x.close()

    thread = threading.Thread(target=steal)
    with GuardedInjector(desktop, target, arena, armed=True, limits=UNLIMITED) as injector:
        thread.start()
        pressed = 0
        until_s = time.monotonic() + 30
        while pressed < PRESSES and time.monotonic() < until_s:
            for held in (frozenset({Action.MOVE_FORWARD, Action.DODGE}), frozenset()):
                pressed += bool(injector.set_held(held) and held)
        over.set()
        thread.join()
    assert pressed == PRESSES and len(thefts) > 50
    assert [line for line in thief.close() if line[0] == "press"] == []


STOPS = """
    import signal, sys, threading
    from combatvla.actions import Action
    from combatvla.desktop import open_desktop
    from combatvla.desktop.inject import GuardedInjector
    from combatvla.errors import UserError
    from combatvla.profiles import load_profile
    desktop, arena = open_desktop(), load_profile("arena")
    injector = GuardedInjector(desktop, desktop.find_window(arena), arena, armed=True)
    injector.set_held(frozenset({Action.SPRINT}))
    send = injector._sender.send
    def stop(action, *, down):
        injector._sender.send = send
        send(action, down=down)
        injector._x.sync()
        signal.pthread_kill(threading.get_ident(), getattr(signal, sys.argv[1]))  # now, and not in a moment
    injector._sender.send = stop
    print("now", flush=True)
    try:
        injector.set_held(frozenset({Action.SPRINT, Action.DODGE}))
        injector.set_held(frozenset())
    except UserError as error:
        print(error, flush=True)
    injector.close()
"""


def frozen_s(name: str) -> tuple[float, str]:
    """For how long nobody else was served after a process got this signal within its grab; and what it said then."""
    x = connect()
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STOPS), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "now\n"
    longest, end = 0.0, time.monotonic() + 2.5
    while time.monotonic() < end:
        asked = time.monotonic()
        x.sync()
        longest = max(longest, time.monotonic() - asked)
        time.sleep(0.001)
    keys = sum(byte.bit_count() for byte in x.query_keymap())
    x.close()
    if name == "SIGSTOP":
        child.send_signal(signal.SIGCONT)
    said, _ = child.communicate(timeout=20)
    assert keys == 0, "nothing is held meanwhile"
    return longest, said


def test_a_process_stopped_in_its_grab_is_cut_off(desktop, arena, probe, server):
    probe().find(desktop, arena)
    longest, said = frozen_s("SIGSTOP")
    assert longest >= 0.3, "it was within the grab"
    assert longest < watchdog.GRABBED_STILL_S + 1.0
    assert "stood still in the middle of a press" in said


def test_a_process_killed_in_its_grab_is_cut_off_at_once(desktop, arena, probe, server):
    probe().find(desktop, arena)
    longest, _ = frozen_s("SIGKILL")
    assert longest < 0.6
