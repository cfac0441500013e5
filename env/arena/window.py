"""The Arena in a real window: the picture of `render`, and the keys and buttons that are held."""

from __future__ import annotations

import os

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

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from env.arena.render import frame_buffer, show, software_pipe
from env.arena.rules import Fight
from env.arena.scene import Scene

_PANDA_NAMES = {"mouse_left": "mouse1", "mouse_middle": "mouse2", "mouse_right": "mouse3", "ctrl": "control"}

_kept: list[NodePath] = []
"""Input nodes of closed windows: freeing one corrupts Panda3D's heap, and the process dies at its exit."""


class ArenaWindow:
    """Shows fights and reads the player's input. `UserError` when there is no display to open it on."""

    def __init__(self, title: str, width: int, height: int, profile: GameProfile) -> None:
        if not os.environ.get("DISPLAY"):
            raise UserError(
                "the Arena's window needs a display and DISPLAY is not set: "
                "start one, or run `make demo`, which starts its own"
            )
        self.engine = GraphicsEngine.get_global_ptr()
        wanted = WindowProperties.size(width, height)
        wanted.set_title(title)
        wanted.set_fixed_size(True)
        self.window = self.engine.make_output(
            software_pipe("TinyXGraphicsPipe"), "window", 0, frame_buffer(), wanted, GraphicsPipe.BF_require_window
        )
        if not isinstance(self.window, GraphicsWindow):
            raise UserError(
                f"the display {os.environ['DISPLAY']} gave the Arena no window: is an X server running there?"
            )
        data = NodePath("input")
        source = data.attach_new_node(MouseAndKeyboard(self.window, 0, "devices"))
        self.thrower = ButtonThrower("keys")
        self.thrower.set_button_down_event("down")
        self.thrower.set_button_up_event("up")
        # Shift held with another key would otherwise rename that key's event.
        source.attach_new_node(self.thrower)
        self._data = data
        self._traverser = DataGraphTraverser()
        self.action_of = {_PANDA_NAMES.get(key, key): action for action, key in profile.keys.items()}
        self.fight: Fight | None = None
        self.scene: Scene | None = None
        self._down: set[Action] = set()
        self._tapped: set[Action] = set()
        self.other_keys: list[str] = []
        """Keys pressed since the last `poll` that are no action: for the window's own commands."""

    def poll(self) -> frozenset[Action]:
        """The actions held now, and those tapped since the last call: no tap is too short to count."""
        self._traverser.traverse(self._data.node())
        self._tapped.clear()
        self.other_keys = []
        queue = EventQueue.get_global_event_queue()
        while not queue.is_queue_empty():
            event = queue.dequeue_event()
            if event.get_name() not in ("down", "up"):
                continue
            key = event.get_parameter(0).get_string_value()
            action = self.action_of.get(key)
            if event.get_name() == "down":
                if action is None:
                    self.other_keys.append(key)
                else:
                    self._down.add(action)
                    self._tapped.add(action)
            elif action is not None:
                self._down.discard(action)
        return frozenset(self._down | self._tapped)

    def draw(self, fight: Fight) -> None:
        if fight is not self.fight:
            self.fight, self.scene = fight, Scene(fight)
            show(self.window, self.scene)
        self.scene.update(fight)
        self.engine.render_frame()

    @property
    def open(self) -> bool:
        return not self.window.is_closed() and self.window.is_valid()

    def close(self) -> None:
        self.engine.remove_window(self.window)
        _kept.append(self._data)
