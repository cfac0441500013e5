"""How a window keeps up: pictures a second, how evenly they come, and what of a core they take."""

from __future__ import annotations

import math
import time
from typing import Any

from combatvla.actions import WAIT_PLAN, Action
from combatvla.errors import UserError
from combatvla.report import percentile
from env.arena.fight import TICK_MS, Fight
from env.arena.match import Match
from env.arena.sound import Sounds
from env.arena.state import PERIOD_TICKS, TICK_HZ
from env.arena.window import ArenaWindow
from env.players import best_plan
from env.tasks import Task

WARM_UP_S = 1.0


class Oracle:
    """Plays a `Match` by the true state, ten decisions a second, so that there is a fight to draw."""

    def __init__(self) -> None:
        self._plan, self._began = WAIT_PLAN, 0

    def __call__(self, fight: Fight, keys: frozenset[Action]) -> frozenset[Action]:
        if fight.tick_count % PERIOD_TICKS == 0:
            self._plan, self._began = best_plan(fight.truth(), foresight=True), fight.tick_count
        return self._plan.held_at((fight.tick_count - self._began) * TICK_MS)


def measure(window: ArenaWindow, task: Task, seed: int, sounds: Sounds, fps: int, seconds: float) -> dict[str, Any]:
    """Fights for `seconds` after a second of warming up. `fps`: the wanted pictures a second."""
    drawn: list[tuple[int, float]] = []  # when each picture was done, and the processor time used until then

    def on_drawn(now_ns: int) -> None:
        drawn.append((now_ns, time.process_time()))
        if now_ns - drawn[0][0] > (WARM_UP_S + seconds) * 1e9:
            match.ended = True

    match = Match(window, task, seed, Oracle(), sounds, fights=math.inf, fps=fps, plain=True, on_drawn=on_drawn)
    match.run()
    drawn = [row for row in drawn if row[0] - drawn[0][0] >= WARM_UP_S * 1e9]
    times = [now / 1e6 for now, _ in drawn]
    intervals = [b - a for a, b in zip(times, times[1:], strict=False)]
    if not match.ended or not intervals:
        raise UserError("the window was closed before its figures stood: leave it open until it closes by itself")
    lasted_s = (times[-1] - times[0]) / 1000
    width, height = window.size
    return {
        "task": task.name,
        "width": width,
        "height": height,
        "seconds": round(lasted_s, 2),
        "fps": round(len(intervals) / lasted_s, 2),
        "frame_ms_p50": round(percentile(intervals, 50), 2),
        "frame_ms_p95": round(percentile(intervals, 95), 2),
        "frame_ms_max": round(max(intervals), 2),
        "late_frames": sum(ms > 1.5 * 1000 / min(fps, TICK_HZ) for ms in intervals),
        "core_share": round((drawn[-1][1] - drawn[0][1]) / lasted_s, 3),
        "sound": sounds.audible,
    }
