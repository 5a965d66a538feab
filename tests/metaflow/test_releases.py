"""The releases of Metaflow that are supported, each as it was released.

They are the oldest, the last of every minor version, and the first and the last of the newest.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import emulators
from tests.helpers import of_the_machine
from tests.nodes.kubernetes import Kubernetes

from metaflow_extensions.mfenv.releases import OLDEST

from .helpers import FLOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .helpers import Pad

NEWEST = version("metaflow")
MAJOR, MINOR = map(int, NEWEST.split(".")[:2])
RELEASES = [
    ".".join(map(str, OLDEST)),
    *(f"{MAJOR}.{minor}.*" for minor in range(OLDEST[1] + 1, MINOR)),
    f"{MAJOR}.{MINOR}.0",
    NEWEST,
]


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest, pad: Pad, python: Callable[..., str]) -> Pad:
    if request.param == NEWEST:
        return pad
    return pad.of(python(f"metaflow=={request.param}"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What tells Metaflow of a bucket, and of a cluster in which nothing is deployed yet."""
    if reason := emulators.why_not("s3"):
        pytest.skip(reason)
    with emulators.running("s3") as service, Kubernetes(subprocess.Popen) as kubernetes:
        config = tmp_path_factory.mktemp("cluster") / "config"
        config.write_text(kubernetes.config)
        yield {
            **of_the_machine(),
            **service.environ,
            "KUBECONFIG": str(config),
            "METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1",
            "METAFLOW_DATASTORE_SYSROOT_S3": service.url("releases").partition("?")[0],
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_KUBERNETES_NAMESPACE": "default",
            "METAFLOW_S3_ENDPOINT_URL": service.endpoint,
            "MFENV_INDEX_URL": "pypi",
        }


@pytest.mark.network
@pytest.mark.slow
def test_a_release_runs_and_resumes_flows_with_environments(release: Pad) -> None:
    failed = release.run("release")
    assert failed.status == 1
    assert {"step": "start"} in failed.told, failed.out
    assert "as asked" in failed.out
    run_id = failed.out.partition("(run-id ")[2].partition(")")[0]
    assert "Found 1 card" in release.ok("release", f"{run_id}/start", command="card list").out
    resumed = release.ok("release", command="resume", env={"REPAIRED": "1"})
    assert [one["step"] for one in resumed.told] == ["middle", "end"]


@pytest.mark.slow
@pytest.mark.network
def test_a_release_shows_and_resolves_the_environments_of_a_flow(release: Pad) -> None:
    output = str(release.root / "found.json")
    release.ok("release", "middle", "--output", output, command="environment resolve")
    resolved = json.loads(Path(output).read_text())["middle"]
    release.ok("release", "--output", output, command="environment show")
    shown = json.loads(Path(output).read_text())
    assert shown.keys() == {"start", "middle", "end"}
    (one,) = resolved.values()
    assert shown["middle"]["env"] == one["env"]
    ran = release.python("-m", "metaflow.cmd.main_cli", "environment", "list", "--json")
    assert one["full_id"] in ran.out


@pytest.mark.network
@pytest.mark.slow
def test_a_release_takes_locks(release: Pad, locked: Pad) -> None:
    pad = locked.of(release.program)
    shutil.copy(FLOWS / "mutated.py", pad.flows)
    pad.ok("mutated")
    pad.ok("mutated", command="environment lock")
    ran = pad.python("mutated.py", "--no-pylint", "--environment=locked", "run")
    assert ran.status == 0, ran.out
    assert "as mfenv.lock has it" in ran.out
    text = (pad.flows / "mutated.py").read_text()
    (pad.flows / "mutated.py").write_text(text.replace('"groups"', '"group"'))
    ran = pad.run("mutated")
    assert ran.status == 1
    assert "@resolved_lock of step `start` takes no `group`" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
@pytest.mark.network
def test_a_release_sends_flows_away(release: Pad, cloud: dict[str, str]) -> None:
    asked = """--with conda:libraries={"colours":"1.0"}"""
    ran = release.ok("bare", command=f"{asked} argo-workflows create --only-json", env=cloud)
    told = json.loads(ran.data)
    (command,) = [
        one["container"]["command"]
        for one in told["spec"]["templates"]
        if one.get("name") == "start"
    ]
    assert "python -m metaflow_extensions.mfenv.bootstrap start s3" in command[-1]


@pytest.mark.network
def test_another_release_is_refused_in_a_line(pad: Pad, python: Callable[..., str]) -> None:
    old = pad.of(python("metaflow==2.15.*"))
    old.started = True
    for ran in (old.run("bare"), old.python("-m", "metaflow.cmd.main_cli", "status")):
        assert ran.status == 1
        assert ran.out.startswith("error: metaflow-mfenv")
        assert f"needs Metaflow {RELEASES[0]} or newer, and this is 2.15." in ran.out
        assert "Traceback" not in ran.out


@pytest.mark.network
def test_the_extension_that_this_one_replaces_is_refused_beside_it(
    pad: Pad, python: Callable[..., str]
) -> None:
    both = pad.of(python("metaflow-netflixext"))
    both.started = True
    for ran in (both.run("bare"), both.python("-m", "metaflow.cmd.main_cli", "status")):
        assert ran.status == 1
        assert ran.out.startswith("error: metaflow-netflixext and metaflow-mfenv are both")
        assert "Traceback" not in ran.out
