"""`combatvla tracker bench`: what recording costs, beside a plain loop of mss and OpenCV in the same run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from combatvla.actions import Action
from combatvla.arguments import parse, parse_size
from combatvla.desktop.base import Desktop, Window
from combatvla.errors import UserError
from combatvla.report import emit, percentile, progress, table

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
WARM_S = 2.0
"""The first seconds of a recording do not count: programs load and memory is allocated."""


@dataclass
class Args:
    """Measures what recording costs: dropped pictures, their pace, and processor time beside a plain loop. Or how fast
    a long recording is exported.

    For example:

        combatvla tracker bench
        combatvla tracker bench --seconds 30 --json
        combatvla tracker bench --size 1920x1080 --fps 30
        combatvla tracker bench --what export --hours 0.5 --json

    A running Arena is recorded while keys are pressed in it, and in turns with that by a plain loop (mss, numpy, OpenCV
    with mp4v). Leave the machine alone meanwhile. Exported is a long recording put together from a short one, of the
    same size and pace, as chat rows and for LeRobot.
    """

    what: Literal["record", "export"] = "record"
    """What is measured."""
    hours: float = 10.0
    """export: the length of the recording."""
    seconds: float = 300.0
    """How long our recorder records, in all."""
    size: str = "1280x720"
    """Of the game's window, in pixels."""
    fps: int = 60
    """Pictures a second."""
    turns: int = 3
    """The two record by turns, so that what else the machine does strikes both."""
    json: bool = False
    """Prints the result as one JSON object on the last line."""


@contextmanager
def running_game(size: tuple[int, int]) -> Iterator[tuple[Desktop, Window]]:
    """The Arena in a window of `size`, on a display of our own where there is none."""
    from combatvla.desktop import open_desktop
    from combatvla.desktop.display import own_display
    from combatvla.profiles import load_profile

    with ExitStack() as stack:
        if not os.environ.get("DISPLAY"):
            stack.enter_context(own_display(*size))
        profile = load_profile("arena")
        command = [sys.executable, "-m", *shlex.split(profile.start), "--size", f"{size[0]}x{size[1]}"]
        game = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(game.wait)
        stack.callback(game.terminate)
        desktop = open_desktop()
        stack.callback(desktop.close)
        window = desktop.find_window(profile, wait_s=60, pid=game.pid)
        if not desktop.activate(window, timeout_s=5):
            raise UserError("the game's window does not get the focus: leave the machine alone and try again")
        yield desktop, desktop.geometry(window)


