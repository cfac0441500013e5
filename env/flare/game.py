"""Flare's window, opened on one boss fight: a home folder of its own, a mod of a few text files, a fresh saved hero."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from combatvla.desktop.base import Desktop, Window
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from env.live import SAID_FILE, check_runs, running

START_S = 60.0
"""Seconds the game has to show the fight."""
MOD = "combatvla"
SLOT = 1
PLACES = ((6, 10), (14, 10), (10, 6), (10, 14), (7, 7), (13, 13), (7, 13), (13, 7))
"""Where the hero begins, in tiles; the boss stands in the middle at (10, 10). The seed picks one."""
PICTURES = {
    "combatvla_back": ((206, 26), (10, 10, 13)),
    "combatvla_hero": ((200, 20), (64, 230, 89)),
    "combatvla_boss": ((200, 20), (255, 214, 40)),
    "combatvla_won": ((256, 100), (64, 128, 255)),
    "combatvla_lost": ((256, 100), (200, 40, 200)),
}
"""Plain plates for the game's bars and for the end of the fight: size and colour (RGB)."""


def find_game() -> str:
    """The program. `UserError` where it is not installed."""
    found = shutil.which("flare") or shutil.which("flare", path="/usr/games:/usr/local/games")
    if found is None:
        raise UserError(
            "Flare is not installed: run `scripts/setup.sh flare`, or on Debian and Ubuntu "
            "`apt-get install --no-install-recommends flare-game`"
        )
    return found


def make_home(home: Path, seed: int) -> None:
    """Writes into `home` what the game reads from there: settings, keys, the mod, and the hero about to fight."""
    config, data = home / ".config" / "flare", home / ".local" / "share" / "flare"
    save = data / "saves" / "empyrean" / str(SLOT)
    for folder in (config, save):
        folder.mkdir(parents=True, exist_ok=True)
    with resources.as_file(resources.files("env.flare") / "files") as files:
        shutil.copytree(files / "mod", data / "mods" / MOD, dirs_exist_ok=True)
        for name in ("settings.txt", "keybindings.txt"):
            shutil.copyfile(files / name, config / name)
        hero = (files / "avatar.txt").read_text(encoding="utf-8")
    x, y = random.Random(seed).choice(PLACES)
    (save / "avatar.txt").write_text(hero.format(x=x, y=y), encoding="utf-8")
    plates = data / "mods" / MOD / "images" / "menus"
    plates.mkdir(parents=True, exist_ok=True)
    for name, ((width, height), color) in PICTURES.items():
        cv2.imwrite(str(plates / f"{name}.png"), np.full((height, width, 3), color[::-1], np.uint8))


@contextmanager
def flare_window(folder: Path, seed: int = 0) -> Iterator[subprocess.Popen]:
    """The game on its boss fight, with `folder` for its home and what it prints; ended on the way out.

    The same `seed` begins at the same place; the game's own chances are its own.
    """
    program = find_game()
    home = folder / "home"
    make_home(home, seed)
    # SDL without its GPU path: on llvmpipe that costs more than drawing in software.
    own = {"HOME": str(home), "SDL_AUDIODRIVER": "dummy", "SDL_FRAMEBUFFER_ACCELERATION": "0"}
    environment = {k: v for k, v in os.environ.items() if k not in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")} | own
    mods = f"--mods=fantasycore,empyrean_campaign,{MOD}"
    with running([program, "--no-audio", f"--load-slot={SLOT}", mods], folder, environment) as game:
        yield game


def find_flare(desktop: Desktop, profile: GameProfile, game: subprocess.Popen, folder: Path) -> Window:
    """The window of `game`, with the focus, once its HUD shows the running fight. `UserError` when it does not."""
    from combatvla.desktop.capture import WindowCapture
    from combatvla.hud import HudReader

    until = time.monotonic() + START_S

    def wait() -> None:
        """Sleeps a little. `UserError` when the game has ended."""
        check_runs(game, "Flare", folder)
        time.sleep(0.02)

    window = None
    while window is None:
        with suppress(UserError):
            window = desktop.find_window(profile, wait_s=0.1, pid=game.pid)
        if window is None and time.monotonic() > until:
            said = folder / SAID_FILE
            raise UserError(f"Flare opened no window within {START_S:.0f} s; what it printed is in {said}")
        wait()
    if not desktop.activate(window, timeout_s=5):
        raise UserError("Flare's window did not get the focus, so no keys can be sent: close what covers it")
    reader = HudReader(profile)
    with WindowCapture(window, desktop=desktop, keep=1) as capture:
        while not reader.running(reader.read(capture.grab().pixels)):
            if time.monotonic() > until:
                raise UserError(
                    f"Flare showed no fight within {START_S:.0f} s: its health bars are not where the profile has "
                    f"them; what it printed is in {folder / SAID_FILE}"
                )
            wait()
    return window
