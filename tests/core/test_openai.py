"""The policy behind a chat server: real HTTP, good servers and bad ones."""

from __future__ import annotations

import base64
import json
import time
from importlib import resources

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from combatvla import profiles
from combatvla.actions import WAIT_PLAN, Plan, Step
from combatvla.aot import AoT, ParseCounts, encode
from combatvla.errors import UserError
from combatvla.policy import make_policy
from combatvla.policy.base import Frame, Policy
from combatvla.policy.checkpoint import PolicyInfo, read_info
from combatvla.policy.openai import OpenAIPolicy, parse_place, read_answer
from tests.model_server import ModelServer, answers, disconnects, dripping, huge, replies, says, slow, text_of

KEY = "sk-never-to-be-seen"
ROLL = Plan((Step.of("move_back", "dodge", ms=200), Step.of("light_attack")))
COMPACT = "<move_back><dodge><t200><then><light_attack><t100>"
JSON = encode(AoT(ROLL), "json").removesuffix("<TRUNC>")


@pytest.fixture
def server():
    with ModelServer() as running:
        running.behaves = answers(COMPACT)
        yield running


@pytest.fixture
def tiny(tiny_folder):
    return read_info(tiny_folder)


def frames(pictures, start=0):
    return [Frame(p, start + i) for i, p in enumerate(pictures)]


def plain(server, handler, body) -> None:
    """A server that knows no guides."""
    if "structured_outputs" in body or "response_format" in body:
        handler.reply(400, b'{"error": "unknown parameter"}')
    else:
        handler.say(COMPACT)


def bare(server, handler, body) -> None:
    """A server of models that think: it takes no words but these."""
    if set(body) - {"model", "messages"}:
        handler.reply(400, b'{"error": "unknown parameter"}')
    else:
        handler.say(COMPACT)


def late(seconds: float):
    def behave(server, handler, body) -> None:
        server.stopped.wait(seconds)
        handler.say(COMPACT)

    return behave


