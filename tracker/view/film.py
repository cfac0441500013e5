"""The videos of a session as browsers want them: the same H.264 packets in MP4, nothing encoded anew."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from pathlib import Path

from combatvla.errors import UserError
from combatvla.video import remux

MOST_BYTES = 2 << 30
"""So much disk the made films take at most (the newest one always stays)."""


class Films:
    """The films of all sessions that are shown, made when they are asked for, in a folder of its own that is gone when
    the program is, however it ends. `UserError` when one cannot be made."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._made: dict[tuple[Path, int], tuple[memoryview, list[int]]] = {}
        """By video and its size, since one that is being recorded grows. The one that was asked for last at the end."""
        self._lock = threading.Lock()

    def get(self, video: Path) -> tuple[memoryview, list[int]]:
        """The bytes of a video's film, and the times of its pictures in milliseconds."""
        with self._lock:
            key = video, video.stat().st_size if video.is_file() else 0
            if key not in self._made:
                made = self._make(video)
                # Whoever still sends an older one goes on holding it.
                while self._made and sum(len(film) for film, _ in [*self._made.values(), made]) > self._most:
                    del self._made[next(iter(self._made))]
            else:
                made = self._made.pop(key)
            self._made[key] = made
            return made

    def _make(self, video: Path) -> tuple[memoryview, list[int]]:
        try:
            with tempfile.TemporaryDirectory(
                prefix="combatvla-view-", dir=_folder(), ignore_cleanup_errors=True
            ) as folder:
                target = Path(folder) / "film.mp4"
                times = remux(video, target)
                with open(target, "rb") as file:
                    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), times
        except OSError as error:
            raise UserError(
                f"the video {video.name} cannot be made ready for the browser ({error.strerror or error}): set TMPDIR "
                "to a folder with room for it"
            ) from error


def _folder() -> str | None:
    """Where films are made: often /tmp lies in memory, /var/tmp never does."""
    return "/var/tmp" if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK) else None
