"""`agent replay`: what the viewer says of an episode, what it does with a damaged one, the command."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from agent.chronicle import Chronicle
from agent.panel import seconds_of
from combatvla import cli
from combatvla.errors import UserError
from tests.helpers import start_command
from tests.tracker.episodes import DECISIONS_MADE, FILM_MS, HELD_THEN, write_episode
from tracker.view.episode import EpisodeSource
from tracker.view.show import Flag


def shown(folder: Path) -> dict:
    page = asdict(EpisodeSource(folder).show())
    json.dumps(page, allow_nan=False)
    return page


def test_an_episode_is_described(episode):
    page = shown(episode)
    assert page["kind"] == "episode" and page["title"] == "fight" and page["problems"] == [] and not page["can_flag"]
    assert page["about"] == [
        *("arena", "tiny", "320x180", "2 January 2026, 03:04", "5 decisions", "goes on, or was cut off"),
    ]
    (video,) = page["videos"]
    assert (video["begin"], video["end"], video["pictures"]) == (FILM_MS, FILM_MS + 3933, 60)
    assert page["duration"] == FILM_MS + 3933
    (gap,) = page["gaps"]
    assert (gap["begin"], gap["end"]) == (0, FILM_MS)
    lanes = {lane["name"]: lane for lane in page["lanes"]}
    assert list(lanes) == ["move forward", "move left", "dodge", "heal"], "in the profile's order"
    assert lanes["dodge"]["key"] == "space" and lanes["dodge"]["spans"] == [640, 740]
    assert lanes["move left"]["spans"] == [640, 840] and lanes["move forward"]["spans"] == [140, 640]
    assert [(s["kind"], s["begin"], s["end"]) for s in page["spans"]] == [
        ("human", 1700, 2200),
        ("no focus", 2200, 2600),
    ]
    assert [(e["t"], e["kind"]) for e in page["events"]] == [
        *((0, "mode"), (1500, "failure"), (1700, "mode"), (2200, "mode"), (2600, "mode")),
    ]
    (curve,) = page["curves"]
    assert curve["points"] == [140, 40, 640, 40, 1540, 40, 3150, 150], "only what changed anything has an age"


def test_each_decision_is_told_with_its_stages(episode):
    notes = shown(episode)["notes"]
    assert [note["t"] for note in notes] == [100, 600, 1000, 1500, 3000], "at the picture that was seen"
    dodge, failed = notes[1], notes[3]
    assert dodge["steps"] == [{"what": "move left + dodge", "ms": 100, "why": "the <b>slam</b> lands now"}]
    assert dodge["facts"] == [("age", "40.0 ms"), ("tokens", "4"), ("said", "<move_left><dodge><t100><TRUNC>")]
    assert dict(dodge["stages"]) == {"capture": 1, "wait": 0.5, "vision": 20, "decode": 10, "act": 6.5}
    assert [note["bad"] for note in notes] == [False, False, False, True, False]
    assert any("became a wait" in what for _, what in failed["facts"])


def test_pictures_stand_at_the_time_of_the_log(episode):
    source = EpisodeSource(episode)
    rows = np.frombuffer(source.frames(0), "<f8").reshape(-1, 2)
    assert len(rows) == 60 and rows[0].tolist() == [0, FILM_MS] and rows[15].tolist() == [1000, FILM_MS + 1000]
    assert bytes(source.film(0)[4:8]) == b"ftyp" and source.motion("pointer", 0) == b""
    for bad in (1, 7):
        with pytest.raises(LookupError):
            source.film(bad)
    with pytest.raises(UserError, match="no flags"):
        source.flag(Flag(0, 1, ""), undo=False)
    before = rows.tobytes()
    assert cli.main(["agent", "videos", str(episode)]) == 0
    assert not (episode / "film.mkv").exists()
    assert EpisodeSource(episode).frames(0) == before, "the clean video has the same pictures at the same times"


def test_without_a_film_the_decisions_are_shown(tmp_path):
    page = shown(write_episode(tmp_path / "e", film=False))
    assert page["videos"] == [] and "no picture" in page["problems"][0] and len(page["notes"]) == 5
    assert page["duration"] == 3250


def test_an_episode_that_has_not_told_who_played_is_shown(episode):
    (episode / "modes.jsonl").unlink()
    page = shown(episode)
    assert page["spans"] == [] and len(page["notes"]) == 5
    assert seconds_of(Chronicle(episode), "human", 1) == 0


def test_a_torn_episode_is_shown(episode):
    film = episode / "film.mkv"
    os.truncate(film, int(film.stat().st_size * 0.6))
    with (episode / "decisions.jsonl").open("a") as file:
        file.write('{"frame_ns": 12')
    page = shown(episode)
    assert 10 < page["videos"][0]["pictures"] < 60 and len(page["notes"]) == 5
    film.write_bytes(b"no film at all")
    page = shown(episode)
    assert page["videos"] == [] and "cannot be shown" in page["problems"][0] and len(page["notes"]) == 5


@pytest.mark.parametrize("name", ["decisions.jsonl", "held.jsonl", "modes.jsonl", "episode.json"])
@pytest.mark.parametrize(
    "rubbish",
    [
        b"rubbish\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b'{"t_ns": 1e999}\n',
        b'{"t_ns": -5, "held": []}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_damage_is_one_sentence(episode, name, rubbish, capsys):
    path = episode / name
    path.write_bytes(rubbish + path.read_bytes())
    assert cli.main(["agent", "replay", str(episode), "--no-open"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("combatvla: ") and name in said and said.count("\n") == 0
    assert name in EpisodeSource(episode).card().error


def test_numbers_out_of_all_bounds_are_refused(episode):
    line = DECISIONS_MADE[0].model_dump(mode="json")
    steps = [[{"actions": ["dodge"], "ms": ms}] for ms in (10**400, -1)]
    bad = [("frame_ns", 2**63), ("acted_ns", -1), ("action_age_ms", float("inf")), ("tokens", 10**400)]
    for key, value in (*bad, *(("plan", plan) for plan in steps)):
        (episode / "decisions.jsonl").write_text(json.dumps(line | {key: value}) + "\n")
        with pytest.raises(UserError, match="line 1"):
            EpisodeSource(episode).show()


def test_summaries_are_not_trusted(episode):
    for text in ("[]", '{"ended": null}', "{", '{"ended": "' + "x" * 10_000 + '"}', "[" * 100_000):
        (episode / "summary.json").write_text(text)
        assert all(len(word) < 60 for word in shown(episode)["about"])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nowhere"], "no episode in nowhere"),
        ([], "no episode under out/agent"),
        (["fight", "--port", "70000"], "--port"),
        (["fight", "--game", "nogame"], "unknown game"),
    ],
)
def test_bad_input_is_one_sentence(episode, argv, says, capsys, monkeypatch):
    monkeypatch.chdir(episode.parent)
    assert cli.main(["agent", "replay", *argv]) == 2
    assert says in capsys.readouterr().err


def test_the_command_serves_the_newest_episode(tmp_path):
    old, new = (write_episode(tmp_path / "out" / "agent" / name) for name in ("20260101-000000", "20260102-000000"))
    os.utime(old / "decisions.jsonl", (1, 1))
    os.utime(new, (1, 1))  # as if videos were made of the old one only now
    process = start_command("agent", "replay", "--no-open", cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        assert new.name in process.stdout.readline()
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}0/show.json") as answer:
            assert json.load(answer)["title"] == new.name
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_several_are_listed(tmp_path):
    for name in ("a", "b"):
        write_episode(tmp_path / name)
    (tmp_path / "b" / "held.jsonl").write_text("rubbish\n")
    cards = [EpisodeSource(tmp_path / name).card() for name in ("a", "b")]
    assert (cards[0].presses, cards[0].notes, cards[0].kind, cards[0].error) == (4, 5, "episode", "")
    assert "held.jsonl" in cards[1].error and len(HELD_THEN) == 6
