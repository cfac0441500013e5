"""Where a window of X11 lies and what covers it, told by the server as it changes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from Xlib import X

from combatvla.desktop.base import Box, View, Window
from combatvla.desktop.x11 import GONE, LOST, connect, gone_as_user_error, program_of, read_title

LINGER_S = 0.5
_CHANGES = (X.MapNotify, X.UnmapNotify, X.ConfigureNotify, X.ReparentNotify, X.CirculateNotify, X.DestroyNotify)


class X11Cover:
    """`Cover` on X11. What lies above the window covers it, but for the menus and tooltips of its own program.

    `holds` costs a few microseconds and is exact: the server writes what it has to tell before it answers the next
    request, so that whatever changed before a picture was taken waits here when the picture comes. A window counts with
    the whole of its rectangle, frame included, also where it is see-through. A compositor draws later than that, and
    lets windows fade: where one runs, what covered the window stays covered for `LINGER_S` more, and the whole of a
    window that was moved.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._x = connect()
        self._root = self._x.screen().root
        self._root.change_attributes(event_mask=X.SubstructureNotifyMask)
        self._target = self._x.create_resource_object("window", window.id)
        self._listened: set[int] = set()
        self._of_client = ~self._x.display.info.resource_id_mask
        self._compositor = self._x.get_atom(f"_NET_WM_CM_S{self._x.get_default_screen()}")
        self._view: View | None = None
        """What `look` gives; None when it must be found out anew."""
        self._found: View | None = None
        """What was found last, without what lingers."""
        self._lingering: list[tuple[float, View]] = []
        """Until when which earlier views count."""

    def look(self) -> View:
        with gone_as_user_error(self._window.title):
            self._heed()
            if self._lingering and time.monotonic() >= self._lingering[0][0]:
                self._view = None
            while self._view is None:
                try:
                    self._view = self._with_what_lingers(self._look())
                except GONE:
                    self._target.get_geometry()  # the window itself is gone; else it was a frame, and there is another
            return self._view

    def holds(self, view: View) -> bool:
        with gone_as_user_error(self._window.title):
            self._heed()
        return view is self._view

    def close(self) -> None:
        with suppress(*LOST):
            self._x.close()

    def _heed(self) -> None:
        while self._x.pending_events():
            event = self._x.next_event()
            if event.type in _CHANGES:
                self._view = None
            if event.type == X.DestroyNotify:
                self._listened.discard(event.window.id)  # another one may get its number

    def _with_what_lingers(self, found: View) -> View:
        now = time.monotonic()
        before, self._found = self._found, found
        self._lingering = [(until, view) for until, view in self._lingering if until > now]
        if before not in (None, found) and self._x.get_selection_owner(self._compositor) != X.NONE:
            self._lingering.append((now + LINGER_S, before))
        views = [found, *(view for _, view in self._lingering)]
        if any(view.window != found.window for view in views):
            return View(found.window, ((0, 0, found.window.width, found.window.height),))
        boxes = dict.fromkeys(box for view in views for box in view.covered)
        return View(found.window, tuple(boxes), tuple(dict.fromkeys(title for view in views for title in view.by)))

    def _look(self) -> View:
        path = self._path()
        for id_ in path:  # frames move, and the window within them
            if id_ not in self._listened:
                self._listened.add(id_)
                self._x.create_resource_object("window", id_).change_attributes(event_mask=X.StructureNotifyMask)
        above = self._above(path[-1])
        shape, at = self._target.get_geometry(), self._root.translate_coords(self._target, 0, 0)
        window = replace(self._window, x=at.x, y=at.y, width=shape.width, height=shape.height)
        if self._target.get_attributes().map_state != X.IsViewable:  # rolled up, say: anything may be in its place
            return View(window, ((0, 0, window.width, window.height),))
        covered, by = [], []
        for other in above:
            with suppress(*GONE):  # closed meanwhile: `holds` will tell
                box = self._box(other, window)
                if box is not None:
                    covered.append(box)
                    by.append(self._title(other))
        return View(window, tuple(covered), tuple(by))

    def _path(self) -> list[int]:
        """The window and its ancestors, up to the one below the root."""
        path = [self._target.id]
        while True:
            parent = self._x.create_resource_object("window", path[-1]).query_tree().parent
            if isinstance(parent, int) or parent.id == self._root.id:
                return path
            path.append(parent.id)

    def _above(self, id_: int) -> list:
        children = self._root.query_tree().children  # from the bottom to the top
        ids = [child.id for child in children]
        return children[ids.index(id_) + 1 :] if id_ in ids else children

    def _box(self, other, window: Window) -> Box | None:
        """What of the window's picture `other` covers."""
        if not other.id & self._of_client:
            return None  # the server's own: what a compositor has drawn of all the others
        kind = other.get_attributes()
        if kind.map_state != X.IsViewable or kind.win_class == X.InputOnly:
            return None
        shape = other.get_geometry()  # of a child of the root: on the screen
        x, y, borders = shape.x - window.x, shape.y - window.y, 2 * shape.border_width
        left, right = max(0, x), min(window.width, x + shape.width + borders)
        top, bottom = max(0, y), min(window.height, y + shape.height + borders)
        if left >= right or top >= bottom:
            return None
        if kind.override_redirect and program_of(self._x, other.id) == program_of(self._x, self._target.id):
            return None  # its own menu
        return left, top, right, bottom

    def _title(self, other) -> str:
        """Its title, or that of what is in the frame."""
        inside = [other]
        for _ in range(3):
            for window in inside:
                if title := read_title(window):
                    return title
            inside = [child for window in inside for child in window.query_tree().children]
        return "a window without a title"
