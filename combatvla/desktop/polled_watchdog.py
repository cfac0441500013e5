"""A process that lets go of keys and buttons when the process that pressed them ends or stands still (`polled.py`).

It is started beside an armed injector, apart from its console, and reads its standard input: the end of that, or
nothing for `STILL_S`, releases the given keys and buttons that are down; `q` means that the injector did so itself.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable

READY = b"ready"
BEAT_S = 0.2
"""The injector gives a sign of life about this often."""
STILL_S = 1.0
"""Without one for so long, its process stands still."""


def start(hands: str, keys: Iterable[str]) -> subprocess.Popen:
    """Starts the watchdog with `hands` (`module:class`) and waits until it watches. `UserError` when it does not."""
    # Without the console, closing that or a Ctrl-C in it passes the watchdog by.
    apart = {"creationflags": subprocess.DETACHED_PROCESS} if sys.platform == "win32" else {"start_new_session": True}
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, hands, *keys],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        **apart,
    )
    if process.stdout.readline().strip() != READY:
        process.kill()
        process.wait()
        from combatvla.errors import UserError

        raise UserError("the watchdog that frees the keys after a crash did not start, so no input is sent: try again")
    return process


def beat(process: subprocess.Popen) -> None:
    """The sign of life."""
    try:
        process.stdin.write(b".")
    except OSError:
        pass  # it was killed, which the injector finds out before it next presses anything


def stop(process: subprocess.Popen) -> None:
    """Ends the watchdog: all was released."""
    try:
        process.stdin.write(b"q")
        process.stdin.close()
        process.wait(5)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    process.stdout.close()


def main(hands_name: str, keys: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, _, name = hands_name.partition(":")
    hands = getattr(importlib.import_module(module), name)()
    said: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        while part := os.read(0, 4096):
            said.put(part)
        said.put(b"")

    threading.Thread(target=read, daemon=True).start()
    sys.stdout.buffer.write(READY + b"\n")
    sys.stdout.flush()
    alive = True
    while True:
        try:
            part = said.get(timeout=STILL_S if alive else None)
        except queue.Empty:
            alive = False
            release(hands, keys)
            continue
        if b"q" in part:
            return
        if not part:
            release(hands, keys)
            return
        alive = True


def release(hands, keys: Iterable[str]) -> None:
    for key in keys:
        if hands.is_down(key):
            hands.send(key, down=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
