"""Takes README's picture and one of docs/agent.md from an episode: a frame of its replay; the strip in four modes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from PIL import Image

from agent.chronicle import Chronicle
from agent.hud import Strip
from combatvla.actions import Action
from combatvla.episode import CLEAN, REPLAY, first_frame_ns, read_info

COLOURS = 128


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    chronicle, info = Chronicle(folder), read_info(folder)
    with av.open(str(folder / CLEAN)) as clean:
        first_ns = first_frame_ns(clean.metadata)
    told = [d for d in chronicle.decisions if d.explanation and d.changed and Action.DODGE in d.plan[0].actions]
    if not told or info is None:
        sys.exit(f"{folder}: no explained dodge; let the agent fight again")
    at_ns = told[len(told) // 2].acted_ns + 60_000_000

    with av.open(str(folder / REPLAY)) as replay:
        wanted_s = (at_ns - first_ns) / 1e9
        frame = min(replay.decode(video=0), key=lambda picture: abs(picture.time - wanted_s)).to_image()
    write(frame, target / "fight.png")

    now, strip = chronicle.at(at_ns, first_ns), Strip(info.game)
    free = replace(now, held=frozenset(), step=-1)
    strips = [now, replace(now, mode="dry run"), replace(free, mode="human"), replace(free, mode="no focus")]
    write(Image.fromarray(np.vstack([strip.draw(moment) for moment in strips])), target / "strip.png")


def write(picture: Image.Image, path: Path) -> None:
    picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"wrote {path}, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
