"""Writes docs/flare.md's section Measured and the card of the shipped policy from what `runs/flare.sh` measured:
`python runs/flare.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from combatvla.report import write_between

BEGIN, END = "<!-- MEASURED: written by runs/flare.sh -->", "<!-- /MEASURED -->"
PAGE, CARD = Path("docs/flare.md"), Path("combatvla/checkpoints/flare/README.md")
WHO = {
    "policy": "`flare`: the tiny policy after the training above",
    "scripted": "`scripted`: the player that was recorded",
    "random": "`random`",
}


def table(folder: Path) -> str:
    """The Markdown of the players that were measured."""
    lines = [
        "",
        "| player | won | 95 % | damage taken | action age p50 / p95 | decisions a second | no plan |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, who in WHO.items():
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        r = json.loads(path.read_text(encoding="utf-8"))
        low, high = r["success_ci95"]
        age = f"{r['action_age_ms_p50']:.1f} / {r['action_age_ms_p95']:.1f} ms"
        taken = f"{r['damage_taken']:.2f}" if "damage_taken" in r else "–"
        lines.append(
            f"| {who} | {r['wins']} of {r['episodes']} | {low:.0%} to {high:.0%} | {taken} | {age} | "
            f"{r['decisions_per_s']:.1f} | {r['parse_failures']} of {r['decisions']} |"
        )
    return "\n".join([*lines, ""])


def main(folder: Path) -> None:
    text = table(folder)
    for page in (PAGE, CARD):
        if page.exists():
            write_between(page, BEGIN, END, text)
            print(f"written to {page}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
