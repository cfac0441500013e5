"""X11: windows and key codes through python-xlib, EWMH for the focus."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from Xlib import XK, X, Xatom, display, error
from Xlib.ext import res
from Xlib.protocol import event

from combatvla.desktop.base import Cover, DisplayEnded, Focus, Window, WindowGone
from combatvla.desktop.choose import find_window
from combatvla.errors import UserError
from combatvla.profiles import GameProfile

BUTTONS = {"mouse_left": 1, "mouse_middle": 2, "mouse_right": 3}
KEYSYMS = {
    "shift": "Shift_L",
    "ctrl": "Control_L",
    "alt": "Alt_L",
    "space": "space",
    "tab": "Tab",
    "enter": "Return",
    "escape": "Escape",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
}
GONE = (error.BadWindow, error.BadDrawable)
LOST = (error.ConnectionClosedError, error.DisplayError, OSError)
XWAYLAND = (
    "this is a Wayland session: windows of Wayland's own programs are neither seen nor heard here, and the picture "
    "of others may stay black; choose an X11 session (often called Xorg) when you log in, or run the game and this "
    "program on an X server of their own: `Xephyr :9 -screen 1280x720 & export DISPLAY=:9; openbox &`"
)


def connect() -> display.Display:
    """A connection to `$DISPLAY`. `UserError` when it does not answer."""
    try:
        connection = display.Display()
    except (error.DisplayError, OSError) as problem:
        raise UserError(
            f"the display {os.environ.get('DISPLAY', '')!r} does not answer ({problem}): "
            "check DISPLAY and XAUTHORITY, or unset DISPLAY to let the program start its own"
        ) from problem
    # Requests without a reply report a vanished window here; the calls with a reply raise it where it matters.
    connection.set_error_handler(lambda *_: None)
    return connection


@contextmanager
def gone_as_user_error(title: str) -> Iterator[None]:
    """Turns X errors about a vanished window or display into `WindowGone`."""
    try:
        yield
    except GONE as problem:
        raise WindowGone(f"the window {title!r} was closed: start the game again") from problem
    except LOST as problem:
        raise DisplayEnded(f"the display of the window {title!r} ended: start the game again") from problem


def key_code(connection: display.Display, key: str) -> int:
    """The key code of a profile's key on the present keyboard layout. `UserError` when no plain key gives it."""
    keysym = XK.string_to_keysym(KEYSYMS.get(key, key.lower())) or ord(key.lower()[0])
    codes = [code for code, index in connection.keysym_to_keycodes(keysym) if index == 0]
    if not codes:
        raise UserError(
            f"the keyboard layout has no plain key {key!r}: choose another layout, or another key in the game profile"
        )
    return codes[0]


def is_xwayland(connection: display.Display) -> bool:
    """Whether a Wayland session shows what this X server draws: its screens are then called XWAYLAND0 and so on."""
    if not connection.has_extension("RANDR"):
        return False
    with suppress(error.XError):
        found = connection.screen().root.xrandr_get_screen_resources_current()
        names = [connection.xrandr_get_output_info(o, found.config_timestamp).name for o in found.outputs]
        return any(str(name).upper().startswith("XWAYLAND") for name in names)
    return False


def read_title(window) -> str:
    """The window's title, "" without one."""
    for name, kind in (("_NET_WM_NAME", "UTF8_STRING"), ("WM_NAME", X.AnyPropertyType)):
        atom = window.display.get_atom(name)
        kind = window.display.get_atom(kind) if isinstance(kind, str) else kind
        found = window.get_full_property(atom, kind)
        if found is not None and found.value:
            return found.value.decode("utf-8", "replace") if isinstance(found.value, bytes) else str(found.value)
    return ""


def read_class(window) -> tuple[str, ...]:
    """What the window's program calls itself: the words of its WM_CLASS, each once."""
    found = window.get_full_property(Xatom.WM_CLASS, X.AnyPropertyType)
    said = found.value if found is not None else b""
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return tuple(dict.fromkeys(word for word in said.split("\0") if word))


