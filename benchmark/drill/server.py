"""A model server that is played by the drill: it answers well until it is told to fail."""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = "<move_forward><sprint><t1000>"
HOW = ("refuses", "dies in mid-answer", "hangs", "random bytes", "random text")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        owner: DrillServer = self.server.owner
        how = owner.how
        try:
            if how == "dies in mid-answer":
                self._head(1000)
                self.wfile.write(b'{"choices": [{"mess')
                self.wfile.flush()
                self._drop()
            elif how == "hangs":
                self._head(1000)
                self.wfile.flush()
                owner.stopped.wait(5)
                self._drop()
            elif how == "random bytes":
                self._reply(owner.random.randbytes(owner.random.randrange(1, 4000)))
            elif how == "random text":
                self._say(owner.random.randbytes(owner.random.randrange(1, 400)).decode("latin-1"))
            else:
                self._say(GOOD)
        except OSError:
            self.close_connection = True  # who asked is gone

    def _head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("content-length", str(length))
        self.end_headers()

    def _reply(self, body: bytes) -> None:
        self._head(len(body))
        self.wfile.write(body)

    def _say(self, text: str) -> None:
        self._reply(json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode())

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        pass  # a line that was cut

    def process_request(self, request, address) -> None:
        self.owner.lines.append(request)
        super().process_request(request, address)


class DrillServer:
    """As a context. `how` is "well" or one of `HOW`; `fail` and `mend` change it."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.how = "well"
        self.port = 0

    def __enter__(self) -> DrillServer:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def fail(self, how: str) -> None:
        self.how = how
        if how == "refuses":
            self._stop()

    def mend(self) -> None:
        was, self.how = self.how, "well"
        if was == "refuses":
            self._start()

    def _start(self) -> None:
        self.stopped = threading.Event()
        self.lines: list[socket.socket] = []
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.owner = self
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for line in self.lines:  # those that are kept open go on being answered else
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
