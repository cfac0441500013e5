"""A policy behind any OpenAI-compatible chat server, asked without trust.

    policy = load_openai("http://127.0.0.1:8000/v1#tiny")

One request a decision: the frames as pictures, oldest first, and the prompt. Whatever comes back, a decision comes out
of it in time: an answer that is late, broken or no AoT becomes a `wait` and is counted (`policy.counts`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2

from combatvla.actions import DURATIONS_MS, LOOKS, MAX_STEPS, WAIT_PLAN, Action
from combatvla.aot import JSON_KEYS, MAX_CHARS, TRUNC, AoT, AoTError, ParseCounts, decode, decode_or_wait
from combatvla.chat import AskFailed, Client, NobodyThere, checked_url, key_from, retry_after, text_of
from combatvla.errors import UserError
from combatvla.policy.base import Decision, Frame, last_frames
from combatvla.policy.checkpoint import INFO_FILE, PolicyInfo, policy_folder, read_info
from combatvla.policy.guides import THOUGHT, actions_schema, steps_regex
from combatvla.profiles import GameProfile, load_profile

LIMIT_MS = 1000
"""By default a decision that takes longer is a `wait`. It is as long as the agent holds keys without a new decision."""
FIRST_S = 120.0
"""For the first answer of all: servers compile then."""
MOST_BYTES = 1 << 16
"""Of an answer: the longest AoT text, and what servers put around it."""
MOST_TEXT = 1000
"""Characters of an answer that are kept with the decision, and so in logs."""
TOOL_CALL = "<tool_call>"
_MAX_TOKENS = {"compact": 64, "json": 256}
_REFUSED = (400, 422, 501)
"""What servers say to a parameter that they do not take."""


@dataclass(frozen=True)
class Place:
    """Where a policy is asked: `URL#MODEL`, and options after it, each with a comma before it."""

    url: str
    model: str
    key_env: str | None = None
    """The environment variable that holds the key; without it none is sent."""
    like: str | None = None
    """The policy (a folder or `tiny`) whose frames, prompt and dialect are used; by default MODEL, if it is one."""
    game: str = "arena"
    """For other models: the profile whose prompt they get."""
    limit_ms: int = LIMIT_MS
    """A decision that takes longer is a `wait`."""
    insecure_http: bool = False
    """Sends pictures and key to another machine without encryption."""


def parse_place(text: str) -> Place:
    """`http://127.0.0.1:8000/v1#model,key-env=NAME,…`. `UserError` when it is none."""
    url, mark, rest = text.partition("#")
    model, *options = rest.split(",")
    if not mark or not model:
        raise UserError("openai: expected an address and a model, like openai:http://127.0.0.1:8000/v1#model")
    found: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name == "insecure-http" and not value:
            found["insecure_http"] = True
        elif name == "limit-ms" and re.fullmatch("[1-9][0-9]{0,6}", value):
            found["limit_ms"] = int(value)
        elif name in ("key-env", "like", "game") and value:
            found[name.replace("-", "_")] = value
        else:
            raise UserError(
                f"openai: expected key-env=, like=, game=, limit-ms= (over 0) or insecure-http, got {option!r}"
            )
    names = {"named": "openai:", "insecure": "insecure-http after the model", "key_env": "key-env="}
    return Place(checked_url(url, found.get("insecure_http", False), **names), model, **found)


def load_openai(text: str) -> OpenAIPolicy:
    """The policy at that place (`parse_place`), once it has answered. `UserError` when it does not."""
    place = parse_place(text)
    key = key_from(place.key_env, named="key-env=")
    like = place.like or (place.model if (policy_folder(place.model) / INFO_FILE).is_file() else None)
    info = read_info(policy_folder(like)) if like else general_info(load_profile(place.game))
    policy = OpenAIPolicy(place.url, place.model, info, key=key, limit_ms=place.limit_ms)
    policy.greet()
    return policy


def general_info(profile: GameProfile) -> PolicyInfo:
    """How a model that was not trained for it is asked to play a game: the paper's frames, and the json dialect."""
    keys = ", ".join(f"{key} ({action.value.replace('_', ' ')})" for action, key in JSON_KEYS.items())
    prompt = f"""{profile.prompt.strip()}
The pictures show the last moments, oldest first. Answer with one JSON object and nothing else, like
{{"actions":[{{"type":"keyboard","action":"press","key":"space"}},{{"type":"mouse","action":"press"}}]}}
It holds one to {MAX_STEPS} actions, carried out one after the other. An action is one of
{{"type":"keyboard","action":"press","key":K}}, {{"type":"keyboard","action":"hold","key":K,"duration":D}},
{{"type":"mouse","action":"press"}} (light attack), {{"type":"mouse","action":"hold","duration":D}} (heavy attack),
{{"type":"wait","duration":D}}
K is one of {keys}. D is one of {", ".join(f"{ms / 1000:g}" for ms in DURATIONS_MS)} (seconds)."""
    camera = (*(LOOKS if profile.look else ()), *profile.keys.keys() & {Action.LOCK_ON})
    if profile.look:
        prompt += """
To turn the camera: {"type":"mouse","action":"move","direction":"left","duration":D}; also "right", "up" and "down"."""
    if Action.LOCK_ON in camera:
        prompt += """
To lock the camera on to the enemy: {"type":"mouse","action":"press","button":"middle"}."""
    return PolicyInfo(width=1008, height=560, frames_per_decision=3, dialect="json", camera=camera, prompt=prompt)


