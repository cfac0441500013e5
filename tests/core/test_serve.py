"""`combatvla serve` leaves nothing of its server behind, however it ends; vLLM is played by a process with a child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.helpers import until

SERVER = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(os.getpid(), engine.pid, flush=True)
    time.sleep(float(sys.argv[1]))
"""
SERVE = """
    import os, sys
    from combatvla.policy.serve import run_whole
    sys.exit(run_whole([sys.executable, *sys.argv[1:]], dict(os.environ)))
"""


def start(seconds: str) -> tuple[subprocess.Popen, int, int]:
    """Whatever serves, and the processes of the server and of its engine."""
    line = [sys.executable, "-c", textwrap.dedent(SERVE), "-c", textwrap.dedent(SERVER), seconds]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    server, engine = map(int, process.stdout.readline().split())
    return process, server, engine


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("who", "number", "status"),
    [
        ("serve", signal.SIGKILL, -9),
        ("server", signal.SIGKILL, 137),
        ("serve", signal.SIGTERM, 7),
        ("nobody", 0, 0),
    ],
)
def test_nothing_is_left(who, number, status):
    process, server, engine = start("0.3" if who == "nobody" else "600")
    if who != "nobody":
        assert not ended(server) and not ended(engine)
        os.kill(process.pid if who == "serve" else server, number)
    assert process.wait(20) == status
    until(lambda: ended(server) and ended(engine))
    process.stdout.close()
