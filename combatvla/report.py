"""How measuring commands speak: progress and tables for people, one JSON object as the last line for programs."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from combatvla.errors import UserError


def percentile(values: Sequence[float], q: float) -> float | None:
    """The `q`-th percentile (0 to 100), linear between neighbours, or None of nothing."""
    if not 0 <= q <= 100:
        raise ValueError(f"a percentile lies in 0 to 100, got {q}")
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


class Advance(Protocol):
    """Tells a progress display that `steps` more are done, and optionally what is being done now."""

    def __call__(self, steps: int = 1, note: str = "") -> None: ...


def json_line(record: dict[str, Any]) -> str:
    """`record` on one line of strict JSON: numpy numbers become plain ones, NaN and infinities null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        if hasattr(value, "tolist"):
            return plain(value.tolist())
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if value is None or isinstance(value, bool | int | str):
            return value
        return str(value)

    return json.dumps(plain(record), allow_nan=False, ensure_ascii=False)


def emit(record: dict[str, Any], *, as_json: bool) -> None:
    """Prints `record` as the last line of standard output when `as_json`; call it last."""
    if as_json:
        print(json_line(record), flush=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, left: int = 1) -> None:
    """Prints a table on standard output; the first `left` columns are left-aligned, the others right.

    A cell may be a `rich.text.Text`; everything else shows as `str` gives it, and None as –.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for i, name in enumerate(columns):
        out.add_column(name, justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        out.add_row(*(cell if isinstance(cell, Text) else Text("–" if cell is None else str(cell)) for cell in row))
    # Into a file or a pipe rich would wrap at 80 columns.
    Console(width=None if sys.stdout.isatty() else 140).print(out)


def around(page: Path, begin: str, end: str) -> tuple[str, str]:
    """What stands in `page` up to its line `begin` and from its line `end` on. `UserError` when there are no such
    lines, or when the page cannot be read and written: ask before a long run, not after it."""
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{page}: cannot read the page ({error}); name a text file that exists") from error
    if not os.access(page, os.W_OK):
        raise UserError(f"{page}: the page may not be written; allow it, or name another one")
    before, _, rest = text.partition(f"{begin}\n")
    _, found, after = rest.partition(end)
    if not found:
        raise UserError(f"{page}: expected a line {begin} and below it a line {end}; put them where the text belongs")
    return f"{before}{begin}\n", f"{end}{after}"


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Puts `text` between the lines `begin` and `end` of `page`. `UserError` when it cannot."""
    before, after = around(page, begin, end)
    try:
        page.write_text(f"{before}{text}\n{after}", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{page}: cannot write the page ({error}); name another one") from error


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """A progress bar on standard error; where nobody watches a terminal, a line every few seconds."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda steps=1, note="": bar.update(task, advance=steps, description=f"{label} {note}".strip())
        return
    started = last = time.monotonic()
    done = 0

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        if now - last >= 5 or done >= total:
            last = now
            print(
                f"{label} {done}/{total} {note} ({now - started:.0f} s)".replace("  ", " "), file=sys.stderr, flush=True
            )

    yield advance
