"""`tracker explain` on a recorded fight: by its true states, and by what its HUD shows; and what export makes of it."""

from __future__ import annotations

import json
import re
import shutil
import weakref
from pathlib import Path

import pytest

from combatvla.actions import Action, Plan, Step
from combatvla.aot import decode
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from tracker.align import Alignment, AlignOptions, samples
from tracker.annotate.command import main as explain
from tracker.annotate.hud import sentences
from tracker.append import Appender
from tracker.dataset import read_rows
from tracker.export.command import main as export
from tracker.hud_track import HudTrack
from tracker.rows import EXPLANATIONS, ExplanationRow, FlagRow, line
from tracker.session import Session

START = 10**10
ROW = ExplanationRow(t_ns=START, frame=3, plan="<dodge><t100>", steps=("it comes, roll away",), by="hud")


def figures(capsys) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_true_states_explain_what_export_then_uses(fight, tmp_path, capsys):
    assert explain([str(fight), "--by", "truth", "--json"]) == 0
    first = figures(capsys)
    assert first["by"] == "truth" and first["samples"] > 20 and first["kept"] == 0
    assert first["explained"] + sum(first["dropped"].values()) == first["samples"]
    assert first["explained"] > 0.9 * first["samples"] and sum(first["actions"].values()) == first["explained"]

    assert explain([str(fight), "--by", "truth", "--json"]) == 0
    again = figures(capsys)
    assert (again["explained"], again["kept"], again["actions"]) == (0, first["explained"], first["actions"])

    told = Session(fight).explanations()
    (fight / "truth.jsonl").unlink()
    assert export([str(fight), "--out", str(tmp_path / "d"), "--json"]) == 0
    exported = figures(capsys)
    assert exported["explained_by"] == {"truth": exported["explained"]} and exported["explained"] > 20
    said = {row.steps for row in told.values()}
    assert sum(decode(row.answer).explanations in said for row in read_rows(tmp_path / "d")) == exported["explained"]


def test_one_damaged_session_does_not_stop_the_others(fight, tmp_path, capsys):
    """Whatever is damaged."""
    says = {
        "session.json": "session.json cannot be read",
        "frames.jsonl": "frames.jsonl is damaged at line 2",
        "flags.jsonl": "flags.jsonl is damaged at line 1",
        "explanations.jsonl": "explanations.jsonl is damaged at line 1",
        "truth.jsonl": "truth.jsonl, line 2, is no true state",
    }
    for name in says:
        bad = Path(shutil.copytree(fight, tmp_path / name))
        lines = (bad / name).read_bytes().splitlines(keepends=True) if (bad / name).is_file() else []
        good = {"flags.jsonl": line(FlagRow(begin_ns=0, end_ns=1)), "explanations.jsonl": line(ROW)}.get(name, b"")
        (bad / name).unlink(missing_ok=True)  # a link to the recorded one
        (bad / name).write_bytes(b"".join([*lines[:1], b"{\n", *lines[1:3], good]))
    (tmp_path / "bare").mkdir()
    folders = [str(tmp_path / name) for name in (*says, "bare")]
    argv = ["--by", "truth", "--json"]
    assert explain([*folders, str(fight), *argv]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out.splitlines()[-1])
    assert report["sessions"] == 1 and report["explained"] > 20 and report["without"].keys() == set(folders)
    assert all(text in said.err for text in says.values()) and "no session in" in said.err
    assert sum(str(tmp_path) in text for text in said.err.splitlines()) == len(folders), "a sentence each"
    with pytest.raises(UserError, match="nothing to explain: .*session.json cannot be read"):
        explain([*folders, *argv])


def test_sessions_are_opened_one_at_a_time(fight, tmp_path, monkeypatch):
    folders = [fight, *(Path(shutil.copytree(fight, tmp_path / name)) for name in ("b", "c"))]
    opened: list[weakref.ref] = []

    class Watched(Session):
        def __init__(self, folder) -> None:
            assert all(session() is None for session in opened)
            super().__init__(folder)
            opened.append(weakref.ref(self))

    monkeypatch.setattr("tracker.annotate.command.Session", Watched)
    assert explain([*map(str, folders), "--by", "truth"]) == 0
    assert len(opened) == 3


