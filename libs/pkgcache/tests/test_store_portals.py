"""Portals, proxies and logins that answer in the place of a store's service."""

from __future__ import annotations

import gc
import re
import threading
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pkgcache.errors import StoreError
from pkgcache.stores.opening import open_store
from pkgcache.web.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pkgcache.stores.store import Store

PAGE = b"<!DOCTYPE html><html><body><form>Log in to the network</form></body></html>"
AS_A_FILE = {"ETag": '"5f"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
URLS = {
    "s3": "s3://bucket/x?endpoint={}",
    "azure": "az://account/container/x?anonymous=true&endpoint={}/account",
    "gcs": "gs://bucket/x?anonymous=true&endpoint={}",
}
REQUESTS: dict[str, Callable[[Store], object]] = {
    "look up": lambda store: store.head("a/b"),
    "read": lambda store: store.read("a/b"),
    "list": lambda store: list(store.list("a")),
    "delete": lambda store: store.delete("a/b"),
    "write": lambda store: store.put("a/b", b"x"),
    "write once": lambda store: store.put("a/b", b"x", if_absent=True),
}

Answers = tuple[int, "Mapping[str, str]", bytes]


class Portal(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def answering(answer: Callable[[str], Answers]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answer(self.command)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = Portal(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    pytest.importorskip({"s3": "boto3", "azure": "azure.storage.blob"}.get(request.param, "google"))
    return URLS[request.param]


def refused(store: Store, request: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        REQUESTS[request](store)
    message = f"{caught.value}"
    assert "\n" not in message
    assert not re.search("delete (the|it)", f"{message} {caught.value.hint}")
    return caught.value


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("headers", [{}, AS_A_FILE], ids=["page", "file"])
def test_a_page_is_not_taken_for_an_answer(
    url: str, headers: Mapping[str, str], request_: str
) -> None:
    if "write" in request_ and headers:
        pytest.skip("nobody answers what is written with a file")
    html = {"Content-Type": "text/html; charset=utf-8"}
    with answering(lambda _: (200, {**html, **headers}, PAGE)) as endpoint:
        store = open_store(url.format(endpoint), Patience(backoff=0.01))
        found = refused(store, request_)
    assert found.reason.startswith(("a web page came", "what answers is not the service"))
    assert found.hint
    assert "proxy or a login page" in found.hint


def test_a_page_of_any_type_is_no_object(url: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "x-goog-generation": "1", **AS_A_FILE}
    with answering(lambda _: (200, headers, PAGE)) as endpoint:
        store = open_store(url.format(endpoint), Patience(backoff=0.01))
        found = refused(store, "read")
    assert found.reason.startswith(("a web page came", "what answers is not the service"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/html", **AS_A_FILE},
        {"Content-Type": "application/octet-stream", **AS_A_FILE},
        {"Content-Type": "application/octet-stream"},
    ],
    ids=["page", "page without a type", "nonsense"],
)
def test_an_answer_that_is_refused_keeps_no_connection(
    url: str, headers: Mapping[str, str]
) -> None:
    with answering(lambda _: (200, headers, PAGE * 100_000)) as endpoint:
        refused(open_store(url.format(endpoint), Patience(backoff=0.01)), "read")
        with warnings.catch_warnings(record=True) as unclosed:
            warnings.simplefilter("always", ResourceWarning)
            gc.collect()
    assert [f"{warning.message}" for warning in unclosed] == []


@pytest.mark.parametrize("status", [302, 403, 407, 511])
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_refusal_by_somebody_else_is_one_line(url: str, status: int, request_: str) -> None:
    headers = {"Content-Type": "text/html", "Location": "http://127.0.0.1:1/login"}
    with answering(lambda _: (status, headers, PAGE)) as endpoint:
        found = refused(open_store(url.format(endpoint), Patience(backoff=0.01)), request_)
    assert found.hint or found.retryable


ERROR = b"<Error><Code>%b</Code><Message>no</Message></Error>"


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"])
def test_a_login_that_expired_is_known_by_what_is_said_to_a_get(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "x")
    body = ERROR % code.encode()
    with answering(lambda _: (status, {"Content-Type": "application/xml"}, body)) as endpoint:
        found = refused(open_store(URLS["s3"].format(endpoint)), "look up")
    assert found.reason == f"the login was refused ({code})"
    assert found.hint
    assert "whether they have expired" in found.hint
