"""Environments as kernels of Jupyter."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolvers.testing import make_wheel

if TYPE_CHECKING:
    from resolvers.testing import FakeIndex

    from .helpers import Machine

pytestmark = pytest.mark.slow

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
ASK = """
import jupyter_client, sys
manager, client = jupyter_client.manager.start_new_kernel(kernel_name=sys.argv[1])
said = []
client.execute_interactive(
    "import sys, shutil, app; print(sys.prefix, shutil.which('hello'))", timeout=60,
    output_hook=lambda message: said.append(message["content"].get("text", "")))
client.stop_channels()
manager.shutdown_kernel(now=True)
print("".join(said))
"""


def kernel(machine: Machine, name: str) -> dict[str, Any]:
    path = machine.user / ".local/share/jupyter/kernels" / name / "kernel.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_kernel_has_what_it_lacked(machine: Machine, index: FakeIndex) -> None:
    index.add(make_wheel("ipykernel", "7.0", module="launched = 1\n"))
    machine.ok("resolve", "--pypi", "app", "--alias", "team/etl:v1")
    prefix = Path(machine.ok("create", "team/etl:v1", "--install-notebook"))
    found = kernel(machine, "mfenv-team-etl-v1")
    assert found["display_name"] == "mfenv team/etl:v1"
    assert found["argv"][0] == f"{prefix}/bin/python"
    assert found["env"]["PATH"] == f"{prefix}/bin:${{PATH}}"
    done = subprocess.run([found["argv"][0], "-c", "import app, ipykernel"], check=False)
    assert done.returncode == 0
    (env,) = machine.json("show", "team/etl:v1")["environments"]
    assert "ipykernel" not in {package["name"] for package in env["packages"]}


def test_an_environment_that_has_ipykernel_is_taken_as_it_is(
    machine: Machine, index: FakeIndex
) -> None:
    index.add(make_wheel("ipykernel", "7.0"))
    machine.ok("resolve", "--pypi", "ipykernel", "--alias", "a:v1")
    before = machine.rows()["environments"]
    place = machine.ok("create", "a:v1", "--install-notebook", "--name", "first")
    assert machine.rows()["environments"] == before
    other = machine.ok("create", "a:v1", "--install-notebook", "--name", "second")
    assert other != place
    assert kernel(machine, "mfenv-a-v1")["argv"][0] == f"{other}/bin/python"


@pytest.mark.network
def test_a_kernel_starts_and_answers(machine: Machine, index: FakeIndex) -> None:
    machine.environ |= {"MFENV_INDEX_URL": "pypi", "MFENV_EXTRA_INDEX_URL": index.url}
    # Whoever reaches the index through a proxy says here what its certificates are.
    machine.environ |= {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    prefix = machine.ok("create", "a:v1", "--install-notebook")
    # What ipykernel needs to be started by Jupyter comes with it.
    done = subprocess.run(
        [f"{prefix}/bin/python", "-c", ASK, "mfenv-a-v1"],
        capture_output=True,
        text=True,
        env=machine.environ,
        timeout=600,
        check=False,
    )
    assert done.stdout.split() == [prefix, f"{prefix}/bin/hello"], done.stderr
