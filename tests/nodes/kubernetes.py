"""Kubernetes as far as Metaflow uses it, by its documented API: jobs of one container each."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .service import Service

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

__all__ = ["Kubernetes"]

_TIME = "2026-01-01T00:00:00Z"
_CONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: '{endpoint}'}}}}]
users: [{{name: me, user: {{}}}}]
"""


class Kubernetes(Service):
    """An API server and what runs the pods; `jobs` lists what was created."""

    def __init__(self, start: Callable[..., subprocess.Popen[bytes]]) -> None:
        super().__init__(start)
        self.jobs: dict[str, dict[str, Any]] = {}

    @property
    def config(self) -> str:
        """What a KUBECONFIG file says to use it."""
        return _CONFIG.format(endpoint=self.endpoint)

    def answer(self, method: str, path: str, asked: Any) -> Any:
        parts = urlsplit(path)
        *_, kind, name = ["", *parts.path.split("/")]
        if method == "POST" and name == "jobs":
            return self._create(asked)
        if name == "pods":
            (label,) = parse_qs(parts.query)["labelSelector"]
            return {"apiVersion": "v1", "kind": "PodList", "items": [self._pod(label[9:])]}
        if kind != "jobs" or name not in self.jobs:
            return None
        if method == "PATCH":
            self.jobs[name]["spec"]["parallelism"] = 0
            self.processes[name].kill()
        self.jobs[name]["status"] = {"active": 1}
        if (code := self.processes[name].poll()) is not None:
            self.jobs[name]["status"] = {"failed" if code else "succeeded": 1}
        return self.jobs[name]

    def _create(self, job: dict[str, Any]) -> dict[str, Any]:
        identity = str(uuid.uuid4())
        name = job["metadata"]["name"] = f"{job['metadata']['generateName']}{identity[:5]}"
        job["metadata"]["uid"] = identity
        job["status"] = {}
        job["spec"].setdefault("parallelism", 1)
        (container,) = job["spec"]["template"]["spec"]["containers"]
        # What is taken from the pod's own fields is its name, or as good.
        environ = {one["name"]: one.get("value") or name for one in container["env"]}
        self.start(name, container["command"], environ)
        self.jobs[name] = job
        return job

    def _pod(self, name: str) -> dict[str, Any]:
        code = self.processes[name].poll()
        state: dict[str, Any] = {"running": {"startedAt": _TIME}}
        if code is not None:
            reason = "Error" if code else "Completed"
            ended = {"exitCode": code, "reason": reason, "startedAt": _TIME, "finishedAt": _TIME}
            state = {"terminated": ended}
        phase = "Running" if code is None else "Failed" if code else "Succeeded"
        container = {"name": name, "image": "image", "imageID": "", "ready": True}
        return {
            "metadata": {"name": f"{name}-pod"},
            "spec": self.jobs[name]["spec"]["template"]["spec"],
            "status": {
                "phase": phase,
                "containerStatuses": [{**container, "restartCount": 0, "state": state}],
            },
        }
