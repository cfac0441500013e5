"""An agent without guard, watchdog and words: what the fault drill must find out. Takes the arguments of `agent run`.

Holds one key and taps another, whatever has the focus, and ends after some seconds with status 0.
"""

from __future__ import annotations

import sys
import time

from Xlib import XK, X
from Xlib.ext import xtest

from combatvla.desktop import open_desktop
from combatvla.desktop.x11 import connect
from combatvla.profiles import load_profile

SECONDS = 2.5


def main(argv: list[str]) -> None:
    desktop, x = open_desktop(), connect()
    desktop.activate(desktop.find_window(load_profile(argv[argv.index("--game") + 1]), wait_s=20), timeout_s=5)
    holds, taps = (x.keysym_to_keycode(XK.string_to_keysym(key)) for key in "wd")
    xtest.fake_input(x, X.KeyPress, holds)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for kind in (X.KeyPress, X.KeyRelease):
            xtest.fake_input(x, kind, taps)
            x.sync()
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1:])
