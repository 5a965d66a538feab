"""Stores that do not answer, or from which somebody else does, where a container fetches mfenv."""

from __future__ import annotations

import gc
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from metaflow_extensions.mfenv.fetching import Failed, fetcher
from resolvers.testing import LocalServer

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

PAGE = b"<!DOCTYPE html><html><body>Log in</body></html>"


class Odd(LocalServer):
    """Answers everything with a page, or never, or with a byte now and then."""

    kind = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests[request.path] += 1
        request.close_connection = True
        if self.kind == "silent":
            time.sleep(300)
            return
        request.send_response(200)
        for name, value in {
            "Content-Type": "text/html",
            "Content-Length": str(len(PAGE) if self.kind == "page" else 100_000),
            "ETag": '"5f"',
            "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
        }.items():
            request.send_header(name, value)
        request.end_headers()
        with suppress(OSError):
            request.wfile.write(PAGE)
            while self.kind == "drips":
                request.wfile.write(b" ")
                time.sleep(0.05)


STORES = {
    "boto3": "s3://bucket/x?endpoint={}&region=us-east-1",
    "azure.storage.blob": "az://account/container/x?anonymous=true&endpoint={}/account",
    "google.cloud.storage": "gs://bucket/x?anonymous=true&endpoint={}",
}
"""The library of each service, of which Metaflow declares but one, and a store."""


# The libraries leave their connections to the collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("library", STORES)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("page", "web page|cannot be fetched"),
        ("silent", "cannot be fetched"),
        ("drips", "less than|Content-Range"),
    ],
)
def test_a_store_that_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, kind: str, said: str
) -> None:
    pytest.importorskip(library)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "MFENV_NETWORK_SILENCE": "1",
        "MFENV_NETWORK_TRIES": "2",
    }.items():
        monkeypatch.setenv(name, value)
    started = time.monotonic()
    with Odd() as server:
        server.kind = kind
        with pytest.raises(Failed, match=said):
            fetcher(STORES[library].format(server.origin))("a/b", tmp_path / "b")
        assert time.monotonic() - started < 200
        # Google's library looks at the bucket as well, for its traces.
        asked = [one for one in server.requests.elements() if "projection" not in one]
        assert len(asked) == 2
    gc.collect()
    assert not (tmp_path / "b").exists()


def test_limits_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFENV_NETWORK_TRIES", "many")
    with pytest.raises(Failed, match="MFENV_NETWORK_TRIES: `many` is not a number from 1"):
        fetcher("file:///x")
