"""Still pictures of the fights: each boss, and each of its attacks in the wind-up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from combatvla.errors import UserError
from env.arena.fight import Fight
from env.arena.state import B_WINDUP, FLARE_MS, LEAP_OFF, TICK_HZ, to_ticks
from env.tasks import Task

if TYPE_CHECKING:
    from env.arena.render import Renderer

SEED = 3
SIZE, SMALL = (960, 540), (512, 288)
CROP = (112, 30, 392, 248)
"""What of a small picture the sheet shows: left, upper, right, lower; the fighters, and hardly any of the HUD."""
TILE = (CROP[2] - CROP[0], CROP[3] - CROP[1])
HEAD, FOOT = 30, 20
"""Pixels above a row of tiles and below each tile, for words."""
PROGRESS, LEAST = 0.72, 0.45
"""How far the shown wind-ups are: before the flare where that leaves something to see, a leap still on the ground."""
FLARE_TICKS = round(FLARE_MS * TICK_HZ / 1000)
NEAREST, FARTHEST = 2.6, 5.5
"""Metres between the two in a picture, within what the attack is chosen at."""
BACK, INK, FAINT = (18, 19, 23), (240, 236, 224), (160, 164, 172)


def winding_up(task: Task, name: str) -> Fight:
    """A fight at the moment when the boss winds up for the attack `name`."""
    fight = Fight(task, SEED)
    move = task.boss.moves[name]
    distance = min(max(sum(move.range) / 2, move.range[0], NEAREST), max(FARTHEST, move.range[0]))
    fight.player.x, fight.player.y = 0.0, -distance / 2
    boss = fight.boss
    boss.x, boss.y, boss.facing = 0.0, distance / 2, -math.pi / 2
    boss.stage, boss.move = B_WINDUP, fight.move_named(name)
    boss.hold = round(sum(move.hold) / 2 * TICK_HZ)
    boss.total = to_ticks(move.windup) + boss.hold
    before_flare = boss.total - FLARE_TICKS - 1
    at_most = LEAP_OFF * 0.95 if move.kind == "leap" else PROGRESS
    boss.t = int(max(LEAST * boss.total, min(at_most * boss.total, before_flare)))
    return fight


def write_pictures(tasks: Sequence[Task], folder: Path) -> list[Path]:
    """Writes NAME.png a task, its first attack; the paths. `UserError` if it cannot."""
    paths = [folder / f"{task.name}.png" for task in tasks]
    with _drawing(SIZE, folder) as renderer:
        for task, path in zip(tasks, paths, strict=True):
            picture = Image.fromarray(renderer.draw(winding_up(task, next(iter(task.boss.moves)))))
            picture.save(path, optimize=True)
    return paths


def write_sheet(tasks: Sequence[Task], path: Path) -> None:
    """Writes all attacks of `tasks` into one picture. `UserError` if it cannot."""
    with _drawing(SMALL, path.parent) as renderer:
        strips = [_strip(task, renderer) for task in tasks]
        _stack(strips).quantize(256).save(path, optimize=True)


@contextmanager
def _drawing(size: tuple[int, int], folder: Path) -> Iterator[Renderer]:
    """A renderer for pictures that go into `folder`, which is made; trouble with it is a `UserError`."""
    from env.arena.render import Renderer

    try:
        folder.mkdir(parents=True, exist_ok=True)
        renderer = Renderer(*size)
        try:
            yield renderer
        finally:
            renderer.close()
    except OSError as error:
        raise UserError(f"the pictures cannot be written into {folder} ({error}); choose another folder") from error


def _strip(task: Task, renderer: Renderer) -> Image.Image:
    """One task: its title, and a row of its attacks."""
    width, height = TILE
    strip = Image.new("RGB", (width * len(task.boss.moves), HEAD + height + FOOT), BACK)
    draw = ImageDraw.Draw(strip)
    words = f"{task.number}  {task.title}  ({task.rules}, {task.tier})"
    draw.text((8, HEAD // 2), words, INK, ImageFont.load_default(17), anchor="lm")
    for i, (name, move) in enumerate(task.boss.moves.items()):
        picture = Image.fromarray(renderer.draw(winding_up(task, name)))
        strip.paste(picture.crop(CROP), (i * width, HEAD))
        what = name if name == move.kind else f"{name}: {move.kind}"
        draw.text((i * width + 8, HEAD + height + FOOT // 2), what, FAINT, ImageFont.load_default(14), anchor="lm")
    return strip


def _stack(strips: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(s.width for s in strips), sum(s.height for s in strips)), BACK)
    y = 0
    for strip in strips:
        sheet.paste(strip, (0, y))
        y += strip.height
    return sheet