def test_an_explanation_of_another_plan_is_not_used(fight, tmp_path, capsys):
    explain([str(fight), "--by", "hud"])
    path = fight / "explanations.jsonl"
    path.write_text(re.sub(r'"plan":"[^"]*"', '"plan":"<block><t750>"', path.read_text()))
    (fight / "truth.jsonl").unlink()
    capsys.readouterr()
    assert export([str(fight), "--out", str(tmp_path / "d"), "--json"]) == 0
    assert figures(capsys)["explained_by"] == {}


@pytest.mark.parametrize(
    "damage", [{"steps": ["a <TRUNC> b"]}, {"steps": [" "]}, {"steps": []}, {"by": "[/red]"}, {"by": "\x1b[2J"}]
)
def test_a_foreign_line_is_named_and_not_used(fight, tmp_path, damage):
    good = json.loads(line(ROW))
    lines = [json.dumps(row) + "\n" for row in (good | damage, good)]
    (fight / "explanations.jsonl").write_text("".join(lines))
    for command in (["--by", "truth"], ["--out", str(tmp_path / "d")]):
        with pytest.raises(UserError, match="explanations.jsonl is damaged at line 1"):
            (explain if "--by" in command else export)([str(fight), *command])


def test_a_line_with_a_sentence_too_few_is_not_used(fight, tmp_path, capsys):
    explain([str(fight), "--by", "truth"])
    path = fight / "explanations.jsonl"
    rows = [json.loads(text) for text in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "steps": [*row["steps"], "so"][:3]}) + "\n" for row in rows))
    (fight / "truth.jsonl").unlink()
    whole = sum(len(row["steps"]) == 3 for row in rows)
    capsys.readouterr()
    assert export([str(fight), "--out", str(tmp_path / "d"), "--json"]) == 0
    assert figures(capsys)["explained"] <= whole < len(rows)


def test_the_hud_says_what_the_true_states_say(fight, capsys):
    """The bars' words against the log's, moment by moment; a picture is some milliseconds older than its state."""
    for by in ("hud", "truth"):
        assert explain([str(fight), "--by", by]) == 0
    rows = list(map(EXPLANATIONS.validate_json, (fight / "explanations.jsonl").read_bytes().splitlines()))
    by_time: dict[int, dict[str, ExplanationRow]] = {}
    for row in rows:
        by_time.setdefault(row.t_ns, {})[row.by] = row
    both = [found for found in by_time.values() if len(found) == 2]
    assert len(both) > 20
    agree = 0
    for found in both:
        body = re.search(r"; (health \w+, stamina \w+): ", found["truth"].steps[0])[1]
        agree += found["hud"].steps[0].startswith(body)
        assert len(found["hud"].steps) == len(decode(found["hud"].plan, order="thought_first").plan.steps)
        assert re.search(r", heals [0-3][,;].* enemy (low|half|high)[,:]", found["hud"].steps[0])
    assert agree >= 0.85 * len(both)
    # What ran last is what counts, and what is told again by the other one costs no new reading.
    assert {row.by for row in Session(fight).explanations().values()} == {"truth"}
    capsys.readouterr()
    assert explain([str(fight), "--by", "hud", "--json"]) == 0
    assert figures(capsys)["explained"] == 0
    assert {row.by for row in Session(fight).explanations().values()} == {"hud"}


def test_other_moments_are_explained_anew(fight, capsys):
    explain([str(fight), "--by", "truth"])
    capsys.readouterr()
    assert explain([str(fight), "--by", "truth", "--every-ms", "150", "--limit", "5", "--json"]) == 0
    report = figures(capsys)
    assert report["explained"] == 5 and 0 < report["kept"] < report["samples"]


class Readings:
    """A HUD reader that says what it is told."""

    def __init__(self) -> None:
        self.hud = {"health": 1.0, "boss_health": 1.0, "stamina": 1.0, "heals": 3, "win": False, "loss": False}

    def read(self, pixels) -> dict:
        return dict(self.hud)

    def result(self, hud) -> str | None:
        return next((name for name in ("win", "loss") if hud[name]), None)


@pytest.fixture
def track():
    track = HudTrack(load_profile("arena"))
    track._reader = Readings()
    track.add(START, None)
    return track


def at(track: HudTrack, ms: int, plan: Plan, **hud) -> list[str]:
    track._reader.hud.update(hud)
    track.add(START + ms * 10**6, None)
    return sentences(load_profile("arena"), track, plan)


