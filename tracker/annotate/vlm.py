"""Explanations by a vision-language model at any OpenAI-compatible server.

It is shown a sample's pictures, told what the player pressed then, and asked why: the action is the label and is never
up to the model. Answers that do not hold to the rules (`answers.py`) are dropped and counted, not mended.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from combatvla.actions import Action, Step
from combatvla.chat import AskFailed
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import Sample
from tracker.annotate.annotator import Dropped, explanation
from tracker.annotate.answers import LONGEST, Cache, InvalidAnswer, sentences
from tracker.annotate.endpoint import Endpoint
from tracker.annotate.walk import walk
from tracker.rows import ExplanationRow
from tracker.session import Session

GIVE_UP = 10
"""After so many samples in a row without an answer the server is taken to be out of order."""
JPEG_QUALITY = 90

_SYSTEM = "You are an expert player of the action game {title}. You explain a player's actions, briefly."
_ASK = """\
{pictures} of a fight, {order}. The player saw {them} and then did this:
{steps}
All that the player can do: {vocabulary}.
Say for each of the {count} steps above, in one short sentence each, why it was right: what the enemy does or is about \
to do, what state the player is in, and what the action is for. Do not doubt the action, and do not name another one.
Answer with one JSON object and nothing else: {{"steps": [{example}]}}, {count} plain sentences of at most {longest} \
characters."""


class VlmAnnotator:
    """Asks `endpoint` for the sentences, `parallel` samples at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        cache: Path | None = None,
        parallel: int = 4,
        picture_width: int = 1008,
        max_tokens: int = 400,
        again: bool = False,
    ) -> None:
        """`cache`: the folder of all answers (None: `answers` in each session); `picture_width`: larger pictures are
        shrunk to it; `max_tokens`: 0 leaves the answer's length to the server; `again`: asks again what was once
        answered badly."""
        self.by = f"vlm:{model}"
        self._endpoint, self._model = endpoint, model
        self._cache, self._parallel, self._again = cache, parallel, again
        self._width, self._max_tokens = picture_width, max_tokens
        self._asked = self._cached = self._failed_in_a_row = 0

    def check(self, session: Session, profile: GameProfile) -> None:
        """Any session will do."""

    def figures(self) -> dict[str, int]:
        """`asked`: samples that the server was asked about; `cached`: those whose answer was there already."""
        return {
            "asked": self._asked,
            "cached": self._cached,
            "requests": self._endpoint.requests,
            "retries": self._endpoint.retries,
        }

    def annotate(
        self, session: Session, profile: GameProfile, samples: Sequence[Sample]
    ) -> Iterator[ExplanationRow | Dropped]:
        answers = self._answers(session, profile, samples)

        async def following() -> ExplanationRow | Dropped | None:
            return await anext(answers, None)

        with asyncio.Runner() as runner:
            try:
                while (found := runner.run(following())) is not None:
                    yield found
            finally:
                runner.run(answers.aclose())

    async def _answers(
        self, session: Session, profile: GameProfile, samples: Sequence[Sample]
    ) -> AsyncIterator[ExplanationRow | Dropped]:
        source = walk(session, samples, self._encoded)
        cache = Cache(self._cache or session.folder / "answers")
        tasks: set[asyncio.Task[ExplanationRow | Dropped]] = set()
        async with self._endpoint:
            try:
                more = True
                while more or tasks:
                    while more and len(tasks) < self._parallel:
                        # In a thread: while a long stretch of video is decoded, the answers still come in.
                        if (following := await asyncio.to_thread(next, source, None)) is None:
                            more = False
                        else:
                            tasks.add(asyncio.create_task(self._one(session, profile, cache, *following)))
                    if tasks:
                        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                        for task in sorted(done, key=lambda t: t.exception() is not None):
                            yield task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(
        self, session: Session, profile: GameProfile, cache: Cache, sample: Sample, pictures: list[str] | None
    ) -> ExplanationRow | Dropped:
        if pictures is None:
            return Dropped(sample, "the picture is missing in the video")
        times = session.frames.t_ns[list(sample.frames)]
        ages_ms = [round(int(times[-1] - t) / 1e6) for t in times]
        request = self.request(profile, sample, pictures, ages_ms)
        key = cache.key(self._endpoint.url, request)
        known = cache.get(key)
        if known is not None:
            try:
                steps = sentences(known, sample.plan)
            except InvalidAnswer as error:
                if not self._again:
                    self._cached += 1
                    return Dropped(sample, f"invalid: {error}")
            else:
                self._cached += 1
                return explanation(session, sample, steps, self.by)
        self._asked += 1
        try:
            text = await self._endpoint.answer(request)
        except AskFailed as error:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= GIVE_UP:
                raise UserError(
                    f"{self._endpoint.url} gave no answer to {GIVE_UP} samples in a row ({error}): see what is wrong "
                    "there and run the command again; what is explained is kept"
                ) from error
            return Dropped(sample, str(error))
        self._failed_in_a_row = 0
        cache.put(key, text)
        try:
            return explanation(session, sample, sentences(text, sample.plan), self.by)
        except InvalidAnswer as error:
            return Dropped(sample, f"invalid: {error}")

    def request(
        self, profile: GameProfile, sample: Sample, pictures: Sequence[str], ages_ms: Sequence[int]
    ) -> dict[str, Any]:
        """The body of the chat completion. `pictures`: data URLs, oldest first."""
        steps = sample.plan.steps
        if len(pictures) == 1:
            shown, order, them = "One picture", "taken as the player acted", "it"
        else:
            ages = ", ".join(map(str, ages_ms))
            shown, them = f"{len(pictures)} pictures", "them"
            order = f"oldest first, taken {ages} milliseconds before the last one"
        text = _ASK.format(
            pictures=shown,
            order=order,
            them=them,
            steps="\n".join(f"{i}. {_done(step, profile)}" for i, step in enumerate(steps, 1)),
            vocabulary=", ".join(f"{_words(a)} ({profile.keys[a]})" for a in profile.actions),
            count=len(steps),
            example=", ".join(['"…"'] * len(steps)),
            longest=LONGEST,
        )
        content = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": _SYSTEM.format(title=profile.title)},
                {"role": "user", "content": [*content, {"type": "text", "text": text}]},
            ],
        }
        return request | ({"max_tokens": self._max_tokens} if self._max_tokens else {})

    def _encoded(self, pixels: np.ndarray) -> str:
        """`uint8[H, W, 3]` RGB as a data URL."""
        height, width = pixels.shape[:2]
        if width > self._width:
            size = (self._width, max(1, round(height * self._width / width)))
            pixels = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
        ok, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert ok, "OpenCV could not encode a JPEG"
        return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _done(step: Step, profile: GameProfile) -> str:
    held = " and ".join(f"{_words(a)} ({profile.keys[a]})" if a in profile.keys else _words(a) for a in step.ordered())
    return f"{held} for {step.duration_ms} ms"


def _words(action: Action) -> str:
    return action.value.replace("_", " ")
