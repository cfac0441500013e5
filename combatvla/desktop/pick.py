"""Lets the person click on a window of X11."""

from __future__ import annotations

import select
import time
from contextlib import suppress

from Xlib import XK, X, Xatom, Xcursorfont

from combatvla.desktop.x11 import GONE, LOST, connect
from combatvla.errors import UserError

HELD_S = 1.0
"""For so long the pointer may be another program's."""


def pick(timeout_s: float) -> int | None:
    """The id of the window that is clicked on; None when Escape or the right button is pressed, or no program's window
    lies there. The click goes to nobody else. `UserError` after `timeout_s`, and when the pointer cannot be had."""
    x = connect()
    try:
        root = x.screen().root
        font = x.open_font("cursor")
        cross = font.create_glyph_cursor(
            font, Xcursorfont.crosshair, Xcursorfont.crosshair + 1, (0, 0, 0), (0xFFFF, 0xFFFF, 0xFFFF)
        )
        mask = X.ButtonPressMask | X.ButtonReleaseMask
        how = (X.GrabModeAsync, X.GrabModeAsync)
        patience = time.monotonic() + HELD_S
        while root.grab_pointer(False, mask, *how, X.NONE, cross, X.CurrentTime) != X.GrabSuccess:
            if time.monotonic() < patience:  # a menu that is just closing
                time.sleep(0.02)
                continue
            raise UserError(
                "the pointer is held by another program, so no window can be clicked on: let the game go of it (its "
                "menu often does), or name the window with --title or --pid"
            )
        root.grab_keyboard(False, *how, X.CurrentTime)  # for Escape; the pointer alone will do
        return _clicked(x, root, time.monotonic() + timeout_s)
    except LOST as problem:
        raise UserError(f"the display ended ({problem})") from problem
    finally:
        with suppress(*LOST):
            x.close()  # and what it grabbed is free again


def _clicked(x, root, until: float) -> int | None:
    escape = x.keysym_to_keycode(XK.XK_Escape)
    below, pressed = 0, 0
    while (left := until - time.monotonic()) > 0:
        if not x.pending_events():
            select.select([x], [], [], min(left, 0.2))
            continue
        event = x.next_event()
        if event.type == X.KeyPress and event.detail == escape:
            return None
        if event.type == X.ButtonPress and not pressed:
            pressed = event.detail
            below = event.child if isinstance(event.child, int) else event.child.id
        if event.type == X.ButtonRelease and event.detail == pressed:  # so that nobody gets the release alone
            return _client(x, root, below) if pressed == 1 and below else None
    raise UserError("no window was clicked on in time: try again, or name it with --title or --pid")


def _client(x, root, below: int) -> int | None:
    """The program's window in the frame `below`."""
    clients = root.get_full_property(x.get_atom("_NET_CLIENT_LIST"), Xatom.WINDOW)
    known = set(clients.value) if clients is not None else set()
    inside = [below]
    while inside:
        for id_ in inside:
            if id_ in known:
                return int(id_)
        deeper = []
        for id_ in inside:
            with suppress(*GONE):
                deeper += [child.id for child in x.create_resource_object("window", id_).query_tree().children]
        inside = deeper
    return None
