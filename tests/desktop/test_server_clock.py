"""Inputs are dated by the X server that saw them."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from combatvla.desktop import server_clock
from combatvla.desktop.server_clock import LONGEST_MS, MS, ServerClock
from combatvla.desktop.x11 import connect


@pytest.fixture
def connection(display):
    opened = connect()
    yield opened
    opened.close()


def test_the_server_on_this_machine_counts_on_our_clock(connection):
    clock = ServerClock(connection)
    assert clock.shared
    before = time.monotonic_ns()
    stamp = server_clock._ask(connection)
    assert before - MS <= clock.moment_ns(stamp) <= time.monotonic_ns()


@pytest.mark.parametrize("off_ms", [-3_600_000, -40, 3_600_000])
def test_a_server_with_another_clock_is_not_believed(connection, monkeypatch, off_ms):
    ask = server_clock._ask
    monkeypatch.setattr(server_clock, "_ask", lambda c: (ask(c) + off_ms) % 2**32)
    clock = ServerClock(connection)
    now = time.monotonic_ns()
    assert not clock.shared and clock.moment_ns(now // MS % 2**32) >= now


@pytest.mark.parametrize("now_ms", [5_000, 2**32 + 30, 2**32 * 7 + 999_999])
@pytest.mark.parametrize("late_ms", [0, 1, 40, LONGEST_MS])
def test_a_moment_is_told_to_a_millisecond_also_where_the_count_begins_anew(monkeypatch, now_ms, late_ms):
    clock = ServerClock.__new__(ServerClock)
    clock.shared = True
    now = now_ms * MS + 400_000
    monkeypatch.setattr(server_clock, "time", SimpleNamespace(monotonic_ns=lambda: now))
    happened = now - late_ms * MS
    assert happened <= clock.moment_ns((now_ms - late_ms) % 2**32) <= min(now, happened + MS)
    assert clock.moment_ns((now_ms - LONGEST_MS - 1) % 2**32) == now, "of another clock"
    assert clock.moment_ns((now_ms + 5) % 2**32) == now, "not of the future"
