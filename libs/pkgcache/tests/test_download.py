from __future__ import annotations

import gzip
import hashlib
import resource
import signal
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.emulators import closed_port

from envid.packages import Hashes
from pkgcache.errors import CacheError, DownloadError, HashMismatch, PkgcacheError
from pkgcache.web.credentials import Credentials
from pkgcache.web.download import Downloader
from pkgcache.web.patience import Patience
from pkgcache.web.receiving import Cancelled, Received

from .helpers import Recorder
from .server import body, cut, drip, drip_head, raw, redirect, reset, serving, slam, stall, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .server import Answer, Handler, Server

DATA = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(DATA).hexdigest()
HASHES = Hashes(sha256=SHA256)
FILE = "/simple/demo.whl"
PATIENCE = Patience(backoff=0.001, silence=0.5, longest=30.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        found.files[FILE] = DATA
        yield found


@pytest.fixture
def downloader() -> Iterator[Downloader]:
    with Downloader(patience=PATIENCE) as found:
        yield found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "demo.part"


def fetch(
    downloader: Downloader, url: str, target: Path, hashes: Hashes = HASHES, size: int = len(DATA)
) -> Received:
    return downloader.download(url, target, hashes=hashes, size=size)


def test_a_file_comes_with_its_hash_and_size(
    server: Server, downloader: Downloader, target: Path
) -> None:
    progress = Recorder()
    found = downloader.download(server.url(FILE), target, task=progress)
    assert found == Received(sha256=SHA256, size=len(DATA))
    assert target.read_bytes() == DATA
    assert progress.advanced == len(DATA)


@pytest.mark.parametrize(
    "answers",
    [
        *([status(number)] for number in (408, 425, 429, 500, 502, 503, 504)),
        [reset(), reset()],
        [cut(0)],
        [cut(1000), cut(2000), reset()],
        [slam(), slam()],
        [stall(1.5)],
        [status(503), cut(70_000), status(429, {"Retry-After": "0"})],
        [status(503, {"Retry-After": "nonsense"})],
        [status(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})],
    ],
)
def test_what_may_pass_is_tried_again(
    server: Server, downloader: Downloader, target: Path, answers: list[Answer]
) -> None:
    server.script[FILE] = answers
    asked = len(answers) + 1
    fetch(downloader, server.url(FILE), target)
    assert target.read_bytes() == DATA
    assert server.count(FILE) == asked


@pytest.mark.parametrize("number", [400, 401, 403, 404, 410])
def test_what_will_not_pass_is_not_tried_again(
    server: Server, downloader: Downloader, target: Path, number: int
) -> None:
    server.script[FILE] = [status(number)]
    with pytest.raises(DownloadError, match=str(number)) as caught:
        fetch(downloader, server.url(FILE), target)
    assert (caught.value.status, caught.value.retryable) == (number, False)
    assert server.count(FILE) == 1
    assert target.read_bytes() == b""


def test_missing_credentials_are_named_by_their_host(
    server: Server, downloader: Downloader, target: Path
) -> None:
    server.script[FILE] = [status(401)]
    with pytest.raises(DownloadError) as caught:
        fetch(downloader, server.url(FILE), target)
    assert "user name and" in (caught.value.hint or "")


def test_retry_after_is_honoured(server: Server, downloader: Downloader, target: Path) -> None:
    server.script[FILE] = [status(429, {"Retry-After": "1"})]
    start = time.monotonic()
    fetch(downloader, server.url(FILE), target)
    assert time.monotonic() - start >= 1


def test_a_server_that_stays_down_is_one_clear_error(
    server: Server, downloader: Downloader, target: Path
) -> None:
    server.script[FILE] = [status(503)] * 20
    with pytest.raises(DownloadError, match="the server answered 503") as caught:
        fetch(downloader, server.url(FILE), target)
    assert caught.value.retryable
    assert server.count(FILE) == PATIENCE.tries


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("socks5://127.0.0.1:1", "a SOCKS proxy cannot be used as it is"),
        ("other://127.0.0.1:1", "the address of the proxy is not a URL"),
        ("http://", "the address of the proxy is not a URL"),
    ],
)
def test_a_proxy_that_cannot_be_one_is_named(
    downloader: Downloader, target: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, reason: str
) -> None:
    if proxy.startswith("socks") and find_spec("socks"):
        pytest.skip("PySocks is installed")
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(DownloadError) as caught:
        fetch(downloader, "https://demo.invalid/x", target)
    assert (caught.value.reason, bool(caught.value.hint)) == (reason, True)


