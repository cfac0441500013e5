"""The injector of this machine: X11's is told of a lost focus, that of Windows asks for it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from combatvla.desktop.base import Desktop, Injector, Window
    from combatvla.profiles import GameProfile


def open_injector(desktop: Desktop, window: Window, profile: GameProfile, *, armed: bool) -> Injector:
    """Into `window` only, with the keys of `profile`; `armed=False` sends nothing."""
    if sys.platform == "win32":
        from combatvla.desktop.polled import PolledInjector
        from combatvla.desktop.windows_input import WindowsHands

        return PolledInjector(WindowsHands(), desktop, window, profile, armed=armed)
    from combatvla.desktop.inject import GuardedInjector

    return GuardedInjector(desktop, window, profile, armed=armed)


def release_on_exit(injector: Injector) -> AbstractContextManager[Injector]:
    """Closes `injector` on every way out of the program."""
    if sys.platform == "win32":
        from combatvla.desktop import polled as back_end
    else:
        from combatvla.desktop import inject as back_end
    return back_end.release_on_exit(injector)
