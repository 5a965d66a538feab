"""The proxy of a `Watch` at work. What it stands on takes a while to import."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from pkgcache.web.patience import TALKATIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from pkgcache.web.patience import Patience

    _Addresses: TypeAlias = list[tuple[Any, ...]]
    Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

__all__ = ["Watching"]

_CHUNK = 1 << 18
_END = b"\r\n\r\n"
_PORTS = {"http": 80, "https": 443}
# Some, such as git, send a login only once they are told of which kind.
_NOT_YET = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="mfenv"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
)
# Seconds; the second is what RFC 8305 (Happy Eyeballs) recommends.
_TICK, _NEXT_ADDRESS = 1.0, 0.25
# What keeps an HTTP/2 connection going under TLS is shorter than any request.
_REQUEST = 50
_GREETING = 600


class _Fault(Exception):
    """What a server or proxy did that is not borne."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: SplitResult
    version: str
    headers: tuple[str, ...]

    @classmethod
    def read(cls, head: bytes) -> _Request:
        """Raises `ValueError` where it is none."""
        first, *headers = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = first.split(" ")
        url = urlsplit(f"https://{target}" if method == "CONNECT" else target)
        return cls(method, url, version, tuple(headers))

    @property
    def is_tunnel(self) -> bool:
        return self.method == "CONNECT"

    @property
    def host(self) -> str:
        return self.url.hostname or ""

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.url.port or _PORTS[self.url.scheme]

    def sent(self, proxy: SplitResult | None) -> bytes:
        """The request as the server gets it, or the next proxy."""
        target = self.url.netloc if self.is_tunnel else self.url.geturl()
        if not proxy:
            target = self.url._replace(scheme="", netloc="").geturl() or "/"
        # The headers between a program and its proxy (RFC 9110, 7.6.1); that is where the login
        # for us is.
        own = ("proxy-", "connection:", "keep-alive:")
        kept = [header for header in self.headers if not header.lower().startswith(own)]
        if proxy and proxy.username is not None:
            kept.append(f"Proxy-Authorization: {_basic(proxy.username, proxy.password or '')}")
        if not self.is_tunnel:
            kept.append("Connection: close")
        return "\r\n".join([f"{self.method} {target} {self.version}", *kept, "", ""]).encode(
            "latin-1"
        )


@dataclass(slots=True, eq=False)
class _Line:
    """A connection to a server: what it brought since it was asked, or was last found in order."""

    host: str
    in_tunnel: bool
    owed: bool = True
    asked: int = 0
    greeted: int = 0
    greeting: int = 0
    held_up: bool = False
    received: int = 0
    since: float = field(default_factory=time.monotonic)
    last: float = 0.0

    def begin(self) -> None:
        self.received, self.since = 0, time.monotonic()

    def ask(self, sent: int) -> None:
        """Count what the program sends through a tunnel."""
        self.asked += 1
        self.owed = self.owed or sent >= _REQUEST
        self.begin()

    def count(self, received: int) -> None:
        self.last = time.monotonic()
        if self.in_tunnel:
            # The server's last words on TLS itself come after the program's second, and are short.
            self.greeted = self.greeted or (self.asked if self.asked > 1 else 0)
            if self.greeted and self.asked - self.greeted <= 1:
                self.greeting += received
                if self.greeting < _GREETING:
                    return
            self.owed = False  # unless this is not all of it, which only the program knows
        self.received += received


