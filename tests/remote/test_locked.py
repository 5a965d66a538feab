"""Steps on other machines that run in what a lock has."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from mfenv.lockfile.model import RESOLVED_BY
from mfenv.lockfile.reading import read

from .flows import PLAIN

if TYPE_CHECKING:
    from .helpers import Cloud

pytestmark = [pytest.mark.network, pytest.mark.slow]

PROJECT = """
[project]
name = "ours"
version = "1"
requires-python = "=={python}.*"
dependencies = ["boto3", "requests"]
[dependency-groups]
more = ["idna==3.7"]
"""


def test_a_locked_flow_runs_away_in_what_its_lock_file_has(own_cloud: Cloud) -> None:
    cloud = own_cloud
    cloud.launch(PLAIN, "environment", "lock")
    container = cloud.of_argo(PLAIN, "start", METAFLOW_CONDA_LOCKED="1")
    held = read((cloud.root / "flows" / "mfenv.lock").read_text())
    (env,) = held.chosen("PlainFlow.start").envs
    told = cloud.environments(container)
    assert cloud.environments(cloud.of_argo(PLAIN, "start", environment="locked")) == told
    assert told["steps"]["start"]["env_id"] == list(env.env_id)
    assert {one["resolved_by"] for one in told["environments"].values()} == {RESOLVED_BY}
    ended = cloud.run(container).ok()
    assert env.full_id[:16] in ended.log
    assert "with idna 3.7" in ended.log
    changed = PLAIN.replace("3.7", "3.6")
    with pytest.raises(AssertionError, match="step `end` asks for something else"):
        cloud.of_argo(changed, "start", METAFLOW_CONDA_LOCKED="1")


def test_a_flow_runs_away_in_its_uv_lock(own_cloud: Cloud) -> None:
    cloud = own_cloud
    folder = cloud.root / "flows"
    (folder / "pyproject.toml").write_text(PROJECT.format(python=cloud.environ["MFENV_PYTHON"]))
    command = [find_uv_bin(), "lock", "--quiet", "--python", cloud.environ["MFENV_PYTHON"]]
    subprocess.run(command, cwd=folder, env=cloud.environ, check=True)
    flow = PLAIN.replace(
        '@pypi_base(packages={"boto3": "", "requests": "", "idna": "3.7"})',
        '@resolved_uv(groups=["more"])',
    ).replace("pypi_base", "resolved_uv")
    container = cloud.of_argo(flow, "start")
    # What was sent away is all that counts from then on.
    for name in ("pyproject.toml", "uv.lock"):
        (folder / name).unlink()
    assert "with idna 3.7" in cloud.run(container).ok().log
