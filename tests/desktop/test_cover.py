"""What covers a window, and who has the keyboard, on a real X server."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from Xlib import X, Xatom, Xutil

from combatvla.desktop.base import View, Window, WindowGone
from combatvla.desktop.capture import WindowCapture
from combatvla.desktop.cover import X11Cover
from combatvla.desktop.focus import X11Focus
from combatvla.desktop.x11 import connect
from tests.helpers import until


@pytest.fixture
def cover(desktop, arena, probe):
    watch = X11Cover(probe(width=300, height=200, x=100, y=100).find(desktop, arena))
    yield watch
    watch.close()


def popup(x, left: int, top: int, width: int, height: int, **how):
    """A window without a window manager, as menus and notes are."""
    root, depth = x.screen().root, x.screen().root_depth
    window = root.create_window(left, top, width, height, 0, depth, override_redirect=True, **how)
    window.map()
    x.sync()
    return window


def test_what_lies_above_covers_and_what_changes_is_told(cover):
    x = connect()
    free = cover.look()
    assert free.covered == () and cover.holds(free) and cover.look() is free
    note = popup(x, 150, 120, 40, 30)
    assert not cover.holds(free), "what was mapped before we asked is known"
    seen = cover.look()
    at = seen.window
    assert seen.covered == ((150 - at.x, 120 - at.y, 190 - at.x, 150 - at.y),) and cover.holds(seen)
    note.configure(x=50, y=120, width=100 + at.x - 50)
    x.sync()
    assert cover.look().covered == ((0, 120 - at.y, 100, 150 - at.y),), "clipped to the window"
    note.configure(stack_mode=X.Below)
    x.sync()
    assert cover.look().covered == ()
    note.configure(stack_mode=X.Above)
    note.unmap()
    x.sync()
    assert cover.look().covered == ()
    popup(x, 700, 500, 40, 30)
    assert cover.look().covered == (), "beside it"
    x.close()


def test_where_a_compositor_draws_later_what_goes_stays_covered_for_a_while(cover):
    x = connect()
    note = popup(x, 150, 120, 40, 30)
    assert len(cover.look().covered) == 1
    note.unmap()
    x.sync()
    assert cover.look().covered == (), "none runs"
    x.screen().root.create_window(0, 0, 1, 1, 0, 0, window_class=X.InputOnly).set_selection_owner(
        x.get_atom("_NET_WM_CM_S0"), X.CurrentTime
    )
    note.map()
    x.sync()
    (box,) = cover.look().covered
    note.configure(x=200)
    x.sync()
    assert set(cover.look().covered) > {box}, "where it was and where it is"
    note.unmap()
    x.sync()
    assert box in cover.look().covered
    until(lambda: cover.look().covered == ())
    moved = x.create_resource_object("window", cover.look().window.id)
    moved.configure(x=cover.look().window.x + 50)
    x.sync()
    until(lambda: cover.look().share_covered() == 1)
    until(lambda: cover.look().covered == ())
    x.close()


def test_what_nobody_sees_does_not_cover(cover):
    x = connect()
    root = x.screen().root
    root.create_window(150, 120, 40, 30, 0, 0, window_class=X.InputOnly, override_redirect=True).map()
    x.sync()
    assert cover.look().covered == ()
    x.close()


def test_the_title_of_what_covers_is_known(cover, probe):
    probe("a note", 60, 60, 150, 120, "unmanaged")
    until(lambda: cover.look().by == ("a note",))


def test_a_menu_of_its_own_program_does_not_cover(desktop, display):
    """The same process on another connection, as Wine does it; and not another window that it has opened."""
    x, y = connect(), connect()
    game = x.screen().root.create_window(100, 100, 300, 200, 0, x.screen().root_depth)
    game.change_property(x.get_atom("_NET_WM_NAME"), x.get_atom("UTF8_STRING"), 8, b"own game")
    game.map()
    x.sync()
    until(lambda: any(w.title == "own game" for w in desktop.windows()))
    window = next(w for w in desktop.windows() if w.title == "own game")
    watch = X11Cover(window)
    popup(y, 150, 120, 40, 30)
    assert watch.look().covered == ()
    code = (
        "from combatvla.desktop.x11 import connect; x = connect(); r = x.screen().root; "
        "w = r.create_window(150, 120, 40, 30, 0, x.screen().root_depth, override_redirect=True); "
        "w.map(); x.sync(); print('up', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"up\n"
    assert len(watch.look().covered) == 1, "another program's"
    other.communicate(b"\n")
    assert watch.look().covered == ()
    second = y.screen().root.create_window(120, 120, 100, 100, 0, y.screen().root_depth)
    second.set_wm_normal_hints(flags=Xutil.PPosition | Xutil.USPosition)
    second.map()
    y.sync()
    until(lambda: len(watch.look().covered) == 1)
    watch.close()
    x.close()
    y.close()


def test_a_window_that_is_not_shown_is_wholly_covered(desktop, arena, probe):
    window = probe(width=300, height=200, x=100, y=100).find(desktop, arena)
    watch, x = X11Cover(window), connect()
    hide = x.create_resource_object("window", window.id)
    hide.unmap()
    x.sync()
    assert watch.look().covered == ((0, 0, 300, 200),)
    watch.close()
    x.close()


def test_a_closed_window_is_gone(desktop, arena, probe):
    opened = probe()
    watch = X11Cover(opened.find(desktop, arena))
    opened.close()
    with pytest.raises(WindowGone):
        until(lambda: watch.look() is None)
    watch.close()


def test_a_private_picture_is_black_where_it_is_covered(desktop, arena, probe):
    window = probe(width=300, height=200, x=100, y=100).find(desktop, arena)
    with WindowCapture(window, desktop=desktop, private=True) as capture:
        assert (capture.grab().pixels == (0x20, 0x40, 0xC0)).all()
        x = connect()
        popup(x, 150, 120, 40, 30, background_pixel=0xFF0000)
        pixels, (left, top, right, bottom) = capture.grab().pixels, capture.view.covered[0]
        assert not pixels[top:bottom, left:right].any() and (pixels[..., 0] < 0x80).all()
        assert (pixels[bottom:] == (0x20, 0x40, 0xC0)).all()
        x.close()


def test_a_screen_that_never_rests_gives_black_pictures(desktop, arena, probe):
    window = probe(width=300, height=200, x=100, y=100).find(desktop, arena)
    with WindowCapture(window, desktop=desktop, private=True) as capture:
        capture._cover.holds = lambda view: False
        assert not capture.grab().pixels.any() and capture.view.share_covered() == 1


def test_the_share_that_is_covered_counts_once():
    window = Window(1, "", None, 0, 0, 10, 10)
    assert View(window).share_covered() == 0
    assert View(window, ((0, 0, 5, 10), (3, 0, 5, 10))).share_covered() == 0.5


def test_who_has_the_keyboard(desktop, arena, probe):
    game, other = probe(), probe(title="other", x=600)
    window, elsewhere = game.find(desktop, arena), other.find(desktop, arena, focus=False)
    desktop.activate(window, timeout_s=5)
    focus = X11Focus(window)
    until(focus.has)
    desktop.activate(elsewhere, timeout_s=5)
    assert not focus.has()
    desktop.activate(window, timeout_s=5)
    until(focus.has)
    x = connect()
    how = (False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
    assert x.screen().root.grab_keyboard(*how) == X.GrabSuccess
    x.sync()
    assert not focus.has() and desktop.active_window() == window.id, "a screen lock, say"
    x.ungrab_keyboard(X.CurrentTime)
    x.sync()
    until(focus.has)
    menu = popup(x, 0, 0, 50, 50)
    menu.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)  # the window manager does not know
    x.sync()
    assert not focus.has()
    x.create_resource_object("window", window.id).set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
    x.sync()
    until(focus.has)
    game.close()
    until(lambda: not focus.has())
    focus.close()
    x.close()


def test_a_game_that_grabs_the_keyboard_itself_has_it(desktop, arena, display):
    x = connect()
    game = x.screen().root.create_window(100, 100, 300, 200, 0, x.screen().root_depth)
    game.change_property(x.get_atom("_NET_WM_NAME"), x.get_atom("UTF8_STRING"), 8, b"grabber")
    game.change_property(x.get_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [1])
    game.map()
    x.sync()
    window = desktop.find_window(arena.model_copy(update={"title": "grabber"}), wait_s=5)
    desktop.activate(window, timeout_s=5)
    focus = X11Focus(window)
    until(focus.has)
    assert game.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime) == X.GrabSuccess
    x.sync()
    assert focus.has()
    focus.close()
    x.close()


def test_where_the_mouse_is(desktop, arena, probe):
    """In the window, or in a menu of its program, which is a window of its own; not where another program's lies."""
    x = connect()
    game = x.screen().root.create_window(100, 100, 300, 200, 0, x.screen().root_depth)
    game.change_property(x.get_atom("_NET_WM_NAME"), x.get_atom("UTF8_STRING"), 8, b"with a menu")
    game.map()
    x.sync()
    window = desktop.find_window(arena.model_copy(update={"title": "with a menu"}), wait_s=5)
    until(lambda: desktop.activate(window))
    lies = desktop.geometry(window)
    focus = X11Focus(window)

    def over(right: int, down: int) -> bool:
        x.screen().root.warp_pointer(lies.x + right, lies.y + down)
        x.sync()
        return focus.over(time.monotonic_ns() + 5_000_000, lies.x + right, lies.y + down)

    assert over(10, 10) and over(150, 10) and not over(310, 10)
    menu = popup(x, lies.x + 140, lies.y, 50, 50)
    assert over(150, 10)
    probe("note", 50, 50, lies.x + 140, lies.y, "unmanaged")
    assert over(10, 10) and not over(150, 10)
    menu.destroy()
    other = connect()
    how = (False, 0, X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime)
    assert other.screen().root.grab_pointer(*how) == X.GrabSuccess
    other.sync()
    time.sleep(0.01)
    assert not over(10, 10), "another program holds it"
    other.close()
    until(lambda: over(10, 10))
    focus.close()
    x.close()
