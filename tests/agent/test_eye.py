"""The eye's thread: what goes wrong in it comes out of `look`, whatever it is."""

from __future__ import annotations

import time

import pytest

from agent.eye import Eye
from combatvla.desktop.capture import WindowCapture


def test_no_fault_of_the_thread_is_lost(probe, desktop, arena):
    with WindowCapture(probe().find(desktop, arena), desktop=desktop) as capture:
        with Eye(capture, count=3, gap_ms=100, period_ms=0) as eye:
            eye.aim(time.monotonic_ns())
            with pytest.raises(ZeroDivisionError):
                eye.look()
