"""The Arena's picture: a pure function of task, look and state; marks that tell the truth; HUDs that can be read."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from panda3d.core import Point2, Point3

from combatvla.hud import HudReader
from combatvla.vision import FrameSpec
from env.arena import rules
from env.arena.fight import Fight
from env.arena.marks import KIND_COLORS, areas
from env.arena.place import STYLES, Surroundings
from env.arena.render import Renderer
from env.arena.state import BIT, FLARE_MS, LONG_AGO, PLAYER_STATES, STAGES, TICK_HZ
from env.tasks import KINDS, load_task, profile_of, task_names

TASKS = ("first", "moth", "shogun")


@pytest.fixture(scope="module")
def renderer():
    drawn = Renderer(1280, 720)
    yield drawn
    drawn.close()


def at_distance(
    task: str, distance: float, move: str | None = None, stage: str = "windup", share: float = 0.6
) -> Fight:
    """The boss at the ring's centre, looking along +x at the fighter; its move has gone on for `share` of its stage."""
    fight = Fight(load_task(task), 7)
    boss, player = fight.boss, fight.player
    boss.x, boss.y, boss.facing = 0.0, 0.0, 0.0
    player.x, player.y = distance, 0.0
    if move is not None:
        boss.move, boss.stage = fight.move_named(move), STAGES.index(stage)
        boss.total = 60
        boss.t = round(60 * share)
        boss.from_x, boss.target_x = boss.x, distance - 1.2
    return fight


def film(task: str, renderer: Renderer) -> str:
    digest = hashlib.sha256()
    for seed in (3, 4):
        fight = Fight(load_task(task), seed)
        for i in range(24):
            fight.run((i * 37) % (1 << len(BIT)), 9)
            digest.update(renderer.draw(fight).tobytes())
        for move in range(len(fight.task.boss.moves)):
            boss = fight.boss
            boss.move, boss.stage, boss.t, boss.total = move, STAGES.index("windup"), 33, 40
            digest.update(renderer.draw(fight).tobytes())
    return digest.hexdigest()


FILM = """
from tests.env.test_scene import TASKS, film
from env.arena.render import Renderer
print(*[film(task, Renderer(320, 180)) for task in TASKS])
"""


def test_same_state_same_bits_in_another_process_and_another_renderer():
    there = subprocess.run([sys.executable, "-c", FILM], capture_output=True, text=True, check=True).stdout.split()
    one, two = Renderer(320, 180), Renderer(320, 180)
    assert [film(task, one) for task in TASKS] == there
    # In another order, after other fights and beside another renderer: nothing is left behind in a scene.
    assert [film(task, two) for task in reversed(TASKS)] == there[::-1]
    assert film(TASKS[0], one) == there[0]
    one.close()
    two.close()


@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
def test_sizes_look_alike_to_the_model(size):
    spec, renderers = FrameSpec(), (Renderer(*size), Renderer(640, 360))
    for task in TASKS:
        fight = Fight(load_task(task), 2)
        fight.run(0, 90)
        a, b = (spec.prepare(r.draw(fight)).astype(float) for r in renderers)
        assert np.abs(a - b).mean() < 4.0, task
    for r in renderers:
        r.close()


def test_seeds_change_the_place_the_light_and_the_camera_within_bounds(renderer):
    task = load_task("first")
    pictures, lights, eyes, angles = [], [], [], []
    for look_seed in range(12):
        fight = at_distance("first", 4.0)
        fight.look_seed = look_seed
        pictures.append(FrameSpec().prepare(renderer.draw(fight)).astype(float))
        scene = renderer.scene
        lights.append(scene.place.light)
        eyes.append(list(scene.camera.get_pos() - Point3(4, 0, 0)))
        angles.append(scene.lens.get_min_fov())
    assert all(np.abs(a - b).mean() > 2 for i, a in enumerate(pictures) for b in pictures[:i])
    assert 0.75 < np.min(lights) and np.max(lights) < 1.2
    for values in (*np.abs(eyes).T, angles):
        assert 1.02 < max(values) / min(values) < 1.2
    assert len({Surroundings("court", s, task.arena_radius).light for s in range(12)}) == 12


# -- telegraphs -----------------------------------------------------------------------------------------------


