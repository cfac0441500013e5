"""`combatvla/Window-v0`: on a plain window that notes every key it gets, and on the Arena's own."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from importlib import resources
from inspect import signature
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium.utils.env_checker import check_env

import env  # noqa: F401  (registers the environments)
from combatvla.actions import WAIT_PLAN, Plan, Step
from combatvla.errors import UserError
from combatvla.profiles import HUD_KINDS, load_profile
from env.live import TRUTH_FILE, arena_window
from env.players import best_plan
from env.rewards import Rewards
from env.window_gym import WindowEnv
from tests.helpers import until

# The probe window is blue all over: to a HUD whose bars are blue, a fight in which nobody has been hit.
PROFILE = """
name: probe
title: Probe
keys: {move_forward: w, move_left: a, dodge: space, heal: r, light_attack: mouse_left}
prompt: "?"
hud:
  health: {kind: bar, x: 0.1, y: 0.8, w: 0.4, h: 0.1, color: COLOR}
  boss_health: {kind: bar, x: 0.1, y: 0.1, w: 0.8, h: 0.1, color: COLOR}
"""
BLUE = "[32, 64, 192]"
FORWARD = Plan.of("move_forward", ms=200).to_array()
LONG = Plan.of("move_forward", "dodge", ms=1000).to_array()
WAIT = WAIT_PLAN.to_array()
PAGE = (Path(__file__).parents[2] / "docs" / "window.md").read_text(encoding="utf-8")


@pytest.fixture
def game(tmp_path) -> str:
    path = tmp_path / "probe.yaml"
    path.write_text(PROFILE.replace("COLOR", BLUE), encoding="utf-8")
    return str(path)


@pytest.fixture
def window_env(game, down) -> Iterator[Callable[..., gym.Env]]:
    """Makes environments of the probe window and closes them."""
    made: list[gym.Env] = []

    def make(**options) -> gym.Env:
        made.append(gym.make("combatvla/Window-v0", **{"game": game, "armed": True, "wait_s": 3.0, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_plans_reach_the_window_and_its_picture_comes_back(window_env, probe, down):
    window = probe("Probe")
    live = window_env(width=160, height=90)
    pixels, info = live.reset(seed=1)
    assert pixels.shape == (90, 160, 3) and (pixels == (32, 64, 192)).all()
    assert info["hud"] == {"health": 1.0, "boss_health": 1.0} and info["focused"]
    began = time.monotonic()
    _, reward, terminated, truncated, info = live.step(FORWARD)
    assert time.monotonic() - began > 0.08 and down() == 1
    assert not terminated and not truncated and -0.01 < reward < 0
    assert info["reward_terms"]["time"] == reward and info["capture_age_ms"] < 50
    three = Plan((Step.of("move_left", ms=50), Step.of("wait", ms=50), Step.of("light_attack", ms=50)))
    live.step(three.to_array())
    time.sleep(0.2)  # the plan goes on while the caller does something else
    live.close()
    assert window.close() == [
        ("press", "w"),
        ("release", "w"),
        ("press", "a"),
        ("release", "a"),
        ("press", "button1"),
        ("release", "button1"),
    ]


def test_steps_keep_the_time_of_the_arena(window_env, probe):
    probe("Probe")
    live = window_env(armed=False)
    live.reset()
    began = time.monotonic()
    for _ in range(5):
        live.step(WAIT)
        time.sleep(0.05)  # thinking within the period costs nothing
    assert 0.5 < time.monotonic() - began < 0.8
    time.sleep(0.3)
    began = time.monotonic()
    live.step(WAIT)  # and beyond it the picture is taken at once
    assert time.monotonic() - began < 0.08


def test_unarmed_nothing_is_sent(window_env, probe, down):
    window = probe("Probe")
    live = window_env(armed=False)
    live.reset()
    for _ in range(3):
        live.step(LONG)
        assert down() == 0
    live.close()
    assert window.close() == []


def test_nothing_goes_to_a_window_that_stole_the_focus(window_env, probe, down, desktop):
    window = probe("Probe")
    live = window_env()
    live.reset()
    live.step(LONG)
    assert down() == 2
    thief = probe("Thief", 200, 100, 700, 500)
    profile = load_profile("arena")
    thief.find(desktop, profile)
    for _ in range(3):
        info = live.step(LONG)[4]
        assert not info["focused"] and down() == 0
    window.find(desktop, profile)
    assert live.step(LONG)[4]["focused"] and down() == 2
    live.close()
    assert [what for what in thief.close() if what[0] == "press"] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError("the window lies off the screen")])
def test_an_exception_lets_go_of_everything(window_env, probe, down, monkeypatch, error):
    probe("Probe")
    live = window_env()
    live.reset()
    live.step(LONG)
    assert down() == 2

    def fail():
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(live.unwrapped._capture, "grab", fail)
        with pytest.raises(error if isinstance(error, type) else UserError):
            live.step(LONG)
    assert down() == 0
    with pytest.raises(RuntimeError, match="call reset"):
        live.step(LONG)
    live.reset()
    live.step(LONG)
    assert down() == 2


def test_a_caller_that_stops_calling_holds_nothing_for_long(window_env, probe, down):
    probe("Probe")
    live = window_env()
    live.reset()
    live.step(Plan((Step.of("move_forward", ms=1000), Step.of("dodge", ms=1000))).to_array())
    assert down() == 1
    time.sleep(1.1)
    assert down() == 0


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_holds_nothing(probe, down, game, kind):
    probe("Probe")
    code = (
        "import sys, gymnasium, env\n"
        "from combatvla.actions import Plan\n"
        "live = gymnasium.make('combatvla/Window-v0', game=sys.argv[1], armed=True)\n"
        "live.reset()\n"
        "while True: live.step(Plan.of('move_forward', 'dodge', ms=500).to_array())\n"
    )
    player = subprocess.Popen([sys.executable, "-c", code, game], stderr=subprocess.DEVNULL)
    try:
        until(lambda: down() == 2, 30)
        os.kill(player.pid, kind)
        player.wait(10)
        until(lambda: down() == 0, 2)
    finally:
        player.kill()
        player.wait()


def test_a_closed_window_ends_the_episode_and_a_new_one_is_found(window_env, probe, down):
    window = probe("Probe")
    live = window_env(frames=2, observation="dict", width=64, height=36, wait_s=1.0)
    live.reset()
    live.step(LONG)
    window.close()
    for _ in range(5):
        observation, _, terminated, truncated, info = live.step(LONG)
        if truncated:
            break
    assert truncated and not terminated and info["window_lost"] and not info["focused"] and down() == 0
    assert observation in live.observation_space
    with pytest.raises(RuntimeError, match="call reset"):
        live.step(LONG)
    with pytest.raises(UserError, match="no window whose title starts with 'Probe'"):
        live.reset()
    probe("Probe again")
    observation, info = live.reset()
    assert observation["frames"].shape == (2, 36, 64, 3) and not info["window_lost"]
    observation, *_ = live.step(WAIT)
    assert observation["ages_ms"][1] == 0 and 80 < observation["ages_ms"][0] < 200


def test_the_time_limit_truncates(window_env, probe):
    probe("Probe")
    live = window_env(armed=False, time_limit_s=0.25)
    live.reset()
    flags = [live.step(WAIT)[2:4] for _ in range(3)]
    assert flags == [(False, False), (False, False), (False, True)]
    live.reset()
    assert not live.step(WAIT)[3]


def test_a_window_by_title_or_by_process(window_env, probe, desktop):
    first, second = probe("Probe one"), probe("Probe two", 320, 240, 600, 0)
    second.find(desktop, load_profile("arena"))
    for window in ("Probe one", first.process.pid):  # older, and without the focus
        live = window_env(armed=False, window=window)
        live.reset()
        assert live.unwrapped._window.pid == first.process.pid
        live.close()
    with pytest.raises(UserError, match=f"belongs to process {second.process.pid}, expected process 1"):
        window_env(window=1, armed=False, wait_s=0.2).reset()


@pytest.mark.filterwarnings("ignore:.*WARN.*")
def test_gymnasium_is_content(window_env, probe, down):
    probe("Probe")
    live = window_env(width=96, height=54)
    assert live.spec.nondeterministic
    check_env(live.unwrapped)
    arena = gym.make("combatvla/Arena-v0", width=96, height=54)
    assert live.action_space == arena.action_space and live.observation_space == arena.observation_space
    arena.close()
    shown = window_env(render_mode="rgb_array", armed=False, width=96, height=54)
    pixels, _ = shown.reset()
    assert np.array_equal(shown.render(), pixels)


def test_a_reset_without_a_fight_says_what_is_missing(window_env, probe, tmp_path):
    probe("Probe")
    path = tmp_path / "other.yaml"
    path.write_text(PROFILE.replace("COLOR", "[250, 40, 20]"), encoding="utf-8")
    with pytest.raises(UserError, match="no running fight .*health, boss_health cannot be seen"):
        window_env(game=str(path), wait_s=0.3).reset()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"game": "tetris"}, UserError, "unknown game 'tetris'"),
        ({"window": 1.5}, UserError, "a process id, or None, got 1.5"),
        ({"render_mode": "ansi"}, UserError, "expected render_mode None or 'rgb_array'"),
        ({"time_limit_s": 0}, UserError, "expected time_limit_s as a number of seconds over 0"),
        ({"wait_s": math.nan}, UserError, "expected wait_s"),
        ({"width": 7}, UserError, "expected width as a whole number"),
        ({"rewards": {"style": 1}}, UserError, "unknown reward term 'style'"),
    ],
)
def test_bad_arguments_are_one_sentence(options, error, said):
    with pytest.raises(error, match=said) as caught:
        gym.make("combatvla/Window-v0", disable_env_checker=True, **options)
    assert "\n" not in str(caught.value)


def test_the_page_names_every_argument_and_its_default():
    arguments = {n: p.default for n, p in signature(WindowEnv.__init__).parameters.items() if n != "self"}
    documented = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.M))
    assert documented == {name: repr(default) for name, default in arguments.items()}
    assert all(f"`{name}`" in PAGE for name in (*Rewards.__dataclass_fields__, *HUD_KINDS))


def test_a_profile_without_a_hud_is_told_what_to_add(tmp_path):
    path = tmp_path / "bare.yaml"
    path.write_text(PROFILE.partition("hud:")[0], encoding="utf-8")
    with pytest.raises(UserError, match="says nothing of health and boss_health in its `hud`"):
        gym.make("combatvla/Window-v0", game=str(path))


def test_wrong_actions_are_refused(window_env, probe, down):
    probe("Probe")
    live = window_env(disable_env_checker=True)
    with pytest.raises(RuntimeError, match="call reset"):
        live.unwrapped.step(WAIT)
    live.reset()
    with pytest.raises(ValueError, match="shape"):
        live.step(WAIT[:-1])
    with pytest.raises(ValueError, match="expected 0 to 1"):
        live.step(WAIT + 2)
    assert down() == 0


def short(tmp_path, task: str, player_health: float, boss_health: float) -> str:
    """A shipped fight made short, as a file."""
    values = yaml.safe_load((resources.files("env.arena") / "tasks" / f"{task}.yaml").read_text(encoding="utf-8"))
    values["boss"]["health"] = boss_health
    values.setdefault("player", {})["health"] = player_health
    path = tmp_path / f"{task}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(path)


def truths(folder) -> list[dict]:
    """The game's log so far, without a line that is being written."""
    return [json.loads(line) for line in (folder / TRUTH_FILE).read_text().rpartition("\n")[0].splitlines()]


