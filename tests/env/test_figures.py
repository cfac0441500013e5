"""The figures of the Arena: cheap enough to draw, each with an outline of its own, each wind-up known by its pose."""

from functools import cache
from itertools import combinations

import cv2
import numpy as np
import pytest
from panda3d.core import (
    Camera,
    GeomNode,
    GeomVertexReader,
    GraphicsEngine,
    GraphicsPipe,
    NodePath,
    PerspectiveLens,
    Texture,
    WindowProperties,
)

from env.arena.fight import Fight
from env.arena.figures.bodies import build_boss, build_player
from env.arena.look import GESTURES
from env.arena.render import frame_buffer, software_pipe
from env.arena.shapes.mesh import box, joined
from env.arena.state import PLAYER_STATES
from env.tasks import load_task, task_names

SIZE = (196, 112)
"""Pixels: the size of the policy's input."""
NAMES = task_names()


class Stage:
    """A grey void with a camera where the fighter's is. `shot(figure)` gives `uint8[height, width, 3]`."""

    def __init__(self) -> None:
        self.root = NodePath("stage")
        lens = PerspectiveLens()
        lens.set_aspect_ratio(SIZE[0] / SIZE[1])
        lens.set_min_fov(50)
        self.camera = self.root.attach_new_node(Camera("camera", lens))
        self.engine = GraphicsEngine.get_global_ptr()
        pipe = software_pipe("TinyOffscreenGraphicsPipe")
        size = WindowProperties.size(*SIZE)
        self.output = self.engine.make_output(pipe, "stage", 0, frame_buffer(), size, GraphicsPipe.BF_refuse_window)
        self.texture = Texture()
        self.output.add_render_texture(self.texture, self.output.RTM_copy_ram)
        self.output.set_clear_color((0.5, 0.5, 0.5, 1))
        self.output.make_display_region().set_camera(self.camera)

    def shot(self, figure, eye=(-1.7, 8.3, 3.0), at=(-0.5, 0.0, 1.6)) -> np.ndarray:
        self.camera.set_pos(*eye)
        self.camera.look_at(*at)
        figure.root.reparent_to(self.root)
        self.output.set_one_shot(True)
        self.engine.render_frame()
        figure.root.detach_node()
        image = np.frombuffer(self.texture.get_ram_image(), np.uint8).reshape(SIZE[1], SIZE[0], -1)
        return cv2.flip(image[:, :, :3], 0)

    def outline(self, figure, **where) -> np.ndarray:
        """`bool[height, width]`: where the figure is."""
        figure.root.set_color(0, 0, 0, 1, 1)
        image = self.shot(figure, **where)
        figure.root.clear_color()
        return image.max(axis=2) < 64

    def fighter(self, figure) -> np.ndarray:
        return self.outline(figure, eye=(1.75, -4.8, 2.75), at=(0.8, 1.9, 1.3))


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.engine.remove_window(stage.output)


