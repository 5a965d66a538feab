"""The real command on a machine of its own: a home, a store and an index that nobody else uses."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolvers.testing import Distribution, FakeIndex, make_wheel

from . import ready

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = Path(sys.executable).with_name("mfenv")
METAFLOW = COMMAND.with_name("metaflow")
_EPOCH = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


class Machine:
    """A user with a HOME, an MFENV_HOME and a working directory of their own.

    Nothing of the surrounding environment reaches the command, but what `environ` holds.
    """

    command: tuple[Path | str, ...] = (COMMAND,)

    def __init__(self, root: Path, index: FakeIndex, store: Path) -> None:
        self.root, self.store = root, store
        self.home, self.user, self.work = root / "home", root / "user", root / "work"
        for folder in (self.user, self.work):
            folder.mkdir(parents=True)
        self.environ = {
            "HOME": str(self.user),
            "LANG": "C.UTF-8",
            "MFENV_HOME": str(self.home),
            "MFENV_INDEX_URL": index.url,
            # On a slow machine anything takes long enough for a line of it.
            "MFENV_NO_PROGRESS": "1",
            "MFENV_PYTHON_PROVIDER": "system",
            "MFENV_STORE": store.as_uri(),
            "PATH": os.defpath,
            "TMPDIR": str(root),
        }

    def start(
        self, *words: str | Path, env: Mapping[str, str] | None = None, before: str = ":"
    ) -> Process:
        """Start the command, after the shell has done what `before` says."""
        shell = ("/bin/sh", "-c", f'{before}; exec "$0" "$@"')
        return self.spawn(*shell, *self.command, *words, env=env)

    def spawn(self, *command: str | Path, env: Mapping[str, str] | None = None) -> Process:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environ, **(env or {})},
            cwd=self.work,
            text=True,
        )

    def on_terminal(self, *words: str | Path, answer: str = "", columns: int = 80) -> str:
        """What the command says on a terminal where its question gets this answer."""
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        command = [str(word) for word in (COMMAND, *words)]
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=self.environ, cwd=self.work
        )
        os.close(slave)
        os.write(master, f"{answer}\n".encode())
        said = b""
        with suppress(OSError):  # how Linux tells that nobody has the terminal open any more
            while data := os.read(master, 4096):
                said += data
        process.wait()
        os.close(master)
        return said.decode()

    def run(
        self, *words: str | Path, env: Mapping[str, str] | None = None, before: str = ":"
    ) -> Done:
        """Run the command to its end, without its start where that makes no difference."""
        if before == ":" and self.command[0] == METAFLOW:
            return self.metaflow(*self.command, *words, env=env)
        command = [str(word) for word in (*self.command, *words)]
        environ = {**self.environ, **(env or {})}
        if before == ":" and self.command == (COMMAND,) and ready.possible(command, environ):
            status, out, err = ready.run(command, environ, self.work)
            return Done(status=status, out=out, err=err)
        return finish(self.start(*words, env=env, before=before))

    def metaflow(
        self, program: str | Path, *words: str | Path, env: Mapping[str, str] | None = None
    ) -> Done:
        """Run a flow, or another program that imports Metaflow first, likewise."""
        command = [str(word) for word in (program, *words)]
        environ = {**self.environ, **(env or {})}
        if not ready.possible(command, environ):
            return finish(self.spawn(sys.executable, *command, env=env))
        status, out, err = ready.run_flow(sys.executable, command, environ, self.work)
        return Done(status=status, out=out, err=err)

    def ok(self, *words: str | Path, env: Mapping[str, str] | None = None) -> str:
        """What a command that succeeds prints."""
        done = self.run(*words, env=env)
        assert done.status == 0, done.err
        return done.out.strip()

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def fails(
        self,
        *words: str | Path,
        status: int = 1,
        env: Mapping[str, str] | None = None,
        before: str = ":",
    ) -> str:
        """What a command that fails says, after it was checked to have said it well."""
        return failure(self.run(*words, env=env, before=before), status)

    def file(self, name: str, text: str) -> Path:
        path = self.work / name
        path.write_text(text)
        return path

    def state(self) -> tuple[Any, ...]:
        """What must not change when a command fails: the registry's rows, the store's objects."""
        return self.rows(), {key: self.object(key).read_bytes() for key in self.objects()}

    def rows(self) -> dict[str, list[Any]]:
        path = self.home / "registry.sqlite"
        if not path.exists():
            return {}
        database = sqlite3.connect(path)
        try:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            if database.execute("pragma user_version").fetchone() == (0,):
                return {}
            tables = ("environments", "defaults", "aliases", "prefixes", "published")
            return {
                name: sorted(rows)
                for name in tables
                if (rows := database.execute(f"select * from {name}").fetchall())
            }
        finally:
            database.close()

    def objects(self) -> set[str]:
        """The keys of the store's objects that name something; a lone package names nothing."""
        found = (path.relative_to(self.store) for path in files(self.store))
        return {
            str(path) for path in found if path.parts[0] in ("environments", "defaults", "aliases")
        }

    def object(self, key: str) -> Path:
        return self.store / key

    def prefix(self, name: str) -> Path:
        return self.home / "envs" / name


