"""`combatvla agent run` and the person: control taken and given back, the kill chord, what is said and logged."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from combatvla import cli
from combatvla.desktop import open_desktop
from combatvla.desktop.display import own_display
from combatvla.desktop.x11 import connect
from combatvla.episode import MODES, ModeLine, read_lines
from tests.conftest import ProbeWindow
from tests.helpers import start_command, until
from tests.model_server import ModelServer, answers, slow

HOLDS = answers("<move_forward><sprint><t1000>")


@pytest.fixture
def agent(probe, desktop, arena, tmp_path):
    """`agent(server, …)`: `agent run` on a probe window, with a policy that this server plays; it is warm."""
    started: list[subprocess.Popen] = []

    def start(server: ModelServer, *argv: str, game: str = "arena") -> subprocess.Popen:
        probe().find(desktop, arena)
        policy = f"openai:{server.url}#m,like=tiny"
        argv = ("--game", game, "--policy", policy, "--no-replay", "--log", str(tmp_path / "log"), *argv)
        started.append(start_command("agent", "run", *argv))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def modes(folder: Path) -> list[str]:
    return [line.mode for path in folder.glob(f"log/*/{MODES}") for line in read_lines(path, ModeLine)]


def test_control_is_taken_and_given_back(agent, person, down, tmp_path):
    with ModelServer() as server:
        server.behaves = HOLDS
        process = agent(server, "--armed", "--seconds", "8", "--json")
        until(lambda: down() == 2, 30)
        time.sleep(0.5)
        person.tap("k")
        until(lambda: modes(tmp_path)[-1] == "human" and down() == 0, 2)
        time.sleep(1)
        assert down() == 0
        person.tap("f9")
        until(lambda: down() == 2, 2)
        told, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    record = json.loads(told.splitlines()[-1])
    assert 0.7 < record["human_s"] < 3 and record["without_focus_s"] < 0.5
    assert [m for m in modes(tmp_path) if m != "no focus"] == ["armed", "human", "armed"]
    assert "you have control: nothing is held; F9 in the game's window gives it back" in said
    assert "playing on" in said and "anti-cheat" not in said


@pytest.mark.parametrize("armed", [True, False], ids=["armed", "dry run"])
@pytest.mark.parametrize("thinks", [False, True], ids=["playing", "in a long thought"])
def test_the_kill_chord_ends_it_at_once(agent, person, down, tmp_path, armed, thinks):
    with ModelServer() as server:
        server.behaves = HOLDS
        process = agent(server, *["--armed"] * armed, "--seconds", "60", "--hz", "5")
        until(lambda: "dry run" in modes(tmp_path) or down() == 2, 30)
        time.sleep(0.7)
        if thinks:
            server.behaves = slow
        person.tap("ctrl", "shift", "q")
        pressed = time.monotonic()
        until(lambda: down() == 0, 2)
        _, said = process.communicate(timeout=20)
        assert time.monotonic() - pressed < 5
    assert process.returncode == 3, said
    errors = [line for line in said.splitlines() if line.startswith("combatvla: ")]
    assert len(errors) == 1 and "ended by ctrl+shift+q: every key was let go" in errors[0] and "Traceback" not in said
    (summary,) = (tmp_path / "log").glob("*/summary.json")
    assert json.loads(summary.read_text())["ended"] == "killed by chord"
    assert modes(tmp_path)[-1] == "killed"


def test_the_display_ends(display, arena, tmp_path):
    """The keys go with it; the agent says so in one sentence and ends."""
    with ModelServer() as server, own_display(640, 480):
        server.behaves = HOLDS
        window, desktop, x = ProbeWindow("CombatVLA Arena – probe", 320, 180, 0, 0), open_desktop(), connect()
        window.find(desktop, arena)
        argv = (
            "--policy",
            f"openai:{server.url}#m,like=tiny",
            "--armed",
            "--no-replay",
            "--log",
            str(tmp_path / "log"),
        )
        process = start_command("agent", "run", *argv)
        until(lambda: any(x.query_keymap()), 30)
    _, said = process.communicate(timeout=20)
    window.process.communicate()
    errors = [line for line in said.splitlines() if line.startswith("combatvla: ")]
    assert process.returncode == 2 and len(errors) == 1 and "Traceback" not in said, said
    assert "the display ended while the agent played" in errors[0]


def test_a_notice_for_games_that_are_not_ours(agent, tmp_path, arena):
    profile = tmp_path / "other.yaml"
    profile.write_text(
        "name: other\ntitle: CombatVLA Arena\nkeys: {dodge: space}\nprompt: Which action comes next?\n",
        encoding="utf-8",
    )
    with ModelServer() as server:
        server.behaves = HOLDS
        process = agent(server, "--armed", "--seconds", "0.5", game=str(profile))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "single-player games only" in said and "anti-cheat" in said


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--give-back", "w"], "--give-back: the key 'w' is one of the game's"),
        (["--kill-chord", "q"], "--kill-chord: expected keys with + between them"),
    ],
)
def test_bad_keys_are_one_sentence(argv, says, capsys):
    assert cli.main(["agent", "run", *argv]) == 2
    assert says in capsys.readouterr().err
