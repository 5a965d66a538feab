"""A launching machine, an object store, and containers on a node that has nothing but the store."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests import emulators
from tests.channel import cached
from tests.helpers import of_the_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests import nodes
    from tests.emulators import Service


@dataclass(frozen=True)
class Ended:
    """A container that has ended, and what it wrote."""

    status: int
    log: str
    place: Path
    """Its directory; `work` in it is where its command ran."""

    def ok(self) -> Ended:
        assert self.status == 0, self.log
        return self

    def said(self) -> str:
        """What a container that failed says, after it was checked to say it well."""
        assert self.status == 1, self.log
        assert "Traceback" not in self.log
        (line,) = (one for one in self.log.splitlines() if "Environment of step" in one)
        return line


@dataclass(frozen=True)
class Container:
    """The command and the environment of a step's container, as a scheduler gets them."""

    command: tuple[str, ...]
    environ: Mapping[str, str]


@dataclass
class Cloud:
    """Where flows are started, with a store of their own on `service`."""

    root: Path
    home: Path
    service: Service
    image: Path
    node: nodes.Node
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("user", "flows"):
            (self.root / name).mkdir()
        self.environ = {
            **of_the_machine(),
            **self.service.environ,
            "HOME": str(self.root / "user"),
            "USER": "ada",
            "METAFLOW_BATCH_CONTAINER_IMAGE": "image",
            "METAFLOW_BATCH_JOB_QUEUE": "queue",
            "METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1",
            "METAFLOW_DATASTORE_SYSROOT_S3": self.service.url(self.root.name).partition("?")[0],
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": "arn:aws:iam::0:role/me",
            "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "image",
            "METAFLOW_KUBERNETES_NAMESPACE": "default",
            "AWS_ENDPOINT_URL_SFN": self.service.endpoint,
            "METAFLOW_S3_ENDPOINT_URL": self.service.endpoint,
            "METAFLOW_SFN_IAM_ROLE": "arn:aws:iam::0:role/me",
            "MFENV_CHANNELS": cached().main.as_uri(),
            "MFENV_HOME": str(self.home),
            "MFENV_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
        }

    def python(self, *words: str, **environ: str) -> str:
        """Run this Python where the flows are, and return what it prints."""
        done = subprocess.run(
            [sys.executable, *words],
            env={**self.environ, **environ},
            cwd=self.root / "flows",
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def launch(self, flow: str, *words: str, environment: str = "conda", **environ: str) -> str:
        """Run a flow's own command line, and return its data."""
        (self.root / "flows" / "flow.py").write_text(flow)
        return self.python("flow.py", f"--environment={environment}", *words, **environ)

    def artifacts(self, flow: str, step: str, *names: str) -> list[Any]:
        """Artifacts of the last run's first task of a step, by Metaflow's client."""
        code = (
            "import json, sys; from metaflow import Flow, namespace; namespace(None);"
            f"task = list(Flow({flow!r}).latest_run[{step!r}])[0];"
            "print(json.dumps([task[name].data for name in sys.argv[1:]]))"
        )
        found: list[Any] = json.loads(self.python("-c", code, *names))
        return found

    def start(
        self, container: Container, name: str, image: Path | None = None, **environ: str
    ) -> subprocess.Popen[bytes]:
        """Start a container on the node; its directory and its log there have the name."""
        return self.node.start(
            image or self.image,
            container.command,
            {**self.service.environ, **container.environ, **environ},
            name=name,
            hidden=[self.home, self.root / "flows", self.root / "user", cached().root],
        )

    def run(self, container: Container, image: Path | None = None, **environ: str) -> Ended:
        """Run a container to its end."""
        name = uuid4().hex
        with self.start(container, name, image, **environ) as process:
            status = process.wait(timeout=800)
        return Ended(status, self.node.log(name), self.node.folder / name)

    def code_package(self, container: Container) -> bytes:
        url = container.environ["METAFLOW_CODE_URL"]
        return self.objects("")[url.split("/", 3)[3]]

    def environments(self, container: Container) -> dict[str, Any]:
        """What the code package of a container says of environments."""
        with tarfile.open(fileobj=BytesIO(self.code_package(container))) as archive:
            file = archive.extractfile(".mf_meta/mfenv.json")
            assert file
            told: dict[str, Any] = json.load(file)
        return told

    def objects(self, prefix: str) -> Objects:
        """What the store of the service has under a prefix."""
        return Objects(self.service, prefix)

    @property
    def store_url(self) -> str:
        """The store of the environments."""
        return self.service.url(f"{self.root.name}/conda_env/mfenv")

    def of_argo(self, flow: str, step: str, **environ: str) -> Container:
        told = json.loads(self.launch(flow, "argo-workflows", "create", "--only-json", **environ))
        templates = told["spec"]["templates"]
        (found,) = [one["container"] for one in templates if one.get("name") == step]
        environ = {one["name"]: one.get("value") or "" for one in found["env"]}
        return self._filled(found["command"], environ)

    def of_step_functions(self, flow: str, step: str, batch: str) -> Container:
        told = json.loads(
            self.launch(
                *(flow, "step-functions", "create", "--only-json"), AWS_ENDPOINT_URL_BATCH=batch
            )
        )
        found = told["States"][step]["Parameters"]["ContainerOverrides"]
        environ = {one["Name"]: one.get("Value", "run-1") for one in found["Environment"]}
        environ |= {"AWS_BATCH_JOB_ID": "task-1", "AWS_BATCH_JOB_ATTEMPT": "1"}
        environ |= {"AWS_BATCH_JQ_NAME": "queue", "AWS_BATCH_CE_NAME": "machines"}
        environ["AWS_EXECUTION_ENV"] = "AWS_ECS_EC2"
        return self._filled(found["Command"], environ)

    def of_airflow(self, flow: str, step: str) -> Container:
        self.launch(flow, "airflow", "create", str(self.root / "dag.py"))
        tree = ast.parse((self.root / "dag.py").read_text())
        told = next(
            ast.literal_eval(one.value)
            for one in tree.body
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "CONFIG"
        )
        found = told["states"][step]["operator_args"]
        environ = {one["name"]: one.get("value") or "" for one in found["env_vars"]}
        # What its operator takes from the pod's own fields.
        of_pod = ("POD_NAMESPACE", "POD_NAME", "POD_ID", "SERVICE_ACCOUNT_NAME", "NODE_IP")
        environ |= {f"METAFLOW_KUBERNETES_{name}": "pod" for name in of_pod}
        return self._filled(found["cmds"], environ)

    def _filled(self, command: list[str], environ: Mapping[str, str]) -> Container:
        """With what the scheduler puts in, and where `/tmp` is not the container's own."""

        def fill(text: str) -> str:
            for pattern, value in _FILLED.items():
                text = re.sub(pattern, value, text)
            return text

        given = {name: fill(text) for name, text in environ.items()}
        given["METAFLOW_S3_ENDPOINT_URL"] = self.service.endpoint
        return Container(tuple(map(fill, command)), given)


class Objects(MutableMapping[str, bytes]):
    """The objects of a bucket under a prefix, by their whole names."""

    def __init__(self, service: Service, prefix: str) -> None:
        import boto3

        self._prefix = prefix
        self._client = boto3.client(
            "s3",
            endpoint_url=service.endpoint,
            aws_access_key_id=service.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=service.environ["AWS_SECRET_ACCESS_KEY"],
        )

    def __iter__(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=emulators.BUCKET, Prefix=self._prefix):
            yield from (one["Key"] for one in page.get("Contents", ()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=emulators.BUCKET, Key=key)["Body"].read()
        return content

    def __setitem__(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=emulators.BUCKET, Key=key, Body=content)

    def __delitem__(self, key: str) -> None:
        self._client.delete_object(Bucket=emulators.BUCKET, Key=key)


_FILLED = {
    r"/tmp/mf-": "mf-",
    # Of Argo Workflows,
    r"\{\{workflow\.name\}\}": "run-1",
    r"\{\{workflow\.creationTimestamp\}\}": "2026-01-01T00:00:00Z",
    r"\{\{workflow\.parameters\}\}": "[]",
    # and of Airflow.
    r"\{\{[^}]*\| run_id_creator *\}\}": "run-1",
    r"\{\{[^}]*\| task_id_creator *\}\}": "task-1",
    r"\{\{[^}]*try_number[^}]*\}\}": "0",
}
