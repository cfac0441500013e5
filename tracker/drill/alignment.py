"""The alignment drill: a game tells tic by tic what it received, and the recording must say the same."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from combatvla.actions import Action
from combatvla.desktop.base import Desktop, Window
from combatvla.desktop.inject import GuardedInjector
from combatvla.desktop.limits import UNLIMITED
from combatvla.errors import UserError
from combatvla.profiles import GameProfile, load_profile
from combatvla.report import Advance, percentile
from tracker.align import intervals, segments
from tracker.drill import doom
from tracker.drill.presses import Presser
from tracker.drill.truth import Tic, TruthReader, compare, figures, planned, stamp_errors
from tracker.session import Session

A = Action
DOOM = {
    A.MOVE_FORWARD: ("w", "+forward", "MOVE_FORWARD"),
    A.MOVE_BACK: ("s", "+back", "MOVE_BACKWARD"),
    A.MOVE_LEFT: ("a", "+moveleft", "MOVE_LEFT"),
    A.MOVE_RIGHT: ("d", "+moveright", "MOVE_RIGHT"),
    A.SPRINT: ("shift", "+speed", "SPEED"),
    A.DODGE: ("space", "+jump", "JUMP"),
    A.HEAL: ("r", "+reload", "RELOAD"),
    A.SKILL: ("1", "+zoom", "ZOOM"),
    A.LIGHT_ATTACK: ("mouse_left", "+attack", "ATTACK"),
    A.HEAVY_ATTACK: ("mouse_right", "+altattack", "ALTATTACK"),
    A.BLOCK: ("e", "+use", "USE"),
}
"""Our keys, what ViZDoom's console binds them to, and the button by which ViZDoom reports them."""
_CONSOLE = {"mouse_left": "mouse1", "mouse_right": "mouse2"}
"""ViZDoom's names of keys that a profile calls otherwise."""
LANES = [
    *([a, b] for a, b in ((A.MOVE_FORWARD, A.MOVE_BACK), (A.MOVE_LEFT, A.MOVE_RIGHT))),
    *([a] for a in (A.SPRINT, A.DODGE, A.HEAL, A.SKILL, A.LIGHT_ATTACK, A.HEAVY_ATTACK, A.BLOCK)),
]
"""All independent of one another, but for the opposites, which cancel out in ViZDoom and in our plans."""


@dataclass
class Game:
    """A game that runs, and what it says."""

    profile: GameProfile
    game: str
    """How `tracker record` finds the profile."""
    window: Window
    truth: TruthReader
    fps: int
    """Pictures a second that are recorded."""
    tic_ms: float
    hold: tuple[int, int]
    """The least and the most tics of a press."""
    rest: tuple[int, int]


