"""The live loop on a real window, with real keys."""

from __future__ import annotations

import errno
import json
import threading
import time
from bisect import bisect_left

import pytest

from agent.log import PARTS, line_of, stages
from agent.loop import Episode, fight
from combatvla.actions import PERIOD_MS, WAIT_PLAN, Action, Plan, Step
from combatvla.desktop import WindowGone
from combatvla.desktop.actuator import Actuator, until_change
from combatvla.desktop.base import OffScreen
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.inject import GuardedInjector
from combatvla.policy.checkpoint import PolicyInfo
from combatvla.policy.local import load_policy
from combatvla.policy.openai import OpenAIPolicy
from tests.helpers import start_command, until
from tests.model_server import ModelServer, answers, disconnects, says, slow

A = Action
FORWARD = Plan.of(A.MOVE_FORWARD, ms=200)
THREE = Plan((Step.of(A.MOVE_LEFT, A.SPRINT, ms=100), Step.of(A.WAIT, ms=100), Step.of(A.LIGHT_ATTACK, ms=100)))


@pytest.fixture
def play(desktop, arena, down):
    """Plays a probe window with a policy: `play(policy, window, seconds=…)` gives the episode and the held log."""

    def run(policy, window, *, armed: bool = True, **options):
        held: list[tuple[int, frozenset[Action]]] = []
        with (
            WindowCapture(window, desktop=desktop, keep=4) as capture,
            GuardedInjector(desktop, window, arena, armed=armed) as injector,
        ):
            episode = fight(policy, capture, injector, on_held=lambda t, h: held.append((t, h)), **options)
        return episode, held

    return run


def test_the_window_gets_exactly_the_plans(play, scripted, probe, desktop, arena):
    window = probe()
    policy = scripted(FORWARD, Plan.of(A.MOVE_FORWARD, A.DODGE), Plan.of(A.HEAL))
    episode, _ = play(policy, window.find(desktop, arena), seconds=0.6)
    assert episode.ended == "time is over"
    assert window.close() == [
        ("press", "w"),
        ("press", " "),
        ("release", "w"),
        ("release", " "),
        ("press", "r"),
        ("release", "r"),
    ]


@pytest.mark.parametrize("busy", [False, True], ids=["waiting", "computing"])
def test_steps_follow_each_other_while_the_policy_thinks(play, scripted, ears, busy):
    """As the server heard it, while the policy waits for somebody and while it keeps Python to itself."""

    class Slow(scripted):
        def decide(self, frames, **options):
            until_s = time.monotonic() + 0.45
            while busy and time.monotonic() < until_s:
                sum(range(1000))
            return super().decide(frames, **options)

    hearing, window = ears
    hearing.heard()
    _, held = play(Slow(THREE, think_s=0.0 if busy else 0.45), window, seconds=0.8)
    assert [h for _, h in held] == [{A.MOVE_LEFT, A.SPRINT}, set(), {A.LIGHT_ATTACK}, set()]
    heard = hearing.heard()
    assert [(key, went) for _, key, went in heard] == [
        *[("a", True), ("50", True), ("a", False), ("50", False)],
        *[("button1", True), ("button1", False)],
    ]
    began = heard[0][0]
    for (ms, key, _), due_ms in zip(heard, (0, 0, 100, 100, 200, 300), strict=True):
        assert due_ms - 5 <= ms - began < due_ms + 400, f"{key}: a busy machine is late, never early"


@pytest.mark.parametrize("then", [slow, disconnects, says(500), answers("<tool_call>")])
def test_without_answers_of_its_server_a_policy_holds_nothing(play, probe, desktop, arena, down, then):
    window = probe().find(desktop, arena)
    with ModelServer() as server:
        server.script, server.behaves = [answers("<move_forward><t1000>")] * 5, then
        policy = OpenAIPolicy(server.url, "m", PolicyInfo(prompt="p"), limit_ms=400)
        episode, held = play(policy, window, seconds=2.5)
        policy.close()
    assert [a.decision.parsed for a in episode.acted[:7]] == [True] * 5 + [False] * 2
    assert [h for _, h in held] == [{A.MOVE_FORWARD}, set()] and down() == 0
    assert episode.ended == "time is over" and episode.parse_failures == policy.counts.failed
    let_go_ms = (held[1][0] - episode.acted[4].acted_ns) / 1e6
    assert let_go_ms < PERIOD_MS + 400 + 200, "as soon as it is sure that no answer comes"