def hit_somewhere(fight: Fight, x: float, y: float) -> bool:
    """Whether the rules hit a fighter there, if his body were a point, at any moment of the strike's slide."""
    move = list(fight.task.boss.moves.values())[fight.boss.move]
    boss, player = fight.boss, fight.player
    player.x, player.y = x, y
    for slid in np.linspace(0, move.step, 40 if move.step else 1):
        boss.x = slid
        away = math.hypot(x - slid, y)
        if away <= move.reach and rules.in_blow(fight.state[0], fight.table[0]):
            return True
    return False


@pytest.mark.parametrize("task", task_names())
def test_marks_cover_what_is_hit(task):
    rng = np.random.default_rng(5)
    checked = 0
    for name, move in load_task(task).boss.moves.items():
        if move.kind == "ranged":
            continue
        fight = at_distance(task, 3.0, name, "strike")
        ((outline, _),) = areas(move)
        outline = outline.astype(np.float32)
        for _ in range(150):
            far, turn = rng.uniform(0.3, move.reach + move.step + 1), rng.uniform(-math.pi, math.pi)
            x, y = far * math.cos(turn), far * math.sin(turn)
            # The outline's own frame: forward is +y, left is -x.
            inside = cv2.pointPolygonTest(outline, (-y, x), True)
            if abs(inside) > 0.12:
                checked += 1
                assert hit_somewhere(fight, x, y) == (inside > 0), (name, x, y)
    assert checked > 100


def test_shots_fly_along_their_marks():
    for task in ("heron", "serpent", "ape"):
        name, move = next((n, m) for n, m in load_task(task).boss.moves.items() if m.kind == "ranged")
        fight = at_distance(task, 10.0, name)
        fight.player.x, fight.player.y = 0.0, -10.0  # out of their way
        fight.boss.t, fight.boss.total = 59, 60
        outlines = [o.astype(np.float32) for o, _ in areas(move)]
        seen = 0
        while STAGES[fight.boss.stage] != "idle":
            fight.run(0, 1)
            for shot, outline in zip(fight.read().shots, outlines, strict=False):
                if shot.left > 2:
                    assert cv2.pointPolygonTest(outline, (-shot.y, shot.x), True) > 0
                    seen += 1
        assert seen > 20 * move.shots, task


def color_at(renderer: Renderer, picture: np.ndarray, x: float, y: float) -> np.ndarray | None:
    """The colour of the ground at a place; None where it is out of the picture or under the HUD."""
    scene, on_film = renderer.scene, Point2()
    if not scene.lens.project(scene.camera.get_relative_point(scene.root, Point3(x, y, 0)), on_film):
        return None
    u, v = (on_film[0] + 1) / 2, (1 - on_film[1]) / 2
    if not (0.02 < u < 0.98 and 0.15 < v < 0.84):
        return None
    return picture[int(v * picture.shape[0]), int(u * picture.shape[1])].astype(float)


@contextmanager
def bare_ground(renderer: Renderer, fight: Fight) -> Iterator[None]:
    """No figures and no shadows, in the scene of this fight."""
    renderer.draw(fight)
    scene = renderer.scene
    hidden = [scene.boss.root, scene.player.root, scene.shadows.node]
    for node in hidden:
        node.hide()
    yield
    for node in hidden:
        node.show()


@pytest.mark.parametrize("name", ["slam", "sweep", "thrust", "leap"])
def test_the_mark_is_painted_where_the_blow_hits(renderer, name):
    fight = at_distance("first", 2.5, name, share=0.5 if name == "leap" else 0.97)  # in the air the camera looks up
    with bare_ground(renderer, fight):
        marked = renderer.draw(fight)
        calm = renderer.draw(at_distance("first", 2.5))
    fight_x = fight.boss.target_x if name == "leap" else 0.0
    move = fight.task.boss.moves[name]
    outline = areas(move)[0][0].astype(np.float32)
    counts = {True: 0, False: 0}
    for x in np.arange(-4, 6, 0.23):
        for y in np.arange(-4, 4, 0.23):
            inside = cv2.pointPolygonTest(outline, (-y, x), True)
            colors = [color_at(renderer, p, fight_x + x, y) for p in (marked, calm)]
            if abs(inside) < 0.15 or colors[0] is None:
                continue
            changed = np.abs(colors[0] - colors[1]).max() > 25
            assert changed == (inside > 0), (x, y)
            counts[inside > 0] += 1
    assert min(counts.values()) > 25, counts


