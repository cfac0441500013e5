"""Fingerprints: the same task, seed and actions give the same states and pictures, to the bit, on every machine.

python -m env.arena.pixels            compares with the committed fingerprints in `pixels.yaml`
python -m env.arena.pixels --write    replaces them, after a change of rules or drawing that is wanted
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from importlib import resources
from pathlib import Path

import yaml

from combatvla.actions import HELD_ACTIONS
from env.arena.fight import Fight
from env.arena.render import Renderer
from env.arena.state import STAGES
from env.tasks import TEST_SEED_START, Task, load_task, task_names

FILE = "pixels.yaml"
STATE_SEEDS = (*range(8), *range(TEST_SEED_START, TEST_SEED_START + 8))
"""Fights of which every state is hashed, from the first tick to the end."""
DRAWN_SEEDS = (11, 12, TEST_SEED_START + 11)
"""Fights of which some pictures are hashed, each in another light."""
DRAW_EVERY, DRAW_UNTIL = 24, 480
"""Ticks."""
SIZE, LARGE = (320, 180), (1280, 720)


def inputs(seed: int):
    """Endless random (bits, ticks). `Random.random` is the one draw that Python promises never to change."""
    draw = random.Random(seed).random
    while True:
        bits = sum(1 << i for i in range(len(HELD_ACTIONS)) if draw() < 0.25)
        yield bits, 1 + int(draw() * 20)


def states(task: Task) -> str:
    """The fingerprint of the states of whole fights."""
    digest = hashlib.sha256()
    for seed in STATE_SEEDS:
        fight = Fight(task, seed)
        held = inputs(seed)
        while fight.result is None:
            fight.run(*next(held))
            digest.update(fight.save())
    return digest.hexdigest()


def pictures(task: Task, renderer: Renderer, large: Renderer) -> str:
    """The fingerprint of pictures along a fight and, in the same fight, of each attack's wind-up and strike."""
    digest = hashlib.sha256()
    for seed in DRAWN_SEEDS:
        fight = Fight(task, seed)
        held = inputs(seed)
        while fight.result is None and fight.tick_count < DRAW_UNTIL:
            until = fight.tick_count + DRAW_EVERY
            while fight.result is None and fight.tick_count < until:
                fight.run(*next(held))
            digest.update(renderer.draw(fight).tobytes())
        boss = fight.boss
        for move in range(len(task.boss.moves)):
            for stage, t in (("windup", 22), ("windup", 38), ("strike", 4), ("recover", 10)):
                boss.move, boss.stage, boss.t, boss.total = move, STAGES.index(stage), t, 40
                digest.update(renderer.draw(fight).tobytes())
        digest.update(large.draw(fight).tobytes())
    return digest.hexdigest()


def fingerprints(names: list[str]) -> dict[str, dict[str, str]]:
    """Of each task, the fingerprint of its `states` and of its `pictures`."""
    renderer, large = Renderer(*SIZE), Renderer(*LARGE)
    try:
        return {
            name: {"states": states(task), "pictures": pictures(task, renderer, large)}
            for name, task in ((name, load_task(name)) for name in names)
        }
    finally:
        renderer.close()
        large.close()


def committed() -> dict[str, dict[str, str]]:
    """The fingerprints that this version of the Arena must give."""
    return yaml.safe_load((resources.files("env.arena") / FILE).read_text(encoding="utf-8"))


def differences(found: dict[str, dict[str, str]], wanted: dict[str, dict[str, str]]) -> list[str]:
    """What differs, such as "states of first"."""
    return [
        f"{what} of {name}"
        for name in {**wanted, **found}
        for what in ("states", "pictures")
        if found.get(name, {}).get(what) != wanted.get(name, {}).get(what)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m env.arena.pixels", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write env/arena/{FILE} anew")
    write = parser.parse_args().write
    found = fingerprints(task_names())
    if write:
        text = "# Written by `python -m env.arena.pixels --write`: see there what is hashed.\n" + yaml.safe_dump(
            found, sort_keys=False, width=200
        )
        Path(__file__).with_name(FILE).write_text(text, encoding="utf-8")
    print(yaml.safe_dump(found, sort_keys=False, width=200), end="")
    wrong = differences(found, committed())
    print(f"differs from env/arena/{FILE}: {', '.join(wrong) or 'nothing'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
