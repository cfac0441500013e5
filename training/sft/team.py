"""Several processes that train one model on a CPU, each on its share of every batch.

A tiny model's kernels are too short to share among threads: each would wait for the others thousands of times a step,
and far longer when another program uses a core. Processes meet once a step, when their gradients are averaged.
"""

from __future__ import annotations

import multiprocessing as mp
import os
from collections.abc import Callable, Sequence
from threading import BrokenBarrierError

import torch

PATIENCE_S = 900.0
"""How long a process waits for the others (one of them measures and saves meanwhile)."""


class Team:
    """`size` forked processes; the caller is rank 0. All parameters' gradients live in one shared buffer."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], size: int):
        self.size, self.rank = size, 0
        self.parameters = list(parameters)
        total = sum(p.numel() for p in self.parameters)
        device = self.parameters[0].device
        # One more number a row: what rank 0 wants all to agree on.
        self.rows = torch.zeros(size, total + 1, device=device)
        self.others: list[mp.process.BaseProcess] = []
        if size > 1:
            self.rows.share_memory_()
            self.context = mp.get_context("fork")
            self.barrier = self.context.Barrier(size)
        self._own_gradients()

    def _own_gradients(self) -> None:
        """Makes every `p.grad` a view into this rank's row, so that `backward` writes there."""
        self.row, start = self.rows[self.rank], 0
        for p in self.parameters:
            p.grad = self.row[start : start + p.numel()].view_as(p)
            start += p.numel()

    def start(self, work: Callable[[], object]) -> None:
        """Starts the other ranks, each of which calls `work`. Call it once, before any thread pool exists."""
        for rank in range(1, self.size):
            process = self.context.Process(target=self._run, args=(rank, work), daemon=True)
            process.start()
            self.others.append(process)

    def _run(self, rank: int, work: Callable[[], object]) -> None:
        self.rank, self.others = rank, []
        torch.set_num_threads(1)
        self._own_gradients()
        try:
            work()
        except (KeyboardInterrupt, BrokenBarrierError):  # rank 0 tells the user
            os._exit(1)
        except BaseException:
            self.barrier.abort()  # rank 0 need not wait out its patience
            raise

    def average(self, word: float) -> float:
        """Averages the gradients of all ranks in place; returns rank 0's `word` to every rank."""
        if self.size == 1:
            return word
        self.row[-1] = word
        self._meet()
        word = float(self.rows[0, -1])
        mean = self.rows.mean(0)
        self._meet()
        self.row.copy_(mean)
        return word

    def clip(self, most: float) -> torch.Tensor:
        """Scales the gradient to a norm of at most `most`; returns the norm it had."""
        gradient = self.row[:-1]
        norm = gradient.norm()
        gradient.mul_((most / (norm + 1e-6)).clamp(max=1.0))
        return norm

    def _meet(self) -> None:
        try:
            self.barrier.wait(PATIENCE_S)
        except BrokenBarrierError:
            if self.rank == 0:
                raise RuntimeError("a training process died; resume with --resume, perhaps with --threads 1") from None
            raise

    def close(self) -> None:
        """Ends the other ranks."""
        if self.size > 1 and self.rank == 0:
            self.barrier.abort()
            for process in self.others:
                process.join(5)
                if process.is_alive():
                    process.terminate()
