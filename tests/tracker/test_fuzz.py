"""Damaged sessions: whatever stands in the files of one, every reader works or says in one sentence why not.

Each case damages a real session at a few places drawn by its number, and hands it to all of `READERS`. A case that
fails is run again with `pytest tests/tracker/test_fuzz.py -k 'NUMBER'`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from combatvla import cli
from combatvla.errors import UserError
from tests.tracker.lists import MS, START
from tracker.rows import (
    EventRow,
    ExplanationRow,
    FlagRow,
    FocusRow,
    LookRow,
    MarkRow,
    MotionRow,
    PauseRow,
    ScrollRow,
    WindowRow,
    line,
)
from tracker.session import Session
from tracker.view.page import SessionSource
from tracker.view.show import Flag
from tracker.writer import SessionWriter

SIZE = (320, 180)


def _mend(folder: Path, out: Path) -> None:
    cli.run(["tracker", "check", str(folder), "--mend"])
    assert cli.run(["tracker", "check", str(folder)]) in (0, 1), "what was mended can be read"


def _export(folder: Path, out: Path, to: str) -> None:
    cli.run(["tracker", "export", str(folder), "--out", str(out), "--to", to, "--jobs", "1", "--keep-menus"])


def _view(folder: Path, out: Path) -> None:
    """All that the page asks for; each for itself may be refused."""
    source = SessionSource(folder)
    json.dumps(asdict(source.card()), allow_nan=False)
    shown = source.show()
    json.dumps(asdict(shown), allow_nan=False)
    asked = [(source.motion, kind, chunk) for kind in ("pointer", "look") for chunk in (0, 1, 2**40)]
    asked += [(get, video) for video in range(len(shown.videos) + 1) for get in (source.film, source.frames)]
    for get, *what in asked:
        with suppress(UserError, LookupError):
            get(*what)
    if shown.can_flag:
        source.flag(Flag(0, 10, "fuzz"), undo=False)
        source.flag(Flag(0, 10, ""), undo=True)


READERS: dict[str, Callable[[Path, Path], object]] = {
    "check": lambda folder, out: cli.run(["tracker", "check", str(folder), "--json"]),
    "export": lambda folder, out: _export(folder, out / "chat", "chat"),
    "export --to lerobot": lambda folder, out: _export(folder, out / "lerobot", "lerobot"),
    "export --to srt": lambda folder, out: _export(folder, out / "srt", "srt"),
    "view": _view,
    "balance": lambda folder, out: cli.run(["tracker", "balance", str(folder), "--json"]),
    "explain by truth": lambda folder, out: cli.run(["tracker", "explain", str(folder), "--by", "truth"]),
    "explain by hud": lambda folder, out: cli.run(["tracker", "explain", str(folder), "--by", "hud"]),
    "mend": _mend,  # the last one: it changes the session most
}
"""Each is called with the session's folder and an empty one for what it writes."""

