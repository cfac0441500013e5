"""The processes of an export: what ends the command ends them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.helpers import start_command, until
from tests.tracker.play import play
from tracker.export import chat
from tracker.export.pool import in_order


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_the_processes_end_with_the_command(tmp_path, how, status):
    play(tmp_path / "s", 8, segment_s=1)
    argv = ["tracker", "export", str(tmp_path / "s"), "--out", str(tmp_path / "d"), "--jobs", "2", "--keep-menus"]
    running = start_command(*argv, start_new_session=True)
    until(lambda: len(children(running.pid)) >= 3, 60)  # the two, and what Python keeps beside them
    begun = children(running.pid)
    if how == signal.SIGINT:
        os.killpg(running.pid, how)  # as a terminal does it
    else:
        running.kill()
    _, said = running.communicate(timeout=60)
    until(lambda: not any(map(runs, begun)), 30)
    assert running.returncode == status
    if how == signal.SIGINT:  # (one that -9 finds in its first moment has Python complain of the command that is gone)
        assert "Traceback" not in said and said.strip().splitlines()[-1] == "combatvla: interrupted"


def test_results_come_in_order_and_work_is_asked_for_late():
    asked: list[int] = []

    def tasks():
        for i in range(20):
            asked.append(i)
            yield i

    peaks: dict[int, float] = {}
    for i, result in enumerate(in_order(abs, tasks(), 2, peaks)):
        assert result == i and len(asked) <= i + 7
    assert len(asked) == 20 and len(peaks) >= 2


def test_one_video_is_shared_out(tmp_path, monkeypatch):
    """A session of a single video is exported by several processes, too, and nothing is lost at the borders."""
    from combatvla.profiles import load_profile
    from tracker.align import Alignment

    session = play(tmp_path / "s", 8)
    options, profile = chat.ChatOptions(frames=3, keep_menus=True, keep_repeated=True), load_profile("arena")

    def made(part_s: int) -> tuple[int, list]:
        monkeypatch.setattr(chat, "PART_S", part_s)
        counts = Alignment()
        parts = sum(1 for _ in chat.parts(session, profile, options, Alignment()))
        return parts, list(chat.rows(session, profile, options, None, counts))

    (one, whole), (four, pieces) = made(60), made(2)
    assert (one, four) == (1, 4) and whole == pieces and len(whole) > 20
