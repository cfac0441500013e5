"""A display of our own, for machines without one and for tests: Xvfb with an undecorated openbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

from combatvla.errors import UserError

# No title bars: a 1280x720 window must fit a 1280x720 screen. No bindings: every key and button belongs to the game,
# and a binding of a button would hold each press up until openbox has seen it.
_OPENBOX = """<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew><followMouse>no</followMouse></focus>
  <placement><policy>Smart</policy><center>no</center></placement>
  <theme><keepBorder>no</keepBorder></theme>
  <desktops><number>1</number><popupTime>0</popupTime></desktops>
  <keyboard/>
  <mouse/>
  <applications><application class="*"><decor>no</decor><focus>yes</focus></application></applications>
</openbox_config>
"""

# The shell ends the server as soon as its standard input ends: also when this process is killed with -9.
_SERVE = 'Xvfb "$@" <&- & exec >&-; read -r _; kill $!; wait'


def missing_programs() -> list[str]:
    """Which of the programs that `own_display` needs are not installed."""
    return [name for name in ("Xvfb", "openbox") if shutil.which(name) is None]


@contextmanager
def own_display(width: int = 1280, height: int = 720) -> Iterator[str]:
    """Starts Xvfb on a free number and openbox on it, sets `DISPLAY`, yields its name; ends both at exit.

    `UserError` when a program is missing or does not start.
    """
    missing = missing_programs()
    if missing:
        raise UserError(
            f"{' and '.join(missing)} not found, needed for a display of our own: "
            "install with `apt-get install -y --no-install-recommends xvfb openbox`"
        )
    with tempfile.TemporaryDirectory(prefix="combatvla-display-") as folder:
        before = os.environ.get("DISPLAY")
        server, name = _start_server(Path(folder), width, height)
        manager = None
        try:
            os.environ["DISPLAY"] = name
            manager = _start_manager(Path(folder))
            yield name
        finally:
            if before is None:
                os.environ.pop("DISPLAY", None)
            else:
                os.environ["DISPLAY"] = before
            if manager is not None:
                manager.terminate()
                _wait(manager)
            server.stdin.close()
            _wait(server)


def _start_server(folder: Path, width: int, height: int) -> tuple[subprocess.Popen, str]:
    with open(folder / "xvfb.log", "wb") as log:
        options = ["-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-ac", "-nolisten", "tcp"]
        server = subprocess.Popen(
            ["sh", "-c", _SERVE, "sh", *options, "+extension", "GLX", "-noreset"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # a Ctrl-C ends the program first, and the program ends the display
        )
    number = b""
    with server.stdout as pipe:
        while not number.endswith(b"\n") and select([pipe], [], [], 15)[0]:
            part = os.read(pipe.fileno(), 16)
            if not part:
                break  # it ended
            number += part
    if not number.strip().isdigit():
        server.stdin.close()
        _wait(server)
        said = (folder / "xvfb.log").read_text(errors="replace").strip().splitlines()
        raise UserError(f"Xvfb did not start: {said[-1] if said else 'it said nothing'}; try it by hand: Xvfb :99")
    return server, f":{int(number)}"


def _start_manager(folder: Path) -> subprocess.Popen:
    from Xlib import X, Xatom

    from combatvla.desktop.x11 import connect

    config = folder / "rc.xml"
    config.write_text(_OPENBOX, encoding="utf-8")
    connection = connect()
    root = connection.screen().root
    root.change_attributes(event_mask=X.PropertyChangeMask)
    connection.sync()
    manager = subprocess.Popen(
        ["openbox", "--sm-disable", "--config-file", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    clients = connection.get_atom("_NET_CLIENT_LIST")
    try:
        while root.get_full_property(clients, Xatom.WINDOW) is None:
            # What came in together with the last reply already waits in the connection, and wakes no `select`.
            heard = connection.pending_events() or select([connection], [], [], 10)[0]
            if not heard or manager.poll() is not None:
                manager.kill()
                _wait(manager)
                raise UserError("openbox did not start on the display: try it by hand: `openbox --sm-disable`")
            while connection.pending_events():
                connection.next_event()
    finally:
        connection.close()
    return manager


def _wait(process: subprocess.Popen) -> None:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
