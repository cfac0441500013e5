"""The kill drill: a recorder is killed with -9 at random moments, and what is left is compared with what was sent."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from combatvla.actions import Action
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.limits import UNLIMITED
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from combatvla.report import Advance, percentile
from tracker.align import MS
from tracker.bench import running_game
from tracker.check import check
from tracker.drill.alignment import LANES, recording
from tracker.drill.presses import Change, Presser
from tracker.session import Session

MOMENTS_S = (0.3, 2.0)
"""A recorder is killed so long after its first picture: within one cluster of its video, or after several."""
TIC_MS = 20.0


@dataclass
class Left:
    """What a killed recorder left."""

    opened: bool = False
    said: str = ""
    """What is wrong with it, if it does not open."""
    video_lost_ms: float | None = None
    """From the last picture that can be read until the kill."""
    events_lost_ms: float | None = None
    """From the first input that is not in the session until the kill; 0 when all are there."""


def lost_ms(sent: Sequence[Change], session: Session, keys: dict[Action, str], killed_ns: int) -> float:
    """How long before the kill the first of the inputs was sent that the session does not hold. `ValueError` when it
    holds one that was not sent."""
    sent_by, held_by = defaultdict(list), defaultdict(list)
    for change in sent:
        sent_by[keys[change.action]].append(change)
    for event in session.events:
        held_by[event.key].append(event.down)
    first = killed_ns
    for key in sent_by.keys() | held_by.keys():
        was, is_ = sent_by[key], held_by[key]
        if [change.down for change in was[: len(is_)]] != is_:
            raise ValueError(f"{key} was sent {len(was)} times and recorded {len(is_)} times, in another order")
        first = min([first, *(change.t_ns for change in was[len(is_) :])])
    return (killed_ns - first) / MS


def look(folder: Path, sent: Sequence[Change], keys: dict[Action, str], killed_ns: int) -> Left:
    """Opens what is left as `tracker check` does."""
    left = Left()
    try:
        session = Session(folder)
        check(folder)
        times = [row.t_ns for row, _ in session.decoded()]
        left.events_lost_ms = lost_ms(sent, session, keys, killed_ns)
    except (UserError, ValueError) as error:
        left.said = str(error)
        return left
    if not times:
        left.said = "no picture can be read"
        return left
    left.opened, left.video_lost_ms = True, (killed_ns - times[-1]) / MS
    return left


@contextmanager
def pressing(injector: GuardedInjector, actions: Sequence[Action], seed: int) -> Iterator[Presser]:
    """Presses keys meanwhile, at the pace of the clock."""
    began, stop = time.monotonic(), threading.Event()
    lanes = [[a for a in lane if a in actions] for lane in LANES]
    presser = Presser(
        injector,
        [lane for lane in lanes if lane],
        lambda: int((time.monotonic() - began) * 1000 / TIC_MS),
        TIC_MS,
        hold=(2, 15),
        rest=(2, 15),
        seed=seed,
    )
    thread = threading.Thread(target=presser.run, args=(float("inf"), stop), daemon=True)
    thread.start()
    try:
        yield presser
    finally:
        stop.set()
        thread.join()


def measure_kills(kills: int, seed: int, folder: Path, advance: Advance) -> dict[str, Any]:
    """Records the Arena, kills the recorder, looks at what is left, and again; the sessions stay in `folder`."""
    rng = random.Random(seed)
    found: list[Left] = []
    with running_game((640, 360)) as (desktop, window):
        profile = load_profile("arena")
        with GuardedInjector(desktop, window, profile, armed=True, limits=UNLIMITED) as injector:
            for i in range(kills):
                name = folder / f"session-{i:03d}"
                with recording("arena", name, 30) as recorder:
                    with pressing(injector, profile.actions, seed + i) as presser:
                        time.sleep(rng.uniform(*MOMENTS_S))
                        killed_ns = time.monotonic_ns()
                        os.kill(recorder.pid, signal.SIGKILL)
                sent = [change for change in presser.sent if change.t_ns < killed_ns]
                found.append(look(name, sent, dict(profile.keys), killed_ns))
                advance(note=found[-1].said)
    video = [left.video_lost_ms for left in found if left.video_lost_ms is not None]
    events = [left.events_lost_ms for left in found if left.events_lost_ms is not None]
    return {
        "kills": kills,
        "opened": sum(left.opened for left in found),
        "video_lost_ms_max": max(video, default=None),
        "video_lost_ms_p50": percentile(video, 50),
        "events_lost_ms_max": max(events, default=None),
        "events_lost_ms_p50": percentile(events, 50),
        "failures": sorted({left.said for left in found if left.said}),
    }
