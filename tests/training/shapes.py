"""A little world to learn to see in: one coloured disc on noise. Its place is the action, its colour a question."""

from __future__ import annotations

import cv2
import numpy as np

from combatvla.vision import FrameSpec

COLOURS = {"red": (220, 50, 40), "green": (40, 200, 60), "blue": (50, 80, 230), "white": (240, 240, 240)}
PROMPT = "You fight a boss in a third-person action game. Defeat it. Predict the next action from the frames."
ROWS, COLS = 4, 7


def shape(rng: np.random.Generator, spec: FrameSpec, frames: int = 1) -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """Frames `uint8[H, W, 3]` (the disc drifts) and the turns (user, assistant)."""
    colour = str(rng.choice(list(COLOURS)))
    row, col = int(rng.integers(ROWS)), int(rng.integers(COLS))
    y, x = ((row + 0.5) / ROWS * spec.height, (col + 0.5) / COLS * spec.width)
    y, x = y + rng.uniform(-5, 5), x + rng.uniform(-5, 5)
    pictures = []
    for k in range(frames):
        picture = rng.integers(0, 90, (spec.height // 4, spec.width // 4, 3), dtype=np.uint8)
        picture = cv2.resize(picture, (spec.width, spec.height), interpolation=cv2.INTER_NEAREST)
        cv2.circle(picture, (int(x + 2 * k), int(y)), int(rng.integers(7, 11)), COLOURS[colour], -1)
        pictures.append(picture)
    side = "<move_left>" if col < 3 else "<move_right>" if col > 3 else "<dodge>"
    duration = ("<t100>", "<t200>", "<t300>", "<t500>")[row]
    turns = [
        (PROMPT, f"{side}{duration}<TRUNC>{colour} disc in row {row} and column {col}"),
        ("What colour is it?", colour),
        ("Which column?", f"column {col}"),
        ("Which row?", f"row {row}"),
    ]
    return pictures, turns


def chat_rows(n: int, seed: int = 0, frames: int = 1, spec: FrameSpec | None = None):
    """`n` rows of `tracker.dataset`."""
    from tracker.dataset import Message, Part, Row, encode_png

    rng = np.random.default_rng(seed)
    for i in range(n):
        pictures, turns = shape(rng, spec or FrameSpec(), frames)
        messages = []
        for k, (user, answer) in enumerate(turns):
            content = [Part(type="image") for _ in pictures] if k == 0 else []
            messages.append(Message(role="user", content=[*content, Part(type="text", text=user)]))
            messages.append(Message(role="assistant", content=[Part(type="text", text=answer)]))
        yield Row(messages=messages, images=[encode_png(p) for p in pictures], source="shapes", t_ns=i)
