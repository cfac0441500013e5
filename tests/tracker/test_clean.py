"""What teaches nothing is left out and counted; what is rare stays."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from combatvla.actions import Action
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from env.arena.fight import Fight
from env.arena.render import Renderer
from env.arena.state import RESULTS
from env.tasks import load_task
from tracker.align import Alignment, AlignOptions, samples
from tracker.append import Appender
from tracker.balance import histogram
from tracker.clean import Cleaner, CleanOptions
from tracker.export.command import main as export
from tracker.rows import FLAGS, EventRow, FlagRow
from tracker.session import Session
from tracker.writer import SessionWriter

ARENA = load_profile("arena")
START, FPS = 5 * 10**9, 10


def picture(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return cv2.resize(small, (320, 180), interpolation=cv2.INTER_LINEAR)


def record(folder, seconds: float, presses=(), show=picture) -> Session:
    """A session whose pictures `show` draws by their number; `presses`: (key, second, for how many seconds)."""
    with SessionWriter(folder, game="arena", title="t", width=320, height=180, fps=FPS) as writer:
        for i in range(int(seconds * FPS)):
            writer.frame(show(i), START + i * 10**9 // FPS)
        for key, begin, length in presses:
            kind = "button" if key.startswith("mouse") else "key"
            for down, at in ((True, begin), (False, begin + length)):
                writer.event(EventRow(t_ns=START + int(at * 1e9), kind=kind, key=key, down=down))
    return Session(folder)


def cleaned(session: Session, **options) -> tuple[list, dict[str, int]]:
    """What is left of all samples, pictures seen, and what was left out."""
    dropped: dict[str, int] = {}
    cleaner = Cleaner(session, ARENA, CleanOptions(**options), dropped)
    found = cleaner.by_time(samples(session, ARENA, AlignOptions(), Alignment()))
    pictures = {row.index: pixels for row, pixels in session.pictures()}
    return [s for s in found if cleaner.keeps(s, pictures[s.frames[-1]])], dropped


PRESSES = [("w", 0.3, 0.4), ("space", 1.0, 0.1), ("mouse_left", 8.0, 0.1), ("r", 9.0, 0.1)]


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0.0), (0.2, 0.2), (0.5, 0.5), (1.0, 1.0)])
def test_long_idling_is_thinned(tmp_path, share, kept):
    session = record(tmp_path / "s", 10, PRESSES)
    everything = samples(session, ARENA, AlignOptions(), Alignment())
    found, dropped = cleaned(session, keep_idle=share, keep_menus=True, keep_repeated=True)
    # From 1 s after the dodge's end until half a second before the blow, five decisions a second.
    idle = [s for s in everything if START + 2.1e9 <= s.t_ns <= START + 7.5e9]
    assert len(idle) >= 25
    assert dropped.get("idle", 0) == pytest.approx((1 - kept) * len(idle), abs=1)
    assert [s for s in everything if s not in idle] == [s for s in found if s not in idle]


def test_flagged_spans_are_left_out(tmp_path):
    session = record(tmp_path / "s", 10, PRESSES)
    with Appender(session.folder / "flags.jsonl", FLAGS) as file:
        file.add(FlagRow(begin_ns=START + 900_000_000, end_ns=START + 1_050_000_000, why="a cutscene"))
        file.add(FlagRow(begin_ns=START + 8_950_000_000, end_ns=START + 9_950_000_000))
    found, dropped = cleaned(session, keep_idle=1, keep_menus=True, keep_repeated=True)
    everything = samples(session, ARENA, AlignOptions(), Alignment())
    spans = [(s, s.t_ns - START, s.t_ns - START + s.plan.duration_ms * 10**6) for s in everything]
    touched = [s for s, a, b in spans if (b >= 0.9e9 and a <= 1.05e9) or (b >= 8.95e9 and a <= 9.95e9)]
    assert len(touched) >= 6 and [s for s in everything if s not in touched] == found
    assert dropped == {"flagged": len(touched)} and histogram(found).keys() == {"move_forward", "wait"}
    found, dropped = cleaned(session, keep_idle=1, keep_menus=True, keep_repeated=True, keep_flagged=True)
    assert dropped == {} and "heal" in histogram(found)


def test_what_was_pressed_in_a_flagged_span_is_no_label(tmp_path):
    """A plan reaches further than its decision: the one of 1.0 s waits, and dodges within the span."""
    session = record(tmp_path / "s", 3, [("w", 0.2, 0.1), ("space", 1.1, 0.2), ("w", 2.0, 0.1)])

    def dodging(**options) -> list[int]:
        found, _ = cleaned(session, keep_idle=1, keep_menus=True, keep_repeated=True, **options)
        return [(s.t_ns - START) // 10**6 for s in found if any(Action.DODGE in t.actions for t in s.plan.steps)]

    before = dodging()
    assert [t for t in before if t <= 1000]
    with Appender(session.folder / "flags.jsonl", FLAGS) as file:
        file.add(FlagRow(begin_ns=START + 1_050_000_000, end_ns=START + 1_350_000_000))
    assert dodging() == [] and dodging(keep_flagged=True) == before


def test_the_same_again_is_left_out_but_never_what_is_rare(tmp_path):
    presses = [("w", 0.0, 2.0), ("space", 3.0, 1.0), ("space", 4.2, 1.0), ("r", 6.0, 1.0)]
    still = record(tmp_path / "still", 8, presses, show=lambda i: picture(1))
    everything = histogram(samples(still, ARENA, AlignOptions(), Alignment()))
    found, dropped = cleaned(still, keep_idle=1, keep_menus=True)
    left = histogram(found)
    assert left["dodge"] == everything["dodge"] and left["heal"] == everything["heal"]
    assert left["move_forward"] < everything["move_forward"] > 5
    assert dropped == {"repeated": sum(everything.values()) - len(found)}
    moving = record(tmp_path / "moving", 8, presses)
    assert cleaned(moving, keep_idle=1, keep_menus=True)[1] == {}
    assert cleaned(still, keep_idle=1, keep_menus=True, keep_repeated=True)[1] == {}


def test_menus_and_banners_are_left_out(tmp_path):
    """The Arena's own pictures: a fight, a menu over it, the fight again, its end."""
    renderer, fight = Renderer(320, 180), Fight(load_task("first"), 3)
    running = renderer.draw(fight)
    fight.state["result"] = RESULTS.index("win")
    won = renderer.draw(fight)
    renderer.close()
    parts = [running] * 20 + [picture(7)] * 20 + [running] * 20 + [won] * 20
    session = record(tmp_path / "s", 8, [("w", 0.1, 7.5)], show=lambda i: parts[i])
    found, dropped = cleaned(session, keep_repeated=True)
    times = [(s.t_ns - START) / 1e9 for s in found]
    assert dropped.keys() == {"no fight on the screen"}
    assert not [t for t in times if 2.7 <= t < 3.9 or t >= 6.1], "half a second out of sight may be a flash"
    for begin, end in ((0, 1.9), (4.1, 5.9)):
        assert sum(begin <= t <= end for t in times) >= 8
    assert cleaned(session, keep_repeated=True, keep_menus=True)[1] == {}


