"""Whether the keyboard and the mouse go to a window of X11, told by the server as it changes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from Xlib import X, Xatom, display

from combatvla.desktop.base import Window
from combatvla.desktop.server_clock import MS, ServerClock
from combatvla.desktop.x11 import GONE, LOST, connect, gone_as_user_error, program_of

_OF_POINTER = (X.NotifyPointer, X.NotifyPointerRoot, X.NotifyDetailNone)
"""Told of a focus that follows the pointer: no window has it."""


class X11Focus:
    """`Focus` on X11. The keyboard goes to the window when the window manager calls it the active one, the focus of X
    is in it, and no other program has grabbed the keyboard: a screen locker, a password dialog and a program starter
    do that while the game stays active. The mouse goes to it when the pointer is in it, nothing lying between, and no
    other program has grabbed that.

    Asking costs a few microseconds: the server writes what it has to tell before it hands out any later input, so that
    what waits here is all that there is.

    Who calls from one thread may give a `connection` that it does not listen to otherwise; an answer of the server on
    it brings all that went before, and `other(event, focused)` gets those that are not about the focus, as they come.
    A keyboard that was grabbed before the watch began may be held by the game itself or by another program, which the
    server does not tell; `wary` takes it for another's.
    """

    def __init__(
        self,
        window: Window,
        connection: display.Display | None = None,
        *,
        wary: bool = False,
        other: Callable[[object, bool], None] = lambda event, focused: None,
    ) -> None:
        self._lock = threading.Lock()
        self._other = other
        self._id, self._title = window.id, window.title
        self._x = connection or connect()
        self._clock = ServerClock(self._x)
        self.since_ns = self._came_ns = time.monotonic_ns()
        self._root = self._x.screen().root
        self._net_active = self._x.get_atom("_NET_ACTIVE_WINDOW")
        self._active: int | None = None
        self._active_known = False
        self._unseen = self._root.create_window(-1, -1, 1, 1, 0, 0, window_class=X.InputOnly)
        target = self._x.create_resource_object("window", window.id)
        target.change_attributes(
            event_mask=X.FocusChangeMask | X.StructureNotifyMask | X.EnterWindowMask | X.LeaveWindowMask
        )
        self._root.change_attributes(event_mask=X.PropertyChangeMask)
        self._inside = self._focus_is_inside() and not (wary and self._keyboard_is_grabbed())
        self._had = False
        self._pointer = deque([(0, self._pointer_is_inside())], maxlen=16)
        """When it came into the window (True) and when it left it."""

    def has(self) -> bool:
        with self._lock, gone_as_user_error(self._title):
            return self.told()

    def over(self, t_ns: int, x: int, y: int) -> bool:
        with self._lock, gone_as_user_error(self._title):
            self.told()
            return self._had_pointer(t_ns) or self._own_menu_at(x, y)

    def told(self) -> bool:
        """As `has`, for one thread, with the errors of the connection as they are."""
        while self._x.pending_events() or not self._active_known:
            while self._x.pending_events():
                self._heed(self._x.next_event())
            if not self._active_known:  # the answer may bring further events
                found = self._root.get_full_property(self._net_active, Xatom.WINDOW)
                self._active = int(found.value[0]) if found is not None and len(found.value) else None
                self._active_known = True
        has = self._inside and self._active == self._id
        if has and not self._had:
            self.since_ns = self._came_ns
        self._had = has
        return has

    def told_of_pointer(self) -> bool:
        """Whether a button pressed now goes to the window. As `told`."""
        self.told()
        return self._pointer[-1][1]

    def pointer_is_grabbed(self) -> bool:
        """Whether any program has grabbed the pointer, also by a button that is down. As `told`."""
        how = (False, 0, X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime)
        return self._unseen.grab_pointer(*how) == X.AlreadyGrabbed  # never granted, as this window is never mapped

    def close(self) -> None:
        with self._lock, suppress(*LOST):
            self._x.close()

    def _heed(self, event) -> None:
        if event.type == X.PropertyNotify:
            if event.atom == self._net_active:
                self._active_known = self._had = False
                self._came_ns = self._clock.moment_ns(event.time)
        elif event.type == X.DestroyNotify:
            self._inside = False
        elif event.type == X.FocusOut and event.detail not in _OF_POINTER:
            self._inside = event.detail == X.NotifyInferior  # to a child of it
            self._had = self._had and self._inside
        elif event.type == X.FocusIn and event.detail not in _OF_POINTER and event.mode != X.NotifyWhileGrabbed:
            if not self._inside:
                self._came_ns = time.monotonic_ns()  # or before: these events are without a date
            self._inside = True  # (while grabbed: the grabber goes on to have the keys)
        elif event.type in (X.EnterNotify, X.LeaveNotify):
            inside = event.type == X.EnterNotify or event.detail == X.NotifyInferior
            self._pointer.append((self._clock.moment_ns(event.time), inside))
        else:
            self._other(event, self._had)

    def _had_pointer(self, t_ns: int) -> bool:
        """Whether the pointer was in the window, within the millisecond to which the server dates."""
        left_ns = t_ns
        for since_ns, inside in reversed(self._pointer):
            if inside and since_ns - MS <= t_ns <= left_ns + MS:
                return True
            left_ns = since_ns
        return False

    def _own_menu_at(self, x: int, y: int) -> bool:
        """Whether the uppermost window at this place on the screen is a menu of the window's program. Wine also lays
        one over a game that holds the pointer."""
        top = self._root.translate_coords(self._root, x, y).child
        with suppress(*GONE):  # closed meanwhile
            if not isinstance(top, int) and top.id != self._id and top.get_attributes().override_redirect:
                return program_of(self._x, top.id) == program_of(self._x, self._id)
        return False

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

    def _keyboard_is_grabbed(self) -> bool:
        how = (False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
        return self._unseen.grab_keyboard(*how) == X.AlreadyGrabbed  # as in `pointer_is_grabbed`

    def _pointer_is_inside(self) -> bool:
        at = self._root
        while not isinstance(at, int):  # `None` is a number
            if at.id == self._id:
                return True
            try:
                at = at.query_pointer().child
            except GONE:
                return False
        return False
