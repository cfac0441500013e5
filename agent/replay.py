"""The replay: the film of a fight, and under it what the agent held, what it thought, and how old its action was.

It is made after the fight from the film and the log, so that drawing it costs the fight nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from agent import hud
from agent.film import FIRST_NS, FPS
from agent.log import DecisionLine, HeldLine, read_lines
from agent.loop import words
from combatvla.errors import UserError
from combatvla.profiles import GameProfile

SHOWN_MS = 1500
"""A decision older than this is no longer shown."""
THOUGHT_MS = 500
"""A decision that had no time to be explained shows the thought of one with the same plan, at most so much older."""


class Chronicle:
    """What the agent did, asked by time."""

    def __init__(self, folder: Path) -> None:
        self.decisions = read_lines(folder / "decisions.jsonl", DecisionLine)
        self.held = read_lines(folder / "held.jsonl", HeldLine)
        self._acted_ns = [d.acted_ns for d in self.decisions]
        self._held_ns = [h.t_ns for h in self.held]
        self._ages = [d.action_age_ms if d.changed else None for d in self.decisions]
        self._thoughts: list[str] = []
        told: DecisionLine | None = None
        for d in self.decisions:
            if d.explanation:
                told = d
            fits = told is not None and told.plan == d.plan and d.acted_ns - told.acted_ns <= THOUGHT_MS * 1e6
            self._thoughts.append(told.explanation if fits else "")

    def at(self, t_ns: int, first_ns: int) -> hud.Moment:
        """What the strip shows at `t_ns` of a film that began at `first_ns`."""
        count = bisect_right(self._acted_ns, t_ns)
        changes = bisect_right(self._held_ns, t_ns)
        held = frozenset(self.held[changes - 1].held) if changes else frozenset()
        last = self.decisions[count - 1] if count else None
        if last is not None and t_ns - last.acted_ns > SHOWN_MS * 1e6:
            last = None
        ages = [a for a in self._ages[max(0, count - 4 * hud.CURVE_POINTS) : count] if a is not None]
        recent = count - bisect_right(self._acted_ns, t_ns - 2_000_000_000)
        return hud.Moment(
            held=held,
            plan=words(last.to_plan()) if last else "–",
            thought=self._thoughts[count - 1] if last else "",
            said=last.text if last else "",
            age_ms=ages[-1] if ages else None,
            ages_ms=tuple(ages[-hud.CURVE_POINTS :]),
            decisions=count,
            hz=recent / 2 if last else 0.0,
            seconds=int((t_ns - first_ns) / 1e9),
            focused=last is None or last.sent,
        )


def make_replay(
    folder: Path, profile: GameProfile, *, advance: Callable[[int, int], None] = lambda done, total: None
) -> Path | None:
    """Writes `replay.mp4` (H.264) from the film and the log in `folder`, and removes the film; None when the film holds
    no frame. `advance(done, total)` hears of the progress in milliseconds of film. `UserError` when it cannot be
    written."""
    import av

    source, out = folder / "film.mkv", folder / "replay.mp4"
    if not source.exists():
        return None
    try:
        film = av.open(str(source))
    except av.error.InvalidDataError:
        return None  # it was cut off before its first frame was on disk
    frames = 0
    try:
        with film, av.open(str(out), "w", options={"movflags": "faststart"}) as file:
            frames = _compose(film, file, Chronicle(folder), hud.Strip(profile), advance) if film.streams.video else 0
    except (OSError, av.error.FFmpegError) as error:  # a full disk; a film that was cut off
        raise UserError(f"the replay {out} cannot be made ({error.strerror or error}); the log is whole") from error
    finally:
        if not frames:
            out.unlink(missing_ok=True)
    if not frames:
        return None
    source.unlink()
    return out


def _compose(film, file, chronicle: Chronicle, strip: hud.Strip, advance: Callable[[int, int], None]) -> int:
    """Encodes each frame of `film` with its strip into `file`, both PyAV containers; gives how many there were."""
    first_ns = int(film.metadata.get(FIRST_NS, 0))
    total_ms = int((film.duration or 0) / 1000)
    film.streams.video[0].thread_type = "AUTO"
    shown: hud.Moment | None = None
    stream, frames = None, 0
    for picture in film.decode(video=0):
        ms = int(picture.pts * picture.time_base * 1000)
        if stream is None:
            height = round(hud.HEIGHT * picture.width / hud.WIDTH / 2) * 2
            stream = file.add_stream("libx264", rate=FPS, options={"preset": "superfast", "crf": "21"})
            stream.width, stream.height = picture.width, picture.height + height
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
        now = chronicle.at(first_ns + ms * 1_000_000, first_ns)
        if now != shown:
            shown, planes = now, _planes(strip.draw(now), picture.width, height)
        composed = _stack(picture, planes)
        composed.pts, composed.time_base = ms, Fraction(1, 1000)
        file.mux(stream.encode(composed))
        frames += 1
        advance(ms, total_ms)
    if stream is not None:
        file.mux(stream.encode(None))
    return frames


def _planes(strip: np.ndarray, width: int, height: int) -> list[np.ndarray]:
    """The Y, U and V planes of an RGB strip at that size."""
    if strip.shape[:2] != (height, width):
        strip = cv2.resize(strip, (width, height), interpolation=cv2.INTER_AREA)
    flat = cv2.cvtColor(strip, cv2.COLOR_RGB2YUV_I420)
    chroma = flat[height:].reshape(2, height // 2, width // 2)
    return [flat[:height], chroma[0], chroma[1]]


def _stack(picture, strip: list[np.ndarray]):
    """The picture (an `av.VideoFrame`, yuv420p) with the strip under it, without going through RGB."""
    import av

    height = picture.height + strip[0].shape[0]
    out = av.VideoFrame(picture.width, height, "yuv420p")
    for i, below in enumerate(strip):
        source, target = picture.planes[i], out.planes[i]
        upper = np.frombuffer(source, np.uint8).reshape(source.height, source.line_size)[:, : source.width]
        whole = np.frombuffer(target, np.uint8).reshape(target.height, target.line_size)
        whole[: source.height, : source.width] = upper
        whole[source.height :, : target.width] = below
    return out
