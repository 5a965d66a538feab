"""AWS Batch as far as Metaflow uses it, by its documented API, on nodes of this machine."""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

__all__ = ["Batch"]


class Batch:
    """A Batch endpoint. `start` gets a job's id, command and environment; `jobs` lists all."""

    def __init__(self, start: Callable[..., subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._definitions: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        batch = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                operation = self.path.rpartition("/")[2]
                answer = json.dumps(batch.answer(operation, json.loads(body or b"{}"))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Batch:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for process in self._processes.values():
            process.kill()
            process.wait()

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What the service answers to an operation, named as in its URL."""
        with self._lock:
            answer: dict[str, Any] = getattr(self, f"_{operation}")(asked)
        return answer

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
        self._processes[job_id] = self._start(job_id, container["command"], environ)
        self.jobs[job_id] = {
            "jobId": job_id,
            "jobName": asked["jobName"],
            "jobQueue": asked["jobQueue"],
            "createdAt": _now(),
            "startedAt": _now(),
            "status": "RUNNING",
            "container": {},
            "asked": asked,
        }
        return {"jobId": job_id, "jobName": asked["jobName"]}

    def _describejobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = []
        for job_id in asked["jobs"]:
            job = self.jobs[job_id]
            code = self._processes[job_id].poll()
            if code is not None and job["status"] == "RUNNING":
                job["status"] = "FAILED" if code else "SUCCEEDED"
                job["container"] = {"exitCode": code}
                job["stoppedAt"] = _now()
            found.append({key: value for key, value in job.items() if key != "asked"})
        return {"jobs": found}

    def _terminatejob(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._processes[asked["jobId"]].kill()
        return {}


def _now() -> int:
    return int(time.time() * 1000)
