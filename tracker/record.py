"""`combatvla tracker record`: a window and the keys pressed in it become a session."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import tyro

from combatvla.arguments import parse
from combatvla.desktop.base import Desktop, Window
from combatvla.errors import UserError
from combatvla.profiles import MOUSE_BUTTONS, GameProfile, load_profile, profile_for
from tracker.recorder import Recorder, Recording

if TYPE_CHECKING:
    from rich.console import Console

SMALL = 1280 * 720
"""Up to so many pixels 60 pictures a second are taken, of larger windows 30."""
CLICK_S = 60.0


@dataclass
class Args:
    """Records a window and your keys into a session.

    Start the game, then:

        combatvla tracker record --game arena --out sessions/first
        combatvla tracker check sessions/first
        combatvla tracker export sessions/first --out data/first

    Or choose any window (`combatvla tracker windows` lists them):

        combatvla tracker record --click --out sessions/second
        combatvla tracker record --title "Dark Souls" --out sessions/third --wait-for-key

    Only while that window has the focus are pictures taken and keys noted: change to another window and nothing of it
    is recorded, and what covers it is black. Ctrl-C ends the recording, as does closing the game. A crash loses a
    fraction of a second. docs/recording.md tells more.
    """

    out: Path
    """The session's folder; it must not exist yet."""
    game: str | None = None
    """The game's profile: a name (arena) or the path of a .yaml file. It finds the window, unless you choose one below.
    Without it the profile whose title fits is taken, or none: every key is recorded all the same."""
    title: str | None = None
    """Records the window with this in its title: plain text, or a regular expression; in any case."""
    pid: int | None = None
    """Records the window of this process, or of a child of it."""
    click: bool = False
    """Records the window that you click on next."""
    fps: Annotated[int | None, tyro.conf.arg(metavar="1..240")] = None
    """Pictures a second; by default 60 up to 1280x720 and 30 above."""
    stop_after: float | None = None
    """Ends the recording after so many seconds."""
    wait: float = 10.0
    """How many seconds to wait for the window."""
    idle: float | None = 60.0
    """Rests after so many seconds without an input, until the next one; None: never."""
    least_free_mb: float = 500.0
    """Ends before the disk is so full that other programs fail."""
    stop_key: str = "f12"
    """Pressed in the game's window it ends the recording: a character (p), a key's name (f12, escape, page_up) or a
    button (mouse_middle). The three keys are not recorded."""
    pause_key: str = "f11"
    """...lets it rest, or go on."""
    mark_key: str = "f9"
    """...marks the moment."""
    wait_for_key: bool = False
    """Begins with the first press of the pause key."""
    yes: bool = False
    """Does not wait for Enter after the notice that is shown before your first recording."""
    json: bool = False
    """Prints one JSON object as the last line."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker record")
    if args.game is None and args.title is None and args.pid is None and not args.click:
        raise UserError("no window is chosen: give --game, --title, --pid or --click (see `combatvla tracker windows`)")
    if args.click and (args.title is not None or args.pid is not None):
        raise UserError("--click chooses the window: leave out --title and --pid")
    profile = load_profile(args.game) if args.game is not None else None
    hotkeys = {"mark": args.mark_key.lower(), "pause": args.pause_key.lower(), "stop": args.stop_key.lower()}
    check_hotkeys(hotkeys, profile)
    from rich.console import Console

    from combatvla.desktop import open_desktop
    from tracker.notice import tell_once

    console = Console(stderr=True)
    desktop = open_desktop(watch_only=True)
    check_names(hotkeys)
    if desktop.note:
        console.print(f"Note: {desktop.note}.", style="yellow", soft_wrap=True)
    tell_once(console, args.out, hotkeys, idle_s=args.idle, ask=not args.yes)
    window = chosen_window(args, desktop, profile, console)
    game = game_of(args.game, window)
    if profile is None and game:
        check_hotkeys(hotkeys, load_profile(game))
    desktop.activate(window)
    fps = args.fps if args.fps is not None else pace(window)
    recorder = Recorder(
        desktop,
        window,
        profile,
        args.out,
        fps=fps,
        game=game,
        hotkeys=hotkeys,
        idle_s=args.idle,
        least_free_mb=args.least_free_mb,
        paused=args.wait_for_key,
    )
    console.print(
        f"{window.title!r}, {window.width}x{window.height} at {fps} pictures a second, into {args.out}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    live_s = watch(recorder, args, hotkeys, console)
    status = recorder.wait()
    summary(status, args.out, live_s, console)
    from combatvla.report import emit

    figures = {
        "session": str(args.out),
        "seconds": round(status.seconds, 3),
        "live_s": round(live_s, 3),
        "frames": status.frames,
        "fps": round(status.frames / status.seconds, 2) if status.seconds else 0.0,
        "fps_asked": fps,
        "dropped": status.dropped,
        "covered": status.covered,
        "events": status.events,
        "marks": status.marks,
        "capture_ms_p50": round(median(status.capture_ms), 3) if status.capture_ms else None,
        "ended": status.ended,
    }
    emit(figures, as_json=args.json)
    return 0


def pace(window: Window) -> int:
    """How many pictures a second are taken of it."""
    return 60 if window.width * window.height <= SMALL else 30


def check_hotkeys(hotkeys: dict[str, str], profile: GameProfile | None) -> None:
    """`UserError` when two are one key, or the game uses one."""
    taken = set(hotkeys.values()) & set(profile.keys.values()) if profile is not None else set()
    if taken or len(set(hotkeys.values())) < len(hotkeys):
        game = profile.name if profile is not None else "the game"
        raise UserError(
            f"--stop-key, --pause-key and --mark-key: expected three keys that {game} does not use, got "
            f"{', '.join(hotkeys.values())}"
        )


def check_names(hotkeys: dict[str, str]) -> None:
    """`UserError` for a name that the listener never reports: that key would do nothing."""
    from pynput import keyboard

    from combatvla.desktop.keys import KEY_NAMES

    named = {KEY_NAMES.get(key.name, key.name) for key in keyboard.Key} | set(MOUSE_BUTTONS)
    for what, key in hotkeys.items():
        if key in named or re.fullmatch(r"key_\d+", key) or (len(key) == 1 and _plain(key)):
            continue
        near = get_close_matches(key, sorted(named), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "such as p, f8, page_up or mouse_middle"
        raise UserError(
            f"--{what}-key: expected a key's name, or a character that it types without shift, got {key!r}; {hint}"
        )


def _plain(char: str) -> bool:
    """Whether a key types it without shift, as far as can be told."""
    if not char.isprintable() or char.isspace():
        return False
    if sys.platform != "linux" or not char.isascii():
        return True
    from combatvla.desktop.x11 import connect

    connection = connect()
    try:
        return any(index % 2 == 0 for _, index in connection.keysym_to_keycodes(ord(char)))
    finally:
        connection.close()


def chosen_window(args: Args, desktop: Desktop, profile: GameProfile | None, console: Console) -> Window:
    """The window that the arguments mean. `UserError` when there is none, or several."""
    from combatvla.desktop.choose import choose_window, find_only_window

    if args.click:
        console.print("Click on the window to record (Escape or the right button: none).")
        window = desktop.pick_window(timeout_s=CLICK_S)
        if window is None:
            raise UserError("no window was chosen: run the command again and click into a program's window")
        return window
    with console.status("waiting for the window"):
        if args.title is not None or args.pid is not None:
            return choose_window(desktop, title=args.title, pid=args.pid, wait_s=args.wait)
        return find_only_window(desktop, profile, wait_s=args.wait)


def game_of(game: str | None, window: Window) -> str:
    """How `load_profile` finds the profile again, from whatever folder; "" when no profile is known."""
    if game is None:
        return profile_for(window.title, window.programs) or ""
    return str(Path(game).resolve()) if Path(game).is_file() else game


def watch(recorder: Recorder, args: Args, hotkeys: dict[str, str], console: Console) -> float:
    """Shows how it goes until the recording ends; for how many seconds pictures were taken."""
    from tracker.gauges import Gauges

    before = signal.signal(signal.SIGTERM, lambda *_: recorder.stop("SIGTERM"))
    gauges = Gauges(recorder, args.out, hotkeys, console)
    try:
        with gauges:
            begun = 0.0
            while recorder.running(0.1):
                gauges.update()
                if args.wait_for_key and not recorder.status.frames:
                    begun = recorder.status.seconds  # the time counts from the first picture on
                if args.stop_after is not None and recorder.status.seconds - begun >= args.stop_after:
                    recorder.stop(f"{args.stop_after:g} s are over")
    except KeyboardInterrupt:
        recorder.stop("Ctrl-C")
    finally:
        recorder.stop()
        signal.signal(signal.SIGTERM, before)
    return gauges.live_s


def summary(status: Recording, folder: Path, live_s: float, console: Console) -> None:
    """What was recorded, and what to do next."""
    from tracker.gauges import clock, size_of

    rate = f", {status.frames / live_s:.1f} a second" if live_s > 1 else ""
    lines = [
        f"{status.ended}: {clock(live_s)} of {clock(status.seconds)} recorded into {folder}",
        f"  {status.frames} frames{rate}, {status.dropped} dropped; inputs: {status.events}, marks: {status.marks}; "
        f"{size_of(folder) / 1e6:.1f} MB",
    ]
    if status.covered:
        lines.append(f"  {status.covered} frames are black in part: other windows covered the game")
    lines += [
        "next:",
        f"  combatvla tracker check {folder}",
        f"  combatvla tracker export {folder} --out data/{folder.name}",
    ]
    console.print(
        "\n".join(lines),
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
