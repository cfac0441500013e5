"""The combat suite: what is charged, what is summed up, what is refused; and real fights in the real Arena."""

import json
import time

import numpy as np
import pytest

from benchmark import combat
from combatvla.actions import Plan
from combatvla.cli import main as combatvla
from combatvla.errors import UserError
from combatvla.policy.base import Decision
from env.tasks import TEST_SEED_START


class Slow:
    """Takes `ms` for each decision and says that it took `claims`; every second decision does not parse."""

    name, needs_truth = "slow", True

    def __init__(self, ms, claims=None, frames_per_decision=2):
        self.ms, self.claims, self.frames_per_decision = ms, claims, frames_per_decision
        self.seen, self.resets = [], []

    def reset(self, seed=None):
        self.resets.append(seed)

    def decide(self, frames, *, deadline_ns=None, truth=None):
        time.sleep(self.ms / 1000)
        self.seen.append((len(frames), frames[-1].pixels[0, 0, 0], truth["tick"]))
        timings = {} if self.claims is None else {"total": self.claims}
        return Decision(Plan.of("dodge"), parsed=len(self.seen) % 2 == 0, timings_ms=timings)


class Script:
    """Stands in for the Arena: `steps` steps, then a win. Notes what it was charged."""

    def __init__(self, steps=4, result="win"):
        self.steps, self.result, self.charged, self.plans, self.unwrapped = steps, result, [], [], self

    def frame(self):
        truth = {"tick": 6 * len(self.plans), "result": None, "damage_dealt": 0.5, "damage_taken": 0.25}
        over = len(self.plans) == self.steps
        truth["result"] = self.result if over else None
        return np.full((4, 4, 3), len(self.plans), np.uint8), {"truth": truth}

    def reset(self, seed=None):
        self.charged.clear(), self.plans.clear()
        return self.frame()

    def charge(self, latency_ms):
        self.charged.append(latency_ms)

    def step(self, plan):
        self.plans.append(plan)
        pixels, info = self.frame()
        over = len(self.plans) == self.steps
        return pixels, 0.0, over and self.result is not None, over and self.result is None, info


JOB = combat.Job("slow", "first", TEST_SEED_START)


def test_every_decision_is_charged_what_it_really_took():
    env, player = Script(steps=4), Slow(ms=20)
    outcome = combat.play_episode(env, player, JOB)
    assert len(env.charged) == outcome.decisions == 4
    assert all(20 <= ms < 1000 for ms in env.charged)
    assert outcome.decision_ms == [round(ms, 3) for ms in env.charged]
    assert all((plan == Plan.of("dodge").to_array()).all() for plan in env.plans)


def test_a_policy_that_reports_more_than_it_took_is_charged_that():
    env = Script()
    combat.play_episode(env, Slow(ms=0, claims=80.0), JOB)
    assert env.charged == [80.0] * 4
    combat.play_episode(env, Slow(ms=20, claims=1.0), JOB)
    assert min(env.charged) >= 20


def test_frames_come_oldest_first_and_never_more_than_asked_for():
    player = Slow(ms=0)
    combat.play_episode(Script(steps=4), player, JOB)
    assert player.seen == [(1, 0, 0), (2, 1, 6), (2, 2, 12), (2, 3, 18)]


def test_the_warm_up_is_neither_counted_nor_charged():
    env, player = Script(steps=3), Slow(ms=0)
    outcome = combat.play_episode(env, player, JOB, warm_up=True)
    assert (outcome.decisions, len(env.charged), len(player.seen)) == (3, 3, 4)
    assert player.resets == [JOB.seed, JOB.seed]


@pytest.mark.parametrize(("result", "logged"), [("win", "win"), ("loss", "loss"), (None, "timeout")])
def test_how_a_fight_ends_is_logged(result, logged):
    outcome = combat.play_episode(Script(result=result), Slow(ms=0), JOB)
    assert outcome.result == logged
    assert (outcome.parse_failures, outcome.damage_dealt, outcome.damage_taken, outcome.fight_s) == (2, 0.5, 0.25, 0.4)


