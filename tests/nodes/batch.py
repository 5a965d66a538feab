"""AWS Batch as far as Metaflow uses it, by its documented API, on nodes of this machine."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from .service import Service

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

__all__ = ["Batch"]


class Batch(Service):
    """A Batch endpoint; `jobs` lists what was submitted."""

    def __init__(self, start: Callable[..., subprocess.Popen[bytes]]) -> None:
        super().__init__(start)
        self._definitions: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def answer(self, method: str, path: str, asked: Any) -> Any:
        return getattr(self, f"_{path.rpartition('/')[2]}")(asked)

    def _describejobqueues(self, asked: dict[str, Any]) -> dict[str, Any]:
        names = asked.get("jobQueues", ["queue"])
        order = [{"order": 1, "computeEnvironment": "machines"}]
        found = [{"jobQueueName": one, "computeEnvironmentOrder": order} for one in names]
        return {"jobQueues": [{**one, "state": "ENABLED", "status": "VALID"} for one in found]}

    def _describecomputeenvironments(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"computeEnvironments": [{"computeResources": {"type": "EC2"}}]}

    def _describejobdefinitions(self, asked: dict[str, Any]) -> dict[str, Any]:
        known = self._definitions.get(asked.get("jobDefinitionName", ""))
        return {"jobDefinitions": [known] if known else []}

    def _registerjobdefinition(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["jobDefinitionName"]
        found = {**asked, "revision": 1, "jobDefinitionArn": f"arn:aws:batch:here:0:{name}"}
        self._definitions[name] = found
        return found

    def _submitjob(self, asked: dict[str, Any]) -> dict[str, Any]:
        job_id = str(uuid.uuid4())
        container = asked["containerOverrides"]
        environ = {one["name"]: one["value"] for one in container.get("environment", [])}
        environ |= {"AWS_BATCH_JOB_ID": job_id, "AWS_BATCH_JOB_ATTEMPT": "1"}
        environ |= {"AWS_BATCH_JQ_NAME": asked["jobQueue"], "AWS_BATCH_CE_NAME": "machines"}
        environ["AWS_EXECUTION_ENV"] = "AWS_ECS_EC2"
        self.start(job_id, container["command"], environ)
        self.jobs[job_id] = {
            "jobId": job_id,
            "jobName": asked["jobName"],
            "jobQueue": asked["jobQueue"],
            "createdAt": _now(),
            "startedAt": _now(),
            "status": "RUNNING",
            "container": {},
        }
        return {"jobId": job_id, "jobName": asked["jobName"]}

    def _describejobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        for job_id in asked["jobs"]:
            job = self.jobs[job_id]
            code = self.processes[job_id].poll()
            if code is not None and job["status"] == "RUNNING":
                job["status"] = "FAILED" if code else "SUCCEEDED"
                job["container"] = {"exitCode": code}
                job["stoppedAt"] = _now()
        return {"jobs": [self.jobs[job_id] for job_id in asked["jobs"]]}

    def _terminatejob(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.processes[asked["jobId"]].kill()
        return {}


def _now() -> int:
    return int(time.time() * 1000)
