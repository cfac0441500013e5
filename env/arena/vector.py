"""Many fights in one process, all stepped by one compiled call: `gymnasium.make_vec("combatvla/Arena-v0", …)`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from combatvla.actions import PLAN_LENGTH
from combatvla.errors import UserError
from env.arena import features, rules
from env.arena.eyes import Eyes
from env.arena.fight import Fight, table_for
from env.arena.gym import ArenaEnv, as_task, check_latency, observation_space
from env.arena.latency import Latency, all_thinking_ticks
from env.arena.plans import action_space, checked_plans
from env.arena.state import FIGHT, LOSS, PERIOD_TICKS, TABLE, TIMEOUT, WIN
from env.rewards import TERMS, Rewards, settle, tally
from env.tasks import TEST_SEED_START, Task


class ArenaVectorEnv(gym.vector.VectorEnv):
    """The batch of `combatvla/Arena-v0`. Fight i is the one that an `ArenaEnv` with the same seeds and actions has.

        import gymnasium, env

        arenas = gymnasium.make_vec("combatvla/Arena-v0", num_envs=64, pixels=False)
        observations, infos = arenas.reset(seed=7)
        observations, rewards, terminations, truncations, infos = arenas.step(arenas.action_space.sample())

    Takes the arguments of `ArenaEnv`, a list of tasks (fight i gets `task[i % len(task)]`), and `autoreset_mode`. What
    `infos` hold is in docs/arena.md.
    """

    metadata = {**ArenaEnv.metadata, "render_modes": ["rgb_array"], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        task: str | int | Path | Task | Sequence[str | int | Path | Task] = "first",
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
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        if not isinstance(num_envs, int | np.integer) or isinstance(num_envs, bool) or num_envs < 1:
            raise UserError(f"expected num_envs as a whole number from 1 on, got {num_envs!r}")
        if render_mode not in (None, "rgb_array"):
            raise UserError(
                f"a batch has render_mode None or 'rgb_array', got {render_mode!r}; for a window use make()"
            )
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            modes = ", ".join(repr(mode.value) for mode in AutoresetMode)
            raise UserError(f"expected autoreset_mode as one of {modes}, got {autoreset_mode!r}") from None
        names = list(task) if isinstance(task, list | tuple) else [task]
        if not names:
            raise UserError("expected a task or a list of tasks, got an empty list")
        self.tasks = [as_task(name) for name in names]
        self.num_envs, self.render_mode, self.pixels = int(num_envs), render_mode, pixels
        self.wait_for_player = wait_for_player
        self.latency, self.rewards = Latency.of(decision_latency), Rewards.of(rewards)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.eyes = [Eyes(width, height, frames, observation) for _ in range(self.num_envs)]
        self.single_observation_space = observation_space(self.eyes[0], pixels)
        self.single_action_space = action_space()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self.fights: list[Fight] = []
        """Each one's state is its record of the batch's memory. Empty before the first reset."""
        self._states = np.zeros(self.num_envs, FIGHT)
        self._bytes = self._states.view(np.uint8).reshape(self.num_envs, FIGHT.itemsize)
        self._tables = np.zeros(len(self.tasks), TABLE)
        for i, task in enumerate(self.tasks):
            self._tables[i] = table_for(task)[0]
        self._tables.flags.writeable = False  # as those of single fights, for which the rules are compiled
        self._which = np.arange(self.num_envs) % len(self.tasks)
        self._limits = self._tables["time_limit"][self._which]
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._generator_seeds: list[int | None] = [None] * self.num_envs
        self._seen: list[Any] = [None] * self.num_envs
        self._over = np.zeros(self.num_envs, bool)
        self._weights = self.rewards.array()
        self._before, self._after, self._terms, self._sums = np.zeros((4, self.num_envs, len(TERMS)))
        self._charged_ms: np.ndarray | None = None
        self._returned = 0.0

    # -- beginning -------------------------------------------------------------------------------------------

    def reset(self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None):
        """Begins all fights, or those of `options["reset_mask"]` (bool[num_envs]). From one seed come `seed`,
        `seed + 1`, …; a list gives each fight its own."""
        seeds = [None] * self.num_envs if seed is None else seed
        if isinstance(seeds, int | np.integer):
            seeds = [int(seeds) + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ValueError(f"expected one seed or a list of {self.num_envs} seeds, got {len(seeds)}")
        mask = np.ones(self.num_envs, bool)
        if options and "reset_mask" in options:
            mask = self._checked_mask(options["reset_mask"])
        before = self.fights
        self.fights = list(before) or [None] * self.num_envs
        try:
            for i in np.flatnonzero(mask):
                self._begin(i, seeds[i])
        except BaseException:
            self.fights = before  # a first reset that failed leaves nothing to step
            raise
        self._charged_ms = None
        observations = self._observe(mask)
        self._returned = time.perf_counter()
        return observations, self._state_info(mask)

    def _checked_mask(self, mask: np.ndarray) -> np.ndarray:
        fits = isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == (self.num_envs,) and mask.any()
        if not fits:
            raise ValueError(
                f"expected options['reset_mask'] as a bool array of {self.num_envs} with a True in it, got {mask!r}"
            )
        if not self.fights and not mask.all():
            raise ValueError("the first reset() begins all fights; leave out options['reset_mask']")
        return mask

    def _begin(self, i: int, seed: int | None = None) -> None:
        """A new fight in place i, of the seed that a single environment would take."""
        if seed is not None or self._generators[i] is None:
            self._generators[i], self._generator_seeds[i] = seeding.np_random(seed)
        fight_seed = int(self._generators[i].integers(TEST_SEED_START)) if seed is None else seed
        fight = Fight(self.tasks[self._which[i]], fight_seed)
        self._bytes[i] = fight.state.view(np.uint8)
        fight.state = self._states[i : i + 1]
        self.fights[i] = fight
        self._over[i] = False
        self.eyes[i].pictures.clear()

    # -- stepping --------------------------------------------------------------------------------------------

    def charge(self, latency_ms: float | np.ndarray) -> None:
        """Sets the latency of the decisions that the next `step` carries out: one number, or one for each fight."""
        given = np.asarray(latency_ms)
        if given.shape not in ((), (self.num_envs,)):
            raise ValueError(f"expected one latency or {self.num_envs} of them, got shape {given.shape}")
        for ms in given.reshape(-1).tolist():
            check_latency(ms)
        self._charged_ms = np.broadcast_to(given, (self.num_envs,)).astype(np.float64)

    def step(self, actions: np.ndarray):
        """One decision of every fight. Fights that are over begin anew as `autoreset_mode` says."""
        if not self.fights:
            raise RuntimeError("step() was called before reset(); call reset() first")
        measured_ms = (time.perf_counter() - self._returned) * 1000
        begun = self._over.copy()  # in the last step: those are begun in this one
        if self.autoreset_mode is AutoresetMode.DISABLED and begun.any():
            raise RuntimeError(
                f"step() was called after the fights {np.flatnonzero(begun).tolist()} ended: with autoreset_mode "
                "'Disabled' call reset(options={'reset_mask': terminations | truncations}) first"
            )
        plans = checked_plans(actions, (self.num_envs, PLAN_LENGTH), begun if begun.any() else None)
        latencies = self._draw_latencies(measured_ms, begun)
        thinking = all_thinking_ticks(latencies, self._limits)
        states, tables, which = self._states, self._tables, self._which
        rewards = np.empty(self.num_envs)
        tally(states, tables, which, self._before)
        rules.decide(states, tables, which, plans, thinking, PERIOD_TICKS)
        tally(states, tables, which, self._after)
        settle(self._before, self._after, self._weights, self._terms, self._sums, rewards)
        for i in np.flatnonzero(begun):
            self._begin(i)
        result = states["result"]
        terminations, truncations = (result == WIN) | (result == LOSS), result == TIMEOUT
        self._over = terminations | truncations

        everyone = np.ones(self.num_envs, bool)
        observations = self._observe(everyone)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            over = self._over.copy()
            infos = self._final_info(observations, over, latencies) | self._step_info(~over, latencies)
            for i in np.flatnonzero(over):
                self._begin(i)
            observations = self._observe(over)
        else:
            infos = self._step_info(~begun, latencies)
        infos |= self._state_info(everyone)
        self._returned = time.perf_counter()
        return observations, rewards, terminations, truncations, infos

    def _draw_latencies(self, measured_ms: float, begun: np.ndarray) -> np.ndarray:
        """What each decision is charged, float64[num_envs]; of fights that begin anew nothing is drawn."""
        charged, self._charged_ms = self._charged_ms, None
        if self.wait_for_player:
            return np.zeros(self.num_envs)
        if charged is not None:
            return charged
        if self.latency.drawn:
            drawn = zip(self._generators, begun, strict=True)
            return np.array([0.0 if new else self.latency.draw(generator, measured_ms) for generator, new in drawn])
        return np.full(self.num_envs, measured_ms if self.latency.measured else self.latency.low_ms)

    # -- what is seen and told -------------------------------------------------------------------------------

    def _observe(self, mask: np.ndarray):
        """The observations of all; of fights outside `mask` the last picture, as nothing has moved there."""
        if not self.pixels:
            vectors = np.empty((self.num_envs, len(features.FEATURES)), np.float32)
            features.observe(self._states, self._tables, self._which, vectors)
            return vectors
        for i in np.flatnonzero(mask):
            self._seen[i] = self.eyes[i].look(self.fights[i])
        empty = create_empty_array(self.single_observation_space, self.num_envs)
        return concatenate(self.single_observation_space, self._seen, empty)

    def _state_info(self, mask: np.ndarray) -> dict[str, Any]:
        return {"state": self._bytes.copy().view(FIGHT).reshape(-1), "_state": mask.copy()}

    def _step_info(self, mask: np.ndarray, latencies: np.ndarray) -> dict[str, Any]:
        """What a single environment tells after a step, of the fights of `mask`, in the form of Gymnasium's batches:
        an array a key, zero where its mask `_key` is False."""
        if not mask.any():
            return {}
        infos: dict[str, Any] = {}
        for name, amounts in (("reward_terms", self._terms), ("reward_sums", self._sums)):
            infos[name] = {}
            for term, column in zip(TERMS, np.where(mask, amounts.T, 0.0), strict=True):
                infos[name] |= {term: column, f"_{term}": mask.copy()}
            infos[f"_{name}"] = mask.copy()
        return infos | {"latency_ms": np.where(mask, latencies, 0.0), "_latency_ms": mask.copy()}

    def _final_info(self, observations, over: np.ndarray, latencies: np.ndarray) -> dict[str, Any]:
        """Of fights that ended in this step and begin anew in it: how they ended."""
        last = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(over):
            last[i] = self._seen[i] if self.pixels else observations[i].copy()
        ended = self._step_info(over, latencies) | self._state_info(over)
        return {"final_obs": last, "_final_obs": over.copy(), "final_info": ended, "_final_info": over.copy()}

    def truths(self) -> list[dict[str, Any]]:
        """The true state of each fight as `Fight.truth()` tells it."""
        return [fight.truth() for fight in self.fights]

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The picture of each fight, uint8[height, width, 3], in the mode "rgb_array"."""
        if self.render_mode is None:
            return None
        if not self.fights:
            raise RuntimeError("render() was called before reset(); call reset() first")
        return tuple(eyes.draw(fight) for eyes, fight in zip(self.eyes, self.fights, strict=True))

    @property
    def np_random(self) -> tuple[np.random.Generator | None, ...]:
        """Each fight's own generator, None before its first reset."""
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:
        return tuple(self._generator_seeds)

    def close_extras(self) -> None:
        for eyes in self.eyes:
            eyes.close()
