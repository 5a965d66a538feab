"""Tasks on other machines, by the very commands that Metaflow gives to Batch and to Argo Workflows.

A machine is a process tree with an empty directory, a clean environment, the object store as its
only network, and nothing of the launching environment: see `tests.nodes`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests import emulators, nodes
from tests.channel import cached
from tests.nodes.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.emulators import Service

METAFLOW = Path(sys.executable).with_name("metaflow")
WHY_NOT = (
    emulators.why_not("s3")
    or nodes.why_not()
    or (None if METAFLOW.exists() else "there is no Metaflow")
)
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)),
]

FLOW = """
import os, sys
from metaflow import FlowSpec, conda, current, pypi_base, step

@pypi_base(packages={"boto3": "", "requests": "", "idna": "3.7"})
class RemoteFlow(FlowSpec):
    @conda(libraries={"colours": "2.0"})
    @step
    def start(self):
        import colours, idna
        self.seen = [sys.prefix, colours.__version__, idna.__version__, idna.__file__]
        self.info = current.environment_info["full_id"]
        self.inside = os.popen("python -c 'import sys; print(sys.prefix)'").read().strip()
        self.items = [1, 2]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        import idna
        self.mine = sys.prefix, idna.__version__
        self.next(self.join)

    @step
    def join(self, inputs):
        self.both = [one.mine for one in inputs]
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        self.outside = sys.prefix

if __name__ == "__main__":
    RemoteFlow()
"""


@dataclass
class Cloud:
    """A launching machine, an object store, and where containers run."""

    root: Path
    service: Service
    image: Path
    node: nodes.Node
    environ: dict[str, str] = field(default_factory=dict)

    def launch(self, *words: str, flow: str = FLOW) -> subprocess.CompletedProcess[str]:
        """Run the flow's own command line on the launching machine."""
        path = self.root / "flow.py"
        path.write_text(flow)
        return subprocess.run(
            [sys.executable, path, *words],
            env=self.environ,
            cwd=self.root,
            text=True,
            capture_output=True,
            check=False,
        )

    def container(
        self, command: list[str], environ: Mapping[str, str], name: str
    ) -> subprocess.Popen[bytes]:
        return self.node.start(
            self.image,
            command,
            {**self.service.environ, **environ},
            name=name,
            hidden=[self.root / "home", cached().root],
        )


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with emulators.running("s3") as found:
        yield found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launching machine's packages; what they cost is paid once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nodes.image(tmp_path_factory.mktemp("image") / "python", Path(sys.executable))


@pytest.fixture
def cloud(tmp_path: Path, service: Service, home: Path, image: Path) -> Iterator[Cloud]:
    kept = {name: text for name, text in os.environ.items() if _is_of_the_machine(name)}
    root = f"s3://{emulators.BUCKET}/{tmp_path.name}"
    with nodes.Node(tmp_path / "node", service.endpoint) as node:
        found = Cloud(tmp_path, service, image, node)
        (tmp_path / "user").mkdir()
        found.environ = {
            **kept,
            **service.environ,
            "HOME": str(tmp_path / "user"),
            "USER": "ada",
            "METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1",
            "METAFLOW_DATASTORE_SYSROOT_S3": root,
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "image",
            "METAFLOW_KUBERNETES_NAMESPACE": "default",
            "METAFLOW_S3_ENDPOINT_URL": service.endpoint,
            "MFENV_CHANNELS": cached().main.as_uri(),
            "MFENV_HOME": str(home),
            "MFENV_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
        }
        yield found


def _is_of_the_machine(name: str) -> bool:
    return name in ("PATH", "LANG") or "CERT" in name or "BUNDLE" in name or "PROXY" in name.upper()


