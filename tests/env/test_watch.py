"""`env watch`: a policy in a process of its own plays in a window that waits for nobody."""

from __future__ import annotations

import json
import subprocess
import time

import numpy as np
import pytest
from Xlib import X
from Xlib.ext import xtest

from combatvla.actions import Plan, Step
from combatvla.cli import main as combatvla
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.x11 import connect, key_code
from combatvla.errors import UserError
from env.arena.fight import Fight
from env.arena.panel import plan_words
from env.arena.state import LOSS, WIN
from env.mind import Mind, Thought
from env.tasks import TEST_SEED_START, load_task
from env.watch import note
from tests.helpers import start_command

LIT = (217, 158, 46)
"""The colour of a key that is held."""


def watching(*options: str) -> subprocess.Popen:
    return start_command("env", "watch", "--size", "640x360", "--mute", "--json", *options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Folder of an XS policy of random weights."""
    from combatvla.policy.build import build_model
    from combatvla.policy.checkpoint import PolicyInfo, save_checkpoint
    from combatvla.policy.tokenizer import train_tokenizer

    folder, prompt = tmp_path_factory.mktemp("policy") / "xs", "Defeat the enemy. Which action comes next?"
    tokenizer = train_tokenizer([prompt, "slam comes soon, near; health low: roll back."])
    info = PolicyInfo(prompt=prompt, frames_per_decision=2)
    save_checkpoint(folder, build_model("XS", tokenizer, seed=3), tokenizer, info)
    return folder


def hear(mind: Mind, seconds: float = 20.0) -> Thought:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if isinstance(heard := mind.hear(), Thought):
            return heard
        time.sleep(0.002)
    raise AssertionError("the mind did not decide in time")


@pytest.mark.parametrize("task", ["first", "ronin"])
def test_fights_are_shown_to_the_end_and_told(display, task):
    game = watching("--policy", "random", "--task", task, "--fights", "2", "--speed", "8")
    said, complaints = game.communicate(timeout=90)
    assert game.returncode == 0, complaints
    record = json.loads(said.splitlines()[-1])
    assert record["fights"] == 2 and record["task"] == task and record["decisions"] > 10
    assert [row["seed"] for row in record["outcomes"]] == [TEST_SEED_START, TEST_SEED_START + 1]
    assert all(row["result"] in ("win", "loss", "timeout") for row in record["outcomes"])
    assert record["wins"] == sum(row["result"] == "win" for row in record["outcomes"])
    assert said.count("dealt") >= 2


def test_a_checkpoint_sees_the_picture_and_shows_what_it_holds(desktop, arena, checkpoint):
    game = watching("--policy", str(checkpoint), "--fights", "1")
    try:
        window = desktop.find_window(arena, wait_s=40)
        with WindowCapture(window) as capture:
            end, lit = time.monotonic() + 15, False
            while not lit and time.monotonic() < end:
                time.sleep(0.03)
                panel = capture.grab().pixels[60:290, 525:625].astype(int)  # the panel on the right
                lit = np.all(np.abs(panel - LIT) < 30, axis=2).mean() > 0.03  # a key that is held
        assert lit and np.median(panel) < 90
        connection = connect()
        for key in ("p", "q"):
            time.sleep(0.3)
            for kind in (X.KeyPress, X.KeyRelease):
                xtest.fake_input(connection, kind, key_code(connection, key))
            connection.sync()
        connection.close()
        said, complaints = game.communicate(timeout=20)
    finally:
        game.kill()
        game.wait()
    assert game.returncode == 0, complaints
    record = json.loads(said.splitlines()[-1])
    assert record["decisions"] >= 3 and 0 < record["decision_ms_p50"] < 2000


def test_a_mind_answers_the_present_fight_only():
    fight = Fight(load_task("first"), 3)
    mind = Mind("oracle")
    try:
        assert (mind.wants_pictures, mind.needs_truth) == (False, True)
        mind.begin(3)
        mind.look(None, fight.truth())
        assert mind.busy
        mind.begin(4)  # the answer to the last look is dropped, but has to come first
        assert mind.busy
        end = time.monotonic() + 20
        while mind.busy and time.monotonic() < end:
            assert mind.hear() is None
            time.sleep(0.002)
        assert not mind.busy
        mind.look(None, fight.truth())
        time.sleep(1)  # a pause is no thinking
        thought = hear(mind)
        assert thought.decision.plan == Plan.of("move_forward", "sprint", ms=200) and 0 < thought.took_ms < 900
        mind._process.kill()
        mind._process.join()
        with pytest.raises(UserError, match="the process of the policy ended"):
            mind.look(None, fight.truth())
            hear(mind, 2)
    finally:
        mind.close()


def test_a_fight_fought_again_counts_once():
    by_seed, fight = {}, Fight(load_task("first"), 3)
    for result, words in ((LOSS, "loss after"), (WIN, "(fought again: its first outcome counts)")):
        fight.state["result"] = result
        assert words in note(fight, by_seed)
    assert [row["result"] for row in by_seed.values()] == ["loss"]


def test_plans_in_words():
    plan = Plan((Step.of("dodge", "move_left"), Step.of("wait", ms=300)))
    assert plan_words(plan) == "move left + dodge  100 ms\nwait  300 ms"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fights", "0"], "--fights must be at least 1"),
        (["--speed", "0"], "--speed: expected a number from 0.05 to 8"),
        (["--task", "frist"], "unknown task 'frist'"),
    ],
)
def test_bad_input_is_one_sentence(options, said, capsys):
    assert combatvla(["env", "watch", *options]) == 2
    assert said in capsys.readouterr().err


def test_an_unknown_policy_is_one_sentence(display):
    game = watching("--policy", "nobody")
    _, complaints = game.communicate(timeout=60)
    assert game.returncode == 2 and "no checkpoint at nobody" in complaints and "Traceback" not in complaints
