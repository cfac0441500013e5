"""Lets go of the keys when the process that holds them is killed, or stands still.

A key pressed by XTest stays down on the server after `kill -9` of its presser, and while that is stopped. This process
is started beside an armed injector, in a session of its own (so that Ctrl-C and a killed process group pass it by), and
waits for the end of its standard input or of the injector's process; then it releases the given keys and buttons, and
ends. It releases them too when nothing has come on standard input for `STILL_S`, and goes on to watch. `q` on standard
input means that the injector released them itself.

Around each press the injector grabs the server, for a fraction of a millisecond: nothing else is drawn or typed then.
A process that is stopped in that very moment would freeze the screen; so it tells before (`GRABS`) and after
(`LETS_GO`), and between the two this process waits no longer than `GRABBED_STILL_S`, then ends the injector's
connection to the server, whose socket it shares, and the grab with it. A shared socket does not close with the
injector's process either: at its end, too, this process does that first.

While it watches, the keys do not repeat: a key that is held would else be typed again and again, 25 times a second,
into the window that has just taken the focus, until the release arrives. The server repeats a key of all keyboards or
of none.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable

from Xlib import X, display, error
from Xlib.ext import xtest

READY = b"ready\n"
START_TIMEOUT_S = 15
BEAT_S = 0.2
"""The injector gives a sign of life about this often."""
STILL_S = 1.0
"""Without one for so long, its process stands still: stopped, or swapped out."""
GRABBED_STILL_S = 0.7
"""While it has grabbed the server."""
ENDED_S = 0.2
"""The pipe closes so shortly before its process has ended."""
GRABS, LETS_GO = b"g", b"u"


def release(connection: display.Display, codes: Iterable[int], buttons: Iterable[int]) -> None:
    """Releases these keys and buttons, without asking first whether they are down: the server drops the release of what
    its XTest device does not hold (a person's own keys stay as they are), and a press may still wait in a queue behind
    a window manager's grab, where asking would not see it."""
    for code in codes:
        xtest.fake_input(connection, X.KeyRelease, code)
    for button in buttons:
        xtest.fake_input(connection, X.ButtonRelease, button)
    connection.sync()


def repeating(connection: display.Display, codes: Iterable[int]) -> list[int]:
    """Which of these keys the server repeats while they are held."""
    bits = connection.get_keyboard_control().auto_repeats
    return [code for code in codes if bits[code // 8] & 1 << code % 8]


def repeat(connection: display.Display, codes: Iterable[int], *, on: bool) -> None:
    """Has the server repeat these keys while they are held, or not."""
    for code in codes:
        connection.change_keyboard_control(key=code, auto_repeat_mode=X.AutoRepeatModeOn if on else X.AutoRepeatModeOff)
    connection.sync()


def start(codes: Iterable[int], buttons: Iterable[int], line: int) -> subprocess.Popen:
    """Starts the watchdog of this process and waits until it watches. `line`: the socket of the injector's connection
    to the server. `UserError` when it does not start."""
    lists = (",".join(map(str, codes)), ",".join(map(str, buttons)))
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            __file__,
            str(os.getpid()),
            *lists,
            str(line),
        ],  # as a file: the package's imports take longer
        pass_fds=[line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    answered = select.select([process.stdout], [], [], START_TIMEOUT_S)[0]
    if not answered or process.stdout.readline() != READY:
        process.kill()
        process.wait()
        from combatvla.errors import UserError

        raise UserError("the watchdog that frees the keys after a crash did not start, so no input is sent: try again")
    os.set_blocking(process.stdin.fileno(), False)  # should the watchdog itself stand still
    return process


def beat(process: subprocess.Popen, sign: bytes = b".") -> None:
    """The sign of life; also `GRABS` and `LETS_GO`."""
    try:
        os.write(process.stdin.fileno(), sign)
    except OSError:
        pass  # it was killed, which the injector finds out before it next presses anything, or stands still


def stop(process: subprocess.Popen, *, released: bool) -> None:
    """Ends the watchdog; unless all was `released`, it first does that."""
    try:
        process.stdin.write(b"q" if released else b"")
        process.stdin.close()
        process.wait(5)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    process.stdout.close()


def _watch(parent: int, codes: list[int], buttons: list[int], line: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = display.Display()
    watched: list[int] = [sys.stdin.fileno()]
    try:
        # A forked child of the parent may keep the pipe open; its process handle tells its end regardless.
        watched.append(os.pidfd_open(parent))
    except ProcessLookupError:
        watched = []  # it ended before we watched
    except OSError:
        pass  # a kernel without process handles: the pipe alone
    silent = repeating(connection, codes)
    repeat(connection, silent, on=False)
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    try:
        if not _until_the_end(watched, lambda: release(connection, codes, buttons), lambda: _cut(line)):
            _cut(line)  # it may have ended in the middle of a press
            release(connection, codes, buttons)
            if not watched or (len(watched) > 1 and select.select(watched[1:], [], [], ENDED_S)[0]):
                print("combatvla: the program that pressed the keys was killed: every key was let go", file=sys.stderr)
        repeat(connection, silent, on=True)
    except (error.ConnectionClosedError, OSError):
        pass  # the display went first, and the keys with it


def _until_the_end(watched: list[int], let_go: Callable[[], None], cut: Callable[[], None]) -> bool:
    """Waits for the end of the first of `watched` or of any other; calls `let_go` once for each standstill, and `cut`
    before it when the server was grabbed. Whether the injector has released everything itself."""
    alive, grabbed = True, False
    while watched:
        patience = (GRABBED_STILL_S if grabbed else STILL_S) if alive else None
        ready = select.select(watched, [], [], patience)[0]
        said = os.read(watched[0], 4096) if watched[0] in ready else b""
        if b"q" in said:
            return True
        if ready and not said:
            break
        alive = bool(ready)
        if not alive:
            if grabbed:
                cut()
                grabbed = False
            let_go()
        elif GRABS in said or LETS_GO in said:
            grabbed = said.rfind(GRABS) > said.rfind(LETS_GO)
    return False


def _cut(line: socket.socket) -> None:
    """Ends the connection for all who share it: the server lets go of its grab."""
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed


def _numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",") if n]


if __name__ == "__main__":
    _watch(int(sys.argv[1]), _numbers(sys.argv[2]), _numbers(sys.argv[3]), socket.socket(fileno=int(sys.argv[4])))
