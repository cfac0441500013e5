"""Game profiles: one YAML file maps the action vocabulary to one game's window, keys and HUD."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from combatvla.actions import HELD_ACTIONS, LOOKS, Action
from combatvla.errors import UserError, reason

MOUSE_BUTTONS = ("mouse_left", "mouse_right", "mouse_middle")
NAMED_KEYS = ("shift", "ctrl", "alt", "space", "tab", "enter", "escape", "up", "down", "left", "right")


def _known(key: str) -> str:
    if not (len(key) == 1 and key.isprintable()) and key not in NAMED_KEYS + MOUSE_BUTTONS:
        raise ValueError(f"unknown key {key!r}; use one character or one of {NAMED_KEYS + MOUSE_BUTTONS}")
    return key


Key = Annotated[str, AfterValidator(_known)]
"""One character, one of `NAMED_KEYS`, or one of `MOUSE_BUTTONS`."""
Side = Annotated[int, Field(ge=1, le=100)]
Byte = Annotated[int, Field(ge=0, le=255)]
Rgb = tuple[Byte, Byte, Byte]


class Region(BaseModel):
    """A rectangle in fractions of the window's width and height, from its upper left corner."""

    model_config = ConfigDict(extra="forbid")
    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)
    w: float = Field(gt=0, le=1)
    h: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _inside(self) -> Region:
        if self.x + self.w > 1.0001 or self.y + self.h > 1.0001:
            raise ValueError(
                f"the region ends at x {self.x + self.w:g}, y {self.y + self.h:g}, outside of the window: "
                "x + w and y + h are at most 1"
            )
        return self


class HudBar(Region):
    """A bar; the region is the whole of it, without its frame. Read as the share that is filled, 0..1."""

    kind: Literal["bar"]
    color: Rgb
    """Of the filled part."""
    back: Rgb = (10, 10, 13)
    """Of the empty part."""
    fill: Literal["right", "left", "center"] = "right"
    """Where it grows to; `center`: from the middle to both sides."""

    @model_validator(mode="after")
    def _tell_apart(self) -> HudBar:
        if sum(abs(a - b) for a, b in zip(self.color, self.back, strict=True)) < 60:
            raise ValueError(f"color {list(self.color)} and back {list(self.back)} are too alike to be told apart")
        return self


class HudCount(Region):
    """A row of pips, each in the middle of an equal part of the region. Read as the number that is lit."""

    kind: Literal["count"]
    of: int = Field(ge=1, le=20)
    """Into so many parts the region is divided."""
    color: Rgb
    """Of a lit pip."""
    back: Rgb | None = None
    """Of the plate or rim around each pip, where there is one: without it in sight a pip does not count."""
    worth: float = Field(default=0, ge=0, le=1)
    """Of heals: how much of the health bar one gives back."""


class HudBanner(Region):
    """Words that tell how a fight ended. Read as whether they are there."""

    kind: Literal["banner"]
    color: Rgb
    """Of the letters."""
    share: tuple[float, float] = (0.05, 0.5)
    """How much of the region the letters cover, at least and at most."""
    back: Rgb | None = None
    """Of the plate on which they stand, where they do: nothing else is then in the region."""

    @field_validator("share")
    @classmethod
    def _rising(cls, share: tuple[float, float]) -> tuple[float, float]:
        if not 0 < share[0] < share[1] <= 1:
            raise ValueError(f"share: expected two numbers over 0 up to 1, the smaller one first, got {list(share)}")
        return share


HudEntry = Annotated[HudBar | HudCount | HudBanner, Field(discriminator="kind")]
HUD_KINDS = {
    "health": HudBar,
    "boss_health": HudBar,
    "heals": HudCount,
    "win": HudBanner,
    "loss": HudBanner,
    "timeout": HudBanner,
}
"""The names that mean something to `combatvla/Window-v0`, and their kinds. Other names are read and reported."""


class Look(BaseModel):
    """The camera follows the mouse."""

    model_config = ConfigDict(extra="forbid")
    speed: float = Field(gt=0, le=20_000)
    """Counts of mouse motion a second while a look action is held."""


