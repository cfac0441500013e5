"""The creatures of the Arena: shapes are solid, feet stand, wind-ups are told apart from one still frame."""

import math
from functools import cache
from itertools import combinations
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from panda3d.core import (
    Camera,
    GeomVertexReader,
    GraphicsEngine,
    GraphicsPipe,
    NodePath,
    PerspectiveLens,
    Texture,
    WindowProperties,
)

from env.arena.fight import Fight
from env.arena.figures.bodies import build_boss
from env.arena.figures.creature import DRAWN, Creature
from env.arena.look import GESTURES
from env.arena.render import frame_buffer, software_pipe
from env.arena.shapes.sculpt import Shape, turned
from env.tasks import load_task

TASKS = {"beast": "bull", "bird": "heron", "toad": "toad", "serpent": "serpent", "spider": "widow"}
WIDTH, HEIGHT = 196, 112
"""Pixels: the size of the policy's input."""
GRAY = (0.6, 0.6, 0.6)


class Stage:
    """A boss alone, `away` metres before a fighter, as the fight's camera sees it."""

    def __init__(self) -> None:
        self.root, lens = NodePath("stage"), PerspectiveLens()
        lens.set_aspect_ratio(WIDTH / HEIGHT)
        lens.set_min_fov(51)
        self.camera = self.root.attach_new_node(Camera("camera", lens))
        self.engine = GraphicsEngine.get_global_ptr()
        self.output = self.engine.make_output(
            software_pipe("TinyOffscreenGraphicsPipe"),
            "stage",
            0,
            frame_buffer(),
            WindowProperties.size(WIDTH, HEIGHT),
            GraphicsPipe.BF_refuse_window,
        )
        self.texture = Texture()
        self.output.add_render_texture(self.texture, self.output.RTM_copy_ram)
        self.output.set_clear_color((1, 1, 1, 1))
        self.output.make_display_region().set_camera(self.camera)

    def shot(self, figure, away: float = 4.0) -> np.ndarray:
        """`uint8[height, width, 3]`."""
        tall = max(0.0, figure.height - 2.0)
        self.camera.set_pos(1.75, -(4.8 + 0.65 * tall), 2.75 + 0.2 * tall)
        self.camera.look_at(0.8, min(away * 0.55, 3.2), 1.2 + 0.3 * tall)
        figure.root.reparent_to(self.root)
        figure.root.set_pos_hpr(0, away, 0, 180, 0, 0)
        self.output.set_one_shot(True)
        self.engine.render_frame()
        figure.root.detach_node()
        image = np.frombuffer(self.texture.get_ram_image(), np.uint8).reshape(HEIGHT, WIDTH, -1)
        return cv2.flip(image[:, :, :3], 0)

    def outline(self, figure, away: float = 4.0) -> np.ndarray:
        """`bool[height, width]`."""
        figure.root.set_color(0, 0, 0, 1, 1)
        image = self.shot(figure, away)
        figure.root.clear_color()
        return image.max(axis=2) < 128


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.engine.remove_window(stage.output)


def build(body: str) -> Creature:
    return build_boss(load_task(TASKS[body]).look)


figure_of = cache(build)


@cache
def view_of(body: str):
    return Fight(load_task(TASKS[body]), 3).read()


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    return (a & b).sum() / (a | b).sum()


def volume(node: NodePath) -> float:
    """What a mesh encloses; negative when its faces look inward."""
    geom = node.node().get_geom(0)
    reader, points = GeomVertexReader(geom.get_vertex_data(), "vertex"), []
    while not reader.is_at_end():
        points.append(tuple(reader.get_data3()))
    primitive = geom.get_primitive(0)
    corners = np.array(
        [[points[primitive.get_vertex(3 * t + k)] for k in range(3)] for t in range(primitive.get_num_primitives())]
    )
    return float(np.einsum("ti,ti->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)


# -- shapes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rings",
    [
        [(0, 0, 0, 0.5), (0, 2, 0, 0.5)],
        [(0, 0, 0, 0.5), (0, 0, 2, 0.5)],
        [(1, 0, 0, 0.5), (-1, 0, 0, 0.5)],
        [(0, 0, 0, 0.5), (0, 1, 1, 0.5), (0, 0.2, 2, 0.5)],
    ],
)
def test_a_tube_is_closed_and_looks_outward(rings):
    whole = volume(Shape().tube(rings, GRAY, sides=12).node("tube"))
    assert 1.2 < whole < 2.3  # a cylinder of radius 0.5 and length 2 has pi / 2
    assert volume(Shape().tube(rings, GRAY, sides=12).mirrored().node("tube")) == pytest.approx(whole, rel=1e-4)


def test_a_ball_and_a_box_have_their_volumes():
    assert volume(Shape().box((1, 2, 3), (5, 5, 5), GRAY, h=30, p=20, r=10).node("box")) == pytest.approx(6, rel=1e-3)
    assert 0.5 < volume(Shape().ball((3, 0, 0), 1.0, GRAY, 12).node("ball")) / (4 / 3 * math.pi) < 1.0


def test_shapes_turn_as_nodes_do():
    node = NodePath("node")
    node.set_hpr(35, -20, 50)
    expected = np.array([tuple(node.get_mat().xform_vec(axis)) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1))])
    assert np.allclose(turned(np.eye(3), 35, -20, 50), expected, atol=1e-5)


