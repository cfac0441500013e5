"""A server that speaks OpenAI's chat completions, asked with patience and without trust.

What it says may be slow, huge, broken or not from such a server at all: every answer has a limit of time and of size,
is parsed by pydantic, and its text is never shown. The key goes into one header and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import httpx2
from pydantic import BaseModel, Field, ValidationError

from combatvla.errors import UserError

MOST_BYTES = 1 << 20
"""An answer of sentences is a hundredth of it."""
MOST_WAIT_S = 600.0
"""A server that asks for a longer pause is left alone."""
MOST_BACKOFF_S = 60.0


class AskFailed(Exception):
    """The server gave no answer; the message is a few words, the same for all of a kind."""


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


def checked_url(url: str, insecure_http: bool = False) -> str:
    """`url` without its last slash. `UserError` unless it is https, or http to this machine (or `insecure_http`)."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        parsed = httpx2.URL("")
    # The address is not shown: it may hold what is secret.
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise UserError(
            "--url holds a password or a query: expected only the address up to /v1; a key goes into an environment "
            "variable that --key-env names"
        )
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UserError("--url is no address of a server: expected one like http://127.0.0.1:8000/v1")
    if parsed.scheme == "http" and not _is_here(parsed.host) and not insecure_http:
        raise UserError(
            f"--url would send your pictures and key unencrypted to {parsed.host}: use https, or say --insecure-http"
        )
    return url.rstrip("/")


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
        # A proxy of the environment is not for this machine's own servers.
        here = _is_here(httpx2.URL(self.url).host)
        self._client = httpx2.AsyncClient(timeout=None, trust_env=not here, follow_redirects=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

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
                async with asyncio.timeout(self._timeout_s):
                    status, headers, body = await self._post(content)
            except (TimeoutError, httpx2.TimeoutException):
                said = "the server took too long"
                continue
            except (httpx2.HTTPError, httpx2.StreamError) as error:
                if isinstance(error, httpx2.ConnectError) and not self._reached:
                    raise UserError(f"nobody answers at {self.url}: start the server first, or mend --url") from error
                said = "the connection failed"
                continue
            if status == 200:
                return _text_of(body)
            if status in (401, 403):
                raise UserError(f"{self.url} refuses the key (status {status}): name the right variable in --key-env")
            if status == 404:
                raise UserError(f"{self.url} knows no such model or address (status 404): check --url and --model")
            if status not in (408, 425, 429) and status < 500:
                raise AskFailed(f"the server refused (status {status})")
            said = f"the server said {status}"
            if (asked_s := _retry_after(headers)) is not None:
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

    async def _post(self, content: bytes) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        path = f"{self.url}/chat/completions"
        async with self._client.stream("POST", path, content=content, headers=headers) as response:
            self._reached, body = True, b""
            if response.status_code == 200:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise AskFailed("the answer is too large")
            return response.status_code, response.headers, body


def _text_of(body: bytes) -> str:
    try:
        return _Completion.model_validate_json(body).choices[0].message.content
    except ValidationError as error:
        raise AskFailed("the answer is no chat completion") from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, as a number or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
