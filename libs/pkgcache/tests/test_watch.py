"""Programs with waits of their own are led through a proxy that knows limits."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.emulators import closed_port

from pkgcache.web.patience import Patience
from pkgcache.web.watch import Watch

from .server import Server, drip, hang, serving, stall, status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .server import Answer, Handler

# What a program does that heeds the variables: one that is none of ours.
PROGRAM = """
import sys, urllib.request
for url in sys.argv[1:]:
    sys.stdout.buffer.write(urllib.request.urlopen(url, timeout=300).read())
"""


class Stranger(NamedTuple):
    environment: Mapping[str, str]


def fetch(watch: Watch | Stranger, *urls: str, trust: Path | None = None) -> tuple[bytes, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *urls],
        env={**watch.environment, **({"SSL_CERT_FILE": str(trust)} if trust else {})},
        capture_output=True,
        timeout=300,
        check=False,
    )
    return done.stdout, done.stderr.decode()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files["/a"] = b"some content" * 10_000
        yield server


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as server:
        server.files["/a"] = b"some content" * 10_000
        yield server


def test_what_comes_in_time_passes_unchanged(server: Server) -> None:
    server.files["/b"] = b"other"
    server.script["/missing"] = [status(404)]
    with serving() as other, Watch(Patience()) as watch:
        other.files["/c"] = b"another host"
        found, _ = fetch(watch, server.url("/a"), server.url("/b"), other.url("/c"))
        assert found == server.files["/a"] + b"other" + b"another host"
        assert "404" in fetch(watch, server.url("/missing"))[1]
        assert watch.faults == {}


def slow(times: int, seconds: float) -> Answer:
    """Sends what was asked for in pieces, with a pause before each."""

    def answer(handler: Handler) -> None:
        size = len(handler.content) // times
        handler.send(200, b"", length=len(handler.content))
        for start in range(0, len(handler.content), size):
            time.sleep(seconds)
            handler.wfile.write(handler.content[start : start + size])
        handler.close_connection = True

    return answer


ODD = {
    "silent": (hang(300), "no answer for 1 seconds"),
    "stops": (stall(300), "no answer for 1 seconds"),
    "drips": (drip(10), "the server sent less than 1000 bytes per second"),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_connection_that_brings_too_little_is_closed(server: Server, kind: str) -> None:
    answer, fault = ODD[kind]
    server.script["/a"] = [answer]
    started = time.monotonic()
    with Watch(Patience(silence=1.0)) as watch:
        fetch(watch, server.url("/a"))
        assert watch.faults == {"127.0.0.1": fault}
        assert time.monotonic() - started < 200
        # Who asks again, and is answered, has nothing to complain of.
        assert fetch(watch, server.url("/a"))[0] == server.files["/a"]
        assert watch.faults == {}


def test_what_is_slow_but_fast_enough_is_waited_for(server: Server) -> None:
    server.script["/a"] = [slow(6, 0.5)]
    with Watch(Patience(silence=1.0)) as watch:
        assert fetch(watch, server.url("/a"))[0] == server.files["/a"]


def test_who_is_waited_for_is_told(server: Server) -> None:
    told: list[str] = []
    server.script["/a"] = [hang(3.5)]
    with Watch(Patience(on_wait=told.append)) as watch:
        fetch(watch, server.url("/a"))
    assert told == ["waiting for `127.0.0.1`"]


def test_who_cannot_be_reached_is_known() -> None:
    with closed_port() as port, Watch(Patience()) as watch:
        fetch(watch, f"http://127.0.0.1:{port}/a")
        fetch(watch, "https://no-such-host.invalid/a")
        assert watch.faults["127.0.0.1"] == "connection refused"
        assert watch.faults["no-such-host.invalid"] == "the host name is not known"


# Many connections at once, to a host that takes long to be found; it ends while that lasts.
LOOK_UPS = """
import base64, socket, sys, time, urllib.parse
from pkgcache.web.patience import Patience
from pkgcache.web.watch import Watch

found, asked = socket.getaddrinfo, []
def slow(host, *args, **kwargs):
    if host == "localhost":
        asked.append(host)
        time.sleep(float(sys.argv[2]))
    return found(host, *args, **kwargs)
socket.getaddrinfo = slow

with Watch(Patience()) as watch:
    proxy = urllib.parse.urlsplit(watch.environment["http_proxy"])
    login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
    lines = [socket.create_connection((proxy.hostname, proxy.port)) for _ in range(20)]
    for line in lines:
        line.sendall(f"GET {sys.argv[1]} HTTP/1.0\\r\\nProxy-Authorization: Basic {login}\\r\\n\\r\\n".encode())
    if len(sys.argv) > 3:
        time.sleep(0.5)
    else:
        assert all(line.makefile("rb").read().endswith(b"content") for line in lines)
