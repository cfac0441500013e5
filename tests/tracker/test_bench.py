"""What recording costs: the real recorder and the real plain loop beside a running Arena."""

from __future__ import annotations

import json
import os
import time

import pytest

from combatvla.errors import UserError
from tests.helpers import run_command
from tracker.bench import cpu_seconds, main
from tracker.export.bench import measure


def test_the_figures_are_those_of_real_recordings():
    done = run_command("tracker", "bench", "--seconds", "3", "--turns", "1", "--json", timeout=240)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert {"dropped_frames", "interval_ms_p99", "cpu_core_share", "cost_vs_plain_loop", "capture_ms_p50"} <= set(
        figures
    )
    assert figures["frames"] + figures["dropped_frames"] >= 3 * 60 and figures["events"] > 10
    assert 0 < figures["cpu_core_share"] < 2 and 0 < figures["cost_vs_plain_loop"]
    assert figures["interval_ms_p99"] >= figures["interval_ms_p50"] > 5


def test_processor_time_is_that_of_the_process():
    before, until = cpu_seconds(os.getpid()), time.process_time() + 0.3
    while time.process_time() < until:
        pass
    assert 0.25 < cpu_seconds(os.getpid()) - before < 1.0


@pytest.mark.parametrize("hours", [0.002, 0.004])
def test_so_much_is_exported_as_was_asked(hours):
    """Less than a video, and no whole number of videos: the page names the command by the hours that were measured."""
    figures = measure(hours, fps=10, size=(320, 180), segment_s=10, jobs=1)
    assert figures["hours"] == hours and figures["lerobot_frames"] == pytest.approx(hours * 36_000, abs=2)
    assert figures["export_times_real_time"] > 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["--seconds", "1"], "at least 3 a turn"), (["--turns", "0"], "at least 3"), (["--size", "big"], "1280x720")],
)
def test_bad_arguments_are_told(argv, said):
    with pytest.raises(UserError, match=said):
        main(argv)
