"""Films a window into a video, in a process of its own: neither the model nor the keys wait for the encoder.

The file (`film.mkv`) can be read after a crash at any moment. Its metadata tell the clock of its first frame
(`time.monotonic_ns()`); the frames' own times are milliseconds after that.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path
from select import select
from typing import BinaryIO

from agent.companion import Companion
from combatvla.desktop.base import Desktop, Window, open_desktop
from combatvla.episode import FIRST_NS
from combatvla.errors import UserError

FPS = 15


class Film(Companion):
    """Films `window` into `path` from creation to `close`, which waits until the file is whole, or until the window is
    gone."""

    def __init__(self, path: Path, window: Window, fps: int = FPS) -> None:
        super().__init__("agent.film", window.id, path, fps)


def goes_on(path: Path) -> bool:
    """Whether it is still being filmed into `path`."""
    with path.open("rb") as file:
        return not _lock(file, alone=True)


def _lock(file: BinaryIO, *, alone: bool = False) -> bool:
    """Locks `file` until it is closed; False when another process holds it. `alone`: for this process only."""
    try:
        import fcntl
    except ImportError:  # Windows, where nothing is filmed yet
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def film(desktop: Desktop, window: Window, path: Path, fps: int) -> None:
    """Films until standard input ends or the window is gone. A busy machine gets fewer frames, never late ones."""
    import av

    from combatvla.desktop.capture import WindowCapture

    options = {"cluster_time_limit": "500", "flush_packets": "1"}
    period = 1 / fps
    with (
        path.open("wb") as lock,
        av.open(str(path), "w", format="matroska", options=options) as file,
        WindowCapture(window, desktop=desktop) as eye,
    ):
        _lock(lock)  # nobody makes videos of a film that goes on
        stream = file.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}
        )
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.codec_context.time_base = Fraction(1, 1000)
        first_ns, shape, due = 0, None, time.monotonic()
        while not select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            due = max(due + period, time.monotonic())
            try:
                frame = eye.grab()
            except UserError:
                break  # gone, or moved off the screen: the agent says so
            height, width = (n // 2 * 2 for n in frame.pixels.shape[:2])
            if shape is None:
                shape, first_ns = (height, width), frame.t_ns
                stream.height, stream.width = shape
                file.metadata[FIRST_NS] = str(first_ns)
            if (height, width) != shape:
                continue  # the window was resized in between
            picture = av.VideoFrame.from_ndarray(frame.pixels[:height, :width], format="rgb24")
            picture.pts, picture.time_base = (frame.t_ns - first_ns) // 1_000_000, Fraction(1, 1000)
            file.mux(stream.encode(picture))
        if shape is not None:
            file.mux(stream.encode(None))
    if shape is None:
        path.unlink()


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    window_id, path, fps = int(argv[0]), Path(argv[1]), int(argv[2])
    desktop = open_desktop()
    try:
        film(desktop, desktop.geometry(Window(window_id, "", None, 0, 0, 0, 0)), path, fps)
    except (UserError, OSError) as error:
        print(f"the fight is not filmed: {error}", file=sys.stderr)
        return 2
    finally:
        desktop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
