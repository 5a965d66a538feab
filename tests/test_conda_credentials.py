"""Channels that want to know who asks: resolved and fetched by the command, and nothing told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .channel import ChannelServer, cached
from .helpers import files

if TYPE_CHECKING:
    from .helpers import Machine

pytestmark = pytest.mark.slow

SECRET = "s3cret"


@pytest.fixture
def conda(machine: Machine) -> Machine:
    machine.environ |= {"MFENV_PYTHON_PROVIDER": "conda"}
    return machine


def check_secrecy(machine: Machine, *said: str) -> None:
    """The secret was not said, and is in no file of ours, here or in the store."""
    for text in (*said, machine.ok("config"), machine.ok("list", "--json")):
        assert SECRET not in text
    for folder in (machine.home, machine.store):
        assert [path for path in files(folder) if SECRET.encode() in path.read_bytes()] == []


def create(machine: Machine) -> Path:
    """The environment, with packages that come from where they lie and not from the store."""
    done = machine.run("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    assert done.status == 0, done.err
    machine.environ["MFENV_STORE"] = ""
    for path in files(machine.home / "cache"):
        path.unlink()
    prefix = Path(machine.ok("create", "team/env:v1"))
    assert "hello from" in machine.ok("run", "team/env:v1", "--", "greeter")
    check_secrecy(machine, done.out, done.err, machine.ok("show", "team/env:v1", "--json"))
    return prefix


def test_a_login_in_a_setting(conda: Machine) -> None:
    with ChannelServer(cached().main, login=("ann", SECRET)) as server:
        conda.environ["MFENV_CHANNELS"] = server.url_with_login
        prefix = create(conda)
    assert [path for path in prefix.glob("conda-meta/*") if SECRET in path.read_text()] == []


def test_a_login_in_netrc(conda: Machine) -> None:
    (conda.user / ".netrc").write_text(f"machine 127.0.0.1 login ann password {SECRET}\n")
    with ChannelServer(cached().main, login=("ann", SECRET)) as server:
        conda.environ["MFENV_CHANNELS"] = server.url
        create(conda)


def test_a_token_in_a_setting(conda: Machine) -> None:
    with ChannelServer(cached().root, token=SECRET) as server:
        conda.environ["MFENV_CHANNELS"] = f"{server.url}/t/{SECRET}/main"
        prefix = create(conda)
        assert not server.requests["/no-token"]
    assert [path for path in prefix.glob("conda-meta/*") if SECRET in path.read_text()] == []


def test_a_token_in_a_file_is_no_part_of_the_request(conda: Machine) -> None:
    with ChannelServer(cached().root, token=SECRET) as server:
        found = []
        for token in (SECRET, "another"):
            server.token = token
            text = f"channels: [{server.url}/t/{token}/main]\ndependencies: [greeter]\n"
            conda.file("environment.yml", text)
            found += conda.json("resolve", "-f", "environment.yml", "--force")["environments"]
    assert len({(one["req_id"], one["full_id"]) for one in found}) == 1
    check_secrecy(conda, str(found))


def test_a_wrong_token_is_not_told(conda: Machine) -> None:
    with ChannelServer(cached().root, token="another") as server:
        conda.environ["MFENV_CHANNELS"] = f"{server.url}/t/{SECRET}/main"
        said = conda.fails("resolve", "--conda", "greeter")
    assert f"`{server.url}/main` is not a conda channel" in said
    check_secrecy(conda, said)