def test_what_is_asked_and_what_comes_of_it(server, tiny_folder, pictures, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    policy = make_policy(f"openai:{server.url}#some/model,like={tiny_folder},key-env=MY_KEY")
    assert isinstance(policy, Policy) and policy.frames_per_decision == 2 and not policy.needs_truth
    large = np.repeat(np.repeat(pictures, 2, 1), 2, 2)
    decision = policy.decide(frames(large[:3]))
    assert decision.plan == ROLL and decision.parsed and decision.explanation is None and decision.text == COMPACT
    assert set(decision.timings_ms) == {"preprocess", "decode", "total"}
    assert (policy.counts.parsed, policy.counts.failed) == (1, 0)
    request = server.requests[-1]
    assert (request["model"], request["temperature"], request["stop"]) == ("some/model", 0, ["<TRUNC>"])
    assert request["max_tokens"] == 64 and "regex" in request["structured_outputs"]
    assert server.keys == {f"Bearer {KEY}"} and set(server.paths) == {"/v1/chat/completions"}
    assert text_of(request) == policy.info.prompt
    shown = [part["image_url"]["url"] for part in request["messages"][0]["content"][:-1]]
    for url, pixels in zip(shown, large[1:3], strict=True):  # the last two, oldest first, to the bit as in training
        head, _, data = url.partition(",")
        assert head == "data:image/png;base64"
        seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(seen[..., ::-1], policy.spec.prepare(pixels))
    policy.close()


def test_missing_frames_repeat_the_oldest_and_pictures_are_made_once(server, tiny, pictures, monkeypatch):
    policy = OpenAIPolicy(server.url, "m", tiny)
    made = []
    prepare = type(policy.spec).prepare
    monkeypatch.setattr(type(policy.spec), "prepare", lambda self, pixels: made.append(1) or prepare(self, pixels))
    sequence = frames(pictures)
    policy.decide(sequence[:1])
    first, second, _ = server.requests[-1]["messages"][0]["content"]
    assert first == second
    for i in range(3):
        policy.decide(sequence[i : i + 2])
    assert len(made) == 4
    with pytest.raises(ValueError):
        policy.decide([])
    policy.close()


def test_a_model_that_was_not_trained_for_it_is_told_the_json_dialect(server, pictures):
    server.behaves = answers(JSON)
    policy = make_policy(f"openai:{server.url}#some-model,game=blade")
    assert policy.decide(frames(pictures)).plan == ROLL
    request = server.requests[-1]
    assert len(request["messages"][0]["content"]) == 4 and request["max_tokens"] == 256
    assert "space (dodge)" in text_of(request)
    schema = request["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["actions"]
    assert "camera" not in text_of(request) and '"move"' not in json.dumps(schema)
    policy.close()


def test_it_is_told_of_a_camera_where_the_game_has_one(server, pictures, tmp_path):
    turn = '{"actions":[{"type":"mouse","action":"move","direction":"left","duration":0.2}]}'
    server.behaves = answers(turn)
    blade = (resources.files(profiles) / "blade.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    blade = blade.replace("fps: 60", "fps: 60\nlook: {speed: 900}").replace("  heal: f", "  heal: f\n  lock_on: q")
    path.write_text(blade)
    policy = make_policy(f"openai:{server.url}#some-model,game={path}")
    assert policy.decide(frames(pictures)).plan == Plan.of("look_left", ms=200)
    request = server.requests[-1]
    assert "turn the camera" in text_of(request) and "lock the camera on" in text_of(request)
    schema = json.dumps(request["response_format"]["json_schema"]["schema"])
    assert '"move"' in schema and '"middle"' in schema
    policy.close()


@pytest.mark.parametrize(("behaves", "tries"), [(plain, 2), (bare, 3)])
def test_what_a_server_does_not_take_it_is_asked_without(server, tiny_folder, pictures, behaves, tries):
    server.behaves = behaves
    policy = make_policy(f"openai:{server.url}#m,like={tiny_folder}")
    assert len(server.requests) == tries
    assert policy.decide(frames(pictures)).plan == ROLL and len(server.requests) == tries + 1
    policy.close()


def test_what_it_refused_once_in_a_fight_it_is_asked_again(server, tiny, pictures):
    policy = OpenAIPolicy(server.url, "m", tiny)
    server.script = [says(400)] * 3
    assert policy.decide(frames(pictures)).explanation == "the server said 400"
    assert policy.decide(frames(pictures)).plan == ROLL and "structured_outputs" in server.requests[-1]
    policy.close()


@pytest.mark.parametrize(
    ("behaves", "why", "at_least_ms", "at_most_ms"),
    [
        (slow, "the server took too long", 290, 450),
        (dripping, "the server took too long", 290, 450),
        (late(0.6), "the server took too long", 290, 450),
        (says(400), "the server said 400", 0, 300),
        (says(500), "the server said 500", 0, 300),
        (says(302, location="http://127.0.0.1:9/"), "the server said 302", 0, 300),
        (disconnects, "the connection failed", 0, 300),
        (huge, "the answer is too large", 0, 300),
        (replies(b" " * 10_000_000), "the answer is too large", 0, 300),
        (answers("<dodge>" * 1_500_000), "the answer is too large", 0, 300),
        (replies(b"<html><body>Welcome</body></html>"), "the answer is no chat completion", 0, 300),
        (replies(b"\x1f\x8b rubbish", content_encoding="gzip"), "the answer is no chat completion", 0, 300),
        (replies(b'{"choices": []}'), "the answer is no chat completion", 0, 300),
        (replies(b'{"choices": [{"message": {"content": null}}]}'), "the answer is no chat completion", 0, 300),
        (replies(b"[" * 60_000), "the answer is no chat completion", 0, 300),
    ],
)
def test_a_bad_server_costs_a_wait_in_time(server, tiny, pictures, behaves, why, at_least_ms, at_most_ms):
    policy = OpenAIPolicy(server.url, "m", tiny, limit_ms=300)
    policy.decide(frames(pictures))
    server.behaves = behaves
    began = time.monotonic()
    decision = policy.decide(frames(pictures))
    took_ms = (time.monotonic() - began) * 1000
    assert (decision.plan, decision.parsed, decision.explanation) == (WAIT_PLAN, False, why)
    assert at_least_ms <= took_ms <= at_most_ms
    assert (policy.counts.parsed, policy.counts.failed, policy.counts.last_error) == (1, 1, why)
    server.behaves = answers(COMPACT)
    assert policy.decide(frames(pictures)).plan == ROLL, "the next decision is a good one again"
    policy.close()


def test_the_deadline_counts_where_it_comes_first(server, tiny, pictures):
    policy = OpenAIPolicy(server.url, "m", tiny, limit_ms=10_000)
    server.behaves = slow
    for ms in (0, 100):
        began = time.monotonic_ns()
        decision = policy.decide(frames(pictures), deadline_ns=began + ms * 1_000_000)
        assert decision.plan == WAIT_PLAN and not decision.parsed
        assert time.monotonic_ns() - began < (ms + 150) * 1e6
    policy.close()


def test_a_server_that_goes_away_and_comes_back(tiny, pictures):
    def says_and_leaves(server, handler, body) -> None:
        handler.close_connection = True
        handler.say(COMPACT)

    with ModelServer() as first:
        first.behaves = says_and_leaves
        policy = OpenAIPolicy(first.url, "m", tiny, limit_ms=500)
        assert policy.decide(frames(pictures)).plan == ROLL
    port = int(first.url.rsplit(":", 1)[1].removesuffix("/v1"))
    for _ in range(3):
        assert policy.decide(frames(pictures)).explanation == "the connection failed"
    with ModelServer(port) as again:
        again.behaves = answers(COMPACT)
        assert policy.decide(frames(pictures)).plan == ROLL
    policy.close()


def test_a_pause_that_the_server_asks_for_is_kept(server, tiny, pictures):
    policy = OpenAIPolicy(server.url, "m", tiny)
    server.script = [says(429, retry_after="1")]
    assert policy.decide(frames(pictures)).explanation == "the server said 429"
    assert policy.decide(frames(pictures)).explanation == "the server asked for a pause"
    assert len(server.requests) == 1
    time.sleep(1.05)
    assert policy.decide(frames(pictures)).plan == ROLL
    policy.close()


COMPACT_INFO = PolicyInfo(prompt="p")
JSON_INFO = PolicyInfo(prompt="p", dialect="json")
CALL = json.dumps({"name": "act", "arguments": json.loads(JSON)})


@pytest.mark.parametrize("info", [COMPACT_INFO, JSON_INFO])
@pytest.mark.parametrize(
    "said",
    [
        JSON,
        f"{JSON}<TRUNC>",
        f"\n{JSON}\n",
        f"{JSON}<tool_call>",
        f"{JSON}<tool_call>\nThe slam comes.",
        f"<tool_call>\n{JSON}\n</tool_call>",
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{JSON}",
        f"```json\n{JSON}\n```",
        CALL,
    ],
)
def test_the_actions_are_taken_out_of_what_servers_put_around_them(info, said):
    counts = ParseCounts()
    aot, parsed = read_answer(said, info, counts)
    assert aot.plan == ROLL and parsed and (counts.parsed, counts.failed) == (1, 0)


@pytest.mark.parametrize(
    "said", [COMPACT, f"{COMPACT}<TRUNC>", f"{COMPACT}<TRUNC>roll<then>hit", f"{COMPACT}<tool_call>"]
)
def test_the_compact_dialect(said):
    assert read_answer(said, COMPACT_INFO, ParseCounts())[0].plan == ROLL


def test_thought_first():
    info = PolicyInfo(prompt="p", order="thought_first")
    aot, parsed = read_answer(f"slam comes<then>punish it{COMPACT}", info, ParseCounts())
    assert parsed and aot.plan == ROLL and aot.explanations == ("slam comes", "punish it")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "I would rather not.",
        "<tool_call>",
        "<tool_call></tool_call>",
        "<tool_call>\n{}\n</tool_call>",
        f"First I think. {JSON}",
        f"{JSON} and then I win",
        f"{JSON}{JSON}",
        '{"actions": [{"type": "keyboard", "action": "press", "key": "f4"}]}',
        '{"arguments": "' + "[" * 10_000 + '"}',
        '{"arguments": {"actions": NaN}}',
        "[" * 10_000,
        "{" * 10_000,
        f"<tool_call>{JSON}" + " " * 20_000,
        "<dodge><t200><then>",
        "<dodge><t210>",
        "1" * 10_000,
    ],
)
def test_anything_else_is_a_wait_and_counted(said):
    for info in (COMPACT_INFO, JSON_INFO):
        counts = ParseCounts()
        assert read_answer(said, info, counts) == (AoT(WAIT_PLAN), False)
        assert (counts.parsed, counts.failed) == (0, 1) and counts.last_error


@given(st.text() | st.lists(st.sampled_from(["<tool_call>", "{", "}", '"arguments"', ":", JSON, COMPACT, "[", "]"])))
@settings(max_examples=300, deadline=None)
def test_no_answer_does_harm(said):
    counts = ParseCounts()
    read_answer(said if isinstance(said, str) else "".join(said), COMPACT_INFO, counts)
    assert counts.parsed + counts.failed == 1


def test_actions_in_a_tool_call_of_the_server(server, tiny, pictures):
    call = {"function": {"name": "act", "arguments": JSON}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    server.behaves = replies(json.dumps({"choices": [{"message": message}]}).encode())
    policy = OpenAIPolicy(server.url, "m", tiny)
    assert policy.decide(frames(pictures)).plan == ROLL
    policy.close()


def test_reasons_are_fit_for_a_terminal(server, tiny, pictures):
    server.behaves = answers(f"{COMPACT}<TRUNC>roll \x1b[31maway<then>hit\r\nit")
    policy = OpenAIPolicy(server.url, "m", tiny)
    assert policy.decide(frames(pictures)).explanation == "roll  [31maway hit  it"
    policy.close()


@pytest.mark.parametrize(
    ("behaves", "said"),
    [
        (says(401), "status 401.*key-env="),
        (says(403), "status 403.*key-env="),
        (says(404), "no model 'm'"),
        (says(400), "does the model 'm' take 2 pictures of 196x112. If it is"),
        (replies(b"<html>"), "cannot be played with: the answer is no chat completion"),
        (disconnects, "cannot be played with: the connection failed"),
    ],
)
def test_a_server_that_is_of_no_use_is_told_before_the_fight(server, tiny_folder, monkeypatch, behaves, said):
    monkeypatch.setenv("MY_KEY", KEY)
    server.behaves = behaves
    with pytest.raises(UserError, match=said) as caught:
        make_policy(f"openai:{server.url}#m,like={tiny_folder},key-env=MY_KEY")
    assert KEY not in str(caught.value)


def test_nobody_there():
    with pytest.raises(UserError, match="nobody answers at http://127.0.0.1:9/v1: start the server"):
        make_policy("openai:http://127.0.0.1:9/v1#tiny")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected an address and a model"),
        ("http://127.0.0.1:8000/v1", "expected an address and a model"),
        ("http://127.0.0.1:8000/v1#", "expected an address and a model"),
        ("ftp://127.0.0.1/v1#m", "no address of a server"),
        ("http://api.example.com/v1#m", "unencrypted to api.example.com: use https, or say insecure-http"),
        ("https://me:secret@api.example.com/v1#m", "holds a password"),
        ("https://api.example.com/v1?key=secret#m", "holds a password or a query"),
        ("http://127.0.0.1:8000/v1#m,limit-ms=0", "got 'limit-ms=0'"),
        ("http://127.0.0.1:8000/v1#m,limit-ms=soon", "got 'limit-ms=soon'"),
        ("http://127.0.0.1:8000/v1#m,key=secret", "expected key-env="),
        ("http://127.0.0.1:8000/v1#m,insecure-http=no", "got 'insecure-http=no'"),
    ],
)
def test_places_that_are_refused(text, said):
    with pytest.raises(UserError, match=said):
        parse_place(text)


def test_places_that_are_taken(monkeypatch):
    place = parse_place("http://10.0.0.1:8000/v1/#org/model-7b,insecure-http,limit-ms=250,game=blade,like=tiny")
    assert (place.url, place.model) == ("http://10.0.0.1:8000/v1", "org/model-7b")
    assert (place.limit_ms, place.game, place.like, place.key_env) == (250, "blade", "tiny", None)
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UserError, match=r"NO_SUCH_KEY \(key-env=\) is not set"):
        make_policy("openai:https://127.0.0.1/v1#m,key-env=NO_SUCH_KEY")
