"""The whole road from a fight to data without a person: real window, real keys, recording, alignment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import combatvla
from combatvla.actions import Action
from combatvla.aot import decode
from combatvla.errors import UserError
from env.arena.fight import Fight
from env.tasks import TEST_SEED_START, load_task
from tests.helpers import run_command, start_command, until
from tracker.check import check
from tracker.dataset import decode_png, read_rows
from tracker.export.command import main as align
from tracker.session import Session
from training.demonstrate import TruthLog
from training.demonstrate import main as demonstrate


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory, display):
    """Eight seconds of the reference player in a small Arena window, recorded: (session folder, its figures)."""
    folder = tmp_path_factory.mktemp("demonstrated") / "session"
    done = run_command(
        *("tracker", "demonstrate", "--out", str(folder), "--seed", "3", "--seconds", "8"),
        *("--size", "640x360", "--json"),
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_the_reference_player_fights_with_real_keys(demonstrated):
    folder, figures = demonstrated
    assert figures["decisions"] > 20 and figures["session"] == str(folder)
    report = check(folder)
    assert sum(report.presses.values()) >= 3 and report.stuck_keys == [] and report.pictures == report.frames > 40


def test_what_was_recorded_is_what_the_game_got(demonstrated, arena):
    """The game's own log of held actions, tick by tick, against the recorded keys."""
    session = Session(demonstrated[0])
    changes: dict[Action, list[tuple[bool, int]]] = {a: [] for a in arena.actions}
    before: set[str] = set()
    for line in (demonstrated[0] / "truth.jsonl").read_text().splitlines():
        state = json.loads(line)
        for action in before ^ set(state["held"]):
            changes[Action(action)].append((action in state["held"], state["t_ns"]))
        before = set(state["held"])
    for action in arena.actions:
        recorded = [(e.down, e.t_ns) for e in session.events if arena.action_of(e.key) is action]
        known = changes[action]
        # The last release may come after the game's last line.
        assert [d for d, _ in recorded][: len(known)] == [d for d, _ in known] and len(recorded) - len(known) in (0, 1)
        for (_, here), (_, there) in zip(recorded, known, strict=False):
            assert abs(there - here) < 0.5e9, "the game sees a key when the recorder does"


def test_aligned_samples_say_what_was_pressed_and_why(demonstrated, arena, tmp_path):
    folder, _ = demonstrated
    assert align([str(folder), "--out", str(tmp_path / "d"), "--frames", "3", "--json"]) == 0
    rows = list(read_rows(tmp_path / "d"))
    session = Session(folder)
    assert len(rows) > 20 and {r.session for r in rows} == {"session"}
    begun = set()
    for row in rows:
        aot = decode(row.answer)
        assert len(aot.explanations) == len(aot.plan.steps) and 1 <= len(row.images) <= 3
        assert decode_png(row.images[-1]).shape == (112, 196, 3)
        assert session.frames[row.frame_index].t_ns == row.t_ns
        begun |= aot.plan.steps[0].held
    assert begun == {arena.action_of(e.key) for e in session.events if e.down}
    assert sum("health" in row.answer for row in rows) > 0.9 * len(rows), "explained from the true states"


def test_the_shipped_policy_learns_on_from_a_recording(demonstrated, tmp_path):
    """The road's last stretch: session, dataset, training, a policy that decides."""
    from combatvla.policy.base import Frame
    from combatvla.policy.local import load_policy
    from training.sft.loop import train
    from training.sft.train import Args

    assert align([str(demonstrated[0]), "--out", str(tmp_path / "d")]) == 0
    tiny = Path(combatvla.__file__).parent / "checkpoints" / "tiny"
    args = Args(data=(tmp_path / "d",), init=tiny, out=tmp_path / "policy", steps=2, batch=8, threads=1, lr=1e-5)
    report = train(args)
    assert report["steps"] == 2 and "action_exact" in report
    policy = load_policy(tmp_path / "policy")
    assert policy.info.prompt == load_policy("tiny").info.prompt
    row, pixels = next(Session(demonstrated[0]).pictures())
    assert policy.decide([Frame(pixels, row.t_ns)]).parsed