@cache
def boss(name: str):
    """The figure of a task's boss, and a state of its fight."""
    return build_boss(load_task(name).look), Fight(load_task(name), 7).read()


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two outlines."""
    return (a & b).sum() / (a | b).sum()


def size(figure) -> tuple[int, int]:
    """Geoms and triangles that are drawn at most."""
    geoms = [geom for path in figure.root.find_all_matches("**/+GeomNode") for geom in path.node().get_geoms()]
    return len(geoms), sum(p.get_num_primitives() for geom in geoms for p in geom.get_primitives())


def lowest(figure) -> float:
    return figure.root.get_tight_bounds(figure.root)[0][2]


@pytest.mark.parametrize("name", NAMES)
def test_a_boss_is_cheap_to_draw(name):
    geoms, triangles = size(boss(name)[0])
    assert geoms <= 15 and triangles <= 760


@pytest.mark.parametrize("rules", ["staff", "blade"])
def test_the_fighter_is_cheap_to_draw(rules):
    geoms, triangles = size(build_player(rules))
    assert geoms <= 11 and triangles <= 390


def test_every_boss_has_an_outline_of_its_own(stage):
    outlines = {}
    for name in NAMES:
        figure, view = boss(name)
        figure.pose(None, None, "idle", 0.0, 0.0, view)
        outlines[name] = stage.outline(figure)
        assert outlines[name].sum() > 250
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.55, max(alike, key=alike.get)


@pytest.mark.parametrize("name", NAMES)
def test_a_wind_up_is_known_by_its_outline(name, stage):
    (figure, view), look = boss(name), load_task(name).look
    outlines = {}
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    outlines["idle"] = stage.outline(figure)
    for gesture in GESTURES[look.body]:
        figure.pose(gesture, "slam", "windup", 0.8, 0.0, view)
        outlines[gesture] = stage.outline(figure)
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.7, max(alike, key=alike.get)


@pytest.mark.parametrize("name", NAMES)
def test_a_blow_runs_through_poses_of_its_own(name, stage):
    (figure, view), task = boss(name), load_task(name)
    for move in task.boss.moves.values():
        outlines = []
        for stage_name, progress in (
            ("windup", 0.5),
            ("strike", 0.9),
            ("recover", 0.5),
            ("broken", 0.5),
            ("down", 1.0),
        ):
            figure.pose(move.gesture, move.kind, stage_name, progress, 0.0, view)
            outlines.append(stage.outline(figure))
        assert all(overlap(a, b) < 0.85 for a, b in combinations(outlines, 2)), move.gesture


@pytest.mark.parametrize("name", NAMES)
def test_a_leap_leaves_the_ground_and_comes_back(name):
    (figure, view), moves = boss(name), load_task(name).boss.moves.values()
    for move in moves:
        if move.kind == "leap":
            heights = []
            for progress in (0.5, 0.775, 1.0):
                figure.pose(move.gesture, "leap", "windup", progress, 0.0, view)
                heights.append(lowest(figure))
            assert heights[1] > 1.0 and max(heights[0], heights[2]) < 0.9
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    assert -0.25 < lowest(figure) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_what_strikes_glows_and_has_a_tip(name, stage):
    (figure, view), moves = boss(name), load_task(name).boss.moves.values()
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    plain = stage.shot(figure)
    for move in moves:
        figure.pose(move.gesture, move.kind, "windup", 0.5, 0.0, view)  # a leap is still on the ground
        figure.glow((0.0, 1.0, 0.0), False)
        image = stage.shot(figure).astype(int)
        lit = (image[:, :, 1] > 150) & (image[:, :, 0] < 60) & (image[:, :, 2] < 60)
        assert lit.sum() >= 8, move.gesture
        figure.root.reparent_to(stage.root)
        here = figure.tip()
        figure.root.set_pos(3, -2, 0)
        moved = figure.tip() - here
        figure.root.set_pos(0, 0, 0)
        assert (moved - (3, -2, 0)).length() < 1e-3
        assert here.length() < figure.height * 1.5 + 3.5
    figure.glow(None, False)
    # Nothing of what was drawn before is left: a picture is made of the moment alone.
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    assert (stage.shot(figure) == plain).all()


@pytest.mark.parametrize("rules", ["staff", "blade"])
def test_the_fighter_shows_what_it_does(rules, stage):
    figure = build_player(rules)
    outlines = {}
    for state in PLAYER_STATES:
        figure.pose(state, 0.4, 0.5, 1, 0.5)
        outlines[state] = stage.fighter(figure)
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    held_back = alike.pop(("charge", "heavy"))  # one goes over into the other
    assert alike.pop(("idle", "moving")) < 0.98 and held_back < 1
    assert max(alike.values()) < 0.85, max(alike, key=alike.get)


def test_a_heavy_attack_shows_how_far_it_is_held_back(stage):
    figure = build_player("staff")
    outlines = []
    for charge in (0.0, 0.5, 1.0):
        figure.pose("charge", 0.5, 0.0, 1, charge)
        outlines.append(stage.fighter(figure))
    assert overlap(outlines[0], outlines[1]) < 0.9 and overlap(outlines[1], outlines[2]) < 0.9


def test_the_two_fighters_are_two_people(stage):
    staff, blade = build_player("staff"), build_player("blade")
    pictures = [stage.shot(figure).reshape(-1, 3).astype(int) for figure in (staff, blade)]
    red = [((p[:, 2] > 120) & (p[:, 0] < 80)).sum() for p in pictures]  # BGR
    assert red[0] > 60 and red[1] < 15


def test_what_moves_together_is_one_geom():
    figure, _ = boss("first")
    for path in figure.root.find_all_matches("**/+GeomNode"):
        assert isinstance(path.node(), GeomNode) and path.node().get_num_geoms() == 1


def test_joined_parts_keep_their_colours_and_places():
    small, far = box(1, 1, 1, (1.0, 0.0, 0.0)), box(2, 2, 2, (0.0, 1.0, 0.0))
    far.set_pos(5, 0, 0)
    whole = joined([small, far])
    low, high = whole.get_tight_bounds()
    assert (low[0], high[0]) == (-0.5, 6.0)
    data = whole.node().get_geom(0).get_vertex_data()
    place, color = GeomVertexReader(data, "vertex"), GeomVertexReader(data, "color")
    while not place.is_at_end():
        x, (red, green, _, _) = place.get_data3()[0], color.get_data4()
        assert (red > 0.4, green > 0.4) == ((True, False) if x < 2 else (False, True))
