"""Session folders: readable whatever happened to the recorder."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.errors import UserError
from tracker.check import check
from tracker.rows import EventRow, FocusRow, LookRow, MarkRow, MotionRow, PauseRow, ScrollRow, WindowRow
from tracker.session import Session
from tracker.writer import SessionWriter

START = 5_000_000_000


def scene(i: int, width: int = 320, height: int = 180) -> np.ndarray:
    """A picture that tells its number by its brightness."""
    picture = np.full((height, width, 3), 40, np.uint8)
    picture[:, : width // 2] = (3 * i % 200, 60, 20)
    cv2.circle(picture, (20 + 5 * i % (width - 40), height // 2), 12, (220, 200, 40), -1)
    return picture


def record(folder, count: int = 20, width: int = 320, height: int = 180) -> None:
    with SessionWriter(folder, game="arena", title="t", width=width, height=height, fps=30) as writer:
        for i in range(count):
            writer.frame(scene(i, width, height), START + i * 33_333_333)
            if i % 5 == 0:
                writer.event(EventRow(t_ns=START + i, kind="key", key="w", down=i % 10 == 0))


@pytest.mark.parametrize("size", [(320, 180), (321, 179)])
def test_round_trip(tmp_path, size):
    record(tmp_path / "s", 20, *size)
    session = Session(tmp_path / "s")
    assert (session.info.width, session.info.height) == size and session.info.game == "arena"
    assert len(session.frames) == 20 and [e.down for e in session.events] == [True, False, True, False]
    assert session.duration_s == pytest.approx(19 / 30, abs=0.01)
    pictures = list(session.pictures())
    assert [row.index for row, _ in pictures] == list(range(20))
    for row, pixels in pictures:
        assert np.abs(pixels.astype(int) - scene(row.index, *size)).mean() < 4


def test_frames_at_the_same_instant_stay_apart(tmp_path):
    with SessionWriter(tmp_path / "s", game="arena", title="t", width=64, height=64, fps=30) as writer:
        for i in range(5):
            writer.frame(scene(i, 64, 64), START + i)
    session = Session(tmp_path / "s")
    assert [f.pts for f in session.frames] == [0, 1, 2, 3, 4]
    assert len(list(session.pictures())) == 5


def test_a_long_recording_is_cut_into_videos(tmp_path):
    """A new one every second here; what is held at each one's beginning is in its line."""
    with SessionWriter(tmp_path / "s", game="g", title="t", width=320, height=180, fps=30, segment_s=1.0) as writer:
        for i in range(75):
            if i in (10, 40):
                writer.event(EventRow(t_ns=START + i, kind="key", key="w", down=i == 10))
            if i == 50:
                writer.event(EventRow(t_ns=START + i, kind="button", key="mouse_left", down=True))
            writer.frame(scene(i), START + i * 33_333_334)
    session = Session(tmp_path / "s")
    assert [(s.index, s.file, s.held) for s in session.segments] == [
        (0, "video-00000.mkv", ()),
        (1, "video-00001.mkv", ("w",)),
        (2, "video-00002.mkv", ("mouse_left",)),
    ]
    assert [sum(f.segment == k for f in session.frames) for k in range(3)] == [30, 30, 15]
    pictures = list(session.pictures())
    assert [row.index for row, _ in pictures] == list(range(75))
    assert all(np.abs(pixels.astype(int) - scene(row.index)).mean() < 4 for row, pixels in pictures[::7])
    (tmp_path / "s" / "video-00002.mkv").write_bytes(b"")  # killed as it began
    assert len(list(Session(tmp_path / "s").pictures())) == 60
    (tmp_path / "s" / "segments.jsonl").write_bytes(
        b"".join((tmp_path / "s" / "segments.jsonl").read_bytes().splitlines(keepends=True)[:1])
    )
    assert len(Session(tmp_path / "s").frames) == 30


def test_what_is_held_is_of_the_moment_of_the_picture(tmp_path):
    """Pictures are written some frames after they were taken, and inputs at once."""
    ms = 1_000_000
    with SessionWriter(tmp_path / "s", game="g", title="t", width=64, height=64, fps=30, segment_s=1.0) as writer:
        for at_ms, key, down in ((-10, "w", True), (5, "a", True), (990, "w", False), (1010, "a", False)):
            writer.event(EventRow(t_ns=START + at_ms * ms, kind="key", key=key, down=down))
        for at_ms in (0, 500, 1000):
            writer.frame(scene(0, 64, 64), START + at_ms * ms)
    assert [s.held for s in Session(tmp_path / "s").segments] == [("w",), ("a",)]