def test_the_filling_grows_until_the_blow_lands(renderer):
    shares = []
    for share in (0.2, 0.5, 0.8, 1.0):
        fight = at_distance("first", 2.5, "slam", share=share)
        with bare_ground(renderer, fight):
            picture = renderer.draw(fight).astype(int)
        red, green, blue = (picture[..., i] for i in range(3))
        shares.append(np.mean((red > 170) & (green > 80) & (green < 150) & (blue < 70)))
    assert shares == sorted(shares) and shares[-1] > 2 * shares[0], shares


def test_kinds_have_colours_of_their_own():
    assert set(KIND_COLORS) == set(KINDS)
    colors = np.array(list(KIND_COLORS.values()))
    assert min(np.abs(a - b).max() for i, a in enumerate(colors) for b in colors[:i]) > 0.25


def test_the_flare_announces_the_blow_and_not_a_feint(renderer):
    def white(left_ms: float, feint: int) -> float:
        fight = at_distance("first", 3.0, "sweep", share=0)
        fight.boss.t = round(60 - left_ms * TICK_HZ / 1000)
        fight.boss.feint = feint
        fight.state["tick"] = 1000  # the boss's name is no longer shown
        picture = renderer.draw(fight)
        assert renderer.scene.marks.star.is_hidden() == (feint > 0 or left_ms > FLARE_MS)
        return float(np.mean((picture > 225).all(axis=2)))

    meant, early, feint = white(150, 0), white(400, 0), white(150, 59)
    assert meant > early + 0.0005 and abs(feint - early) < 0.001
    # The star never hides the fighter: it is a small part of the picture.
    assert meant < 0.02


def test_a_perilous_blow_shows_a_red_sign_in_blade(renderer):
    name, _ = next((n, m) for n, m in load_task("shogun").boss.moves.items() if m.perilous)
    renderer.draw(at_distance("shogun", 4.0, name))
    assert not renderer.scene.marks.sign.is_hidden()
    harmless, _ = next((n, m) for n, m in load_task("shogun").boss.moves.items() if not m.perilous and m.kind != "grab")
    renderer.draw(at_distance("shogun", 4.0, harmless))
    assert renderer.scene.marks.sign.is_hidden()


# -- HUD ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1280, 720), (640, 360)])
@pytest.mark.parametrize("task", ["first", "shogun"])
def test_the_hud_reads_back(task, size):
    reader, drawn = HudReader(profile_of(load_task(task))), Renderer(*size)
    for share in (0.0, 0.31, 0.74, 1.0):
        fight = at_distance(task, 4.0)
        p, b, stats = fight.player, fight.boss, fight.task
        p.health, b.health = share * stats.player.health, (1 - share) * stats.boss.health
        p.stamina, p.posture, b.posture = share * 100, share * stats.player.posture, share * stats.boss.posture
        p.heals = round(share * 3)
        hud = reader.read(drawn.draw(fight))
        wanted = {"health": share, "boss_health": 1 - share, "heals": round(share * 3)}
        wanted |= {"stamina": share} if stats.rules == "staff" else {"posture": share, "boss_posture": share}
        for bar, value in wanted.items():
            assert hud[bar] == pytest.approx(value, abs=0.02), (bar, share)
        assert not (hud["win"] or hud["loss"] or hud["timeout"])
    for result, name in enumerate(("win", "loss", "timeout"), start=1):
        fight = at_distance(task, 4.0)
        fight.state["result"] = result
        hud = reader.read(drawn.draw(fight))
        assert [n for n in ("win", "loss", "timeout") if hud[n]] == [name]
    drawn.close()


@pytest.mark.parametrize("task", ["first", "shogun"])
def test_bars_are_two_pixels_high_to_the_model(renderer, task):
    fight = at_distance(task, 4.0)
    fight.player.posture, fight.boss.posture = fight.task.player.posture, fight.task.boss.posture
    picture = FrameSpec().prepare(renderer.draw(fight)).astype(int)
    height, width = picture.shape[:2]
    for name, bar in profile_of(fight.task).hud.items():
        if bar.kind != "bar":
            continue
        column = picture[:, round((bar.x + bar.w * 0.5) * width)]
        top, bottom = math.floor(bar.y * height) - 1, math.ceil((bar.y + bar.h) * height) + 1
        near = np.abs(column[max(0, top) : bottom] - np.array(bar.color)).max(axis=1) < 90
        assert near.sum() >= 2, name


