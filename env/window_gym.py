"""`combatvla/Window-v0`: a game's live window behind the spaces of `combatvla/Arena-v0`."""

from __future__ import annotations

import atexit
import math
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from copy import deepcopy
from typing import Any

import cv2
import gymnasium as gym
import numpy as np

from combatvla.actions import PERIOD_MS, PLAN_LENGTH, TAP_MS, WAIT_PLAN, Action, Plan
from combatvla.desktop.actuator import Actuator
from combatvla.desktop.base import Desktop, Window, WindowGone, open_desktop, open_injector
from combatvla.desktop.capture import WindowCapture
from combatvla.errors import UserError
from combatvla.hud import HudReader, Reading, picture_of
from combatvla.policy.base import Frame
from combatvla.profiles import load_profile
from env.arena.eyes import Eyes
from env.arena.plans import action_space, checked_plans
from env.arena.state import TICK_HZ
from env.hud_score import HudScore
from env.rewards import Rewards

REQUIRED_HUD = ("health", "boss_health")
CONFIRM = 2
"""A fight is over when so many readings in a row say so."""
RESTART_EVERY_S = 1.0


class WindowEnv(gym.Env):
    """A fight in a game's own window, in real time. All about it is in docs/window.md.

    import gymnasium, env
    from combatvla.actions import Plan

    window = gymnasium.make("combatvla/Window-v0", game="arena", armed=True)
    pixels, info = window.reset()
    pixels, reward, terminated, truncated, info = window.step(Plan.of("dodge", "move_left").to_array())
    window.close()  # lets go of every key
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1000 // PERIOD_MS}

    def __init__(
        self,
        game: str = "arena",
        window: str | int | None = None,
        *,
        armed: bool = False,
        width: int = 640,
        height: int = 360,
        frames: int = 1,
        observation: str = "array",
        rewards: Mapping[str, float] | Rewards | None = None,
        time_limit_s: float = 150.0,
        wait_s: float = 10.0,
        render_mode: str | None = None,
    ) -> None:
        self._eyes = Eyes(width, height, frames, observation)
        self.observation_space = self._eyes.space
        self.action_space = action_space()
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise UserError(f"expected render_mode None or 'rgb_array', got {render_mode!r}")
        blank = isinstance(window, str) and not window.strip()  # every title begins with nothing
        if isinstance(window, bool) or not isinstance(window, str | int | None) or blank:
            raise UserError(f"expected window as the beginning of a title, a process id, or None, got {window!r}")
        for name, seconds in (("time_limit_s", time_limit_s), ("wait_s", wait_s)):
            if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
                raise UserError(f"expected {name} as a number of seconds over 0, got {seconds!r}")
        self.profile = load_profile(game)
        if missing := [name for name in REQUIRED_HUD if name not in self.profile.hud]:
            raise UserError(
                f"the profile {game!r} says nothing of {' and '.join(missing)} in its `hud`, which the reward is read "
                "from: add the bars as docs/window.md describes"
            )
        if isinstance(window, str):
            self.profile = self.profile.model_copy(update={"title": window})
        self.pid = window if isinstance(window, int) else None
        self.armed, self.rewards, self.render_mode = armed, Rewards.of(rewards), render_mode
        self.time_limit_s, self.wait_s = time_limit_s, wait_s
        self._reader = HudReader(self.profile)
        self._last: np.ndarray | dict[str, np.ndarray]
        self._picture: np.ndarray | None = None  # the last one, as the observation shows it
        self._seen_ns = 0
        self._said: deque[str | None] = deque(maxlen=CONFIRM)  # the last readings' word on the result
        self._score: HudScore | None = None  # of the running episode
        self._began = self._look = self._counted = 0.0
        # While `_open`, the window that we have in hand:
        self._open: ExitStack | None = None
        self._desktop: Desktop
        self._window: Window
        self._capture: WindowCapture
        self._actuator: Actuator

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Finds the window and waits until its HUD shows a running fight.

        Where a fight is over and the profile has a `restart` key, an armed environment presses it. `seed` seeds the
        environment's generator alone: a live game begins as it likes. `UserError` when no fight runs within `wait_s`.
        """
        super().reset(seed=seed)
        self._score = None
        try:
            self._attach()
            self._actuator.start(WAIT_PLAN)
            if self.armed:
                self._desktop.activate(self._window)
            frame = self._await_fight()
        except BaseException:
            self.close()
            raise
        self._eyes.pictures.clear()
        self._last = self._see(frame)
        self._said.clear()
        self._score = HudScore(self.profile, self._reader.read(frame.pixels), self.rewards)
        self._began = self._look = self._counted = time.monotonic()
        return self._last, self._info(self._score)

    def step(self, action: np.ndarray):
        """Begins the plan at once and looks again `PERIOD_MS` after the last look, or later when the decision took
        longer. Between two steps the plan goes on. When the window is closed, the episode is truncated."""
        if self._score is None:
            raise RuntimeError("step() was called before reset() or after the fight ended; call reset() first")
        plan = Plan.from_array(checked_plans(action, (PLAN_LENGTH,)))
        score = self._score
        try:
            return self._step(plan, score)
        except WindowGone:
            self.close()
            score.add(score.hud, None, 0.0)
            return deepcopy(self._last), score.reward, False, True, self._info(score, lost=True)
        except BaseException:
            self.close()
            raise

    def _step(self, plan: Plan, score: HudScore):
        self._actuator.start(plan)
        self._look = max(self._look + PERIOD_MS / 1000, time.monotonic())
        time.sleep(max(0.0, self._look - time.monotonic()))
        frame = self._capture.grab()
        hud = self._reader.read(frame.pixels)
        result = self._confirmed(self._reader.result(hud))
        now = time.monotonic()
        score.add(hud, result, (now - self._counted) / self.time_limit_s)
        self._counted = now
        self._last = self._see(frame)
        terminated = result in ("win", "loss")
        truncated = not terminated and (result == "timeout" or now - self._began >= self.time_limit_s)
        if terminated or truncated:
            self._score = None
            with suppress(WindowGone):  # a game may close its window at the end
                self._actuator.start(WAIT_PLAN)
        return self._last, score.reward, terminated, truncated, self._info(score)

    def render(self) -> np.ndarray | None:
        """The last observed picture, uint8[height, width, 3], in the mode "rgb_array"."""
        if self.render_mode is None:
            return None
        if self._picture is None:
            raise RuntimeError("render() was called before reset(); call reset() first")
        return self._picture.copy()

    def close(self) -> None:
        """Lets go of every key and button. The window itself stays open: it is not ours."""
        self._score = None
        if self._open is not None:
            stack, self._open = self._open, None
            atexit.unregister(self.close)
            with suppress(UserError):  # the window or its display went first, and the keys with them
                stack.close()

    # -- the window ------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        """Finds the window and takes it in hand; does nothing while the one we have is open."""
        if self._open is not None and self._desktop.alive(self._window):
            return
        self.close()
        with ExitStack() as stack:
            self._desktop = open_desktop()
            stack.callback(self._desktop.close)
            self._window = self._desktop.find_window(self.profile, wait_s=self.wait_s, pid=self.pid)
            self._capture = stack.enter_context(WindowCapture(self._window, desktop=self._desktop, keep=2))
            injector = open_injector(self._desktop, self._window, self.profile, armed=self.armed)
            stack.enter_context(injector)
            self._actuator = stack.enter_context(Actuator(injector))
            self._open = stack.pop_all()
        atexit.register(self.close)

    def _await_fight(self) -> Frame:
        """Waits until the HUD shows a running fight; where one is over, begins the next one."""
        until, tapped = time.monotonic() + self.wait_s, -math.inf
        while True:
            frame = self._capture.grab()
            hud = self._reader.read(frame.pixels)
            if self._reader.running(hud):
                return frame
            now = time.monotonic()
            if now >= until:
                raise UserError(self._no_fight(hud))
            over = self._reader.result(hud) is not None
            if over and self.armed and self.profile.restart and now - tapped >= RESTART_EVERY_S:
                self._tap_restart()
                tapped = now
            time.sleep(0.05)

    def _tap_restart(self) -> None:
        """Presses the profile's restart key as guardedly as any action: it stands in for `wait`, which has no key."""
        profile = self.profile.model_copy(update={"keys": {Action.WAIT: self.profile.restart}})
        with open_injector(self._desktop, self._window, profile, armed=True) as injector:
            injector.set_held(frozenset({Action.WAIT}))
            time.sleep(TAP_MS / 1000)

    def _no_fight(self, hud: dict[str, Reading]) -> str:
        if unseen := [name for name, value in hud.items() if math.isnan(value)]:
            mend = (
                f"{', '.join(unseen)} cannot be seen where the profile's `hud` has it: uncover the window, begin a "
                "fight, or mend the profile"
            )
        else:
            hint = " (armed=True does so)" if self.profile.restart and not self.armed else ""
            mend = f"the last one is over: begin the next one{hint}"
        return f"no running fight came into view in the window {self._window.title!r} within {self.wait_s:g} s; {mend}"

    # -- what is returned ------------------------------------------------------------------------------------

    def _confirmed(self, result: str | None) -> str | None:
        """`result` once `CONFIRM` readings in a row agree on it."""
        self._said.append(result)
        return result if len(self._said) == CONFIRM and len(set(self._said)) == 1 else None

    def _see(self, frame: Frame) -> np.ndarray | dict[str, np.ndarray]:
        """The observation that begins or goes on with this frame."""
        self._seen_ns = frame.t_ns
        size = (self._eyes.width, self._eyes.height)
        picture = cv2.resize(picture_of(self.profile, frame.pixels), size, interpolation=cv2.INTER_AREA)
        self._picture = picture
        return self._eyes.take(frame.t_ns / 1e9 * TICK_HZ, picture.copy())

    def _info(self, score: HudScore, lost: bool = False) -> dict[str, Any]:
        return {
            "hud": dict(score.hud),
            "result": score.result,
            "reward_terms": dict(score.terms),
            "reward_sums": dict(score.sums),
            "capture_age_ms": (time.monotonic_ns() - self._seen_ns) / 1e6,
            "focused": not lost and self._actuator.focused,
            "window_lost": lost,
        }
