"""Environments that are known only when a task runs, and runs that a task starts itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import nodes

from .flows import DEPLOYING, NAMED, OUTER, PLAIN

if TYPE_CHECKING:
    from .helpers import Cloud

pytestmark = [pytest.mark.network, pytest.mark.slow]


def test_an_environment_is_named_when_the_task_starts(cloud: Cloud) -> None:
    container = cloud.of_argo(NAMED, "start")
    # What has the name comes after what is sent away.
    cloud.python(
        *("-m", "mfenv", "resolve", "--pypi", "boto3", "--pypi", "requests"),
        *("--pypi", "idna==3.6", "--alias", "team/late:v1"),
        MFENV_STORE=cloud.store_url,
    )
    assert "named, with idna 3.6" in cloud.run(container, KIND="late").ok().log
    said = cloud.run(container).said()
    assert "there is no variable KIND to put into `team/@{KIND}:v1`" in said
    assert "team/other:v1" in cloud.run(container, KIND="other").said()


def test_an_environment_of_the_systems_python_needs_it_in_the_image(
    cloud: Cloud, tmp_path: Path
) -> None:
    container = cloud.of_argo(PLAIN, "start", MFENV_PYTHON_PROVIDER="system")
    assert "with idna 3.7" in cloud.run(container).ok().log
    others = sorted(Path.home().glob(".pyenv/versions/3.1*/bin/python"))
    here = cloud.environ["MFENV_PYTHON"]
    other = next((one for one in others if f"/{here}." not in str(one)), None)
    if other is None:
        pytest.skip("this machine has one Python")
    said = cloud.run(container, nodes.image(tmp_path / "image", other)).said()
    assert f"no Python on this machine satisfies `=={here}.*`" in said


def test_a_task_starts_a_run_of_its_own(cloud: Cloud) -> None:
    inner = PLAIN.replace("PlainFlow", "InnerFlow")
    unknown = inner.replace("3.7", "2.10")  # as no other test has it
    conda = "@conda(libraries={'colours': '3.0'})"
    texts = {
        "inner": inner,
        "unknown_pypi": unknown,
        "unknown_conda": unknown.replace("    @step", f"    {conda}\n    @step"),
    }
    for name, text in texts.items():
        (cloud.root / "flows" / f"{name}.py").write_text(text)
    cloud.python("inner.py", "--environment=conda", "environment", "resolve")
    log = cloud.run(cloud.of_argo(OUTER, "start")).ok().log
    told = dict(re.findall(r"^(inner|unknown_\w+) (.*)$", log, re.MULTILINE))
    assert told["inner"].startswith("successful"), log
    assert told["unknown_conda"].startswith("failed")
    assert "install the package `py-rattler`" in told["unknown_conda"]
    assert told["unknown_pypi"].startswith("failed")
    assert "handed on" in log
    assert "Traceback" not in told["unknown_conda"] + told["unknown_pypi"]


def test_a_task_deploys_a_flow_with_environments_of_its_own(cloud: Cloud) -> None:
    (cloud.root / "flows" / "inner.py").write_text(PLAIN)
    told = cloud.launch(DEPLOYING, "run")
    assert "metaflow_extensions.mfenv.bootstrap start s3" in told
