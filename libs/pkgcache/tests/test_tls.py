"""Downloads from a server with TLS, whose certificate may not be one to trust."""

from __future__ import annotations

import errno
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from requests.adapters import HTTPAdapter

from envid.packages import Hashes
from pkgcache.errors import DownloadError
from pkgcache.web.download import Downloader

from .server import redirect, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkgcache.web.receiving import Body

    from .server import Server

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")

FILE, DATA = "/demo.whl", b"demo"


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as found:
        found.files[FILE] = DATA
        yield found


@pytest.fixture(params=["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def trusted(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(request.param, str(certificate))


def url(server: Server, path: str = FILE, host: str = "127.0.0.1") -> str:
    return server.url(path, host).replace("http:", "https:")


def test_a_certificate_that_nobody_trusts_is_one_clear_error(
    server: Server, tmp_path: Path
) -> None:
    with Downloader() as downloader, pytest.raises(DownloadError) as caught:
        downloader.download(url(server).replace("//", "//me:geheim@"), tmp_path / "x")
    assert str(caught.value) == (
        f"cannot download `{url(server).replace('//', '//***@')}`: the TLS handshake failed"
    )
    assert (
        caught.value.hint == "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names the certificates to trust"
    )
    assert not caught.value.retryable
    assert server.seen == []


@pytest.mark.slow
def test_what_this_machine_lacks_is_not_the_fault_of_certificates(
    server: Server, tmp_path: Path, trusted: None
) -> None:
    """The file to write is opened, and then that of certificates cannot be."""
    script = f"""
import os, resource
from pathlib import Path
from pkgcache.errors import DownloadError
from pkgcache.web.download import Downloader
from pkgcache.web.patience import Patience

resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
with Downloader(patience=Patience(tries=1)) as downloader:
    downloader.download({url(server)!r}, Path("warm"))
with Downloader(patience=Patience(tries=1)) as downloader:
    try:
        while True:
            last = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        os.close(last)
    try:
        downloader.download({url(server)!r}, Path("x"))
    except DownloadError as error:
        print(error, error.hint)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = os.strerror(errno.EMFILE).lower()
    assert done.stdout == f"cannot download `{url(server)}`: {said} None\n"


@pytest.mark.slow
def test_a_certificate_for_another_host_is_refused(
    server: Server, tmp_path: Path, trusted: None
) -> None:
    with Downloader() as downloader, pytest.raises(DownloadError, match="TLS handshake"):
        downloader.download(url(server, host="localhost"), tmp_path / "x")
    assert server.seen == []


@pytest.mark.slow
def test_a_trusted_certificate_serves(server: Server, tmp_path: Path, trusted: None) -> None:
    with Downloader() as downloader:
        downloader.download(url(server), tmp_path / "x", size=len(DATA))
    assert (tmp_path / "x").read_bytes() == DATA


def test_what_is_trusted_is_read_once_for_all_connections(
    server: Server, tmp_path: Path, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, load = [], ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, *where: Any, **named: Any) -> None:
        read.append(where)
        load(self, *where, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    verify = HTTPAdapter.cert_verify

    def slow(*said: Any) -> None:
        verify(*said)  # type: ignore[no-untyped-call]
        time.sleep(0.05)  # so that the others are at it, too

    monkeypatch.setattr(HTTPAdapter, "cert_verify", slow)
    together = threading.Barrier(4)
    with Downloader() as downloader, ThreadPoolExecutor(4) as pool:

        def both(body: Body) -> bytes:
            together.wait(30)  # so that each has a connection
            return b"".join(body.pieces)

        assert {*pool.map(lambda _: downloader.read(url(server), both), range(4))} == {DATA}
    assert len(read) == 1


@pytest.mark.slow
def test_a_redirect_out_of_tls_is_refused(server: Server, tmp_path: Path, trusted: None) -> None:
    with serving() as plain:
        plain.files[FILE] = DATA
        server.script[FILE] = [redirect(plain.url(FILE))]
        with Downloader() as downloader, pytest.raises(DownloadError) as caught:
            downloader.download(url(server), tmp_path / "x", hashes=Hashes(sha256="0" * 64))
        assert plain.seen == []
    assert "it redirects from `https` to `http`" in str(caught.value)


def test_a_redirect_into_tls_is_followed(server: Server, tmp_path: Path, trusted: None) -> None:
    with serving() as plain, Downloader() as downloader:
        plain.script[FILE] = [redirect(url(server))]
        downloader.download(plain.url(FILE), tmp_path / "x", size=len(DATA))
    assert (tmp_path / "x").read_bytes() == DATA
