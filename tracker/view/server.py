"""The local web server behind the page. It listens on loopback alone, and answers only who knows its link.

Other users of the machine and other web pages reach the same port: so every path begins with a secret, the Host header
must be ours (a foreign name that leads to 127.0.0.1 is refused), what changes anything must come from the page itself
(Origin), and no answer may be embedded or read elsewhere.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socketserver
from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from combatvla.errors import UserError, reason
from tracker.view.show import Flag, Source

HOST = "127.0.0.1"
LONGEST_BODY = 4096
"""Bytes of what the page sends."""
PIECE = 1 << 20
"""Bytes that are sent at a time."""
KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class FlagRequest(BaseModel):
    """What the page sends to set a flag, or to take it back."""

    model_config = ConfigDict(extra="forbid", strict=True)
    begin: float = Field(allow_inf_nan=False)
    end: float = Field(allow_inf_nan=False, lt=1e12)
    why: str = Field(default="", max_length=300)
    undo: bool = False

    @model_validator(mode="after")
    def _forward(self) -> FlagRequest:
        if not -1e12 < self.begin <= self.end:
            raise ValueError("a span ends after it begins")
        return self


class ViewServer(ThreadingHTTPServer):
    """Serves `sources` on loopback. `url` is the link; `UserError` when `port` (0: a free one) cannot be had."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, sources: Sequence[Source], port: int = 0) -> None:
        self.sources = sources
        self.secret = secrets.token_urlsafe(24)
        self.files = {
            file.name: file.read_bytes()
            for file in (resources.files(__package__) / "files").iterdir()
            if file.is_file()
        }
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} of {HOST} cannot be had ({error}): name another --port") from error

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for the machine's name, which may take long.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.secret}/"

    def handle_error(self, request, client_address) -> None:
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # a reader that goes away is no fault
            super().handle_error(request, client_address)


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, says: str) -> None:
        super().__init__(says)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "combatvla", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, act) -> None:
        try:
            act(self._admit())
        except _Refused as refused:
            self._json({"error": str(refused)}, refused.status)
        except UserError as error:
            self._json({"error": str(error)}, HTTPStatus.CONFLICT)
        except LookupError:
            self._json({"error": "there is nothing here"}, HTTPStatus.NOT_FOUND)

    def _admit(self) -> list[str]:
        """The parts of the path behind the secret. Raises `_Refused`."""
        port = self.server.server_port
        self.hosts = [f"{HOST}:{port}", f"localhost:{port}"]
        if self.headers.get("Host") not in self.hosts:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, f"expected to be called {self.hosts[0]}")
        _, secret, *parts = self.path.partition("?")[0].split("/") if self.path.startswith("/") else ("", "")
        if not hmac.compare_digest(secret.encode(), self.server.secret.encode()):
            raise _Refused(HTTPStatus.NOT_FOUND, "open the link that the command has printed")
        navigates = self.command == "GET" and self.headers.get("Sec-Fetch-Mode") == "navigate"
        if not navigates and self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise _Refused(HTTPStatus.FORBIDDEN, "another page may not ask for this")
        return parts

    def _get(self, parts: list[str]) -> None:
        sources, last = self.server.sources, len(self.server.sources) - 1
        match parts:
            case []:
                self._redirect(f"/{self.server.secret}/")
            case [""] if last == 0:
                self._redirect(f"/{self.server.secret}/0/")
            case [""]:
                self._file("list.html")
            case ["files", name]:
                self._file(name)
            case ["list.json"]:
                self._json({"count": last + 1})
            case [number, *rest]:
                self._of_source(sources[_index(number)], rest)

    def _of_source(self, source: Source, parts: list[str]) -> None:
        match parts:
            case [""]:
                self._file("view.html")
            case ["show.json"]:
                self._json({**asdict(source.show()), "several": len(self.server.sources) > 1})
            case ["card.json"]:
                self._json(asdict(source.card()))
            case ["film", name] if name.endswith(".mp4"):
                self._send_range(source.film(_index(name.removesuffix(".mp4"))), "video/mp4")
            case ["frames", number]:
                self._send(source.frames(_index(number)), "application/octet-stream")
            case ["motion", ("pointer" | "look") as kind, chunk]:
                self._send(source.motion(kind, _index(chunk)), "application/octet-stream")
            case _:
                raise LookupError

    def _post(self, parts: list[str]) -> None:
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.hosts]:
            raise _Refused(HTTPStatus.FORBIDDEN, "only the page itself may change anything")
        match parts:
            case [number, "flags"]:
                source = self.server.sources[_index(number)]
            case _:
                raise LookupError
        try:
            asked = FlagRequest.model_validate_json(self._body())
        except ValidationError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"expected a flag: {reason(error)}") from None
        flags = source.flag(Flag(asked.begin, asked.end, asked.why), undo=asked.undo)
        self._json({"flags": [asdict(flag) for flag in flags]})

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        if int(length) > LONGEST_BODY:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected {LONGEST_BODY} bytes at most")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        return self.rfile.read(int(length))

    # -- answers -----------------------------------------------------------------------------------------------------

    def _redirect(self, to: str) -> None:
        self._send(b"", "text/plain", HTTPStatus.SEE_OTHER, {"Location": to})

    def _file(self, name: str) -> None:
        self._send(self.server.files[name], KINDS[name.rpartition(".")[2]])

    def _json(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        if status >= 400:
            self.close_connection = True  # a body may be unread
        body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # A lone surrogate may stand in a recorded text.
        self._send(body.encode("utf-8", "replace"), "application/json; charset=utf-8", status)

    def _send_range(self, body: memoryview, kind: str) -> None:
        """All of it, or the part that is asked for: browsers seek in films so."""
        size, says = len(body), {"Accept-Ranges": "bytes"}
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        if found is None or found[0] == "bytes=-":
            self._send(body, kind, HTTPStatus.OK, says)
            return
        begin, end = found.groups()
        if begin:
            first, last = int(begin), min(int(end) if end else size - 1, size - 1)
        else:
            first, last = max(0, size - int(end)), size - 1
        if first > last:
            self._send(b"", kind, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
            return
        says["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._send(body[first : last + 1], kind, HTTPStatus.PARTIAL_CONTENT, says)

    def _send(self, body: bytes | memoryview, kind: str, status: HTTPStatus = HTTPStatus.OK, more=()) -> None:
        self.send_response(status)
        for name, value in {
            **HEADERS,
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **dict(more),
        }.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for begin in range(0, len(body), PIECE):
                self.wfile.write(body[begin : begin + PIECE])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself, in our words."""
        self.close_connection = True
        if not hasattr(self, "command"):
            self.command = ""
        self._json({"error": message or HTTPStatus(code).phrase}, HTTPStatus(code))

    def log_message(self, format: str, *args) -> None:
        """Says nothing: the terminal shows the link."""


def _index(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise LookupError(text)
    return int(text)
