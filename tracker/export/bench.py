"""How fast and in how much memory a long recording is exported.

A recording of ten hours is put together from one real video, over and over (as links to the same file), with lists of
its own: pictures at the frame rate, the mouse 125 times a second, some six changes of keys a second.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from combatvla.errors import UserError
from combatvla.profiles import GameProfile, HudBar, load_profile
from tracker.export.pool import cores
from tracker.rows import SegmentRow, line
from tracker.session import Session
from tracker.writer import SessionWriter

MOUSE_HZ = 125
CHANGES_HZ = 6
START_NS = 10**12


def measure(
    hours: float = 10.0,
    *,
    fps: int = 60,
    size: tuple[int, int] = (1280, 720),
    segment_s: float = 600.0,
    source: Path | None = None,
    jobs: int | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Exports a recording of so many hours as chat rows and for LeRobot, and checks it; each in a process of its own.
    It is a number of equal videos, of `segment_s` at most. `source`: a recorded session whose first video is used
    instead of a drawn one of `size`; the recording then lasts as many hours as whole ones of it come nearest to.
    `folder`: where there is room for it (at 720p60 some 15 GB of LeRobot videos for ten hours), by default the
    system's for temporary files. Memory is that of all processes together."""
    jobs = jobs or cores()
    with tempfile.TemporaryDirectory(dir=folder, prefix="combatvla-export-bench-") as name:
        root = Path(name)
        if source is None:
            source = root / "one"
            draw(source, hours * 3600 / math.ceil(hours * 3600 / segment_s), fps, size)
        recorded_s = lengthen(source, root / "long", hours * 3600)
        figures: dict[str, Any] = {"hours": round(recorded_s / 3600, 3), "jobs": jobs}
        for to, key in (("chat", "export"), ("lerobot", "lerobot")):
            command = ["export", str(root / "long"), "--out", str(root / to), "--to", to, "--jobs", str(jobs), "--json"]
            done, _ = _run(command)
            told = json.loads(done)
            figures[f"{key}_times_real_time"] = told["times_real_time"]
            figures[f"{key}_peak_mb"] = told["peak_mb"]
            figures[f"{key}_{'samples' if to == 'chat' else 'frames'}"] = told["samples" if to == "chat" else "frames"]
            shutil.rmtree(root / to)
        _, figures["check_peak_mb"] = _run(["check", str(root / "long")], may_end_with=(0, 1))
    return figures


def _run(command: list[str], may_end_with: tuple[int, ...] = (0,)) -> tuple[str, float]:
    """The last line that a `combatvla tracker` command prints, and the most memory it had in MiB, alone."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen([sys.executable, "-m", "combatvla", "tracker", *command], stdout=out, stderr=errors)
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if running.returncode not in may_end_with:
            raise UserError(f"tracker {command[0]} failed: {(errors.read().strip().splitlines() or ['?'])[-1]}")
        lines = out.read().splitlines()
        return (lines or [""])[-1], usage.ru_maxrss / 1024


def draw(folder: Path, seconds: float, fps: int, size: tuple[int, int]) -> None:
    """A session of one video in which a fine-grained ground moves under the bars of the Arena's HUD."""
    width, height = size
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(40, 200, (height // 8, width // 4, 3), np.uint8), (2 * width, height))
    ground = cv2.add(coarse, rng.integers(0, 12, coarse.shape, np.uint8))
    profile = load_profile("arena")
    with SessionWriter(
        folder, game="arena", title="drawn", width=width, height=height, fps=fps, segment_s=10 * seconds
    ) as writer:
        for i in range(int(seconds * fps)):
            t = i / fps
            x = int((np.sin(t / 3) + 1) / 2 * width)
            picture = ground[:, x : x + width].copy()
            place = (int(width * (0.5 + 0.3 * np.sin(t))), int(height * (0.6 + 0.2 * np.sin(1.7 * t))))
            cv2.circle(picture, place, height // 8, (200, 60, 40), -1)
            _draw_bars(picture, profile, 1 - (t % 60) / 80)
            writer.frame(picture, START_NS + i * 10**9 // fps)


def _draw_bars(picture: np.ndarray, profile: GameProfile, share: float) -> None:
    height, width = picture.shape[:2]
    for bar in profile.hud.values():
        if isinstance(bar, HudBar):
            x, y, w, h = (round(v) for v in (bar.x * width, bar.y * height, bar.w * width, bar.h * height))
            picture[y : y + h, x : x + w] = bar.back
            picture[y : y + h, x : x + int(w * share)] = bar.color


def lengthen(source: Path, folder: Path, seconds: float) -> float:
    """A session in `folder` that plays the first video of `source` until `seconds` have passed; returns how many did.
    Inputs are made up."""
    session = Session(source)
    times = session.frames.t_ns[session.frames.segment == 0]
    if not len(times):
        raise UserError(f"{source} has no frames: name a session that `combatvla tracker record` made")
    offsets, pts = (times - times[0]).tolist(), session.frames.pts[: len(times)].tolist()
    lasts = offsets[-1] + int(1e9 / session.info.fps)
    count = max(1, round(seconds * 1e9 / lasts))
    folder.mkdir(parents=True)
    info = session.info.model_copy(update={"monotonic_ns": START_NS})
    (folder / "session.json").write_text(info.model_dump_json())
    video, first = source / session.segments[0].file, session.segments[0]
    keys = list(load_profile(info.game).keys.values())
    rng = random.Random(0)
    with ExitStack() as stack:
        lists = [stack.enter_context(open(folder / f"{n}.jsonl", "wb")) for n in ("segments", "frames", "events")]
        held: set[str] = set()
        index = 0
        for k in range(count):
            begin = START_NS + k * lasts
            file = f"video-{k:05d}.mkv"
            try:
                os.link(video, folder / file)
            except OSError:  # another file system
                shutil.copy(video, folder / file)
            row = SegmentRow(
                index=k, file=file, width=first.width, height=first.height, t_ns=begin, held=tuple(sorted(held))
            )
            lists[0].write(line(row))
            lists[1].writelines(
                b'{"index":%d,"pts":%d,"t_ns":%d,"segment":%d}\n' % (index + i, p, begin + t, k)
                for i, (p, t) in enumerate(zip(pts, offsets, strict=True))
            )
            index += len(pts)
            every = MOUSE_HZ // CHANGES_HZ
            for i, t in enumerate(range(begin, begin + lasts, 10**9 // MOUSE_HZ)):
                dx, dy = rng.randrange(-9, 10), rng.randrange(-5, 6)
                lists[2].write(b'{"t_ns":%d,"kind":"motion","x":%d,"y":%d}\n' % (t, 640 + dx, 360 + dy))
                lists[2].write(b'{"t_ns":%d,"kind":"look","dx":%d.0,"dy":%d.0}\n' % (t, dx, dy))
                if i % every == 0:
                    key = rng.choice(sorted(held)) if len(held) > 2 else rng.choice(keys)
                    kind, down = "button" if key.startswith("mouse") else "key", key not in held
                    (held.add if down else held.discard)(key)
                    lists[2].write(json.dumps({"t_ns": t + 1, "kind": kind, "key": key, "down": down}).encode() + b"\n")
    return count * lasts / 1e9
