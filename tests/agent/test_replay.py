"""The replay: a film of a real window, and a strip that tells the truth about it."""

from __future__ import annotations

import time

import av
import numpy as np
import pytest

from agent import hud
from agent.chronicle import Chronicle, Moment
from agent.film import Film
from agent.log import EpisodeLog
from agent.loop import Acted
from agent.replay import make_videos
from combatvla.actions import Action, Plan
from combatvla.episode import first_frame_ns
from combatvla.errors import UserError
from combatvla.policy.base import Decision
from combatvla.profiles import Look, load_profile
from tests.helpers import until


def lit(strip: np.ndarray) -> int:
    """Pixels of the strip's keyboard in the colour of a held key."""
    near = np.abs(strip[:, :380].astype(int) - hud.LIT).sum(axis=2) < 60
    return int(near.sum())


def moment(*held: Action, **options) -> Moment:
    values = dict(plan=(), thought="", age_ms=None, ages_ms=(), decisions=0, hz=0.0, seconds=0) | options
    return Moment(held=frozenset(held), **values)


def test_each_key_lights_up_at_a_place_of_its_own(arena):
    strip = hud.Strip(arena)
    dark = strip.draw(moment())
    assert dark.shape == (hud.HEIGHT, hud.WIDTH, 3) and lit(dark) == 0
    places = {}
    for action in arena.actions:
        changed = (strip.draw(moment(action))[:, :380] != dark[:, :380]).any(axis=2)
        places[action] = changed
        assert changed.sum() > 300, action
    for a in arena.actions:
        for b in arena.actions:
            assert a == b or not (places[a] & places[b]).any(), (a, b)


def test_a_plan_may_name_what_the_game_has_no_key_for(arena):
    strip = hud.Strip(arena)
    assert Action.BLOCK not in arena.keys
    both, one = strip.draw(moment(Action.BLOCK, Action.DODGE)), strip.draw(moment(Action.DODGE))
    assert (both == one).all() and (strip.draw(moment(Action.BLOCK)) == strip.draw(moment())).all()


def test_a_turning_camera_is_told_where_the_game_has_one(arena):
    turning = hud.Strip(arena.model_copy(update={"look": Look(speed=900)}))
    assert (turning.draw(moment(Action.LOOK_LEFT)) != turning.draw(moment())).any()
    still = hud.Strip(arena)
    assert (still.draw(moment(Action.LOOK_LEFT)) == still.draw(moment())).all()


def test_any_text_and_any_profile_can_be_drawn(arena):
    odd = arena.model_copy(update={"keys": {Action.DODGE: "é", Action.HEAL: "tab", Action.SKILL: "ctrl"}})
    long = "The boss raises its blade – " * 40
    for profile in (arena, odd, load_profile("arena")):
        for thought in ("", "…", long, "x" * 500, "<dodge><t100><TRUNC>"):
            now = moment(
                *list(profile.actions)[:1],
                thought=thought,
                plan=((long, 50),) * 3,
                age_ms=4321.0,
                ages_ms=(20.0, 4321.0),
            )
            assert hud.Strip(profile).draw(now).shape == (hud.HEIGHT, hud.WIDTH, 3)


def test_replay_of_a_filmed_window(probe, desktop, arena, tmp_path):
    window = probe("CombatVLA Arena – probe", 640, 360, 0, 0, "flicker").find(desktop, arena)
    with EpisodeLog(tmp_path) as log:
        with Film(tmp_path / "film.mkv", window):
            until(lambda: any(p.stat().st_size for p in tmp_path.glob("film.mkv")), 20)
            time.sleep(0.6)
            t_ns = time.monotonic_ns()
            decision = Decision(Plan.of(Action.DODGE, ms=400), "the boss raises its blade")
            decision.timings_ms["total"] = 20.0
            log.acted(Acted(decision, t_ns - 40_000_000, t_ns, sent=True))
            log.held(t_ns, frozenset({Action.DODGE}))
            time.sleep(0.4)
            log.held(time.monotonic_ns(), frozenset())
            time.sleep(0.4)
            with pytest.raises(UserError, match="still being filmed"):
                make_videos(tmp_path, arena)
    heard = []
    with av.open(str(tmp_path / "film.mkv")) as video:
        filmed = [f.to_ndarray() for f in video.decode(video=0)]
    clean, out = make_videos(tmp_path, arena, advance=lambda done, total: heard.append((done, total)))
    assert (clean, out) == (tmp_path / "clean.mp4", tmp_path / "replay.mp4") and not (tmp_path / "film.mkv").exists()
    assert [p.name for p in tmp_path.glob("*.part")] == []
    with av.open(str(clean)) as video:
        assert video.format.name.startswith("mov") and first_frame_ns(video.metadata) < t_ns
        kept = [f.to_ndarray() for f in video.decode(video=0)]
    assert len(kept) == len(filmed) and all(np.array_equal(a, b) for a, b in zip(kept, filmed, strict=True))
    with av.open(str(out)) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 640, 440)
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) >= 8 and len(heard) == len(frames)
    big = np.array([[lit(np.repeat(np.repeat(f[360:], 2, 0), 2, 1))] for f in frames])[:, 0]
    assert big[0] == 0 and big[-1] == 0 and big.max() > 500
    assert len({f[:360].tobytes() for f in frames}) > len(frames) // 2


def test_nothing_filmed(arena, tmp_path):
    EpisodeLog(tmp_path).close()
    assert make_videos(tmp_path, arena) is None
    for rubbish in (b"", b"no film" * 100):
        (tmp_path / "film.mkv").write_bytes(rubbish)
        assert make_videos(tmp_path, arena) is None
        assert not list(tmp_path.glob("*.mp4*"))


def test_a_film_of_no_window_ends_by_itself(desktop, arena, tmp_path, probe, capfd):
    window = probe()
    found = window.find(desktop, arena)
    window.close()
    with Film(tmp_path / "film.mkv", found) as film:
        assert film.process.wait(20) == 2
    assert "not filmed" in capfd.readouterr().err


@pytest.mark.parametrize("size", [(640, 360), (333, 201)])
def test_strips_fit_any_picture(size):
    from agent.replay import _planes

    width = size[0] // 2 * 2
    strip = hud.Strip(load_profile("arena"), width)
    height = strip.size[1]
    planes = _planes(strip.draw(moment()))
    assert [p.shape for p in planes] == [(height, width), (height // 2, width // 2), (height // 2, width // 2)]


def test_a_thought_is_shown_only_with_the_plan_that_it_explains(tmp_path):
    dodge, wait = Plan.of(Action.DODGE), Plan.of(Action.WAIT)
    told = [(0, dodge, "a slam lands now"), (100, dodge, None), (200, wait, None), (900, dodge, None)]
    with EpisodeLog(tmp_path) as log:
        for ms, plan, explanation in told:
            decision = Decision(plan, explanation, timings_ms={"total": 1.0})
            log.acted(Acted(decision, ms * 1_000_000, (ms + 40) * 1_000_000, sent=True))
    chronicle = Chronicle(tmp_path)
    shown = [chronicle.at((ms + 50) * 1_000_000, 0).thought for ms, *_ in told]
    assert shown == ["a slam lands now", "a slam lands now", "", ""]
    assert chronicle.at(39_000_000, 0).decisions == 0 and chronicle.at(10**12, 0).plan == ()
