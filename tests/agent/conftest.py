"""Scripted policies, and a window that hears what they do."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from Xlib import XK, X, Xutil
from Xlib.ext import xinput

from combatvla.actions import WAIT_PLAN, Plan
from combatvla.desktop.rawinput import raw_motion
from combatvla.desktop.x11 import connect
from combatvla.policy.base import Decision, Frame
from tests.helpers import until


class Scripted:
    """Plays the given plans in order, then waits; thinks `think_s` for each."""

    name = "scripted"
    needs_truth = False

    def __init__(self, *plans: Plan, think_s: float = 0.0, frames_per_decision: int = 1) -> None:
        self.plans, self.think_s, self.frames_per_decision = list(plans), think_s, frames_per_decision
        self.seen: list[list[Frame]] = []
        self.deadlines: list[int | None] = []

    def reset(self, seed: int | None = None) -> None:
        self.seen.clear()

    def decide(self, frames: Sequence[Frame], *, deadline_ns=None, truth=None) -> Decision:
        assert truth is None, "a policy in a window must not be told the truth"
        self.deadlines.append(deadline_ns)
        time.sleep(self.think_s)
        self.seen.append(list(frames))
        turn = len(self.seen) - 1
        return Decision(self.plans[turn] if turn < len(self.plans) else WAIT_PLAN)


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


class Ears:
    """A real window that hears keys and buttons, and the mouse's own motion, with the server's times."""

    def __init__(self, title: str) -> None:
        self.x = connect()
        screen = self.x.screen()
        self.window = screen.root.create_window(0, 0, 900, 700, 0, screen.root_depth, background_pixel=0x204060)
        mask = X.KeyPressMask | X.KeyReleaseMask | X.ButtonPressMask | X.ButtonReleaseMask
        self.window.change_attributes(event_mask=mask)
        self.window.set_wm_normal_hints(flags=Xutil.USPosition)
        self.window.change_property(self.x.get_atom("_NET_WM_NAME"), self.x.get_atom("UTF8_STRING"), 8, title.encode())
        self.window.map()
        self.x.xinput_query_version()
        screen.root.xinput_select_events([(xinput.AllMasterDevices, xinput.RawMotionMask)])
        self.x.sync()

    def heard(self) -> list[tuple[int, str, bool | tuple[float, float]]]:
        """What came in since the last question: (server's ms, key, went down), (ms, "mouse", (right, down))."""
        self.x.sync()
        found = []
        for event in [self.x.next_event() for _ in range(self.x.pending_events())]:
            if event.type in (X.KeyPress, X.KeyRelease):
                key = XK.keysym_to_string(self.x.keycode_to_keysym(event.detail, 0)) or str(event.detail)
                found.append((event.time, key, event.type == X.KeyPress))
            elif event.type in (X.ButtonPress, X.ButtonRelease):
                found.append((event.time, f"button{event.detail}", event.type == X.ButtonPress))
            elif getattr(event, "evtype", None) == xinput.RawMotion:
                stamp, dx, dy = raw_motion(event.data)
                found.append((stamp, "mouse", (dx, dy)))
        return found


@pytest.fixture
def ears(display, desktop, arena):
    """A window that hears, and as which it is found: `(ears, window)`; it has the focus."""
    opened = Ears("hears everything")
    window = desktop.find_window(arena.model_copy(update={"title": "hears"}), wait_s=5)
    assert desktop.activate(window, timeout_s=5)
    opened.x.screen().root.warp_pointer(450, 350)
    opened.x.sync()
    yield opened, window
    opened.x.close()
    # The window manager must have dealt with its end: else it moves the focus about in the next test.
    until(lambda: window.id not in {w.id for w in desktop.windows()})
