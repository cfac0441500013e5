"""One recorded fight for all tests of the tracker that need a real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers import run_command


@pytest.fixture(scope="session")
def recorded_fight(tmp_path_factory, display) -> Path:
    """Ten seconds of the reference player in a small Arena window, with the log of true states. Not to be written to:
    take `fight`."""
    folder = tmp_path_factory.mktemp("recorded") / "fight"
    done = run_command(
        *("tracker", "demonstrate", "--out", str(folder), "--seed", "3", "--seconds", "10", "--size", "640x360")
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def fight(recorded_fight: Path, tmp_path: Path) -> Path:
    """A copy of it of the test's own."""
    copy = tmp_path / "fight"
    copy.mkdir()
    for file in recorded_fight.iterdir():
        os.link(file, copy / file.name)
    return copy