class GameProfile(BaseModel):
    """How one game is seen and played."""

    model_config = ConfigDict(extra="forbid")
    name: str
    title: str = Field(min_length=1)
    """The window's title starts with this."""
    program: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """What the window's program calls itself (`combatvla tracker windows` shows it), one or several names: a window of
    another program is not the game, whatever its title. Without it the title alone decides."""
    start: str | None = None
    """The command that opens the game, for the message that it is not open."""
    fps: int = Field(default=60, ge=1, le=240)
    aspect: tuple[Side, Side] | None = None
    """The game keeps its picture in this shape, width to height, in the middle of a window of another one."""
    keys: dict[Action, Key]
    """Action to key."""
    press: tuple[Action, ...] = ()
    """The actions that act when their key goes down: each further step, and each further decision, that names one
    presses it anew. By default none: holding repeats."""
    look: Look | None = None
    """How the camera is turned; without it the look actions do nothing."""
    restart: Key | None = None
    """The key that begins the next fight when one is over."""
    hud: dict[str, HudEntry] = {}
    """What `combatvla.hud` reads off the picture, by name (`HUD_KINDS`)."""
    prompt: str

    @field_validator("keys")
    @classmethod
    def _one_key_each(cls, keys: dict[Action, str]) -> dict[Action, str]:
        if Action.WAIT in keys:
            raise ValueError("wait holds no key; leave it out")
        if looks := [a for a in keys if a in LOOKS]:
            raise ValueError(f"{looks[0]} is mouse motion and has no key: give its speed, look: {{speed: 1200}}")
        if len(set(keys.values())) != len(keys):
            raise ValueError("two actions share one key; a recording could not be read back")
        return keys

    @field_validator("program", mode="before")
    @classmethod
    def _one_or_several(cls, program: object) -> object:
        return (program,) if isinstance(program, str) else program

    @field_validator("hud")
    @classmethod
    def _kinds_fit(cls, hud: dict[str, HudEntry]) -> dict[str, HudEntry]:
        for name, entry in hud.items():
            if not isinstance(entry, wanted := HUD_KINDS.get(name, Region)):
                kind = get_args(wanted.model_fields["kind"].annotation)[0]
                raise ValueError(f"{name} is a {kind}, got a {entry.kind}")
        return hud

    @model_validator(mode="after")
    def _presses_have_keys(self) -> GameProfile:
        if keyless := [a for a in self.press if a not in self.keys]:
            raise ValueError(f"press: {keyless[0]} has no key; name actions that stand in keys")
        return self

    def fits(self, title: str, programs: Iterable[str] = ()) -> bool:
        """Whether a window of this title, whose program has these names, is the game's; case matters in the title."""
        return title.startswith(self.title) and (
            not self.program or bool({p.casefold() for p in self.program} & {p.casefold() for p in programs})
        )

    def action_of(self, key: str) -> Action | None:
        """The action that `key` stands for, or None."""
        return next((a for a, k in self.keys.items() if k == key), None)

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions this game has a key for, in vocabulary order."""
        return tuple(a for a in (*HELD_ACTIONS, Action.LOCK_ON) if a in self.keys)


def profile_names() -> list[str]:
    """The profiles that ship with the package."""
    return sorted(p.name.removesuffix(".yaml") for p in resources.files(__name__).iterdir() if p.name.endswith(".yaml"))


def profile_for(title: str, programs: Iterable[str] = ()) -> str | None:
    """The name of the shipped profile that a window of this title and program fits; of several the one that says most
    of it."""
    fitting = [(len(p.title), p.name) for p in map(load_profile, profile_names()) if p.fits(title, programs)]
    return max(fitting)[1] if fitting else None


def load_profile(name_or_path: str) -> GameProfile:
    """A shipped profile by name, or one from a `.yaml` path. `UserError` when it is unknown or malformed."""
    if name_or_path in profile_names():
        file = resources.files(__name__) / f"{name_or_path}.yaml"
    elif name_or_path.endswith((".yaml", ".yml")) and Path(name_or_path).is_file():
        file = Path(name_or_path)
    else:
        raise UserError(
            f"unknown game {name_or_path!r}: expected one of {', '.join(profile_names())}, "
            "or the path of a profile (.yaml)"
        )
    try:
        return GameProfile.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise UserError(f"the game profile {name_or_path} is malformed: {reason(error)}") from error
