"""A game's HUD over the time of a recording: what the bars and pips stand at, and what was lost when."""

from __future__ import annotations

import math

import numpy as np

from combatvla.errors import UserError
from combatvla.hud import EMPTY, HudReader, Reading
from combatvla.profiles import GameProfile, HudBanner, HudBar

MS = 1_000_000
FORGET_MS = 500
"""A bar that was not to be seen for so long is not known any more: a flash or a spark covers one for a moment only."""
HIT = 0.02
"""A bar that lost so much since the last reading was hit."""


def has_hud(profile: GameProfile) -> bool:
    """Whether a bar of `profile` can be read."""
    return any(isinstance(entry, HudBar) for entry in profile.hud.values())


class HudTrack:
    """Takes pictures one after the other and knows what the HUD says. `UserError` for a profile without bars."""

    def __init__(self, profile: GameProfile) -> None:
        if not has_hud(profile):
            raise UserError(
                f"the profile {profile.name!r} names no HUD bars, so there is nothing to read off its pictures: put "
                "them under `hud` (docs/window.md)"
            )
        self._reader = HudReader(profile)
        self._entries = profile.hud
        self._seen_ns: dict[str, int] = {}
        self._hit_ns: dict[str, int] = {}
        self._now_ns = 0
        self.values: dict[str, Reading] = {}
        """The newest known reading of each entry but the banners; those out of sight for `FORGET_MS` are not in it."""
        self.result: str | None = None
        """How the fight ended by the newest picture: "win", "loss", "timeout", or None."""

    def add(self, t_ns: int, pixels: np.ndarray) -> None:
        """Reads the picture `uint8[H, W, 3]` (RGB) of `t_ns`, not before the last one's time."""
        hud = self._reader.read(pixels)
        self._now_ns, self.result = t_ns, self._reader.result(hud)
        both = [hud[name] for name in ("health", "boss_health") if name in hud]
        dark = self.result is None and len(both) == 2 and max(both) < EMPTY  # another picture, or a covered one
        for name, value in hud.items():
            if isinstance(self._entries[name], HudBanner):
                continue
            if dark or math.isnan(value):
                if t_ns - self._seen_ns.get(name, 0) > FORGET_MS * MS:
                    self.values.pop(name, None)
                continue
            if self.values.get(name, value) - value >= (HIT if isinstance(self._entries[name], HudBar) else 1):
                self._hit_ns[name] = t_ns
            self.values[name], self._seen_ns[name] = value, t_ns

    @property
    def visible(self) -> bool:
        """Whether the game shows its HUD: the fighter's own health bar, or, where the profile has none, any bar."""
        if "health" in self._entries:
            return "health" in self.values
        return any(isinstance(self._entries[name], HudBar) for name in self.values)

    def lost_s(self, name: str) -> float:
        """Seconds since this bar or row of pips last lost something, infinite if it never did."""
        return (self._now_ns - self._hit_ns[name]) / 1e9 if name in self._hit_ns else math.inf