# -- legs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["beast", "bird", "toad", "spider"])
def test_feet_stand_where_a_pose_puts_them(body):
    figure = build(body)
    figure.pose(None, None, "idle", 0.0, 0.0, view_of(body))
    for leg in figure.legs.values():
        for target in ((0.9, 0.6, 0.0), (-0.7, 0.3, 0.2)):
            hip = leg.body.get_mat().xform_point(leg.at)
            leg.stand(*target)
            end = leg.parts[min(1, len(leg.parts) - 1)]
            foot = end.get_mat().xform_point((0, leg.bones[1], 0))
            if len(leg.parts) > 1 and (hip - target).length() > sum(leg.bones):  # out of reach: it points there
                reach, wanted = foot - hip, hip - target
                assert reach.length() == pytest.approx(sum(leg.bones), rel=0.01)
                assert abs(reach.normalized().dot(wanted.normalized())) > 0.999
            else:
                assert (foot - target).length() < 1e-3


# -- poses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", TASKS)
def test_the_budget_holds(body):
    geoms = [g for path in build(body).root.find_all_matches("**/+GeomNode") for g in path.node().get_geoms()]
    assert len(geoms) <= 16
    assert sum(p.get_num_primitives() for g in geoms for p in g.get_primitives()) <= 700


@pytest.mark.parametrize("body", TASKS)
def test_a_body_knows_all_its_gestures(body):
    poses = figure_of(body)._poses
    for table in (poses.windup, poses.strike, poses.strikers):
        assert set(table) == set(GESTURES[body])


@pytest.mark.parametrize("away", [2.5, 4.0, 7.0])
@pytest.mark.parametrize("body", TASKS)
def test_wind_ups_differ_in_outline_from_the_fighters_shoulder(body, away, stage):
    figure, view, outlines = figure_of(body), view_of(body), {}
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    outlines["idle"] = stage.outline(figure, away)
    for gesture in GESTURES[body]:
        held = []
        for progress in (0.6, 0.9):
            figure.pose(gesture, "slam", "windup", progress, 0.0, view)
            held.append(stage.outline(figure, away))
        assert overlap(*held) > 0.72, gesture  # held, but for the tremble
        outlines[gesture] = held[1]
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.72, max(alike, key=alike.get)


def test_the_bodies_differ_in_outline(stage):
    outlines = {}
    for body in TASKS:
        figure_of(body).pose(None, None, "idle", 0.0, 0.0, view_of(body))
        outlines[body] = stage.outline(figure_of(body))
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.6, alike


@pytest.mark.parametrize("body", TASKS)
def test_a_picture_is_made_of_the_moment_alone(body, stage):
    used, view = build(body), view_of(body)
    moments = [(None, None, "idle", 0.0, 1.3), (None, None, "broken", 0.4, 0.0), (None, None, "down", 1.0, 0.0)]
    for gesture in GESTURES[body]:
        moments += [(gesture, "leap", "windup", 0.7, 0.2), (gesture, "slam", "strike", 0.5, 0.0)]
        moments += [(gesture, "slam", "windup", 0.2, 2.2), (gesture, "slam", "recover", 0.9, 0.4)]
    pictures = []
    for moment in moments:
        used.pose(*moment, view)
        used.glow((0.2, 0.9, 0.3), False)
        pictures.append(stage.shot(used))
        used.glow((1.0, 0.2, 0.3), True)
    for moment, picture in reversed(list(zip(moments, pictures, strict=True))):
        used.pose(*moment, view)
        used.glow((0.2, 0.9, 0.3), False)
        assert (stage.shot(used) == picture).all(), moment
    fresh = build(body)
    fresh.pose(*moments[-1], view)
    fresh.glow((0.2, 0.9, 0.3), False)
    assert (stage.shot(fresh) == pictures[-1]).all()


@pytest.mark.parametrize("body", TASKS)
def test_it_walks_and_breathes_and_ice_stops_it(body, stage):
    figure, view = figure_of(body), view_of(body)

    def picture(walk: float, tick: int, frozen: int = 0) -> np.ndarray:
        moment = SimpleNamespace(tick=tick, boss=view.boss._replace(frozen=frozen))
        figure.pose(None, None, "idle", 0.0, walk, moment)
        return stage.shot(figure, 2.5)

    assert (picture(0.0, 0) != picture(0.6, 0)).any()
    assert (picture(0.0, 0) != picture(0.0, 40)).any()
    assert (picture(0.5, 0, frozen=9) == picture(0.5, 40, frozen=9)).all()


@pytest.mark.parametrize("body", TASKS)
def test_a_spent_boss_is_low(body):
    figure, view = figure_of(body), view_of(body)

    def top() -> float:
        return figure.root.get_tight_bounds(figure.root)[1][2]

    figure.pose(None, None, "idle", 0.0, 0.0, view)
    standing = top()
    assert standing == pytest.approx(figure.height, rel=0.12)
    gesture = GESTURES[body][0]
    figure.pose(gesture, "slam", "recover", 0.5, 0.0, view)
    assert top() < 0.9 * standing
    figure.pose(None, None, "down", 1.0, 0.0, view)
    assert top() < 0.85 * standing


@pytest.mark.parametrize("body", TASKS)
def test_a_wind_up_is_drawn_early_from_any_stride(body):
    figure, view = figure_of(body), view_of(body)
    gesture = GESTURES[body][0]

    def corners(walk: float) -> np.ndarray:
        figure.pose(gesture, "slam", "windup", DRAWN, walk, view)
        return np.array([tuple(p) for p in figure.root.get_tight_bounds(figure.root)])

    assert np.allclose(corners(0.0), corners(1.1))
