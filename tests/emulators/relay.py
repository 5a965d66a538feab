"""What stands between a store and its service: it remembers the requests, and makes trouble."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Trouble = Callable[["Handler", "Asked"], None]

_OF_A_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Planned:
    method: str
    part: str
    trouble: Trouble
    times: int


class Relay(ThreadingHTTPServer):
    """Passes everything on to `upstream`, but for what was planned."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream).netloc
        self.seen: list[Asked] = []
        self.planned: list[Planned] = []
        self.mutex = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def plan(self, method: str, trouble: Trouble, *, part: str = "", times: int = 1) -> None:
        """For the next requests of that method with `part` in their path."""
        self.planned.append(Planned(method, part, trouble, times))

    def asked(self, method: str, part: str = "") -> list[Asked]:
        return [one for one in self.seen if one.method == method and part in one.path]

    def trouble_for(self, asked: Asked) -> Trouble | None:
        with self.mutex:
            self.seen.append(asked)
            for one in self.planned:
                if one.times and one.method == asked.method and one.part in asked.path:
                    one.times -= 1
                    return one.trouble
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break off are what this is about."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {key.lower(): value for key, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        trouble = self.server.trouble_for(asked)
        if trouble:
            trouble(self, asked)
        else:
            self.answer(self.forward(asked))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = relay  # noqa: N815  (as inherited)

    def forward(self, asked: Asked) -> Answer:
        connection = http.client.HTTPConnection(self.server.upstream)
        connection.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
        for key, value in asked.headers.items():
            if key not in _OF_A_HOP:
                connection.putheader(key, value)
        connection.endheaders(asked.body)
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def answer(self, answer: Answer, *, length: int | None = None) -> None:
        """Give an answer, or the first `length` bytes of its body."""
        self.send_response_only(answer.status)
        for key, value in answer.headers.items():
            if key.lower() not in {*_OF_A_HOP, "content-length"}:
                self.send_header(key, value)
        size = len(answer.body)
        if self.command == "HEAD":
            size = int({k.lower(): v for k, v in answer.headers.items()}.get("content-length", 0))
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(answer.body[:length])
        self.wfile.flush()

    def hang_up(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (as inherited)
        pass


def refuse(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Trouble:
    return lambda handler, _: handler.answer(Answer(status, dict(headers or {}), body))


def reset() -> Trouble:
    """The connection breaks before the service sees the request."""
    return lambda handler, _: handler.hang_up()


def lose_answer() -> Trouble:
    """The service does what it was asked for, and nobody hears of it."""

    def trouble(handler: Handler, asked: Asked) -> None:
        handler.forward(asked)
        handler.hang_up()

    return trouble


def cut(length: int, then: Callable[[], object] = lambda: None) -> Trouble:
    """The first bytes of an answer; then something happens, and the connection ends."""

    def trouble(handler: Handler, asked: Asked) -> None:
        answer = handler.forward(asked)
        then()
        handler.answer(answer, length=length)
        handler.close_connection = True

    return trouble


def forget(*names: str) -> Trouble:
    """The service does not know these headers."""

    def trouble(handler: Handler, asked: Asked) -> None:
        headers = {key: value for key, value in asked.headers.items() if key not in names}
        handler.answer(handler.forward(asked._replace(headers=headers)))

    return trouble
