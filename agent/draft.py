"""A profile that is being answered, as plain data: read back, and written with comments."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from combatvla.errors import UserError, reason
from combatvla.profiles import GameProfile

COMMENTS = {
    "title": "the window's title begins with this",
    "program": "and its program calls itself so",
    "fps": "pictures a second",
    "aspect": "the game keeps its picture in this shape",
    "press": "these act when the key goes down, not while it is held",
    "look": "counts of mouse motion a second, which turn the camera",
    "restart": "begins the next fight when one is over",
    "hud": "in fractions of the picture (docs/window.md)",
}
LACKING = {"name": "?", "title": "?", "keys": {}, "prompt": "?"}
"""In place of what a draft may lack."""
ORDER = ("name", "title", "program", "start", "fps", "aspect", "keys", "press", "look", "restart", "hud", "prompt")


def before(name_or_path: str) -> dict[str, Any]:
    """The answers of a profile by name or path, or of a draft, which may lack some. `UserError` when it is no such
    file."""
    from combatvla.profiles import load_profile, profile_names

    path = Path(name_or_path)
    if name_or_path not in profile_names() and not path.is_file():
        load_profile(name_or_path)  # says which ones there are
    try:
        if name_or_path in profile_names():
            path = resources.files("combatvla.profiles") / f"{name_or_path}.yaml"
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"--like: {name_or_path} cannot be read: {reason(error)}") from error
    if not isinstance(data, dict):
        raise UserError(f"--like: {name_or_path} is no profile: expected lines such as `title: My Game`")
    for field in ("name", "start"):  # of that game, not of this one
        if not name_or_path.endswith(".draft.yaml"):
            data.pop(field, None)
    keys, _ = data.setdefault("keys", {}), data.setdefault("hud", {})
    if "name" in data:
        checked_name(data["name"], f"--like: {name_or_path}: name")
    try:  # a draft may want an action pressed whose key was not asked for yet
        pressed = [a for a in data.get("press", ()) if a in keys]
        GameProfile.model_validate(LACKING | data | {"press": pressed})
    except (ValueError, TypeError) as error:
        raise UserError(f"--like: {name_or_path} is no profile, nor a part of one: {reason(error)}") from error
    return data


def checked_name(name: object, where: str = "--name") -> str:
    """`UserError` unless it can be a file's name everywhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", str(name)):
        raise UserError(f"{where}: expected letters, digits, - and _, got {name!r}")
    return str(name)


def as_yaml(data: dict[str, Any], *, draft: bool = False) -> str:
    """The file's text."""
    lines = [
        "# A draft: `combatvla agent profile --like` goes on with it." if draft else "# By combatvla agent profile."
    ]
    for field in [f for f in ORDER if data.get(f)]:
        note = f"  # {COMMENTS[field]}" if field in COMMENTS else ""
        value = data[field]
        if field in ("keys", "hud"):
            lines += [f"{field}:{note}", *(f"  {name}: {_flow(entry)}" for name, entry in value.items())]
        else:
            lines.append(f"{field}: {_flow(value)}{note}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()