def test_without_true_states_the_actions_explain_themselves(demonstrated, tmp_path):
    folder, _ = demonstrated
    (tmp_path / "bare").mkdir()
    for name in ("session.json", "video-00000.mkv", "segments.jsonl", "frames.jsonl", "events.jsonl"):
        os.link(folder / name, tmp_path / "bare" / name)
    json_order = ["--dialect", "json", "--order", "thought_first"]
    assert align([str(tmp_path / "bare"), "--out", str(tmp_path / "d"), *json_order]) == 0
    rows = list(read_rows(tmp_path / "d"))
    assert rows and all(decode(r.answer, "json", "thought_first").explanations for r in rows)
    assert not any("health" in r.answer for r in rows)


def test_align_refuses_what_it_cannot_use(demonstrated, tmp_path):
    folder = str(demonstrated[0])
    out = ["--out", str(tmp_path / "d")]
    first, second = (demonstrated[0] / "truth.jsonl").read_text().splitlines()[:2]
    (tmp_path / "half.jsonl").write_text(f"{first}\n{second.replace('stage', 'phase')}\n")
    for args, said in (
        ([*out], "no session given"),
        ([str(tmp_path), *out], "no session in"),
        ([folder, *out, "--width", "200"], "multiples of 28"),
        ([folder, *out, "--frames", "0"], "--frames"),
        ([folder, *out, "--truth", folder + "/events.jsonl"], "line 1, is no true state"),
        ([folder, *out, "--truth", str(tmp_path / "half.jsonl")], "line 2, is no true state"),
        ([folder, *out, "--truth", "/nowhere"], "cannot be read"),
        ([folder, *out, "--game", "chess"], "unknown game 'chess'"),
    ):
        with pytest.raises(UserError, match=said):
            align(args)


def test_an_unknown_task_is_named(tmp_path):
    with pytest.raises(UserError, match="unknown task 'chess'"):
        demonstrate(["--task", "chess", "--out", str(tmp_path / "s")])


def test_seeds_held_out_for_measuring_are_not_recorded(display, tmp_path):
    with pytest.raises(UserError, match="held out for measuring"):
        demonstrate(["--seed", "1000000", "--out", str(tmp_path / "s")])


def test_truth_log_gives_whole_lines_only(tmp_path):
    fight = Fight(load_task("first"), 1)
    states = []
    for _ in range(3):
        fight.tick(frozenset())
        states.append(fight.truth())
    one, two, three = (json.dumps(state).encode() for state in states)
    path = tmp_path / "truth.jsonl"
    path.touch()
    log = TruthLog(path)
    with path.open("ab", buffering=0) as file:
        assert log.latest() is None
        file.write(one + b"\n" + two + b"\n" + three[:9])
        assert log.latest() == states[1]
        file.write(three[9:])
        assert log.latest() == states[1]
        file.write(b"\n")
        assert log.latest() == states[2]
        for foreign in (b"rubbish\n", b"[]\n", b'{"tick": 4}\n'):
            file.write(foreign)
            with pytest.raises(UserError, match="truth.jsonl is no log of `combatvla env play`"):
                log.latest()
    log.close()


def test_an_open_arena_that_fights_a_held_out_seed_is_not_recorded(desktop, probe, monkeypatch, tmp_path):
    probe()
    fight = Fight(load_task("first"), TEST_SEED_START)
    (tmp_path / "truth.jsonl").write_text(json.dumps(fight.truth()) + "\n")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(UserError, match="held out for measuring"):
        demonstrate(["--truth", str(tmp_path / "truth.jsonl"), "--out", str(tmp_path / "s")])
    assert not (tmp_path / "s").exists()


def test_closing_the_window_in_mid_fight(display, tmp_path):
    """The command opens the Arena as its child; here another one is used, and closed."""
    truth = tmp_path / "truth.jsonl"
    options = ("--size", "320x180", "--seed", "5", "--log", str(truth))
    game = start_command("env", "play", *options, stdout=None, stderr=subprocess.DEVNULL)
    until(lambda: truth.is_file() and truth.stat().st_size >= 1000, 60)
    player = start_command("tracker", "demonstrate", "--truth", str(truth), "--out", str(tmp_path / "s"), stdout=None)

    def recorded() -> bool:
        assert player.poll() is None
        return (tmp_path / "s" / "frames.jsonl").is_file() and len(Session(tmp_path / "s").frames) >= 45

    until(recorded, 60)
    game.terminate()
    game.wait()
    _, said = player.communicate(timeout=20)
    assert player.returncode == 2 and "was closed: start the game again" in said.replace("\n", " ")
    assert len(list(Session(tmp_path / "s").pictures())) >= 40
    assert (tmp_path / "s" / "truth.jsonl").stat().st_size > 1000
