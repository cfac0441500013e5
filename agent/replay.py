"""The replay: a video of the window, and under it what the agent held, what it thought, and how old its action was."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from agent.loop import Acted, words
from combatvla.actions import Action
from combatvla.desktop.base import Capture
from combatvla.errors import UserError
from combatvla.profiles import GameProfile

WIDTH = 640
STRIP = 64
"""Pixels under the picture."""
LIT, DIM, TEXT, GROUND = (255, 190, 60), (70, 74, 84), (225, 228, 235), (24, 26, 32)
FONT = cv2.FONT_HERSHEY_SIMPLEX
LABELS = {"mouse_left": "LMB", "mouse_right": "RMB", "mouse_middle": "MMB"}


class Strip:
    """Draws the line of keys, the thought and the action's age."""

    def __init__(self, profile: GameProfile, width: int) -> None:
        self.width = width
        self.labels = {a: LABELS.get(profile.keys[a], profile.keys[a].upper()) for a in profile.actions}

    def draw(self, held: frozenset[Action], thought: str, age_ms: float | None) -> np.ndarray:
        """`uint8[STRIP, width, 3]`, RGB; lit are the keys in `held`."""
        out = np.full((STRIP, self.width, 3), GROUND, np.uint8)
        x = 8
        for action, label in self.labels.items():
            (wide, _), _ = cv2.getTextSize(label, FONT, 0.42, 1)
            box = wide + 14
            down = action in held
            cv2.rectangle(out, (x, 7), (x + box, 29), LIT if down else DIM, cv2.FILLED if down else 1)
            cv2.putText(out, label, (x + 7, 23), FONT, 0.42, GROUND if down else TEXT, 1, cv2.LINE_AA)
            x += box + 6
        age = "" if age_ms is None else f"{age_ms:.0f} ms"
        (wide, _), _ = cv2.getTextSize(age, FONT, 0.5, 1)
        cv2.putText(out, age, (self.width - wide - 8, 23), FONT, 0.5, TEXT, 1, cv2.LINE_AA)
        cv2.putText(out, fit(thought, self.width - 16), (8, 51), FONT, 0.45, TEXT, 1, cv2.LINE_AA)
        return out


def fit(text: str, width: int) -> str:
    """`text`, cut to `width` pixels of the thought's line. OpenCV's fonts know only ASCII."""
    text = text.encode("ascii", "replace").decode()
    while text and cv2.getTextSize(text, FONT, 0.45, 1)[0][0] > width:
        text = text[:-1]
    return text


class Replay:
    """Records `capture` into the MP4 file `path` in a thread of its own, from creation to `close`.

    The file is fragmented, so that what was written can be watched even after a crash. `UserError` when the file cannot
    be written; a window that is gone just ends the video.
    """

    def __init__(self, path: Path, capture: Capture, profile: GameProfile, fps: int = 20) -> None:
        self.path, self.fps, self.frames = path, fps, 0
        self._capture = capture
        self._strip = Strip(profile, WIDTH)
        self._acted: Acted | None = None
        try:
            self._file = av.open(str(path), "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"})
        except OSError as error:
            raise UserError(f"the replay {path} cannot be written ({error.strerror}); choose another folder") from error
        self._stream = self._file.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "23"})
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, 1000)
        self._stream.codec_context.gop_size = 2 * fps
        self._stream.thread_count = 1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    def show(self, acted: Acted) -> None:
        """From now on the strip shows this decision."""
        self._acted = acted

    def close(self) -> None:
        """Ends the video and closes the file."""
        self._stop.set()
        self._thread.join(10)

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def compose(self, pixels: np.ndarray, now_ns: int) -> np.ndarray:
        """The picture with its strip, `uint8[H, WIDTH, 3]` with an even H."""
        height = round(pixels.shape[0] * WIDTH / pixels.shape[1] / 2) * 2
        picture = cv2.resize(pixels, (WIDTH, height), interpolation=cv2.INTER_AREA)
        acted = self._acted
        if acted is None:
            strip = self._strip.draw(frozenset(), "", None)
        else:
            plan = acted.decision.plan
            held = plan.held_at((now_ns - acted.acted_ns) / 1e6) if acted.sent else frozenset()
            strip = self._strip.draw(held, acted.decision.explanation or words(plan), acted.action_age_ms)
        return np.concatenate([picture, strip])

    def _run(self) -> None:
        began = time.monotonic()
        try:
            while not self._stop.is_set():
                try:
                    frame = self._capture.grab()
                except UserError:
                    break  # the window is gone: so is the fight
                picture = self.compose(frame.pixels, frame.t_ns)
                if not self.frames:
                    first_ns = frame.t_ns
                    self._stream.height, self._stream.width = picture.shape[:2]
                if picture.shape[0] == self._stream.height:
                    video = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    video.pts = (frame.t_ns - first_ns) // 1_000_000
                    video.time_base = Fraction(1, 1000)
                    self._file.mux(self._stream.encode(video))
                    self.frames += 1
                next_at = began + (self.frames + 1) / self.fps
                if (late := time.monotonic() - next_at) > 0:
                    began += late  # a busy machine gets fewer frames, not a burst of them
                self._stop.wait(max(0.0, -late))
        finally:
            if self.frames:
                self._file.mux(self._stream.encode(None))
            self._file.close()
            self._capture.close()
