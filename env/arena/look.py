"""How a boss and its place look: the words that a task file may use. `env.arena.figures` draws them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_Share = Annotated[float, Field(ge=0, le=1)]
Color = tuple[_Share, _Share, _Share]

_BIPED = (
    "overhead",
    "side",
    "low_side",
    "thrust",
    "crouch",
    "spin",
    "uppercut",
    "open_arms",
    "throw",
    "stomp",
    "cast",
    "cross",
)
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


Weapon = Literal["fists", "hammer", "blades", "glaive", "lantern", "sword", "naginata", "swords"]
Ornament = Literal["horns", "wings", "feelers", "mane", "tail", "ears", "halo", "beads", "straw_hat", "bell", "helmet",
                   "banners", "cloak"]  # fmt: skip


class BossLook(_Strict):
    """What a boss looks like. A body uses the fields that it has parts for."""

    body: Literal["biped", "robed", "beast", "bird", "toad", "serpent", "spider"]
    height: float = Field(gt=0)
    """Metres."""
    skin: Color = (0.50, 0.47, 0.44)
    """Of the body: hide, feathers, scales, bare arms and head."""
    cloth: Color = (0.40, 0.42, 0.40)
    """Of the clothes or of the belly."""
    dark: Color = (0.30, 0.28, 0.28)
    """Of the legs, hoofs and shadows."""
    accent: Color = (0.75, 0.72, 0.66)
    """Of horns, wings, sashes: what one knows it by."""
    metal: Color = (0.55, 0.53, 0.50)
    """Of the weapon."""
    eyes: Color = (1.0, 0.75, 0.2)
    stout: float = Field(default=1.0, ge=0.5, le=2.0)
    """Times the usual breadth."""
    arms: float = Field(default=1.0, ge=0.5, le=2.0)
    """Times the usual length."""
    legs: float = Field(default=1.0, ge=0.5, le=1.5)
    """Times the usual length."""
    head: float = Field(default=1.0, ge=0.5, le=2.0)
    """Times the usual size."""
    hunch: float = Field(default=0.0, ge=-20, le=60)
    """Degrees by which it always leans forward."""
    weapon: Weapon = "fists"
    ornaments: tuple[Ornament, ...] = ()


class Place(_Strict):
    """The surroundings of the ring."""

    kind: Literal[
        "court", "meadow", "marsh", "cave", "ruin", "ash", "snow", "grove", "field", "temple", "castle"
    ] = "court"  # fmt: skip
    """One of `env.arena.place.STYLES`; the last three belong to the blade rules."""
