"""Work in several processes at once, its results in order, and how much memory it took."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing.connection import Connection
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
    context = multiprocessing.get_context("spawn")
    told, end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(told,))
    waiting: deque[Future] = deque()
    try:
        for task in tasks:
            with _without_interrupts():  # a process that is begun here is never interrupted: this one tells it to end
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
    except BaseException:  # Ctrl-C, a full disk: nobody waits for the rest
        end.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        end.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits meanwhile, and does not reach processes that are begun meanwhile: those keep the mask."""
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    # A thread that blocks nothing may take the signal, whose handler then runs here: so that waits as well.
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin(told: Connection) -> None:
    import cv2

    cv2.setNumThreads(1)  # there is a process for each core
    threading.Thread(target=_end, args=(told,), daemon=True).start()


def _end(told: Connection) -> None:
    """Ends this process when the other end of `told` is closed, also by `kill -9` of the process that holds it: or this
    one would wait for work for ever."""
    with suppress(EOFError, OSError):
        told.recv()
    os._exit(1)


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
