"""Every way out of a program lets go of the keys."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from combatvla.desktop.base import Injector


@contextmanager
def release_on_exit(injector: Injector) -> Iterator[Injector]:
    """Closes `injector` on every way out: return, exception, Ctrl-C, and SIGTERM or SIGHUP (on Windows SIGBREAK:
    Ctrl-Break or the closed console), which become a clean `SystemExit(128 + number)` of the main thread. Before Ctrl-Z
    (SIGTSTP) stops the process, it lets go of everything. Handlers are set in the main thread only, and put back after;
    what is ignored (`nohup`) stays so."""
    before: dict[int, object] = {}

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    def rest(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        injector.stop_process()
        signal.signal(number, rest)

    if threading.current_thread() is threading.main_thread():
        named = {"SIGTERM": leave, "SIGHUP": leave, "SIGBREAK": leave, "SIGTSTP": rest}
        handlers = {getattr(signal, name): handler for name, handler in named.items() if hasattr(signal, name)}
        heeded = [number for number in handlers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handlers[number]) for number in heeded}
    atexit.register(injector.close)
    try:
        yield injector
    finally:
        injector.close()
        atexit.unregister(injector.close)
        for number, handler in before.items():
            signal.signal(number, handler)