def test_a_hud_that_does_not_fit_the_window_is_told_of(tmp_path, capsys):
    """Nobody guesses from an empty dataset that the bars lie elsewhere."""
    record(tmp_path / "s", 6, [("w", 0.1, 5.5)])
    hint = "the profile's HUD may not fit this game's window (docs/window.md); --keep-menus keeps them"
    assert export([str(tmp_path / "s"), "--out", str(tmp_path / "d")]) == 0
    assert hint in capsys.readouterr().out
    assert export([str(tmp_path / "s"), "--out", str(tmp_path / "e"), "--keep-menus"]) == 0
    assert hint not in capsys.readouterr().out


def test_a_profile_without_a_hud_has_no_menus(tmp_path):
    session = record(tmp_path / "s", 2, [("w", 0.1, 1.5)])
    bare = ARENA.model_copy(update={"hud": {}})
    cleaner = Cleaner(session, bare, CleanOptions(), {})
    assert all(cleaner.keeps(s, picture(i)) for i, s in enumerate(samples(session, bare, AlignOptions(), Alignment())))


def test_of_a_real_fight_hardly_anything_is_lost(fight, tmp_path, capsys):
    session = Session(fight)
    everything = histogram(samples(session, ARENA, AlignOptions(), Alignment()))
    assert export([str(fight), "--out", str(tmp_path / "d"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["samples"] + sum(report["left_out"].values()) + report["without_picture"] >= sum(everything.values())
    assert sum(report["left_out"].values()) <= 0.1 * sum(everything.values())
    for action in (Action.DODGE, Action.HEAL, Action.SKILL):
        assert report["actions"].get(action.value, 0) == everything.get(action.value, 0)


@pytest.mark.parametrize("share", ["-0.1", "1.5", str(math.nan)])
def test_a_share_is_a_share(fight, tmp_path, share):
    with pytest.raises(UserError, match="--keep-idle is a share from 0 to 1"):
        export([str(fight), "--out", str(tmp_path / "d"), f"--keep-idle={share}"])


def test_a_rare_action_that_comes_second_is_rare_as_well(tmp_path):
    session = record(tmp_path / "s", 4, [("space", 3.0, 0.1)], show=lambda i: picture(1))
    everything = samples(session, ARENA, AlignOptions(horizon_ms=1500), Alignment())
    coming = [s for s in everything if [Action.DODGE in step.actions for step in s.plan.steps][:2] == [False, True]]
    assert len(coming) >= 2 and coming[0].t_ns < START + 2_500_000_000
    found = Cleaner(session, ARENA, CleanOptions(keep_idle=0), dropped := {}).by_time(everything)
    assert all(sample in found for sample in coming) and dropped["idle"] > 0