print(len(asked))
"""


@pytest.mark.parametrize("more", [("0.5",), ("300", "give up")])
def test_a_host_is_looked_up_once_and_nobody_waits_for_that_at_the_end(
    server: Server, more: tuple[str, ...]
) -> None:
    command = [sys.executable, "-c", LOOK_UPS, server.url("/a", "localhost"), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_nobody_else_is_served(server: Server) -> None:
    with Watch(Patience()) as watch:
        address = watch.environment["http_proxy"].rpartition("@")[2]
        for login in ("", "mfenv:guessed@"):
            stranger = Stranger({"http_proxy": f"http://{login}{address}"})
            assert "407" in fetch(stranger, server.url("/a"))[1]
    assert not server.seen


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_git_is_served(server: Server, tmp_path: Path) -> None:
    with Watch(Patience()) as watch:
        assert heads(server, watch, server.url(""), tmp_path) == (
            "c0ffee" * 6 + "c0ff\trefs/heads/main\n",
            "",
        )


def heads(
    server: Server, watch: Watch, url: str, home: Path, **environment: str
) -> tuple[str, str]:
    """What git finds in a repository that a server has as files, and what it says of it."""
    head = "c0ffee" * 6 + "c0ff"
    server.files["/r.git/info/refs?service=git-upload-pack"] = f"{head}\trefs/heads/main\n".encode()
    server.files["/r.git/HEAD"] = b"ref: refs/heads/none\n"
    done = subprocess.run(
        ["git", "ls-remote", f"{url}/r.git"],
        env={"HOME": str(home), "PATH": os.environ["PATH"], **watch.environment, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout, done.stderr


def test_the_proxy_of_the_user_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "localhost")
    with Watch(Patience()) as other:
        monkeypatch.setenv("http_proxy", other.environment["http_proxy"])
        with Watch(Patience()) as watch:
            assert fetch(watch, server.url("/a"))[0] == server.files["/a"]
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        with Watch(Patience()) as watch:
            assert fetch(watch, server.url("/a", "localhost"))[0] == server.files["/a"]
            fetch(watch, server.url("/a"))
            assert watch.faults == {"127.0.0.1": "the proxy `127.0.0.1` cannot be used"}


def test_who_has_no_proxy_waits_for_no_library_that_knows_of_them(server: Server) -> None:
    code = f"""
import os, subprocess, sys
from pkgcache.web.patience import Patience
from pkgcache.web.watch import Watch
with Watch(Patience()) as watch:
    program = [sys.executable, "-c", {PROGRAM!r}, {server.url("/a")!r}]
    done = subprocess.run(program, env=watch.environment, capture_output=True, check=True)
print(len(done.stdout), "requests" in sys.modules)
"""
    environ = {**os.environ, "no_proxy": "localhost"}
    environ = {
        name: text
        for name, text in environ.items()
        if not name.lower().endswith("_proxy") or name == "no_proxy"
    }
    found = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, check=True
    )
    assert found.stdout.split() == [b"%d" % len(server.files["/a"]), b"False"]


def test_the_variables_of_the_process_are_left_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.org")
    set_, listening = [], True
    sys.addaudithook(lambda event, _: set_.append(event) if listening and "env" in event else None)
    with Watch(Patience()) as watch:
        fetch(watch, server.url("/a", "localhost"))
    listening = False
    assert set_ == []


@pytest.mark.parametrize("number", [403, 407])
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % number)

        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        with Watch(Patience()) as watch:
            fetch(watch, "https://example.test/a")
            assert watch.faults == {"example.test": f"the proxy `127.0.0.1` answered {number}"}
        thread.join()


@pytest.mark.parametrize("proxy", ["http://", "other://127.0.0.1:1", "http:///x"])
def test_a_proxy_that_cannot_be_one_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with Watch(Patience()) as watch:
        fetch(watch, "https://demo.invalid/a")
        assert watch.faults == {"demo.invalid": "the address of the proxy is not a URL"}


def test_a_socks_proxy_is_left_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with Watch(Patience()) as watch:
        assert watch.environment == {}


# Of its own process, since a limit holds for all of one.
_LACKING = """
import os, resource, sys
import pkgcache.web._watching
from pkgcache.web.patience import Patience
from pkgcache.web.watch import Watch
there = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (there + int(sys.argv[1]),) * 2)
try:
    Watch(Patience(silence=1))
except OSError as error:
    print(error.errno)
"""


@pytest.mark.parametrize("more", range(4))
def test_who_cannot_serve_says_so_and_is_not_there(more: int) -> None:
    """A program that is led to nobody would say that its server refuses connections."""
    done = subprocess.run(
        [sys.executable, "-c", _LACKING, str(more)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{errno.EMFILE}\n"


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")
class TestTls:
    """Nothing of what is said is seen, but that something is, and how much."""

    @pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
    def test_git_is_served(self, secure: Server, certificate: Path, tmp_path: Path) -> None:
        with Watch(Patience()) as watch:
            url = secure.url("").replace("http", "https")
            found = heads(secure, watch, url, tmp_path, GIT_SSL_CAINFO=str(certificate))
            assert found == ("c0ffee" * 6 + "c0ff\trefs/heads/main\n", "")

    def test_it_is_the_server_that_answers(self, secure: Server, certificate: Path) -> None:
        with Watch(Patience()) as watch:
            found, _ = fetch(watch, secure.url("/a").replace("http", "https"), trust=certificate)
            assert found == secure.files["/a"]

    @pytest.mark.parametrize("kind", ODD)
    def test_limits_hold(self, secure: Server, certificate: Path, kind: str) -> None:
        answer, fault = ODD[kind]
        secure.script["/a"] = [answer]
        started = time.monotonic()
        with Watch(Patience(silence=1.0)) as watch:
            fetch(watch, secure.url("/a").replace("http", "https"), trust=certificate)
            assert watch.faults == {"127.0.0.1": fault}
        assert time.monotonic() - started < 200

    @pytest.mark.slow
    def test_who_is_waited_for_is_told(self, secure: Server, certificate: Path) -> None:
        told: list[str] = []
        secure.script["/a"] = [hang(3.5)]
        with Watch(Patience(on_wait=told.append)) as watch:
            fetch(watch, secure.url("/a").replace("http", "https"), trust=certificate)
        assert told == ["waiting for `127.0.0.1`"]