def test_looks_come_at_the_period_of_the_environment(play, scripted, probe, desktop, arena):
    window = probe().find(desktop, arena)
    policy = scripted(frames_per_decision=3, think_s=0.03)
    episode, _ = play(policy, window, seconds=1.05)
    looks = [a.frame_ns / 1e6 for a in episode.acted]
    gaps = sorted(b - a for a, b in zip(looks, looks[1:], strict=False))
    assert gaps[0] >= 0.9 * PERIOD_MS - 30 and PERIOD_MS - 5 <= gaps[len(gaps) // 2] <= PERIOD_MS + 20
    assert [len(frames) for frames in policy.seen[:4]] == [1, 2, 3, 3]
    newest = policy.seen[-1]
    assert [f.t_ns for f in newest] == sorted(f.t_ns for f in newest)


def test_action_age_is_from_capture_to_key_down(play, scripted, probe, desktop, arena):
    window = probe().find(desktop, arena)
    policy = scripted(Plan.of(A.DODGE), WAIT_PLAN, WAIT_PLAN, Plan.of(A.HEAL), think_s=0.05)
    episode, held = play(policy, window, seconds=0.7)
    changed = [a for a in episode.acted if a.changed]
    assert {policy.plans[0], policy.plans[3]} <= {a.decision.plan for a in changed}
    for acted in changed:
        assert any(t == acted.acted_ns for t, _ in held)
        parts = stages(acted)
        assert parts["age"] == pytest.approx(sum(parts[s] for s in ("capture", "wait", "decide", "act")), abs=0.01)
        assert parts["age"] >= 50
    waits = [a for a in episode.acted[5:] if a.decision.plan == WAIT_PLAN]
    assert waits and not any(a.changed for a in waits)


def test_the_stages_make_up_the_age(play, probe, desktop, arena):
    """Of a model, all the way: nothing of the age is left unexplained, nothing counted twice."""
    window = probe().find(desktop, arena)
    episode, _ = play(load_policy("tiny"), window, seconds=0.8)
    assert episode.acted
    for acted in episode.acted:
        parts = stages(acted)
        assert sum(parts[part] for part in PARTS) == pytest.approx(parts["decide"], abs=0.01)
        whole = sum(parts[s] for s in ("capture", "wait", *PARTS, "act"))
        assert whole == pytest.approx(acted.action_age_ms, abs=0.01)
        assert all(ms >= 0 for ms in parts.values())
        line = line_of(acted)
        logged = sum(line.timings_ms[s] for s in ("capture", "wait", *PARTS, "act"))
        assert logged == pytest.approx(line.action_age_ms, abs=0.01)


def test_a_decision_is_told_until_when_it_must_stand(play, scripted, probe, desktop, arena):
    window = probe().find(desktop, arena)
    policy = scripted()
    play(policy, window, seconds=0.25, deadline_ms=70)
    assert policy.deadlines and all(
        deadline == frames[-1].t_ns + 70_000_000 for deadline, frames in zip(policy.deadlines, policy.seen, strict=True)
    )
    play(policy, window, seconds=0.15)
    assert policy.deadlines[-1] is None


@pytest.mark.parametrize(("gap_ms", "think_s"), [(100, 0.0), (40, 0.0), (150, 0.02), (100, 0.14), (60, 0.23)])
def test_the_frames_of_a_decision_are_as_far_apart_as_it_was_trained(
    play, scripted, probe, desktop, arena, gap_ms, think_s
):
    """Whatever the period, and also when decisions come late. The pixels stay what they were while it thinks."""

    class Looking(scripted):
        frame_gap_ms = gap_ms

        def decide(self, frames, **options):
            before = [frame.pixels[::8, ::8].copy() for frame in frames]
            decision = super().decide(frames, **options)
            assert all((a == f.pixels[::8, ::8]).all() for a, f in zip(before, frames, strict=True))
            return decision

    window = probe("CombatVLA Arena – probe", 320, 240, 0, 0, "flicker").find(desktop, arena)
    policy = Looking(think_s=think_s, frames_per_decision=3)
    episode, _ = play(policy, window, seconds=1.5)
    windows = [[f.t_ns / 1e6 for f in frames] for frames in policy.seen]
    assert len(windows) >= 5 and [len(w) for w in windows[4:]] == [3] * len(windows[4:])
    off = sorted(abs(w[-1] - k * gap_ms - t) for w in windows[4:] for k, t in enumerate(reversed(w)) if k)
    assert off[len(off) // 2] <= 17 + 5, "at most half of a recording's frame, or next to nothing when in time"
    assert all(f.t_ns <= g.t_ns for frames in policy.seen for f, g in zip(frames, frames[1:], strict=False))
    fresh = sorted(a.capture_ms + a.wait_ms for a in episode.acted)
    assert fresh[len(fresh) // 2] < 30, "the newest was taken when it was wanted, not before"


def test_dry_run_presses_nothing(play, scripted, probe, desktop, arena):
    window = probe()
    episode, held = play(scripted(THREE), window.find(desktop, arena), armed=False, seconds=0.3)
    assert episode.acted[0].changed and held
    assert window.close() == []


def test_dead_man_lets_go(play, scripted, probe, desktop, arena):
    class Stuck(scripted):
        def decide(self, frames, **options):
            self.think_s = 0.9 if self.seen else 0.0
            return super().decide(frames, **options)

    window = probe().find(desktop, arena)
    _, held = play(Stuck(Plan.of(A.MOVE_BACK, ms=1000)), window, seconds=0.6, dead_man_ms=250)
    assert [h for _, h in held] == [{A.MOVE_BACK}, set()]
    assert 245 <= (held[1][0] - held[0][0]) / 1e6 < 350


def test_window_closed_in_mid_fight(play, scripted, probe, desktop, arena):
    window = probe()
    found = window.find(desktop, arena)
    episode = Episode()

    def close_at_the_third(acted) -> None:
        if len(episode.acted) == 3:
            window.process.kill()

    with pytest.raises(WindowGone, match="was closed"):
        play(scripted(*[FORWARD] * 50), found, seconds=5, episode=episode, on_acted=close_at_the_third)
    assert episode.ended == "window closed" and episode.acted


def test_a_window_that_leaves_the_screen_ends_the_fight(play, scripted, ears, down):
    """The eye's thread finds out, the loop tells."""
    hearing, window = ears
    episode = Episode()

    def push_away_at_the_third(acted) -> None:
        if len(episode.acted) == 3:
            hearing.window.configure(x=900, y=400)
            hearing.x.sync()

    options = dict(seconds=5, episode=episode, on_acted=push_away_at_the_third)
    with pytest.raises(OffScreen, match="not wholly on the screen"):
        play(scripted(*[FORWARD] * 50, frames_per_decision=3), window, **options)
    assert episode.ended == "interrupted" and 3 <= len(episode.acted) < 20 and down() == 0


def test_a_failing_policy_leaves_no_key_down(play, scripted, probe, desktop, arena, down):
    class Broken(scripted):
        def decide(self, frames, **options):
            if self.seen:
                assert down() == 1
                raise RuntimeError("out of memory")
            return super().decide(frames, **options)

    episode = Episode()
    with pytest.raises(RuntimeError, match="out of memory"):
        play(Broken(Plan.of(A.SPRINT, ms=1000)), probe().find(desktop, arena), seconds=5, episode=episode)
    assert down() == 0 and episode.ended == "interrupted"


def test_focus_stolen_and_given_back(play, scripted, probe, desktop, arena, down):
    game, other = probe(), probe("another program", 200, 200, 400, 300)
    window = game.find(desktop, arena)
    episode = Episode()
    policy = scripted(*[Plan.of(A.MOVE_FORWARD, ms=500)] * 500)
    thread = threading.Thread(
        target=play,
        args=(policy, window),
        kwargs=dict(seconds=20, episode=episode, stop=lambda: stop),
    )
    stop = False
    thread.start()
    try:
        until(lambda: down() == 1)
        other.find(desktop, arena)
        until(lambda: down() == 0)
        time.sleep(0.1)
        decided = len(policy.seen)
        time.sleep(0.3)
        assert down() == 0 and len(policy.seen) <= decided + 1
        assert desktop.activate(window)
        until(lambda: down() == 1)
    finally:
        stop = True
        thread.join(10)
    assert down() == 0 and episode.without_focus_s > 0.25
    assert "press" not in {kind for kind, _ in other.close()}


def test_the_real_game_goes_on_and_hears_the_keys(play, scripted, desktop, arena, tmp_path):
    """Unpaused: the Arena's ticks go on through a decision of 0.4 s; and its own log of held keys bears out ours."""
    truth = tmp_path / "truth.jsonl"
    options = ("--size", "640x360", "--seed", "1", "--log", str(truth))
    game = start_command("env", "play", *options, stdout=None, stderr=None)
    try:
        window = desktop.find_window(arena, wait_s=30)
        assert desktop.activate(window, timeout_s=5)
        # A fresh clone compiles the rules first.
        until(lambda: truth.exists() and truth.read_text().count("\n") > 5, 60)
        policy = scripted(Plan.of(A.MOVE_FORWARD, ms=1000), Plan.of(A.MOVE_LEFT, ms=200), think_s=0.4)
        episode, held = play(policy, window, seconds=1.3)
        time.sleep(0.2)
    finally:
        game.terminate()
        game.wait(10)
    ticks = [json.loads(line) for line in truth.read_text().splitlines()]
    clock = [t["t_ns"] for t in ticks]
    for acted in episode.acted[:2]:
        during = bisect_left(clock, acted.acted_ns) - bisect_left(clock, acted.frame_ns)
        assert during >= 0.6 * 60 * acted.action_age_ms / 1000, "the game stood still while the policy thought"
    assert [h for _, h in held] == [{A.MOVE_FORWARD}, {A.MOVE_LEFT}, set()]
    for t_ns, actions in held:
        heard = next(t for t in ticks[bisect_left(clock, t_ns - 20_000_000) :] if set(t["held"]) == actions)
        assert -20 <= (heard["t_ns"] - t_ns) / 1e6 <= 120
    age_ms = (held[0][0] - episode.acted[0].frame_ns) / 1e6
    assert episode.acted[0].action_age_ms == pytest.approx(age_ms, abs=0.01)


def test_an_actuator_tells_of_a_closed_window(probe, desktop, arena, down):
    window = probe()
    found = window.find(desktop, arena)
    with GuardedInjector(desktop, found, arena, armed=True) as injector, Actuator(injector) as actuator:
        actuator.start(FORWARD)
        window.process.kill()
        window.process.wait()
        with pytest.raises(WindowGone):
            until(lambda: actuator.start(FORWARD) is None)


def test_a_log_that_fails_is_told_once_and_leaves_no_key_down(probe, desktop, arena, down, monkeypatch):
    """As on a full disk, in the actuator's own thread."""
    uncaught = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)

    def full(t_ns: int, held: frozenset[Action]) -> None:
        if held != {A.DODGE}:
            raise OSError(errno.ENOSPC, "No space left on device")

    window = probe().find(desktop, arena)
    with GuardedInjector(desktop, window, arena, armed=True) as injector:
        with pytest.raises(OSError, match="No space"), Actuator(injector, on_held=full) as actuator:
            actuator.start(Plan((Step.of(A.DODGE, ms=50), Step.of(A.MOVE_BACK, ms=1000))))
            until(lambda: not actuator._thread.is_alive())
            actuator.start(FORWARD)
        assert down() == 0
    assert uncaught == []


def test_until_change():
    assert until_change(THREE, 0) == 100 and until_change(THREE, 130) == 70
    assert until_change(THREE, 299) == 1 and until_change(THREE, 300) is None
