"""`combatvla agent run` as a process: every way out lets go of every key and keeps the log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.play import Seat, play
from combatvla import cli
from combatvla.actions import Action, Plan, Step
from combatvla.desktop import WindowGone
from combatvla.episode import DecisionLine, HeldLine, read_lines
from combatvla.errors import UserError
from combatvla.policy.base import Decision
from tests.helpers import start_command, until
from tests.tracker.episodes import write_episode

HOLDER = """
import sys
from pathlib import Path
from agent.play import Seat, play
from combatvla.actions import Plan
from combatvla.desktop import open_desktop
from combatvla.policy.base import Decision
from combatvla.profiles import load_profile

class Holder:
    name, frames_per_decision, needs_truth, decisions = "holder", 1, False, 0
    def reset(self, seed=None): pass
    def decide(self, frames, **options):
        self.decisions += 1
        if sys.argv[2] == "fail" and self.decisions == 5:
            raise RuntimeError("out of memory")
        return Decision(Plan.of("sprint", "move_forward", "heavy_attack", ms=1000))

desktop, profile = open_desktop(), load_profile("arena")
window = desktop.find_window(profile, wait_s=5)
assert desktop.activate(window, timeout_s=5)
play(Holder(), Seat(desktop, window, profile, Path(sys.argv[1])), seconds=30)
"""


def filmed(folder: Path) -> bool:
    """Whether the film of an episode somewhere in `folder` has begun."""
    return any(path.stat().st_size > 1000 for path in folder.rglob("film.mkv"))


def films(folder: Path) -> list[str]:
    """Processes that film into `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if b"agent.film" in words and any(str(folder).encode() in w for w in words):
            found.append(entry.name)
    return found


@pytest.fixture
def holder(probe, tmp_path):
    """Starts an agent that holds three inputs in a probe window: `holder(mode)`."""
    started = []

    def start(mode: str) -> subprocess.Popen:
        probe()
        command = [sys.executable, "-c", HOLDER, str(tmp_path), mode]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(cli.__file__).parents[1]))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, (1, 130, -2)), (signal.SIGTERM, (143,)), (signal.SIGHUP, (129,)), (signal.SIGKILL, (-9,))],
)
def test_signals_leave_no_key_down(holder, down, tmp_path, number, code):
    process = holder("hold")
    until(lambda: down() == 3 and filmed(tmp_path), 20)
    process.send_signal(number)
    status = process.wait(20)
    assert status in code, process.stderr.read()
    until(lambda: down() == 0)
    until(lambda: not films(tmp_path))
    decisions = read_lines(tmp_path / "decisions.jsonl", DecisionLine)
    assert decisions and decisions[0].sent
    assert read_lines(tmp_path / "held.jsonl", HeldLine)[0].held
    left = {path.name for path in tmp_path.iterdir() if path.suffix in (".mkv", ".mp4", ".part")}
    assert left == ({"clean.mp4", "replay.mp4"} if number == signal.SIGINT else {"film.mkv"})
    assert cli.main(["agent", "videos", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"clean.mp4", "replay.mp4"}
    assert not (tmp_path / "film.mkv").exists()


def test_a_fault_leaves_no_key_down(holder, down, tmp_path):
    process = holder("fail")
    assert process.wait(30) == 1
    assert "out of memory" in process.stderr.read()
    assert down() == 0 and not films(tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["ended"] == "interrupted"


def run(*argv: str, **options) -> subprocess.Popen:
    return start_command("agent", "run", "--game", "arena", "--policy", "random", *argv, **options)


def test_ctrl_c_tells_where_the_log_is(probe, desktop, arena, down, tmp_path):
    probe().find(desktop, arena)
    agent = run("--armed", "--no-replay", "--log", str(tmp_path))
    until(down, 30)
    agent.send_signal(signal.SIGINT)
    _, said = agent.communicate(timeout=30)
    (folder,) = tmp_path.iterdir()
    assert agent.returncode == 130 and down() == 0
    assert f"ended by Ctrl-C: every key was let go, the log is in {folder}" in said.splitlines()


def test_what_was_left_out_counts_when_the_window_is_closed_too(probe, desktop, arena, down, tmp_path):
    window = probe()
    found = window.find(desktop, arena)
    profile = arena.model_copy(update={"press": (Action.DODGE,)})
    plan = Plan((Step.of("dodge", ms=50), Step.of("move_left", ms=50), Step.of("dodge", ms=50)))
    seat = Seat(desktop, found, profile, tmp_path / "log", replay=False)
    ends = time.monotonic() + 2.5

    class Hasty:
        name, frames_per_decision, needs_truth = "hasty", 1, False

        def reset(self, seed=None) -> None: ...

        def decide(self, frames, **options) -> Decision:
            if time.monotonic() > ends:
                window.process.kill()
            return Decision(plan)

    with pytest.raises(WindowGone):
        play(Hasty(), seat, seconds=20, period_ms=150)
    summary = json.loads((seat.folder / "summary.json").read_text())
    assert summary["ended"] == "window closed" and summary["left_out"] > 0


@pytest.mark.parametrize("module", ["agent.run", "agent.play", "agent.videos", "agent.replay", "agent.profile"])
def test_it_starts_where_the_system_is_no_unix(module):
    code = f"import sys; sys.modules['fcntl'] = sys.modules['termios'] = None; import {module}, agent.film"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(cli.__file__).parents[1]).returncode == 0


def test_window_closed_in_mid_fight(probe, desktop, arena, down, tmp_path):
    window = probe()
    window.find(desktop, arena)
    agent = run("--armed", "--seconds", "30", "--log", str(tmp_path))
    until(lambda: filmed(tmp_path) and down(), 30)
    window.process.kill()
    _, said = agent.communicate(timeout=30)
    assert agent.returncode == 2 and down() == 0
    errors = [line for line in said.splitlines() if line.startswith("combatvla: ")]
    assert len(errors) == 1 and "was closed while the agent played" in errors[0] and "Traceback" not in said
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "summary.json").read_text())["ended"] == "window closed"
    assert (folder / "replay.mp4").stat().st_size > 1000


def test_a_full_disk_is_one_sentence(probe, desktop, arena, down, small_disk):
    probe().find(desktop, arena)
    (small_disk / "others").write_bytes(bytes(260_000))
    agent = run("--armed", "--seconds", "60", "--hz", "50", "--log", str(small_disk))
    _, said = agent.communicate(timeout=60)
    assert agent.returncode == 2 and down() == 0
    assert said.splitlines()[-1].startswith("combatvla: the disk is full") and "Traceback" not in said
    (log,) = small_disk.glob("*/decisions.jsonl")
    assert read_lines(log, DecisionLine)


def test_dry_run_from_the_command_line(probe, desktop, arena, tmp_path):
    window = probe()
    window.find(desktop, arena)
    agent = run("--seconds", "4", "--json", "--log", str(tmp_path), "--replay", str(tmp_path / "sub" / "fight.mp4"))
    told, said = agent.communicate(timeout=40)
    assert agent.returncode == 0, said
    assert "dry run" in said and "action age" in told
    record = json.loads(told.splitlines()[-1])
    assert record["armed"] is False and record["paused"] is False and record["ended"] == "time is over"
    assert 20 <= record["decisions"] <= 41
    assert 0 < record["action_age_ms_p50"] <= record["action_age_ms_p95"]
    assert record["replay"] == str(tmp_path / "sub" / "fight.mp4") and os.path.getsize(record["replay"]) > 1000
    assert window.close() == []


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--game", "tetris"], "unknown game 'tetris'"),
        (["--policy", "random", "--wait", "0.1"], "no window whose title starts with 'CombatVLA Arena'"),
        (["--policy", "/nowhere"], "/nowhere"),
        (["--seconds", "inf"], "--seconds must be more than 0 and at most"),
        (["--replay", "a.mp4", "--no-replay"], "give one of them"),
        (["--hz", "nan"], "--hz must be more than 0"),
        (["--hz", "0"], "--hz must be more than 0"),
        (["--deadline", "0"], "--deadline must be more than 0"),
        (["--seconds", "-1"], "--seconds must be more than 0"),
    ],
)
def test_bad_input_is_one_sentence(display, argv, says, capsys):
    assert cli.main(["agent", "run", *argv]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("combatvla: ") and says in said


@pytest.mark.parametrize(
    ("lacks", "says"),
    [("decisions.jsonl", "no episode in"), ("episode.json", "name it with --game"), ("film.mkv", "nothing was filmed")],
)
def test_videos_of_what_is_no_episode(tmp_path, lacks, says, capsys):
    folder = write_episode(tmp_path / "e")
    (folder / lacks).unlink()
    assert cli.main(["agent", "videos", str(folder)]) == 2
    assert says in capsys.readouterr().err


def test_videos_of_a_damaged_film_or_log(tmp_path, capsys):
    folder = write_episode(tmp_path / "e")
    film = (folder / "film.mkv").read_bytes()
    (folder / "film.mkv").write_bytes(b"no film" * 100)
    assert cli.main(["agent", "videos", str(folder)]) == 2
    assert "holds no picture" in capsys.readouterr().err and (folder / "film.mkv").exists()
    (folder / "film.mkv").write_bytes(film[: len(film) * 2 // 3])
    (folder / "held.jsonl").write_text("rubbish\n")
    assert cli.main(["agent", "videos", str(folder)]) == 2
    assert "held.jsonl" in capsys.readouterr().err
    assert (folder / "clean.mp4").exists() and not list(folder.glob("*.part")) and not (folder / "replay.mp4").exists()
    (folder / "held.jsonl").unlink()
    assert cli.main(["agent", "videos", str(folder), "--game", "arena"]) == 0
    assert (folder / "replay.mp4").stat().st_size > 1000


def test_no_display(monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert cli.main(["agent", "run"]) == 2
    assert "no display" in capsys.readouterr().err


def test_a_log_cut_short_is_read(tmp_path):
    path = tmp_path / "held.jsonl"
    path.write_text('{"t_ns":1,"held":["dodge"]}\n{"t_ns":2,"he')
    assert [line.t_ns for line in read_lines(path, HeldLine)] == [1]
    path.write_text("no json\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_lines(path, HeldLine)
