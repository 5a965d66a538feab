from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    Answer = Callable[["Handler"], None]


class Seen(NamedTuple):
    path: str
    headers: dict[str, str]

    @property
    def login(self) -> str | None:
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return base64.b64decode(value).decode() if kind == "Basic" else None


class Server(ThreadingHTTPServer):
    """Files at paths; `script` holds answers that come first, one for each request of a path."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.script: dict[str, list[Answer]] = {}
        self.seen: list[Seen] = []
        self.ranges = True
        self.sent: Counter[str] = Counter()
        self.mutex = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what these tests are about."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"

    def count(self, path: str) -> int:
        return sum(one.path == path for one in self.seen)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        with self.server.mutex:
            self.server.seen.append(Seen(self.path, headers))
            script = self.server.script.get(self.path)
            answer = script.pop(0) if script else None
        if answer:
            answer(self)
        elif self.path in self.server.files:
            self.send_file()
        else:
            self.send(404, b"<html>no such file</html>")

    @property
    def content(self) -> bytes:
        return self.server.files[self.path]

    @property
    def asked(self) -> tuple[int, int]:
        """The part that was asked for."""
        total = len(self.content)
        start, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        if not start:
            return max(0, total - int(last)), total
        return int(start), min(total, int(last) + 1) if last else total

    def send_file(self) -> None:
        start, stop = self.asked if self.server.ranges else (0, len(self.content))
        if start > len(self.content):
            self.send(416, b"")
        elif self.server.ranges and "Range" in self.headers:
            self.send_range(start, stop)
        else:
            self.send(200, self.content)

    def send_range(self, start: int, stop: int) -> None:
        total = len(self.content)
        part = self.content[start:stop]
        self.send(206, part, {"Content-Range": f"bytes {start}-{stop - 1}/{total}"})

    def send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.server.sent[self.path] += len(body)
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (as inherited)
        pass


def status(number: int, headers: Mapping[str, str] | None = None) -> Answer:
    return lambda handler: handler.send(number, b"an error page", headers)


def raw(*lines: str, data: bytes = b"") -> Answer:
    """Sends these lines as the beginning of its answer."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write("\r\n".join([*lines, "", ""]).encode() + data)

    return answer


def drip(begin: int, pause: float = 0.05) -> Answer:
    """Sends the beginning of what was asked for, and then a byte now and then."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        offset, total = handler.asked[0], len(handler.content)
        span = {"Content-Range": f"bytes {offset}-{total - 1}/{total}"} if offset else {}
        first, rest = handler.content[offset : offset + begin], handler.content[offset + begin :]
        handler.send(206 if offset else 200, first, span, length=total - offset)
        with suppress(OSError):  # whoever listened went away
            for byte in rest[:400]:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(pause)

    return answer


def redirect(location: str, number: int = 302) -> Answer:
    return lambda handler: handler.send(number, b"", {"Location": location})


def cut(length: int) -> Answer:
    """Promises everything, sends `length` bytes and closes the connection."""

    def answer(handler: Handler) -> None:
        handler.send(200, handler.content[:length], length=len(handler.content))
        handler.close_connection = True

    return answer


def reset() -> Answer:
    """Closes the connection without a word."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True

    return answer


def slam() -> Answer:
    """Sends half, and then has the connection reset."""

    def answer(handler: Handler) -> None:
        half = handler.content[: len(handler.content) // 2]
        handler.send(200, half, length=len(handler.content))
        time.sleep(0.1)  # what was sent must have arrived, or the reset overtakes it
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True

    return answer


def drip_head(begin: bytes = b"HTTP/1.1 200 OK\r\n", more: bytes = b"X: y\r\n") -> Answer:
    """Sends an answer whose head never ends, some bytes now and then."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        with suppress(OSError):  # whoever listened went away
            handler.wfile.write(begin)
            for _ in range(90):
                handler.wfile.write(more)
                handler.wfile.flush()
                time.sleep(0.1)

    return answer


def stall(seconds: float) -> Answer:
    """Sends half and then nothing for a while."""

    def answer(handler: Handler) -> None:
        half = handler.content[: len(handler.content) // 2]
        handler.send(200, half, length=len(handler.content))
        time.sleep(seconds)
        handler.close_connection = True

    return answer


def hang(seconds: float) -> Answer:
    """Says nothing for a while, and closes the connection."""

    def answer(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return answer


def body(data: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return lambda handler: handler.send(200, data, headers)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server()
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
