"""The demo as a process: a real game window on a display of its own, real keys, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.loop import Episode
from benchmark.demo import Referee, merge
from combatvla import cli
from combatvla.errors import UserError
from env.live import find_arena
from tests.helpers import start_command

ROOT = Path(cli.__file__).parents[1]


def demo(folder: Path, *argv: str, policy: str = "random") -> subprocess.Popen:
    """The demo on a display of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
    return start_command("demo", "--policy", policy, "--out", str(folder), *argv, env=environment, cwd=ROOT)


def family(pid: int) -> dict[int, str]:
    """The processes that stem from `pid`, by number, with what they are."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                names[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if stat[0] != "Z":
                parents[int(entry.name)] = int(stat[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {number: names[number] for number in found - {pid}}


def wait_for_the_fight(folder: Path, process: subprocess.Popen) -> dict[int, str]:
    """Waits until the agent acts; gives the demo's processes."""
    end = time.monotonic() + 60
    while not any(p.stat().st_size for p in folder.glob("*/decisions.jsonl")):
        assert time.monotonic() < end and process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return family(process.pid)


def gone(numbers) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not any(Path(f"/proc/{n}").exists() for n in numbers):
            return True
        time.sleep(0.05)
    return False


def test_a_whole_fight(tmp_path):
    """With the policy that ships."""
    process = demo(tmp_path, "--json", policy="tiny")
    family_ = wait_for_the_fight(tmp_path, process)
    told, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    record = json.loads(told.splitlines()[-1])
    assert record["result"] in ("win", "loss", "timeout") and record["success"] == (record["result"] == "win")
    assert (record["task"], record["seed"], record["paused"]) == ("first", 1_000_000, False)
    assert record["decisions"] > 20 and record["action_age_ms_p50"] <= record["action_age_ms_p95"]
    assert Path(record["replay"]).stat().st_size > 50_000
    assert {"capture", "vision", "prefill", "decode", "decide", "act", "age"} <= set(record["stages_ms"])
    assert "unpaused" in said and "boss" in said and "action age" in told
    last = json.loads((Path(record["log"]) / "truth.jsonl").read_text().splitlines()[-1])
    assert (last["result"], last["damage_dealt"]) == (record["result"], record["damage_dealt"])
    assert gone(family_)


def test_window_closed_in_mid_fight(tmp_path):
    process = demo(tmp_path)
    family_ = wait_for_the_fight(tmp_path, process)
    os.kill(next(n for n, name in family_.items() if "env play" in name), signal.SIGKILL)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 2
    (sentence,) = (line for line in said.splitlines() if line.startswith("combatvla: "))
    assert "closed in mid-fight" in sentence and "Traceback" not in said
    assert list(tmp_path.glob("*/decisions.jsonl")) and gone(family_)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path, number):
    process = demo(tmp_path, "--no-replay")
    family_ = wait_for_the_fight(tmp_path, process)
    assert any("Xvfb" in name for name in family_.values())
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode in (143, -9) and gone(family_)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--policy", "/nowhere"], "/nowhere"),
        (["--task", "thirteenth"], "unknown task 'thirteenth'"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--episodes", "0"], "--episodes must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence(argv, says, capsys, monkeypatch):
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(["demo", *argv]) == 2
    finally:
        signal.signal(signal.SIGTERM, handler)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("combatvla: ") and says in said


def test_a_game_that_does_not_open(desktop, arena, tmp_path):
    (tmp_path / "game.txt").write_text("combatvla: the display gave the Arena no window\n")
    game = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
    game.wait()
    with pytest.raises(UserError, match="the Arena did not open: combatvla: the display gave the Arena no window"):
        find_arena(desktop, arena, game, tmp_path)


def test_another_arena_is_left_alone(probe, desktop, arena, tmp_path, monkeypatch):
    """One that is open already, and has the focus."""
    monkeypatch.setattr("env.live.START_S", 0.5)
    probe().find(desktop, arena)
    game = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(UserError, match="another Arena kept the focus"):
            find_arena(desktop, arena, game, tmp_path)
    finally:
        game.kill()
        game.wait()


def test_the_referee_reads_whole_lines_only(tmp_path):
    path = tmp_path / "truth.jsonl"
    referee = Referee(path)
    assert not referee.over() and referee.score() == ""
    state = {"result": None, "boss": {"health": 0.5}, "player": {"health": 1.0}}
    path.write_text(json.dumps(state) + "\n" + '{"result": "wi')
    assert not referee.over() and "50%" in referee.score()
    with path.open("a") as file:
        file.write('n"}\n')
    assert referee.over() and referee.truth == {"result": "win"}


def test_several_fights_make_one_record():
    fight = {"damage_dealt": 1.0, "damage_taken": 0.5, "ended": "stopped", "replay": None, "decisions": 3}
    fights = [{"result": r, "seed": i, **fight} for i, r in enumerate(("win", "loss", "win", "win"))]
    record = merge(fights, [Episode() for _ in fights])
    assert (record["wins"], record["success_rate"], record["success"]) == (3, 0.75, False)
    low, high = record["success_ci95"]
    assert 0.3 < low < 0.75 < high < 0.96
    assert record["results"] == ["win", "loss", "win", "win"] and record["paused"] is False
    assert merge(fights[:1], [Episode()])["success"] is True
