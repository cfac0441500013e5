"""Batches: Gymnasium's own in one and in many processes, and ours in one compiled call, have the same fights."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_shares_objects
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import env  # noqa: F401  (registers the environments)
from combatvla.actions import Action, Plan
from combatvla.errors import UserError
from env.arena.gym import ArenaEnv
from env.arena.state import FIGHT
from env.arena.vector import ArenaVectorEnv
from env.tasks import Task, load_task

ID = "combatvla/Arena-v0"
MODES = list(AutoresetMode)
TASKS = ("first", "sage", "shogun")


def short(name: str, seconds: float) -> Task:
    """A fight that is soon over, so that many ends are seen."""
    return load_task(name).model_copy(update={"time_limit_s": seconds})


def told(infos: dict, but: tuple[str, ...] = ("truth", "state")) -> dict:
    """Infos as plain values, without what the two kinds of batch tell differently, and nothing where nothing was told.
    (Which end is told is a matter of the mask: a value beyond it means nothing.)"""
    plain = {}
    for key, value in infos.items():
        if key.startswith("_") or key in but:
            continue
        mask = infos[f"_{key}"]
        if mask.any():
            inner = (
                told(value, but)
                if isinstance(value, dict)
                else [v.tolist() if isinstance(v, np.ndarray) else v for v in value[mask].tolist()]
            )
            plain[key] = (mask.tolist(), inner)
    return plain


def both(mode: AutoresetMode, **kwargs) -> tuple[ArenaVectorEnv, SyncVectorEnv]:
    tasks = [short(name, seconds) for name, seconds in zip(TASKS, (3.0, 5.5, 4.2), strict=True)]
    n = 7
    ours = ArenaVectorEnv(n, tasks, autoreset_mode=mode, **kwargs)
    theirs = SyncVectorEnv(
        [lambda i=i: ArenaEnv(tasks[i % len(tasks)], **kwargs) for i in range(n)], autoreset_mode=mode
    )
    return ours, theirs


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("latency", [0.0, (0, 250)])
def test_the_batch_is_gymnasiums_batch(mode, latency):
    """Observations, rewards, ends, infos and masks, over some hundred ends of fights."""
    ours, theirs = both(mode, pixels=False, decision_latency=latency)
    ours.action_space.seed(1)
    a, b = ours.reset(seed=5), theirs.reset(seed=5)
    assert np.array_equal(a[0], b[0]) and told(a[1]) == told(b[1])
    ends = 0
    for step in range(400):
        actions = ours.action_space.sample()
        if step % 10 == 3:
            ours.charge(np.arange(7) * 20.0)
            for i, arena in enumerate(theirs.envs):
                if not (mode is AutoresetMode.NEXT_STEP and theirs._autoreset_envs[i]):  # that one only begins anew
                    arena.charge(i * 20.0)
        a, b = ours.step(actions), theirs.step(actions)
        for mine, other in zip(a[:4], b[:4], strict=True):
            assert np.array_equal(mine, other) and mine.dtype == other.dtype
        assert told(a[4]) == told(b[4])
        assert [t["tick"] for t in ours.truths()] == b[4]["truth"]["tick"].tolist()
        over = a[2] | a[3]
        ends += over.sum()
        if mode is AutoresetMode.DISABLED and over.any():
            a, b = (v.reset(options={"reset_mask": over}) for v in (ours, theirs))
            assert np.array_equal(a[0], b[0])
    assert ends > 50
    assert [g.random() for g in ours.np_random] == [g.random() for g in theirs.np_random]
    assert ours.np_random_seed == theirs.np_random_seed


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("kwargs", [{"frames": 1}, {"frames": 2, "observation": "dict"}], ids=str)
def test_the_batch_sees_the_same_pictures(mode, kwargs):
    ours, theirs = both(mode, width=64, height=36, render_mode="rgb_array", **kwargs)
    a, b = ours.reset(seed=5), theirs.reset(seed=5)
    ours.action_space.seed(1)
    for _ in range(45):
        assert ours.observation_space.contains(a[0])
        for mine, other in zip(
            *(obs.values() if isinstance(obs, dict) else [obs] for obs in (a[0], b[0])), strict=True
        ):
            assert np.array_equal(mine, other)
        assert told(a[-1], ("truth", "state", "final_obs", "final_info")) == told(
            b[-1], ("truth", "state", "final_obs", "final_info")
        )
        for i in np.flatnonzero(a[-1].get("_final_obs", [])):
            last = a[-1]["final_obs"][i], b[-1]["final_obs"][i]
            for mine, other in zip(*(o.values() if isinstance(o, dict) else [o] for o in last), strict=True):
                assert np.array_equal(mine, other)
        actions = ours.action_space.sample()
        a, b = ours.step(actions), theirs.step(actions)
    assert all(np.array_equal(mine, other) for mine, other in zip(ours.render(), theirs.render(), strict=True))
    ours.close()
    theirs.close()


@pytest.mark.parametrize("pixels", [False, True])
def test_other_processes_have_the_same_fights(pixels):
    kwargs = {"task": "first", "pixels": pixels, "width": 64, "height": 36, "decision_latency": (0, 100)}
    make = [lambda: gymnasium.make(f"env:{ID}", **kwargs)] * 2
    apart, here = AsyncVectorEnv(make, context="spawn"), SyncVectorEnv(make)
    try:
        a, b = apart.reset(seed=3), here.reset(seed=3)
        apart.action_space.seed(3)
        for _ in range(25):
            assert np.array_equal(a[0], b[0]) and told(a[-1], ()) == told(b[-1], ())
            actions = apart.action_space.sample()
            a, b = apart.step(actions), here.step(actions)
            assert np.array_equal(a[1], b[1])
    finally:
        apart.close()
        here.close()


@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point", None])
def test_make_vec_makes_every_kind_without_a_warning(mode, recwarn):
    arenas = gymnasium.make_vec(ID, num_envs=2, vectorization_mode=mode, task="bull", pixels=False)
    assert isinstance(arenas.metadata["autoreset_mode"], AutoresetMode)
    assert arenas.spec.id == ID and arenas.num_envs == 2
    assert isinstance(arenas, ArenaVectorEnv) == (mode in (None, "vector_entry_point"))
    observations, _ = arenas.reset(seed=1)
    assert observations in arenas.observation_space
    observations, rewards, terminations, truncations, _ = arenas.step(arenas.action_space.sample())
    assert observations in arenas.observation_space and rewards.dtype == np.float64
    assert terminations.dtype == truncations.dtype == bool and rewards.shape == terminations.shape == (2,)
    arenas.close()
    arenas.close()
    assert not [str(w.message) for w in recwarn if "gymnasium" in str(w.filename)]


def test_a_batch_can_be_made_again_from_its_spec():
    arenas = gymnasium.make_vec(ID, num_envs=3, task=["bull", "monk"], pixels=False, autoreset_mode="SameStep")
    again = gymnasium.make_vec(arenas.spec)
    assert again.num_envs == 3 and [t.name for t in again.tasks] == ["bull", "monk"]
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_what_is_returned_is_never_changed_later():
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        arenas = ArenaVectorEnv(3, short("first", 0.5), pixels=False, autoreset_mode=mode)
        kept, copies = [arenas.reset(seed=1)], []
        for _ in range(12):
            copies.append((kept[-1][0].copy(), kept[-1][-1]["state"].copy()))
            kept.append(arenas.step(arenas.action_space.sample()))
        for (observations, state), returned in zip(copies, kept, strict=False):
            assert np.array_equal(observations, returned[0]) and np.array_equal(state, returned[-1]["state"])
        for i in range(len(kept) - 1):
            assert not data_shares_objects(kept[i][0], kept[i + 1][0])
            assert not data_shares_objects(kept[i][-1], kept[i + 1][-1])


def test_gymnasiums_vector_wrappers_take_it():
    arenas = gymnasium.make_vec(ID, num_envs=4, task=short("first", 2.0), pixels=False)
    arenas = gymnasium.wrappers.vector.RecordEpisodeStatistics(arenas)
    arenas = gymnasium.wrappers.vector.DictInfoToList(arenas)
    arenas.reset(seed=1)
    ended = []
    for _ in range(50):
        _, _, _, _, infos = arenas.step(arenas.action_space.sample())
        ended += [info for info in infos if "episode" in info]
    assert len(ended) >= 8
    for info in ended:
        assert info["episode"]["r"] == pytest.approx(sum(info["reward_sums"].values()), abs=1e-6)


def test_the_state_told_is_the_fights_own():
    arenas = ArenaVectorEnv(5, ["bull", "monk"], pixels=False)
    _, infos = arenas.reset(seed=[1, 2, 3, 1, 5])
    assert infos["state"].dtype == FIGHT and infos["_state"].all()
    attack = np.tile(Plan.of(Action.LIGHT_ATTACK).to_array(), (5, 1))
    infos = arenas.step(attack)[4]
    for state, fight in zip(infos["state"], arenas.fights, strict=True):
        assert state.tobytes() == fight.save()
    assert [truth["task"] for truth in arenas.truths()] == ["bull", "monk", "bull", "monk", "bull"]
    assert [truth["seed"] for truth in arenas.truths()] == [1, 2, 3, 1, 5]


def test_latency_can_be_fixed_measured_charged_or_waived():
    def latencies(**kwargs) -> list[float]:
        arenas = ArenaVectorEnv(2, pixels=False, **kwargs)
        arenas.reset(seed=1)
        if "decision_latency" not in kwargs:
            arenas.charge([100, 250])
        return arenas.step(np.zeros((2, 36), int))[4]["latency_ms"].tolist()

    assert latencies(decision_latency=40) == [40, 40]
    first, second = latencies(decision_latency="measured")
    assert first == second and 0 <= first < 100
    assert latencies() == [100, 250]
    assert latencies(wait_for_player=True) == [0, 0]


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"num_envs": 0}, "num_envs as a whole number from 1 on, got 0"),
        ({"task": []}, "a task or a list of tasks, got an empty list"),
        ({"task": ["first", "nobody"]}, "unknown task 'nobody'"),
        ({"render_mode": "human"}, "'rgb_array', got 'human'; for a window use make"),
        ({"autoreset_mode": "never"}, "one of 'NextStep', 'SameStep', 'Disabled', got 'never'"),
        ({"frames": 2, "pixels": False}, "with pixels=False"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(kwargs, named):
    with pytest.raises(UserError, match=named):
        ArenaVectorEnv(**kwargs)


def test_wrong_use_is_named():
    arenas = ArenaVectorEnv(3, short("first", 0.2), pixels=False, autoreset_mode="Disabled", render_mode="rgb_array")
    wait = np.zeros((3, 36), int)
    with pytest.raises(RuntimeError, match=r"step\(\) was called before reset"):
        arenas.step(wait)
    with pytest.raises(RuntimeError, match=r"render\(\) was called before reset"):
        arenas.render()
    with pytest.raises(ValueError, match="the first reset.. begins all fights"):
        arenas.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ValueError, match="one seed or a list of 3 seeds, got 2"):
        arenas.reset(seed=[1, 2])
    arenas.reset(seed=1)
    before = arenas._bytes.copy()
    with pytest.raises(ValueError, match=r"shape \(3, 36\).* got int64 of shape \(2, 36\)"):
        arenas.step(wait[:2])
    wrong = wait.copy()
    wrong[2, 11] = 12
    with pytest.raises(ValueError, match=r"expected 0 to 10 at action\[2, 11\] \(duration of step 1\), got 12"):
        arenas.step(wrong)
    assert np.array_equal(before, arenas._bytes), "and nothing has moved"
    for charged in (-1, [1, 2], [1, 2, np.inf]):
        with pytest.raises(ValueError, match="expected (a|one) latenc"):
            arenas.charge(charged)
    with pytest.raises(ValueError, match="bool array of 3 with a True in it"):
        arenas.reset(options={"reset_mask": np.zeros(3, bool)})
    arenas.step(wait)
    assert arenas.step(wait)[3].all()
    with pytest.raises(RuntimeError, match=r"after the fights \[0, 1, 2\] ended.*reset_mask"):
        arenas.step(wait)


def test_actions_of_fights_that_begin_anew_are_not_looked_at():
    arenas = ArenaVectorEnv(2, short("first", 0.1), pixels=False)
    arenas.reset(seed=1)
    assert arenas.step(np.zeros((2, 36), int))[3].all()
    _, rewards, _, truncations, infos = arenas.step(np.full((2, 36), 99))
    assert not truncations.any() and not rewards.any() and not infos["state"]["tick"].any()
