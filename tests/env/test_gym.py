"""`combatvla/Arena-v0`: Gymnasium's own checks, latency in ticks, and pictures that repeat to the bit."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import cv2
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import env  # noqa: F401  (registers the environment)
from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.vision import FrameSpec
from env.arena.gym import ArenaEnv
from env.arena.render import Renderer
from env.arena.rules import Fight
from env.players import OraclePlayer, RandomPlayer, ReferencePlayer
from env.tasks import TEST_SEED_START, load_task


def test_check_env_is_clean(recwarn):
    arena = gymnasium.make("combatvla/Arena-v0", render_mode="rgb_array", width=320, height=180)
    check_env(arena.unwrapped)
    assert not [w for w in recwarn if "gymnasium" in str(w.filename)], [str(w.message) for w in recwarn]
    arena.close()


PICTURES = """
import hashlib, gymnasium, env
arena = gymnasium.make("combatvla/Arena-v0", width=320, height=180)
digest = hashlib.sha256(arena.reset(seed=11)[0].tobytes())
arena.action_space.seed(5)
for _ in range(60):
    digest.update(arena.step(arena.action_space.sample())[0].tobytes())
print(digest.hexdigest())
"""


def test_pictures_repeat_to_the_bit_in_another_process():
    digests = {
        subprocess.run([sys.executable, "-c", PICTURES], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_renderers_of_one_process_do_not_disturb_each_other():
    small, large = Renderer(320, 180), Renderer(640, 360)
    fight, other = Fight(load_task("first"), 1), Fight(load_task("first"), 2)
    first = small.draw(fight)
    large.draw(other)
    large.draw(fight)
    assert np.array_equal(small.draw(fight), first)
    small.close()
    assert large.draw(other).std() > 10
    large.close()


@pytest.mark.parametrize("size", [(320, 180), (1280, 720)])
def test_sizes_look_alike_to_the_model(size):
    spec, task = FrameSpec(), load_task("first")
    renderers = Renderer(*size), Renderer(640, 360)
    for seed in range(3):
        fight = Fight(task, seed)
        for _ in range(90):
            fight.tick(frozenset())
        a, b = (spec.prepare(r.draw(fight)).astype(float) for r in renderers)
        assert np.abs(a - b).mean() < 4.0
    for r in renderers:
        r.close()


def test_latency_is_charged_in_ticks():
    arena = gymnasium.make("combatvla/Arena-v0", width=320, height=180, pixels=False).unwrapped
    attack = Plan.of(Action.LIGHT_ATTACK).to_array()
    arena.reset(seed=1)
    _, _, _, _, info = arena.step(attack)
    assert info["truth"]["tick"] == 6 and info["truth"]["player"]["progress"] > 0.15
    arena.reset(seed=1)
    arena.charge(250)
    _, _, _, _, info = arena.step(attack)
    assert info["truth"]["tick"] == 15, "a decision of 250 ms lasts 15 ticks"
    assert info["truth"]["player"]["state"] == "idle", "and its plan has not begun"
    _, _, _, _, info = arena.step(WAIT_PLAN.to_array())
    assert info["truth"]["player"]["state"] == "idle", "the next plan took its place at once"
    arena.reset(seed=1)
    arena.charge(50)
    _, _, _, _, info = arena.step(attack)
    assert info["truth"]["tick"] == 6 and info["truth"]["player"]["state"] == "light"
    waiting = gymnasium.make("combatvla/Arena-v0", pixels=False, wait_for_player=True).unwrapped
    waiting.reset(seed=1)
    waiting.charge(5000)
    assert waiting.step(attack)[4]["truth"]["tick"] == 6
    with pytest.raises(ValueError, match=">= 0"):
        arena.charge(float("nan"))


def test_a_seed_that_nobody_gave_is_none_of_those_held_out():
    arena = gymnasium.make("combatvla/Arena-v0", pixels=False).unwrapped
    arena.reset(seed=3)
    seeds = [arena.reset()[1]["truth"]["seed"] for _ in range(50)]
    assert len(set(seeds)) > 40 and max(seeds) < TEST_SEED_START
    arena.reset(seed=3)
    assert [arena.reset()[1]["truth"]["seed"] for _ in range(50)] == seeds


def test_wrong_use_is_named():
    arena = gymnasium.make("combatvla/Arena-v0", pixels=False).unwrapped
    with pytest.raises(RuntimeError, match="reset"):
        arena.step(WAIT_PLAN.to_array())
    arena.reset(seed=1)
    with pytest.raises(ValueError, match="shape"):
        arena.step(np.zeros(3, dtype=np.int64))
    arena.fight.player.health = 0
    arena.step(WAIT_PLAN.to_array())
    with pytest.raises(RuntimeError, match="after the fight ended"):
        arena.step(WAIT_PLAN.to_array())
    with pytest.raises(ValueError, match="render_mode"):
        ArenaEnv(render_mode="ansi")


def play(player, seed: int) -> dict:
    arena = gymnasium.make("combatvla/Arena-v0", pixels=False, decision_latency_ms=60).unwrapped
    _, info = arena.reset(seed=seed)
    player.reset(seed)
    while True:
        decision = player.decide([], truth=info["truth"])
        _, _, terminated, truncated, info = arena.step(decision.plan.to_array())
        if terminated or truncated:
            return info["truth"]


def test_players_are_as_strong_as_they_say():
    seeds = range(1_000_000, 1_000_012)
    wins = {
        p.name: sum(play(p, s)["result"] == "win" for s in seeds)
        for p in (RandomPlayer(), ReferencePlayer(), OraclePlayer())
    }
    assert wins["random"] <= 1 and wins["reference"] >= 10 and wins["oracle"] == 12, wins


def test_telegraphs_differ_at_the_models_size():
    """What a wind-up changes in the picture is more alike between two places than between two moves."""
    spec, renderer = FrameSpec(), Renderer(640, 360)
    looks: dict[str, list[np.ndarray]] = {}
    for seed in (1, 2):
        for move in ("slam", "sweep", "thrust", "leap", "none"):
            fight = Fight(load_task("first"), 50)
            fight.look_seed = seed
            boss = fight.boss
            boss.x, boss.y, boss.facing = 0.0, 0.0, 0.0
            fight.player.x, fight.player.y = 3.0, 0.0
            if move != "none":
                boss.move, boss.stage, boss.t, boss.total = move, "windup", 50, 60
            boss.target_x, boss.target_y = 3.0, 0.0
            pixels = cv2.blur(spec.prepare(renderer.draw(fight)), (5, 5)).astype(float)
            looks.setdefault(move, []).append(pixels)
    calm = looks.pop("none")
    marks = {m: [a - c for a, c in zip(own, calm, strict=True)] for m, own in looks.items()}
    for move, (mine, other) in marks.items():
        same = np.abs(mine - other).mean()
        assert all(np.abs(mine - theirs[0]).mean() > 1.3 * same for name, theirs in marks.items() if name != move), move
    renderer.close()


def test_hash_covers_what_is_drawn():
    renderer = Renderer(320, 180)
    fight = Fight(load_task("first"), 3)
    digests = set()
    for _ in range(30):
        fight.tick(frozenset({Action.MOVE_FORWARD}))
        digests.add(hashlib.sha256(renderer.draw(fight).tobytes()).hexdigest())
    assert len(digests) == 30, "every tick of a walk changes the picture"
    renderer.close()
