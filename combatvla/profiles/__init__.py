"""Game profiles: one YAML file maps the action vocabulary to one game's window, keys and HUD."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

from combatvla.actions import HELD_ACTIONS, Action
from combatvla.errors import UserError, reason

MOUSE_BUTTONS = ("mouse_left", "mouse_right", "mouse_middle")
NAMED_KEYS = ("shift", "ctrl", "alt", "space", "tab", "enter", "escape", "up", "down", "left", "right")


class Region(BaseModel):
    """A rectangle in fractions of the window's width and height."""

    model_config = ConfigDict(extra="forbid")
    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)
    w: float = Field(gt=0, le=1)
    h: float = Field(gt=0, le=1)


class GameProfile(BaseModel):
    """How one game is seen and played."""

    model_config = ConfigDict(extra="forbid")
    name: str
    title: str = Field(min_length=1)
    """The window's title starts with this."""
    fps: int = Field(default=60, ge=1, le=240)
    keys: dict[Action, str]
    """Action to key: one character, one of `NAMED_KEYS`, or one of `MOUSE_BUTTONS`."""
    hud: dict[str, Region] = {}
    prompt: str

    @field_validator("keys")
    @classmethod
    def _known_keys(cls, keys: dict[Action, str]) -> dict[Action, str]:
        for action, key in keys.items():
            if action is Action.WAIT:
                raise ValueError("wait holds no key; leave it out")
            if not (len(key) == 1 and key.isprintable()) and key not in NAMED_KEYS + MOUSE_BUTTONS:
                known = NAMED_KEYS + MOUSE_BUTTONS
                raise ValueError(f"{action}: unknown key {key!r}; use one character or one of {known}")
        if len(set(keys.values())) != len(keys):
            raise ValueError("two actions share one key; a recording could not be read back")
        return keys

    def action_of(self, key: str) -> Action | None:
        """The action that `key` stands for, or None."""
        return next((a for a, k in self.keys.items() if k == key), None)

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions this game has a key for, in vocabulary order."""
        return tuple(a for a in HELD_ACTIONS if a in self.keys)


def profile_names() -> list[str]:
    """The profiles that ship with the package."""
    return sorted(p.name.removesuffix(".yaml") for p in resources.files(__name__).iterdir() if p.name.endswith(".yaml"))


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
