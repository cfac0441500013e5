"""The vllm policy and `combatvla serve`, beside `local`: the same tokens from the same pictures."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import numpy as np
import pytest

from combatvla.actions import WAIT_PLAN
from combatvla.errors import UserError
from combatvla.policy import make_policy
from combatvla.policy.base import Frame
from combatvla.policy.checkpoint import policy_folder, read_info
from combatvla.policy.local import LocalPolicy, load_policy
from combatvla.policy.serve import Args, command
from tests.helpers import VLLM, needs_vllm, run_command, start_command, until

ROOT = Path(__file__).parents[2]


def noise(count: int, frames: int) -> np.ndarray:
    """`uint8[count, frames, 112, 196, 3]`: noise of all degrees."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, frames, 4, 7, 3), dtype=np.uint8)
    even = small.repeat(28, 2).repeat(28, 3)
    return np.where(rng.random((count, 1, 1, 1, 1)) < 0.5, even, rng.integers(0, 256, even.shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def fight() -> np.ndarray:
    """`uint8[N, 1, 112, 196, 3]`: what the shipped policy sees in a fight that it plays."""
    import gymnasium

    import env  # noqa: F401  registers the Arena
    from combatvla.vision import FrameSpec

    policy, spec = load_policy("tiny"), FrameSpec()
    arena = gymnasium.make("combatvla/Arena-v0", task="first", width=640, height=360)
    pixels, _ = arena.reset(seed=1_000_000)
    seen, over = [], False
    while not over and len(seen) < 300:
        seen.append(spec.prepare(pixels))
        decision = policy.decide([Frame(seen[-1], len(seen))])
        pixels, _, terminated, truncated, _ = arena.step(decision.plan.to_array())
        over = terminated or truncated
    arena.close()
    return np.stack(seen)[:, None]


def local_says(policy: LocalPolicy, window: np.ndarray, number: int) -> tuple[list[int], str | None]:
    policy.decide([Frame(p, number * 100 + i) for i, p in enumerate(window)])
    return policy.said, policy.explain_last()


def vllm_says(folder: Path, windows: np.ndarray, tmp_path: Path) -> dict:
    np.save(tmp_path / "pictures.npy", windows)
    line = [VLLM, str(ROOT / "tests/core/play_vllm.py"), str(folder)]
    line += [str(tmp_path / "pictures.npy"), str(tmp_path / "answers.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((tmp_path / "answers.json").read_text())


@pytest.mark.slow
@needs_vllm
def test_the_shipped_policy_says_the_same_tokens_and_reasons(fight, tmp_path):
    answers = vllm_says(policy_folder("tiny"), fight, tmp_path)
    local = load_policy("tiny")
    expected = [local_says(local, window, i) for i, window in enumerate(fight)]
    assert len({tuple(tokens) for tokens, _ in expected}) > 5, "a fight of many plans"
    assert [said["tokens"] for said in answers["said"]] == [tokens for tokens, _ in expected]
    assert [said["explanation"] for said in answers["said"]] == [reason for _, reason in expected]
    assert all(said["parsed"] for said in answers["said"]) and answers["failed"] == 0
    assert answers["again"] and answers["late"] < len(answers["said"][-1]["tokens"])


@pytest.mark.slow
@needs_vllm
def test_random_weights_say_the_same_plans(tiny_folder, tmp_path):
    """Whatever the grammar allows is said by one set of weights or another; here two pictures a decision."""
    windows = noise(100, 2)
    answers = vllm_says(tiny_folder, windows, tmp_path)
    local = load_policy(tiny_folder)
    expected = [local_says(local, window, i)[0] for i, window in enumerate(windows)]
    ends = [tokens.index(local.grammar.trunc) + 1 for tokens in expected]
    assert [said["tokens"] for said in answers["said"]] == [t[:end] for t, end in zip(expected, ends, strict=True)]


@contextmanager
def serving(policy: str, log: Path):
    """`combatvla serve`: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(log, "wb") as file:
        environment = {**os.environ, "COMBATVLA_VLLM_PYTHON": VLLM}
        line = ("serve", policy, "--port", str(port))
        server = start_command(*line, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert server.poll() is None, log.read_text()[-3000:]
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{url}/health", trust_env=False).status_code == 200

    try:
        until(ready, 300)
        yield f"{url}/v1", server
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.mark.slow
@needs_vllm
def test_the_shipped_policy_served_and_played_through_http(fight, tmp_path):
    local = load_policy("tiny")
    with serving("tiny", tmp_path / "vllm.log") as (url, server):
        policy = make_policy(f"openai:{url}#tiny,limit-ms=5000")
        for number, window in enumerate(fight):
            frames = [Frame(p, number) for p in window]
            decision, expected = policy.decide(frames), local.decide(frames)
            assert decision.parsed and decision.plan == expected.plan
            assert decision.text + "<TRUNC>" == expected.text
        assert (policy.counts.parsed, policy.counts.failed) == (len(fight), 0)
        assert len(policy._extras) == 3, "vLLM takes the grammar"
        body = policy._request([policy._picture(frames[0])]) | policy._extras[0] | {"return_token_ids": True}
        reply = httpx2.post(f"{url}/chat/completions", json=body, timeout=60, trust_env=False).json()
        assert reply["prompt_token_ids"] == local.prompt, "the chat template makes the prompt of training"

        os.killpg(server.pid, signal.SIGKILL)  # with vLLM's own processes, which outlive a killed server
        server.wait()
        for _ in range(3):
            began = time.monotonic()
            lost = policy.decide(frames)
            assert (lost.plan, lost.parsed) == (WAIT_PLAN, False) and time.monotonic() - began < 5.5
        assert lost.explanation == "the connection failed" and policy.counts.failed == 3
        policy.close()


FAKE = """#!/bin/sh
if [ "$1" = -c ]; then echo {says}; exit {status}; fi
echo "$@"; echo "cache $VLLM_CPU_KVCACHE_SPACE, reports off $VLLM_NO_USAGE_STATS"
"""


@pytest.fixture
def fake(tmp_path):
    """An interpreter that only tells how it was called: `fake("True False")` has vLLM and no GPU."""

    def make(says: str, status: int = 0) -> str:
        path = tmp_path / "python"
        path.write_text(FAKE.format(says=says, status=status))
        path.chmod(0o755)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("says", "has"),
    [("True False", "--dtype float32 --enforce-eager"), ("True True", "--dtype bfloat16 --kv-cache-memory-bytes")],
)
def test_serve_runs_the_server_of_vllm(fake, says, has):
    done = run_command("serve", "tiny", "--port", "8001", env={**os.environ, "COMBATVLA_VLLM_PYTHON": fake(says)})
    assert done.returncode == 0, done.stderr
    line, settings = done.stdout.splitlines()
    assert line.startswith(f"-m vllm.entrypoints.openai.api_server --model {policy_folder('tiny')} ")
    assert "--served-model-name tiny --host 127.0.0.1 --port 8001" in line and has in line
    assert settings == "cache 1, reports off 1"
    assert "--policy openai:http://127.0.0.1:8001/v1#tiny" in done.stderr and "anyone" not in done.stderr


def test_serve_warns_where_others_can_reach_it(fake):
    environment = {**os.environ, "COMBATVLA_VLLM_PYTHON": fake("True False")}
    environment.pop("VLLM_API_KEY", None)
    done = run_command("serve", "tiny", "--host", "0.0.0.0", env=environment)
    assert "anyone who can reach 0.0.0.0 can use it: set VLLM_API_KEY" in done.stderr
    assert "anyone" not in run_command("serve", "--host", "0.0.0.0", env={**environment, "VLLM_API_KEY": "k"}).stderr


def test_as_many_pictures_as_the_policy_wants(tiny_folder):
    line = command("python", Args(str(tiny_folder)), cpu=True)
    assert line[line.index("--limit-mm-per-prompt") + 1] == '{"image": 2, "video": 0}'
    assert int(line[line.index("--max-model-len") + 1]) > 2 * read_info(tiny_folder).spec.tokens + 128


@pytest.mark.parametrize(
    ("argv", "python", "said"),
    [
        (["tiny"], ("False False", 0), "vLLM is not installed here"),
        (["tiny"], ("", 1), "vLLM is not installed here"),
        (["tiny"], None, "/nowhere/python cannot be run"),
        (["/nowhere"], ("True False", 0), "no checkpoint at /nowhere"),
        (["tiny", "--port", "0"], ("True False", 0), "--port is a number from 1 to 65535, got 0"),
    ],
)
def test_serve_says_what_is_missing(fake, argv, python, said):
    named = "/nowhere/python" if python is None else fake(*python)
    done = run_command("serve", *argv, env={**os.environ, "COMBATVLA_VLLM_PYTHON": named})
    assert done.returncode == 2 and done.stderr.startswith("combatvla: ") and said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_vllm_the_policy_is_refused_with_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"vLLM is not installed here: pip install 'combatvla\[vllm\]'"):
        make_policy("vllm:tiny")
    with pytest.raises(UserError, match="no checkpoint at /nowhere"):
        make_policy("vllm:/nowhere")
