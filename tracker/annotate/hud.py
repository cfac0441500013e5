"""Explanations from what the HUD shows: the fighter's and the enemy's state in fixed words, and what the action is for.

"health low, heals 2, hit 0.4 s ago; enemy half: heal to get back." The HUD does not show what the enemy is about to do,
so neither do these sentences: only the past up to the sample's newest picture is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from combatvla.actions import Action, Plan, Step
from combatvla.profiles import GameProfile, HudBar
from tracker.align import Sample
from tracker.annotate.annotator import Dropped, explanation
from tracker.balance import kind
from tracker.explain import intent, level
from tracker.hud_track import HudTrack
from tracker.rows import ExplanationRow
from tracker.session import Session

MS = 1_000_000
READ_MS = 50
"""The HUD is read this often, and at each sample: a blow must not fall between two readings with a heal."""
LATELY_S = 1.0
"""A blow is told for so long."""
LOW = "low"


class HudAnnotator:
    """Reads the HUD of the profile (`hud`), whichever bars and pips it names."""

    by = "hud"

    def check(self, session: Session, profile: GameProfile) -> None:
        HudTrack(profile)

    def figures(self) -> dict[str, int]:
        return {}

    def annotate(
        self, session: Session, profile: GameProfile, samples: Sequence[Sample]
    ) -> Iterator[ExplanationRow | Dropped]:
        if not samples:
            return
        track, waiting = HudTrack(profile), list(reversed(samples))
        wanted = {sample.frames[-1] for sample in samples}
        position = {index: i for i, index in enumerate(session.frames.index.tolist())}
        read_ns = 0
        for row, picture in session.decoded():
            i = position[row.index]
            if i in wanted or row.t_ns - read_ns >= READ_MS * MS:
                track.add(row.t_ns, session.rgb(row, picture))
                read_ns = row.t_ns
            while waiting and waiting[-1].frames[-1] <= i:
                sample = waiting.pop()
                if sample.frames[-1] < i:
                    yield Dropped(sample, "the picture is missing in the video")
                else:
                    yield self._explained(session, profile, sample, track)
            if not waiting:
                return
        for sample in reversed(waiting):
            yield Dropped(sample, "the picture is missing in the video")

    def _explained(
        self, session: Session, profile: GameProfile, sample: Sample, track: HudTrack
    ) -> ExplanationRow | Dropped:
        if track.result is not None:
            return Dropped(sample, "the fight is over")
        if not track.visible:
            return Dropped(sample, "the HUD is not to be seen")
        return explanation(session, sample, sentences(profile, track, sample.plan), self.by)


def sentences(profile: GameProfile, track: HudTrack, plan: Plan) -> list[str]:
    """One a step; the state stands in the first."""
    told = [f"{intent(step)} {_purpose(step, track)}".rstrip() for step in plan.steps]
    told[0] = f"{_state(profile, track)}: {told[0]}."
    return told


def _state(profile: GameProfile, track: HudTrack) -> str:
    """The fighter's bars and pips, then the enemy's, in the order of the profile but for the health, which is first."""
    own, enemy = [], []
    for name in sorted(track.values, key=lambda n: n not in ("health", "boss_health")):
        value, entry = track.values[name], profile.hud[name]
        said = level(float(value)) if isinstance(entry, HudBar) else str(int(value))
        plain = name.removeprefix("boss_").replace("_", " ")
        if name == "boss_health":
            enemy.append(said)
        else:
            (enemy if name.startswith("boss_") else own).append(f"{plain} {said}")
    if track.lost_s("health") <= LATELY_S:
        own.append(f"hit {track.lost_s('health'):.1f} s ago")
    if track.lost_s("boss_health") <= LATELY_S:
        enemy.append(f"hit {track.lost_s('boss_health'):.1f} s ago")
    return "; ".join(part for part in (", ".join(own), f"enemy {', '.join(enemy)}" if enemy else "") if part)


def _purpose(step: Step, track: HudTrack) -> str:
    """What the most telling action of `step` is for, by the state."""
    bars = {n: level(float(v)) for n, v in track.values.items()}
    health, enemy = bars.get("health"), bars.get("boss_health")
    hit = track.lost_s("health") <= LATELY_S
    match kind(Plan((step,))):
        case Action.HEAL:
            return "to get back" if health == LOW else "to be safe"
        case Action.DODGE:
            return "to get out of its reach" if hit else "to let the blow pass"
        case Action.BLOCK:
            return "to stop the blow"
        case Action.SKILL:
            return "to win a moment"
        case Action.LIGHT_ATTACK | Action.HEAVY_ATTACK:
            return "to finish it" if enemy == LOW else "to wear it down"
        case Action.MOVE_BACK | Action.MOVE_LEFT | Action.MOVE_RIGHT:
            return "to get away" if hit or health == LOW else "to find an opening"
        case Action.MOVE_FORWARD | Action.SPRINT:
            return "to reach it"
        case Action.LOCK_ON | Action.LOOK_LEFT | Action.LOOK_RIGHT | Action.LOOK_UP | Action.LOOK_DOWN:
            return "to keep it in sight"
    return "to catch breath" if bars.get("stamina") == LOW else "and watch"
