"""Stand-ins for tests: distributions made on the spot, and an index that serves them."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import tarfile
import threading
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from typing_extensions import Self


__all__ = ["Distribution", "FakeIndex", "LocalServer", "make_project", "make_sdist", "make_wheel"]

# The same bytes whenever it is made: hashes are compared.
_EPOCH = (2020, 1, 1, 0, 0, 0)
_JSON = "application/vnd.pypi.simple.v1+json"

# Needs the standard library alone, so that sources are built without any index.
_BACKEND = """
import base64, hashlib, pathlib, re, sys, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    metadata = pathlib.Path("PKG-INFO").read_text()
    tag = pathlib.Path("TAG").read_text()
    if tag == "broken":
        raise RuntimeError("the compiler is on holiday")
    pathlib.Path("left-behind").write_text("by the backend")
    name, version = (
        re.search(rf"^{key}: (.*)$", metadata, re.M)[1] for key in ("Name", "Version")
    )
    stem = name.replace("-", "_") + "-" + version
    files = {
        name.replace("-", "_") + ".py":
            pathlib.Path("module.py").read_text().replace("@BUILDER@", sys.base_prefix),
        f"{stem}.dist-info/METADATA": metadata,
        f"{stem}.dist-info/WHEEL":
            f"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: {tag}\\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        lines.append(f"{path},sha256={digest.decode().rstrip('=')},{len(text.encode())}")
    record = f"{stem}.dist-info/RECORD"
    files[record] = "\\n".join([*lines, f"{record},,", ""])
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / f"{stem}-{tag}.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return f"{stem}-{tag}.whl"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A wheel or an sdist: its file, and its metadata (PEP 566) for an index to offer."""

    name: str
    filename: str
    data: bytes
    metadata: str
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def write(self, folder: Path) -> Path:
        """Put the file into a directory, and return where it is."""
        path = folder / self.filename
        path.write_bytes(self.data)
        return path


def make_wheel(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    tag: str = "py3-none-any",
    requires_python: str | None = None,
    module: str = "",
    files: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Distribution:
    """A wheel with a module, or with `files`, equal byte for byte for the same arguments.

    `headers` are further ones of its METADATA.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = _metadata(name, version, requires, extras, requires_python)
    metadata += "".join(f"{key}: {value}\n" for key, value in (headers or {}).items())
    info = f"{stem}.dist-info"
    content = {
        **({f"{name.replace('-', '_')}.py": module} if files is None else files),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    lines = [
        f"{path},sha256={_record_hash(text)},{len(text.encode())}" for path, text in content.items()
    ]
    content[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as wheel:
        for path, text in content.items():
            wheel.writestr(zipfile.ZipInfo(path, _EPOCH), text)
    return Distribution(
        name=name,
        filename=f"{stem}-{tag}.whl",
        data=archive.getvalue(),
        metadata=metadata,
        requires_python=requires_python,
    )


def make_project(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    tag: str = "py3-none-any",
    module: str = "",
) -> Path:
    """Write a source tree with a build backend of its own, which makes a wheel with `tag`.

    With the tag `broken` its build fails. In the wheel, `@BUILDER@` in `module` is the prefix of the
    Python that built it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    project = f"[project]\nname = {name!r}\nversion = {version!r}\n"
    files = {
        "PKG-INFO": _metadata(name, version, requires, (), None),
        "TAG": tag,
        "backend.py": _BACKEND,
        "module.py": module,
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n{project}dependencies = {list(requires)!r}\n',
    }
    for path, text in files.items():
        (folder / path).write_text(text)
    return folder


def make_sdist(folder: Path, name: str, version: str, **options: object) -> Distribution:
    """An sdist of what `make_project` writes into `folder`, with the same options."""
    tree = make_project(folder / f"{name}-{version}", name, version, **options)  # type: ignore[arg-type]  # passed on as they are
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as sdist:
        sdist.add(tree, tree.name)
    metadata = (tree / "PKG-INFO").read_text()
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    return Distribution(name=name, filename=filename, data=archive.getvalue(), metadata=metadata)


class _Server(ThreadingHTTPServer):
    # A client that keeps its connection must not keep the test.
    daemon_threads = True
    # With the usual five, those who come at once are turned away on a busy machine, and wait a second.
    request_queue_size = 128


class LocalServer(ABC):
    """An HTTP server on a local port; use it as a context manager.

    `requests` counts the paths that were asked for. With `login` it wants basic authentication.
    """

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self.login = login
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        # How often it looks whether it shall end: by default, each test would wait half a second.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""

    def allows(self, request: BaseHTTPRequestHandler) -> bool:
        """Whether a request comes with the login that is wanted."""
        if self.login is None:
            return True
        account = base64.b64encode(":".join(self.login).encode()).decode()
        return request.headers.get("Authorization") == f"Basic {account}"


class FakeIndex(LocalServer):
    """A PyPI index: PEP 503 and PEP 691, with PEP 658 metadata.

    `failures` maps paths, or their beginnings, to the status to answer with; without `ranges` files
    are sent whole. Without `as_json` it speaks HTML only. `algorithm` is that of the hashes that it tells, None for an index that tells
    none.
    """

    def __init__(
        self,
        *distributions: Distribution,
        login: tuple[str, str] | None = None,
        as_json: bool = True,
        algorithm: str | None = "sha256",
    ) -> None:
        super().__init__(login)
        self.failures: dict[str, int] = {}
        self.ranges = True
        self._as_json, self._algorithm = as_json, algorithm
        self._files: dict[str, Distribution] = {}
        self._uploaded: dict[str, str] = {}
        self._tampered: dict[str, bytes] = {}
        self._yanked: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self.add(*distributions)

    @property
    def url(self) -> str:
        """The URL of the index."""
        return f"{self.origin}/simple"

    def add(self, *distributions: Distribution, uploaded: str = "2020-01-01T00:00:00Z") -> None:
        """Publish files."""
        for distribution in distributions:
            self._files[distribution.filename] = distribution
            self._uploaded[distribution.filename] = uploaded

    def remove(self, distribution: Distribution) -> None:
        """Take a file away."""
        del self._files[distribution.filename]

    def tamper(self, other: Distribution) -> None:
        """Serve other bytes under the name of a file, which the pages go on describing."""
        self._tampered[other.filename] = other.data

    def serve(self, path: str, text: str) -> None:
        """Serve a text of another kind, such as a requirements file."""
        self._texts[f"/{path}"] = text

    def yank(self, distribution: Distribution, reason: str) -> None:
        """Withdraw a file (PEP 592)."""
        self._yanked[distribution.filename] = reason

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.requests[path] += 1
        failure = next((code for start, code in self.failures.items() if path.startswith(start)), 0)
        _, area, name, *_ = [*path.split("/"), "", ""]
        if failure:
            _send(request, failure, "text/plain", b"scripted")
        elif not self.allows(request):
            _send(request, 401, "text/plain", b"who are you")
        elif area == "simple" and self._of(name):
            as_json = self._as_json and _JSON in request.headers.get("Accept", "")
            page = self._json(name) if as_json else self._html(name)
            _send(request, 200, _JSON if as_json else "text/html", page.encode())
        elif path == "/simple/":
            _send(request, 200, "text/html", b"<a href='app/'>app</a>")
        elif area == "files" and name in self._files:
            _send_file(request, self._tampered.get(name, self._files[name].data), self.ranges)
        elif area == "files" and name.removesuffix(".metadata") in self._files:
            metadata = self._files[name.removesuffix(".metadata")].metadata
            _send(request, 200, "text/plain", metadata.encode())
        elif path in self._texts:
            _send(request, 200, "text/plain", self._texts[path].encode())
        else:
            _send(request, 404, "text/plain", b"not here")

    def _of(self, name: str) -> list[Distribution]:
        return [
            distribution
            for distribution in self._files.values()
            if canonicalize_name(distribution.name) == name
        ]

    def _hashes(self, distribution: Distribution) -> dict[str, str]:
        kind = self._algorithm
        return {kind: hashlib.new(kind, distribution.data).hexdigest()} if kind else {}

    def _json(self, name: str) -> str:
        files = [
            {
                "filename": distribution.filename,
                "url": f"{self.origin}/files/{distribution.filename}",
                "hashes": self._hashes(distribution),
                "size": len(distribution.data),
                "upload-time": self._uploaded[distribution.filename],
                "requires-python": distribution.requires_python,
                "core-metadata": distribution.filename.endswith(".whl"),
                # The reason, or true where none is given (PEP 592).
                "yanked": self._yanked.get(distribution.filename, False)
                or distribution.filename in self._yanked,
            }
            for distribution in self._of(name)
        ]
        meta = {"api-version": "1.1"}
        return json.dumps({"meta": meta, "name": name, "versions": [], "files": files})

    def _html(self, name: str) -> str:
        links = [
            f'<a href="/files/{distribution.filename}'
            + "".join(f"#{kind}={value}" for kind, value in self._hashes(distribution).items())
            + '"'
            + (' data-core-metadata="true"' if distribution.filename.endswith(".whl") else "")
            + (
                f' data-requires-python="{html.escape(distribution.requires_python)}"'
                if distribution.requires_python
                else ""
            )
            + (
                f' data-yanked="{html.escape(self._yanked[distribution.filename])}"'
                if distribution.filename in self._yanked
                else ""
            )
            + f">{distribution.filename}</a>"
            for distribution in self._of(name)
        ]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"


def _send_file(request: BaseHTTPRequestHandler, data: bytes, ranges: bool) -> None:
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if not asked or not ranges:
        _send(request, 200, "application/octet-stream", data)
        return
    size = len(data)
    first, last = asked.groups()
    # Without a first one, so many of the last bytes are meant (RFC 9110, 14.1.2).
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= size:
        _send(request, 416, "text/plain", b"there is no such range")
        return
    span = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    _send(request, 206, "application/octet-stream", data[start:stop], span)


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    kind: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    request.send_response(status)
    for key, value in (headers or {}).items():
        request.send_header(key, value)
    if status == 401:  # noqa: PLR2004 - RFC 9110 asks a header for it
        request.send_header("WWW-Authenticate", 'Basic realm="index"')
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def _metadata(
    name: str,
    version: str,
    requires: Iterable[str],
    extras: Iterable[str],
    requires_python: str | None,
) -> str:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join([*lines, ""])


def _record_hash(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return digest.decode().rstrip("=")
