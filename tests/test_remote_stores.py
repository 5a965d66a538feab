"""The command with a store of each service: resolved on one machine, created on another."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from .emulators import KINDS, Service, running, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolvers.testing import FakeIndex

    from .helpers import Machine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=KINDS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    if reason := why_not(request.param):
        pytest.skip(reason)
    with running(request.param) as found:
        yield found


@pytest.fixture
def team(
    service: Service, machines: Callable[[str], Machine], request: pytest.FixtureRequest
) -> Callable[[str], Machine]:
    """Makes machines that share a store of the service."""

    def make(name: str) -> Machine:
        machine = machines(name)
        prefix = request.node.originalname
        machine.environ |= {**service.environ, "MFENV_STORE": service.url(prefix)}
        return machine

    return make


def test_what_one_machine_resolves_another_creates(
    team: Callable[[str], Machine], index: FakeIndex
) -> None:
    one, two = team("one"), team("two")
    resolved = one.ok("resolve", "--pypi", "app", "--alias", "team/app:v1")
    two.environ["MFENV_INDEX_URL"] = "http://127.0.0.1:9/simple"
    before = len(index.requests)
    two.ok("create", "team/app:v1", "--name", "app")
    assert two.ok("run", "app", "--", "python", "-c", "import app; print('runs')") == "runs"
    assert two.json("show", "team/app:v1") == one.json("show", resolved)
    assert len(index.requests) == before
    said = two.fails("resolve", "--pypi", "other", "--alias", "team/app:v1")
    assert "team/app:v1" in said


def test_a_store_that_cannot_be_used_says_why(
    service: Service, team: Callable[[str], Machine]
) -> None:
    machine = team("one")
    url = machine.environ["MFENV_STORE"].replace("team-bucket", "other-bucket")
    said = machine.fails("resolve", "--pypi", "app", env={"MFENV_STORE": url})
    assert "`other-bucket` does not exist" in said
    assert "hint: create it" in said
    wrong = url.replace("://", "://me:geheim@", 1)
    said = machine.fails("resolve", "--pypi", "app", env={"MFENV_STORE": wrong})
    assert "it holds a login" in said
    assert "geheim" not in said + machine.ok("config", env={"MFENV_STORE": wrong})


def test_a_server_ends_with_who_started_it(service: Service) -> None:
    code = (
        "import sys, time\n"
        "from tests.emulators import running\n"
        "with running(sys.argv[1]) as found:\n"
        "    print(found.endpoint, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, service.kind]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        endpoint = urlsplit(process.stdout.readline().strip())
        assert endpoint.hostname
        process.kill()
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            socket.create_connection((endpoint.hostname, endpoint.port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail(f"the server at {endpoint.netloc} still runs")