def test_a_sentence_ties_the_action_to_the_state(track):
    heal = Plan((Step.of("heal"), Step.of("move_back")))
    assert at(track, 100, heal, boss_health=0.5) == [
        "health high, stamina high, heals 3; enemy half, hit 0.0 s ago: heal to be safe.",
        "step back to find an opening",
    ]
    at(track, 1500, heal, health=0.25, heals=2)
    assert at(track, 1900, heal) == [
        "health low, stamina high, heals 2, hit 0.4 s ago; enemy half: heal to get back.",
        "step back to get away",
    ]
    assert at(track, 4000, Plan.of("light_attack"), boss_health=0.1)[0].endswith("hit 0.0 s ago: strike to finish it.")
    assert at(track, 6000, Plan.of("wait"), stamina=0.1)[0].endswith("enemy low: hold to catch breath.")


@pytest.mark.parametrize("action", [a for a in Action if a is not Action.SKILL])
def test_every_action_has_a_purpose_that_a_dataset_can_hold(track, action):
    from combatvla.aot import AoT

    (told,) = at(track, 100, Plan.of(action))
    AoT(Plan.of(action), (told,))
    assert told.endswith(".") and len(told.partition(": ")[2].split()) >= 3


def test_a_bar_out_of_sight_is_remembered_for_a_moment(track):
    nan = float("nan")
    at(track, 100, Plan.of("wait"), health=0.5)
    at(track, 400, Plan.of("wait"), health=nan)
    assert track.visible and track.values["health"] == 0.5
    at(track, 1400, Plan.of("wait"), stamina=0.4)
    assert not track.visible and track.values["stamina"] == 0.4
    at(track, 1500, Plan.of("wait"), health=0.4)
    assert track.visible
    at(track, 3000, Plan.of("wait"), health=0.0, boss_health=0.0)  # all dark: something covers the game
    assert not track.visible


def test_what_explain_refuses(fight, tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    bare = tmp_path / "bare.yaml"
    bare.write_text("name: bare\ntitle: Bare\nkeys: {dodge: space}\nprompt: What now?\n")
    vlm = ["--by", "vlm", "--url", "http://127.0.0.1:9/v1", "--model", "m"]
    for argv, said in (
        (["--by", "hud"], "no session given"),
        ([str(tmp_path), "--by", "hud"], "no session in"),
        ([str(fight), "--by", "hud", "--game", str(bare)], "names no HUD bars"),
        ([str(fight), "--by", "hud", "--truth", "x"], "--truth goes with --by truth"),
        ([str(fight), "--by", "truth", "--truth", "/nowhere"], "no log of true states"),
        ([str(fight), "--by", "truth", "--truth", str(fight / "events.jsonl")], "line 1, is no true state"),
        ([str(fight), "--by", "truth", "--url", "http://x"], "go with --by vlm"),
        ([str(fight), "--by", "truth", "--keep-idle", "2"], "--keep-idle is a share"),
        ([str(fight), "--by", "truth", "--limit", "-1"], "--limit is a number"),
        ([str(fight), "--by", "vlm"], "needs --url"),
        ([str(fight), *vlm, "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY .* is not set"),
        ([str(fight), *vlm, "--parallel", "0"], "--parallel"),
        ([str(fight), *vlm, "--model", "[red]"], "--model is a name"),
        ([str(fight), *vlm], "nobody answers at http://127.0.0.1:9/v1"),
    ):
        with pytest.raises(UserError, match=said):
            explain(argv)


def test_a_torn_line_is_taken_off_before_the_next(tmp_path):
    """Cut at every byte, as a kill may leave it."""
    path, whole = tmp_path / "explanations.jsonl", line(ROW) * 2
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Appender(path, EXPLANATIONS) as file:
            file.add(ROW)
        kept = cut // len(line(ROW)) + (cut % len(line(ROW)) == len(line(ROW)) - 1)
        assert path.read_bytes() == line(ROW) * (kept + 1), cut


def test_the_samples_are_those_of_the_alignment(fight, capsys):
    explain([str(fight), "--by", "truth", "--every-ms", "100", "--keep-idle", "1"])
    session = Session(fight)
    expected = samples(session, load_profile("arena"), AlignOptions(every_ms=100), Alignment())
    told = session.explanations()
    near = {s.t_ns for s in expected}
    assert set(told) <= near and len(told) > 0.9 * len(near)
    for sample in expected:
        if sample.t_ns in told:
            assert told[sample.t_ns].frame == session.frames.index[sample.frames[-1]]
