"""Command line arguments from a dataclass, the same way for every command."""

from __future__ import annotations

from typing import TypeVar

ArgsT = TypeVar("ArgsT")


def parse(kind: type[ArgsT], argv: list[str], command: str) -> ArgsT:
    """`argv` as a `kind`; help and mistakes are printed and end the program, as tyro does (exit status 0 and 2)."""
    import tyro

    # Every flag is off by default: `--json` needs no `--no-json` beside it.
    return tyro.cli(kind, args=argv, prog=f"combatvla {command}", config=(tyro.conf.FlagCreatePairsOff,))