def newest(folder) -> dict | None:
    lines = (folder / TRUTH_FILE).read_bytes()[-6000:].rpartition(b"\n")[0].splitlines()
    return json.loads(lines[-1]) if len(lines) > 1 else None


@pytest.mark.parametrize(("task", "game"), [("first", "arena"), ("ronin", "blade")])
def test_a_scripted_player_lands_hits_and_the_reward_agrees_with_the_game(display, down, tmp_path, task, game):
    """The player looks into the game's log of true states; the environment sees the window alone."""
    with arena_window(tmp_path, short(tmp_path, task, 100, 80), 5, "640x360", "--mute") as process:
        live = gym.make("combatvla/Window-v0", game=game, window=process.pid, armed=True, wait_s=30.0)
        _, info = live.reset()
        assert info["hud"]["boss_health"] == 1.0 and info["result"] is None
        seen = []
        while True:
            truth = newest(tmp_path)
            plan = best_plan(truth, foresight=True) if truth else WAIT_PLAN
            _, reward, terminated, truncated, info = live.step(plan.to_array())
            seen.append((time.monotonic_ns() - int(info["capture_age_ms"] * 1e6), info))
            assert reward == pytest.approx(sum(info["reward_terms"].values()))
            if terminated or truncated:
                break
        assert info["result"] == truths(tmp_path)[-1]["result"] == "win" and terminated and down() == 0
        assert info["reward_terms"]["win"] == 1.0 and info["reward_sums"]["damage_dealt"] == pytest.approx(1, abs=0.03)
        check_against_log(seen, truths(tmp_path))

        _, info = live.reset()  # by the restart key
        assert info["hud"]["boss_health"] == info["hud"]["health"] == 1.0 and info["result"] is None
        live.step(FORWARD)
        live.close()
        assert down() == 0


