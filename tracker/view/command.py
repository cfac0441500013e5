"""`combatvla tracker view`: shows recordings in the browser."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from tracker.view.film import Films
from tracker.view.page import SessionSource
from tracker.view.server import ViewServer
from tracker.view.show import Source


@dataclass
class Args:
    """Shows a session in the browser: the video with its keys and mouse, when what was pressed, and why.

    For example:

        combatvla tracker view sessions/first
        combatvla tracker view sessions
        combatvla tracker view sessions/first --no-open --port 8765

    Bad spans can be flagged there; `tracker export` leaves them out. The page is for this machine and this link alone
    (127.0.0.1, with a secret in it), and loads nothing from elsewhere. Ctrl-C ends it.
    """

    sessions: tyro.conf.Positional[list[Path]]
    """Folders made by `combatvla tracker record`, or folders in which such ones lie."""
    game: str | None = None
    """Another profile than the one a session was recorded with (name or path): it says what the keys mean."""
    port: int = 0
    """The port on 127.0.0.1; 0: a free one."""
    no_open: bool = False
    """Only prints the link, and opens no browser."""


def find_sessions(folders: Iterable[Path]) -> list[Path]:
    """The sessions that are, or lie in, `folders`. `UserError` for one without any."""
    found: dict[Path, None] = {}
    for folder in folders:
        within = [folder] if (folder / "session.json").exists() else []
        if not within and folder.is_dir():
            within = sorted(path.parent for path in folder.glob("*/session.json"))
        if not within:
            raise UserError(f"no session in {folder}: expected a folder made by `combatvla tracker record`")
        found.update(dict.fromkeys(within))
    return list(found)


@contextmanager
def opened(url: str) -> Iterator[None]:
    """Has the browser open `url`, where there is one. Every user of the machine can read the command line that starts
    it, so it is given a file that only this user can read, which leads on to the link."""
    can = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )
    if not can:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="combatvla-view-", ignore_cleanup_errors=True) as folder:
        page = Path(folder) / "open.html"
        page.touch(0o600)
        page.write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(url)}">'
            f'<title>combatvla</title><a href="{escape(url)}">open the recording</a>\n',
            encoding="utf-8",
        )
        # Aside: a browser in the terminal ends when it is left, and until then it is to be served.
        threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()
        yield


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker view")
    if not args.sessions:
        raise UserError("no session given: name the folders that `combatvla tracker record` made")
    films = Films()
    sources = [SessionSource(folder, args.game, films) for folder in find_sessions(args.sessions)]
    if len(sources) == 1:
        sources[0].show()  # one that cannot be shown is told of here
    what = str(args.sessions[0]) if len(args.sessions) == 1 else f"{len(sources)} sessions"
    return serve(sources, what, port=args.port, no_open=args.no_open)


def serve(sources: Sequence[Source], what: str, *, port: int, no_open: bool) -> int:
    """Shows `sources` until Ctrl-C; `what` they are is said. `UserError` when `port` cannot be had."""
    if not 0 <= port <= 65535:
        raise UserError(f"--port: expected a number from 0 to 65535, got {port}")
    with ViewServer(sources, port) as server:
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            print(f"showing {what}; Ctrl-C ends it. If no browser opens, open this link in one of this machine:")
            print(server.url, flush=True)
            if no_open:
                server.serve_forever()
            else:
                with opened(server.url):
                    server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)
    return 0


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
