"""The sounds of a fight: what is heard when, and that they are really played where there is a device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from combatvla.actions import Action
from env.arena.fight import Fight
from env.arena.sound import RATE, Ear, Sounds, make_effects
from env.arena.state import STAGES
from env.tasks import KINDS, load_task

FIGHT = """
import json, sys
from combatvla.actions import Action
from env.arena.fight import Fight
from env.arena.sound import Sounds
from env.tasks import load_task
import time

task = load_task("first")
fight, sounds = Fight(task, 7), Sounds(task, mute=sys.argv[1] == "mute")
for tick in range(120):
    fight.tick(frozenset({Action.LIGHT_ATTACK}))
    sounds.follow(fight.read())
    time.sleep(0.004)
print(json.dumps([sounds.audible, fight.save().hex()]))
sounds.close()
"""


def fight_in_a_process(how: str, **environment: str) -> tuple[bool, str]:
    """Whether the sounds of a fight could be heard, and the fight's state after it; nothing is said beside that."""
    command = [sys.executable, "-c", FIGHT, how]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return tuple(json.loads(done.stdout))


def test_effects_are_short_audible_and_always_the_same():
    effects, again = make_effects(), make_effects()
    for name, samples in effects.items():
        assert samples.dtype == np.int16 and 0.1 < len(samples) / RATE < 2.5, name
        assert np.abs(samples).max() > 5000 and abs(int(samples[0])) < 3000, f"{name}: silent, or begins with a click"
        assert np.array_equal(samples, again[name])
    assert {f"windup_{kind}" for kind in KINDS} <= effects.keys()


def heard(fight: Fight, held: list[frozenset[Action]]) -> list[tuple[int, str]]:
    ear, found = Ear(fight.task), []
    ear.listen(fight.read())
    for inputs in held:
        fight.tick(inputs)
        found += [(fight.tick_count, name) for name in ear.listen(fight.read())]
    return found


def near(task: str) -> Fight:
    """A fight in which the two stand close and the boss winds up for its first attack."""
    fight = Fight(load_task(task), 1)
    fight.player.x, fight.player.y = fight.boss.x - 1.8, fight.boss.y
    fight.boss.facing = np.pi
    fight.boss.stage, fight.boss.move, fight.boss.t, fight.boss.total = STAGES.index("windup"), 0, 0, 57
    return fight


def test_a_blow_is_announced_flares_lands_and_is_answered():
    fight = near("first")
    fight.boss.stage, fight.boss.idle_left = STAGES.index("idle"), 1
    names = [name for _, name in heard(fight, [frozenset()] * 200)]
    announced = [name for name in names if name.startswith("windup_")]
    assert announced and names.index(announced[0]) < names.index("flare") < names.index("hurt")
    assert Counter(names)["flare"] <= len(announced)
    names = [name for _, name in heard(near("first"), [frozenset({Action.LIGHT_ATTACK})] * 30)]
    assert names[:2] == ["swing", "hit"]


def test_a_block_and_a_parry_sound_differently():
    def answer(ticks_before: int) -> set[str]:
        wait = [frozenset()] * (57 - ticks_before)
        return {name for _, name in heard(near("ronin"), wait + [frozenset({Action.BLOCK})] * (ticks_before + 5))}

    assert "parry" in answer(6) and "block" not in answer(6)
    assert "block" in answer(40) and "parry" not in answer(40)


def test_the_end_is_heard_once():
    fight = near("first")
    fight.player.health = 1.0
    names = [name for _, name in heard(fight, [frozenset()] * 300)]
    assert fight.result == "loss" and names.count("loss") == 1 and names[-1] == "loss"


def test_silence_is_no_error_and_sound_changes_nothing(tmp_path):
    config, samples = tmp_path / "openal.conf", tmp_path / "out.wav"
    config.write_text(f"[wave]\nfile={samples}\n")
    audible, state = fight_in_a_process("sound", ALSOFT_DRIVERS="wave", ALSOFT_CONF=str(config))
    assert audible
    written = np.frombuffer(samples.read_bytes()[44:], "<i2")
    assert np.abs(written.astype(int)).max() > 3000, "OpenAL mixed nothing"
    assert fight_in_a_process("mute") == (False, state)
    assert fight_in_a_process("sound", ALSOFT_DRIVERS="none") == (False, state)


@pytest.mark.parametrize("mute", [True, False])
def test_sounds_can_be_closed_twice(mute):
    sounds = Sounds(load_task("first"), mute=mute)
    sounds.close()
    sounds.close()
    sounds.follow(Fight(load_task("first"), 1).read())
    assert not sounds.audible
