"""`combatvla tracker record`: a game window and the keys pressed in it become a session."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from tracker.recorder import Recorder


@dataclass
class Args:
    """Records a game window and your keys into a session.

    Start the game, then:

        combatvla tracker record --game arena --out sessions/first
        combatvla tracker check sessions/first
        combatvla tracker export sessions/first --out data/first

    Only while the game's window has the focus are pictures taken and keys noted: change to another window and nothing
    of it is recorded. Ctrl-C ends the recording, as does closing the game. A crash loses a fraction of a second.
    """

    game: str
    """The game's profile: a name (arena) or the path of a .yaml file."""
    out: Path
    """The session's folder; it must not exist yet."""
    fps: Annotated[int, tyro.conf.arg(metavar="1..240")] = 30
    """Pictures a second."""
    stop_after: float | None = None
    """Ends the recording after so many seconds."""
    wait: float = 10.0
    """How many seconds to wait for the game's window."""
    idle: float | None = 60.0
    """Rests after so many seconds without an input, until the next one; None: never."""
    least_free_mb: float = 500.0
    """Ends before the disk is so full that other programs fail."""
    stop_key: str = "f12"
    """Pressed in the game's window it ends the recording. The three keys are not recorded."""
    pause_key: str = "f11"
    """...lets it rest, or go on."""
    mark_key: str = "f9"
    """...marks the moment."""
    json: bool = False
    """Prints one JSON object as the last line."""


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "tracker record")
    from rich.console import Console

    from combatvla.desktop import open_desktop

    profile = load_profile(args.game)
    console = Console(stderr=True)
    desktop = open_desktop()
    with console.status(f"waiting for the window {profile.title!r}"):
        window = desktop.find_window(profile, wait_s=args.wait)
    desktop.activate(window)
    game = str(Path(args.game).resolve()) if Path(args.game).is_file() else args.game
    hotkeys = {"stop": args.stop_key, "pause": args.pause_key, "mark": args.mark_key}
    taken = set(hotkeys.values()) & set(profile.keys.values())
    if taken or len(set(hotkeys.values())) < len(hotkeys):
        raise UserError(
            f"--stop-key, --pause-key and --mark-key: expected three keys that {profile.name} does not use, got "
            f"{', '.join(hotkeys.values())}"
        )
    recorder = Recorder(
        desktop,
        window,
        profile,
        args.out,
        fps=args.fps,
        game=game,
        hotkeys=hotkeys,
        idle_s=args.idle,
        least_free_mb=args.least_free_mb,
    )
    before = signal.signal(signal.SIGTERM, lambda *_: recorder.stop("SIGTERM"))
    try:
        with console.status("") as line:
            while recorder.running(0.1):
                line.update(_line(recorder))
                if args.stop_after is not None and recorder.status.seconds >= args.stop_after:
                    recorder.stop(f"{args.stop_after:g} s are over")
    except KeyboardInterrupt:
        recorder.stop("Ctrl-C")
    finally:
        recorder.stop()
        signal.signal(signal.SIGTERM, before)
    status = recorder.wait()
    rate = status.frames / status.seconds if status.seconds else 0.0
    console.print(
        f"{status.ended}: {status.frames} frames in {status.seconds:.1f} s ({rate:.1f} fps, {status.dropped} dropped), "
        f"{status.events} inputs, in {args.out}"
    )
    if args.json:
        figures = {
            "session": str(args.out),
            "seconds": round(status.seconds, 3),
            "frames": status.frames,
            "fps": round(rate, 2),
            "dropped": status.dropped,
            "events": status.events,
            "marks": status.marks,
            "capture_ms_p50": round(median(status.capture_ms), 3) if status.capture_ms else None,
            "ended": status.ended,
        }
        print(json.dumps(figures))
    return 0


def _line(recorder: Recorder) -> str:
    status = recorder.status
    if not status.focused:
        return f"{status.seconds:6.1f} s  paused: the game's window does not have the focus"
    if status.paused:
        how = "press a key in the game" if status.paused == "idle" else "press the pause key again"
        return f"{status.seconds:6.1f} s  paused ({status.paused}): {how} to go on"
    rate = status.frames / status.seconds if status.seconds else 0.0
    keys = " ".join(recorder.keys_down) or "-"
    return (
        f"recording {status.seconds:6.1f} s  {rate:4.1f} fps  {status.dropped} dropped  keys: {keys}  "
        f"{status.disk_free_mb / 1000:.1f} GB free  (Ctrl-C ends it)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
