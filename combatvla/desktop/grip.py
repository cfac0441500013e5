"""The keys by which the person gives control back to the agent, and ends it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from combatvla.errors import UserError
from combatvla.profiles import NAMED_KEYS

GIVE_BACK, KILL_CHORD = "f9", "ctrl+shift+q"
MODIFIERS = ("ctrl", "shift", "alt", "super")
FUNCTION_KEYS = tuple(f"f{n}" for n in range(1, 13))
OTHER_KEYS = ("pause", "scroll_lock")


class Killed(UserError):
    """The person pressed the kill chord."""

    exit_code = 3


@dataclass(frozen=True)
class Grip:
    """By which keys the person gives control back, and ends the agent."""

    give_back: str = GIVE_BACK
    """One key: a character, a name as in game profiles, f1 to f12, pause or scroll_lock."""
    kill_chord: str = KILL_CHORD
    """Keys with `+` between them: of ctrl, shift, alt and super, and one other at the end."""

    def check(self, keys: Collection[str] = ()) -> None:
        """`UserError` when these are no keys, or collide with `keys`, those of the game, or with each other."""
        chord = self.kill_chord.lower().split("+")
        if len(chord) < 2 or not set(chord[:-1]) <= set(MODIFIERS) or len(set(chord)) != len(chord):
            raise UserError(
                f"--kill-chord: expected keys with + between them, of {', '.join(MODIFIERS)} and one other key at the "
                f"end, such as ctrl+shift+q, got {self.kill_chord!r}"
            )
        for option, name in (("--kill-chord", chord[-1]), ("--give-back", self.give_back.lower())):
            if not _is_key(name):
                raise UserError(
                    f"{option}: expected one character, one of {', '.join(NAMED_KEYS)}, f1 to f12, pause or "
                    f"scroll_lock, got {name!r}"
                )
        if self.give_back.lower() in keys:
            raise UserError(
                f"--give-back: the key {self.give_back!r} is one of the game's; choose one that the game does not use"
            )
        if self.give_back.lower() == chord[-1]:
            raise UserError(f"--give-back: the key {self.give_back!r} is also in the kill chord; choose another one")


def _is_key(name: str) -> bool:
    known = (*NAMED_KEYS, *FUNCTION_KEYS, *OTHER_KEYS)
    return name not in MODIFIERS and (name in known or (len(name) == 1 and name.isprintable()))
