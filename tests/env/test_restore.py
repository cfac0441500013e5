"""A fight is its state: saved and restored anywhere, it goes on the same, to the bit."""

import random
import subprocess
import sys

import numpy as np
import pytest

from combatvla.actions import Action
from env import soak
from env.arena.fight import Fight
from env.arena.state import to_bits
from env.tasks import load_task, task_names

POINTS = 1000


def test_1000_random_moments_of_all_fights_go_on_the_same():
    tasks = [load_task(name) for name in task_names()]
    figures = soak.replay_points(tasks, POINTS, random.Random(5), lambda *_: None)
    assert figures["restore_points"] == POINTS and figures["restore_differing"] == 0
    assert figures["restore_pictures"] == POINTS // 10
    assert figures["save_restore_us_p50"] < 200, "asked: under 0.2 ms"


def test_the_comparison_can_fail(monkeypatch):
    """A restore that forgets one number of the state is found out."""
    whole = Fight.restore

    def forgetful(self, saved):
        kept = self.state["rng"].copy()
        whole(self, saved)
        self.state["rng"] = kept

    monkeypatch.setattr(Fight, "restore", forgetful)
    tasks = [load_task("first"), load_task("shogun")]
    assert soak.replay_points(tasks, 20, random.Random(5), lambda *_: None)["restore_differing"] > 5


ELSEWHERE = """
import sys, random
from env import soak
from env.arena.fight import Fight
from env.tasks import load_task
fight = Fight(load_task(sys.argv[1]), int(sys.argv[2]))
fight.restore(bytes.fromhex(sys.argv[3]))
print(soak.play_on(fight, 9)[-1].hex())
"""


@pytest.mark.parametrize("name", ["sage", "ronin"])
def test_a_saved_fight_goes_on_in_another_process(name):
    fight = Fight(load_task(name), 4)
    held = soak.inputs(random.Random(2))
    while fight.tick_count < 200:
        fight.run(*next(held))
    argv = [sys.executable, "-c", ELSEWHERE, name, "4", fight.save().hex()]
    there = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    assert there == soak.play_on(fight, 9)[-1].hex()


def test_playing_out_the_alternatives_finds_what_would_have_avoided_a_hit():
    """Of the first hit of a fight: some dodge would have avoided it, and standing still would not."""
    fight = Fight(load_task("first"), 3)
    past = [fight.save()]
    while not fight.state["hits_taken"][0]:
        fight.run(0, 1)
        past.append(fight.save())
    hit_at = fight.tick_count

    def taken(back: int, *held: Action) -> int:
        """Hits taken until 0.2 s after the blow, when `held` is pressed for 0.1 s, `back` ticks before it."""
        fight.restore(past[hit_at - back])
        fight.run(to_bits(held), 6)
        fight.run(0, 6 + back)
        return int(fight.state["hits_taken"][0])

    assert taken(30) == 1
    sides = [(Action.DODGE, side) for side in (Action.MOVE_LEFT, Action.MOVE_RIGHT, Action.MOVE_BACK)]
    hits = [taken(back, *held) for back in range(2, 40, 4) for held in sides]
    assert 0 in hits, "no dodge avoids an honest blow"
    assert 1 in hits, "every one does"


def test_a_strange_save_is_refused_and_nothing_changes():
    fight = Fight(load_task("first"), 3)
    fight.run(0, 50)
    before = fight.save()
    for wrong in (b"", before[:-1], before + b"\0"):
        with pytest.raises(ValueError, match=f"has {len(before)} bytes"):
            fight.restore(wrong)
    assert fight.save() == before


def test_the_environment_goes_on_the_same_too():
    import gymnasium

    import env  # noqa: F401  registers combatvla/Arena-v0

    arena = gymnasium.make("combatvla/Arena-v0", task="toad", width=320, height=180).unwrapped
    arena.action_space.seed(3)
    actions = [arena.action_space.sample() for _ in range(60)]
    arena.reset(seed=8)
    for action in actions[:20]:
        arena.step(action)
    saved = arena.save_state()

    def go_on():
        steps = []
        for action in actions[20:]:
            steps.append(arena.step(action))
            if steps[-1][2] or steps[-1][3]:
                break
        return steps

    first = go_on()
    arena.restore_state(saved)
    for mine, again in zip(first, go_on(), strict=True):
        assert np.array_equal(mine[0], again[0]) and mine[1:4] == again[1:4]
        assert mine[4]["truth"] == again[4]["truth"]
    arena.close()