def artifacts(cloud: Cloud, step: str, *names: str) -> list[Any]:
    """Artifacts of the last run's first task of a step, by Metaflow's client."""
    code = (
        "import json, sys; from metaflow import Flow, namespace; namespace(None);"
        f"task = list(Flow('RemoteFlow').latest_run[{step!r}])[0];"
        "print(json.dumps([task[name].data for name in sys.argv[1:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        env=cloud.environ,
        cwd=cloud.root,
        text=True,
        capture_output=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_run_through_batch(cloud: Cloud) -> None:
    share = cloud.root / "share"

    def start(job: str, command: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        # Tasks on one machine share what they have fetched, two of one step at once too.
        return cloud.container(command, {**environ, "MFENV_HOME": str(share)}, job)

    with Batch(start) as batch:
        cloud.environ |= {
            "AWS_ENDPOINT_URL_BATCH": batch.endpoint,
            "METAFLOW_BATCH_CONTAINER_IMAGE": "image",
            "METAFLOW_BATCH_JOB_QUEUE": "queue",
            "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": "role",
        }
        done = cloud.launch("--environment=conda", "run", "--with", "batch")
        logs = "\n".join(cloud.node.log(job) for job in batch.jobs)
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert len(batch.jobs) == 5
    seen, info, inside = artifacts(cloud, "start", "seen", "info", "inside")
    prefix, colours, idna, place = seen
    assert prefix.startswith(str(share / "envs"))
    assert inside == prefix
    assert (colours, idna) == ("2.0", "3.7")
    assert place.startswith(prefix)
    assert info[:16] in prefix
    (both,) = artifacts(cloud, "join", "both")
    assert both[0] == both[1]
    assert both[0][1] == "3.7"
    assert artifacts(cloud, "end", "outside") == [str(cloud.image)]
    # Each package came from the store once, whatever the number of tasks.
    archives = [one.name for one in (share / "cache" / "archives").rglob("*.whl")]
    assert len(archives) == len(set(archives))


def argo(cloud: Cloud, step: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a step's container, as Argo Workflows gets them."""
    done = cloud.launch("--environment=conda", *words, "argo-workflows", "create", "--only-json")
    assert done.returncode == 0, done.stdout + done.stderr
    templates = json.loads(done.stdout)["spec"]["templates"]
    (container,) = [one["container"] for one in templates if one.get("name") == step]
    filled = {
        "{{workflow.name}}": "remote-flow-1",
        "{{workflow.creationTimestamp}}": "2026-01-01T00:00:00Z",
        "{{workflow.parameters}}": "[]",
    }
    # `/tmp` is not a container's own here.
    command = [word.replace("/tmp/mf-", "mf-") for word in container["command"]]
    environ = {one["name"]: one.get("value") or "" for one in container["env"]}
    for old, new in filled.items():
        command = [word.replace(old, new) for word in command]
        environ = {name: text.replace(old, new) for name, text in environ.items()}
    environ["METAFLOW_S3_ENDPOINT_URL"] = cloud.service.endpoint
    return command, environ


def run(cloud: Cloud, command: list[str], environ: Mapping[str, str]) -> tuple[int, str]:
    if (cloud.node.folder / "task").exists():
        shutil.rmtree(cloud.node.folder / "task")
    with cloud.container(command, environ, "task") as process:
        status = process.wait(timeout=300)
    return status, cloud.node.log("task")


def test_a_container_of_argo_workflows_and_what_it_says_when_it_fails(cloud: Cloud) -> None:
    import boto3

    command, environ = argo(cloud, "start")
    status, log = run(cloud, command, environ)
    assert status == 0, log
    assert "ready in" in log
    client = boto3.client(
        "s3",
        endpoint_url=cloud.service.endpoint,
        aws_access_key_id=cloud.service.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.service.environ["AWS_SECRET_ACCESS_KEY"],
    )
    prefix = f"{cloud.root.name}/conda_env/mfenv/"
    keys = [
        one["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket=emulators.BUCKET, Prefix=prefix
        )
        for one in page["Contents"]
    ]

    def tampered(part: str) -> str:
        """What a task says when an object holds other bytes."""
        (key,) = [one for one in keys if part in one]
        old = client.get_object(Bucket=emulators.BUCKET, Key=key)["Body"].read()
        client.put_object(Bucket=emulators.BUCKET, Key=key, Body=old[:-1] + b"?")
        status, log = run(cloud, command, environ)
        client.put_object(Bucket=emulators.BUCKET, Key=key, Body=old)
        assert status == 1, log
        assert "Traceback" not in log
        return log

    assert "mfenv.zip` in the store is damaged" in tampered("/mfenv.zip")
    assert "colours-2.0-pyh0_0.conda" in tampered("/colours-2.0-")
    (code,) = [one for one in keys if "/mfenv.zip" in one]
    client.delete_object(Bucket=emulators.BUCKET, Key=code)
    status, log = run(cloud, command, environ)
    assert status == 1
    assert "cannot be fetched from the store" in log
    # What was lost comes back with the next run that is sent away.
    status, log = run(cloud, *argo(cloud, "start"))
    assert status == 0, log


def test_an_image_that_is_too_old_is_named(cloud: Cloud, tmp_path: Path) -> None:
    old = Path.home() / ".pyenv" / "versions" / "3.8.18" / "bin" / "python3.8"
    if not old.exists():
        pytest.skip("there is no Python 3.8")
    command, environ = argo(cloud, "start")
    cloud.image = nodes.image(tmp_path / "old", old)
    status, log = run(cloud, command, environ)
    assert status == 1
    assert "this image has Python 3.8, and creating environments needs 3.10 or newer" in log
    assert "Traceback" not in log
