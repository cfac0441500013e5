"""A server of chat completions for the tests, on loopback and over real HTTP; it behaves as well or badly as told."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["ModelServer", "Handler", dict], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner: ModelServer = self.server.owner
        with owner.lock:
            owner.requests.append(body)
            owner.paths.append(self.path)
            owner.times.append(time.monotonic())
            owner.keys.add(self.headers.get("authorization"))
            behave = owner.script.pop(0) if owner.script else owner.behaves
        behave(owner, self, body)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # who asked is gone
            self.close_connection = True

    def say(self, text: str) -> None:
        self.reply(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode())

    def log_message(self, *_: object) -> None:
        pass


class ModelServer:
    """As a context; `behaves` is how it answers, `script` how it answers the next ones."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.requests: list[dict] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.keys: set[str | None] = set()
        self.behaves: Behaviour = well
        self.script: list[Behaviour] = []

    def __enter__(self) -> ModelServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()


def text_of(body: dict) -> str:
    return body["messages"][-1]["content"][-1]["text"]


def steps_of(body: dict) -> int:
    return int(re.search(r"each of the (\d+) steps", text_of(body))[1])


def well(server: ModelServer, handler: Handler, body: dict) -> None:
    handler.say(json.dumps({"steps": ["The enemy is about to strike, so this is right."] * steps_of(body)}))


def slow(server: ModelServer, handler: Handler, body: dict) -> None:
    """Begins to answer, and does not go on."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.flush()
    server.stopped.wait(30)


def dripping(server: ModelServer, handler: Handler, body: dict) -> None:
    """A byte now and then, without an end."""
    handler.send_response(200)
    handler.send_header("content-length", "100000")
    handler.end_headers()
    try:
        while not server.stopped.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    except OSError:
        handler.close_connection = True


def says(status: int, **headers: str) -> Behaviour:
    return lambda server, handler, body: handler.reply(status, b'{"error": "no"}', **headers)


def replies(data: bytes, **headers: str) -> Behaviour:
    return lambda server, handler, body: handler.reply(200, data, **headers)


def answers(text: str) -> Behaviour:
    return lambda server, handler, body: handler.say(text)


def disconnects(server: ModelServer, handler: Handler, body: dict) -> None:
    """In the middle of an answer."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.close()


def huge(server: ModelServer, handler: Handler, body: dict) -> None:
    """Goes on until nobody listens any more."""
    handler.send_response(200)
    handler.send_header("content-length", str(1 << 34))
    handler.end_headers()
    try:
        while not server.stopped.is_set():
            handler.wfile.write(b"a" * 65536)
    except OSError:
        handler.close_connection = True
