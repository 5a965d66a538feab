"""What the doubles of services have in common: JSON over HTTP, and processes that they started."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

__all__ = ["Service"]


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


class Service:
    """A context manager. `start` gets a job's name, command and environment."""

    def __init__(self, start: Callable[..., subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with service._lock:
                    found = service.answer(self.command, self.path, json.loads(body or b"{}"))
                answer = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = _do  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Any:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for process in self.processes.values():
            process.kill()
            process.wait()

    def answer(self, method: str, path: str, asked: Any) -> Any:
        """What the service answers; None for what is not there."""
        raise NotImplementedError

    def start(self, name: str, command: list[str], environ: Mapping[str, str]) -> None:
        self.processes[name] = self._start(name, command, environ)
