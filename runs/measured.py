"""Writes README's section Measured from what `runs/measure.sh` measured: `python runs/measured.py FOLDER README.md`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from combatvla.errors import UserError
from combatvla.report import write_between

BEGIN, END = "<!-- RESULTS: written by runs/measure.sh -->", "<!-- /RESULTS -->"


def rate(record: dict) -> str:
    low, high = record["success_ci95"]
    return f"{record['success_rate']:.0%} [{low:.0%}, {high:.0%}]"


def section(parts: dict[str, dict]) -> str:
    """The Markdown of the section; parts that were not measured are left out."""
    lines = ["## Measured", "", "On two cores without a GPU, by `runs/measure.sh`; nothing is paused.", ""]
    if "combat" in parts:
        lines += [
            "**One hundred fights on held-out seeds**, in process, every decision's real latency charged to the fight",
            "(`combatvla bench combat --tasks first --episodes 100`). Success with its 95 % Wilson interval; damage in",
            "fractions of full health, a mean per fight.",
            "",
            "| player | success | damage dealt | damage taken | decision p50 / p95 |",
            "|---|---|---|---|---|",
        ]
        for name, p in parts["combat"]["players"].items():
            spent = f"{p['decision_ms_p50']:.1f} / {p['decision_ms_p95']:.1f} ms"
            lines.append(f"| {name} | {rate(p)} | {p['damage_dealt']:.2f} | {p['damage_taken']:.2f} | {spent} |")
        lines.append("")
    if "window" in parts:
        w = parts["window"]
        stages = w["stages_ms"]
        lines += [
            f"**{w['episodes']} fights in the real window**, real pixels and real keys",
            f"(`combatvla demo --episodes {w['episodes']} --no-replay`): success {rate(w)}, damage taken",
            f"{w['damage_taken']:.2f}, {w['decisions_per_s']:.1f} decisions a second.",
            "",
            "| milliseconds | p50 | p95 |",
            "|---|---|---|",
        ]
        names = {
            "capture": "capture of the window",
            "decide": "decision: frames in, plan out",
            "act": "plan to key down",
            "age": "**action age**: capture of the newest frame to key down",
        }
        lines += [f"| {text} | {stages[key]['p50']:.1f} | {stages[key]['p95']:.1f} |" for key, text in names.items()]
        lines.append("")
    if "speed" in parts:
        s = parts["speed"]
        lines += [
            "**The Arena** on one core, a decision being 0.1 s of the fight (`combatvla env speed`):",
            "",
            "| decisions a second | |",
            "|---|---|",
            f"| with pixels, 320x180 | {s['decisions_per_s']:,.0f} |",
            f"| without pixels | {s['decisions_per_s_no_pixels']:,.0f} |",
            f"| without pixels, in a batch | {s['batch_decisions_per_s']:,.0f} |",
            f"| two processes, against one | {s['two_workers_speedup']:.2f}x |",
        ]
        if (ratio := s["ratio_vs_vizdoom"]) is not None:
            lines.append(f"| with pixels, against ViZDoom at the same size and frame skip | {ratio:.2f}x |")
        lines += [f"| save and restore a fight | {s['save_restore_us']:.1f} µs |", ""]
    small = []
    if "clone" in parts:
        c = parts["clone"]
        small.append(f"`make demo` from a fresh clone {c['demo_s']} s, again {c['second_demo_s']} s")
        small.append(f"`make test` from a fresh clone {c['test_s']} s")
    if "help" in parts:
        small.append(f"`combatvla --help` {parts['help']['help_s_median']:.2f} s (median of 11)")
    if small:
        lines += ["; ".join(small) + ".", ""]
    return "\n".join(lines)


def main() -> None:
    folder, readme = Path(sys.argv[1]), Path(sys.argv[2])
    parts = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    try:
        write_between(readme, BEGIN, END, section(parts))
    except UserError as error:
        sys.exit(str(error))
    print(f"wrote {', '.join(sorted(parts))} into {readme}")


if __name__ == "__main__":
    main()
