"""Command line arguments from a dataclass, the same way for every command."""

from __future__ import annotations

from typing import TypeVar

from combatvla.errors import UserError

ArgsT = TypeVar("ArgsT")


def parse(kind: type[ArgsT], argv: list[str], command: str) -> ArgsT:
    """`argv` as a `kind`; help and mistakes are printed and end the program, as tyro does (exit status 0 and 2)."""
    import tyro

    # Every flag is off by default: `--json` needs no `--no-json` beside it.
    return tyro.cli(kind, args=argv, prog=f"combatvla {command}", config=(tyro.conf.FlagCreatePairsOff,))


def parse_size(text: str) -> tuple[int, int]:
    """`1280x720` as numbers. `UserError` for anything else."""
    try:
        width, height = (int(n) for n in text.lower().split("x"))
    except ValueError:
        raise UserError(f"--size: expected a size such as 1280x720, got {text!r}") from None
    if not (160 <= width <= 7680 and 90 <= height <= 4320):
        raise UserError(f"--size: expected a size between 160x90 and 7680x4320, got {text!r}")
    return width, height
