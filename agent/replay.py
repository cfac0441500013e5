"""The videos of a fight: its film as browsers want it, and the replay, with the strip under it.

They are made after the fight from the film and the log, so that drawing costs the fight nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from agent import hud
from agent.chronicle import Chronicle
from agent.film import FPS, goes_on
from combatvla.episode import CLEAN, FILM, REPLAY, film_of, first_frame_ns
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from combatvla.video import remux


def make_videos(
    folder: Path, profile: GameProfile, *, advance: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Path, Path] | None:
    """Turns the film in `folder` into `clean.mp4` (the same pictures) and makes `replay.mp4` of that and the log; None
    when there is no film, or no frame in it. The film is gone once `clean.mp4` stands. `advance(done, total)` hears of
    the progress in milliseconds of film. `UserError` when they cannot be written."""
    film, clean, replay = folder / FILM, folder / CLEAN, folder / REPLAY
    if film.is_file():
        if goes_on(film):
            raise UserError(f"{film} is still being filmed: end the agent first, it makes the videos")
        half = folder / f"{CLEAN}.part"
        try:
            remux(film, half, keep=True)
            half.replace(clean)
        except UserError:
            if film_of(folder) in (film, None):
                return None  # it was cut off before its first frame was on disk
        except OSError as error:
            raise _unwritten(clean, error) from error
        finally:
            half.unlink(missing_ok=True)
        film.unlink()
    if not clean.is_file():
        return None
    compose(clean, folder, replay, profile, advance)
    return clean, replay


def compose(film: Path, folder: Path, out: Path, profile: GameProfile, advance: Callable[[int, int], None]) -> None:
    """Writes `out`: the pictures of `film` with the strip of the log in `folder` under them."""
    import av

    half = out.with_name(f"{out.name}.part")
    try:
        with av.open(str(film)) as read, av.open(str(half), "w", "mp4", options={"movflags": "faststart"}) as write:
            _compose(read, write, Chronicle(folder), profile, advance)
        half.replace(out)
    except (OSError, ValueError, av.error.FFmpegError) as error:  # a full disk; a damaged film
        raise _unwritten(out, error) from error
    finally:
        half.unlink(missing_ok=True)


def _unwritten(path: Path, error: Exception) -> UserError:
    why = getattr(error, "strerror", None) or error
    return UserError(f"the video {path} cannot be made ({why}); the log and the film are whole")


def _compose(film, file, chronicle: Chronicle, profile: GameProfile, advance: Callable[[int, int], None]) -> None:
    """Encodes each frame of `film` with its strip into `file`, both PyAV containers."""
    first_ns = first_frame_ns(film.metadata)
    if first_ns is None:
        raise ValueError("its film does not say when it was made")
    total_ms = int((film.duration or 0) / 1000)
    film.streams.video[0].thread_type = "AUTO"
    shown: hud.Moment | None = None
    stream = None
    for picture in film.decode(video=0):
        ms = int(picture.pts * picture.time_base * 1000)
        if stream is None:
            strip = hud.Strip(profile, picture.width)
            stream = file.add_stream("libx264", rate=FPS, options={"preset": "superfast", "crf": "21"})
            stream.width, stream.height = picture.width, picture.height + strip.size[1]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
        now = chronicle.at(first_ns + ms * 1_000_000, first_ns)
        if now != shown:
            shown, planes = now, _planes(strip.draw(now))
        composed = _stack(picture, planes)
        composed.pts, composed.time_base = ms, Fraction(1, 1000)
        file.mux(stream.encode(composed))
        advance(ms, total_ms)
    file.mux(stream.encode(None))


def _planes(strip: np.ndarray) -> list[np.ndarray]:
    """The Y, U and V planes of an RGB strip with even sides."""
    height, width = strip.shape[:2]
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
