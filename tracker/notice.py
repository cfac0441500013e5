"""What the recorder tells a person once, before the first recording."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text


def notice(folder: Path, hotkeys: Mapping[str, str], idle_s: float | None) -> Table:
    """What is recorded into `folder` and what is not."""
    mark, pause, stop = (hotkeys[what].upper() for what in ("mark", "pause", "stop"))
    idle = f", after {idle_s:g} seconds without an input" if idle_s is not None else ""
    rows = {
        "recorded": "the picture of the one window that you choose; the keys and the mouse while it has the focus",
        "not recorded": "other windows (where one covers yours, the picture is black), what you type into them, sound, "
        "the microphone",
        "it rests": f"while another window has the focus{idle}, and when you press {pause}",
        "take care": f"what you type in the game itself, its chat or a login, is recorded: press {pause} first",
        "kept": f"in {folder}, on this machine; nothing is sent anywhere",
        "keys": f"in the game's window: {mark} marks a moment, {pause} rests and goes on, {stop} ends",
        "only for": "single-player games; online games may take a recorder or an agent for a cheat, and ban you",
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(Text(name, "bold"), Text(text))
    return table


def shown_before() -> Path:
    """The file that says that the notice was shown to this user."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "combatvla" / "recording-notice-shown"


def tell_once(
    console: Console, folder: Path, hotkeys: Mapping[str, str], *, idle_s: float | None = None, ask: bool = True
) -> None:
    """Prints the notice, unless this user has seen it; with `ask` and a terminal it waits for Enter.
    `KeyboardInterrupt` when the person does not want to go on."""
    seen = shown_before()
    if os.path.exists(seen):
        return
    console.print("Before your first recording:", style="bold")
    console.print(notice(folder, hotkeys, idle_s))
    if ask and console.is_terminal and sys.stdin.isatty():
        try:
            console.input("Press Enter to go on, Ctrl-C to leave it: ")
        except EOFError:
            raise KeyboardInterrupt from None
    try:
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.touch()
    except OSError:
        pass  # a home that cannot be written: it is told again next time
