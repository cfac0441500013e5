"""Programs that run beside the agent for as long as it does, so that neither the model nor the keys wait for them."""

from __future__ import annotations

import subprocess
import sys


class Companion:
    """`python -m MODULE ARGUMENTS` from creation to `close`.

    It is to end when its standard input does: so it ends by itself when this process is killed. A Ctrl-C in the
    terminal does not reach it: that is the agent's to handle. `options` go to `subprocess.Popen`.
    """

    def __init__(self, module: str, *arguments: object, **options) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "start_new_session": True, **options},
        )

    def close(self, patience_s: float = 10.0) -> None:
        """Has it end, and waits for that; one that does not within `patience_s` is killed."""
        self.process.stdin.close()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()
