"""`combatvla bench drill`: what the agent leaves behind when things go wrong."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.report import around, emit, progress, table, write_between

Fault = Literal["kill-agent", "kill-game", "destroy-window", "steal-focus", "server-down", "random-bytes"]
SAYS = {
    "kill-agent": "kill -9 of the agent",
    "kill-game": "kill -9 of the game",
    "destroy-window": "the game's X window destroyed",
    "steal-focus": "focus stolen in mid-plan",
    "server-down": "policy server down",
    "random-bytes": "model output replaced by random bytes",
}
COLUMNS = {
    "tries": "tries",
    "held": "still held",
    "elsewhere": "presses elsewhere",
    "unclear": "unclear",
    "free_ms_p50": "free after, ms p50",
    "free_ms_max": "max",
}
BEGIN, END = "<!-- DRILL: written by combatvla bench drill -->", "<!-- /DRILL -->"


@dataclass
class Args:
    """Let things go wrong while the agent holds keys, and look at what it leaves behind.

    For example:

        combatvla bench drill
        combatvla bench drill --tries 10 --only kill-agent steal-focus --json
        combatvla bench drill --write docs/safety.md

    On a display of its own, with real windows, real keys and `combatvla agent run` as its own process. Each fault comes
    in a moment in which keys are held. Afterwards no key may be held, no press may have arrived in another window, and
    the agent must have said what happened in one sentence and ended as it should. Every twentieth try of those that
    start a game is in the Arena's real window, the others in a plain one. About 25 minutes.
    """

    tries: int = 200
    """How often each fault is tried."""
    only: tuple[Fault, ...] = ()
    """Only these faults."""
    seed: int = 0
    """Of the random bytes."""
    write: Path | None = None
    """Puts the table into this page too, between the lines that mark its place (docs/safety.md)."""
    json: bool = False
    """Print the figures as one JSON object on the last line."""


def measure(
    tries: int, only: Sequence[str] = (), *, seed: int = 0, agent: Sequence[str] | None = None
) -> dict[str, dict[str, Any]]:
    """The figures by fault (`faults.Result.figures`); what is known of tries that went wrong goes to standard error.
    `agent`: the command line that stands for `combatvla agent run`."""
    from benchmark.drill.faults import FAULTS
    from benchmark.drill.stage import AGENT, SIZE, Stage
    from combatvla.desktop import open_desktop
    from combatvla.desktop.display import own_display

    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="combatvla-drill-") as name, own_display(*SIZE):
        desktop = open_desktop()
        stage = Stage(desktop, Path(name), agent or AGENT)
        try:
            for fault in only or FAULTS:
                began = time.monotonic()
                with progress(SAYS[fault], tries) as advance:
                    result = FAULTS[fault](stage, tries, seed, advance)
                found[fault] = result.figures() | {"seconds": round(time.monotonic() - began, 1)}
                for told in result.examples[:10]:
                    print(f"{fault}, {told}", file=sys.stderr)
        finally:
            stage.close()
            desktop.close()
    return found


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "bench drill")
    if args.tries < 1:
        raise UserError(f"--tries starts at 1, got {args.tries}")
    if args.write is not None:
        around(args.write, BEGIN, END)  # refuses a wrong page before the long run, not after it
    found = measure(args.tries, args.only, seed=args.seed)
    rows = [[SAYS[fault], *(str(figures[c]) for c in COLUMNS)] for fault, figures in found.items()]
    table("after the fault", ["fault", *COLUMNS.values()], rows)
    if args.write is not None:
        head = [["fault", *COLUMNS.values()], ["---"] * (1 + len(COLUMNS))]
        write_between(args.write, BEGIN, END, "\n".join(["", *(f"| {' | '.join(row)} |" for row in head + rows), ""]))
        print(f"written to {args.write}")
    total = {key: sum(figures[key] for figures in found.values()) for key in ("tries", "held", "elsewhere", "unclear")}
    emit({"faults": found, **total}, as_json=args.json)
    return 0
