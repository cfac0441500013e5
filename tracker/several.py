"""Several sessions in one command: one that cannot be used is told of in a sentence, and the others go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from combatvla.errors import UserError
from combatvla.profiles import GameProfile, load_profile
from tracker.session import profile_of, read_info


class Failures:
    """The sessions of a command that it cannot use. Where there is but one session, its own error ends the command."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._total = len(set(folders))
        self.why: dict[str, str] = {}
        """By folder, as it was named."""

    def __contains__(self, folder: Path) -> bool:
        return str(folder) in self.why

    def add(self, folder: Path, why: str) -> None:
        """Tells of a session on standard error, once."""
        if self._total == 1:
            raise UserError(why)
        if folder not in self:
            self.why[str(folder)] = why if str(folder) in why else f"{folder}: {why}"
            print(self.why[str(folder)], file=sys.stderr)

    @contextmanager
    def telling(self, folder: Path) -> Iterator[None]:
        """Adds the session whose `UserError` ends what is done within."""
        try:
            yield
        except UserError as error:
            self.add(folder, str(error))

    def end_if_all(self, doing: str) -> None:
        """`UserError` when no session could be used; `doing`: for what, a verb."""
        if len(self.why) == self._total:
            raise UserError(f"nothing to {doing}: {'; '.join(self.why.values())}")


def with_profiles(folders: Sequence[Path], game: str | None, failures: Failures) -> list[tuple[Path, GameProfile]]:
    """The sessions with their profiles, as far as `session.json` tells: what is found out before any work. `UserError`
    for a `game` that there is not."""
    if game:
        load_profile(game)
    found = []
    for folder in folders:
        with failures.telling(folder):
            found.append((folder, profile_of(folder, read_info(folder), game)))
    return found