def test_a_refused_connection_is_one_clear_error(downloader: Downloader, target: Path) -> None:
    with closed_port() as port, pytest.raises(DownloadError, match="connection refused") as caught:
        fetch(downloader, f"http://127.0.0.1:{port}/x.whl", target)
    assert caught.value.retryable


def test_an_unknown_host_is_one_clear_error(downloader: Downloader, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"`http://nowhere\.invalid/x`"):
        fetch(downloader, "http://nowhere.invalid/x", target)


def test_a_server_without_tls_is_one_clear_error(
    server: Server, downloader: Downloader, target: Path
) -> None:
    with pytest.raises(DownloadError, match="TLS"):
        fetch(downloader, server.url(FILE).replace("http:", "https:"), target)


@pytest.mark.parametrize("url", ["ftp://a/b", "nonsense", "http://", "http://[/x", "", "data:,x"])
def test_what_is_no_url_is_refused(downloader: Downloader, target: Path, url: str) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(downloader, url, target)
    assert not caught.value.retryable


OK = "HTTP/1.1 200 OK"
PAGE = b"\n <!DOCTYPE html><html><body>Log in first</body></html>"


@pytest.mark.parametrize(
    ("answer", "said", "tried"),
    [
        (redirect("http://[bad"), "the server redirects to what is not a URL", 1),
        (raw("HTTP/1.1 302 Found"), "answered 302 and did not say where to go", 1),
        (raw("HTTP/1.1 304 Not Modified"), "the server answered 304", 1),
        (raw(OK, "Content-Length: 3", "Content-Length: 5"), "headers .* contradict", 1),
        (raw(OK, "Content-Type: text/html", data=PAGE), "sent a web page", 3),
        (raw("HTTP/1.1 206 x", f"Content-Range: bytes {'1' * 5000}-2/3"), "another range", 3),
        (raw("nonsense"), "the connection broke off", 3),
        (raw(OK, f"X-Long: {'x' * 100_000}"), "the connection broke off", 3),
        (status(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 +9999999"}), "answered 503", 3),
        (status(503, {"Retry-After": "nan"}), "answered 503", 3),
        (status(503, {"Retry-After": "1e999"}), "answered 503", 3),
        (status(503, {"Retry-After": "-5"}), "answered 503", 3),
        (status(503, {"Retry-After": "9" * 5000}), "answered 503", 3),
    ],
)
def test_an_odd_server_is_one_clear_error(
    server: Server, target: Path, answer: Answer, said: str, tried: int
) -> None:
    server.script[FILE] = [answer] * 20
    with (
        Downloader(patience=PATIENCE) as downloader,
        pytest.raises(DownloadError, match=said) as caught,
    ):
        fetch(downloader, server.url(FILE), target)
    assert (caught.value.retryable, caught.value.url) == (tried > 1, server.url(FILE))
    assert server.count(FILE) == tried


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            raw("HTTP/1.1 206 x", f"Content-Range: bytes 0-{'1' * 5000}/*"),
            "all of it was asked for",
        ),
        (raw("HTTP/1.1 206 x", "Content-Range: bytes 0-0/9", data=b"x"), "all of it was asked for"),
        (raw(OK, "Content-Encoding: gzip", data=b"no gzip at all"), "is not encoded as it says"),
    ],
)
def test_what_is_read_is_all_of_it_as_it_is(server: Server, answer: Answer, said: str) -> None:
    server.script["/bounds.txt"] = [answer] * 20
    with Downloader(patience=PATIENCE) as downloader, pytest.raises(DownloadError, match=said):
        downloader.read(server.url("/bounds.txt"), lambda body: b"".join(body.pieces))


def test_what_is_read_is_decoded(server: Server, downloader: Downloader) -> None:
    packed = gzip.compress(b"app\n")
    server.script["/bounds.txt"] = [raw(OK, "Content-Encoding: gzip", data=packed)]
    read = downloader.read(server.url("/bounds.txt"), lambda body: b"".join(body.pieces))
    assert read == b"app\n"


def test_who_asks_for_more_time_than_there_is_is_not_waited_for(
    server: Server, downloader: Downloader, target: Path
) -> None:
    server.script[FILE] = [status(503, {"Retry-After": "3600"})] * 20
    with pytest.raises(DownloadError, match="asked to wait for 3600 s") as caught:
        fetch(downloader, server.url(FILE), target)
    assert caught.value.retry_after == 3600
    assert server.count(FILE) == 1


