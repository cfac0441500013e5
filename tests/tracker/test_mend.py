"""`tracker check --mend`: what a crash tore is cut off, what can be read stays."""

from __future__ import annotations

import json
import shutil
import tracemalloc

import av
import pytest

from combatvla.errors import UserError
from tests.tracker.test_session import START, record, scene, start_recorder
from tracker.check import check
from tracker.check import main as check_main
from tracker.mend import mend
from tracker.rows import EventRow, LookRow, line
from tracker.session import Session
from tracker.writer import SessionWriter


def test_a_whole_session_is_left_alone(tmp_path):
    record(tmp_path / "s")
    before = {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()}
    assert mend(tmp_path / "s") == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()} == before


@pytest.fixture
def torn(tmp_path):
    """As after `kill -9`: no end in the video, half a line in each list, a key down, a frame too many."""
    writer = SessionWriter(tmp_path / "t", game="arena", title="t", width=320, height=180, fps=30)
    for i in range(40):
        writer.frame(scene(i), START + i * 33_333_333)
    writer.event(LookRow(t_ns=START, dx=1.0, dy=2.0))
    writer.event(EventRow(t_ns=START + 5, kind="key", key="w", down=True))
    shutil.copytree(tmp_path / "t", tmp_path / "s")  # as it lies on the disk, before it is closed
    writer.close()
    for name in ("frames", "events"):
        with open(tmp_path / "s" / f"{name}.jsonl", "ab") as file:
            file.write(b'{"t_ns":50')
    return tmp_path / "s"


def test_what_a_crash_tore_is_mended(torn):
    as_it_was = check(torn)
    assert as_it_was.stuck_keys == ["w"] and as_it_was.frames == 40
    done = mend(torn)
    assert any("1 damaged line of events.jsonl was" in d for d in done)
    assert any("let go at the end: w" in d for d in done) and any("has an end now" in d for d in done)
    report = check(torn)
    assert report.stuck_keys == [] and report.pictures == report.frames == as_it_was.pictures
    assert [(e.key, e.down) for e in Session(torn).events] == [("w", True), ("w", False)]
    assert len(list(Session(torn).motions())) == 1, "what is not keys stays"
    with av.open(str(torn / "video-00000.mkv")) as video:
        assert video.duration, "a player can jump in it"
    assert b'{"t_ns":50' in (torn / "events.jsonl.before").read_bytes(), "what was recorded is kept"
    assert mend(torn) == [], "once is enough"


def test_damage_in_the_middle_is_taken_off(tmp_path):
    record(tmp_path / "s", 30)
    frames = tmp_path / "s" / "frames.jsonl"
    lines = frames.read_bytes().splitlines(keepends=True)
    frames.write_bytes(b"".join([*lines[:5], b"\xff\xfe rubbish\n", *lines[6:9], lines[2], *lines[9:]]))
    with pytest.raises(UserError, match="damaged"):
        Session(tmp_path / "s")
    assert mend(tmp_path / "s") == ["2 damaged lines of frames.jsonl were taken off"]
    assert Session(tmp_path / "s").frames.index.tolist() == [i for i in range(30) if i != 5]


def test_a_session_that_is_still_recorded_is_not_mended(tmp_path, capsys):
    """Mending would put other files in the place of those that the recorder writes on to. Its death frees it."""
    recorder = start_recorder(tmp_path / "s")
    try:
        while int(recorder.stdout.readline()) < 10:
            pass
        before = {path.name: path.stat().st_ino for path in (tmp_path / "s").iterdir()}
        with pytest.raises(UserError, match="is still being recorded") as said:
            check_main([str(tmp_path / "s"), "--mend"])
        assert "\n" not in str(said.value)
        assert {path.name: path.stat().st_ino for path in (tmp_path / "s").iterdir()} == before
        assert check_main([str(tmp_path / "s")]) in (0, 1), "it may be looked at"
    finally:
        recorder.kill()
        recorder.communicate()
    assert any("has an end now" in done for done in mend(tmp_path / "s"))
    assert mend(tmp_path / "s") == []


def test_a_last_line_without_its_end_is_kept_apart(torn):
    """As when the crash came between the row and the end of its line."""
    events = torn / "events.jsonl"
    events.write_bytes(events.read_bytes().rpartition(b"\n")[0])
    assert "let go at the end: w" in mend(torn)
    assert [(e.key, e.down) for e in Session(torn).events] == [("w", True), ("w", False)]


def test_a_long_list_is_mended_line_by_line(torn):
    """Ten hours of a mouse have ten million lines: memory must not grow with them."""
    rows = b"".join(line(LookRow(t_ns=START + i, dx=1.0, dy=float(i))) for i in range(100_000))
    events = torn / "events.jsonl"
    events.write_bytes(rows + b"rubbish\n" + line(EventRow(t_ns=START, kind="key", key="w", down=True)))
    tracemalloc.start()
    done = mend(torn)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "1 damaged line of events.jsonl was taken off" in done and "let go at the end: w" in done
    assert events.read_bytes().startswith(rows) and events.read_bytes().count(b"\n") == 100_002
    assert most < len(rows) / 2


def test_the_command_mends_and_says_so(torn, capsys):
    assert check_main([str(torn), "--mend", "--json"]) == 0
    out = capsys.readouterr().out
    assert "mended: let go at the end: w" in " ".join(out.split())
    figures = json.loads(out.splitlines()[-1])
    assert {"valid", "reasons", "frames", "events"} <= figures.keys() and figures["events"] == 2


def test_lines_come_back_as_they_were_written():
    row = EventRow(t_ns=START, kind="key", key='"kind":"motion"', down=True)
    assert json.loads(line(row)) == {"t_ns": START, "kind": "key", "key": '"kind":"motion"', "down": True}
