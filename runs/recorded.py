"""Writes the figures of docs/recording.md from what `runs/recording.sh` measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from combatvla.errors import UserError
from combatvla.report import write_between

BEGIN, END = "<!-- RESULTS: written by runs/recording.sh -->", "<!-- /RESULTS -->"


def section(parts: dict[str, dict]) -> str:
    """The Markdown between the marks; parts that were not measured are left out."""
    lines = ["| | measured | |", "|---|---|---|"]

    def row(what: str, value: str, command: str) -> None:
        lines.append(f"| {what} | {value} | `{command}` |")

    for name, command in (("bench", "tracker bench"), ("large", "tracker bench --size 1920x1080 --fps 30")):
        if (b := parts.get(name)) is not None:
            size = f"{b['size']} at {b['fps']}"
            row(f"{size}: pictures dropped", f"{b['dropped_frames']} of {b['frames']:,}", command)
            row(f"{size}: interval p50 / p99", f"{b['interval_ms_p50']:.1f} / {b['interval_ms_p99']:.1f} ms", command)
            row(f"{size}: of one core", f"{b['cpu_core_share']:.0%}", command)
            row(f"{size}: cost, against a plain loop of mss and OpenCV", f"{b['cost_vs_plain_loop']:.2f}x", command)
            row(f"{size}: capture p50", f"{b['capture_ms_p50']:.2f} ms", command)
    if (k := parts.get("kill")) is not None:
        lost = f"{k['video_lost_ms_max'] / 1000:.2f} s of video, {k['events_lost_ms_max']:.0f} ms of inputs"
        row(f"`kill -9`, {k['kills']} times: readable", f"{k['opened']} of {k['kills']}", "tracker drill kill")
        row("most that was lost", lost, "tracker drill kill")
    if (a := parts.get("alignment")) is not None:
        row("presses that ViZDoom received", f"{a['actions']:,}", "tracker drill alignment")
        row("missing / invented in the recording", f"{a['missing']} / {a['invented']}", "tracker drill alignment")
        row("within one frame", f"{a['within_one_frame_share']:.2%}", "tracker drill alignment")
    for name in ("export30", "export60"):
        if (e := parts.get(name)) is not None:
            speed = f"{e['export_times_real_time']:.0f}x / {e['lerobot_times_real_time']:.0f}x real time"
            command = f"tracker bench --what export --hours {e['hours']:g} --fps {name[-2:]}"
            row(f"720p{name[-2:]} becomes chat rows / a LeRobot dataset", speed, command)
    if (e := parts.get("export10")) is not None:
        memory = f"{e['export_peak_mb']:.0f} / {e['lerobot_peak_mb']:.0f} MiB"
        row("ten hours of it: the most memory, of all processes together", memory, "tracker bench --what export")
    return "\n".join(lines)


def main() -> None:
    folder, page = Path(sys.argv[1]), Path(sys.argv[2])
    parts = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    try:
        write_between(page, BEGIN, END, section(parts))
    except UserError as error:
        sys.exit(str(error))
    print(f"wrote {', '.join(sorted(parts))} into {page}")


if __name__ == "__main__":
    main()
