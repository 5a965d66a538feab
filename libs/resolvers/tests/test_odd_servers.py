"""Whatever a server or a proxy does, it is one error of the network that says what, and where.

The servers are real, and so are the engines that ask them.
"""

from __future__ import annotations

import gc
import re
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from envid.spec import EnvSpec, Source
from pkgcache.progress import NoProgress
from pkgcache.web.patience import Patience
from pkgcache.worker import Worker
from resolvers import errors
from resolvers.conda import CondaResolver
from resolvers.request import ResolveContext
from resolvers.testing import LocalServer

from .helpers import LINUX, resolve, spec_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    Answer = Callable[[BaseHTTPRequestHandler], None]
    Ask = Callable[..., errors.ResolveError]

PAGE = b"<!DOCTYPE html><html><body><p>Please log in to the network</p></body></html>"


class Odd(LocalServer):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests[request.path] += 1
        request.close_connection = True
        with suppress(OSError):
            self._answer(request)

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        # A connection whose headers contradict each other is closed when it is collected.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


class Proxy(LocalServer):
    """Refuses everything, tunnels too."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self._status = status
        self._server.RequestHandlerClass.do_CONNECT = lambda request: self.answer(request)  # type: ignore[attr-defined]  # noqa: PLW0108

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.send_response(self._status)
        request.send_header("Content-Length", "0")
        request.end_headers()


class Notes(NoProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def sending(*lines: str, body: bytes = b"") -> Answer:
    more = ("Connection: close", f"Content-Length: {len(body)}", "", "")
    head = "\r\n".join([*lines, *more]).encode()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(head + body)

    return answer


def closing(_: BaseHTTPRequestHandler) -> None:
    pass


def silent(_: BaseHTTPRequestHandler) -> None:
    time.sleep(300)


def begun(request: BaseHTTPRequestHandler) -> None:
    kind = "text/html" if "simple" in request.path else "application/json"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: 100000\r\n\r\n"
    request.wfile.write(head.encode() + b" " * 5000)


def stopping(request: BaseHTTPRequestHandler) -> None:
    begun(request)
    time.sleep(300)


def dripping(request: BaseHTTPRequestHandler) -> None:
    begun(request)
    while True:
        request.wfile.write(b" ")
        time.sleep(0.1)


ODD: dict[str, tuple[Answer, str]] = {
    "location": (
        sending("HTTP/1.1 302 Found", "Location: http://[bad"),
        "the server redirects to what is not a URL",
    ),
    "nowhere": (
        sending("HTTP/1.1 302 Found"),
        "the server answered 302 and did not say where to go",
    ),
    "circle": (
        sending("HTTP/1.1 302 Found", "Location: /again"),
        "the server redirected more than 10 times",
    ),
    "304": (sending("HTTP/1.1 304 Not Modified"), "the server answered 304"),
    "page": (
        sending("HTTP/1.1 200 OK", "Content-Type: text/html", body=PAGE),
        "the server sen(t|ds) a web page",
    ),
    "lengths": (
        sending("HTTP/1.1 200 OK", "Content-Length: 7", body=b"12345"),
        "the headers of the server's answer contradict each other",
    ),
    "hour": (
        sending("HTTP/1.1 503 Busy", "Retry-After: 3600"),
        "the server answered 503 and asked to wait for 3600 s",
    ),
    "many": (
        sending("HTTP/1.1 429 Busy", "Retry-After: 3600"),
        "the server answered 429 and asked to wait for 3600 s",
    ),
    "zone": (
        sending("HTTP/1.1 503 Busy", "Retry-After: Fri, 31 Dec 1999 23:59:59 +9999999"),
        r"\(503\)",
    ),
    "silent": (silent, "no answer for 1 seconds"),
    "stopping": (stopping, "no answer for 1 seconds"),
    "dripping": (dripping, "the server sent less than 1000 bytes per second"),
    "closing": (closing, "the connection broke off"),
}


MORE: dict[str, tuple[Answer, str]] = {
    "204": (sending("HTTP/1.1 204 No Content"), "the server answered 204"),
    "gzip": (
        sending("HTTP/1.1 200 OK", "Content-Encoding: gzip", body=b"none"),
        "not encoded as it says|[Ii]nvalid gzip header",
    ),
    "empty": (sending("HTTP/1.1 200 OK"), "it is no zip archive"),
    "other": (sending("HTTP/1.1 200 OK", body=b"{}"), "it is no zip archive"),
}
# What comes is whole, and says nothing of being another thing.
PAGES = ("page", "empty", "other")


@pytest.fixture(params=["uv", "py-rattler"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    def of_uv(url: str, **context: Any) -> None:
        resolve(spec_of("demo", index=f"{url}/simple"), tmp_path, **context)

    def of_rattler(url: str, **context: Any) -> None:
        spec = EnvSpec.make(
            requirements={"conda": ["demo"]}, python="", sources=[Source.make("channel", url)]
        )
        cache = ResolveContext(cache_dir=tmp_path / "engines", **context)
        with Worker() as worker:  # which knows the proxies of its beginning
            CondaResolver(worker).resolve(spec, [LINUX], cache)

    engine = of_uv if request.param == "uv" else of_rattler

    def ask(url: str, **context: object) -> errors.ResolveError:
        with pytest.raises(errors.ResolveError) as caught:
            engine(url, **context)
        return caught.value

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_server_is_one_clear_error(ask: Ask, kind: str) -> None:
    answer, words = ODD[kind]
    started = time.monotonic()
    with Odd(answer) as server:
        found = ask(server.origin, patience=Patience(silence=1.0, tries=2))
        assert time.monotonic() - started < 200
        assert type(found) is errors.IndexUnreachable
        assert found.where.startswith(server.origin)
        assert found.hint
        assert re.search(words, found.reason), str(found)
        assert "\n" not in str(found)


@pytest.fixture(params=["links", "links/", "demo-1-py3-none-any.whl"])
def asked_of(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*ODD, "204", "gzip", "empty", "other"])
def test_an_odd_page_of_find_links_or_a_package_at_a_url(
    asked_of: str, kind: str, tmp_path: Path
) -> None:
    answer, words = MORE.get(kind) or ODD[kind]
    with Odd(answer) as server:
        url = f"{server.origin}/{asked_of}"
        links = "links" in asked_of
        spec = spec_of(
            "demo" if links else f"demo @ {url}", index=(), find_links=[url] if links else ()
        )
        if kind in PAGES and links:
            words = "no list of packages, or an empty one"
        kinds = (errors.IndexUnreachable, errors.PackageUnreadable)[: 1 + (kind in PAGES)]
        with pytest.raises(kinds) as caught:
            resolve(spec, tmp_path, patience=Patience(silence=1.0, tries=2))
        assert re.search(words, str(caught.value)), str(caught.value)
        assert server.origin in str(caught.value)


def test_a_page_of_find_links_that_lists_another_package(tmp_path: Path) -> None:
    page = b'<!DOCTYPE html><html><a href="other-1-py3-none-any.whl">other</a></html>'
    answer = sending("HTTP/1.1 200 OK", "Content-Type: text/html", body=page)
    with Odd(answer) as server, pytest.raises(errors.UnknownPackage, match="demo was not found"):
        resolve(spec_of("demo", index=(), find_links=[f"{server.origin}/links"]), tmp_path)


def test_who_is_waited_for_is_told(ask: Ask) -> None:
    progress = Notes()
    with Odd(silent) as server:
        ask(server.origin, patience=Patience(silence=3.0, tries=1), progress=progress)
    assert "waiting for `127.0.0.1`" in progress.notes


@pytest.mark.slow
@pytest.mark.parametrize("number", [403, 407])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_one_clear_error(
    ask: Ask, number: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(number) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxy.origin.replace("://", "://me:s3cret@"))
        found = ask(f"{scheme}://demo.invalid/x", patience=Patience(silence=2.0, tries=2))
    assert type(found) is errors.IndexUnreachable
    assert found.where.startswith(f"{scheme}://demo.invalid/x")
    if scheme == "https":
        assert found.reason == f"the proxy `127.0.0.1` answered {number}"
    else:  # it answers in the place of the server
        assert f"({number})" in found.reason
    assert "s3cret" not in f"{found} {found.hint}"


def test_a_proxy_that_is_not_there_is_one_clear_error(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for scheme in ("http", "https"):
        found = ask(f"{scheme}://demo.invalid/x", patience=Patience(silence=2.0, tries=2))
        assert type(found) is errors.IndexUnreachable
        assert found.reason == "the proxy `127.0.0.1` cannot be used"


JSON = "application/vnd.pypi.simple.v1+json"
NAME = "demo-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("kind", "page", "words"),
    [
        (JSON, '{"meta":{"api-version":"1.0"},"name":"demo","files":[', "its page is damaged"),
        (JSON, '{"meta":{"api-version":"1.0"},"name":"demo","files":null}', "its page is damaged"),
        ("text/html", f'<a href="{NAME}#sha256=zz">{NAME}</a>', "its page is damaged"),
        (
            "text/html",
            f'<a href="http://me:s3cret@[bad/{NAME}">{NAME}</a>',
            "a link in its page is no URL: `http://",
        ),
    ],
)
def test_a_page_of_an_index_that_is_damaged(
    kind: str, page: str, words: str, tmp_path: Path
) -> None:
    answer = sending("HTTP/1.1 200 OK", f"Content-Type: {kind}", body=page.encode())
    with Odd(answer) as server, pytest.raises(errors.IndexUnreachable) as caught:
        resolve(spec_of("demo", index=f"{server.origin}/simple"), tmp_path)
    assert caught.value.where.startswith(f"{server.origin}/simple")
    assert caught.value.reason.startswith(words)
    assert "s3cret" not in str(caught.value)
    assert caught.value.hint == "have it mended there, or leave it out"


def test_an_index_with_an_empty_page_is_an_index(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html><body><h1>Links for demo</h1></body></html>"
    answer = sending("HTTP/1.1 200 OK", "Content-Type: text/html", body=page)
    with Odd(answer) as server, pytest.raises(errors.UnknownPackage):
        resolve(spec_of("demo", index=f"{server.origin}/simple"), tmp_path)
