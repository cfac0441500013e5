"""A server that speaks OpenAI's chat completions, asked with patience: again when that may help, and never too often.

Its text is never shown. What is told of a single question, limits and trust, is in `combatvla.chat`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any

from combatvla.chat import AskFailed, Client, NobodyThere, Unanswered, retry_after, text_of
from combatvla.errors import UserError

MOST_WAIT_S = 600.0
"""A server that asks for a longer pause is left alone."""
MOST_BACKOFF_S = 60.0


class Endpoint:
    """Asks one model. Use as `async with`; everything else in it runs on that loop."""

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        per_minute: float = 0,
        timeout_s: float = 60.0,
        tries: int = 5,
        backoff_s: float = 1.0,
    ) -> None:
        """`url`: as `checked_url` gives it, up to `/v1`; `per_minute`: requests, 0 without a limit; `tries`: of one
        request in all; `backoff_s`: before the second one, then twice as long each time."""
        self.url = url
        self._key = key
        self._gap_s = 60 / per_minute if per_minute else 0.0
        self._timeout_s, self._tries, self._backoff_s = timeout_s, tries, backoff_s
        self._next = 0.0
        """On the clock of `time.monotonic`: no request before it."""
        self._reached = False
        self.requests = self.retries = 0

    async def __aenter__(self) -> Endpoint:
        self._client = Client(self.url, self._key)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def answer(self, request: Mapping[str, Any]) -> str:
        """The text that the model answers to `request` (the body of a chat completion). `AskFailed` when there is none
        after all tries, `UserError` when it is no use to ask this server anything more."""
        content = json.dumps(request).encode()
        said, wait_s = "", 0.0
        for attempt in range(self._tries):
            if attempt:
                self.retries += 1
                await asyncio.sleep(wait_s)
            await self._turn()
            wait_s = min(MOST_BACKOFF_S, self._backoff_s * 2**attempt) * random.uniform(0.8, 1.2)
            try:
                status, headers, body = await self._client.post(content, self._timeout_s)
            except Unanswered as error:
                if isinstance(error, NobodyThere) and not self._reached:
                    raise UserError(f"nobody answers at {self.url}: start the server first, or mend --url") from error
                self._reached, said = True, str(error)
                continue
            self._reached = True
            if status == 200:
                return text_of(body)
            if status in (401, 403):
                raise UserError(f"{self.url} refuses the key (status {status}): name the right variable in --key-env")
            if status == 404:
                raise UserError(f"{self.url} knows no such model or address (status 404): check --url and --model")
            if status not in (408, 425, 429) and status < 500:
                raise AskFailed(f"the server refused (status {status})")
            said = f"the server said {status}"
            if (asked_s := retry_after(headers)) is not None:
                if asked_s > MOST_WAIT_S:
                    raise UserError(
                        f"{self.url} asks to wait {asked_s:.0f} s (status {status}): run the command again then; "
                        "what is explained is kept"
                    )
                wait_s = max(wait_s, asked_s)
            if status == 429:
                self._next = max(self._next, time.monotonic() + wait_s)  # for everyone
        raise AskFailed(said)

    async def _turn(self) -> None:
        """Waits until a request may go out."""
        while (now := time.monotonic()) < self._next:
            await asyncio.sleep(self._next - now)
        self._next = now + self._gap_s
        self.requests += 1