def check_against_log(seen: list[tuple[int, dict]], log: list[dict]) -> None:
    """What was read is what the game had logged within 100 ms before the picture was taken: it draws after it logs."""
    times = [tick["t_ns"] for tick in log]
    for t_ns, info in seen:
        first, last = bisect_left(times, t_ns - 100_000_000), bisect_left(times, t_ns)
        near = log[max(0, first - 1) : last + 1]
        for name, sign in (("damage_dealt", 1), ("damage_taken", -1)):
            amounts = [tick[name] for tick in near]
            assert min(amounts) - 0.02 <= sign * info["reward_sums"][name] <= max(amounts) + 0.02, (name, info, near)


def test_a_lost_fight_unarmed_and_the_pages_example(display, down, tmp_path):
    with arena_window(tmp_path, short(tmp_path, "first", 15, 440), 5, "640x360", "--mute") as process:
        live = gym.make("combatvla/Window-v0", game="arena", window=process.pid, wait_s=30.0)
        live.reset()
        terminated, info = False, {}
        while not terminated:
            _, reward, terminated, truncated, info = live.step(WAIT)
            assert not truncated
        assert info["result"] == "loss" and info["reward_terms"]["loss"] == -1.0 and reward < -0.9
        assert truths(tmp_path)[-1]["result"] == "loss"
        live.unwrapped.wait_s = 0.5
        with pytest.raises(UserError, match=r"the last one is over: begin the next one \(armed=True does so\)"):
            live.reset()
        live.close()
        assert not any(tick["held"] for tick in truths(tmp_path))
        exec(PAGE.partition("```python\n")[2].partition("```")[0], {})  # armed, it begins the next one
        assert down() == 0 and truths(tmp_path)[-1]["tick"] < 600
        assert {held for tick in truths(tmp_path) for held in tick["held"]} == {"move_forward", "light_attack"}
