"""Same task, seed and actions: the same states and pictures, to the bit, in another process and on another machine."""

import os
import subprocess
import sys

import pytest

from env.arena import pixels
from env.tasks import task_names

OTHER_MACHINE = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",  # the C library's sine and its like, in other code
    "NUMBA_CPU_NAME": "generic",  # the rules compiled for the least of all machines
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX,FP16",
}


@pytest.mark.parametrize("extra", [{}, OTHER_MACHINE], ids=["another process", "as if on another machine"])
def test_fingerprints_are_the_committed_ones(extra):
    """After a change of rules or drawing that is wanted: `python -m env.arena.pixels --write`."""
    done = subprocess.run(
        [sys.executable, "-m", "env.arena.pixels"], capture_output=True, text=True, env={**os.environ, **extra}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_fight_has_a_fingerprint_of_its_own():
    committed = pixels.committed()
    assert list(committed) == task_names()
    assert len({print for both in committed.values() for print in both.values()}) == 2 * len(committed)


def test_differences_are_named():
    one = {"first": {"states": "a", "pictures": "b"}}
    assert pixels.differences(one, one) == []
    assert pixels.differences({"first": {"states": "a", "pictures": "c"}}, one) == ["pictures of first"]
    assert pixels.differences({}, one) == ["states of first", "pictures of first"]
    assert pixels.differences({**one, "new": one["first"]}, one) == ["states of new", "pictures of new"]
