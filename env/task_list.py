"""`combatvla env tasks`: the fights of the Arena, their attacks, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from combatvla.arguments import parse
from combatvla.report import emit, table, write_between

if TYPE_CHECKING:
    from env.tasks import Task

SHEET = "tasks.png"
BEGIN, END = "<!-- TASKS -->", "<!-- /TASKS -->"


@dataclass
class Args:
    """Lists the fights of the Arena, with their attacks.

    For example:

        combatvla env tasks
        combatvla env tasks --pictures out/tasks
        combatvla env tasks --json

    Play one with `combatvla env play --task NAME`, or its number.
    """

    pictures: Path | None = None
    """Writes a picture of each fight into this folder, and `tasks.png`: each attack of each boss in its wind-up."""
    write: Path | None = None
    """Puts the table into this page, between its markers <!-- TASKS --> and <!-- /TASKS -->, `tasks.png` beside it."""
    json: bool = False
    """Prints the list as one JSON object on the last line."""


def row_of(task: Task) -> dict[str, Any]:
    """What there is to know of a fight before it begins."""
    return {
        "number": task.number,
        "name": task.name,
        "title": task.title,
        "rules": task.rules,
        "tier": task.tier,
        "train": task.train,
        "about": task.about,
        "phases": len(task.boss.phases),
        "feints": any(phase.feint for phase in task.boss.phases),
        "attacks": [
            {"name": name, "kind": move.kind, "windup_s": move.windup, "follow_ups": list(move.then)}
            for name, move in task.boss.moves.items()
        ],
    }


def attack_words(row: dict[str, Any]) -> str:
    """The attacks in a cell of a table: each with its kind, unless that is its name."""
    return ", ".join(a["name"] if a["name"] == a["kind"] else f"{a['name']} ({a['kind']})" for a in row["attacks"])


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The list as a table of a Markdown page, and the picture of all attacks below it."""
    lines = ["| # | task | boss | rules | tier | phases | attacks (kinds) |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        name = f"`{row['name']}`" + (" (train)" if row["train"] else "")
        cells = (row["number"], name, row["title"], row["rules"], row["tier"], row["phases"], attack_words(row))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        f"![Each attack of each boss, in its wind-up]({SHEET})",
        "",
        "By `combatvla env tasks --write docs/arena.md`.",
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "env tasks")
    from env.tasks import load_task, task_names

    tasks = [load_task(name) for name in task_names()]
    rows = [row_of(task) for task in tasks]
    table(
        f"{len(rows)} fights: `combatvla env play --task NAME`",
        ["#", "name", "boss", "rules", "tier", "train", "phases", "attacks"],
        [
            [
                row["number"],
                row["name"],
                row["title"],
                row["rules"],
                row["tier"],
                "yes" if row["train"] else "",
                row["phases"],
                attack_words(row),
            ]
            for row in rows
        ],
        left=8,
    )
    if args.write is not None:
        from env.pictures import write_sheet

        sheet = args.write.parent / SHEET
        write_between(args.write, BEGIN, END, as_markdown(rows))
        write_sheet(tasks, sheet)
        print(f"table: {args.write}, picture: {sheet}")
    if args.pictures is not None:
        from env.pictures import write_pictures, write_sheet

        for row, path in zip(rows, write_pictures(tasks, args.pictures), strict=True):
            row["picture"] = str(path)
        write_sheet(tasks, args.pictures / SHEET)
        print(f"pictures: {args.pictures}, all attacks in {args.pictures / SHEET}")
    emit({"tasks": len(rows), "rows": rows}, as_json=args.json)
    return 0