def test_summary_of_known_fights():
    def fight(result, took):
        return combat.Outcome("policy", "first", 1, result, 10.0, len(took), 1, 0.6, 0.2, took)

    figures = combat.summarize([fight("win", [10.0, 20.0]), fight("loss", [30.0])])
    assert figures["success_rate"] == 0.5 and figures["success_ci95"] == pytest.approx([0.0945, 0.9055], abs=1e-4)
    assert figures["decision_ms_p50"] == 20.0 and figures["decision_ms_p95"] == pytest.approx(29.0)
    assert figures["damage_dealt"] == pytest.approx(0.6) and figures["damage_taken"] == pytest.approx(0.2)
    assert (figures["parse_failures"], figures["decisions"], figures["timeouts"]) == (2, 3, 0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"players": "policy,nobody"}, "nobody"),
        ({"players": ""}, "none given"),
        ({"tasks": "second-moon"}, "second-moon"),
        ({"tasks": ","}, "--tasks"),
        ({"episodes": 0}, "--episodes"),
        ({"workers": 0}, "--workers"),
        ({"size": "large"}, "--size"),
        ({"size": "99999x99999"}, "--size"),
        ({"seed_start": 3}, str(TEST_SEED_START)),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_sentence(options, says):
    with pytest.raises(UserError, match=says) as caught:
        combat.check_args(combat.Args(**options))
    assert "\n" not in str(caught.value)


def bench(tmp_path, capsys, *options):
    code = combatvla(["bench", "combat", "--out", str(tmp_path), "--size", "320x180", "--json", *options])
    out = capsys.readouterr().out
    assert code == 0
    return json.loads(out.splitlines()[-1])


def test_real_fights_of_scripted_players(tmp_path, capsys):
    record = bench(tmp_path, capsys, "--players", "random,oracle", "--episodes", "2")
    assert record["seed_start"] == TEST_SEED_START and record["paused"] is False
    for figures in record["players"].values():
        low, high = figures["success_ci95"]
        assert low <= figures["success_rate"] <= high
        assert figures["decision_ms_p50"] <= figures["decision_ms_p95"]
        assert figures["damage_dealt"] >= 0 and figures["damage_taken"] >= 0
    assert record["players"]["oracle"]["success_rate"] == 1.0
    assert record["players"]["random"]["success_rate"] == 0.0
    lines = [json.loads(line) for line in open(record["log"], encoding="utf-8")]
    assert [(o["player"], o["seed"] - TEST_SEED_START) for o in lines] == [
        ("random", 0),
        ("random", 1),
        ("oracle", 0),
        ("oracle", 1),
    ]
    assert all(len(o["decision_ms"]) == o["decisions"] for o in lines)


def test_thinking_time_costs_fights():
    """The oracle that takes 600 ms over each decision deals less than the one that decides at once."""
    import gymnasium

    import env  # noqa: F401
    from env.players import OraclePlayer

    class Ponderer(OraclePlayer):
        def decide(self, frames, *, deadline_ns=None, truth=None):
            decision = super().decide(frames, truth=truth)
            decision.timings_ms["total"] = 600.0
            return decision

    arena = gymnasium.make("combatvla/Arena-v0", task="first", width=96, height=64)
    jobs = [combat.Job("oracle", "first", TEST_SEED_START + i) for i in range(2)]
    quick = [combat.play_episode(arena, OraclePlayer(), job) for job in jobs]
    slow = [combat.play_episode(arena, Ponderer(), job) for job in jobs]
    assert sum(o.result == "win" for o in quick) == 2
    assert sum(o.damage_taken for o in slow) > sum(o.damage_taken for o in quick)
    assert sum(o.result == "win" for o in slow) == 0


def test_the_shipped_policy_fights(tmp_path, capsys):
    record = bench(tmp_path, capsys, "--players", "policy", "--episodes", "1", "--size", "1280x720")
    figures = record["players"]["policy"]
    assert figures["decisions"] > 0 and figures["decision_ms_p50"] > 0
    assert figures["parse_failures"] <= figures["decisions"] * 0.05
    assert figures["damage_dealt"] > 0.3, "who sees the boss strikes it"


@pytest.mark.slow
def test_workers_fight_the_same_fights(tmp_path, capsys):
    one = bench(tmp_path / "1", capsys, "--players", "random", "--episodes", "4")
    two = bench(tmp_path / "2", capsys, "--players", "random", "--episodes", "4", "--workers", "2")
    assert one["players"]["random"]["episodes"] == two["players"]["random"]["episodes"] == 4
    assert [json.loads(line)["seed"] for line in open(two["log"], encoding="utf-8")] == [
        TEST_SEED_START + i for i in range(4)
    ]


def test_an_unknown_checkpoint_is_one_sentence(tmp_path, capsys):
    code = combatvla(
        ["bench", "combat", "--out", str(tmp_path), "--players", "policy", "--policy", "/nowhere", "--episodes", "1"]
    )
    assert code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert "/nowhere" in error[-1]


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert combatvla(["bench", "combat", "--out", str(tmp_path / "file"), "--players", "random"]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert "cannot be made" in error and str(tmp_path / "file") in error