Process = subprocess.Popen[str]


def of_the_machine() -> dict[str, str]:
    """The variables by which programs of this machine are found, and the public index reached."""

    def is_one(name: str) -> bool:
        return name in ("PATH", "LANG") or any(
            word in name.upper() for word in ("CERT", "BUNDLE", "PROXY")
        )

    return {name: text for name, text in os.environ.items() if is_one(name)}


def finish(process: Process) -> Done:
    try:
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    return Done(status=process.returncode, out=out, err=err)


def failure(done: Done, status: int = 1) -> str:
    """The message and the hint of a failed command: one `error:`, no traceback, no data."""
    assert (done.status, done.out) == (status, ""), done.err
    assert "Traceback" not in done.err
    assert "defect of mfenv" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.err
    return done.err[done.err.index("error: ") :]


def private_mounts() -> bool:
    """Whether this user may mount a file system in a name space of its own."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def unprivileged() -> str:
    """What makes a shell one without root's power over permissions; skips where it cannot."""
    if os.geteuid():
        return ":"
    words = ["unshare", "--user", "--map-user=12345"]
    try:
        subprocess.run([*words, "true"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this is root, who may not make a name space where it is not")
    return f'[ "$(id -u)" = 12345 ] || exec {" ".join(words)} "$0" "$@"'


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def consistent(machine: Machine) -> None:
    """Assert that what names something, here and in the store, names what is there and whole."""
    rows = machine.rows()
    known = {tuple(row[:3]) for row in rows.get("environments", ())}
    pairs = {(req_id, full_id) for req_id, full_id, _ in known}
    assert {(row[1], row[2]) for row in rows.get("aliases", ())} <= pairs
    assert {(row[0], row[2], row[1]) for row in rows.get("defaults", ())} <= known
    for path, *_ in rows.get("prefixes", ()):
        assert (Path(path) / ".mfenv.json").exists(), path
    stored = {}
    for path in machine.store.glob("environments/*/*/*.json"):
        description = json.loads(path.read_bytes())
        for package in description["packages"]:
            sha256 = package["hashes"]["sha256"]
            archive = machine.store / "packages" / sha256[:2] / sha256 / package["filename"]
            assert hashlib.sha256(archive.read_bytes()).hexdigest() == sha256
        stored[description["req_id"], description["full_id"]] = description
    for path in machine.store.glob("aliases/*/*.json"):
        alias = json.loads(path.read_bytes())
        assert (alias["req_id"], alias["full_id"]) in stored
    for path in machine.store.glob("defaults/*/*.json"):
        assert (path.parent.name, json.loads(path.read_bytes())["full_id"]) in stored


def tidy(machine: Machine) -> None:
    """Assert that nothing half done lies around, and no process of ours runs.

    The beginning of a download stays, so that the next one goes on from there.
    """
    patterns = ("**/*.tmp", "**/.*.new", "**/.*.mfenv-*")
    places = (machine.home, machine.store, machine.work)
    assert [found for place in places for one in patterns for found in place.glob(one)] == []
    assert processes_of(machine) == []


def check_records(prefix: Path) -> set[str]:
    """Every file in conda-meta exists with its recorded hash; the names of the packages."""
    found = set()
    for record in (prefix / "conda-meta").glob("*.json"):
        document = json.loads(record.read_text())
        found.add(document["name"])
        for one in document["paths_data"]["paths"]:
            path = prefix / one["_path"]
            assert path.exists(), path
            digest = one.get("sha256_in_prefix")
            assert not digest or hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
    return found


def processes_of(machine: Machine, patience: float = 60.0) -> list[str]:
    """The command lines of running processes that were started for this machine.

    The kernel needs a moment to end those of a killed parent.
    """
    mark = f"HOME={machine.user}".encode()
    deadline = time.monotonic() + patience
    while True:
        found = [
            path.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode()
            for path in Path("/proc").glob("[0-9]*/environ")
            if mark in _read(path).split(b"\0")
        ]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def with_script(wheel: Distribution, script: str, function: str = "main") -> Distribution:
    """The wheel with a console script that calls a function of its module."""
    module = wheel.name.replace("-", "_")
    text = f"[console_scripts]\n{script} = {module}:{function}\n"
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    archive = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(wheel.data)) as old,
        zipfile.ZipFile(archive, "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("/RECORD"):
                path = name.replace("/RECORD", "/entry_points.txt")
                data = f"{path},sha256={digest},{len(text)}\n".encode() + data
                new.writestr(zipfile.ZipInfo(path, _EPOCH), text)
            new.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return replace(wheel, data=archive.getvalue())


HELLO = "import sys\n\ndef main():\n    print('hello from', sys.prefix)\n    return 7\n"


def distributions() -> list[Distribution]:
    """What the index of a test offers."""
    return [
        with_script(make_wheel("app", "1.0", requires=["dep>=1"], module=HELLO), "hello"),
        make_wheel("dep", "1.0", module="version = 1\n"),
        make_wheel("dep", "2.0", module="version = 2\n"),
        make_wheel("other", "1.0"),
    ]
