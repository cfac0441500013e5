"""Numba, with its compiled code kept on disk where that is possible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numba

_HERE = Path(__file__).parent
_SOURCES = (
    _HERE / "rules.py",
    _HERE / "state.py",
    _HERE / "shapes" / "skin.py",
    _HERE.parent / "tasks.py",
    _HERE.parents[1] / "combatvla" / "actions.py",
)


@cache
def _folder() -> str:
    """Where compiled code of these sources lies. Numba looks only at the file of the function itself, and would go on
    using old code when a constant or a record of another file has changed."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in _SOURCES)).hexdigest()[:16]
    return str(_HERE / "__pycache__" / f"compiled-{digest}")


def jit(function: Callable) -> Callable:
    """Compiles `function` when it is first called; the next process finds the result on disk, beside the source or in
    the user's cache folder. Where neither can be written it compiles anew."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(Path(before) / Path(_folder()).name) if before else _folder()
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # "no locator available": nowhere to write
        return numba.njit(function)
    finally:
        numba.config.CACHE_DIR = before
