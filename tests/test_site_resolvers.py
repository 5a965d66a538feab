"""The command with resolvers of a site: the same requests have the same ids, whoever answers."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.channel import ChannelServer, cached
from tests.channel.standin import write_standin

from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from .helpers import Machine

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
BIN = Path(sys.executable).parent
ENGINES = {
    "micromamba": {"MFENV_CONDA_RESOLVER": "micromamba"},
    "conda": {"MFENV_CONDA_RESOLVER": "conda"},
    "pip": {"MFENV_PYPI_RESOLVER": "pip"},
    "conda-lock": {"MFENV_MIXED_RESOLVER": "conda-lock", "MFENV_CONDA_RESOLVER": "micromamba"},
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_who_answers_is_no_part_of_the_ids(
    conda: Machine, server: ChannelServer, engine: str
) -> None:
    if engine in ("pip", "conda-lock"):
        if not (BIN / engine).exists():
            pytest.skip(f"there is no `{BIN / engine}`")
        (conda.root / "bin").mkdir()
        (conda.root / "bin" / engine).symlink_to(BIN / engine)
    for kind in ("micromamba", "conda"):
        write_standin(conda.root / "bin", kind)
    asked = ("--conda", "colours", "--pypi", "app", "--python", MINOR, "--force")
    ours = conda.json("resolve", *asked)["environments"]
    conda.environ |= {
        **ENGINES[engine],
        "PATH": f"{conda.root / 'bin'}{os.pathsep}{os.defpath}",
    }
    theirs = conda.json("resolve", *asked)["environments"]
    keys = ("req_id", "full_id", "platform")
    ids = [[{key: one[key] for key in keys} for one in found] for found in (ours, theirs)]
    assert ids[0] == ids[1]
    # What was found can be had: it is created from what the description says.
    conda.ok("create", f"{theirs[0]['req_id']}:{theirs[0]['full_id']}", "--name", "e")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["micromamba", "conda"])
def test_where_a_name_lies_is_no_part_of_the_ids(conda: Machine, kind: str) -> None:
    """Two machines of a team, each with its own mirror: one environment, created on either."""
    main = cached().main
    write_standin(conda.root / "bin", kind)
    conda.environ |= {
        "MFENV_CHANNELS": main.name,
        "MFENV_CONDA_RESOLVER": kind,
        "PATH": f"{conda.root / 'bin'}{os.pathsep}{os.defpath}",
        "CONDARC": str(conda.root / ".condarc"),
    }
    found = []
    with ChannelServer(main.parent) as server:
        for number, alias in enumerate((main.parent.as_uri(), server.url)):
            (conda.root / ".condarc").write_text(json.dumps({"channel_alias": alias}))
            conda.environ |= {"MFENV_HOME": str(conda.root / f"home{number}"), "MFENV_STORE": ""}
            asked = ("--conda", "colours", "--python", MINOR)
            (one,) = conda.json("resolve", *asked)["environments"]
            env = f"{one['req_id']}:{one['full_id']}"
            conda.ok("create", env, "--name", "e")
            (shown,) = conda.json("show", env)["environments"]
            packages = shown["packages"]
            assert {package["source"] for package in packages} == {main.name}
            assert all(package["url"].startswith(f"{alias}/{main.name}/") for package in packages)
            found.append(env)
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_login_that_only_pip_has_serves_to_fetch(machine: Machine) -> None:
    """As it does to choose: what is chosen here is fetched by another command."""
    pip = BIN / "pip"
    if not pip.exists():
        pytest.skip(f"there is no `{pip}`")
    (machine.root / "bin").mkdir()
    (machine.root / "bin" / "pip").symlink_to(pip)
    config = machine.user / "pip.conf"
    # Too large to be fetched as a whole by who looks into it.
    big = {"a/data.txt": random.Random(1).randbytes(300_000).hex()}
    with FakeIndex(make_wheel("a", "1", files=big), login=("ada", "s3cret")) as index:
        secret = index.url.replace("://", "://ada:s3cret@")
        config.write_text(f"[global]\nextra-index-url =\n  {secret}\n  {secret}\n")
        machine.environ |= {
            "MFENV_INDEX_URL": index.url,
            "MFENV_PYPI_RESOLVER": "pip",
            "MFENV_STORE": "",
            "PATH": f"{machine.root / 'bin'}{os.pathsep}{os.defpath}",
            "PIP_CONFIG_FILE": str(config),
        }
        (found,) = machine.json("resolve", "--pypi", "a")["environments"]
        env = f"{found['req_id']}:{found['full_id']}"
        said = machine.run("create", env, "--name", "e", "--verbose")
        described = machine.ok("show", env, "--json")
    assert said.status == 0, said.err
    assert "s3cret" not in said.out + said.err + described


@pytest.mark.slow
def test_a_resolver_that_is_not_there_is_one_line(conda: Machine) -> None:
    conda.environ["MFENV_CONDA_RESOLVER"] = "/nowhere/mamba"
    done = conda.run("resolve", "--conda", "colours")
    assert done.status == 1
    assert done.err.splitlines()[-2:] == [
        "error: /nowhere/mamba failed: there is none at that path",
        "hint: install it, or set `conda_resolver` to `rattler`",
    ]