class OpenAIPolicy:
    """Implements `Policy` over the chat completions of `model` at `url`, asked as `info` says. Each decision has
    `limit_ms`, or until its deadline where that comes first."""

    needs_truth = False

    def __init__(self, url: str, model: str, info: PolicyInfo, *, key: str = "", limit_ms: int = LIMIT_MS) -> None:
        self.name, self.info, self.spec = f"openai:{model}", info, info.spec
        self.frames_per_decision, self.frame_gap_ms = info.frames_per_decision, info.frame_gap_ms
        self.counts = ParseCounts()
        self._url, self._model, self._key, self._limit_ns = url, model, key, limit_ms * 1_000_000
        self._extras = _extras(info)
        self._runner = asyncio.Runner()
        self._client: Client | None = None
        self._quiet_until = 0
        """Monotonic ns: the server asked not to be asked before."""
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forgets the frames; the server is asked for its likeliest answer, so there is no seed to set."""
        self._pictures: list[tuple[Frame, str]] = []

    def close(self) -> None:
        """Closes the connection."""
        if self._client is not None:
            self._runner.run(self._client.close())
        self._runner.close()

    def greet(self) -> None:
        """Asks for a first decision, with patience. `UserError` when it is no use to ask this server."""
        import numpy as np

        blank = Frame(np.zeros((self.spec.height, self.spec.width, 3), np.uint8), 0)
        body = self._request([self._picture(blank)] * self.frames_per_decision)
        try:
            self._runner.run(self._ask(body, time.monotonic_ns() + int(FIRST_S * 1e9)))
        except NobodyThere as error:
            raise UserError(f"nobody answers at {self._url}: start the server first (`combatvla serve`)") from error
        except _Refused as error:
            if error.status in (401, 403):
                hint = "name the environment variable that holds the right key with key-env="
            elif error.status == 404:
                hint = f"it knows no such address, or no model {self._model!r}: check both"
            else:
                hint = f"does the model {self._model!r} take {self.frames_per_decision} pictures of "
                hint += f"{self.spec.width}x{self.spec.height}? If it is a policy of ours, name its folder with like="
            raise UserError(f"{self._url} refused a first question (status {error.status}): {hint}") from error
        except AskFailed as error:
            raise UserError(f"{self._url} cannot be played with: {error}") from error
        self.reset()

    def decide(
        self, frames: Sequence[Frame], *, deadline_ns: int | None = None, truth: Mapping[str, Any] | None = None
    ) -> Decision:
        """Decides from the last `frames_per_decision` of `frames` (any size); missing ones repeat the oldest.

        Without an answer in time the plan is a `wait`, not `parsed`, and the explanation says what was the matter.
        `timings_ms`: `preprocess`, `decode` (the server and the way there), `total`.
        """
        began = time.monotonic_ns()
        until = began + self._limit_ns if deadline_ns is None else min(began + self._limit_ns, deadline_ns)
        frames = last_frames(frames, self.frames_per_decision)
        pictures = [self._picture(frame) for frame in frames]
        self._pictures = self._pictures[-len(frames) :]
        body = self._request(pictures)
        asked = time.monotonic_ns()
        said, trouble = "", None
        try:
            said = self._runner.run(self._ask(body, until))
        except AskFailed as error:
            trouble = str(error)
        if trouble is None:
            aot, parsed = read_answer(said, self.info, self.counts)
            explanation = "".join(c if c.isprintable() else " " for c in " ".join(aot.explanations))[:MOST_TEXT] or None
        else:
            aot, parsed, explanation = AoT(WAIT_PLAN), False, trouble
            self.counts.failed += 1
            self.counts.last_error = trouble
        done = time.monotonic_ns()
        timings = {"preprocess": asked - began, "decode": done - asked, "total": done - began}
        return Decision(
            aot.plan,
            explanation,
            said[:MAX_CHARS],
            parsed=parsed,
            timings_ms={k: ns / 1e6 for k, ns in timings.items()},
        )

    def _picture(self, frame: Frame) -> str:
        """`frame` as the model sees it, as a data URL; without loss, as in training. Made once though it appears in
        several windows."""
        for old, picture in self._pictures:
            if frame.same(old):
                return picture
        bgr = cv2.cvtColor(self.spec.prepare(frame.pixels), cv2.COLOR_RGB2BGR)
        _, png = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        self._pictures.append((frame, picture))
        return picture

    def _request(self, pictures: Sequence[str]) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
        content.append({"type": "text", "text": self.info.prompt})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if self.info.system is not None:
            messages.insert(0, {"role": "system", "content": self.info.system})
        return {"model": self._model, "messages": messages}

    async def _ask(self, body: dict[str, Any], until_ns: int) -> str:
        """What the server says to `body`. `AskFailed` when that is nothing usable, or not there by `until_ns`."""
        if self._client is None:
            self._client = Client(self._url, self._key, most_bytes=MOST_BYTES)
        if time.monotonic_ns() < self._quiet_until:
            raise AskFailed("the server asked for a pause")
        for extra in self._extras:
            reply = await self._client.post(json.dumps(body | extra).encode(), _left_s(until_ns))
            if reply.status not in _REFUSED:
                break
        if reply.status == 200:
            del self._extras[: self._extras.index(extra)]  # what it refused is not tried again
            return text_of(reply.body)
        if (pause_s := retry_after(reply.headers)) is not None:
            self._quiet_until = time.monotonic_ns() + int(pause_s * 1e9)
        raise _Refused(reply.status)


class _Refused(AskFailed):
    def __init__(self, status: int) -> None:
        super().__init__(f"the server said {status}")
        self.status = status


def _left_s(until_ns: int) -> float:
    return (until_ns - time.monotonic_ns()) / 1e9


def _extras(info: PolicyInfo) -> list[dict[str, Any]]:
    """What a server is told besides the messages, the best first: what holds it to the grammar (vLLM's word for a
    regular expression of the compact dialect, OpenAI's for a JSON schema) and to a short and likeliest answer; without
    the grammar; nothing at all, for models that take none of these words."""
    first = info.order == "action_first"
    short: dict[str, Any] = {"temperature": 0, "max_tokens": _MAX_TOKENS[info.dialect] * (1 if first else 2)}
    if first:
        short["stop"] = [TRUNC]
    if info.dialect == "compact":
        steps = steps_regex(info.camera)
        regex = steps + TRUNC if first else f"(?:{THOUGHT})?{steps}"
        return [short | {"structured_outputs": {"regex": regex}}, short, {}]
    if not first:  # the thought is JSON as well: two objects are no JSON
        return [short, {}]
    schema = {"name": "plan", "schema": actions_schema(info.camera)}
    return [short | {"response_format": {"type": "json_schema", "json_schema": schema}}, short, {}]


def read_answer(said: str, info: PolicyInfo, counts: ParseCounts) -> tuple[AoT, bool]:
    """The AoT in an answer, and whether there was one; else a `wait`.

    Servers leave out the mark at which they stop, and Qwen models write `<tool_call>` for it now and then. Beside the
    policy's own dialect the json one is taken, also as a tool call or in a fence.
    """
    whole = said.strip()
    if info.order == "action_first" and TRUNC not in whole:
        whole = (whole.partition(TOOL_CALL)[0] or whole) + TRUNC
    try:
        aot = decode(whole, info.dialect, info.order)
    except AoTError:
        actions = _json_in(said)
        if actions is None:
            return decode_or_wait(whole, info.dialect, info.order, counts)
        return decode_or_wait(actions + TRUNC, "json", "action_first", counts)
    counts.parsed += 1
    return aot, True


def _json_in(said: str) -> str | None:
    """The JSON object with which `said` begins, out of its wrapper; None when there is none, or something else after
    it. Whether it is a plan is for the codec to say."""
    if len(said) > MAX_CHARS:
        return None
    text = said.strip()
    for wrapper in (TOOL_CALL, "```json", "```"):
        text = text.removeprefix(wrapper).lstrip()
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    rest = text[end:].lstrip()
    if not isinstance(value, dict) or (rest and not rest.startswith((TRUNC, TOOL_CALL, "</tool_call>", "```"))):
        return None
    arguments = value.get("arguments")  # of a tool call: {"name": …, "arguments": …}
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    return arguments if isinstance(arguments, str) else text[:end]
