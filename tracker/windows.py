"""`combatvla tracker windows`: which windows are open, to choose one to record."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from combatvla.arguments import parse


@dataclass
class Args:
    """Lists the open windows.

    For example:

        combatvla tracker windows
        combatvla tracker record --title "the title, or a part of it" --out sessions/first
    """

    json: bool = False
    """Prints one JSON object as the last line."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker windows")
    from combatvla.desktop import open_desktop
    from combatvla.profiles import profile_for
    from combatvla.report import emit, table

    desktop = open_desktop(watch_only=True)
    windows, active = desktop.windows(), desktop.active_window()
    desktop.close()
    rows = [
        {
            "title": window.title,
            "pid": window.pid,
            "width": window.width,
            "height": window.height,
            "program": ", ".join(window.programs),
            "game": profile_for(window.title, window.programs),
            "focused": window.id == active,
        }
        for window in windows
    ]
    table(
        "open windows",
        ["title", "process", "program", "size", "game"],
        [[r["title"], r["pid"], r["program"], f"{r['width']}x{r['height']}", r["game"]] for r in rows],
    )
    if desktop.note:
        print(f"Note: {desktop.note}.", file=sys.stderr)
    emit({"windows": rows}, as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