@contextmanager
def playing(desktop: Desktop, window: Window) -> Iterator[None]:
    """Presses keys in the window, as a person does: ten changes a second."""
    from combatvla.desktop.inject import GuardedInjector
    from combatvla.profiles import load_profile

    profile, stop = load_profile("arena"), threading.Event()
    turns = [Action.MOVE_FORWARD, Action.LIGHT_ATTACK, Action.DODGE, Action.MOVE_LEFT, Action.SPRINT, Action.MOVE_BACK]

    def play() -> None:
        with GuardedInjector(desktop, window, profile, armed=True) as injector:
            i = 0
            while not stop.wait(0.1):
                i += 1
                injector.set_held(frozenset({turns[i % len(turns)], turns[i // 3 % len(turns)]}))

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def record(folder: Path, fps: int, seconds: float) -> dict[str, Any]:
    """One recording by our recorder, in a process of its own."""
    command = [sys.executable, "-m", "combatvla", "tracker", "record", "--game", "arena", "--out", str(folder)]
    command += ["--fps", str(fps), "--stop-after", str(seconds + WARM_S), "--idle", "None", "--json"]
    recorder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    frames = folder / "frames.jsonl"
    while not (frames.is_file() and frames.stat().st_size):
        if recorder.poll() is not None:
            raise UserError(f"the recorder failed: {recorder.communicate()[1].strip().splitlines()[-1]}")
        time.sleep(0.01)
    time.sleep(WARM_S)
    before, began = cpu_seconds(recorder.pid), time.monotonic()
    time.sleep(max(0.0, seconds - 0.5))
    # (A recorder that has failed is still there to be asked, until it is waited for.)
    used, lasted = cpu_seconds(recorder.pid) - before, time.monotonic() - began
    out, error = recorder.communicate(timeout=120)
    if recorder.returncode:
        raise UserError(f"the recorder failed: {error.strip().splitlines()[-1]}")
    figures = json.loads(out.splitlines()[-1])
    return {**figures, "cpu_share": used / lasted, "cpu_ms_per_frame": 1000 * used / lasted / fps}


def plain(folder: Path, window: Window, fps: int, seconds: float) -> dict[str, Any]:
    """One recording by the plain loop, in a process of its own."""
    numbers = (window.x, window.y, window.width, window.height, fps, seconds)
    command = [sys.executable, "-m", "tracker.plain_loop", *map(str, numbers), str(folder / "plain.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise UserError(f"the plain loop failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def intervals_ms(folder: Path) -> list[float]:
    """From one picture of a session to the next, after the first seconds."""
    from tracker.session import Session

    times = [frame.t_ns for frame in Session(folder).frames]
    begin = times[0] + int(WARM_S * 1e9)
    return [(b - a) / 1e6 for a, b in zip(times, times[1:], strict=False) if a >= begin]


def measure(args: Args) -> dict[str, Any]:
    """The figures."""
    ours, theirs, gaps = [], [], []
    each = args.seconds / args.turns
    size = parse_size(args.size)
    with tempfile.TemporaryDirectory() as name, running_game(size) as (desktop, window), playing(desktop, window):
        with progress("recording", args.turns * 2) as advance:
            for turn in range(args.turns):
                folder = Path(name) / f"session-{turn}"
                ours.append(record(folder, args.fps, each))
                gaps += intervals_ms(folder)
                advance(note=f"{ours[-1]['cpu_share']:.0%} of a core")
                theirs.append(plain(Path(name), window, args.fps, min(each, 20.0)))
                advance(note=f"plain loop: {theirs[-1]['cpu_s'] / theirs[-1]['seconds']:.0%}")
    plain_ms = [1000 * run["cpu_s"] / max(1, run["frames"]) for run in theirs]
    return {
        "dropped_frames": sum(run["dropped"] for run in ours),
        "interval_ms_p99": percentile(gaps, 99),
        "interval_ms_p50": percentile(gaps, 50),
        "cpu_core_share": median(run["cpu_share"] for run in ours),
        "cost_vs_plain_loop": median(run["cpu_ms_per_frame"] / ms for run, ms in zip(ours, plain_ms, strict=True)),
        "cpu_ms_per_frame": median(run["cpu_ms_per_frame"] for run in ours),
        "plain_cpu_ms_per_frame": median(plain_ms),
        "plain_fps": median(run["frames"] / run["seconds"] for run in theirs),
        "capture_ms_p50": median(run["capture_ms_p50"] for run in ours),
        "frames": sum(run["frames"] for run in ours),
        "events": sum(run["events"] for run in ours),
        "fps": args.fps,
        "size": args.size,
        "seconds": args.seconds,
    }


def _bench_export(args: Args) -> int:
    from tracker.export.bench import measure as measure_export

    if args.hours <= 0:
        raise UserError(f"--hours: expected more than 0, got {args.hours:g}")
    figures = measure_export(args.hours, fps=args.fps, size=parse_size(args.size))
    rows = [[name.replace("_", " "), value] for name, value in figures.items()]
    table(f"exporting {figures['hours']:g} h of {args.size} at {args.fps}", ["figure", "value"], rows)
    emit(figures, as_json=args.json)
    return 0


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker bench")
    if args.what == "export":
        return _bench_export(args)
    if args.seconds < 3 * args.turns or args.turns < 1:
        raise UserError(f"--seconds: expected at least 3 a turn, got {args.seconds:g} in {args.turns} turns")
    figures = measure(args)
    rows = [
        ["pictures recorded", figures["frames"], ""],
        ["dropped", figures["dropped_frames"], ""],
        ["interval p50 / p99", f"{figures['interval_ms_p50']:.1f} / {figures['interval_ms_p99']:.1f} ms", ""],
        ["pictures a second", args.fps, f"{figures['plain_fps']:.1f}"],
        ["of one core", f"{figures['cpu_core_share']:.0%}", ""],
        ["a picture", f"{figures['cpu_ms_per_frame']:.2f} ms", f"{figures['plain_cpu_ms_per_frame']:.2f} ms"],
        ["of the plain loop's cost", f"{figures['cost_vs_plain_loop']:.2f}", "1"],
        ["capture p50", f"{figures['capture_ms_p50']:.2f} ms", ""],
    ]
    table(f"recording {figures['size']} at {args.fps}", ["", "combatvla", "plain loop"], rows)
    emit(figures, as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
