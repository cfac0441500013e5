"""A session that is being written is locked: nobody is to put other files in the place of those that are open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which itself refuses to replace a file that is open
    fcntl = None


def lock(folder: Path) -> BinaryIO:
    """Locks the session in `folder` for as long as the file that comes back is open: also `kill -9` ends that.
    `BlockingIOError` when somebody else has locked it. On a file system without locks there is none."""
    path = folder / "session.json"  # which is never replaced
    file = open(path, "ab" if os.access(path, os.W_OK) else "rb")
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        except OSError:
            pass
    return file
