"""The person at the keyboard, where the system says of each input whether a program sent it (Windows): takes control by
any key, button, wheel or motion of the mouse in the game, gives it back by one key, ends the agent by a chord. As
`human.Human` on X11, which has to find out by comparing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from combatvla.desktop.grip import Grip
from combatvla.desktop.takeover import Takeover


@dataclass(frozen=True, slots=True)
class Done:
    """What a person did."""

    kind: Literal["key", "button", "motion"]
    """The wheel is a button."""
    name: str = ""
    """Of a key, in the words of game profiles."""
    down: bool = True
    counts: float = 0.0
    """Of motion."""


class PolledHuman(Takeover):
    """Whether the person has taken control, or has ended all of it; to be told of each input (`heed`)."""

    def __init__(self, grip: Grip) -> None:
        self.grip = grip
        chord = grip.kill_chord.lower().split("+")
        super().__init__([frozenset({name}) for name in chord], frozenset({grip.give_back.lower()}))

    def heed(self, done: Done, *, focused: bool) -> None:
        """This was done, while the game had the focus or had not."""
        if done.kind == "key":
            self.heed_key(done.name, down=done.down, focused=focused)
        elif done.kind == "button":
            self.heed_button(down=done.down, focused=focused)
        else:
            self.heed_motion(done.counts, focused=focused)