def test_lost_inputs_are_found_by_what_is_held(tmp_path):
    """The beginning of each video tells what was held, whatever became of the inputs before it."""
    ms = 1_000_000
    with SessionWriter(tmp_path / "s", game="arena", title="t", width=64, height=64, fps=30, segment_s=1.0) as writer:
        for i in range(120):
            t_ns = START + i * 33_333_334
            if i in (10, 20, 40):
                writer.event(EventRow(t_ns=t_ns - ms, kind="key", key="w", down=i != 20))
            if i in (15, 70):
                writer.event(EventRow(t_ns=t_ns - ms, kind="button", key="mouse_left", down=i == 15))
            if i in (31, 32):  # heard late: the video had begun
                writer.event(EventRow(t_ns=START + 999 * ms + i, kind="key", key="1", down=i == 31))
            writer.frame(scene(i, 64, 64), t_ns)
    assert check(tmp_path / "s").reasons == []
    events = tmp_path / "s" / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b"".join(text for i, text in enumerate(lines) if i not in (1, 2)))
    assert check(tmp_path / "s").reasons == [
        "inputs are missing before video-00001.mkv: there mouse_left is held, w is not held, which they do not tell"
    ]


def test_a_window_may_change_its_size(tmp_path):
    sizes = [(320, 180)] * 3 + [(201, 151)] * 3 + [(320, 180)] * 2
    with SessionWriter(tmp_path / "s", game="g", title="t", width=320, height=180, fps=30) as writer:
        for i, size in enumerate(sizes):
            writer.frame(scene(i, *size), START + i * 33_333_333)
    session = Session(tmp_path / "s")
    assert [(s.width, s.height) for s in session.segments] == [(320, 180), (201, 151), (320, 180)]
    assert [pixels.shape[1::-1] for _, pixels in session.pictures()] == sizes


def test_pictures_come_as_the_screen_gives_them_too(tmp_path):
    with SessionWriter(tmp_path / "s", game="g", title="t", width=320, height=180, fps=30) as writer:
        for i in range(3):
            writer.frame(cv2.cvtColor(scene(i), cv2.COLOR_RGB2BGRA), START + i * 33_333_333)
    for row, pixels in Session(tmp_path / "s").pictures():
        assert np.abs(pixels.astype(int) - scene(row.index)).mean() < 4


def test_all_kinds_of_events_come_back(tmp_path):
    events = [
        EventRow(t_ns=START, kind="key", key="w", down=True),
        ScrollRow(t_ns=START + 1, dx=0, dy=-2),
        MotionRow(t_ns=START + 2, x=10, y=-3),
        LookRow(t_ns=START + 3, dx=1.5, dy=-7.25),
        FocusRow(t_ns=START + 4, focused=False),
        WindowRow(t_ns=START + 5, x=0, y=20, width=640, height=480),
        PauseRow(t_ns=START + 6, paused=True, why="idle"),
        MarkRow(t_ns=START + 7, label="boss down"),
    ]
    with SessionWriter(tmp_path / "s", game="g", title="t", width=64, height=64, fps=30) as writer:
        for event in reversed(events):
            writer.event(event)
    session = Session(tmp_path / "s")
    moved = [e for e in events if isinstance(e, MotionRow | LookRow)]
    others = [e for e in events[1:] if e not in moved]
    assert session.events == events[:1] and session.others == others and writer.events == 1
    assert sorted(session.motions(), key=lambda e: e.t_ns) == moved


def test_a_session_of_version_1_is_read(tmp_path):
    record(tmp_path / "s")
    folder = tmp_path / "s"
    (folder / "video-00000.mkv").rename(folder / "video.mkv")
    (folder / "segments.jsonl").unlink()
    info = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps({**info, "version": 1}))
    rows = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    (folder / "frames.jsonl").write_text(
        "".join(json.dumps({k: r[k] for k in ("index", "pts", "t_ns")}) + "\n" for r in rows)
    )
    session = Session(folder)
    assert len(list(session.pictures())) == len(session.frames) == 20 and len(session.events) == 4


def test_a_recording_is_never_overwritten(tmp_path):
    record(tmp_path / "s", 2)
    with pytest.raises(UserError, match="exists already"):
        record(tmp_path / "s", 2)


def test_a_session_that_cannot_be_begun_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("tracker.writer._Video", full)
    with pytest.raises(UserError, match="cannot begin a session"):
        record(tmp_path / "s", 1)
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps a home's folders from others by itself")
def test_others_cannot_read_a_session(tmp_path):
    before = os.umask(0o022)
    try:
        record(tmp_path / "sessions" / "s", 2)
        (tmp_path / "own").mkdir(0o755)
        record(tmp_path / "own", 2)
    finally:
        os.umask(before)
    assert (tmp_path / "sessions" / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "sessions").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o755, "who made the folder has chosen who reads it"


