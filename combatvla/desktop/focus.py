"""Whether the keyboard goes to a window of X11, told by the server as it changes."""

from __future__ import annotations

import threading
from contextlib import suppress

from Xlib import X, Xatom

from combatvla.desktop.base import Window
from combatvla.desktop.x11 import GONE, LOST, connect
from combatvla.errors import UserError

_OF_POINTER = (X.NotifyPointer, X.NotifyPointerRoot, X.NotifyDetailNone)
"""Told of a focus that follows the pointer: no window has it."""


class X11Focus:
    """`Focus` on X11. The keyboard goes to the window when the window manager calls it the active one, the focus of X
    is in it, and no other program has grabbed the keyboard: a screen locker, a password dialog and a program starter
    do that while the game stays active.

    Asking costs a few microseconds: the server writes what it has to tell before it hands out any later input, so that
    what waits here is all that there is.
    """

    def __init__(self, window: Window) -> None:
        self._lock = threading.Lock()
        self._id = window.id
        self._x = connect()
        self._root = self._x.screen().root
        self._net_active = self._x.get_atom("_NET_ACTIVE_WINDOW")
        self._active: int | None = None
        self._active_known = False
        target = self._x.create_resource_object("window", window.id)
        with suppress(*GONE):
            target.change_attributes(event_mask=X.FocusChangeMask | X.StructureNotifyMask)
            self._root.change_attributes(event_mask=X.PropertyChangeMask)
        self._inside = self._focus_is_inside()

    def has(self) -> bool:
        with self._lock:
            try:
                while self._x.pending_events():
                    self._heed(self._x.next_event())
                if not self._active_known:
                    found = self._root.get_full_property(self._net_active, Xatom.WINDOW)
                    self._active = int(found.value[0]) if found is not None and len(found.value) else None
                    self._active_known = True
            except LOST as problem:
                raise UserError(f"the display ended ({problem})") from problem
            return self._inside and self._active == self._id

    def close(self) -> None:
        with self._lock, suppress(*LOST):
            self._x.close()

    def _heed(self, event) -> None:
        if event.type == X.PropertyNotify:
            self._active_known = self._active_known and event.atom != self._net_active
        elif event.type == X.DestroyNotify:
            self._inside = False
        elif event.type == X.FocusOut and event.detail not in _OF_POINTER:
            self._inside = event.detail == X.NotifyInferior  # to a child of it
        elif event.type == X.FocusIn and event.detail not in _OF_POINTER and event.mode != X.NotifyWhileGrabbed:
            self._inside = True  # (while grabbed: the grabber goes on to have the keys)

    def _focus_is_inside(self) -> bool:
        focus = self._x.get_input_focus().focus
        while not isinstance(focus, int):  # `None` and `PointerRoot` are numbers
            if focus.id == self._id:
                return True
            try:
                focus = focus.query_tree().parent
            except GONE:
                return False
        return False