@contextmanager
def vizdoom_game(desktop: Desktop, folder: Path) -> Iterator[Game]:
    """ViZDoom's own window. It looks at its keys once a tic, so a press must last for two to be seen for sure."""
    if importlib.util.find_spec("vizdoom") is None:
        raise UserError("this drill needs ViZDoom: install it with `pip install combatvla[bench]`, or add --game arena")
    profile = GameProfile(
        name="vizdoom", title="VIZDOOM", fps=35, keys={a: key for a, (key, _, _) in DOOM.items()}, prompt="What now?"
    )
    path = folder / "vizdoom.yaml"
    path.write_text(yaml.safe_dump(profile.model_dump(mode="json")), encoding="utf-8")
    console = {_CONSOLE.get(key, key): (a, command, button) for a, (key, command, button) in DOOM.items()}
    binds = json.dumps({key: (command, button) for key, (_, command, button) in console.items()})
    game = subprocess.Popen(
        [sys.executable, doom.__file__, binds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,  # it writes its settings where it is started
    )
    truth = TruthReader(
        lambda: game.stdout,
        lambda line: Tic(line["t_ns"], line["end_ns"], frozenset(console[key][0] for key in line["down"])),
    )
    with _ending(game, truth, lambda: game.stdin.close()):
        truth.wait_for_first()  # until then it may open its window anew
        window = desktop.find_window(profile, wait_s=60)
        # ViZDoom tells of a press up to a tic and some milliseconds after it (32 in all): what it says cannot be placed
        # more finely than among frames of 33 ms.
        yield Game(profile, str(path), window, truth, 30, 1000 / 35, (3, 10), (3, 9))


@contextmanager
def arena_game(desktop: Desktop, folder: Path) -> Iterator[Game]:
    """The Arena and its own log. It takes the shortest tap, so presses may be shorter than a tick."""
    profile, log = load_profile("arena"), folder / "truth.fifo"
    os.mkfifo(log)
    command = [sys.executable, "-m", *shlex.split(profile.start), "--size", "640x360", "--plain", "--mute"]
    game = subprocess.Popen([*command, "--log", str(log)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    truth = TruthReader(
        lambda: log.open(encoding="utf-8"),
        lambda line: Tic(line["t_ns"], line["t_ns"], frozenset(map(Action, line["held"]))),
    )
    with _ending(game, truth, game.terminate):
        truth.wait_for_first()
        window = desktop.find_window(profile, wait_s=60, pid=game.pid)
        # It takes up to two ticks from a press to the tick that heeds it: the window reads its input as it draws.
        yield Game(profile, "arena", window, truth, 30, 1000 / 60, (0, 12), (3, 12))


@contextmanager
def _ending(game: subprocess.Popen, truth: TruthReader, end: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        end()
        try:
            game.wait(10)
        except subprocess.TimeoutExpired:
            game.kill()
            game.wait()
        truth.join()


GAMES = {"vizdoom": vizdoom_game, "arena": arena_game}


@contextmanager
def recording(game: str, folder: Path, fps: int) -> Iterator[subprocess.Popen]:
    """`combatvla tracker record` in a process of its own, from its first picture on; stopped at the end."""
    command = [sys.executable, "-m", "combatvla", "tracker", "record", "--game", game, "--out", str(folder)]
    command += ["--fps", str(fps), "--idle", "None"]
    recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    frames = folder / "frames.jsonl"
    try:
        while not (frames.is_file() and frames.stat().st_size):
            if recorder.poll() is not None:
                said = recorder.communicate()[1].strip().splitlines()
                raise UserError(f"the recorder failed: {said[-1] if said else recorder.returncode}")
            time.sleep(0.01)
        yield recorder
    finally:
        if recorder.poll() is None:
            recorder.terminate()
        with suppress(subprocess.TimeoutExpired):
            recorder.communicate(timeout=60)
        if recorder.poll() is None:
            recorder.kill()


def press(desktop: Desktop, game: Game, actions: int, seed: int, advance: Advance) -> Presser:
    """Presses keys in the game until `actions` were pressed, or the game no longer looks."""
    stop = threading.Event()
    with GuardedInjector(desktop, game.window, game.profile, armed=True, limits=UNLIMITED) as injector:
        lanes = [[a for a in lane if a in game.profile.keys] for lane in LANES]
        presser = Presser(
            injector, [lane for lane in lanes if lane], game.truth.count, game.tic_ms, game.hold, game.rest, seed
        )
        thread = threading.Thread(target=presser.run, args=(actions, stop), daemon=True)
        thread.start()
        told = 0
        while thread.is_alive() and game.truth.looks():
            thread.join(0.5)
            advance(presser.presses - told)
            told = presser.presses
        stop.set()
        thread.join()
    return presser


def measure(which: str, actions: int, seed: int, folder: Path, advance: Advance) -> dict[str, Any]:
    """Plays, records and compares; the session and what was sent stay in `folder`."""
    from combatvla.desktop import open_desktop
    from combatvla.desktop.display import own_display

    with ExitStack() as stack:
        if not os.environ.get("DISPLAY"):
            stack.enter_context(own_display(1280, 720))
        desktop = open_desktop()
        stack.callback(desktop.close)
        game = stack.enter_context(GAMES[which](desktop, folder))
        if not desktop.activate(game.window, timeout_s=5):
            raise UserError("the game's window does not get the focus: leave the machine alone and try again")
        began = time.monotonic()
        with recording(game.game, folder / "session", game.fps):
            presser = press(desktop, game, actions, seed, advance)
            time.sleep(0.5)
        seconds = time.monotonic() - began
    session, tics = Session(folder / "session"), game.truth.tics
    _keep(folder, tics, presser)
    result = judge(session, game.profile, tics)
    late = stamp_errors(presser.sent, session.events, game.profile)
    lengths = [(b.t_ns - a.t_ns) / 1e6 for a, b in zip(tics, tics[1:], strict=False)]
    return {
        **result,
        "stamp_late_ms_p50": percentile(late, 50),
        "stamp_late_ms_p99": percentile(late, 99),
        "sent": presser.presses,
        "tic_ms_p50": percentile(lengths, 50),
        "tic_ms_p99": percentile(lengths, 99),
        "frames": len(session.frames),
        "fps": game.fps,
        "seconds": round(seconds, 1),
    }


def _keep(folder: Path, tics: Sequence[Tic], presser: Presser) -> None:
    """Writes what the game said and what was sent beside the session, for who wants to know where they differ."""
    with open(folder / "truth.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps([tic.t_ns, tic.end_ns, sorted(tic.held)]) + "\n" for tic in tics)
    with open(folder / "sent.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(change) + "\n" for change in presser.sent)


def judge(session: Session, profile: GameProfile, tics: Sequence[Tic]) -> dict[str, Any]:
    """What a session says beside what the game says: press by press, and (`plans_...`) as the exported plans tell it,
    where keys pressed together begin together."""
    times = session.frames.t_ns.tolist()
    pressed = intervals(session.events, profile, times[-1])
    plans = figures(compare(planned(segments(pressed, times[0], times[-1])), tics), times)
    told = ("missing", "invented", "within_one_frame_share", "error_frames_p99")
    return {**figures(compare(pressed, tics), times), **{f"plans_{name}": plans[name] for name in told}}
