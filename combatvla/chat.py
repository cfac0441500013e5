"""Chat completions of an OpenAI-compatible server, asked without trust.

What a server says may be slow, huge, broken or not from such a server at all: every answer has a limit of time and of
size and is parsed by pydantic. The key goes into one header and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple

import httpx2
from pydantic import BaseModel, Field, ValidationError

from combatvla.errors import UserError

MOST_BYTES = 1 << 20
"""An answer of sentences is a hundredth of it."""


class AskFailed(Exception):
    """The server gave no answer; the message is a few words, the same for all of a kind."""


class Unanswered(AskFailed):
    """It took too long or the connection broke: another try may help."""


class NobodyThere(Unanswered):
    """Nothing took the connection."""


class _Function(BaseModel):
    arguments: str


class _Call(BaseModel):
    function: _Function


class _Message(BaseModel):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    """Empty unless the status is 200."""


class Client:
    """Posts to one server. Use as `async with`, or `close` it; all on one loop."""

    def __init__(self, url: str, key: str = "", *, most_bytes: int = MOST_BYTES) -> None:
        """`url`: as `checked_url` gives it, up to `/v1`; `most_bytes`: of an answer."""
        self.url = url
        self._key, self._most_bytes = key, most_bytes
        # A proxy of the environment is not for this machine's own servers.
        here = is_here(httpx2.URL(url).host)
        self._client = httpx2.AsyncClient(timeout=None, trust_env=not here, follow_redirects=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def post(self, content: bytes, timeout_s: float) -> Reply:
        """What the server says to the chat completion `content` within `timeout_s`. `AskFailed` when nothing usable."""
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            async with asyncio.timeout(timeout_s):
                return await self._post(content, headers)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise Unanswered("the server took too long") from error
        except httpx2.ConnectError as error:
            raise NobodyThere("the connection failed") from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise Unanswered("the connection failed") from error

    async def _post(self, content: bytes, headers: Mapping[str, str]) -> Reply:
        path = f"{self.url}/chat/completions"
        async with self._client.stream("POST", path, content=content, headers=headers) as response:
            body = b""
            if response.status_code == 200:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > self._most_bytes:
                        raise AskFailed("the answer is too large")
            return Reply(response.status_code, response.headers, body)


def text_of(body: bytes) -> str:
    """What the model says in a chat completion: its text, or else the arguments of the first tool that it calls."""
    try:
        message = _Completion.model_validate_json(body).choices[0].message
    except ValidationError as error:
        raise AskFailed("the answer is no chat completion") from error
    if not message.content and message.tool_calls:
        return message.tool_calls[0].function.arguments
    if message.content is None:
        raise AskFailed("the answer is no chat completion")
    return message.content


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, as a number or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def checked_url(
    url: str,
    insecure_http: bool = False,
    *,
    named: str = "--url",
    insecure: str = "--insecure-http",
    key_env: str = "--key-env",
) -> str:
    """`url` without its last slash. `UserError` unless it is https, or http to this machine (or `insecure_http`). The
    names are those of the options, for the message."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        parsed = httpx2.URL("")
    # The address is not shown: it may hold what is secret.
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise UserError(
            f"{named} holds a password or a query: expected only the address up to /v1; a key goes into an environment "
            f"variable that {key_env} names"
        )
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UserError(f"{named} is no address of a server: expected one like http://127.0.0.1:8000/v1")
    if parsed.scheme == "http" and not is_here(parsed.host) and not insecure_http:
        raise UserError(
            f"{named} would send your pictures and key unencrypted to {parsed.host}: use https, or say {insecure}"
        )
    return url.rstrip("/")


def key_from(variable: str | None, *, named: str = "--key-env") -> str:
    """The key in that environment variable, which is never shown: not in errors either."""
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UserError(f"the environment variable {variable} ({named}) is not set")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"the environment variable {variable} ({named}) holds no key: it has odd characters")
    return key


def is_here(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
