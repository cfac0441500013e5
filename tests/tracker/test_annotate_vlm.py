"""`tracker explain --by vlm` against real servers: good ones, bad ones, and the shipped policy under vLLM."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import cv2
import httpx2
import numpy as np
import pytest

import combatvla
from combatvla.chat import checked_url
from combatvla.errors import UserError
from combatvla.profiles import load_profile
from tests.helpers import VLLM, needs_vllm, start_command, until
from tests.model_server import (
    ModelServer,
    answers,
    disconnects,
    dripping,
    huge,
    replies,
    says,
    slow,
    steps_of,
    text_of,
    well,
)
from tracker.align import Alignment, AlignOptions, Sample, samples
from tracker.annotate.annotator import Dropped
from tracker.annotate.command import main as explain
from tracker.annotate.endpoint import Endpoint
from tracker.annotate.vlm import GIVE_UP, VlmAnnotator
from tracker.export.command import main as export
from tracker.rows import EventRow, ExplanationRow
from tracker.session import Session
from tracker.writer import SessionWriter

ARENA = load_profile("arena")
START = 5 * 10**9
KEY = "sk-never-to-be-seen"


@pytest.fixture
def server():
    with ModelServer() as running:
        yield running


@pytest.fixture
def session(tmp_path) -> Session:
    """Three seconds of moving patches with a few presses; it has plans of one and of more steps."""
    folder = tmp_path / "session"
    with SessionWriter(folder, game="arena", title="t", width=320, height=180, fps=20) as writer:
        for i in range(60):
            small = np.random.default_rng(i).integers(0, 256, (9, 16, 3), np.uint8)
            writer.frame(cv2.resize(small, (320, 180)), START + i * 50_000_000)
        for key, begin, end in (("w", 0.3, 0.9), ("space", 0.9, 1.0), ("mouse_left", 1.1, 1.2), ("r", 2.0, 2.1)):
            kind = "button" if key.startswith("mouse") else "key"
            for down, at in ((True, begin), (False, end)):
                writer.event(EventRow(t_ns=START + int(at * 1e9), kind=kind, key=key, down=down))
    return Session(folder)


def annotated(server: ModelServer, session: Session, count: int = 4, **options):
    """The first samples, asked one at a time without patience: what came of them, and what the annotator counted."""
    fast = {"timeout_s": 0.5, "tries": 3, "backoff_s": 0.01}
    asked = {name: options.pop(name) for name in ("per_minute", *fast) if name in options}
    annotator = VlmAnnotator(Endpoint(server.url, **{**fast, **asked}), "m", **{"parallel": 1, **options})
    found: list[Sample] = samples(session, ARENA, AlignOptions(), Alignment())[:count]
    results = list(annotator.annotate(session, ARENA, found))
    assert len(results) == len(found)
    return results, annotator.figures()


def vlm(server: ModelServer, *sessions: Session) -> list[str]:
    return [*(str(s.folder) for s in sessions), "--by", "vlm", "--url", server.url, "--model", "m", "--json"]


def figures(capsys) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_model_explains_and_export_uses_it(server, session, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MY_KEY", KEY)
    argv = [*vlm(server, session), "--key-env", "MY_KEY", "--frames", "3"]
    assert explain(argv) == 0
    report = figures(capfd)
    assert report["explained"] == report["asked"] == report["requests"] == len(server.requests) > 10
    assert report["dropped"] == {} and report["by"] == "vlm:m"
    assert set(server.paths) == {"/v1/chat/completions"} and server.keys == {f"Bearer {KEY}"}
    told = Session(session.folder).explanations()
    assert {row.by for row in told.values()} == {"vlm:m"} and len(told) == report["explained"]

    assert explain(argv) == 0
    again = figures(capfd)
    assert (again["kept"], again["explained"], again["requests"]) == (report["explained"], 0, 0)

    (session.folder / "explanations.jsonl").unlink()
    assert explain(argv) == 0
    cached = figures(capfd)
    assert (cached["cached"], cached["explained"], cached["requests"]) == (report["explained"], report["explained"], 0)

    assert export([str(session.folder), "--out", str(tmp_path / "d"), "--frames", "3", "--keep-menus", "--json"]) == 0
    exported = figures(capfd)
    assert exported["explained_by"] == {"vlm:m": exported["samples"]} and exported["samples"] > 10
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert written and not any(KEY.encode() in data for data in written), "the key is nowhere"


def test_what_the_model_is_shown_and_told(server, session):
    annotator = VlmAnnotator(Endpoint(server.url), "m", parallel=2, picture_width=160, max_tokens=77)
    found = samples(session, ARENA, AlignOptions(frames=3), Alignment())
    assert all(isinstance(r, ExplanationRow) for r in annotator.annotate(session, ARENA, found))
    assert {request["model"] for request in server.requests} == {"m"}
    assert {request["max_tokens"] for request in server.requests} == {77}
    rolls = [request for request in server.requests if "1. dodge (space) for 100 ms" in text_of(request)]
    (request,) = rolls
    content = request["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url"] * 3 + ["text"]
    for part in content[:-1]:
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (90, 160, 3)
    text = text_of(request)
    assert "oldest first, taken 200, 100, 0 milliseconds" in text and steps_of(request) == 3
    assert "light attack (mouse_left)" in text and "heal (r)" in text and "CombatVLA Arena" in str(request["messages"])


@pytest.mark.parametrize(
    ("behaves", "why", "requests_each"),
    [
        (slow, "the server took too long", 3),
        (dripping, "the server took too long", 3),
        (says(429), "the server said 429", 3),
        (says(500), "the server said 500", 3),
        (says(400), "the server refused (status 400)", 1),
        (says(302, location="http://127.0.0.1:9/"), "the server refused (status 302)", 1),
        (disconnects, "the connection failed", 3),
        (huge, "the answer is too large", 1),
        (replies(b"<html><body>Welcome</body></html>"), "the answer is no chat completion", 1),
        (replies(b"\x1f\x8b rubbish", content_encoding="gzip"), "the answer is no chat completion", 1),
        (replies(b'{"choices": []}'), "the answer is no chat completion", 1),
        (replies(b'{"choices": [{"message": {"content": null}}]}'), "the answer is no chat completion", 1),
        (replies(b"[" * 100_000), "the answer is no chat completion", 1),
        (answers("I would rather not."), "invalid: no JSON object", 1),
        (answers('{"steps": ["a", }'), 'invalid: no JSON object {"steps": [...]}', 1),
        (answers('{"steps": ["One too many, as ever."' + ', "And another one."' * 3 + "]}"), "invalid: not one", 1),
        (answers("<html>{}</html>"), 'invalid: no JSON object {"steps": [...]}', 1),
    ],
)
def test_a_bad_server_costs_samples_and_nothing_else(server, session, behaves, why, requests_each):
    server.behaves = behaves
    results, counted = annotated(server, session, 2)
    assert all(isinstance(r, Dropped) and r.why.startswith(why) for r in results), results
    assert counted["asked"] == 2 and counted["cached"] == 0
    assert counted["requests"] == len(server.requests) == 2 * requests_each
    assert counted["retries"] == 2 * (requests_each - 1)


def test_what_passes_is_waited_for(server, session):
    server.script = [says(429, retry_after="1"), says(503), disconnects]
    results, counted = annotated(server, session, 2, tries=5)
    assert all(isinstance(r, ExplanationRow) for r in results)
    assert counted == {"asked": 2, "cached": 0, "requests": 5, "retries": 3}
    assert server.times[1] - server.times[0] >= 1.0, "Retry-After is honoured"


def test_a_date_to_retry_after_is_honoured(server, session):
    from email.utils import formatdate

    server.script = [says(429, retry_after=formatdate(time.time() + 2, usegmt=True))]
    assert isinstance(annotated(server, session, 1)[0][0], ExplanationRow)
    assert server.times[1] - server.times[0] >= 0.9


@pytest.mark.parametrize(
    ("behaves", "said"),
    [
        (says(401), "refuses the key"),
        (says(403), "refuses the key"),
        (says(404), "no such model or address"),
        (says(429, retry_after="86400"), "asks to wait 86400 s"),
        (says(400), f"gave no answer to {GIVE_UP} samples in a row .the server refused"),
    ],
)
def test_when_it_is_no_use_explaining_ends_with_a_sentence(server, session, monkeypatch, capfd, behaves, said):
    monkeypatch.setenv("MY_KEY", KEY)
    server.behaves = behaves
    with pytest.raises(UserError, match=said) as caught:
        explain([*vlm(server, session), "--key-env", "MY_KEY", "--parallel", "2"])
    assert len(server.requests) <= GIVE_UP + 2
    assert KEY not in str(caught.value) + "".join(capfd.readouterr())


def test_an_answer_in_between_is_no_reason_to_give_up(server, session):
    server.script = [*[says(400)] * (GIVE_UP - 1), well, *[says(400)] * (GIVE_UP - 1)]
    results, _ = annotated(server, session, 2 * GIVE_UP - 1)
    assert sum(isinstance(r, ExplanationRow) for r in results) == 1


def test_several_are_asked_at_a_time(server, session):
    meet = threading.Barrier(3)

    def together(server, handler, body) -> None:
        meet.wait(10)
        well(server, handler, body)

    server.behaves = together
    results, _ = annotated(server, session, 6, parallel=3, timeout_s=20)
    assert all(isinstance(r, ExplanationRow) for r in results)


def test_no_more_than_so_many_a_minute(server, session):
    server.script = [says(500)]
    annotated(server, session, 5, parallel=5, per_minute=600)
    gaps = np.diff(server.times)
    assert len(gaps) == 5 and np.mean(gaps) >= 0.09, "a request sent again counts as well"


def test_what_was_answered_badly_is_asked_again_only_on_request(server, session):
    server.behaves = answers("no")
    annotated(server, session, 3)
    assert annotated(server, session, 3)[1]["requests"] == 0
    server.behaves = well
    results, counted = annotated(server, session, 3, again=True)
    assert counted["asked"] == 3 and all(isinstance(r, ExplanationRow) for r in results)
    assert annotated(server, session, 3, again=True)[1] == {"asked": 0, "cached": 3, "requests": 0, "retries": 0}


def test_another_session_of_the_same_content_costs_nothing(server, session, tmp_path, capsys):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in session.folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    cache = ["--cache", str(tmp_path / "cache")]
    assert explain([*vlm(server, session, Session(copy)), *cache, "--parallel", "1"]) == 0
    report = figures(capsys)
    assert report["asked"] == report["cached"] == len(server.requests) > 10 and report["sessions"] == 2
    assert not (copy / "answers").exists()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_it_goes_on_where_it_was(server, session, stop, capsys):
    """The server answers six times and then not any more; then the command is stopped."""
    server.script = [well] * 6
    server.behaves = slow
    process = start_command("tracker", "explain", *vlm(server, session), "--parallel", "2")
    until(lambda: len(server.requests) >= 8, 60)
    process.send_signal(stop)
    _, said = process.communicate(timeout=20)
    assert process.returncode == (-9 if stop is signal.SIGKILL else 130) and "Traceback" not in said
    before = Session(session.folder).explanations()
    assert 5 <= len(before) <= 6
    with open(session.folder / "explanations.jsonl", "ab") as file:
        file.write(b'{"t_ns":12,"fra')  # as a kill within a write leaves it
    server.behaves = well
    asked = len(server.requests)
    assert explain(vlm(server, session)) == 0
    report = figures(capsys)
    assert report["kept"] == len(before) and report["kept"] + report["explained"] == report["samples"]
    assert len(server.requests) - asked == report["asked"] == report["samples"] - 6
    lines = (session.folder / "explanations.jsonl").read_bytes().splitlines()
    assert len(lines) == len(Session(session.folder).explanations()) == report["samples"]


def test_a_limit_is_for_trying_out(server, session, capsys):
    assert explain([*vlm(server, session), "--limit", "3"]) == 0
    assert figures(capsys)["explained"] == len(server.requests) == 3


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1/v1", "no address of a server"),
        ("127.0.0.1:8000/v1", "no address"),
        ("http:///v1", "no address"),
        ("http://127.0.0.1:port/v1", "no address"),
        ("https://api.example.com/v1?key=secret", "holds a password or a query"),
        ("https://me:secret@api.example.com/v1", "holds a password"),
        ("http://api.example.com/v1", "unencrypted to api.example.com"),
        ("http://127.0.0.1.example.com/v1", "unencrypted to 127.0.0.1.example.com"),
    ],
)
def test_addresses_that_are_refused(url, said):
    with pytest.raises(UserError, match=said) as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1/", "http://localhost/v1", "http://[::1]:80/v1", "https://api.example.com/v1"]
)
def test_addresses_that_are_taken(url):
    assert checked_url(url) == url.rstrip("/")
    assert checked_url("http://api.example.com/v1", insecure_http=True)


@pytest.mark.slow
@needs_vllm
def test_the_shipped_policy_under_vllm(session, tmp_path, capsys):
    """A real model reads real pictures. It knows no such task, so what it says is dropped, and nothing else happens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tiny = Path(combatvla.__file__).parent / "checkpoints" / "tiny"
    with open(tmp_path / "vllm.log", "wb") as log:
        running = subprocess.Popen(
            [
                *(
                    VLLM,
                    "-m",
                    "vllm.entrypoints.openai.api_server",
                    "--model",
                    str(tiny),
                    "--served-model-name",
                    "tiny",
                ),
                *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--max-model-len", "4096"),
            ],
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def ready() -> bool:
            assert running.poll() is None, (tmp_path / "vllm.log").read_text()[-3000:]
            with suppress(httpx2.HTTPError):
                return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200

        until(ready, 300)
        argv = [str(session.folder), "--by", "vlm", "--url", f"http://127.0.0.1:{port}/v1", "--model", "tiny"]
        argv += ["--frames", "2", "--picture-width", "196", "--max-tokens", "40", "--json"]
        assert explain(argv) == 0
        report = figures(capsys)
        assert report["asked"] == report["explained"] + sum(report["dropped"].values()) == report["samples"] > 10
        # Only what the model said may have been wrong: every request got its answer.
        assert all(why.startswith("invalid: ") for why in report["dropped"]), report
        assert report["requests"] == report["asked"] and report["retries"] == 0
        texts = [path.read_text() for path in (session.folder / "answers").rglob("*.txt")]
        assert len(texts) > 5 and any(texts), "the model spoke"
        assert explain(argv) == 0
        again = figures(capsys)
        assert again["requests"] == 0 and again["dropped"] == report["dropped"]
        assert again["kept"] == report["explained"] and again["cached"] == sum(report["dropped"].values())
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(60)