# -- cost and space -------------------------------------------------------------------------------------------


def geoms(node) -> tuple[int, int]:
    """Visible Geoms and triangles under a node."""
    found = triangles = 0
    if node.is_hidden():
        return 0, 0
    if node.node().is_geom_node():
        for geom in node.node().get_geoms():
            found += 1
            triangles += sum(geom.get_primitive(i).get_num_primitives() for i in range(geom.get_num_primitives()))
    for child in node.get_children():
        below = geoms(child)
        found, triangles = found + below[0], triangles + below[1]
    return found, triangles


@pytest.mark.parametrize("task", task_names())
def test_a_frame_stays_within_its_budget(renderer, task):
    fight = at_distance(task, 4.0, next(iter(load_task(task).boss.moves)))
    renderer.draw(fight)
    world, hud = geoms(renderer.scene.root), geoms(renderer.scene.hud.root)
    assert world[0] + hud[0] <= 75, (world, hud)
    assert world[1] + hud[1] <= 4500, (world, hud)  # all around; the camera sees about half of it


@pytest.mark.parametrize("kind", STYLES)
def test_the_camera_never_comes_into_what_stands_around(kind):
    """The farthest place of the camera is behind a fighter at the rim; whatever is tall stands beyond it."""
    radius, tallest = 11.0, 3.4
    back, side = (4.8 + 0.65 * (tallest - 2)) * 1.08, 1.75 * 1.08
    for look_seed in range(8):
        for yard in Surroundings(kind, look_seed, radius).yards:
            rows = np.frombuffer(
                yard.node().get_geom(0).get_vertex_data().get_array(0).get_handle().get_data(), np.float32
            )
            points = rows.reshape(-1, 8)[:, :3]
            tall = points[points[:, 2] > 2.0]
            if len(tall):
                assert np.hypot(tall[:, 0], tall[:, 1]).min() > math.hypot(radius + back, side) - 0.2


def test_the_camera_keeps_both_in_view(renderer):
    for task in task_names():
        for distance in (1.6, 4.0, 9.0):
            fight = at_distance(task, distance)
            renderer.draw(fight)
            scene, on_film = renderer.scene, Point2()
            tall = scene.boss.height
            for point in ((distance, 0, 0), (distance, 0, 1.8), (0, 0, 0.3), (0, 0, tall)):
                there = scene.camera.get_relative_point(scene.root, Point3(*point))
                assert scene.lens.project(there, on_film), (task, distance, point)
                assert abs(on_film[0]) < 0.9 and abs(on_film[1]) < 0.97, (task, distance, point)


def test_numbers_that_overlap_lie_the_same_way_whichever_came_first():
    def struck(boss_age: int, player_age: int) -> Fight:
        fight = Fight(load_task("first"), 3)
        fight.player.hit_t, fight.player.hit_damage = player_age, 31.0
        fight.boss.hit_t, fight.boss.hit_damage = boss_age, 13.0
        fight.boss.x, fight.boss.y = fight.player.x + 1.3, fight.player.y
        return fight

    pictures = []
    for first in (struck(4, LONG_AGO), struck(LONG_AGO, 4)):
        renderer = Renderer(320, 180)
        renderer.draw(first)
        pictures.append([renderer.draw(struck(a, b)) for a in (2, 8, 14) for b in (2, 8, 14)])
        renderer.close()
    assert np.array_equal(*pictures)


def test_effects_come_from_the_counters_alone(renderer):
    """A hit is seen in the picture of a restored fight as it was in the fight itself."""
    fight = at_distance("first", 2.2)
    calm = renderer.draw(fight)
    fight.boss.hit_t, fight.boss.hit_damage = 4, 13
    hit, saved = renderer.draw(fight), fight.save()
    assert np.abs(hit.astype(int) - calm).max() > 60
    fight.player.state, fight.player.hit_t, fight.player.hit_damage = PLAYER_STATES.index("hurt"), 2, 20
    renderer.draw(fight)
    fight.restore(saved)
    assert np.array_equal(renderer.draw(fight), hit)
