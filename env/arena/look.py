"""How a boss and its place look: the words that a task file may use. What they draw is in `env.arena.bodies`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Color = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]

_BIPED = ("overhead", "side", "low_side", "thrust", "crouch", "spin", "uppercut", "open_arms", "throw", "stomp", "cast",
          "cross")
GESTURES: dict[str, tuple[str, ...]] = {
    "biped": _BIPED,
    "robed": _BIPED,
    "beast": ("charge", "rear", "swipe", "bite", "crouch", "tail", "roar", "hug"),
    "bird": ("peck", "wings", "stomp", "feathers", "dive", "embrace"),
    "toad": ("tongue", "puff", "crouch", "spit", "gape", "roll"),
    "serpent": ("bite", "low_bite", "tail", "coil", "spit", "dive"),
    "spider": ("stab", "legs", "pounce", "web", "hug", "spin"),
}
"""The wind-up poses that each body knows."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BossLook(_Strict):
    body: Literal["biped", "robed", "beast", "bird", "toad", "serpent", "spider"]
    height: float = Field(gt=0)
    """Metres."""


class Place(_Strict):
    """The surroundings of the ring."""

    kind: Literal["court"] = "court"
