"""`combatvla/Arena-v0`: the fight as a Gymnasium environment, unpaused in game time."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from combatvla.actions import PERIOD_MS, PLAN_LENGTH
from combatvla.errors import UserError
from env.arena import features, rules
from env.arena.eyes import Eyes
from env.arena.fight import Fight, table_for
from env.arena.latency import Latency, is_latency, to_thinking_ticks
from env.arena.plans import action_space, checked_plans
from env.arena.state import PERIOD_TICKS, TICK_HZ, to_ticks
from env.rewards import TERMS, Rewards, settle, tally
from env.tasks import TEST_SEED_START, Task, load_task


@dataclass(frozen=True)
class SavedState:
    """All that an environment's future hangs on, as `ArenaEnv.save_state` gives it. It can be pickled."""

    layout: tuple
    """Of the environments that can take it: the task's name and a checksum of its numbers, and the stack of pictures
    (frames, height, width)."""
    seed: int
    fight: bytes
    generator: dict[str, Any]
    charged_ms: float | None
    pictures: tuple[tuple[float, np.ndarray], ...]


class ArenaEnv(gym.Env):
    """One boss fight. A step is one decision, and the boss does not wait for it. For example:

        import gymnasium, env
        from combatvla.actions import Plan

        arena = gymnasium.make("combatvla/Arena-v0", task="first", decision_latency=50)
        pixels, info = arena.reset(seed=7)
        pixels, reward, terminated, truncated, info = arena.step(Plan.of("dodge", "move_left").to_array())

    Spaces, arguments, rewards, infos, saved states and batches are described in docs/arena.md.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 1000 // PERIOD_MS}

    def __init__(
        self,
        task: str | int | Path | Task = "first",
        width: int = 640,
        height: int = 360,
        *,
        frames: int = 1,
        observation: str = "array",
        pixels: bool = True,
        decision_latency: float | str | Sequence[float] = 0.0,
        wait_for_player: bool = False,
        rewards: Mapping[str, float] | Rewards | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.task = as_task(task)
        self.eyes = Eyes(width, height, frames, observation)
        self.observation_space = observation_space(self.eyes, pixels)
        self.action_space = action_space()
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise UserError(f"expected render_mode None, 'rgb_array' or 'human', got {render_mode!r}")
        self.latency = Latency.of(decision_latency)
        self.rewards = Rewards.of(rewards)
        self.pixels, self.wait_for_player, self.render_mode = pixels, wait_for_player, render_mode
        self.fight: Fight | None = None
        self._weights = self.rewards.array()
        self._time_limit = to_ticks(self.task.time_limit_s)
        # Borrowed by the compiled functions at every step.
        self._plans: np.ndarray | None = None
        self._thinking, self._which = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self._before, self._after, self._terms, self._sums = np.zeros((4, 1, len(TERMS)))
        self._reward = np.zeros(1)
        self._charged_ms: float | None = None
        self._window = None
        self._next_shown = self._returned = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Begins a fight. Its seed is `seed`, or a draw from the environment's generator, never a held-out one."""
        super().reset(seed=seed)
        fight_seed = int(self.np_random.integers(TEST_SEED_START)) if seed is None else seed
        self.fight = Fight(self.task, fight_seed)
        self._charged_ms = None
        self.eyes.pictures.clear()
        if self.render_mode == "human":
            self._show()
        observation = self._observe()
        self._returned = time.perf_counter()
        return observation, {"truth": self.fight.truth()}

    def charge(self, latency_ms: float) -> None:
        """Sets the latency of the decision that the next `step` carries out, in milliseconds, in place of
        `decision_latency`. `ValueError` for what is no finite number >= 0."""
        check_latency(latency_ms)
        self._charged_ms = float(latency_ms)

    def step(self, action: np.ndarray):
        """Carries out one decision. `ValueError` for an action outside the space, and nothing has moved."""
        fight = self.fight
        if fight is None or fight.result is not None:
            state = "before reset()" if fight is None else f"after the fight ended ({fight.result})"
            raise RuntimeError(f"step() was called {state}; call reset() first")
        measured_ms = (time.perf_counter() - self._returned) * 1000
        self._plans = checked_plans(action, (PLAN_LENGTH,))[None]
        latency_ms = self._draw_latency(measured_ms)
        thinking = to_thinking_ticks(latency_ms, self._time_limit)
        tally(fight.state, fight.table, self._which, self._before)
        if self.render_mode == "human":
            self._play(thinking)
        else:
            self._decide(thinking, PERIOD_TICKS)
        tally(fight.state, fight.table, self._which, self._after)
        settle(self._before, self._after, self._weights, self._terms, self._sums, self._reward)
        truth = fight.truth()
        info = {
            "truth": truth,
            "reward_terms": dict(zip(TERMS, self._terms[0].tolist(), strict=True)),
            "reward_sums": dict(zip(TERMS, self._sums[0].tolist(), strict=True)),
            "latency_ms": latency_ms,
        }
        observation = self._observe()
        self._returned = time.perf_counter()
        result = truth["result"]
        return observation, float(self._reward[0]), result in ("win", "loss"), result == "timeout", info

    def _draw_latency(self, measured_ms: float) -> float:
        """What this decision is charged."""
        charged, self._charged_ms = self._charged_ms, None
        if self.wait_for_player:
            return 0.0
        return self.latency.draw(self.np_random, measured_ms) if charged is None else charged

    def _decide(self, thinking: int, period: int) -> None:
        self._thinking[0] = thinking
        rules.decide(self.fight.state, self.fight.table, self._which, self._plans, self._thinking, period)

    # -- pictures --------------------------------------------------------------------------------------------

    def _observe(self) -> np.ndarray | dict[str, np.ndarray]:
        if self.pixels:
            return self.eyes.look(self.fight)
        vector = np.empty((1, len(features.FEATURES)), np.float32)
        features.observe(self.fight.state, self.fight.table, self._which, vector)
        return vector[0]

    def render(self) -> np.ndarray | None:
        """The picture of the moment, uint8[height, width, 3], in the mode "rgb_array"; "human" shows by itself."""
        if self.render_mode != "rgb_array":
            return None
        if self.fight is None:
            raise RuntimeError("render() was called before reset(); call reset() first")
        return self.eyes.draw(self.fight)

    def _play(self, thinking: int) -> None:
        """Carries the decision out at real speed in the window, tick by tick: to the state that it gives at once."""
        before = self.fight.save()
        for ticks in range(1, max(thinking, PERIOD_TICKS) + 1):
            self.fight.restore(before)
            self._decide(min(thinking, ticks), ticks)
            self._show()

    def _show(self) -> None:
        """Draws the moment into the window, a tick after the last one. Once the window is closed it does nothing."""
        if self._window is None:
            from env.arena.window import ArenaWindow

            self._window = ArenaWindow(self.task, self.eyes.width, self.eyes.height)
        if not self._window.open:
            return
        self._window.poll()
        self._window.draw(self.fight)
        now = time.perf_counter()
        time.sleep(max(0.0, self._next_shown - now))
        self._next_shown = max(self._next_shown, now) + 1 / TICK_HZ

    # -- saving ----------------------------------------------------------------------------------------------

    @property
    def _layout(self) -> tuple:
        eyes = self.eyes
        pictures = (eyes.pictures.maxlen, eyes.height, eyes.width) if self.pixels else None
        return self.task.name, zlib.crc32(table_for(self.task).tobytes()), pictures

    def save_state(self) -> SavedState:
        """Everything that the steps to come hang on; takes microseconds."""
        if self.fight is None:
            raise RuntimeError("save_state() was called before reset(); call reset() first")
        return SavedState(
            self._layout,
            self.fight.seed,
            self.fight.save(),
            self.np_random.bit_generator.state,
            self._charged_ms,
            tuple(self.eyes.pictures),
        )

    def restore_state(self, state: SavedState) -> None:
        """Goes back to a saved state, of this environment or another one of the same task and picture: the same
        actions then give the same steps. `ValueError` for the state of an environment that is set up otherwise."""
        if not isinstance(state, SavedState):
            raise ValueError(f"expected what save_state() gave, got {type(state).__name__}")
        if state.layout != self._layout:
            raise ValueError(
                f"expected a state saved by an environment of the same task and pictures {self._layout}, got one of "
                f"{state.layout}: make the environment with the same task, frames, width and height"
            )
        fight = self.fight
        if fight is None or fight.seed != state.seed:
            fight = Fight(self.task, state.seed)
        fight.restore(state.fight)
        self.fight = fight
        self.np_random.bit_generator.state = state.generator
        self._charged_ms = state.charged_ms
        self.eyes.pictures.clear()
        self.eyes.pictures.extend(state.pictures)
        self._returned = time.perf_counter()

    def close(self) -> None:
        self.eyes.close()
        if self._window is not None:
            self._window.close()
            self._window = None


# -- what the batch shares --------------------------------------------------------------------------------------


def as_task(task: str | int | Path | Task) -> Task:
    """The task of that name, number or path; a `Task` is itself. `UserError` when there is none."""
    return task if isinstance(task, Task) else load_task(str(task))


def observation_space(eyes: Eyes, pixels: bool) -> spaces.Space:
    """What `eyes` see, or without pixels the truth vector. `UserError` when these do not go together."""
    if pixels:
        return eyes.space
    if eyes.pictures.maxlen > 1 or eyes.observation == "dict":
        raise UserError(
            "expected frames=1 and observation='array' with pixels=False, whose observation is the truth vector; "
            f"got frames={eyes.pictures.maxlen} and observation={eyes.observation!r}"
        )
    return spaces.Box(-features.LIMIT, features.LIMIT, (len(features.FEATURES),), np.float32)


def check_latency(ms: float) -> None:
    if not is_latency(ms):
        raise ValueError(f"expected a latency as a finite number of milliseconds >= 0, got {ms!r}")
