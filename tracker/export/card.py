"""Which sessions a dataset is validated on, and its card: README.md, as the Hub reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tracker.dataset import cannot_write

SPLITS = ("train", "validation")


def splits_of(names: Sequence[str], share: float) -> dict[str, str]:
    """Each session's split, by a hash of its name: a session stays where it was when others are added. Whole sessions,
    because neighbouring pictures are almost the same. One session alone is for training."""
    places = {name: int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64 for name in names}
    split = {name: "validation" if place < share else "train" for name, place in places.items()}
    if split and "train" not in split.values():
        split[max(places, key=places.__getitem__)] = "train"
    return split


def write_card(
    folder: Path,
    *,
    title: str,
    license: str,
    tasks: Sequence[str],
    files: dict[str, str],
    sessions: Sequence[tuple[str, str, int]],
    unit: str,
    actions: dict[str, int],
    notes: Sequence[str],
    options: dict[str, Any],
) -> None:
    """Writes README.md. `files`: each split's data files, as a glob; `sessions`: (name, split, how many `unit`);
    `actions`: how many of each; `notes`: a sentence each. `UserError` when it cannot be written."""
    head = {
        "license": license,
        "task_categories": list(tasks),
        "tags": ["combatvla", "games", "action"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": s, "path": path} for s, path in files.items()]}
        ],
    }
    total = sum(actions.values())
    most = max(actions.values(), default=1)
    by_split = [
        (split, [n for _, s, n in sessions if s == split])
        for split in SPLITS
        if any(s == split for _, s, _ in sessions)
    ]
    lines = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {title}",
        "Made from recorded play by `combatvla tracker export`.",
        "## Splits",
        _table(("split", "sessions", unit), [(s, len(n), sum(n)) for s, n in by_split]),
        "Sessions are split as wholes, by a hash of their names."
        if len(by_split) > 1
        else "All sessions are for training: "
        + (
            "there is only one."
            if len(sessions) == 1
            else "none fell into validation, or none was asked for (`--validation-share`)."
        ),
        "## Sessions",
        _table(("session", "split", unit), sessions),
        "## Actions",
        _table(
            ("action", "count", "share", ""),
            [
                (a, n, f"{n / max(1, total):.1%}", "█" * max(1, round(20 * n / most)))
                for a, n in sorted(actions.items(), key=lambda i: -i[1])
            ],
        ),
        *(("## Notes", "\n".join(f"- {note}" for note in notes)) if notes else ()),
        "## Options",
        _table(("option", "value"), [(f"`{k}`", f"`{v}`") for k, v in options.items()]),
    ]
    try:
        (folder / "README.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error) from error


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(head))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
