"""Indexes and channels that fail at first, that stop in the middle, or that are not to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from resolvers.testing import FakeIndex

from .helpers import Machine, distributions

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from .channel import ChannelServer

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