def test_a_long_wait_is_told(server: Server, target: Path) -> None:
    server.script[FILE] = [status(503, {"Retry-After": "3"})]
    told: list[str] = []
    with Downloader(patience=Patience(on_wait=told.append)) as downloader:
        fetch(downloader, server.url(FILE), target)
    assert told == ["waiting 3 s before asking `127.0.0.1` again"]


@pytest.mark.parametrize("begin", [0, 100_000])
def test_a_server_that_drips_is_given_up(server: Server, target: Path, begin: int) -> None:
    server.script[FILE] = [drip(begin)] * 20
    patience = Patience(silence=0.5, speed=1000, backoff=0.001)
    with (
        Downloader(patience=patience) as downloader,
        pytest.raises(DownloadError, match="less than 1000 bytes per second"),
    ):
        fetch(downloader, server.url(FILE), target)
    assert server.count(FILE) == patience.tries


@pytest.mark.parametrize(
    "head",
    [(), (b"HTTP/1.1 200 OK\r\nX: ", b"y"), (b"", b"H"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["lines", "a line", "status", "to be continued"],
)
def test_a_server_whose_headers_drip_is_given_up(
    server: Server, target: Path, head: tuple[bytes, ...]
) -> None:
    server.script[FILE] = [drip_head(*head)] * 20
    patience = Patience(silence=0.5, backoff=0.001)
    started = time.monotonic()
    with (
        Downloader(patience=patience) as downloader,
        pytest.raises(DownloadError, match=r"no answer for 0\.5 seconds"),
    ):
        fetch(downloader, server.url(FILE), target)
    assert server.count(FILE) == patience.tries
    assert time.monotonic() - started < 40  # each goes on for nine


def test_a_server_that_breaks_off_all_the_time_is_given_up_in_the_end(
    server: Server, downloader: Downloader, target: Path
) -> None:
    server.script[FILE] = [one_byte()] * 1000
    with pytest.raises(DownloadError, match="broke off"):
        fetch(downloader, server.url(FILE), target)
    assert server.count(FILE) < 100


def one_byte() -> Answer:
    """Sends one byte of what is asked for, and closes the connection."""

    def answer(handler: Handler) -> None:
        start, total = handler.asked[0], len(DATA)
        headers = {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
        handler.send(206, DATA[start : start + 1], headers, length=total - start)
        handler.close_connection = True

    return answer


class TestResume:
    def test_only_the_rest_is_asked_for(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.script[FILE] = [cut(300_000)]
        fetch(downloader, server.url(FILE), target)
        assert [one.headers.get("range") for one in server.seen] == [None, "bytes=300000-"]

    def test_what_another_process_left_is_used(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        target.write_bytes(DATA[:100])
        fetch(downloader, server.url(FILE), target)
        assert [one.headers.get("range") for one in server.seen] == ["bytes=100-"]
        assert target.read_bytes() == DATA

    def test_what_is_complete_is_not_asked_for(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        target.write_bytes(DATA)
        fetch(downloader, server.url(FILE), target)
        assert server.seen == []

    @pytest.mark.parametrize("left", [b"wrong", b"x" * len(DATA), DATA + b"more"])
    def test_a_wrong_beginning_is_thrown_away(
        self, server: Server, downloader: Downloader, target: Path, left: bytes
    ) -> None:
        target.write_bytes(left)
        fetch(downloader, server.url(FILE), target)
        assert target.read_bytes() == DATA

    def test_a_server_that_ignores_ranges_starts_over(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.ranges = False
        target.write_bytes(DATA[:100])
        fetch(downloader, server.url(FILE), target)
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize(
        "header",
        [
            {"Content-Range": f"bytes 50-{len(DATA) - 1}/{len(DATA)}"},
            {"Content-Range": "nonsense"},
            {},
        ],
    )
    def test_a_server_that_answers_another_range_starts_over(
        self, server: Server, downloader: Downloader, target: Path, header: dict[str, str]
    ) -> None:
        def wrong(handler: Handler) -> None:
            handler.send(206, DATA[50:], header)

        server.script[FILE] = [wrong]
        target.write_bytes(DATA[:100])
        fetch(downloader, server.url(FILE), target)
        assert target.read_bytes() == DATA
        assert [one.headers.get("range") for one in server.seen] == ["bytes=100-", None]

    def test_a_file_that_shrank_starts_over(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        target.write_bytes(b"x" * (len(DATA) + 5))
        downloader.download(server.url(FILE), target, hashes=HASHES)
        assert target.read_bytes() == DATA


class TestContent:
    @pytest.mark.parametrize(
        "wrong",
        [DATA[:-1] + b"?", DATA[:-1], DATA + b"?", b"", b"<html>log in first</html>"],
    )
    def test_other_bytes_are_refused_after_one_more_try(
        self, server: Server, downloader: Downloader, target: Path, wrong: bytes
    ) -> None:
        server.files[FILE] = wrong
        with pytest.raises(HashMismatch) as caught:
            fetch(downloader, server.url(FILE), target)
        assert caught.value.filename == "demo.whl"
        assert server.count(FILE) == 2
        assert target.read_bytes() == b""

    def test_one_wrong_answer_is_survived(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.script[FILE] = [body(b"from a bad proxy")]
        fetch(downloader, server.url(FILE), target)
        assert target.read_bytes() == DATA

    def test_an_endless_answer_is_cut(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.files[FILE] = DATA * 40
        with pytest.raises(HashMismatch, match="is more, expected 512000 bytes"):
            fetch(downloader, server.url(FILE), target)

    def test_an_encoded_answer_is_taken_as_it_is(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.script[FILE] = [body(DATA, {"Content-Encoding": "gzip"})]
        fetch(downloader, server.url(FILE), target)
        assert target.read_bytes() == DATA
        assert server.seen[0].headers["accept-encoding"] == "identity"

    def test_an_answer_that_was_encoded_is_not_the_file(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.script[FILE] = [body(gzip.compress(DATA), {"Content-Encoding": "gzip"})] * 2
        with pytest.raises(HashMismatch, match=r"`demo\.whl`"):
            fetch(downloader, server.url(FILE), target)

    def test_an_md5_does_where_there_is_no_sha256(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        good, bad = Hashes(md5=hashlib.md5(DATA).hexdigest()), Hashes(md5="0" * 32)
        assert fetch(downloader, server.url(FILE), target, good).sha256 == SHA256
        with pytest.raises(HashMismatch, match="md5:00000"):
            fetch(downloader, server.url(FILE), target, bad)


class TestRedirects:
    def test_are_followed(self, server: Server, downloader: Downloader, target: Path) -> None:
        server.script["/old"] = [redirect("/older")]
        server.script["/older"] = [redirect(server.url(FILE), 307)]
        fetch(downloader, server.url("/old"), target)
        assert target.read_bytes() == DATA

    def test_without_end(self, server: Server, downloader: Downloader, target: Path) -> None:
        server.script["/loop"] = [redirect("/loop")] * 50
        with pytest.raises(DownloadError, match="redirected more than 10 times"):
            fetch(downloader, server.url("/loop"), target)

    def test_to_a_file(
        self, server: Server, downloader: Downloader, target: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_bytes(DATA)
        server.script["/x"] = [redirect((tmp_path / "secret").as_uri())]
        with pytest.raises(DownloadError, match="from `http` to `file`"):
            fetch(downloader, server.url("/x"), target)

    def test_do_not_take_a_login_to_another_host(
        self, server: Server, target: Path, tmp_path: Path
    ) -> None:
        credentials = Credentials()
        url = credentials.add(server.url("/private").replace("http://", "http://me:geheim@"))
        server.script["/private"] = [redirect(server.url(FILE, host="localhost"))]
        with Downloader(credentials) as downloader:
            fetch(downloader, url, target)
        assert [one.login for one in server.seen] == ["me:geheim", None]

    def test_take_a_login_along_on_one_host(self, server: Server, target: Path) -> None:
        credentials = Credentials()
        url = credentials.add(server.url("/private").replace("http://", "http://me:geheim@"))
        server.script["/private"] = [redirect(FILE)]
        with Downloader(credentials) as downloader:
            fetch(downloader, url, target)
        assert [one.login for one in server.seen] == ["me:geheim", "me:geheim"]

    def test_cannot_bring_a_login_of_their_own(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        server.script["/x"] = [redirect(server.url(FILE).replace("http://", "http://evil:x@"))]
        fetch(downloader, server.url("/x"), target)
        assert [one.login for one in server.seen] == [None, None]


def test_a_login_may_come_from_netrc(
    server: Server, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password geheim\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.script["/x"] = [redirect(server.url(FILE, host="localhost"))]
    with Downloader() as downloader:
        fetch(downloader, server.url("/x"), target)
    assert [one.login for one in server.seen] == ["me:geheim", None]


def test_a_channel_token_is_sent_and_not_shown(server: Server, target: Path) -> None:
    credentials = Credentials()
    url = credentials.add(server.url("/t/geheim/main"))
    with Downloader(credentials) as downloader, pytest.raises(DownloadError) as caught:
        fetch(downloader, f"{url}/x.conda", target)
    assert [one.path for one in server.seen] == ["/t/geheim/main/x.conda"]
    assert "/main/x.conda" in str(caught.value)
    assert "geheim" not in f"{caught.value} {caught.value!r}"


def test_cookies_are_not_kept(server: Server, downloader: Downloader, target: Path) -> None:
    server.script[FILE] = [body(b"?", {"Set-Cookie": "session=1; Path=/"})]
    fetch(downloader, server.url(FILE), target)
    assert all("cookie" not in one.headers for one in server.seen)


def test_no_login_is_in_any_error(server: Server, tmp_path: Path) -> None:
    credentials = Credentials()
    url = credentials.add(server.url("/gone").replace("http://", "http://me:geheim@"))
    with Downloader(credentials) as downloader, pytest.raises(PkgcacheError) as caught:
        downloader.download(f"{url}?token=geheim#geheim", tmp_path / "x")
    assert "geheim" not in f"{caught.value!s} {caught.value!r} {caught.value.hint}"
    assert "geheim" not in repr(credentials)
    assert "/gone" in str(caught.value)


class TestFiles:
    def test_a_file_url_is_checked_too(self, downloader: Downloader, tmp_path: Path) -> None:
        source = tmp_path / "a b.whl"
        source.write_bytes(DATA)
        fetch(downloader, source.as_uri(), tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == DATA
        source.write_bytes(DATA[:-1] + b"?")
        with pytest.raises(HashMismatch, match=r"a b\.whl"):
            fetch(downloader, source.as_uri(), tmp_path / "copy")

    def test_a_file_that_is_not_there(self, downloader: Downloader, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="no such file"):
            fetch(downloader, (tmp_path / "none").as_uri(), tmp_path / "copy")
        with pytest.raises(DownloadError, match="it is not a file"):
            fetch(downloader, tmp_path.as_uri(), tmp_path / "copy")


class TestTarget:
    def test_a_planted_symbolic_link_is_not_followed(
        self, server: Server, downloader: Downloader, target: Path, tmp_path: Path
    ) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        target.symlink_to(victim)
        fetch(downloader, server.url(FILE), target)
        assert victim.read_bytes() == b"precious"
        assert not target.is_symlink()

    def test_a_planted_hard_link_is_not_written_through(
        self, server: Server, downloader: Downloader, target: Path, tmp_path: Path
    ) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        target.hardlink_to(victim)
        fetch(downloader, server.url(FILE), target)
        assert victim.read_bytes() == b"precious"

    def test_a_full_disk_is_one_clear_error(
        self, server: Server, downloader: Downloader, target: Path
    ) -> None:
        # The kernel refuses to write beyond the limit, as it does on a full disk.
        before, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
        try:
            with pytest.raises(CacheError, match="file too large"):
                fetch(downloader, server.url(FILE), target)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, -1))
            signal.signal(signal.SIGXFSZ, handler)
        fetch(downloader, server.url(FILE), target)
        assert target.read_bytes() == DATA

    def test_a_place_that_cannot_be_written(
        self, server: Server, downloader: Downloader, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CacheError, match="not a directory"):
            fetch(downloader, server.url(FILE), tmp_path / "file" / "x")
        assert server.seen == []


def test_a_download_can_be_called_off(server: Server, target: Path) -> None:
    stop = threading.Event()
    server.script[FILE] = [status(503)]
    with Downloader(patience=Patience(backoff=1000)) as downloader:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Cancelled):
            downloader.download(server.url(FILE), target, hashes=HASHES, stop=stop)


def test_a_server_is_asked_what_it_has_and_what_time_it_is(
    server: Server, downloader: Downloader
) -> None:
    # It knows no HEAD.
    for path, answered in ((FILE, 200), ("/nothing", 404)):
        looked = downloader.look(server.url(path))
        assert looked.status == answered
        assert looked.date is not None
        assert abs(looked.date - time.time()) < 60
    server.script[FILE] = [raw("HTTP/1.1 200 OK", "Content-Length: 0", "Date: today")]
    assert downloader.look(server.url(FILE)).date is None
    server.server_close()
    with pytest.raises(DownloadError) as caught:
        downloader.look("http://127.0.0.1:9/")
    assert caught.value.reason == "connection refused"
    with Downloader(offline=True) as offline, pytest.raises(DownloadError):
        offline.look(server.url(FILE))


def test_a_proxy_is_named_without_its_login(
    downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:geheim@proxy:3128")
    monkeypatch.setenv("no_proxy", "inside")
    assert downloader.proxy("http://outside/x") == "http://***@proxy:3128"
    assert downloader.proxy("http://inside/x") is None