RECORDER = """
    import sys, time
    sys.path.insert(0, {tests!r})
    from test_session import START, scene
    from tracker.rows import EventRow
    from tracker.writer import SessionWriter
    writer = SessionWriter(sys.argv[1], game="arena", title="t", width=320, height=180, fps=30)
    for i in range(100_000):
        writer.frame(scene(i), START + i * 33_333_333)
        writer.event(EventRow(t_ns=START + i * 33_333_333, kind="key", key="w", down=i % 2 == 0))
        print(i, flush=True)
"""


def start_recorder(folder) -> subprocess.Popen:
    code = textwrap.dedent(RECORDER).format(tests=os.path.dirname(__file__))
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)


def test_kill_9_loses_a_fraction_of_a_second(tmp_path):
    recorder = start_recorder(tmp_path / "s")
    for line in recorder.stdout:
        if int(line) >= 150:
            break
    os.kill(recorder.pid, signal.SIGKILL)
    recorder.communicate()
    session = Session(tmp_path / "s")
    assert len(session.frames) > 150 and len(session.events) > 150
    pictures = list(session.pictures())
    assert len(session.frames) - 15 <= len(pictures) <= len(session.frames) + 1
    for row, pixels in pictures[:: len(pictures) // 10]:
        assert np.abs(pixels.astype(int) - scene(row.index)).mean() < 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "s"
    record(folder, 40)
    return folder


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_any_torn_end_is_readable(tmp_path_factory, whole, video, frames, events):
    """A file may end anywhere, each for itself."""
    folder = tmp_path_factory.mktemp("torn") / "s"
    shutil.copytree(whole, folder)
    for name, share in (("video-00000.mkv", video), ("frames.jsonl", frames), ("events.jsonl", events)):
        size = (folder / name).stat().st_size
        os.truncate(folder / name, int(size * share))
    session = Session(folder)
    try:
        for row, pixels in session.pictures():
            assert row in session.frames and pixels.shape == (180, 320, 3)
    except UserError as error:
        assert "cannot be read" in str(error) and video < 0.5
    shutil.rmtree(folder)


def test_unreadable_sessions(tmp_path):
    with pytest.raises(UserError, match="no session in .*combatvla tracker record"):
        Session(tmp_path)
    record(tmp_path / "s", 20)
    info = json.loads((tmp_path / "s" / "session.json").read_text())
    lines = (tmp_path / "s" / "frames.jsonl").read_bytes().splitlines(keepends=True)

    (tmp_path / "s" / "frames.jsonl").write_bytes(b"".join([*lines[:3], b"rubbish\n", *lines[4:]]))
    with pytest.raises(UserError, match="damaged at line 4"):
        Session(tmp_path / "s")
    (tmp_path / "s" / "frames.jsonl").write_bytes(b"".join([*lines[:3], lines[1]]))
    with pytest.raises(UserError, match="damaged"):
        Session(tmp_path / "s")
    (tmp_path / "s" / "frames.jsonl").unlink()
    with pytest.raises(UserError, match="the session is not whole"):
        Session(tmp_path / "s")
    (tmp_path / "s" / "frames.jsonl").write_bytes(b"".join(lines) + b"\0" * 512)  # as after a power cut
    assert len(Session(tmp_path / "s").frames) == 20

    (tmp_path / "s" / "video-00000.mkv").write_bytes(b"not a video")
    assert list(Session(tmp_path / "s").pictures()) == []
    assert check(tmp_path / "s").reasons[0].startswith("no picture can be read")
    for text, said in (
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (json.dumps({**info, "version": 9}), "newer"),
    ):
        (tmp_path / "s" / "session.json").write_text(text)
        with pytest.raises(UserError, match=said):
            Session(tmp_path / "s")


def test_a_full_disk_keeps_what_was_recorded(tmp_path):
    """The largest file size stands in for the disk: the kernel refuses the write in the same place."""
    code = f"""
        import resource, signal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_session import record
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        try:
            record(sys.argv[1], 100_000)
        except OSError as error:
            print(error.errno)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "s")],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "27"
    session = Session(tmp_path / "s")
    pictures = list(session.pictures())
    assert len(pictures) >= len(session.frames) - 15 > 30
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_garbage_is_named_and_not_taken_for_silence(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    (tmp_path / "s" / "events.jsonl").write_bytes(b"\xff garbage\n" * 5)
    with pytest.raises(UserError, match="damaged from line 1 on"):
        Session(tmp_path / "s")


def test_colours_come_back_as_they_were(tmp_path):
    """On average: what a policy is trained on is not darker than what it sees in play."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (3, 5, 3), np.uint8)
    shown = cv2.resize(small, (320, 180), interpolation=cv2.INTER_LINEAR)
    with SessionWriter(tmp_path / "s", game="arena", title="t", width=320, height=180, fps=30) as writer:
        writer.frame(shown, START)
    ((_, pixels),) = Session(tmp_path / "s").pictures()
    away = pixels.astype(int) - shown
    assert np.abs(away.mean(axis=(0, 1))).max() < 0.4 and np.abs(away).mean() < 2
