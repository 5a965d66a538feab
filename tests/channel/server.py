"""A channel on a local port: validators, ranges, a login, and faults by script."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from resolvers.testing import LocalServer

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

__all__ = ["ChannelServer"]


class ChannelServer(LocalServer):
    """Serves a directory.

    `faults` maps a path, or its beginning, to the
    status to answer with, to `truncate` (half of the bytes), `garbage` (other bytes), `flip` (as
    many, one of them another), `stall` (no byte for a while), or `once:` and a fault that happens
    a single time. Without `ranges` it sends whole files only. `sent` counts the bytes of each path.
    With `login` it wants basic authentication, with `token` it is at `/t/TOKEN`.
    """

    def __init__(
        self, root: Path, *, login: tuple[str, str] | None = None, token: str | None = None
    ) -> None:
        super().__init__(login)
        self.root, self.token = root, token
        self.statuses: Counter[int] = Counter()
        self.sent: Counter[str] = Counter()
        self.ranges = True
        self.faults: dict[str, str | int] = {}
        self._closing = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        super().__exit__()

    @property
    def url(self) -> str:
        return self.origin

    @property
    def url_with_login(self) -> str:
        """The URL as a careless user writes it."""
        assert self.login
        return self.url.replace("://", f"://{self.login[0]}:{self.login[1]}@")

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        if self.token:
            # What comes without the token is not there, as channels with tokens have it.
            path = path.removeprefix(f"/t/{self.token}") if self.token in path else "/no-token"
        self.requests[path] += 1
        fault = self._fault(path)
        file = self.root / path.strip("/")
        if isinstance(fault, int):
            self._send(request, fault, b"scripted")
        elif not self.allows(request):
            self._send(request, 401, b"who are you")
        elif ".." in path or not file.is_file():
            self._send(request, 404, b"not here")
        else:
            self._send_file(request, file.read_bytes(), str(fault or ""))

    def _fault(self, path: str) -> str | int | None:
        for start, fault in list(self.faults.items()):
            if path.startswith(start):
                if isinstance(fault, str) and fault.startswith("once:"):
                    del self.faults[start]
                    rest = fault.removeprefix("once:")
                    return int(rest) if rest.isdigit() else rest
                return fault
        return None

    def _send_file(self, request: BaseHTTPRequestHandler, data: bytes, fault: str) -> None:
        if fault == "stall":
            self._closing.wait(30)
        if fault == "garbage":
            data = b"<html>please log in to the guest network</html>"
        if fault == "flip":
            data = bytes([data[0] ^ 1]) + data[1:]
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        asked = request.headers.get("Range", "") if self.ranges else ""
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        if request.headers.get("If-None-Match") == tag:
            self._send(request, 304, b"", tag)
        elif span:
            start = int(span[1])
            part = data[start : int(span[2]) + 1 if span[2] else len(data)]
            place = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
            self._send(request, 206, part, tag, place=place)
        else:
            self._send(request, 200, data, tag, cut=fault == "truncate")

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        tag: str | None = None,
        *,
        place: str | None = None,
        cut: bool = False,
    ) -> None:
        self.statuses[status] += 1
        self.sent[unquote(urlsplit(request.path).path)] += len(body)
        request.send_response(status)
        if status == 401:
            request.send_header("WWW-Authenticate", 'Basic realm="channel"')
        if tag:
            request.send_header("ETag", tag)
            request.send_header("Cache-Control", "no-cache")
        if place:
            request.send_header("Content-Range", place)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD" and status != 304:
            with suppress(ConnectionError):  # clients may not want all of it
                request.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            request.close_connection = True
