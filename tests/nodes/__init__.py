"""Machines that tasks are sent to: processes with nothing of the machine that sent them.

A node has a network of its own, on which there is the object store's endpoint and nothing else,
and file systems on which the launching environment, its caches and the checkout are hidden. Its
image is a virtual environment with what Metaflow installs in a container.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Node", "image", "why_not"]

_INSIDE = Path(__file__).parent / "inside.py"
_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
_REQUEST = re.compile(rb"[A-Z]+ /\S*(?= HTTP/1\.1\r\n)")
_ROOT = Path(__file__).parent.parent.parent


def why_not() -> str | None:
    """Why nodes cannot be made here, None where they can."""
    if not shutil.which("unshare"):
        return "there is no `unshare`"
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode:
        return "this user may not make network namespaces"
    return None


def image(folder: Path, python: Path, packages: Sequence[str] = ("boto3", "requests")) -> Path:
    """Make what a container's image holds: a Python, and what Metaflow would install there."""
    import uv

    program = uv.find_uv_bin()
    made = [program, "venv", "--quiet", "--seed", "--python", str(python), str(folder)]
    subprocess.run(made, check=True)
    if packages:
        subprocess.run(
            [
                program,
                "pip",
                "install",
                "--quiet",
                "--python",
                folder / "bin" / "python",
                *packages,
            ],
            check=True,
        )
    return folder


@dataclass(frozen=True)
class Node:
    """A machine whose only network is the `endpoint`, at the same address as here.

    A context manager. `folder` is where its tasks have their directories.
    """

    folder: Path
    endpoint: str
    requests: list[str] = field(default_factory=list)
    """What all containers asked of the endpoint: method and path."""

    def __enter__(self) -> Node:
        self.folder.mkdir(parents=True, exist_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(self._socket))
        server.listen(64)
        object.__setattr__(self, "_server", server)
        threading.Thread(target=self._relay, args=[server], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        server: socket.socket = self._server  # type: ignore[attr-defined]  # set by __enter__
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()

    def start(
        self,
        image: Path,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        name: str,
        hidden: Sequence[Path] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a container from `image` in an empty directory; its output goes into `NAME.log`."""
        place = self.folder / name
        place.mkdir()
        home = place / "home"
        home.mkdir()
        clean = {
            "PATH": f"{image / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1",
            **environ,
        }
        work = place / "work"
        work.mkdir()
        port = urlsplit(self.endpoint).port
        away = [str(one) for one in (*_launcher(), *hidden) if one.exists()]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    *(*_UNSHARE, image / "bin" / "python", "-I", _INSIDE, str(self._socket)),
                    *(str(port), ":".join(away), *command),
                ],
                cwd=work,
                env=clean,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, name: str) -> str:
        """What a container wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    @property
    def _socket(self) -> Path:
        return self.folder / "endpoint.sock"

    def _relay(self, server: socket.socket) -> None:
        there = urlsplit(self.endpoint)
        while True:
            try:
                inner, _ = server.accept()
            except OSError:
                return
            outer = socket.create_connection((there.hostname or "127.0.0.1", there.port or 80))
            threading.Thread(target=_join, args=[inner, outer, self.requests], daemon=True).start()


def _join(inner: socket.socket, outer: socket.socket, requests: list[str]) -> None:
    with inner, outer:
        back = threading.Thread(target=_pump, args=[outer, inner], daemon=True)
        back.start()
        _pump(inner, outer, requests)
        back.join()


def _pump(source: socket.socket, target: socket.socket, requests: list[str] | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            # Clients send the head of a request in one piece.
            if requests is not None and (found := _REQUEST.match(data)):
                requests.append(found[0].decode())
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _launcher() -> Iterator[Path]:
    """What a node must not see: the environment that runs the tests, the checkout, the caches."""
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix)
    yield _ROOT
    home = Path.home()
    yield from (home / ".cache", home / ".metaflowconfig", home / ".local")
    if given := os.environ.get("MFENV_HOME"):
        yield Path(given)
