"""Every credential that a user can have, each another text: in memory, and nowhere else."""

from __future__ import annotations

import io
import os
import re
import secrets
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolvers.testing import Distribution, FakeIndex, make_project, make_wheel

from .channel import ChannelServer, cached
from .helpers import distributions, files, finish

if TYPE_CHECKING:
    from .helpers import Machine

pytestmark = pytest.mark.slow

PLACES = ("url", "netrc", "token", "query", "store", "cloud")


@pytest.fixture
def planted() -> dict[str, str]:
    """A secret for each place."""
    return {place: f"{place}{secrets.token_hex(8)}" for place in PLACES}


class Witness:
    """Collects what commands say, and the titles of the processes that begin while they run."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.said: dict[str, str] = {}
        self.titles: set[str] = set()

    def run(self, *words: str, status: int = 0, **environ: str) -> str:
        others = set(os.listdir("/proc"))  # noqa: PTH208
        process = self._machine.start(*words, env=environ)
        while process.poll() is None:
            self._watch(set(os.listdir("/proc")) - others)  # noqa: PTH208
            time.sleep(0.002)  # or the watch takes a whole processor
        done = finish(process)
        self.said[" ".join(words)] = done.out + done.err
        assert done.status == status, done.err
        return done.out.strip()

    def _watch(self, processes: set[str]) -> None:
        for process in processes:
            for name in ("cmdline", "comm"):
                try:
                    text = Path("/proc", process, name).read_bytes()
                except OSError:
                    continue
                self.titles.add(text.replace(b"\0", b" ").decode(errors="replace"))


def test_no_credential_is_anywhere(machine: Machine, planted: dict[str, str]) -> None:
    url, netrc, token, query, _, cloud = planted.values()
    extra = make_wheel("extra", "1.0", module="x = 3\n")
    with (
        FakeIndex(*distributions(), login=("ann", url)) as index,
        FakeIndex(extra, login=("bob", netrc)) as second,
        ChannelServer(cached().root, token=token) as channel,
    ):
        # The user's own files, which are the only ones that may hold any.
        mine = {
            machine.user / ".netrc": f"machine 127.0.0.1 login bob password {netrc}\n",
            machine.work / "mfenv.toml": f'channels = ["{channel.url}/t/{token}/main"]\n',
            machine.work
            / "requirements.txt": f"--find-links {index.origin}/x?token={query}\napp\n",
        }
        for path, text in mine.items():
            path.write_text(text)
            path.chmod(0o600)
        machine.environ |= {
            "AWS_SECRET_ACCESS_KEY": cloud,
            "AZURE_STORAGE_KEY": cloud,
            "MFENV_EXTRA_INDEX_URL": second.url,
            "MFENV_INDEX_URL": index.url.replace("://", f"://ann:{url}@"),
            "MFENV_PYTHON_PROVIDER": "conda",
        }
        witness = Witness(machine)
        pypi = ("--pypi", "app", "--pypi", "extra")
        witness.run("resolve", "--conda", "greeter", *pypi, "--alias", "team/a:v1")
        assert second.requests[f"/files/{extra.filename}"]
        for words in (["show", "team/a:v1", "--json"], ["list", "--json"], ["config", "--json"]):
            witness.run(*words)
        machine.environ["MFENV_STORE"] = ""  # everything from where it first came from
        for path in files(machine.home / "cache"):
            path.unlink()
        witness.run("create", "team/a:v1", "--name", "e")
        assert "hello from" in witness.run("run", "e", "--", "greeter")
        # What fails says more, and with its traceback most.
        wrong = f"{second.origin}/t/{token}/none".replace("://", f"://bob:{netrc}@")
        failing: list[list[Any]] = [
            ["resolve", "--pypi", "nothing-there"],
            ["resolve", "--pypi", "app", "--index-url", wrong],
            ["resolve", "--conda", "greeter", "--channel", f"{channel.url}/t/{token}/none"],
            ["resolve", "-r", "requirements.txt"],
            ["resolve", "--pypi", f"app @ {index.origin}/x/app-1.0-py3-none-any.whl?token={query}"],
        ]
        for words in failing:
            witness.run(*words, status=1)
            witness.run(*words, "--force", status=1, MFENV_DEBUG="1")
        for start in (
            "s3://{}@bucket/x",
            "az://{}@a/b",
            "gs://{}@b",
            "ftp://{}@h",
            "file://{}@h/x",
        ):
            for end in ("", "?sas={}&endpoint=http://{}@127.0.0.1:9"):
                store = (start + end).replace("{}", f"ann:{planted['store']}")
                witness.run("show", "none/x:v1", status=1, MFENV_STORE=store)
                # What is no store is refused when settings are read, by every command.
                refused = start.startswith(("ftp:", "file:"))
                witness.run("config", status=int(refused), MFENV_STORE=store)
    # What a user types is in the title of the command, and the user's own affair.
    titles = {
        title
        for title in witness.titles
        if not {"mfenv", "resolve"} <= set(re.split(r"[ /]", title))
    }
    assert any("pip compile" in title for title in titles)
    for name, secret in planted.items():
        assert [key for key, text in witness.said.items() if secret in text] == [], name
        assert [title for title in titles if secret in title] == [], name
    for path in [*files(machine.root), *files(machine.store)]:
        data = b"" if path in mine else path.read_bytes()
        assert [name for name, secret in planted.items() if secret.encode() in data] == [], path


# What a back end can see of the processes that it is built by, but for the memory of others.
SPY = """
import os, pathlib
def _told():
    yield from map(str, os.environ.items())
    parent = os.getppid()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        names = ("cmdline", "environ") if process.name == str(parent) else ("cmdline",)
        for name in names:
            try:
                yield (process / name).read_text(errors="replace")
            except OSError:
                pass
    for process in (parent, "self"):
        for path in pathlib.Path(f"/proc/{process}/fd").iterdir():
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                yield os.read(descriptor, 1 << 20).decode(errors="replace")
            except OSError:
                pass
    for path in pathlib.Path.home().glob(".config/uv/*"):
        yield path.read_text()
