"""Work in several processes at once, its results in order, and how much memory it took."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import TypeVar

from combatvla.errors import UserError

TaskT, ResultT = TypeVar("TaskT"), TypeVar("ResultT")


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    work: Callable[[TaskT], ResultT], tasks: Iterable[TaskT], jobs: int, peaks: dict[int, float]
) -> Iterator[ResultT]:
    """`work` of each task, in order, by `jobs` processes (1, or a single task: by this one). Only few tasks are asked
    for ahead of the results. What `work` raises is raised here. `peaks`: the most memory of each process, by its id, is
    put into it. `UserError` when a process was killed."""
    ahead = iter(tasks)
    first = list(islice(ahead, 2))
    tasks = chain(first, ahead)
    if jobs == 1 or len(first) < 2:
        for task in tasks:
            result = work(task)
            peaks[os.getpid()] = peak_mb()
            yield result
        return
    # Begun anew rather than forked: they share no threads and no memory with this one.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: deque[Future] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(_measured, work, task))
            while len(waiting) > 2 * jobs or (waiting and waiting[0].done()):
                yield _result(waiting.popleft(), peaks)
        while waiting:
            yield _result(waiting.popleft(), peaks)
        peaks[os.getpid()] = peak_mb()
    except BrokenProcessPool as error:
        raise UserError(
            "one of the export's processes was killed, as when memory runs out: try again with --jobs 1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    import cv2

    cv2.setNumThreads(1)  # there is a process for each core


def _measured(work: Callable, task: object) -> tuple[object, int, float]:
    return work(task), os.getpid(), peak_mb()


def _result(future: Future, peaks: dict[int, float]) -> object:
    result, pid, peak = future.result()
    peaks[pid] = peak
    return result


def peak_mb() -> float:
    """The most memory that this process has had so far, in MiB."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 1024)
