"""Recordings beside what really happened: told by ViZDoom, by the Arena's own log, and by who sent the keys."""

from __future__ import annotations

import importlib.util
import json
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

import pytest

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from tests.helpers import run_command
from tests.tracker.lists import at, press, write_lists
from tracker.align import MS, intervals
from tracker.drill.alignment import judge
from tracker.drill.command import main
from tracker.drill.kill import lost_ms
from tracker.drill.presses import Change
from tracker.drill.truth import Tic, runs
from tracker.session import Session

BUFFER_MS = 500
"""The Arena keeps a dodge that is pressed during another move for so long at most."""


def drill(*argv: str, timeout: float = 120) -> dict:
    done = run_command("tracker", "drill", *argv, "--json", timeout=timeout)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def arena_log(folder: Path) -> list[dict]:
    return [json.loads(text) for text in (folder / "truth.jsonl").read_text().splitlines()]


def test_a_recorded_fight_has_what_the_arena_was_given(recorded_fight):
    """Its log is the game's own word on what was held, tick by tick."""
    tics = [Tic(s["t_ns"], s["t_ns"], frozenset(map(Action, s["held"]))) for s in arena_log(recorded_fight)]
    figures = judge(Session(recorded_fight), load_profile("arena"), tics)
    assert figures["actions"] >= 10 and len(runs(tics)) >= figures["actions"]
    assert figures["missing"] == figures["invented"] == figures["plans_missing"] == figures["plans_invented"] == 0
    assert figures["within_one_frame_share"] > 0.5


def test_the_fighter_never_dodges_without_a_recorded_press(recorded_fight):
    session, states = Session(recorded_fight), arena_log(recorded_fight)
    pressed = intervals(session.events, load_profile("arena"), int(session.frames.t_ns[-1]))
    for state, action in (("dodge", Action.DODGE), ("heal", Action.HEAL), ("light_attack", Action.LIGHT_ATTACK)):
        starts = [i.start_ns for i in pressed if i.action is action]
        began = [b["t_ns"] for a, b in pairwise(states) if b["player"]["state"] == state != a["player"]["state"]]
        assert not began or starts
        for t_ns in began:
            i = bisect_right(starts, t_ns) - 1
            assert i >= 0 and t_ns - starts[i] < BUFFER_MS * MS, f"{state} without a press"
    kinds = {state["player"]["state"] for state in states}
    assert {"dodge", "light_attack"} & kinds, kinds


def test_presses_shorter_than_a_tick_are_all_recorded(display):
    figures = drill("alignment", "--game", "arena", "--actions", "80", "--seed", "3")
    assert figures["sent"] >= 80 and figures["actions"] >= 70
    assert figures["missing"] == figures["invented"] == figures["plans_missing"] == figures["plans_invented"] == 0


def test_vizdoom_received_what_was_recorded(display):
    if importlib.util.find_spec("vizdoom") is None:
        pytest.skip("ViZDoom is not installed: pip install combatvla[bench]")
    figures = drill("alignment", "--actions", "200", timeout=180)
    assert figures["actions"] >= 200 and figures["unseen"] == 0
    assert figures["missing"] == figures["invented"] == figures["plans_missing"] == figures["plans_invented"] == 0
    assert figures["within_one_frame_share"] >= 0.99


def killed(count: int, **options) -> None:
    figures = drill("kill", "--kills", str(count), **options)
    assert figures["opened"] == figures["kills"] == count and figures["failures"] == []
    assert figures["video_lost_ms_max"] <= 500 and figures["events_lost_ms_max"] <= 50


def test_a_killed_recorder_leaves_all_but_the_last_moment(display):
    killed(3)


@pytest.mark.slow
def test_fifty_killed_recorders(display):
    killed(50, timeout=400)


def test_a_lost_input_is_told(tmp_path):
    """The drill's own arithmetic: an input is lost from when it was sent, and one that nobody sent is a fault."""
    keys = {Action.DODGE: "space"}
    first, second = press("space", 10, 20), press("space", 30, 40)
    sent = [Change(e.t_ns, Action.DODGE, e.down) for e in first + second]

    def lost(events) -> float:
        return lost_ms(sent, write_lists(tmp_path, [0], events), keys, at(50))

    assert lost(first + second) == 0
    assert lost(first) == 20
    with pytest.raises(ValueError, match="in another order"):
        lost(second[1:])


def test_bad_arguments_end_with_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    for argv, said in (
        (["alignment", "--actions", "0"], "start at 1"),
        (["kill", "--kills", "0"], "start at 1"),
        (["kill", "--keep", str(tmp_path)], "expected an empty folder"),
    ):
        with pytest.raises(UserError, match=said):
            main(argv)
