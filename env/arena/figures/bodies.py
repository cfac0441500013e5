"""The bodies of the Arena: what every figure can do, and which module builds which.

A figure stands wherever its pose puts it, as a pure function of what it is given: one still picture shows what is
coming and how soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from panda3d.core import NodePath, Point3

from env.arena.figures.beasts import beast, bird
from env.arena.figures.biped import Biped
from env.arena.figures.fighter import Fighter
from env.arena.figures.serpent import serpent
from env.arena.figures.spider import spider
from env.arena.figures.toad import toad
from env.arena.look import BossLook
from env.arena.shapes.mesh import Color
from env.arena.shapes.skin import Skin


class Body(Protocol):
    """What all figures have in common."""

    root: NodePath
    skin: Skin
    """Its origin is on the ground between the feet; it faces +y; metres. It moves by `skin.place`, then `pose`."""
    height: float
    shadow_radius: float

    def glow(self, color: Color | None, white: bool) -> None:
        """Colours the part that strikes; None gives it its own colours back. `white`: the flare before the blow."""

    def tip(self) -> Point3:
        """Where the striking part is, in the space of root's parent."""


class Figure(Body, Protocol):
    """A boss."""

    def pose(self, gesture: str | None, kind: str | None, stage: str, progress: float, walk: float, view) -> None:
        """Takes the pose of a moment. `stage` is one of `env.arena.state.STAGES` and `progress` 0..1 the share of it
        that is over; `gesture` and `kind` are those of the move, None between moves; `walk`: metres walked; `view`:
        the fight (`env.arena.fight.View`), for `tick` and the like."""


class PlayerFigure(Body, Protocol):
    """The fighter."""

    def pose(self, state: str, progress: float, walk: float, swings: int, charge: float) -> None:
        """Takes the pose of a moment. `state` is one of `env.arena.state.PLAYER_STATES`; `charge` 0..1: how far the
        heavy attack is held back."""


_BUILDERS: dict[str, Callable[[BossLook], Figure]] = {
    "biped": Biped,
    "robed": Biped,
    "beast": beast,
    "bird": bird,
    "toad": toad,
    "serpent": serpent,
    "spider": spider,
}


def build_boss(look: BossLook) -> Figure:
    """The figure of a boss."""
    return _BUILDERS[look.body](look)


def build_player(rules: str) -> PlayerFigure:
    """The fighter of the rules, `staff` or `blade`."""
    return Fighter(rules)
