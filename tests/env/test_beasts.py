"""The creatures of the Arena: shapes are solid, feet stand, wind-ups are told apart from one still frame."""

import math
from functools import cache
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from panda3d.core import NodePath

from env.arena.fight import Fight
from env.arena.figures.bodies import build_boss
from env.arena.figures.creature import DRAWN, Creature
from env.arena.look import GESTURES
from env.arena.shapes.mesh import Mesh
from env.arena.shapes.sculpt import Shape, turned
from env.tasks import load_task
from tests.env.stage import Stage, overlap, triangles

TASKS = {"beast": "bull", "bird": "heron", "toad": "toad", "serpent": "serpent", "spider": "widow"}
GRAY = (0.6, 0.6, 0.6)


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.close()


def build(body: str) -> Creature:
    return build_boss(load_task(TASKS[body]).look)


figure_of = cache(build)


@cache
def view_of(body: str):
    return Fight(load_task(TASKS[body]), 3).read()


def volume(mesh: Mesh) -> float:
    """What it encloses; negative when its faces look inward."""
    corners = mesh.points[mesh.triangles]
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
    whole = volume(Shape().tube(rings, GRAY, sides=12).mesh()[0])
    assert 1.2 < whole < 2.3  # a cylinder of radius 0.5 and length 2 has pi / 2
    assert volume(Shape().tube(rings, GRAY, sides=12).mirrored().mesh()[0]) == pytest.approx(whole, rel=1e-4)


def test_a_ball_and_a_box_have_their_volumes():
    assert volume(Shape().box((1, 2, 3), (5, 5, 5), GRAY, h=30, p=20, r=10).mesh()[0]) == pytest.approx(6, rel=1e-3)
    assert 0.5 < volume(Shape().ball((3, 0, 0), 1.0, GRAY, 12).mesh()[0]) / (4 / 3 * math.pi) < 1.0


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
    frames, parents = figure.skin.frames, figure.skin.parents
    hips_of = frames[figure.skin.at["body"]]
    for name, leg in figure.legs.items():
        for target in ((0.9, 0.6, 0.0), (-0.7, 0.3, 0.2)):
            figure.stand(name, target)
            end = leg.first + min(1, leg.pieces - 1)
            hip, foot = (*leg.hip, 1) @ hips_of, (0, leg.bones[1], 0, 1) @ frames[end]
            assert parents[end] == parents[figure.skin.at["body"]]  # hip, foot and target are in one frame
            reach, wanted = foot - hip, np.array(target) - hip
            if leg.pieces > 1 and np.linalg.norm(wanted) > sum(leg.bones):  # out of reach: it points there
                assert np.linalg.norm(reach) == pytest.approx(sum(leg.bones), rel=0.01)
                assert reach @ wanted / np.linalg.norm(reach) / np.linalg.norm(wanted) > 0.999
            else:
                assert foot == pytest.approx(target, abs=1e-3)


# -- poses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", TASKS)
def test_the_budget_holds(body):
    assert triangles(build(body)) <= 700


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
    outlines["idle"] = stage.look_at_boss(figure, away).outline(figure)
    for gesture in GESTURES[body]:
        held = []
        for progress in (0.6, 0.9):
            figure.pose(gesture, "slam", "windup", progress, 0.0, view)
            held.append(stage.look_at_boss(figure, away).outline(figure))
        assert overlap(*held) > 0.72, gesture  # held, but for the tremble
        outlines[gesture] = held[1]
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.72, max(alike, key=alike.get)


def test_the_bodies_differ_in_outline(stage):
    outlines = {}
    for body in TASKS:
        figure_of(body).pose(None, None, "idle", 0.0, 0.0, view_of(body))
        outlines[body] = stage.look_at_boss(figure_of(body)).outline(figure_of(body))
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
        pictures.append(stage.look_at_boss(used).shot(used))
        used.glow((1.0, 0.2, 0.3), True)
    for moment, picture in reversed(list(zip(moments, pictures, strict=True))):
        used.pose(*moment, view)
        used.glow((0.2, 0.9, 0.3), False)
        assert (stage.look_at_boss(used).shot(used) == picture).all(), moment
    fresh = build(body)
    fresh.pose(*moments[-1], view)
    fresh.glow((0.2, 0.9, 0.3), False)
    assert (stage.look_at_boss(fresh).shot(fresh) == pictures[-1]).all()


@pytest.mark.parametrize("body", TASKS)
def test_it_walks_and_breathes_and_ice_stops_it(body, stage):
    figure, view = figure_of(body), view_of(body)

    def picture(walk: float, tick: int, frozen: int = 0) -> np.ndarray:
        moment = SimpleNamespace(tick=tick, boss=view.boss._replace(frozen=frozen))
        figure.pose(None, None, "idle", 0.0, walk, moment)
        return stage.look_at_boss(figure, 2.5).shot(figure)

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
