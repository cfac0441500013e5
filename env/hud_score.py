"""What a game's HUD tells of a fight, in the terms of `env.rewards`."""

from __future__ import annotations

import math
from dataclasses import asdict

from combatvla.hud import EMPTY, NOISE, Reading
from combatvla.profiles import GameProfile, HudCount
from env.rewards import Rewards


class HudScore:
    """What the HUD has told since an episode began, in the terms of `env.rewards`: weighted, as in `Arena-v0`'s info.

    The first reading is that of the reset. What a bar lost is damage, and what it won is a heal, or the next fight.
    """

    def __init__(self, profile: GameProfile, hud: dict[str, Reading], rewards: Rewards) -> None:
        heals = profile.hud.get("heals")
        self._heal_share = heals.worth if isinstance(heals, HudCount) else 0.0
        self._weights = asdict(rewards)
        self._last = dict(hud)
        self.hud, self.result = hud, None
        self.terms, self.sums = dict.fromkeys(self._weights, 0.0), dict.fromkeys(self._weights, 0.0)
        """Of the last step, and since the episode began."""

    @property
    def reward(self) -> float:
        """Of the last step."""
        return sum(self.terms.values())

    def add(self, hud: dict[str, Reading], result: str | None, time: float) -> None:
        """Takes the next reading, with the result if it is known and the share of the time limit that the step took."""
        seen = hud
        if result is None and max(hud["health"], hud["boss_health"]) < EMPTY:
            seen = dict.fromkeys(hud, math.nan)  # all dark: another picture, or a window that covers the game
        gained = self._change("health", seen)
        offered = -self._change("heals", seen) * self._heal_share if self._heal_share else 0.0
        beyond = seen["health"] > 1 - NOISE
        amounts = {
            "damage_dealt": max(0.0, -self._change("boss_health", seen)),
            "damage_taken": max(0.0, -gained),
            "win": float(result == "win"),
            "loss": float(result == "loss"),
            "heal_wasted": max(0.0, offered - max(0.0, gained)) if beyond else 0.0,
            "time": time,
        }
        self.hud, self.result = hud, result
        self.terms = {term: weight * amounts[term] + 0.0 for term, weight in self._weights.items()}
        self.sums = {term: self.sums[term] + value for term, value in self.terms.items()}

    def _change(self, name: str, hud: dict[str, Reading]) -> float:
        """What was added to a reading since it was last seen to change; 0 for less than `NOISE`, or unseen."""
        change = float(hud[name] - self._last[name])
        if abs(change) <= NOISE or math.isnan(change):
            if math.isnan(self._last[name]):
                self._last[name] = hud[name]
            return 0.0
        self._last[name] = hud[name]
        return change
