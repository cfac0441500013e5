"""The Arena's picture of a fight: a scene graph, and one function that poses it.

The picture is a pure function of the task, the seed of its looks and the fight's state. Telegraphs are large on
purpose: each move has a pose, a colour and a mark on the ground that fills until the blow lands.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict

from panda3d.core import Camera, NodePath, PerspectiveLens, Point3

from env.arena.effects import Effects
from env.arena.fight import View
from env.arena.figures.bodies import build_boss, build_player
from env.arena.figures.motion import arc, flight
from env.arena.hud import Hud
from env.arena.marks import Marks, lay
from env.arena.place import Surroundings
from env.arena.rules import CHARGE_MAX
from env.arena.shapes.canvas import Canvas
from env.arena.shapes.mesh import Mesh
from env.arena.shapes.skin import Bone, Skin
from env.arena.state import LEAP_OFF, PLAYER_STATES, STAGES
from env.tasks import Task

ASPECT = 16 / 9
KEPT_PLACES = 16
"""Places of this many fights are kept: one renderer may draw a batch of them in turn."""
FLASH_TICKS, SHAKE_TICKS = 6, 12
PHASE_GRADES = ((1.0, 1.0, 1.0), (1.02, 0.84, 0.82), (1.02, 0.72, 0.68))
"""The place grows darker and redder from phase to phase."""
BOSS_GRADES = ((1.0, 1.0, 1.0), (1.22, 0.98, 0.84), (1.40, 0.92, 0.76))
PLAYER_TINTS = {"dodge": (1.5, 1.6, 1.9), "hurt": (2.0, 0.5, 0.5), "heal": (0.7, 1.5, 0.8), "skill": (0.7, 1.1, 1.9)}
LOOK_UP = 0.8
"""Metres by which the camera follows a leaping boss into the air."""
WHITE = (1.0, 1.0, 1.0)


def _times(a, b):
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


class Scene:
    """Builds the picture of a task once, dresses it for a fight's look, and poses it for every state: `update(view)`.

    `camera` and `hud_camera` are to be drawn in this order into the same target.
    """

    def __init__(self, task: Task, look_seed: int) -> None:
        self.task = task
        self.root = NodePath("world")
        self.boss, self.player = build_boss(task.look), build_player(task.rules)
        self.hud = Hud(task)
        self.hud_camera = self.hud.camera
        self.lens = PerspectiveLens()
        self.lens.set_aspect_ratio(ASPECT)
        self.lens.set_near_far(0.5, 150)
        self.camera = self.root.attach_new_node(Camera("camera", self.lens))
        self._moves = [(m.gesture, m.kind) for m in task.boss.moves.values()] + [(None, None)]
        self._places: OrderedDict[int, Surroundings] = OrderedDict()
        self.place: Surroundings | None = None
        figures = (self.boss, self.player)
        for figure in figures:
            figure.root.reparent_to(self.root)
        # Both are one Geom: two would cost the renderer twice as much.
        self.shadows = Skin([Bone(str(i), -1, self._shadow(figure.shadow_radius)) for i, figure in enumerate(figures)])
        lay(self.shadows.node, 5, self.root)
        # In groups: of those in which nothing has moved the renderer knows the bounds.
        self.marks = Marks(task, self.root.attach_new_node("marks"))
        self.effects = Effects(
            task, self.root.attach_new_node("effects"), self.hud.root, self.boss.height, task.boss.radius
        )
        self._still = self.root.attach_new_node("place")
        self._tints: dict[str, tuple] = {}
        self._grade: int | None = None
        self._glow: tuple | None = None
        self.dress(look_seed)

    @staticmethod
    def _shadow(radius: float) -> Mesh:
        canvas = Canvas()
        turns = [k * math.tau / 14 for k in range(14)]
        canvas.polygon([(math.cos(a) * radius, math.sin(a) * radius, 0) for a in turns], WHITE)
        return canvas.mesh()

    def dress(self, look_seed: int) -> None:
        """Gives the scene the place, the light, the camera and the boss's tint of a fight."""
        rng = random.Random(f"look/{look_seed}")
        self.look_seed = look_seed
        place = self._places.get(look_seed)
        if place is None:
            place = self._places[look_seed] = Surroundings(self.task.place.kind, look_seed, self.task.arena_radius)
            if len(self._places) > KEPT_PLACES:
                self._places.popitem(last=False)
        self._places.move_to_end(look_seed)
        if self.place is not None:
            for node in self.place.nodes:
                node.detach_node()
        self.place = place
        for order, node in ((-1, place.sky), (0, place.ground)):
            node.set_bin("background", order)
            node.set_depth_write(False)
            node.set_depth_test(False)
        for node in place.nodes:
            node.reparent_to(self.root if node == place.sky else self._still)
        self.marks.paint(place.floor)
        self.shadows.node.set_color(*(0.6 * c for c in place.floor), 1)
        self._boss_tint = _times(place.light, [rng.uniform(0.92, 1.08) for _ in range(3)])
        self._player_tint = place.light
        # A tall boss is seen from farther away and from higher up.
        tall = max(0.0, self.boss.height - 2.0)
        self._back = (4.8 + 0.65 * tall) * rng.uniform(0.94, 1.08)
        self._side = 1.75 * rng.uniform(0.92, 1.08)
        self._height = (2.75 + 0.20 * tall) * rng.uniform(0.94, 1.08)
        self._aim = 1.2 + 0.30 * tall
        self.lens.set_min_fov(51 * rng.uniform(0.95, 1.05))
        self._grade = None

    # -- a moment --------------------------------------------------------------------------------------------

    def update(self, view: View) -> None:
        """Poses everything for a state."""
        p, b = view.player, view.boss
        dx, dy = b.x - p.x, b.y - p.y
        d = max(math.hypot(dx, dy), 1e-6)
        eye = self._pose_camera(view, d, dx / d, dy / d)
        heading = math.degrees(b.facing) - 90
        facing = math.degrees(math.atan2(dy, dx)) - 90
        self._pose_boss(view, heading, eye)
        self._pose_player(view, facing)
        for frame, body in zip(self.shadows.frames, (b, p), strict=True):
            frame[3, 0], frame[3, 1] = body.x, body.y
        self.shadows.draw()
        tip = self.player.tip() if PLAYER_STATES[p.state] == "charge" else eye
        self.effects.update(view, heading, facing, eye, tip)
        self.hud.update(view)
        if b.phase != self._grade:
            self._grade = b.phase
            for node in self.place.nodes:
                if b.phase:
                    node.set_color_scale(*PHASE_GRADES[b.phase], 1)
                else:
                    node.clear_color_scale()

    def _pose_camera(self, view: View, d: float, fx: float, fy: float) -> Point3:
        p = view.player
        shake = 0.0
        if p.hit_t < SHAKE_TICKS:
            shake = 0.10 * (1 - p.hit_t / SHAKE_TICKS) * math.sin(2.4 * p.hit_t + 0.8)
        side = self._side + shake
        x, y = p.x - fx * self._back + fy * side, p.y - fy * self._back - fx * side
        eye = Point3(x, y, self._height + shake * 0.7)
        ahead = min(d * 0.55, 3.2)
        aim = self._aim
        b = view.boss
        if STAGES[b.stage] == "windup" and self._moves[b.move][1] == "leap" and b.t > b.total * LEAP_OFF:
            aim += LOOK_UP * arc(flight(b.t / b.total))
        self.camera.set_pos(eye)
        self.camera.look_at(p.x + fx * ahead + fy * 0.8, p.y + fy * ahead - fx * 0.8, aim)
        self.place.sky.set_pos(x, y, 0)
        return eye

    def _tint(self, name: str, root: NodePath, tint: tuple) -> None:
        if self._tints.get(name) != tint:
            self._tints[name] = tint
            root.set_color_scale(*tint, 1)

    def _pose_boss(self, view: View, heading: float, eye: Point3) -> None:
        b, figure = view.boss, self.boss
        gesture, kind = self._moves[b.move]
        figure.skin.place(b.x, b.y, heading)
        figure.pose(gesture, kind, STAGES[b.stage], b.t / b.total if b.total else 0.0, b.walk, view)
        tint = BOSS_GRADES[b.phase]
        if b.frozen:
            tint = (0.55, 0.90, 1.7)
        elif b.hit_t < FLASH_TICKS:
            tint = (1.9, 1.7, 1.5)
        self._tint("boss", figure.root, _times(self._boss_tint, tint))
        color, flare = self.marks.update(view, heading)
        white = flare or (color is not None and STAGES[b.stage] == "strike")
        if (color, white) != self._glow:
            self._glow = (color, white)
            figure.glow(color, white)
        self.marks.flare(figure.tip() if flare else None, eye, figure.height, b)

    def _pose_player(self, view: View, facing: float) -> None:
        p, figure = view.player, self.player
        state = PLAYER_STATES[p.state]
        turn = facing
        if state == "dodge" and self.task.rules == "staff":  # it rolls the way it goes
            turn = math.degrees(math.atan2(p.dodge_y, p.dodge_x)) - 90
        figure.skin.place(p.x, p.y, turn)
        charge = min(1.0, p.charge / CHARGE_MAX)
        figure.pose(state, p.t / p.total if p.total else 0.0, p.walk, p.swings, charge)
        self._tint("player", figure.root, _times(self._player_tint, PLAYER_TINTS.get(state, WHITE)))