class Watching:
    """Serves programs that send `login`; `faults` is the one of its `Watch`."""

    def __init__(
        self,
        listening: socket.socket,
        login: str,
        patience: Patience,
        proxies: Mapping[str, str],
        faults: dict[str, str],
    ) -> None:
        self.faults = faults
        self._patience, self._proxies, self._login = patience, proxies, login
        self._told: set[str] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = _Loop()
        serving = asyncio.start_server(self._accept, sock=listening)
        self._server = self._loop.run_until_complete(serving)

    def run(self) -> None:
        """Serve until it is closed."""
        self._loop.run_forever()
        self._loop.close()

    def close(self) -> None:
        """Close all connections, from another thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _end(self) -> None:
        self._server.close()
        await _ended(self._serving)
        for _ in range(3):  # the steps in which a stream is closed
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = _Request.read(await reader.readuntil(_END))
            if self._login not in map(str.lower, request.headers):
                writer.write(_NOT_YET)
                return
            line = _Line(request.host, request.is_tunnel)
            work = self._answer(request, line, (reader, writer))
            # Whichever ends first ends the other: the work is done, or the watcher has seen enough.
            todo = [asyncio.create_task(coroutine) for coroutine in (work, self._mind(line))]
            try:
                done, _ = await asyncio.wait(todo, return_when=asyncio.FIRST_COMPLETED)
                done.pop().result()
            except _Fault as fault:
                self.faults[line.host] = str(fault)
            finally:
                await _ended(todo)
        except (OSError, ValueError, KeyError, EOFError, asyncio.LimitOverrunError):
            pass  # the program is gone, or is none of ours
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()
            # Until all of it is sent; whoever ends us before that leaves no open socket.
            try:
                await writer.wait_closed()
            except OSError:
                pass
            except asyncio.CancelledError:
                writer.transport.abort()
                raise

    async def _mind(self, line: _Line) -> None:
        """Watch a connection; raises `_Fault` once it brings too little."""
        silence, speed, slow = self._patience.silence, self._patience.speed, False
        while True:
            await asyncio.sleep(min(_TICK, silence / 4))
            now = time.monotonic()
            if line.held_up:  # by the program itself
                line.begin()
            passed, before = now - line.since, slow
            if line.owed and not line.received and passed > TALKATIVE:
                self._tell(line.host)
            slow = passed >= silence and line.received < speed * passed
            if passed >= silence and not slow:
                line.begin()
            # What has arrived may not be counted yet, so that it is the second time that counts.
            if not (slow and before):
                continue
            if not line.received or now - line.last > silence / 2:
                raise _Fault(f"no answer for {silence:g} seconds")
            raise _Fault(f"the server sent less than {speed} bytes per second")

    def _tell(self, host: str) -> None:
        if host not in self._told:
            self._told.add(host)
            self._patience.on_wait(f"waiting for `{host}`")

    async def _answer(self, request: _Request, line: _Line, program: Stream) -> None:
        proxy = self._proxy(request)
        there = await _connected(request, proxy)
        try:
            if not request.is_tunnel or proxy:
                there[1].write(request.sent(proxy))
            if request.is_tunnel:
                if proxy:
                    await _tunnelled(proxy, there[0])
                program[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            # Each connection has a single request, as the next may be for another server.
            elif first := await there[0].readline():
                self._count(line, first)
                program[1].write(first + b"Connection: close\r\n")
            line.begin()
            ways = (
                self._bring(there[0], program[1], line),
                _ask(program[0], there[1], line),
            )
            todo = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(todo, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _ended(todo)
        finally:
            there[1].transport.abort()

    async def _bring(
        self, server: asyncio.StreamReader, program: asyncio.StreamWriter, line: _Line
    ) -> None:
        while data := await server.read(_CHUNK):
            self._count(line, data)
            program.write(data)
            line.held_up = True
            await program.drain()
            line.held_up = False

    def _count(self, line: _Line, data: bytes) -> None:
        line.count(len(data))
        self.faults.pop(line.host, None)
        self._told.discard(line.host)

    def _proxy(self, request: _Request) -> SplitResult | None:
        """The proxy that our own downloads would ask."""
        # Most users have none, and all that asks through here waits while this is imported.
        if not self._proxies.keys() - {"no"}:
            return None
        from requests.utils import select_proxy, should_bypass_proxies

        url = request.url.geturl()
        address = select_proxy(url, self._proxies)
        # Told what NO_PROXY says, it would set a variable of ours while other threads read them.
        if not address or should_bypass_proxies(url, None):
            return None
        proxy = urlsplit(address if "://" in address else f"http://{address}")
        if proxy.scheme not in _PORTS or not proxy.hostname:
            raise _Fault("the address of the proxy is not a URL")
        return proxy


class _Loop(asyncio.SelectorEventLoop):
    """Looks a host up once for all connections that wait for it.

    Many look-ups at once are too many for some name servers. At its end a program waits for the
    threads of asyncio, but not for these.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[object, Future[_Addresses]] = {}

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> _Addresses:
        key = host, port, *how.items()
        answer = self._asked.get(key)
        if not answer:
            answer = self._asked[key] = Future()
            answer.set_running_or_notify_cancel()  # so that who gives up ends it for nobody else
            answer.add_done_callback(lambda _: self._asked.pop(key, None))
            work = Thread(target=_look_up, args=(answer, host, port, how), daemon=True)
            try:
                work.start()
            except RuntimeError:  # no more threads are to be had
                work.run()
        return await asyncio.wrap_future(answer)


def _look_up(answer: Future[_Addresses], host: Any, port: Any, how: Mapping[str, Any]) -> None:
    try:
        answer.set_result(socket.getaddrinfo(host, port, **how))
    except (OSError, UnicodeError) as error:
        answer.set_exception(error)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    running = [*tasks]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _connected(request: _Request, proxy: SplitResult | None) -> Stream:
    host, port = request.address
    tls = None
    if proxy:
        host, port = proxy.hostname or "", proxy.port or _PORTS[proxy.scheme]
        tls = ssl.create_default_context() if proxy.scheme == "https" else None
    try:
        return await asyncio.open_connection(
            host, port, ssl=tls, happy_eyeballs_delay=_NEXT_ADDRESS
        )
    except OSError as error:
        if proxy:
            raise _Fault(f"the proxy `{host}` cannot be used") from None
        if isinstance(error, socket.gaierror):
            raise _Fault("the host name is not known") from None
        reason = os.strerror(error.errno) if error.errno else "the connection cannot be made"
        raise _Fault(reason.lower()) from None


async def _tunnelled(proxy: SplitResult, server: asyncio.StreamReader) -> None:
    """Read what the next proxy says to the wish for a tunnel."""
    try:
        head = (await server.readuntil(_END)).decode("latin-1")
        status = head.split(" ")[1]
    except (EOFError, IndexError):
        raise _Fault(f"the proxy `{proxy.hostname}` broke off") from None
    if not status.startswith("2"):
        raise _Fault(f"the proxy `{proxy.hostname}` answered {status}")


async def _ask(program: asyncio.StreamReader, server: asyncio.StreamWriter, line: _Line) -> None:
    while data := await program.read(_CHUNK):
        server.write(data)
        await server.drain()
        if line.in_tunnel:
            line.ask(len(data))


def _basic(user: str, password: str) -> str:
    text = f"{unquote(user)}:{unquote(password)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