TRUTH = {
    "t_ns": START,
    "player": {"health": 1.0, "stamina": 1.0, "heals": 3, "skill_ready": True, "state": "idle"},
    "boss": {"stage": "idle", "kind": "none", "impact_ms": -1},
    "distance": 3.0,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A session with two videos, all kinds of events, explanations, flags and a log of true states."""
    folder = tmp_path_factory.mktemp("whole") / "s"
    rng = np.random.default_rng(0)
    with SessionWriter(folder, game="arena", title="t", width=SIZE[0], height=SIZE[1], fps=30, segment_s=0.6) as writer:
        for i in range(36):
            t_ns = START + i * 33_333_333
            writer.frame(rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8), t_ns)
            for kind, key in (("key", "w"), ("button", "mouse_left")):
                writer.event(EventRow(t_ns=t_ns + 5 * MS, kind=kind, key=key, down=i % 4 < 2))
            writer.event(MotionRow(t_ns=t_ns, x=i, y=i))
            writer.event(LookRow(t_ns=t_ns, dx=0.5, dy=i))
        for event in (
            ScrollRow(t_ns=START, dx=0, dy=1),
            FocusRow(t_ns=START + 200 * MS, focused=False),
            FocusRow(t_ns=START + 210 * MS, focused=True),
            WindowRow(t_ns=START, x=0, y=0, width=320, height=180),
            PauseRow(t_ns=START + 400 * MS, paused=True, why="idle"),
            PauseRow(t_ns=START + 405 * MS, paused=False, why="idle"),
            MarkRow(t_ns=START, label="here"),
        ):
            writer.event(event)
    plan = "<move_forward><t100>"
    rows = [ExplanationRow(t_ns=START + i * 100 * MS, frame=i, plan=plan, steps=("go",), by="truth") for i in range(4)]
    (folder / "explanations.jsonl").write_bytes(b"".join(map(line, rows)))
    (folder / "flags.jsonl").write_bytes(line(FlagRow(begin_ns=START, end_ns=START + 50 * MS, why="menu")) * 2)
    states = [{**TRUTH, "t_ns": START + i * 50 * MS} for i in range(12)]
    (folder / "truth.jsonl").write_text("".join(json.dumps(state) + "\n" for state in states))
    return folder


# -- damages: each takes the random numbers and the bytes of a file, and gives what stands in it then ---------------

ODD = [
    "10" * 20,
    "-1",
    "1e400",
    "-0.5",
    "NaN",
    "Infinity",
    "null",
    "true",
    '""',
    '"\\ud800"',
    '"../../etc/passwd"',
    '"\\u0000"',
    "[]",
    "{}",
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    '"' + "x" * 100_000 + '"',
    str(2**31),
    str(2**62 - 1),
    str(2**40 - 1),
    "9" * 5000,
]
"""Values, as they would stand in JSON."""


def flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 3, 30]) if data else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def cut_out(rng: random.Random, data: bytes) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + data[b:]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice([1, 40, 4000])) + data[at:]


def nothing(rng: random.Random, data: bytes) -> bytes:
    return b""


def noise(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(2000)


def twice(rng: random.Random, data: bytes) -> bytes:
    return data + data


def shuffle_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def swap_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        a, b = (rng.randrange(len(lines)) for _ in range(2))
        lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def drop_lines(rng: random.Random, data: bytes) -> bytes:
    return b"".join(text for text in data.splitlines(keepends=True) if rng.random() < 0.7)


def odd_value(rng: random.Random, data: bytes) -> bytes:
    """One value of one line becomes another one, or goes, or has a neighbour that nobody knows."""
    lines = data.decode("utf-8", "replace").splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines)) if len(lines) > 1 else 0
    text = data.decode("utf-8", "replace") if data.startswith(b"{\n") else lines[at]  # session.json is one value
    try:
        row = json.loads(text)
        key = rng.choice(sorted(row))
    except (ValueError, TypeError, IndexError, RecursionError):  # an earlier damage was here
        return data
    how = rng.random()
    if how < 0.1:
        del row[key]
    elif how < 0.2:
        row["other"] = 1
    else:
        row[key] = "@@"
    changed = json.dumps(row).replace('"@@"', rng.choice(ODD)) + "\n"
    return (changed if text is not lines[at] else "".join([*lines[:at], changed, *lines[at + 1 :]])).encode(
        "utf-8", "surrogatepass"
    )


def odd_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(ODD).encode() + b"\n")
    return b"".join(lines)


ANY = [flip, truncate, cut_out, insert, nothing, noise, twice]
LINES = [shuffle_lines, swap_lines, drop_lines, odd_value, odd_value, odd_value, odd_line]


def damage(rng: random.Random, folder: Path) -> list[str]:
    """Damages one to three files; says how."""
    done = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        path = rng.choice(sorted(p for p in folder.iterdir() if p.is_file()))
        if rng.random() < 0.05:
            path.unlink()
            done.append(f"{path.name} deleted")
            if rng.random() < 0.3:
                path.mkdir()
            continue
        how = rng.choice(ANY if path.suffix == ".mkv" else [*ANY, *LINES, *LINES])
        path.write_bytes(how(rng, path.read_bytes()))
        done.append(f"{path.name}: {how.__name__}")
    return done


def read_all(folder: Path, out: Path, done: object) -> None:
    for name, read in READERS.items():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        try:
            read(folder, out)
        except UserError as error:
            assert str(error) and "\n" not in str(error), f"{name} after {done}: more than a sentence"
        except Exception as error:
            raise AssertionError(f"{name} after {done}") from error


def run_cases(whole: Path, tmp_path: Path, numbers: range) -> None:
    for number in numbers:
        rng = random.Random(number)
        folder = tmp_path / "s"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        read_all(folder, tmp_path / "out", (number, damage(rng, folder)))


def test_a_whole_session_is_read_by_all(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    for read in READERS.values():
        (tmp_path / "out").mkdir(exist_ok=True)
        read(tmp_path / "s", tmp_path / "out")


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_damaged_sessions(whole, tmp_path, first):
    run_cases(whole, tmp_path, range(first, first + 20))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 2600, 200))
def test_many_damaged_sessions(whole, tmp_path, first):
    run_cases(whole, tmp_path, range(first, first + 200))


def test_a_session_of_several_videos_that_says_it_is_of_version_1(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    info = json.loads((whole / "session.json").read_text())
    (tmp_path / "s" / "session.json").write_text(json.dumps({**info, "version": 1}))
    read_all(tmp_path / "s", tmp_path / "out", "version 1")


CHECK = """
import resource, sys
from combatvla.cli import main
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
sys.exit(main(["tracker", "check", sys.argv[1]]))
"""


def check_in_3_gib(folder: Path) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, "-c", CHECK, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr and "Memory" not in done.stderr, done.stderr
    return done


def test_no_memory_for_what_a_damaged_line_claims(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    frames = (whole / "frames.jsonl").read_text().splitlines()
    for name, value in (("index", 10**30), ("index", 2**40 - 1), ("segment", 2**40 - 1), ("pts", 2**40 - 1)):
        last = json.dumps({**json.loads(frames[-1]), name: value})
        (tmp_path / "s" / "frames.jsonl").write_text("\n".join([*frames[:-1], last]) + "\n")
        assert check_in_3_gib(tmp_path / "s").returncode in (0, 1)
    shutil.copy(whole / "frames.jsonl", tmp_path / "s")
    info = json.loads((whole / "session.json").read_text())
    (tmp_path / "s" / "session.json").write_text(json.dumps({**info, "width": 100_000, "height": 100_000}))
    assert check_in_3_gib(tmp_path / "s").returncode == 2


def test_no_memory_for_what_a_damaged_video_claims(whole, tmp_path):
    """The width in the header of the file, and one in the stream itself."""
    shutil.copytree(whole, tmp_path / "s")
    video = tmp_path / "s" / "video-00000.mkv"
    header = bytes([0xB0, 0x82]) + SIZE[0].to_bytes(2, "big")  # PixelWidth
    assert video.read_bytes().count(header) == 1
    video.write_bytes(video.read_bytes().replace(header, bytes([0xB0, 0x82, 0xFF, 0xFF])))
    check_in_3_gib(tmp_path / "s")
    with SessionWriter(tmp_path / "big", game="arena", title="t", width=4096, height=4096, fps=30) as writer:
        writer.frame(np.zeros((4096, 4096, 3), np.uint8), START)
    shutil.copy(tmp_path / "big" / "video-00000.mkv", video)
    assert {row.segment for row, _ in Session(tmp_path / "s").decoded()} == {1}, "the large one is not decoded"
    check_in_3_gib(tmp_path / "s")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["session.json", "segments.jsonl", "frames.jsonl", "events.jsonl", "explanations.jsonl"]
)
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_any_value_anywhere(whole, tmp_path, name, value):
    """Each value of a line in turn, in all of its lines."""
    text = (whole / name).read_text()
    rows = [json.loads(text)] if name.endswith(".json") else [json.loads(row) for row in text.splitlines()]
    for key in rows[0]:
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "s")
        changed = [json.dumps({**row, key: "@@"}).replace('"@@"', value) for row in rows]
        (tmp_path / "s" / name).write_text("".join(row + "\n" for row in changed))
        read_all(tmp_path / "s", tmp_path / "out", (name, key, value[:40]))
