"""Subtitles: what was held, no cue over another, no tap too short to be read."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla.actions import Action
from combatvla.profiles import load_profile
from tests.tracker.play import play
from tracker.align import MS, Interval
from tracker.export.command import main as export
from tracker.export.srt import LEAST_MS, _readable, cues_of

ARENA = load_profile("arena")


def test_the_keys_are_shown_while_they_are_held(tmp_path, capsys):
    presses = (("w", 300, 900), ("space", 600, 604), ("mouse_left", 1900, 2300))
    play(tmp_path / "s", 3, segment_s=2, presses=presses)
    assert export([str(tmp_path / "s"), "--to", "srt"]) == 0
    one, two = (tmp_path / f"s/video-0000{i}.srt" for i in range(2))
    assert str(two) in capsys.readouterr().out
    key = ARENA.keys
    forward, dodge = f"move_forward ({key[Action.MOVE_FORWARD]})", f"dodge ({key[Action.DODGE]})"
    attack = f"light_attack ({key[Action.LIGHT_ATTACK]})"
    text = one.read_text()
    assert text.startswith(f"1\n00:00:00,300 --> 00:00:00,600\n{forward}\n\n2\n00:00:00,600 --> 00:00:00,800\n")
    assert f"{forward} + {dodge}\n" in text and text.count(attack) == 1
    assert re.match(rf"1\n00:00:00,000 --> 00:00:00,(29\d|300)\n{re.escape(attack)}\n", two.read_text())
    assert export([str(tmp_path / "s"), "--to", "srt", "--out", str(tmp_path / "subs")]) == 0
    assert (tmp_path / "subs/video-00000.srt").read_text() == text


press = st.tuples(st.sampled_from(sorted(ARENA.keys)), st.integers(0, 4900), st.integers(1, 900))


@settings(max_examples=200, deadline=None)
@given(st.lists(press, max_size=30))
def test_no_cue_lies_over_another_and_each_press_is_to_be_read(drawn):
    free: dict[Action, int] = {}
    pressed = []
    for action, begin, length in sorted(drawn, key=lambda d: d[1]):
        if begin >= free.get(action, 0):
            pressed.append(Interval(action, begin * MS, (begin + length) * MS))
            free[action] = begin + length + 2
    cues = list(cues_of(_readable(pressed), ARENA, 0, 5000 * MS))
    assert all(c.begin_ms < c.end_ms for c in cues) and all(a.end_ms <= b.begin_ms for a, b in pairwise(cues))
    for action, begin_ns, _ in pressed:
        begin = begin_ns // MS
        later = [i.start_ns // MS for i in pressed if i.action == action and i.start_ns > begin_ns]
        until = min([begin + LEAST_MS, 5000, *(t - 1 for t in later)])
        shown = sum(max(0, min(c.end_ms, until) - max(c.begin_ms, begin)) for c in cues if f"{action} (" in f"{c.text}")
        assert shown >= until - begin
