"""Episodes of the agent with a real film in which each picture shows its number."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av

from combatvla.actions import Action
from combatvla.episode import (
    DECISIONS,
    FILM,
    FIRST_NS,
    HELD,
    MODES,
    DecisionLine,
    EpisodeInfo,
    HeldLine,
    ModeLine,
    StepLine,
    write_info,
)
from combatvla.profiles import load_profile
from tests.tracker.numbered import FIRST, picture

BEGIN = 5_000_000_000
"""The clock of the first line."""
FILM_MS = 200
"""The film begins so long after it."""
A = Action


def at(ms: float) -> int:
    return BEGIN + round(ms * 1e6)


def decision(ms: float, *actions: Action, age: float = 40.0, **options) -> DecisionLine:
    values = dict(
        frame_ns=at(ms),
        acted_ns=at(ms + age),
        action_age_ms=age,
        sent=True,
        changed=True,
        plan=(StepLine(actions=actions, ms=100),),
        text="".join(f"<{a}>" for a in actions) + "<t100><TRUNC>",
        tokens=len(actions) + 2,
        timings_ms={
            "capture": 1.0,
            "wait": 0.5,
            "vision": age - 20,
            "decode": 10.0,
            "decide": age - 8,
            "act": 6.5,
            "age": age,
        },
    )
    return DecisionLine(**(values | options))


DECISIONS_MADE = [
    decision(100, A.MOVE_FORWARD),
    decision(600, A.MOVE_LEFT, A.DODGE, explanation="the <b>slam</b> lands now"),
    decision(1000, A.WAIT, age=180.0, changed=False),
    decision(1500, A.WAIT, parsed=False, text="<tool_call> rubbish"),
    decision(3000, A.HEAL, age=150.0),
]
HELD_THEN = [
    (140, (A.MOVE_FORWARD,)),
    (640, (A.MOVE_LEFT, A.DODGE)),
    (740, (A.MOVE_LEFT,)),
    (840, ()),
    (3150, (A.HEAL,)),
    (3250, ()),
]
MODES_THEN = [(0, "armed"), (1700, "human"), (2200, "no focus"), (2600, "armed")]


def write_film(path: Path, pictures: int = 60, fps: int = 15) -> None:
    """As `agent.film` does."""
    with av.open(str(path), "w", format="matroska", options={"cluster_time_limit": "500"}) as file:
        stream = file.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.width, stream.height = FIRST[0] // 2 * 2, FIRST[1] // 2 * 2
        file.metadata[FIRST_NS] = str(at(FILM_MS))
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(picture(number, stream.width, stream.height), format="rgb24")
            frame.pts, frame.time_base = round(number * 1000 / fps), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def write_episode(folder: Path, *, film: bool = True, armed: bool = True) -> Path:
    """An episode of four seconds that was cut off: it has no summary and no videos."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {
        DECISIONS: DECISIONS_MADE,
        HELD: [HeldLine(t_ns=at(ms), held=held) for ms, held in HELD_THEN],
        MODES: [ModeLine(t_ns=at(ms), mode=mode) for ms, mode in MODES_THEN],
    }
    for name, rows in lines.items():
        (folder / name).write_text("".join(row.model_dump_json() + "\n" for row in rows))
    info = EpisodeInfo(
        game=load_profile("arena"),
        policy="tiny",
        armed=armed,
        title="CombatVLA Arena",
        width=320,
        height=180,
        wall_time=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        monotonic_ns=BEGIN,
        seconds=60,
    )
    write_info(folder, info)
    if film:
        write_film(folder / FILM)
    return folder
