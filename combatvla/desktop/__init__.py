"""The eyes and hands: find a game's window, capture it, press its keys, and nothing else's.

`open_desktop()` gives the back end of this machine (X11 on Linux, Windows untried), `open_injector` its injector; the
protocols are in `base`.
"""

from combatvla.desktop.base import Desktop, Window, WindowGone, open_desktop, open_injector

__all__ = ["Desktop", "Window", "WindowGone", "open_desktop", "open_injector"]
