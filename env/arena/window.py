"""The Arena in a real window: the picture of `render`, what is written over it, and the keys that are held."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from panda3d.core import (
    ButtonThrower,
    DataGraphTraverser,
    EventQueue,
    GraphicsEngine,
    GraphicsPipe,
    GraphicsWindow,
    MouseAndKeyboard,
    NodePath,
    WindowProperties,
)
from Xlib import X, Xatom

from combatvla.actions import Action
from combatvla.desktop.base import WindowGone
from combatvla.desktop.x11 import LOST, connect
from combatvla.errors import UserError
from env.arena.fight import Fight
from env.arena.overlay import Overlay
from env.arena.quiet import quiet
from env.arena.render import frame_buffer, show, software_pipe
from env.arena.scene import Scene
from env.tasks import Task, profile_of

_PROFILE_NAMES = {
    **{"mouse1": "mouse_left", "mouse2": "mouse_middle", "mouse3": "mouse_right", "control": "ctrl"},
    **{f"arrow_{way}": way for way in ("up", "down", "left", "right")},
}
"""Panda3D's names of keys that a profile calls otherwise."""

_kept: list[NodePath] = []
"""Input nodes of closed windows: freeing one corrupts Panda3D's heap, and the process dies at its exit."""


class ArenaWindow:
    """Shows fights of `task` and reads the player's input. `UserError` when there is no display to open it on.

    The window may take any size; the picture keeps 16:9 in its middle.
    """

    def __init__(self, task: Task, width: int, height: int) -> None:
        if not os.environ.get("DISPLAY"):
            raise UserError(
                "the Arena's window needs a display and DISPLAY is not set: "
                "start one, or run `make demo`, which starts its own"
            )
        profile = profile_of(task)
        self.engine = GraphicsEngine.get_global_ptr()
        wanted = WindowProperties.size(width, height)
        wanted.set_title(f"{profile.title} – {task.title}")
        with quiet():
            pipe = software_pipe("TinyXGraphicsPipe")
            # Never freed: at the process's exit Xlib would close the connection, and where the display has gone before,
            # call the handler below in a Python that is no more.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(pipe))
            self.window = self.engine.make_output(
                pipe, "window", 0, frame_buffer(), wanted, GraphicsPipe.BF_require_window
            )
        if not isinstance(self.window, GraphicsWindow):
            raise UserError(
                f"the display {os.environ['DISPLAY']} gave the Arena no window: is an X server running there?"
            )
        _tell_of_a_lost_display()
        self._outside = _FromOutside(self.window.get_window_handle().get_int_handle())
        data = NodePath("input")
        source = data.attach_new_node(MouseAndKeyboard(self.window, 0, "devices"))
        thrower = ButtonThrower("keys")
        thrower.set_button_down_event("down")
        thrower.set_button_up_event("up")
        # Shift held with another key would otherwise rename that key's event.
        source.attach_new_node(thrower)
        self._data = data
        self._traverser = DataGraphTraverser()
        self.action_of = {key: action for action, key in profile.keys.items()}
        self.overlay = Overlay(profile, task.rules)
        self.scene: Scene | None = None
        self._size = (0, 0)
        self._down: set[str] = set()
        self.pressed: list[str] = []
        """Keys and buttons that went down since the last `poll`, in a profile's words; a key held on is none."""

    def poll(self) -> frozenset[Action]:
        """The actions held now, and those tapped since the last call: no tap is too short to count. A window that has
        lost the focus holds nothing. `WindowGone` when something else than its close button has ended the window."""
        self._traverser.traverse(self._data.node())
        self.pressed = []
        queue = EventQueue.get_global_event_queue()
        while not queue.is_queue_empty():
            event = queue.dequeue_event()
            if event.get_name() not in ("down", "up"):
                continue
            key = event.get_parameter(0).get_string_value()
            key = _PROFILE_NAMES.get(key, key)
            if event.get_name() == "up":
                self._down.discard(key)
            elif key not in self._down:
                self._down.add(key)
                self.pressed.append(key)
        if self.open:
            self._outside.check()
        held = self._down.union(self.pressed)
        return frozenset(action for key, action in self.action_of.items() if key in held)

    def let_go(self) -> None:
        """Takes what is held now for released, until it is pressed again."""
        self._down.clear()

    def draw(self, fight: Fight) -> None:
        """Shows the fight's present state, and the overlay over it."""
        if self.scene is None or self.scene.task is not fight.task:
            self.scene = Scene(fight.task, fight.look_seed)
            show(self.window, self.scene)
            self._over = self.window.make_display_region()
            self._over.set_sort(10)
            self._over.set_camera(self.overlay.camera)
            self._size = (0, 0)
        elif self.scene.look_seed != fight.look_seed:
            self.scene.dress(fight.look_seed)
        if self.size != self._size:
            self._size = self.size
            for region in self.window.get_display_regions():
                if not region.get_camera().is_empty():
                    region.set_dimensions(*_middle(*self._size))
        self._over.set_active(self.overlay.visible)
        self.scene.update(fight.read())
        self.engine.render_frame()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Meanwhile another target of the same process can be drawn without the window being drawn as well."""
        self.window.set_active(False)
        try:
            yield
        finally:
            self.window.set_active(True)

    @property
    def pointer(self) -> tuple[float, float]:
        """Where the mouse is, in the overlay's plane of 16 x 9: (0, 0) is the middle."""
        at, (width, height) = self.window.get_pointer(0), self._size
        left, right, bottom, top = _middle(width, height)
        x, y = at.get_x() / width, 1 - at.get_y() / height
        return ((x - left) / (right - left) - 0.5) * 16, ((y - bottom) / (top - bottom) - 0.5) * 9

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the inside, in pixels."""
        return self.window.get_x_size(), self.window.get_y_size()

    @property
    def open(self) -> bool:
        return not self.window.is_closed() and self.window.is_valid()

    def misfit(self) -> str | None:
        """What to say when the window with its frame is larger than the screen, or was made smaller; else None."""
        return self._outside.misfit()

    def close(self) -> None:
        self._outside.close()
        self.engine.remove_window(self.window)
        _kept.append(self._data)


def _middle(width: int, height: int) -> tuple[float, float, float, float]:
    """The largest 16:9 part in the middle of a window, in fractions: left, right, bottom, top."""
    if abs(width * 9 - height * 16) < 16:  # less than a pixel off: the whole, as it is offscreen
        return 0.0, 1.0, 0.0, 1.0
    w, h = min(1.0, height * 16 / 9 / width), min(1.0, width * 9 / 16 / height)
    return (1 - w) / 2, (1 + w) / 2, (1 - h) / 2, (1 + h) / 2


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
def _on_lost_display(_display: int) -> int:
    os.write(2, b"combatvla: the Arena's window ended with its display, or was killed; start it again\n")
    os._exit(WindowGone.exit_code)


def _tell_of_a_lost_display() -> None:
    """Xlib ends the process when it loses its display, in the middle of whatever runs; let it say so in a sentence
    (Panda3D prints a pointer, and sometimes aborts)."""
    try:
        ctypes.CDLL("libX11.so.6").XSetIOErrorHandler(_on_lost_display)
    except (OSError, AttributeError):
        pass  # another X library: then it ends with Panda3D's words


class _FromOutside:
    """What Panda3D does not tell of its window: that another program destroyed it, and how large its frame is."""

    def __init__(self, window_id: int) -> None:
        self._x = connect()
        self._window = self._x.create_resource_object("window", window_id)
        self._window.change_attributes(event_mask=X.StructureNotifyMask)
        self._x.sync()

    def check(self) -> None:
        """`WindowGone` when the window or the display is gone."""
        try:
            while self._x.pending_events():
                event = self._x.next_event()
                if event.type == X.DestroyNotify and event.window == self._window:
                    raise WindowGone(
                        "the Arena's window was destroyed by another program; start it again with `combatvla env play`"
                    )
        except LOST as error:
            raise WindowGone(f"the display of the Arena's window ended ({error})") from error

    def misfit(self) -> str | None:
        try:
            inside = self._window.get_geometry()
            frame = self._window.get_full_property(self._x.get_atom("_NET_FRAME_EXTENTS"), Xatom.CARDINAL)
        except LOST:
            return None
        left, right, top, bottom = frame.value if frame is not None else (0, 0, 0, 0)
        width, height = inside.width + left + right, inside.height + top + bottom
        screen = self._x.screen()
        if width <= screen.width_in_pixels and height <= screen.height_in_pixels:
            return None
        return (
            f"the window with its frame ({width}x{height}) does not fit the screen ({screen.width_in_pixels}x"
            f"{screen.height_in_pixels}), so a part of it cannot be seen or captured: choose a smaller --size"
        )

    def close(self) -> None:
        try:
            self._x.close()
        except LOST:
            pass  # the display went first
