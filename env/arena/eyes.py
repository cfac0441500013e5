"""What a player of one fight gets to see: the pictures of its last decisions, as the observation that was asked for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from gymnasium import spaces

from combatvla.errors import UserError
from env.arena.state import TICK_HZ

if TYPE_CHECKING:
    from env.arena.fight import Fight
    from env.arena.render import Renderer

OBSERVATIONS = ("array", "dict")
MAX_AGE_MS = 1e6


class Eyes:
    """Draws fights offscreen at `width` x `height`; of several `frames` it keeps the last ones.

    `space` is that of what `look` gives: with `observation="array"` uint8[height, width, 3], or for several frames
    uint8[frames, height, width, 3], the oldest first; with "dict" always the stack, as `frames`, and `ages_ms`
    float32[frames], how long before the last picture each was taken. `UserError` for arguments that cannot be.
    """

    def __init__(self, width: int, height: int, frames: int, observation: str) -> None:
        limits = (("width", width, 32, 4096), ("height", height, 32, 4096), ("frames", frames, 1, 64))
        for name, value, low, high in limits:
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise UserError(f"expected {name} as a whole number from {low} to {high}, got {value!r}")
        if observation not in OBSERVATIONS:
            raise UserError(f"expected observation 'array' or 'dict', got {observation!r}")
        self.width, self.height, self.observation = int(width), int(height), observation
        self.pictures: deque[tuple[float, np.ndarray]] = deque(maxlen=int(frames))
        """Of each picture of a stack the tick and the pixels. They are never changed, so that states may share them."""
        self._renderer: Renderer | None = None

    @property
    def space(self) -> spaces.Space:
        picture, frames = (self.height, self.width, 3), self.pictures.maxlen
        if self.observation == "array":
            return spaces.Box(0, 255, picture if frames == 1 else (frames, *picture), np.uint8)
        ages = spaces.Box(0, MAX_AGE_MS, (frames,), np.float32)
        return spaces.Dict({"ages_ms": ages, "frames": spaces.Box(0, 255, (frames, *picture), np.uint8)})

    def draw(self, fight: Fight) -> np.ndarray:
        """The picture of the moment, uint8[height, width, 3]."""
        if self._renderer is None:
            from env.arena.render import Renderer

            self._renderer = Renderer(self.width, self.height)
        return self._renderer.draw(fight)

    def look(self, fight: Fight) -> np.ndarray | dict[str, np.ndarray]:
        """Draws the moment and gives the observation."""
        return self.take(fight.read().tick, self.draw(fight))

    def take(self, tick: float, pixels: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
        """The observation with `pixels`, uint8[height, width, 3], as the picture of `tick`. A single picture is given
        as it is; one of a stack is kept, and must not be changed afterwards."""
        pictures = self.pictures
        if pictures.maxlen == 1 and self.observation == "array":
            return pixels
        pictures.append((tick, pixels))
        while len(pictures) < pictures.maxlen:  # a fight begins as if all had stood still
            pictures.append(pictures[-1])
        if self.observation == "array":
            return np.stack([p for _, p in pictures])
        ages = [min(MAX_AGE_MS, (pictures[-1][0] - tick) * 1000 / TICK_HZ) for tick, _ in pictures]
        return {"ages_ms": np.array(ages, np.float32), "frames": np.stack([p for _, p in pictures])}

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
