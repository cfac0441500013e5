"""Rate limits of presses and of mouse motion."""

from __future__ import annotations

import time

from combatvla.actions import Action
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.limits import Limits, Meter

FORWARD = frozenset({Action.MOVE_FORWARD})


def test_presses_beyond_the_limit_are_left_out_and_said_once(desktop, arena, probe, server):
    window, said = probe(), []
    target = window.find(desktop, arena)
    limits = Limits(presses_per_s=30, presses_per_key_per_s=5)
    with GuardedInjector(desktop, target, arena, armed=True, limits=limits, on_limit=said.append) as injector:
        for _ in range(8):
            assert injector.set_held(FORWARD)
            assert injector.set_held(FORWARD)  # asked for again, as the actuator does
            assert injector.set_held(frozenset())
        assert injector.meter.left_out == 3 and len(said) == 1 and "5 of one key" in said[0]
        assert injector.set_held(FORWARD) and injector.held == frozenset()
        time.sleep(1.05)
        assert injector.set_held(FORWARD) and injector.held == FORWARD
    got = window.close()
    assert got == [("press", "w"), ("release", "w")] * 6


def test_all_keys_together(desktop, arena, probe, server):
    target = probe().find(desktop, arena)
    with GuardedInjector(desktop, target, arena, armed=True, limits=Limits(presses_per_s=3)) as injector:
        four = frozenset({Action.MOVE_FORWARD, Action.SPRINT, Action.DODGE, Action.HEAL})
        assert injector.set_held(four) and len(injector.held) == 3 == sum(server())
        assert injector.set_held(frozenset()) and server() == (0, 0)  # releases are never limited


def test_mouse_motion():
    said: list[str] = []
    meter = Meter(Limits(counts_per_s=100), said.append)
    assert meter.move(60) and meter.move(40)
    assert not meter.move(1) and not meter.move(1)
    assert meter.left_out == 2 and len(said) == 1
    time.sleep(1.05)
    assert meter.move(100)
