"""The commands in a group of another program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mfenv.command_line import commands, run
from mfenv.environments import Environments
from mfenv.host import Host
from mfenv.settings import Settings

from .helpers import resolved

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Other(Host):
    """A host whose environments lie in a home of its own."""

    def __init__(self, home: Path, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.home = home

    def environments(self, options: dict[str, Any] | None = None) -> Environments:
        return Environments(Settings.load({"home": str(self.home), **(options or {})}))


def group(host: Host) -> click.Group:
    found = click.Group("other", commands=commands())
    found.context_settings = {"obj": host}
    return found


def test_a_host_says_which_environments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = resolved("a")
    with Other(tmp_path).environments() as environments:
        environments._site.registry.add([env], default=True)
    assert run(group(Other(tmp_path)), ["show", env.req_id], name="other") == 0
    assert env.full_id in capsys.readouterr().out


def test_a_quiet_host_hears_of_errors_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = resolved("a")
    host = Other(tmp_path, quiet=True)
    with host.environments() as environments:
        environments._site.registry.add([env], default=True)
    assert run(group(host), ["alias", env.req_id, "team/a"], name="other") == 0
    assert capsys.readouterr().err == ""
    assert run(group(host), ["show", "nothing"], name="other") == 1
    assert capsys.readouterr().err.startswith("error: `nothing` is not known here")


def test_wrong_usage_has_a_status_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(group(Other(tmp_path)), ["show"], name="other") == 2
    assert "`other show --help` shows the usage" in capsys.readouterr().err


def test_commands_are_named_as_the_user_types_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(group(Other(tmp_path)), ["show", "nothing"], name="other program") == 1
    assert "`other program list` shows" in capsys.readouterr().err
