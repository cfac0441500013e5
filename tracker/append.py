"""Adds lines to a list of a session that is there already: after `kill -9` at most the line being written is lost."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from pydantic import TypeAdapter, ValidationError

from combatvla.errors import UserError
from tracker.rows import Row, line

_LONGEST = 1 << 20
"""A torn line is looked for in so many bytes at the file's end."""


class Appender:
    """Opens (or makes) the list at `path`, whose rows are of `kind`. A line that a killed program left half written is
    taken off, since nothing could be read after it."""

    def __init__(self, path: Path, kind: TypeAdapter) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except IsADirectoryError as error:
            raise UserError(f"{path} is a folder, expected a list: move it away") from error
        size = os.fstat(self._file).st_size
        begin = max(0, size - _LONGEST)
        os.lseek(self._file, begin, os.SEEK_SET)
        tail = os.read(self._file, _LONGEST).rpartition(b"\n")[2]
        if tail:
            try:
                kind.validate_json(tail)
                self._write(b"\n")
            except ValidationError:
                os.ftruncate(self._file, size - len(tail))

    def add(self, row: Row) -> None:
        """`OSError` when the disk is full."""
        self._write(line(row))

    def _write(self, data: bytes) -> None:
        while data:  # one write but on a full disk
            data = data[os.write(self._file, data) :]

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)
