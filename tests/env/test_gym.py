"""`combatvla/Arena-v0`: Gymnasium's own checks, latency in ticks, saved states, and pictures that repeat to the bit."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import re
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import env  # noqa: F401  (registers the environments)
from combatvla.actions import WAIT_PLAN, Action, Plan
from combatvla.errors import UserError
from combatvla.vision import FrameSpec
from env.arena.features import FEATURES, LIMIT
from env.arena.fight import Fight
from env.arena.gym import ArenaEnv
from env.arena.render import Renderer
from env.arena.state import PLAYER_STATES, STAGES
from env.players import OraclePlayer, RandomPlayer, ReactionPlayer
from env.rewards import TERMS, Rewards
from env.tasks import KINDS, TEST_SEED_START, load_task, task_names

DOCS = (Path(__file__).parents[2] / "docs" / "arena.md").read_text(encoding="utf-8")
ATTACK, WAIT = Plan.of(Action.LIGHT_ATTACK).to_array(), WAIT_PLAN.to_array()


def make(**kwargs) -> ArenaEnv:
    return gymnasium.make("combatvla/Arena-v0", **{"pixels": False, **kwargs}).unwrapped


def gymnasium_said(recwarn) -> list[str]:
    return [str(w.message) for w in recwarn if "gymnasium" in str(w.filename)]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"render_mode": "rgb_array"},
        {"pixels": False, "task": "shogun"},
        {"pixels": False, "decision_latency": (20, 300)},
    ],
    ids=str,
)
def test_check_env_is_clean(kwargs, display, recwarn):
    arena = gymnasium.make("combatvla/Arena-v0", width=320, height=180, **kwargs)
    check_env(arena.unwrapped)
    assert gymnasium_said(recwarn) == []
    arena.close()


@pytest.mark.parametrize("kwargs", [{"frames": 3}, {"frames": 2, "observation": "dict"}], ids=str)
def test_stacks_of_pictures_pass_the_checks_but_for_their_shape(kwargs, recwarn):
    """Gymnasium knows pictures and vectors only; of a stack it says that its shape is unusual, and nothing else."""
    arena = gymnasium.make("combatvla/Arena-v0", width=96, height=64, **kwargs)
    check_env(arena.unwrapped, skip_render_check=True)
    assert all("shape" in said for said in gymnasium_said(recwarn))
    arena.close()


# -- pictures ---------------------------------------------------------------------------------------------------

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
                boss.move, boss.stage, boss.t, boss.total = fight.move_named(move), STAGES.index("windup"), 50, 60
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


def test_a_stack_holds_the_last_pictures():
    size = {"width": 96, "height": 64, "pixels": True}
    one, three = make(**size, render_mode="rgb_array"), make(**size, frames=3, observation="dict")
    first, _ = one.reset(seed=4)
    seen, _ = three.reset(seed=4)
    assert seen in three.observation_space and seen["frames"].shape == (3, 64, 96, 3)
    assert all(np.array_equal(frame, first) for frame in seen["frames"]) and seen["ages_ms"].tolist() == [0, 0, 0]
    singles = [first]
    for latency in (0, 250, 40):
        for arena in (one, three):
            arena.charge(latency)
        singles.append(one.step(WAIT)[0])
        seen = three.step(WAIT)[0]
    assert all(np.array_equal(a, b) for a, b in zip(seen["frames"], singles[-3:], strict=True))
    assert not np.array_equal(singles[-1], singles[-2])
    assert seen["ages_ms"].tolist() == [350, 100, 0]
    assert np.array_equal(one.render(), singles[-1])
    plain = make(**size, frames=3)
    assert np.array_equal(plain.reset(seed=4)[0], [first] * 3)


def test_human_mode_shows_the_fight_at_real_speed(display):
    shown, unseen = make(render_mode="human", width=320, height=180), make()
    for arena in (shown, unseen):
        arena.reset(seed=9)
        arena.charge(200)
    began = time.perf_counter()
    steps = [arena.step(Plan.of(Action.MOVE_FORWARD, ms=300).to_array()) for arena in (shown, unseen)]
    for arena in (shown, unseen):
        steps.append(arena.step(ATTACK))
    took = time.perf_counter() - began
    assert 0.25 < took < 1.5, "300 ms of fight take 300 ms"
    assert (
        steps[0][4] == steps[1][4]
        and steps[2][4] == steps[3][4]
        and shown.save_state().fight == unseen.save_state().fight
    )
    assert shown.render() is None
    shown.close()


# -- time -------------------------------------------------------------------------------------------------------


def test_latency_is_charged_in_ticks():
    arena = make()
    arena.reset(seed=1)
    _, _, _, _, info = arena.step(ATTACK)
    assert info["truth"]["tick"] == 6 and info["truth"]["player"]["progress"] > 0.15
    arena.reset(seed=1)
    arena.charge(250)
    _, _, _, _, info = arena.step(ATTACK)
    assert info["truth"]["tick"] == 15 and info["latency_ms"] == 250, "a decision of 250 ms lasts 15 ticks"
    assert info["truth"]["player"]["state"] == "idle", "and its plan has not begun"
    _, _, _, _, info = arena.step(WAIT)
    assert info["truth"]["player"]["state"] == "idle", "the next plan took its place at once"
    assert info["latency_ms"] == 0, "what was charged, was charged once"
    arena.reset(seed=1)
    arena.charge(50)
    _, _, _, _, info = arena.step(ATTACK)
    assert info["truth"]["tick"] == 6 and info["truth"]["player"]["state"] == "light"
    waiting = make(wait_for_player=True)
    waiting.reset(seed=1)
    waiting.charge(5000)
    info = waiting.step(ATTACK)[4]
    assert info["truth"]["tick"] == 6 and info["latency_ms"] == 0


def test_a_fixed_latency_is_that_of_every_decision():
    arena = make(decision_latency=200)
    arena.reset(seed=1)
    assert [arena.step(WAIT)[4]["truth"]["tick"] for _ in range(3)] == [12, 24, 36]


def test_a_drawn_latency_lies_in_its_range_and_repeats():
    def drawn(seed: int) -> list[float]:
        arena = make(decision_latency=(50, 250))
        arena.reset(seed=seed)
        return [arena.step(WAIT)[4]["latency_ms"] for _ in range(20)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 50 <= min(drawn(1)) < 100 and 200 < max(drawn(1)) <= 250


def test_a_measured_latency_is_the_time_that_went_by():
    arena = make(decision_latency="measured")
    arena.reset(seed=1)
    time.sleep(0.15)
    info = arena.step(WAIT)[4]
    assert 150 <= info["latency_ms"] < 400 and info["truth"]["tick"] == round(info["latency_ms"] * 0.06)
    assert arena.step(WAIT)[4]["latency_ms"] < 50
    time.sleep(0.1)
    arena.charge(7)
    assert arena.step(WAIT)[4]["latency_ms"] == 7


def test_a_latency_beyond_the_fight_ends_it():
    arena = make(task="first")
    arena.reset(seed=1)
    arena.charge(1e308)
    _, _, terminated, truncated, info = arena.step(WAIT)
    assert (terminated or truncated) and info["truth"]["result"] in ("loss", "timeout")


def test_a_seed_that_nobody_gave_is_none_of_those_held_out():
    arena = make()
    arena.reset(seed=3)
    seeds = [arena.reset()[1]["truth"]["seed"] for _ in range(50)]
    assert len(set(seeds)) > 40 and max(seeds) < TEST_SEED_START
    arena.reset(seed=3)
    assert [arena.reset()[1]["truth"]["seed"] for _ in range(50)] == seeds


# -- what is told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["first", "sage", "shogun"])
def test_rewards_are_the_sum_of_terms_and_episodes_of_steps(task):
    arena = make(task=task, rewards={"time": -0.5})
    arena.reset(seed=1)
    arena.action_space.seed(1)
    sums, total, over = dict.fromkeys(TERMS, 0.0), 0.0, False
    while not over:
        _, reward, terminated, truncated, info = arena.step(arena.action_space.sample())
        over = terminated or truncated
        assert tuple(info["reward_terms"]) == TERMS and reward == pytest.approx(sum(info["reward_terms"].values()))
        sums = {term: sums[term] + info["reward_terms"][term] for term in TERMS}
        total += reward
    assert info["reward_sums"] == pytest.approx(sums) and total == pytest.approx(sum(sums.values()))
    truth, ticks = info["truth"], arena.task.time_limit_s * 60
    assert sums["damage_taken"] == pytest.approx(-truth["damage_taken"])
    assert sums["damage_dealt"] == pytest.approx(truth["damage_dealt"])
    assert sums["time"] == pytest.approx(-0.5 * truth["tick"] / ticks)
    assert sums["loss"] == -(truth["result"] == "loss")


def test_the_truth_vector_says_what_the_truth_says():
    arena = make(task="first")
    vector, _ = arena.reset(seed=6)
    assert vector.dtype == np.float32 and vector.shape == (len(FEATURES),) and len(set(FEATURES)) == len(FEATURES)
    fight = arena.fight
    boss, player = fight.boss, fight.player
    player.x, player.y, player.health, player.state = 3.0, 0.0, 40.0, PLAYER_STATES.index("dodge")
    boss.x, boss.y, boss.facing = 0.0, 0.0, np.pi / 2
    boss.stage, boss.move, boss.t, boss.total = STAGES.index("windup"), fight.move_named("sweep"), 15, 60
    shot = fight.state["shots"][0, 0]
    shot["x"], shot["y"], shot["vx"], shot["vy"], shot["left"] = 1.0, 0.0, 0.1, 0.0, 30
    seen = dict(zip(FEATURES, arena._observe().tolist(), strict=True))
    assert seen["player_health"] == pytest.approx(0.4) and seen["distance"] == pytest.approx(0.3)
    assert seen["player_dodge"] == 1 and sum(seen[f"player_{state}"] for state in PLAYER_STATES) == 1
    assert seen["boss_windup"] == seen["move_sweep"] == 1 and seen["move_slam"] == seen["boss_idle"] == 0
    assert seen["boss_progress"] == pytest.approx(0.25) and seen["boss_left_s"] == pytest.approx(0.75)
    # The fighter looks along -x: the boss's nose, +y, points to its right; the centre of the ring lies ahead.
    assert seen["boss_facing_cos"] == pytest.approx(0, abs=1e-6) and seen["boss_facing_sin"] == pytest.approx(1)
    assert seen["centre_forward"] == pytest.approx(0.3) and seen["centre_right"] == pytest.approx(0, abs=1e-6)
    assert seen["shot0_forward"] == pytest.approx(0.2) and seen["shot0_speed_forward"] == pytest.approx(-0.6)
    assert seen["shot0_left_s"] == pytest.approx(0.5)


@pytest.mark.parametrize("task", task_names())
def test_observations_stay_in_their_space(task):
    arena = make(task=task)
    arena.action_space.seed(2)
    seen, _ = arena.reset(seed=2)
    vectors, over = [seen], False
    while not over:
        seen, _, terminated, truncated, _ = arena.step(arena.action_space.sample())
        vectors.append(seen)
        over = terminated or truncated
    vectors = np.array(vectors)
    assert np.isfinite(vectors).all() and np.abs(vectors).max() < LIMIT


# -- saved states -----------------------------------------------------------------------------------------------


def test_a_restored_environment_goes_on_the_same():
    """Also in another environment, after a trip through pickle, with the drawn latencies and the seeds to come."""
    rng = np.random.default_rng(0)
    for task in ("first", "widow", "shogun"):
        arena, other = (make(task=task, decision_latency=(0, 200)) for _ in range(2))
        arena.reset(seed=int(rng.integers(1000)))
        arena.action_space.seed(3)

        def go_on(a: ArenaEnv, actions) -> list:
            told = []
            for action in actions:
                vector, reward, terminated, truncated, info = a.step(action)
                told.append((vector.tolist(), reward, info))
                if terminated or truncated:
                    told.append(a.reset()[1])
            return told

        for _ in range(15):
            go_on(arena, [arena.action_space.sample() for _ in range(int(rng.integers(1, 30)))])
            if rng.random() < 0.5:
                arena.charge(33)
            saved = arena.save_state()
            actions = [arena.action_space.sample() for _ in range(40)]
            told = go_on(arena, actions)
            arena.restore_state(saved)
            assert go_on(arena, actions) == told
            other.restore_state(pickle.loads(pickle.dumps(saved)))
            assert go_on(other, actions) == told


def test_a_restored_environment_sees_the_same_pictures():
    arena = make(pixels=True, width=96, height=64, frames=3)
    arena.reset(seed=2)
    for _ in range(5):
        arena.step(ATTACK)
    saved = arena.save_state()
    after = [arena.step(ATTACK)[0] for _ in range(4)]
    arena.reset(seed=3)
    arena.restore_state(saved)
    assert all(np.array_equal(arena.step(ATTACK)[0], picture) for picture in after)


def test_saving_and_restoring_takes_microseconds():
    arena = make()
    arena.reset(seed=1)
    times = []
    for _ in range(300):
        began = time.perf_counter()
        arena.restore_state(arena.save_state())
        times.append(time.perf_counter() - began)
    assert np.median(times) < 200e-6


def test_a_state_of_another_task_or_picture_is_refused():
    first, bull = make(), make(task="bull")
    with pytest.raises(RuntimeError, match=r"save_state\(\) was called before reset"):
        first.save_state()
    first.reset(seed=1)
    with pytest.raises(ValueError, match=r"'bull', \d+, None.*'first', \d+, None.*same task"):
        bull.restore_state(first.save_state())
    with pytest.raises(ValueError, match="frames, width and height"):
        make(pixels=True).restore_state(first.save_state())


# -- wrong use --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"task": "nobody"}, r"unknown task 'nobody': expected one of first, .*shogun"),
        ({"task": 99}, r"unknown task '99'"),
        ({"task": "/nowhere/my.yaml"}, r"there is no task file /nowhere/my.yaml"),
        ({"render_mode": "ansi"}, r"render_mode None, 'rgb_array' or 'human', got 'ansi'"),
        ({"width": 8}, r"expected width as a whole number from 32 to 4096, got 8"),
        ({"height": "360"}, r"expected height as a whole number .* got '360'"),
        ({"frames": 0}, r"expected frames as a whole number from 1 to 64, got 0"),
        ({"observation": "pixel"}, r"'array' or 'dict', got 'pixel'"),
        ({"pixels": False, "frames": 2}, r"frames=1 .* with pixels=False.* got frames=2"),
        ({"decision_latency": float("nan")}, r"finite number of milliseconds >= 0.* got nan"),
        ({"decision_latency": -1}, r"got -1"),
        ({"decision_latency": (300, 100)}, r"\(low, high\).* got \(300, 100\)"),
        ({"decision_latency": "fast"}, r'"measured", got \'fast\''),
        ({"rewards": {"damage": 1}}, r"unknown reward term 'damage': expected some of damage_dealt, "),
        ({"rewards": {"win": float("inf")}}, r"weight of the reward term win must be a finite number, got inf"),
        ({"rewards": [1, 2]}, r"mapping from term to weight.* got \[1, 2\]"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(kwargs, named):
    with pytest.raises(UserError, match=named):
        ArenaEnv(**kwargs)


def test_a_malformed_task_file_is_named(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("number: 1\nname: mine\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml is malformed: title: Field required"):
        ArenaEnv(task=file)


def test_tasks_are_found_by_name_number_and_path(tmp_path):
    text = (Path(env.__file__).parent / "arena" / "tasks" / "bull.yaml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text(re.sub("name: bull", "name: mine", text), encoding="utf-8")
    named = [ArenaEnv(task=task).task.name for task in ("bull", 2, "2", mine, str(mine), load_task("bull"))]
    assert named == ["bull", "bull", "bull", "mine", "mine", "bull"]


@pytest.mark.parametrize(
    ("action", "named"),
    [
        (np.zeros(3, np.int64), r"shape \(36,\), as Plan.to_array\(\) gives them, got int64 of shape \(3,\)"),
        (np.zeros(36), r"whole numbers .* got float64"),
        (None, r"got object"),
        ([[1], [1, 2]], r"got object"),
        (WAIT + 2 * (np.arange(36) == 5), r"expected 0 to 1 at action\[5\] \(dodge of step 1\), got 2"),
        (WAIT - 3 * (np.arange(36) == 12), r"at action\[12\] \(move_forward of step 2\), got -3"),
        (WAIT + 11 * (np.arange(36) == 35), r"expected 0 to 10 at action\[35\] \(duration of step 3\), got 11"),
    ],
    ids=str,
)
def test_a_wrong_action_is_named_and_moves_nothing(action, named):
    arena = make(decision_latency=(0, 100))
    arena.reset(seed=1)
    before = arena.save_state()
    with pytest.raises(ValueError, match=named):
        arena.step(action)
    assert arena.save_state() == before


def test_any_whole_numbers_will_do_as_an_action():
    arena, same = make(), make()
    arena.reset(seed=1)
    same.reset(seed=1)
    for dtype in (np.int8, np.uint8, np.int32, np.uint64, list):
        action = ATTACK.tolist() if dtype is list else ATTACK.astype(dtype)
        assert arena.step(action)[4] == same.step(ATTACK)[4]


def test_wrong_order_is_named():
    arena = make(render_mode="rgb_array")
    with pytest.raises(RuntimeError, match=r"step\(\) was called before reset\(\); call reset"):
        arena.step(WAIT)
    with pytest.raises(RuntimeError, match=r"render\(\) was called before reset"):
        arena.render()
    arena.reset(seed=1)
    arena.fight.player.health = 0
    assert arena.step(WAIT)[2]
    with pytest.raises(RuntimeError, match=r"after the fight ended \(loss\); call reset"):
        arena.step(WAIT)
    for ms in (float("nan"), float("inf"), -1, "soon", None):
        with pytest.raises(ValueError, match=f"finite number of milliseconds >= 0, got {ms!r}"):
            arena.charge(ms)


# -- players ----------------------------------------------------------------------------------------------------


def play(player, seed: int) -> dict:
    arena = make(decision_latency=60)
    _, info = arena.reset(seed=seed)
    player.reset(seed)
    while True:
        decision = player.decide([], truth=info["truth"])
        _, _, terminated, truncated, info = arena.step(decision.plan.to_array())
        if terminated or truncated:
            return info["truth"]


def test_players_are_as_strong_as_they_say():
    seeds = range(TEST_SEED_START, TEST_SEED_START + 12)
    players = RandomPlayer(), ReactionPlayer(), OraclePlayer()
    wins = {p.name: sum(play(p, s)["result"] == "win" for s in seeds) for p in players}
    assert wins["random"] <= 1 and wins["reaction"] >= 9 and wins["oracle"] >= 11, wins


def test_it_steps_thousands_of_times_a_second():
    """`combatvla env speed` says how fast; this only sees that nothing slow has crept in."""
    arena = make()
    arena.reset(seed=1)
    arena.action_space.seed(1)
    actions = [arena.action_space.sample() for _ in range(50)]
    rates = []
    for _ in range(6):
        began, steps = time.process_time(), 0
        while steps < 1000:
            over = arena.step(actions[steps % 50])[2:4]
            steps += 1
            if any(over):
                arena.reset()
        rates.append(steps / (time.process_time() - began))
    assert max(rates) > 10_000


# -- the page ---------------------------------------------------------------------------------------------------


def test_the_pages_examples_run():
    examples = re.findall(r"```python\n(.*?)```", DOCS, re.S)
    assert len(examples) >= 3
    names: dict = {}
    for code in examples:
        exec(code, names)
    assert names["info"]["truth"]["tick"] >= 6 and names["answers"]


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading of the page, without the table's own head."""
    below = DOCS[re.search(rf"^#+ {heading}$", DOCS, re.M).end() :]
    table = re.search(r"(?:^\|[^\n]*\n)+", below, re.M).group()
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


def test_the_page_names_every_argument():
    said = {name.strip("`"): default.strip("`") for name, default, _ in rows_below("Arguments")}
    assert said == {name: repr(p.default) for name, p in inspect.signature(ArenaEnv).parameters.items()}


def test_the_page_names_every_reward_term():
    said = {name.strip("`"): float(default) for name, default, _ in rows_below("Rewards")}
    assert said == asdict(Rewards()) and tuple(said) == TERMS


def test_the_page_names_every_feature():
    told: list[str] = []
    of = {"<i>": "012", "<state>": PLAYER_STATES, "<stage>": STAGES, "<kind>": KINDS}
    for cell, _ in rows_below("The truth vector"):
        names = re.findall(r"`([^`]+)`", cell)
        stands = next((word for word in of if word in names[0]), "")
        told += [n.replace(stands, value) for value in of[stands] for n in names] if stands else names
    assert tuple(told) == FEATURES and f"float32[{len(FEATURES)}]" in DOCS
