"""`combatvla/Arena-v0`: the fight as a Gymnasium environment, unpaused in game time."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from combatvla.actions import DURATIONS_MS, HELD_ACTIONS, MAX_STEPS, WAIT_PLAN, Plan
from env.arena.rules import TICK_HZ, Fight
from env.tasks import TEST_SEED_START, load_task

PERIOD_MS = 100
"""The shortest time between two decisions: ten a second, as the live agent decides."""
WIN_REWARD = 1.0


class ArenaEnv(gym.Env):
    """One boss fight. A step is one decision, and the boss does not wait for it.

        import gymnasium, env
        from combatvla.actions import Plan

        arena = gymnasium.make("combatvla/Arena-v0", task="first")
        pixels, info = arena.reset(seed=7)
        arena.unwrapped.charge(40.0)  # this decision took 40 ms
        pixels, reward, terminated, truncated, info = arena.step(Plan.of("dodge", "move_left").to_array())

    | observation | `uint8[height, width, 3]`, RGB: the picture at the end of the step |
    |---|---|
    | action | `Plan.to_array()`: of each of three steps, a bit an action (`HELD_ACTIONS`), then the duration's index |
    | step | the old plan goes on for the decision's latency, then the new one begins; lasts `max(latency, PERIOD_MS)` |
    | reward | damage dealt minus damage taken, in fractions of full health; 1 more for a win, 1 less for a loss |
    | terminated | the boss or the fighter is down |
    | truncated | the task's time limit is over |
    | info | `truth`: the true state (`Fight.truth`), for labels, rewards and scripted players; no observation |

    | argument | default | |
    |---|---|---|
    | `task` | "first" | a task's name (`env.tasks.task_names`) |
    | `width`, `height` | 640, 360 | of the picture, in pixels |
    | `decision_latency_ms` | 0 | charged to every decision that `charge` says nothing of |
    | `wait_for_player` | False | True charges nothing: turn-like |
    | `render_mode` | None | or "rgb_array"; both draw offscreen |
    | `pixels` | True | False leaves the picture black, for players that read only the truth |

    Versions: v0, the first.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1000 // PERIOD_MS}

    def __init__(
        self,
        task: str = "first",
        width: int = 640,
        height: int = 360,
        decision_latency_ms: float = 0.0,
        wait_for_player: bool = False,
        render_mode: str | None = None,
        pixels: bool = True,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode must be None or one of {self.metadata['render_modes']}, got {render_mode!r}")
        self.task = load_task(task)
        self.render_mode = render_mode
        self.decision_latency_ms = decision_latency_ms
        self.wait_for_player = wait_for_player
        self.width, self.height, self.pixels = width, height, pixels
        self.observation_space = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.action_space = spaces.MultiDiscrete(([2] * len(HELD_ACTIONS) + [len(DURATIONS_MS) + 1]) * MAX_STEPS)
        self.fight: Fight | None = None
        self._renderer = None
        self._frame: np.ndarray | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Begins a fight. Its seed is `seed`, or a draw from the environment's generator, never a held-out one."""
        super().reset(seed=seed)
        fight_seed = seed if seed is not None else int(self.np_random.integers(TEST_SEED_START))
        self.fight = Fight(self.task, fight_seed)
        self._plan, self._elapsed_ticks = WAIT_PLAN, 0
        self._charged_ms: float | None = None
        self._frame = None
        return self._observe(), self._info()

    def charge(self, latency_ms: float) -> None:
        """Sets the real latency of the decision that the next `step` carries out, in milliseconds."""
        if not latency_ms >= 0:
            raise ValueError(f"a latency is a number of milliseconds >= 0, got {latency_ms}")
        self._charged_ms = latency_ms

    def step(self, action: np.ndarray):
        fight = self.fight
        if fight is None or fight.result is not None:
            state = "before reset()" if fight is None else f"after the fight ended ({fight.result})"
            raise RuntimeError(f"step() was called {state}; call reset() first")
        plan = Plan.from_array(action)
        latency_ms = self.decision_latency_ms if self._charged_ms is None else self._charged_ms
        self._charged_ms = None
        thinking = 0 if self.wait_for_player else round(latency_ms * TICK_HZ / 1000)
        dealt, taken = fight.damage_dealt, fight.damage_taken
        self._advance(thinking)
        self._plan, self._elapsed_ticks = plan, 0
        self._advance(max(0, round(PERIOD_MS * TICK_HZ / 1000) - thinking))
        self._frame = None
        reward = (fight.damage_dealt - dealt) / self.task.boss.health
        reward -= (fight.damage_taken - taken) / self.task.player.health
        reward += {"win": WIN_REWARD, "loss": -WIN_REWARD}.get(fight.result or "", 0.0)
        terminated, truncated = fight.result in ("win", "loss"), fight.result == "timeout"
        return self._observe(), float(reward), terminated, truncated, self._info()

    def _advance(self, ticks: int) -> None:
        for _ in range(ticks):
            self.fight.tick(self._plan.held_at(self._elapsed_ticks * 1000 / TICK_HZ))
            self._elapsed_ticks += 1

    def _observe(self) -> np.ndarray:
        if not self.pixels:
            return np.zeros(self.observation_space.shape, np.uint8)
        if self._frame is None:
            if self._renderer is None:
                from env.arena.render import Renderer

                self._renderer = Renderer(self.width, self.height)
            self._frame = self._renderer.draw(self.fight)
        return self._frame

    def _info(self) -> dict[str, Any]:
        return {"truth": self.fight.truth()}

    def render(self) -> np.ndarray | None:
        return self._observe() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
