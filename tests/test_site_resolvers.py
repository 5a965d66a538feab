"""The command with resolvers of a site: the same requests have the same ids, whoever answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.channel.standin import write_standin

if TYPE_CHECKING:
    from tests.channel import ChannelServer

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
def test_a_resolver_that_is_not_there_is_one_line(conda: Machine) -> None:
    conda.environ["MFENV_CONDA_RESOLVER"] = "/nowhere/mamba"
    done = conda.run("resolve", "--conda", "colours")
    assert done.status == 1
    assert done.err.splitlines()[-2:] == [
        "error: /nowhere/mamba failed: there is none at that path",
        "hint: install it, or set `conda_resolver` to `rattler`",
    ]