def program_of(connection: display.Display, id_: int) -> tuple[str, int]:
    """The process that made a window, as the server knows it, else its connection."""
    if connection.has_extension("X-Resource"):
        asked = [{"client": id_, "mask": res.LocalClientPIDMask}]
        for answer in connection.res_query_client_ids(asked).ids:
            if len(answer.value):
                return "process", int(answer.value[0])
    return "connection", id_ & ~connection.display.info.resource_id_mask


class X11Desktop:
    """`Desktop` on X11. `UserError` when the display is without a window manager: then nobody can tell which window
    has the focus, and keys might go to the wrong one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._display = connect()
        self._root = self._display.screen().root
        self._net_active = self._display.get_atom("_NET_ACTIVE_WINDOW")
        self._net_clients = self._display.get_atom("_NET_CLIENT_LIST")
        self._net_pid = self._display.get_atom("_NET_WM_PID")
        self.note = XWAYLAND if is_xwayland(self._display) else ""
        if self._root.get_full_property(self._net_clients, Xatom.WINDOW) is None:
            self._display.close()
            if self.note:
                raise UserError(self.note)
            raise UserError(
                f"the display {os.environ['DISPLAY']} has no window manager, so it cannot be told which window has the "
                "focus: start one there (for example `openbox &`)"
            )

    def windows(self) -> list[Window]:
        """The window manager's list."""
        with self._lock:
            try:
                clients = self._root.get_full_property(self._net_clients, Xatom.WINDOW)
            except LOST as problem:
                raise UserError(f"the display ended ({problem})") from problem
            windows = []
            for id_ in clients.value if clients is not None else ():
                target = self._display.create_resource_object("window", id_)
                try:
                    title, pid = read_title(target), target.get_full_property(self._net_pid, Xatom.CARDINAL)
                    pid = int(pid.value[0]) if pid else None
                    windows.append(self.geometry(Window(id_, title, pid, 0, 0, 0, 0, read_class(target))))
                except (*GONE, WindowGone):
                    continue  # closed between the list and the question
            return windows

    def pick_window(self, *, timeout_s: float = 60.0) -> Window | None:
        from combatvla.desktop.pick import pick

        id_ = pick(timeout_s)
        return next((w for w in self.windows() if w.id == id_), None)

    def find_window(self, profile: GameProfile, *, wait_s: float = 0.0, pid: int | None = None) -> Window:
        return find_window(self, profile, wait_s=wait_s, pid=pid)

    def active_window(self) -> int | None:
        with self._lock:
            try:
                found = self._root.get_full_property(self._net_active, Xatom.WINDOW)
            except LOST as problem:
                raise UserError(f"the display ended ({problem})") from problem
        return int(found.value[0]) or None if found is not None and len(found.value) else None

    def activate(self, window: Window, *, timeout_s: float = 1.0) -> bool:
        until = time.monotonic() + timeout_s
        with self._lock, gone_as_user_error(window.title):
            target = self._display.create_resource_object("window", window.id)
            target.get_geometry()
            # Source 2 (a pager): window managers grant it without their own focus-stealing rules.
            message = event.ClientMessage(
                window=target, client_type=self._net_active, data=(32, [2, X.CurrentTime, 0, 0, 0])
            )
            self._root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
            self._display.flush()
        while self.active_window() != window.id:
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        return True

    def geometry(self, window: Window) -> Window:
        with self._lock, gone_as_user_error(window.title):
            target = self._display.create_resource_object("window", window.id)
            shape = target.get_geometry()
            at = self._root.translate_coords(target, 0, 0)
        return replace(window, x=at.x, y=at.y, width=shape.width, height=shape.height)

    def alive(self, window: Window) -> bool:
        try:
            self.geometry(window)
        except WindowGone:
            return False
        return True

    def watch_focus(self, window: Window) -> Focus:
        from combatvla.desktop.focus import X11Focus

        return X11Focus(window)

    def watch_cover(self, window: Window) -> Cover:
        from combatvla.desktop.cover import X11Cover

        return X11Cover(window)

    def close(self) -> None:
        with self._lock:
            try:
                self._display.close()
            except LOST:
                pass  # the display went first
