"""A grey void in which one figure stands, drawn as the Arena draws: for tests of outlines."""

import cv2
import numpy as np
from panda3d.core import Camera, GraphicsEngine, GraphicsPipe, NodePath, PerspectiveLens, Texture, WindowProperties

from env.arena.render import frame_buffer, software_pipe

SIZE = (196, 112)
"""Pixels: the size of the policy's input."""


class Stage:
    """`shot(figure)` gives `uint8[height, width, 3]`, BGR, from a camera that `look` has placed."""

    def __init__(self) -> None:
        self.root, lens = NodePath("stage"), PerspectiveLens()
        lens.set_aspect_ratio(SIZE[0] / SIZE[1])
        lens.set_min_fov(51)
        self.camera = self.root.attach_new_node(Camera("camera", lens))
        self.engine = GraphicsEngine.get_global_ptr()
        pipe = software_pipe("TinyOffscreenGraphicsPipe")
        size = WindowProperties.size(*SIZE)
        self.output = self.engine.make_output(pipe, "stage", 0, frame_buffer(), size, GraphicsPipe.BF_refuse_window)
        self.texture = Texture()
        self.output.add_render_texture(self.texture, self.output.RTM_copy_ram)
        self.output.set_clear_color((0.5, 0.5, 0.5, 1))
        self.output.make_display_region().set_camera(self.camera)

    def look(self, eye, at) -> "Stage":
        self.camera.set_pos(*eye)
        self.camera.look_at(*at)
        return self

    def look_at_boss(self, figure, away: float = 4.0) -> "Stage":
        """As the fight's camera does, at a boss `away` metres before the fighter, who is at the origin."""
        tall = max(0.0, figure.height - 2.0)
        figure.root.set_pos_hpr(0, away, 0, 180, 0, 0)
        return self.look(
            (1.75, -(4.8 + 0.65 * tall), 2.75 + 0.2 * tall), (0.8, min(away * 0.55, 3.2), 1.2 + 0.3 * tall)
        )

    def shot(self, figure) -> np.ndarray:
        figure.root.reparent_to(self.root)
        self.output.set_one_shot(True)
        self.engine.render_frame()
        figure.root.detach_node()
        image = np.frombuffer(self.texture.get_ram_image(), np.uint8).reshape(SIZE[1], SIZE[0], -1)
        return cv2.flip(image[:, :, :3], 0)

    def outline(self, figure) -> np.ndarray:
        """`bool[height, width]`: where the figure is."""
        figure.root.set_color(0, 0, 0, 1, 1)
        image = self.shot(figure)
        figure.root.clear_color()
        return image.max(axis=2) < 64

    def close(self) -> None:
        self.engine.remove_window(self.output)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two outlines."""
    return (a & b).sum() / (a | b).sum()


def triangles(figure) -> int:
    """How many are drawn; all of them are in one Geom."""
    assert not figure.root.get_children()
    (geom,) = figure.root.node().get_geoms()
    return sum(primitive.get_num_primitives() for primitive in geom.get_primitives())
