"""A plain X window for the tests: `probe_window.py TITLE WIDTH HEIGHT X Y [flicker] [unmanaged] [#RRGGBB]
[class=NAME]`.

Prints "mapped", then one line a key or button event. `flicker` repaints it in a new colour 60 times a second;
`unmanaged` keeps the window manager out, as menus do.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from Xlib import XK, X, Xatom, Xutil, display


def main(title: str, width: int, height: int, x: int, y: int, *extra: str) -> None:
    flicker, unmanaged = "flicker" in extra, "unmanaged" in extra
    colour = next((int(word[1:], 16) for word in extra if word.startswith("#")), 0x2040C0)
    connection = display.Display()
    screen = connection.screen()
    mask = X.KeyPressMask | X.KeyReleaseMask | X.ButtonPressMask | X.ButtonReleaseMask | X.StructureNotifyMask
    window = screen.root.create_window(
        x,
        y,
        width,
        height,
        0,
        screen.root_depth,
        background_pixel=colour,
        event_mask=mask,
        override_redirect=unmanaged,
    )
    window.set_wm_normal_hints(flags=Xutil.PPosition | Xutil.USPosition)
    window.change_property(connection.get_atom("_NET_WM_NAME"), connection.get_atom("UTF8_STRING"), 8, title.encode())
    window.change_property(connection.get_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [os.getpid()])
    for word in extra:
        if word.startswith("class="):
            window.set_wm_class(word[6:], word[6:])
    window.set_wm_name(title.encode("ascii", "replace").decode())
    window.map()
    connection.sync()
    paint = window.create_gc()
    colour, due = 0, time.monotonic()
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while not stop:
        select.select([connection], [], [], max(0.0, due - time.monotonic()) if flicker else 0.05)
        if flicker and time.monotonic() >= due:
            due, colour = due + 1 / 60, (colour + 0x010305) & 0xFFFFFF
            paint.change(foreground=colour)
            window.fill_rectangle(paint, 0, 0, width, height)
            connection.flush()
        while connection.pending_events():
            event = connection.next_event()
            if event.type == X.MapNotify:
                print("mapped", flush=True)
            elif event.type in (X.KeyPress, X.KeyRelease):
                name = XK.keysym_to_string(connection.keycode_to_keysym(event.detail, 0)) or str(event.detail)
                print("press" if event.type == X.KeyPress else "release", name, flush=True)
            elif event.type in (X.ButtonPress, X.ButtonRelease):
                print("press" if event.type == X.ButtonPress else "release", f"button{event.detail}", flush=True)
            elif event.type == X.DestroyNotify:
                return


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]), *sys.argv[6:])
