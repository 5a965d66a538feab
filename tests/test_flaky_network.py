"""Indexes and channels that fail at first, that stop in the middle, or that are not to be trusted."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from resolvers.testing import FakeIndex

from .helpers import Machine, distributions, failure

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from .channel import ChannelServer

pytestmark = pytest.mark.slow

HOST = host_platform()


class FlakyIndex(FakeIndex):
    """Answers the first request of every path with a failure."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        first = request.path not in self.requests
        self.failures = {request.path: 503} if first else {}
        super().answer(request)


def test_an_index_of_which_everything_fails_once(tmp_path: Path) -> None:
    with FlakyIndex(*distributions()) as index:
        machine = Machine(tmp_path, index, tmp_path / "store")
        machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
        assert machine.run("run", "a:v1", "--", "hello").status == 7
        assert max(index.requests.values()) == 2


@pytest.mark.parametrize("fault", ["503", "429", "truncate", "garbage", "flip"])
def test_a_package_of_a_channel_that_fails_once(
    conda: Machine, server: ChannelServer, fault: str
) -> None:
    server.faults[f"/{HOST}/greeter"] = f"once:{fault}"
    conda.ok("resolve", "--conda", "greeter", "--alias", "a:v1")
    assert server.faults == {}
    assert "hello from" in conda.ok("run", "a:v1", "--", "greeter")


def test_a_channel_that_fails_once(conda: Machine, server: ChannelServer) -> None:
    server.faults["/noarch"] = "once:503"
    conda.ok("resolve", "--conda", "greeter")
    assert server.faults == {}


class SilentServer(FakeIndex):
    """Takes every request, and says nothing for longer than anybody here waits."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        time.sleep(300)
        request.close_connection = True


QUESTIONS = {
    "index": ("--pypi", "app", "--python-provider", "system", "--index-url", "URL/simple"),
    "channel": ("--conda", "greeter", "--channel", "URL"),
    "store": ("--pypi", "app", "--python-provider", "system", "--store", "s3://b/x?endpoint=URL"),
    "file": ("-r", "URL/requirements.txt"),
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_silent_server_is_waited_for_as_long_as_the_settings_say(
    conda: Machine, kind: str
) -> None:
    env = {
        "MFENV_NETWORK_SILENCE": "3",
        "MFENV_NETWORK_TRIES": "2",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    with SilentServer() as server:
        words = [one.replace("URL", server.origin) for one in QUESTIONS[kind]]
        started = time.monotonic()
        done = conda.run("resolve", *words, env=env)
        said = failure(done)
        assert time.monotonic() - started < 200
        assert "no answer for 3 seconds" in said
        assert server.origin in said or "`s3://b/x?endpoint=***`" in said
        assert re.search("waiting for .*`127.0.0.1`", done.err)


def test_servers_without_tls(conda: Machine, server: ChannelServer, index: FakeIndex) -> None:
    before = conda.state()
    for words, url in (
        (("--pypi", "app", "--python-provider", "system", "--index-url"), index.url),
        (("--conda", "greeter", "--channel"), server.url),
    ):
        secure = url.replace("http://", "https://me:s3cret@")
        said = conda.fails("resolve", *words, secure)
        assert f"`{url.replace('http:', 'https:')}" in said
        assert "s3cret" not in said
    assert conda.state() == before
