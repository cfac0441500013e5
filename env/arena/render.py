"""Draws a fight offscreen with Panda3D's software renderer: the same pixels on every machine."""

from __future__ import annotations

import cv2
import numpy as np
from panda3d.core import (
    CullBinEnums,
    CullBinManager,
    FrameBufferProperties,
    GraphicsEngine,
    GraphicsOutput,
    GraphicsPipe,
    GraphicsPipeSelection,
    Texture,
    WindowProperties,
    load_prc_file_data,
)

from env.arena.fight import Fight
from env.arena.scene import Scene

load_prc_file_data(
    "combatvla",
    # Every figure moves in every picture: remembering products of transforms costs more than it saves.
    "transform-cache 0\n"
    # Transforms are freed when the last user goes: nobody runs Panda3D's collector here, and memory would grow.
    "garbage-collect-states 0\nload-display p3tinydisplay\naudio-library-name null\n"
    "notify-level-display fatal\nnotify-level-x11display fatal\n",
)
# By default solid parts are drawn in the order of their states' addresses, so that faces at equal depth differ from run
# to run. In the order of the scene graph the picture is the same to the bit.
CullBinManager.get_global_ptr().set_bin_type("opaque", CullBinEnums.BT_unsorted)


def frame_buffer() -> FrameBufferProperties:
    wanted = FrameBufferProperties()
    wanted.set_rgb_color(True)
    wanted.set_rgba_bits(8, 8, 8, 0)
    wanted.set_depth_bits(16)
    wanted.set_back_buffers(1)  # without it a window stays black
    return wanted


def software_pipe(kind: str) -> GraphicsPipe:
    """The software renderer's way to the screen ("TinyXGraphicsPipe") or to memory ("TinyOffscreenGraphicsPipe")."""
    pipe = GraphicsPipeSelection.get_global_ptr().make_pipe(kind, "p3tinydisplay")
    if pipe is None:
        raise RuntimeError(f"Panda3D's software renderer gave no {kind}")
    return pipe


def show(output: GraphicsOutput, scene: Scene) -> None:
    """Lets `output` draw `scene`: the world first, the HUD over it."""
    output.remove_all_display_regions()
    output.set_clear_color((0, 0, 0, 1))
    for sort, camera in enumerate((scene.camera, scene.hud_camera)):
        region = output.make_display_region()
        region.set_sort(sort)
        region.set_camera(camera)


_spare: dict[tuple[int, int], list[GraphicsOutput]] = {}
"""Closed targets by size, for the next renderer: Panda3D never frees a software target's memory."""


class Renderer:
    """An offscreen target of `width` x `height` pixels. `draw(fight)` gives `uint8[height, width, 3]` RGB."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.engine = GraphicsEngine.get_global_ptr()  # engines of our own corrupt the heap when they go
        spare = _spare.get((width, height))
        self.output = spare.pop() if spare else self._make_output()
        self.texture = Texture()
        self.output.set_clear_color_active(False)  # ground and sky cover all of it
        self.output.clear_render_textures()
        self.output.add_render_texture(self.texture, GraphicsOutput.RTM_copy_ram)
        self.scene: Scene | None = None
        self._scenes: dict[int, Scene] = {}

    def _make_output(self) -> GraphicsOutput:
        size = WindowProperties.size(self.width, self.height)
        pipe = software_pipe("TinyOffscreenGraphicsPipe")
        output = self.engine.make_output(pipe, "arena", 0, frame_buffer(), size, GraphicsPipe.BF_refuse_window)
        if output is None:
            raise RuntimeError("Panda3D's software renderer gave no offscreen buffer")
        return output

    def draw(self, fight: Fight) -> np.ndarray:
        """The picture of the fight's present state. A task's scene is built at its first fight and kept."""
        scene = self._scenes.get(id(fight.task))
        if scene is None:
            scene = self._scenes[id(fight.task)] = Scene(fight.task, fight.look_seed)
        elif scene.look_seed != fight.look_seed:
            scene.dress(fight.look_seed)
        if scene is not self.scene:
            self.scene = scene
            show(self.output, scene)
        scene.update(fight.read())
        self.output.set_one_shot(True)  # the other renderers of this process rest
        self.engine.render_frame()
        image = np.frombuffer(self.texture.get_ram_image(), np.uint8).reshape(self.height, self.width, -1)
        return cv2.flip(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), 0)

    def close(self) -> None:
        """Gives the target back. The renderer draws no more."""
        self.output.remove_all_display_regions()
        _spare.setdefault((self.width, self.height), []).append(self.output)
        self.output, self.scene, self._scenes = None, None, {}
