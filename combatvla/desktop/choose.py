"""Which window is meant: by a game's profile, by a part of its title, by its process."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from combatvla.desktop.base import Desktop, Window
from combatvla.errors import UserError
from combatvla.profiles import GameProfile

_LISTED = 6
"""So many windows an error names."""


def find_window(desktop: Desktop, profile: GameProfile, *, wait_s: float = 0.0, pid: int | None = None) -> Window:
    """What `Desktop.find_window` says, from the desktop's list of windows."""

    def titled() -> list[Window]:
        return [w for w in desktop.windows() if w.title.startswith(profile.title)]

    def fitting() -> list[Window]:
        return [w for w in titled() if profile.fits(w.title, w.programs)]

    found, of_any = _wait(lambda: ([w for w in fitting() if pid in (None, w.pid)], titled()), wait_s)
    if found:
        active = desktop.active_window()
        return next((w for w in found if w.id == active), found[-1])
    if of_any and not any(profile.fits(w.title, w.programs) for w in of_any):
        other = of_any[-1]
        named = " or ".join(map(repr, other.programs)) or "a program that does not say its name"
        raise UserError(
            f"the window {other.title!r} is of {named}, expected {' or '.join(map(repr, profile.program))}: start the "
            f"game {profile.name!r}, or give its program's name in the profile (`combatvla tracker windows` shows it)"
        )
    if of_any:
        other = of_any[-1]
        raise UserError(
            f"the window {other.title!r} belongs to process {other.pid}, expected process {pid}: start the game of "
            "that process, or give the id of another one"
        )
    raise UserError(
        f"no window whose title starts with {profile.title!r} is open{_where()}: "
        f"start the game {profile.name!r} first" + (f" (`{profile.start}`)" if profile.start else "") + _but(desktop)
    )


def find_only_window(desktop: Desktop, profile: GameProfile, *, wait_s: float = 0.0) -> Window:
    """As `find_window`; `UserError` where several fit, with or without the focus: who records must not guess."""
    window = find_window(desktop, profile, wait_s=wait_s)
    fitting = [w for w in desktop.windows() if profile.fits(w.title, w.programs)]
    if len(fitting) > 1:
        raise UserError(
            f"{len(fitting)} windows whose title starts with {profile.title!r} are open: {_names(fitting)}; close all "
            "but one, or choose one with --title, --pid or --click"
        )
    return window


def choose_window(desktop: Desktop, *, title: str | None = None, pid: int | None = None, wait_s: float = 0.0) -> Window:
    """The one window with `title` in its title (as plain text or as a regular expression, in any case) that belongs to
    process `pid` or to a child of it; either may be None. Windows of the programs that run this one (the terminal) are
    not meant by a title. Looks for it for `wait_s` seconds; `UserError` when there is none, or several.
    """

    fits = matcher(title) if title is not None else lambda text: True

    def look() -> tuple[list[Window], list[Window]]:
        every = desktop.windows()
        family, terminals = (processes_of(pid), set()) if pid is not None else (None, ancestors())
        found = [w for w in every if fits(w.title) and w.pid not in terminals]
        return [w for w in found if family is None or w.pid in family], every

    found, every = _wait(look, wait_s)
    wanted = (f" with {title!r} in the title" if title is not None else "") + (
        f" of process {pid} or a child of it" if pid is not None else ""
    )
    if len(found) > 1:
        raise UserError(f"{len(found)} windows{wanted} are open: {_names(found)}; name one of them more closely")
    if not found:
        raise UserError(f"no window{wanted} is open; there are: {_names(every)}{_but(desktop)}")
    return found[0]


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a title has `pattern` in it: as it stands, or as a regular expression; case does not matter."""
    try:
        regular = re.compile(pattern, re.IGNORECASE)
    except re.error:  # "Game (x64": plain text
        regular = None
    return lambda title: pattern.lower() in title.lower() or (regular is not None and bool(regular.search(title)))


def processes_of(pid: int) -> set[int]:
    """`pid` and its children, theirs too. Only Linux tells: elsewhere `pid` alone."""
    parents = _parents()
    family, fresh = {pid}, {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - family
        family |= fresh
    return family


def ancestors() -> set[int]:
    """This process and those that started it."""
    parents, pid, found = _parents(), os.getpid(), set()
    while pid and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found


def _parents() -> dict[int, int]:
    """Of every process its parent, where there is a /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; after it come the state and the parent.
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it ended
    return parents


def _wait(look: Callable[[], tuple[list[Window], list[Window]]], wait_s: float) -> tuple[list[Window], list[Window]]:
    until = time.monotonic() + wait_s
    while True:
        found, others = look()
        if found or time.monotonic() >= until:
            return found, others
        time.sleep(0.05)


def _names(windows: list[Window]) -> str:
    names = [f"{w.title or 'no title'!r} (process {w.pid})" for w in windows[:_LISTED]]
    more = len(windows) - _LISTED
    return (", ".join(names) or "none") + (f" and {more} more" if more > 0 else "")


def _where() -> str:
    name = os.environ.get("DISPLAY")
    return f" on {name}" if name else ""


def _but(desktop: Desktop) -> str:
    return f" ({desktop.note})" if desktop.note else ""
