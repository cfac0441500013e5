"""The HUD strip in a window of its own during the fight: under the game's window, or above or beside it where there is
room. It never covers the game and never takes the focus.

It runs in a process of its own and reads the episode's log as it grows: drawing costs the fight nothing, and what is
seen live is what the replay shows. It ends with the agent, also when that is killed, and with the game's window.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from select import select
from typing import NamedTuple

from agent import hud
from agent.companion import Companion
from combatvla.desktop.base import Window
from combatvla.errors import UserError

FPS = 15
PLACE_S = 0.5
"""How often it looks where the game's window is."""
LEAST_WIDTH, MOST_WIDTH = 560, 1920
"""Of the strip; narrower it cannot be read."""
COLUMN_WIDTHS = (320, 480)
"""Beside the game the panels stand one under the other, so wide at least and at most."""


class StripWindow(Companion):
    """Shows the strip of the episode in `folder` beside `window`, from creation to `close`."""

    def __init__(self, window: Window, folder: Path) -> None:
        super().__init__("agent.strip", window.id, folder)


class Place(NamedTuple):
    x: int
    y: int
    width: int
    height: int
    column: bool


class Box(NamedTuple):
    """A rectangle on the screen."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


def find_place(game: Box, screen: Box) -> Place | None:
    """Where the strip goes beside `game` (with its frame) on `screen`: under it, above it, right or left of it; None
    where there is no room to read it."""
    wished = min(max(game.width, LEAST_WIDTH), MOST_WIDTH, screen.width)
    under, above = screen.bottom - max(game.bottom, screen.y), min(game.y, screen.bottom) - screen.y
    most = max(under, above) * hud.WIDTH // hud.HEIGHT - 8
    if (width := min(wished, most) // 2 * 2) >= LEAST_WIDTH:
        height = round(hud.HEIGHT * width / hud.WIDTH / 2) * 2
        x = min(max(game.x + (game.width - width) // 2, screen.x), screen.right - width)
        if under >= height:
            return Place(x, max(game.bottom, screen.y), width, height, False)
        return Place(x, min(game.y, screen.bottom) - height, width, height, False)
    right, left = screen.right - max(game.right, screen.x), min(game.x, screen.right) - screen.x
    room = max(right, left)
    width = min(room, COLUMN_WIDTHS[1], screen.height * hud.COLUMN_WIDTH // hud.COLUMN_HEIGHT) // 2 * 2
    if width < COLUMN_WIDTHS[0]:
        return None
    height = round(hud.COLUMN_HEIGHT * width / hud.COLUMN_WIDTH / 2) * 2
    y = min(max(game.y, screen.y), screen.bottom - height)
    x = max(game.right, screen.x) if right >= left else min(game.x, screen.right) - width
    return Place(x, y, width, height, True)


class X11Strip:
    """A window that the window manager does not manage and that no input makes active. `UserError` when the display
    cannot show it."""

    def __init__(self, game_id: int) -> None:
        from Xlib import X, Xatom

        from combatvla.desktop.x11 import connect

        self._display = connect()
        screen = self._display.screen()
        if screen.root_depth not in (24, 32):
            raise UserError(f"the strip needs a display of 24 bits a pixel, this one has {screen.root_depth}")
        self._root = screen.root
        self._game = self._display.create_resource_object("window", game_id)
        self.window = self._root.create_window(
            0, 0, 16, 16, 0, screen.root_depth, X.InputOutput, X.CopyFromParent,
            background_pixel=screen.black_pixel, override_redirect=True, event_mask=X.ExposureMask,
        )  # fmt: skip
        self.window.set_wm_name("combatvla: what the agent does")
        self.window.set_wm_class("combatvla-strip", "combatvla")
        self.window.set_wm_hints(flags=1, input=False)
        atom = self._display.get_atom
        for name, values in (
            ("_NET_WM_WINDOW_TYPE", ["_NET_WM_WINDOW_TYPE_UTILITY"]),
            ("_NET_WM_STATE", ["_NET_WM_STATE_ABOVE", "_NET_WM_STATE_SKIP_TASKBAR", "_NET_WM_STATE_SKIP_PAGER"]),
        ):
            self.window.change_property(atom(name), Xatom.ATOM, 32, [atom(value) for value in values])
        self._gc = self.window.create_gc()
        self._most = self._display.display.info.max_request_length * 4 - 64
        self.place: Place | None = None

    def find_place(self) -> Place | None:
        """Where it goes now. `WindowGone` when the game's window is gone."""
        from combatvla.desktop.x11 import gone_as_user_error

        with gone_as_user_error("the game"):
            shape, at = self._game.get_geometry(), self._root.translate_coords(self._game, 0, 0)
            found = self._game.get_full_property(self._display.get_atom("_NET_FRAME_EXTENTS"), 0)
            root = self._root.get_geometry()
        left, right, top, bottom = found.value if found is not None and len(found.value) == 4 else (0, 0, 0, 0)
        game = Box(at.x - left, at.y - top, shape.width + left + right, shape.height + top + bottom)
        return find_place(game, self._monitor(game, Box(0, 0, root.width, root.height)))

    def move(self, place: Place | None) -> None:
        """Shows it at `place`, or not at all."""
        if place is None:
            self.window.unmap()
        else:
            self.window.configure(x=place.x, y=place.y, width=place.width, height=place.height)
            if self.place is None:
                self.window.map()
        self._display.flush()
        self.place = place

    def show(self, picture) -> None:
        """`picture`: `uint8[H, W, 3]`, RGB."""
        import numpy as np
        from Xlib import X

        height, width = picture.shape[:2]
        data = np.zeros((height, width, 4), np.uint8)
        data[..., :3] = picture[..., ::-1]
        rows = max(1, self._most // (4 * width))
        for top in range(0, height, rows):
            part = data[top : top + rows]
            depth = self._display.screen().root_depth
            self.window.put_image(self._gc, 0, top, width, len(part), X.ZPixmap, depth, 0, part.tobytes())
        self._display.sync()

    def exposed(self) -> bool:
        """Whether what was shown must be shown anew."""
        lost = False
        while self._display.pending_events():
            self._display.next_event()
            lost = True
        return lost

    def close(self) -> None:
        self._display.close()

    def _monitor(self, game: Box, screen: Box) -> Box:
        """The monitor that holds most of `game`."""
        from contextlib import suppress

        from Xlib.error import XError

        found = [screen]
        if self._display.has_extension("RANDR"):
            with suppress(XError, AttributeError):
                found = [
                    Box(m.x, m.y, m.width_in_pixels, m.height_in_pixels)
                    for m in self._root.xrandr_get_monitors(is_active=True).monitors
                ] or found

        def common(box: Box) -> int:
            wide = min(game.right, box.right) - max(game.x, box.x)
            high = min(game.bottom, box.bottom) - max(game.y, box.y)
            return max(0, wide) * max(0, high)

        return max(found, key=common)


def watch(strip: X11Strip, folder: Path) -> None:
    """Shows the strip until standard input ends or the game's window is gone."""
    from agent.chronicle import Chronicle
    from combatvla.episode import read_info

    info = None
    while info is None:  # the log begins in a moment
        if select([sys.stdin], [], [], 0.05)[0]:
            return
        info = read_info(folder)
    chronicle, first_ns = Chronicle(folder), info.monotonic_ns
    painter, shown, told = None, None, False
    look = due = time.monotonic()
    while not select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        due = max(due + 1 / FPS, time.monotonic())
        if time.monotonic() >= look:
            look = time.monotonic() + PLACE_S
            place = strip.find_place()
            if place != strip.place:
                strip.move(place)
                painter = place and hud.Strip(info.game, place.width, column=place.column, give_back=info.give_back)
                shown = None
            if place is None and not told:
                told = True
                print(
                    "there is no room for the strip beside the game's window: make that smaller, or move it",
                    file=sys.stderr,
                    flush=True,
                )
        chronicle.look()
        now = chronicle.at(time.monotonic_ns(), first_ns)
        if painter and (now != shown or strip.exposed()):
            strip.show(painter.draw(now))
            shown = now


def main(argv: list[str]) -> int:
    from Xlib.error import ConnectionClosedError, DisplayError

    from combatvla.desktop.base import WindowGone

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    try:
        strip = X11Strip(int(argv[0]))
        try:
            watch(strip, Path(argv[1]))
        finally:
            strip.close()
    except WindowGone:
        pass  # the agent says so
    except (ConnectionClosedError, DisplayError):
        return 0  # the display ended, and with it the game
    except (UserError, OSError) as error:
        print(f"the strip is not shown: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