with open(@SEEN@, "a") as _file:
    _file.write("seen " + "\\n".join(_told()))
"""


def spying(folder: Path, seen: Path) -> Distribution:
    """An sdist whose metadata is known only once it was built."""
    tree = make_project(folder / "spy-1.0", "spy", "1.0")
    backend = tree / "backend.py"
    backend.write_text(SPY.replace("@SEEN@", repr(str(seen))) + backend.read_text())
    pyproject = tree / "pyproject.toml"
    text = pyproject.read_text().replace("version = '1.0'", 'dynamic = ["version"]')
    pyproject.write_text(text)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as sdist:
        sdist.add(tree, tree.name)
    metadata = (tree / "PKG-INFO").read_text()
    return Distribution(
        name="spy", filename="spy-1.0.tar.gz", data=archive.getvalue(), metadata=metadata
    )


@pytest.mark.parametrize("place", ["url", "netrc"])
def test_a_back_end_sees_no_credential(machine: Machine, tmp_path: Path, place: str) -> None:
    secret, seen = secrets.token_hex(16), tmp_path / "seen"
    others = {
        name: f"{secret}-{name}"
        for name in (
            *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"),
            *("GITHUB_TOKEN", "METAFLOW_SERVICE_AUTH_KEY", "PGPASSWORD", "TWINE_PASSWORD"),
            *("UV_INDEX_MINE_PASSWORD", "CI_JOB_TOKEN", "GIT_CONFIG_VALUE_0"),
        )
    }
    links = make_wheel("extra", "1.0", module="x = 1\n")
    with FakeIndex(spying(tmp_path, seen), links, login=("ann", secret)) as index:
        login = index.url.replace("://", f"://ann:{secret}@")
        if place == "netrc":
            netrc = machine.user / ".netrc"
            netrc.write_text(f"machine 127.0.0.1 login ann password {secret}\n")
            netrc.chmod(0o600)
        machine.environ |= others | {
            "CFLAGS": "-O1",
            "DATABASE_URL": f"postgres://ann:{secret}@127.0.0.1/x",
            "MFENV_FIND_LINKS": f"{login}/extra/" if place == "url" else "",
            "MFENV_INDEX_URL": login if place == "url" else index.url,
            "MFENV_STORE": machine.store.as_uri(),
            "PIP_INDEX_URL": login,
        }
        machine.ok("resolve", "--pypi", "spy", "--pypi", "extra", "--alias", "a")
    told = seen.read_text()
    assert told.count("seen ") >= 2  # for its metadata, and to be built
    assert "('CFLAGS', '-O1')" in told
    assert "/uv" in told
    assert secret not in told


def test_an_interpreter_that_is_asked_or_used_sees_no_credential(
    machine: Machine, tmp_path: Path
) -> None:
    secret, seen, folder = secrets.token_hex(16), tmp_path / "seen", tmp_path / "pythons"
    folder.mkdir()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / f"python{version}"
    python.write_text(f'#!/bin/sh\n/usr/bin/env >> {seen}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with FakeIndex(*distributions(), login=("ann", secret)) as index:
        machine.environ |= {
            "AWS_SECRET_ACCESS_KEY": secret,
            "MFENV_COMPILE_BYTECODE": "true",
            "MFENV_INDEX_URL": index.url.replace("://", f"://ann:{secret}@"),
            "PATH": f"{folder}:{machine.environ['PATH']}",
        }
        machine.ok("resolve", "--pypi", "app", "--python", f"=={version}.*", "--alias", "a")
        machine.ok("create", "a")
    assert "PATH=" in seen.read_text()
    assert secret not in seen.read_text()
