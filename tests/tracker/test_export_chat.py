"""Chat rows: the same by one process or several, the pictures as the model sees them, whole sessions to a split."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from combatvla.errors import UserError
from combatvla.vision import FrameSpec
from tests.tracker.play import MS, START, play
from tracker.append import Appender
from tracker.dataset import decode_png, read_rows
from tracker.export.card import splits_of
from tracker.export.command import main as export
from tracker.rows import FLAGS, ExplanationRow, FlagRow, line

KEEP = ["--keep-menus", "--keep-repeated", "--keep-idle", "1"]


def run(capsys, *argv: str) -> dict:
    assert export([*argv, *KEEP, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_several_processes_write_what_one_writes(tmp_path, capsys):
    play(tmp_path / "a", 4, segment_s=1)
    play(tmp_path / "b", 2, segment_s=1)
    sessions, options = [str(tmp_path / "a"), str(tmp_path / "b")], ["--frames", "3", "--validation-share", "0"]
    one = run(capsys, *sessions, "--out", str(tmp_path / "one"), "--jobs", "1", *options)
    two = run(capsys, *sessions, "--out", str(tmp_path / "two"), "--jobs", "2", *options)
    files = sorted(p.name for p in (tmp_path / "one").glob("*.parquet"))
    assert len(files) == 6 and files == sorted(p.name for p in (tmp_path / "two").glob("*.parquet"))
    assert list(read_rows(tmp_path / "one")) == list(read_rows(tmp_path / "two"))
    assert one["samples"] == two["samples"] == len(list(read_rows(tmp_path / "one"))) > 20
    assert one["actions"] == two["actions"] and {"dodge", "light_attack", "move_forward"} <= one["actions"].keys()
    assert not list((tmp_path / "two").rglob("*.whole")) + list((tmp_path / "two").rglob("*.part"))
    assert two["peak_mb"] > 100 and two["times_real_time"] > 0


@pytest.mark.parametrize("size", [(320, 180), (321, 181)])
def test_the_pictures_are_those_that_the_model_sees(tmp_path, capsys, size):
    """Over the borders of videos, too: a sample may look back into the one before."""
    session = play(tmp_path / "s", 3, size=size, segment_s=1)
    run(capsys, str(tmp_path / "s"), "--out", str(tmp_path / "d"), "--frames", "3", "--jobs", "1")
    seen = {row.index: FrameSpec().prepare(pixels) for row, pixels in session.pictures()}
    number = {int(t): i for i, t in enumerate(session.frames.t_ns)}
    rows = list(read_rows(tmp_path / "d"))
    over_a_border = 0
    for row in rows:
        assert (decode_png(row.images[-1]) == seen[row.frame_index]).all()
        assert number[row.t_ns] == row.frame_index
        for png in row.images[:-1]:
            (found,) = [i for i, pixels in seen.items() if (decode_png(png) == pixels).all()]
            assert row.frame_index - 8 <= found < row.frame_index
            over_a_border += session.frames.segment[found] < session.frames.segment[row.frame_index]
    assert over_a_border >= 2


def test_a_picture_far_into_a_video_is_looked_up(tmp_path):
    session = play(tmp_path / "s", 9, fps=10)
    whole = {row.index: pixels for row, pixels in session.pictures()}
    some = list(session.part(70, 80).pictures())
    assert [row.index for row, _ in some] == list(range(70, 80))
    assert all((pixels == whole[row.index]).all() for row, pixels in some)


def test_sessions_are_split_as_wholes_and_training_never_sees_validation(tmp_path, capsys):
    names = [f"fight-{i}" for i in range(4)]
    splits = splits_of(names, 0.5)
    assert set(splits.values()) == {"train", "validation"}, "names that this test was written with"
    for name in names:
        play(tmp_path / name, 2)
    out = tmp_path / "d"
    figures = run(capsys, *(str(tmp_path / n) for n in names), "--out", str(out), "--validation-share", "0.5")
    assert {row.session for row in read_rows(out)} == {n for n in names if splits[n] == "train"}
    assert {row.session for row in read_rows(out / "validation")} == {n for n in names if splits[n] == "validation"}
    assert sum(s["count"] for s in figures["splits"].values()) == figures["samples"]
    head = yaml.safe_load((out / "README.md").read_text().split("---")[1])
    for entry in head["configs"][0]["data_files"]:
        rows = sum(pq.read_metadata(path).num_rows for path in out.glob(entry["path"]))
        assert rows == figures["splits"][entry["split"]]["count"] > 0


def test_a_sessions_split_does_not_depend_on_the_others():
    names = [f"s{i}" for i in range(2000)]
    splits = splits_of(names, 0.05)
    assert 50 < sum(s == "validation" for s in splits.values()) < 150
    assert all(splits_of(names[:n], 0.05).items() <= splits.items() for n in (100, 500))
    assert "train" in splits_of(names[:3], 0.999).values()


def test_the_card_tells_what_is_in_it(tmp_path, capsys):
    play(tmp_path / "only", 2)
    out = tmp_path / "mine"
    figures = run(
        capsys, str(tmp_path / "only"), "--out", str(out), "--license", "cc-by-4.0", "--validation-share", "0.9"
    )
    card = (out / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "cc-by-4.0" and [f["split"] for f in head["configs"][0]["data_files"]] == ["train"]
    assert "there is only one" in card and str(tmp_path) not in card
    assert f"| only | train | {figures['samples']} |" in card
    for action, number in figures["actions"].items():
        assert f"| {action} | {number} |" in card
    assert "| `--every-ms` | `200` |" in card


def test_a_session_without_pictures_does_not_spoil_the_others(tmp_path, capsys):
    play(tmp_path / "good", 2)
    play(tmp_path / "bad", 2)
    (tmp_path / "bad/video-00000.mkv").write_bytes(b"no video")
    play(tmp_path / "torn", 2)
    (tmp_path / "torn/events.jsonl").write_bytes(b"what\nis\nthis\n")
    argv = [*(str(tmp_path / n) for n in ("bad", "good", "torn")), "--validation-share", "0", "--jobs", "1"]
    assert export([*argv, *KEEP, "--out", str(tmp_path / "d"), "--json"]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out.splitlines()[-1])
    assert set(figures["without"]) == {str(tmp_path / n) for n in ("bad", "torn")} and figures["samples"] > 5
    assert "bad has no readable picture" in said.err and "events.jsonl is damaged" in said.err
    assert {row.session for row in read_rows(tmp_path / "d")} == {"good"}
    with pytest.raises(UserError, match="bad has no readable picture"):
        export([str(tmp_path / "bad"), *KEEP, "--out", str(tmp_path / "e")])
    assert not (tmp_path / "e").exists()


DAMAGED = {
    "session.json": "session.json cannot be read",
    "no session.json": "no session in",
    "no such game": "unknown game 'nowhere'",
    "frames.jsonl": "frames.jsonl is damaged at line 2",
    "motion": "events.jsonl is damaged at line 2",
    "flags.jsonl": "flags.jsonl is damaged at line 2",
    "explanations.jsonl": "explanations.jsonl is damaged at line 2",
    "truth.jsonl": "truth.jsonl, line 1, is no true state",
}


def damage(session: Path, what: str) -> None:
    """Damages a session in one of the ways of `DAMAGED`."""
    if what == "session.json":
        (session / what).write_text("{")
    elif what == "no session.json":
        (session / "session.json").unlink()
    elif what == "no such game":
        info = session / "session.json"
        info.write_text(info.read_text().replace('"arena"', '"nowhere"'))
    else:
        path = session / ("events.jsonl" if what == "motion" else what)
        good = {
            "flags.jsonl": line(FlagRow(begin_ns=0, end_ns=1)),
            "explanations.jsonl": line(
                ExplanationRow(t_ns=START, frame=0, plan="<wait><t50>", steps=("hold",), by="hud")
            ),
        }
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else [good.get(what, b"{}\n")] * 2
        rubbish = b'{"kind":"motion"}\n' if what == "motion" else b"rubbish\n"
        path.write_bytes(b"".join([lines[0], rubbish, *lines[1:]]))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("to", ["chat", "lerobot", "srt"])
def test_one_damaged_session_does_not_stop_the_others(tmp_path, capsys, to, jobs):
    """Whatever is damaged. What an export does not read does not matter to it."""
    unread = {"chat": {"motion"}, "lerobot": {"explanations.jsonl", "truth.jsonl"}}
    unread["srt"] = {*unread["chat"], *unread["lerobot"], "flags.jsonl"}
    for what in ("good", *DAMAGED):
        play(tmp_path / what, 2)
        if what in DAMAGED:
            damage(tmp_path / what, what)
    argv = [*(str(tmp_path / name) for name in (*DAMAGED, "good")), "--to", to, "--jobs", jobs]
    argv += ["--out", str(tmp_path / "d"), "--validation-share", "0"] * (to != "srt")
    assert export([*argv, *KEEP, "--json"]) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out.splitlines()[-1])
    assert figures["without"].keys() == {str(tmp_path / what) for what in DAMAGED.keys() - unread[to]}
    assert figures["sessions"] == 1 + len(unread[to])
    for what, says in DAMAGED.items():
        told = [text for text in said.err.splitlines() if str(tmp_path / what) in text]
        assert len(told) == (what not in unread[to]) and all(says in text for text in told), (what, told)
    if to == "chat":
        assert {row.session for row in read_rows(tmp_path / "d")} == {"good", *unread[to]}


@pytest.mark.parametrize("to", ["chat", "lerobot", "srt"])
def test_when_no_session_can_be_used_nothing_is_written(tmp_path, to):
    for name in ("a", "b"):
        play(tmp_path / name, 2)
        (tmp_path / name / "frames.jsonl").write_bytes(b"what\nis\nthis\n")
    argv = [str(tmp_path / "a"), str(tmp_path / "b"), "--to", to]
    with pytest.raises(UserError, match="nothing to export: .*a/frames.jsonl is damaged.*; .*b/frames.jsonl is dam"):
        export([*argv, *(["--out", str(tmp_path / "d")] * (to != "srt"))])
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("to", ["chat", "lerobot"])
def test_two_sessions_of_one_name_are_refused(tmp_path, to):
    """Their rows could not be told apart."""
    first, second = (str(play(tmp_path / who / "first", 1).folder) for who in ("a", "b"))
    argv = ["--to", to, "--out", str(tmp_path / "d")]
    with pytest.raises(UserError, match="a/first and .*b/first are both called 'first'"):
        export([first, second, *argv])
    with pytest.raises(UserError, match="are both called 'first'"):
        export([first, f"{first}/", *argv])
    assert not (tmp_path / "d").exists()
    assert export([first, second, "--to", "srt"]) == 0


def test_a_profile_that_there_is_not_is_refused_before_any_work(tmp_path, capsys):
    for name in ("a", "b"):
        play(tmp_path / name, 2)
    with pytest.raises(UserError, match="^unknown game 'nowhere'"):
        export([str(tmp_path / "a"), str(tmp_path / "b"), "--game", "nowhere", "--out", str(tmp_path / "d")])
    assert capsys.readouterr().err == ""


def test_flagged_spans_are_counted(tmp_path, capsys):
    session = play(tmp_path / "s", 3)
    with Appender(session.folder / "flags.jsonl", FLAGS) as file:
        file.add(FlagRow(begin_ns=START, end_ns=START + 2000 * MS))
    figures = run(capsys, str(tmp_path / "s"), "--out", str(tmp_path / "d"))
    assert figures["dropped"]["flagged"] > 5
    assert all(row.t_ns > START + 2000 * MS for row in read_rows(tmp_path / "d"))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_full_disk_is_told(tmp_path, small_disk, jobs):
    play(tmp_path / "s", 8, segment_s=2)
    with pytest.raises(UserError, match="cannot write the dataset .*No space left"):
        export([str(tmp_path / "s"), *KEEP, "--out", str(small_disk / "d"), "--jobs", jobs])
    assert not list(small_disk.rglob("*.part")) + list(small_disk.rglob("*.whole"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--jobs", "0"], "--jobs starts at 1"),
        (["--validation-share", "1"], "--validation-share is a share"),
        (["--keep-idle", "2"], "--keep-idle is a share"),
    ],
)
def test_wrong_arguments_are_told(tmp_path, argv, said):
    with pytest.raises(UserError, match=said):
        export([str(tmp_path), "--out", str(tmp_path / "d"), *argv])
    with pytest.raises(UserError, match="--out is missing"):
        export([str(tmp_path)])


READ = """
import json, sys, warnings
from datasets import Image, List, load_dataset
data = load_dataset(sys.argv[1])
assert data["train"].features["images"] == List(Image()), data["train"].features
row = data["train"][0]
assert row["images"][0].size == (196, 112) and row["images"][0].mode == "RGB"
print(json.dumps({split: len(rows) for split, rows in data.items()}))
from trl.data_utils import is_conversational, prepare_multimodal_messages
assert is_conversational(row)
prepared = prepare_multimodal_messages(row["messages"], row["images"])
parts = [p for m in prepared for p in m["content"]]
assert [p["image"] for p in parts if p["type"] == "image"] == row["images"]
assert all(p["text"] for p in parts if p["type"] == "text")
"""


@pytest.mark.slow
def test_datasets_and_trl_read_it_as_it_is(tmp_path, capsys):
    """With a Python that has `datasets` and `trl`: they want another environment than this one."""
    python = os.environ.get("COMBATVLA_TRL_PYTHON")
    if not python:
        pytest.skip("COMBATVLA_TRL_PYTHON names no Python with datasets and trl (docs/dataset.md says how to get one)")
    for i in range(4):
        play(tmp_path / f"fight-{i}", 2)
    sessions = [str(tmp_path / f"fight-{i}") for i in range(4)]
    figures = run(capsys, *sessions, "--out", str(tmp_path / "d"), "--validation-share", "0.5", "--frames", "2")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [python, "-W", "error::UserWarning", "-c", READ, str(tmp_path / "d")],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {s: n["count"] for s, n in figures["splits"].items()}
