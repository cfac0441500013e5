"""A policy in a process of its own: it decides while the fight goes on, and never holds up a picture."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from combatvla.errors import UserError
from combatvla.policy.base import Decision, Frame

EXPLAIN_MS = 90
"""The reason must be told so soon after the picture; the next decision does not wait for it."""


class Thought(NamedTuple):
    """What a mind answers to a look."""

    decision: Decision
    took_ms: float
    """From the picture to the plan, the way of the picture to the policy's process included."""


class Mind:
    """Starts the process and loads the policy there. `UserError` when that fails, or when the process ends later."""

    def __init__(self, policy: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, policy), name="mind", daemon=True)
        self._process.start()
        theirs.close()
        self._asked = 0
        self.busy = False
        """Whether it thinks about a look, or tells its reason: also about one of a fight that is over."""
        self.wants_pictures, self.needs_truth = self._receive()

    def begin(self, seed: int) -> None:
        """Another fight; what is still thought about the last one is dropped."""
        self._asked += 1
        self._send(("begin", seed))

    def look(self, pixels: np.ndarray | None, truth: dict[str, Any] | None) -> None:
        """Asks for a decision from the picture of the moment, `uint8[H, W, 3]`, or from the true state."""
        self._asked += 1
        shape = None if pixels is None else pixels.shape
        self._send(("look", self._asked, time.monotonic_ns(), shape, truth), pixels)
        self.busy = True

    def hear(self) -> Thought | str | None:
        """What has come since the last call: a decision, then perhaps its reason; None while it thinks."""
        while self._poll():
            asked, kind, value = self._receive()
            if kind == "reason":  # the last word about a look
                self.busy = False
            if asked == self._asked and value:  # not about a fight that is over
                return value
        return None

    def close(self) -> None:
        self._pipe.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _send(self, message: tuple, pixels: np.ndarray | None = None) -> None:
        try:
            self._pipe.send(message)
            if pixels is not None:
                self._pipe.send_bytes(pixels.reshape(-1))  # of more dimensions it would send the first alone
        except OSError as error:
            raise self._ended() from error

    def _poll(self) -> bool:
        try:
            return self._pipe.poll()
        except OSError as error:
            raise self._ended() from error

    def _receive(self) -> tuple:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, UserError):
            raise answer
        return answer

    def _ended(self) -> UserError:
        self._process.join(2)
        return UserError(
            f"the process of the policy ended (exit status {self._process.exitcode}); what it printed stands above"
        )


def _serve(pipe: Connection, name: str) -> None:
    """The process: answers `Mind` until it closes the pipe."""
    from env.players import make_player

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C ends the game, and the game ends the policy
    try:
        policy = make_player(name)
    except UserError as error:
        pipe.send(error)
        return
    explain = getattr(policy, "explain_last", None)
    frames: deque[Frame] = deque(maxlen=max(1, policy.frames_per_decision))
    pipe.send((policy.frames_per_decision > 0, policy.needs_truth))
    while True:
        try:
            kind, *told = pipe.recv()
            if kind == "begin":
                policy.reset(told[0])
                frames.clear()
                continue
            asked, t_ns, shape, truth = told
            if shape is not None:
                frames.append(Frame(np.frombuffer(pipe.recv_bytes(), np.uint8).reshape(shape), t_ns))
            decision = policy.decide(list(frames), truth=truth)
            # Timed here: whoever asked may hear of it late, as after a pause.
            pipe.send((asked, "decision", Thought(decision, (time.monotonic_ns() - t_ns) / 1e6)))
            pipe.send((asked, "reason", explain(deadline_ns=t_ns + EXPLAIN_MS * 1_000_000) if explain else None))
        except (EOFError, OSError):
            return  # the game is over
