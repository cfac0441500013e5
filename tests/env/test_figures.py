"""The figures of the Arena: cheap enough to draw, each with an outline of its own, each wind-up known by its pose."""

from functools import cache
from itertools import combinations

import pytest

from env.arena.fight import Fight
from env.arena.figures.bodies import build_boss, build_player
from env.arena.look import GESTURES
from env.arena.shapes.mesh import box, joined
from env.arena.state import PLAYER_STATES
from env.tasks import load_task, task_names
from tests.env.stage import Stage, overlap, triangles

NAMES = task_names()


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def before(stage):
    """The stage as one sees it who stands before the figure."""
    return stage.look((-1.7, 8.3, 3.0), (-0.5, 0.0, 1.6))


@pytest.fixture
def behind(stage):
    """As the fight's camera sees the fighter."""
    return stage.look((1.75, -4.8, 2.75), (0.8, 1.9, 1.3))


@cache
def boss(name: str):
    """The figure of a task's boss, and a state of its fight."""
    return build_boss(load_task(name).look), Fight(load_task(name), 7).read()


def lowest(figure) -> float:
    return figure.root.get_tight_bounds(figure.root)[0][2]


@pytest.mark.parametrize("name", NAMES)
def test_a_boss_is_cheap_to_draw(name):
    assert triangles(boss(name)[0]) <= 760


@pytest.mark.parametrize("rules", ["staff", "blade"])
def test_the_fighter_is_cheap_to_draw(rules):
    assert triangles(build_player(rules)) <= 390


def test_every_boss_has_an_outline_of_its_own(before):
    outlines = {}
    for name in NAMES:
        figure, view = boss(name)
        figure.pose(None, None, "idle", 0.0, 0.0, view)
        outlines[name] = before.outline(figure)
        assert outlines[name].sum() > 250
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.55, max(alike, key=alike.get)


@pytest.mark.parametrize("name", NAMES)
def test_a_wind_up_is_known_by_its_outline(name, before):
    (figure, view), look = boss(name), load_task(name).look
    outlines = {}
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    outlines["idle"] = before.outline(figure)
    for gesture in GESTURES[look.body]:
        figure.pose(gesture, "slam", "windup", 0.8, 0.0, view)
        outlines[gesture] = before.outline(figure)
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    assert max(alike.values()) < 0.7, max(alike, key=alike.get)


@pytest.mark.parametrize("name", NAMES)
def test_a_blow_runs_through_poses_of_its_own(name, before):
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
            outlines.append(before.outline(figure))
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
def test_what_strikes_glows_and_has_a_tip(name, before):
    (figure, view), moves = boss(name), load_task(name).boss.moves.values()
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    plain = before.shot(figure)
    for move in moves:
        figure.pose(move.gesture, move.kind, "windup", 0.5, 0.0, view)  # a leap is still on the ground
        figure.glow((0.0, 1.0, 0.0), False)
        image = before.shot(figure).astype(int)
        lit = (image[:, :, 1] > 150) & (image[:, :, 0] < 60) & (image[:, :, 2] < 60)
        assert lit.sum() >= 8, move.gesture
        figure.root.reparent_to(before.root)
        here = figure.tip()
        figure.root.set_pos(3, -2, 0)
        moved = figure.tip() - here
        figure.root.set_pos(0, 0, 0)
        assert (moved - (3, -2, 0)).length() < 1e-3
        assert here.length() < figure.height * 1.5 + 3.5
    figure.glow(None, False)
    # Nothing of what was drawn before is left: a picture is made of the moment alone.
    figure.pose(None, None, "idle", 0.0, 0.0, view)
    assert (before.shot(figure) == plain).all()


@pytest.mark.parametrize("rules", ["staff", "blade"])
def test_the_fighter_shows_what_it_does(rules, behind):
    figure = build_player(rules)
    outlines = {}
    for state in PLAYER_STATES:
        figure.pose(state, 0.4, 0.5, 1, 0.5)
        outlines[state] = behind.outline(figure)
    alike = {pair: overlap(outlines[pair[0]], outlines[pair[1]]) for pair in combinations(outlines, 2)}
    held_back = alike.pop(("charge", "heavy"))  # one goes over into the other
    assert alike.pop(("idle", "moving")) < 0.98 and held_back < 1
    assert max(alike.values()) < 0.85, max(alike, key=alike.get)


def test_a_heavy_attack_shows_how_far_it_is_held_back(behind):
    figure = build_player("staff")
    outlines = []
    for charge in (0.0, 0.5, 1.0):
        figure.pose("charge", 0.5, 0.0, 1, charge)
        outlines.append(behind.outline(figure))
    assert overlap(outlines[0], outlines[1]) < 0.9 and overlap(outlines[1], outlines[2]) < 0.9


def test_the_two_fighters_are_two_people(before):
    staff, blade = build_player("staff"), build_player("blade")
    pictures = [before.shot(figure).reshape(-1, 3).astype(int) for figure in (staff, blade)]
    red = [((p[:, 2] > 120) & (p[:, 0] < 80)).sum() for p in pictures]  # BGR
    assert red[0] > 60 and red[1] < 15


def test_joined_parts_keep_their_colours_and_places():
    small, far = box(1, 1, 1, (1.0, 0.0, 0.0)), box(2, 2, 2, (0.0, 1.0, 0.0)).moved((5, 0, 0))
    whole = joined([small, far])
    assert (whole.points[:, 0].min(), whole.points[:, 0].max()) == (-0.5, 6.0)
    left = whole.points[:, 0] < 2
    assert (whole.colors[left, 0] > 0.4).all() and (whole.colors[~left, 1] > 0.4).all()
    assert (left[whole.triangles].sum(axis=1) % 3 == 0).all() and len(whole.triangles) == 24


def test_a_mesh_grows_is_pitched_and_is_moved():
    mesh = box(1, 2, 3, (1, 1, 1)).moved((0, 0, 5), pitch=90, size=2)  # what pointed forward points up
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    assert low == pytest.approx([-1, -3, 3]) and high == pytest.approx([1, 3, 7])
