"""A game's window without a game, light enough to be killed hundreds of times: `window.py TITLE WIDTH HEIGHT X Y`.

Prints "mapped". Ends when its window is destroyed.
"""

from __future__ import annotations

import os
import sys

from Xlib import X, Xatom, Xutil, display


def main(title: str, width: int, height: int, x: int, y: int) -> None:
    connection = display.Display()
    screen = connection.screen()
    mask = X.KeyPressMask | X.KeyReleaseMask | X.ButtonPressMask | X.ButtonReleaseMask | X.StructureNotifyMask
    window = screen.root.create_window(
        x, y, width, height, 0, screen.root_depth, background_pixel=0x2040C0, event_mask=mask
    )
    window.set_wm_normal_hints(flags=Xutil.PPosition | Xutil.USPosition)
    window.set_wm_name(title)
    window.change_property(connection.get_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [os.getpid()])
    window.map()
    while True:
        event = connection.next_event()
        if event.type == X.MapNotify:
            print("mapped", flush=True)
        elif event.type == X.DestroyNotify:
            return


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]))
