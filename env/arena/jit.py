"""Numba, with its compiled code kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable

import numba


def jit(function: Callable) -> Callable:
    """Compiles `function` when it is first called; the next process finds the result beside the source or in the
    user's cache folder, and where neither can be written it compiles anew."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # "no locator available": nowhere to write
        return numba.njit(function)
