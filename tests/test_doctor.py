"""`mfenv doctor`: each check, broken for real; and an installation that is broken as a whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest
from tests.channel.standin import write_standin

import mfenv
from mfenv.diagnosing.checks import CHECKS
from mfenv.diagnosing.disk import file_system
from resolvers.testing import FakeIndex, make_wheel

from .emulators import Service, closed_port, running, why_not
from .emulators.relay import Relay, forget, refuse
from .helpers import COMMAND, Done, Machine, files, finish, private_mounts, unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .emulators.relay import Asked, Handler, Trouble

ROOT = Path(__file__).parent.parent
SECRET = "geheim"
pytestmark = pytest.mark.slow


class Line(NamedTuple):
    state: str
    message: str
    hint: str | None


def report(done: Done) -> dict[str, list[Line]]:
    """What each check said; the status fits it, and nothing in it is secret."""
    assert "Traceback" not in done.err, done.err
    assert SECRET not in done.out + done.err
    document = json.loads(done.out)
    lines: dict[str, list[Line]] = {}
    for found in document["checks"]:
        name = found.pop("check")
        lines.setdefault(name, []).append(Line(**found))
    assert list(lines) == [check.name for check in CHECKS]
    failed = any(line.state == "failure" for found in lines.values() for line in found)
    assert (document["sound"], done.status) == (not failed, int(failed))
    assert "defect of mfenv" not in done.out
    return lines


def diagnosed(
    machine: Machine, *words: str, env: Mapping[str, str] | None = None, before: str = ":"
) -> dict[str, list[Line]]:
    # Patient, so that a busy machine is no finding; what is about silence says how long.
    words = words if "--timeout" in words else (*words, "--timeout", "600")
    return report(machine.run("doctor", "--json", *words, env=env, before=before))


def bad(found: dict[str, list[Line]], *besides: str) -> dict[str, list[Line]]:
    """What is neither well nor left out, but for some checks."""
    wrong = {
        name: [line for line in lines if line.state in ("warning", "failure")]
        for name, lines in found.items()
        if name not in besides
    }
    return {name: lines for name, lines in wrong.items() if lines}


# a machine that is well


def test_nothing_is_wrong_and_nothing_is_changed(machine: Machine, index: FakeIndex) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    machine.ok("create", "a:v1", "--name", "e")
    machine.environ |= {"http_proxy": ""}
    state = machine.state()
    everything = {path for path in files(machine.home) if path.suffix != ".lock"}
    objects = files(machine.store)
    index.requests.clear()
    found = diagnosed(machine)
    assert bad(found) == {}
    assert machine.state() == state
    assert {path for path in files(machine.home) if path.suffix != ".lock"} >= everything
    assert [path for path in files(machine.store) if ".locks" not in path.parts] == [
        path for path in objects if ".locks" not in path.parts
    ]
    assert sum(index.requests.values()) == 1, "the index is asked once"
    assert found["store"][0].message.endswith(": reads, lists, writes, heeds conditions, deletes")
    assert found["environments"][0].message == "1 environments are what they were created as"
    assert [line.state for line in found["clock"]] == ["ok"]


def test_before_anything_was_done_nothing_is_made(machine: Machine) -> None:
    found = diagnosed(machine)
    assert list(bad(found)) == ["store"]
    assert found["store"][0].message.startswith("there is no directory ")
    assert found["store"][0].hint == "if it should be there, correct MFENV_STORE"
    # What engines remember may be deleted at any time.
    assert [path.name for path in machine.home.iterdir()] == ["engines"]
    assert not machine.store.exists()


def test_it_is_made_to_be_pasted(machine: Machine) -> None:
    store = machine.user / "store"
    store.mkdir()
    env = {
        "MFENV_STORE": store.as_uri(),
        "MFENV_HOME": str(machine.user / "mfenv"),
        "MFENV_EXTRA_INDEX_URL": f"http://joe:{SECRET}@127.0.0.1:9/simple",
        "https_proxy": f"http://joe:{SECRET}@127.0.0.1:9",
    }
    done = machine.run("doctor", env=env)
    assert done.status == 1
    assert SECRET not in done.out
    assert "joe" not in done.out
    assert str(machine.user) not in done.out
    assert "`~/mfenv`" in done.out
    assert "https_proxy=http://***@127.0.0.1:9" in done.out
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == [
        *(line.state for found in diagnosed(machine, env=env).values() for line in found)
    ]
    assert all(line.startswith("hint: ") for line in map(str.strip, lines) if line not in lines)


def test_the_resolvers_are_named(machine: Machine, tmp_path: Path) -> None:
    found = diagnosed(machine)["engines"]
    assert [line.state for line in found] == ["ok"]
    assert found[0].message.startswith("rattler, uv, joint, which come with mfenv; on PATH: ")
    log = tmp_path / "log"
    write_standin(tmp_path / "bin", "micromamba", log)
    env = {
        "MFENV_CONDA_RESOLVER": "micromamba",
        "MFENV_PYPI_RESOLVER": "pip",
        "MFENV_MIXED_RESOLVER": "conda-lock",
        "PATH": str(tmp_path / "bin"),
    }
    found = diagnosed(machine, env=env)["engines"]
    assert [(line.state, line.message.split("`")[0]) for line in found] == [
        ("ok", "micromamba 2.8.1, "),
        ("failure", "MFENV_PYPI_RESOLVER: pip failed: it is not on PATH"),
        ("failure", "MFENV_MIXED_RESOLVER: conda-lock failed: it is not on PATH"),
    ]
    assert "(`conda_resolver`: MFENV_CONDA_RESOLVER)" in found[0].message
    assert found[1].hint == "install it, or set `pypi_resolver` to `uv`"
    assert [json.loads(line)["argv"][1:] for line in log.read_text().splitlines()] == [
        ["--version"]
    ]


def test_what_a_resolver_finds_by_its_own_configuration_is_not_asked_elsewhere(
    machine: Machine, tmp_path: Path
) -> None:
    write_standin(tmp_path / "bin", "micromamba")
    own = "https://host.invalid/c"
    env = {
        "MFENV_CHANNELS": f"conda-forge {own}",
        "MFENV_CONDA_RESOLVER": "micromamba",
        "MFENV_PYTHON_PROVIDER": "conda",
        "PATH": str(tmp_path / "bin"),
    }
    said = [line.message for line in diagnosed(machine, env=env)["servers"]]
    assert [line for line in said if "conda-forge" in line] == [
        "channel `conda-forge`: where it is, the configuration of the resolver says"
    ]
    assert any(own in line for line in said)


def test_readme_names_every_check() -> None:
    text = (ROOT / "apps/cli/README.md").read_text()
    section = text.partition("## When something does not work")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [one.name for one in CHECKS]


# without the network


@pytest.mark.parametrize(
    ("words", "env", "why"),
    [
        (["--offline"], {}, "--offline"),
        ([], {"MFENV_LOCAL_ONLY": "1"}, "MFENV_LOCAL_ONLY"),
        ([], {"MFENV_OFFLINE": "1"}, "MFENV_OFFLINE"),
    ],
)
def test_what_needs_the_network_is_left_out_by_name(
    machine: Machine, index: FakeIndex, words: list[str], env: dict[str, str], why: str
) -> None:
    machine.ok("resolve", "--pypi", "app")
    index.requests.clear()
    found = diagnosed(machine, *words, env=env)
    assert not index.requests
    for name in ("servers", "clock"):
        (line,) = found[name]
        assert line.state == "skipped"
        assert line.message.endswith(f": {why}")
    # A store in a directory is at hand.
    assert found["store"][0].state == ("skipped" if why == "MFENV_LOCAL_ONLY" else "ok")


# the settings


def test_settings_that_cannot_be_read(machine: Machine) -> None:
    for text, message in (("store = [", "is not TOML"), ('stroe = "x"', "there is no setting")):
        path = machine.file("mfenv.toml", text)
        found = diagnosed(machine)
        assert list(bad(found)) == ["settings"]
        assert str(path) in found["settings"][0].message
        assert message in found["settings"][0].message
        assert found["versions"][0].state == "ok"
        assert found["registry"] == [
            Line("skipped", "the settings cannot be had: see `settings`", None)
        ]


def test_settings_that_mean_nothing(machine: Machine) -> None:
    path = machine.file(
        "mfenv.toml",
        'channels = ["mine"]\nfind_links = ["nowhere"]\nno_index = true\nhome = "here"\n'
        'pypi_names = "names.json"\n',
    )
    other = machine.file("pyproject.toml", "[tool.mfenv]\npre = true\n")
    del machine.environ["MFENV_HOME"]
    env = {"MFENV_SOTRE": "x", "MFENV_STORE": "", "MFENV_USE_REMOTE_LATEST": "anyone"}
    found = diagnosed(machine, env=env)["settings"]
    no_index = f"no index is asked (`no_index`: {path}:3)"
    no_store = "there is no store (`store`: MFENV_STORE)"
    no_conda = (
        "nothing comes from conda where Python is the system's"
        " (`python_provider`: MFENV_PYTHON_PROVIDER)"
    )
    assert [(line.state, line.message) for line in found] == [
        ("warning", "the variable MFENV_SOTRE is no setting"),
        ("warning", f"`{other}` is not read: of a project's files `{path}` is nearer"),
        ("warning", f"MFENV_INDEX_URL: `index_url` means nothing: {no_index}"),
        ("warning", f"MFENV_USE_REMOTE_LATEST: `use_remote_latest` means nothing: {no_store}"),
        ("warning", f"{path}:1: `channels` means nothing: {no_conda}"),
        ("warning", f"{path}:5: `pypi_names` means nothing: {no_conda}"),
        ("warning", f"{path}:4: `home` is another directory wherever mfenv is started"),
        ("failure", f"{path}:5: there is no file `names.json`"),
        ("failure", f"{path}:2: there is no directory `nowhere`"),
    ]
    assert found[0].hint == "did you mean MFENV_STORE?"


def test_a_resolver_that_is_another_one_elsewhere(machine: Machine) -> None:
    env = {"MFENV_CONDA_RESOLVER": "bin/mamba", "MFENV_PYTHON_PROVIDER": "conda"}
    (line,) = diagnosed(machine, env=env)["settings"]
    said = "MFENV_CONDA_RESOLVER: `conda_resolver` is another program wherever mfenv is started"
    assert line == Line("warning", said, "write it as an absolute path")
    (line,) = diagnosed(machine, env=env | {"MFENV_CONDA_RESOLVER": "mamba"})["settings"]
    assert line.state == "ok"


def test_a_user_without_a_home(machine: Machine) -> None:
    user = unprivileged()
    for name in ("MFENV_HOME", "HOME"):
        del machine.environ[name]
    found = diagnosed(machine, before=user)
    assert found["disk"][0].state == "failure"
    assert found["disk"][0].hint == "set MFENV_HOME to a directory of your own"
    assert found["registry"][0] == Line("skipped", "the home cannot be had: see `disk`", None)


# what is installed


def installed(place: Path, name: str, version: str, **more: Mapping[str, str]) -> str:
    """Install a wheel beside everything else; the PYTHONPATH that finds it."""
    wheel = make_wheel(name, version, **more)  # type: ignore[arg-type]
    place.mkdir(exist_ok=True)
    archive = place / wheel.filename
    archive.write_bytes(wheel.data)
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--offline"),
            *("--python", sys.executable, "--target", place, archive),
        ],
        check=True,
    )
    return str(place)


def test_a_library_that_mfenv_cannot_go_with(machine: Machine) -> None:
    env = {"PYTHONPATH": installed(machine.root / "old", "tomlkit", "0.1")}
    shutil.rmtree(machine.root / "old" / "tomlkit", ignore_errors=True)
    (machine.root / "old" / "tomlkit.py").unlink(missing_ok=True)
    found = diagnosed(machine, env=env)
    for line in found["versions"]:
        assert line.state == "failure"
        assert line.message.startswith("tomlkit is 0.1, and ")
    assert "mfenv 0" in "".join(line.message for line in found["versions"])
    assert (found["versions"][0].hint or "").startswith("`pip install --upgrade 'tomlkit>=")


@pytest.mark.parametrize("name", ["metaflow-netflixext", "a-fork-of-it"])
def test_two_extensions_with_environments(machine: Machine, name: str) -> None:
    pytest.importorskip("metaflow")
    brought = {"metaflow_extensions/nflx/plugins/conda/conda_environment.py": ""}
    env = {"PYTHONPATH": installed(machine.root / "other", name, "1.3.17", files=brought)}
    found = diagnosed(machine, env=env)["metaflow"]
    assert [line.state for line in found] == ["failure", "ok"]
    assert found[0].message.startswith(f"{name} and metaflow-mfenv are both installed")
    assert found[0].hint == f"`pip uninstall {name}`, or `pip uninstall metaflow-mfenv`"
    assert f"{name} 1.3.17" in found[1].message
    # What is said of it is true.
    assert "uninstall" not in str(diagnosed(machine)["metaflow"])


def test_a_metaflow_that_is_too_old(machine: Machine) -> None:
    pytest.importorskip("metaflow")
    env = {"PYTHONPATH": installed(machine.root / "old", "metaflow", "2.10.0")}
    (line,) = diagnosed(machine, env=env)["metaflow"]
    assert (line.state, line.message[:15]) == ("failure", "metaflow is 2.1")


def test_a_python_with_neither_metaflow_nor_what_is_declared(machine: Machine) -> None:
    """Nothing that was installed says so: only sources, and the few libraries that run them."""
    place = machine.root / "few"
    place.mkdir()
    needed = ("click", "packaging", "filelock", "yaml", "requests", "urllib3")
    for name in (*needed, "idna", "certifi", "charset_normalizer", "zstandard", "rich", "tomli"):
        for path in Path(click.__file__).parent.parent.glob(f"{name}*"):
            if not path.name.endswith(".dist-info"):
                (place / path.name).symlink_to(path)
    sources = [str(path) for path in ROOT.glob("*/*/src") if "metaflow" not in str(path)]
    env = {"PYTHONPATH": os.pathsep.join((str(place), *sources))}
    assert Path(str(mfenv.__file__)).is_relative_to(ROOT)
    command = (sys.executable, "-S", "-m", "mfenv", "doctor", "--json")
    found = report(finish(machine.spawn(*command, env=env)))
    assert found["metaflow"] == [Line("ok", "Metaflow is not installed for this Python", None)]
    assert (
        Line("failure", "mfenv is not installed as a package", "`pip install --upgrade mfenv`")
        in (found["versions"])
    )


# the disks


def test_a_home_that_cannot_be_written(machine: Machine) -> None:
    user = unprivileged()
    machine.ok("resolve", "--pypi", "app")
    folders = [machine.home, *(one for one in machine.home.rglob("*/") if not one.is_symlink())]
    for one in folders:
        one.chmod(0o555)
    found = diagnosed(machine, before=user)
    for one in folders:
        one.chmod(0o755)
    for name in ("disk", "registry"):
        assert [line.state for line in found[name]] == ["failure"]
        assert "permission denied" in found[name][0].message
        assert found[name][0].hint == "set MFENV_HOME to a directory that can be written"
    assert found["files"][0].state == "skipped"
    assert found["store"][0].state in ("ok", "warning")


@pytest.mark.skipif(not private_mounts(), reason="this user may not mount a file system")
@pytest.mark.parametrize(
    ("limits", "filled", "state", "message"),
    [
        ("size=300k", "1", "failure", "no space left on device"),
        ("size=100m", "", "warning", "has room for 0.1 GB"),
        ("size=9g,nr_inodes=500", "", "warning", "files (inodes)"),
    ],
)
def test_a_disk_without_room(
    machine: Machine, limits: str, filled: str, state: str, message: str
) -> None:
    machine.home.mkdir()
    script = (
        f'mount -t tmpfs -o {limits} none "$MFENV_HOME" || exit 9\n'
        '[ -z "$FILLED" ] || head -c 9000000 /dev/zero > "$MFENV_HOME/x" 2>/dev/null\n'
        'exec "$0" doctor --json'
    )
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, COMMAND)
    found = report(finish(machine.spawn(*command, env={"FILLED": filled})))
    assert (found["disk"][0].state, message in found["disk"][0].message) == (state, True)
    assert "mfenv gc" in (found["disk"][0].hint or "")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system")
def test_a_cache_on_another_file_system(machine: Machine) -> None:
    place = Path("/dev/shm") / f"mfenv-{os.getpid()}"
    place.mkdir()
    try:
        machine.home.mkdir()
        (machine.home / "cache").symlink_to(place)
        if place.stat().st_dev == machine.home.stat().st_dev:
            pytest.skip("it is the same one")
        (line,) = diagnosed(machine)["files"]
        assert line.state == "warning"
        assert line.message == (
            "environments are copied from the cache, not linked: they are on different file systems"
        )
        assert list(place.iterdir()) == []
    finally:
        shutil.rmtree(place)


def test_the_kind_of_a_file_system(tmp_path: Path) -> None:
    mounts = f"host:/a / ext4 rw 0 0\nhost:/a {tmp_path} nfs4 rw 0 0\nx {tmp_path}/in\\040side tmpfs rw\n"
    assert file_system(tmp_path / "x", mounts) == "nfs4"
    assert file_system(tmp_path / "in side" / "x", mounts) == "tmpfs"
    assert file_system(tmp_path.parent, mounts) == "ext4"
    assert file_system(tmp_path, "") is None


# what is kept


@pytest.mark.parametrize("kind", ["text", "newer", "directory", "page"])
def test_a_registry_that_is_broken(machine: Machine, kind: str) -> None:
    for name in ("app", "other", "dep"):
        machine.ok("resolve", "--pypi", name)
    path = machine.home / "registry.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
        if kind == "newer":
            database.execute("pragma user_version=99")
        pages = database.execute("pragma page_count").fetchone()[0]
        size = database.execute("pragma page_size").fetchone()[0]
    if kind == "text":
        path.write_text("this is no database, and longer than the head of one " * 9)
    if kind == "directory":
        path.unlink()
        path.mkdir()
    if kind == "page":
        data = bytearray(path.read_bytes())
        # Of all pages but that of the schema.
        for page in range(1, pages):
            data[page * size : page * size + 40] = b"\xff" * 40
        path.write_bytes(data)
    found = diagnosed(machine)
    assert [line.state for line in found["registry"]] == ["failure"]
    assert str(path) in found["registry"][0].message
    assert found["registry"][0].hint
    assert found["disk"][0].state == "ok"


def test_environments_that_are_not_what_they_were(machine: Machine) -> None:
    ids = machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    for name in ("whole", "lacks", "gone", "other"):
        machine.ok("create", "a:v1", "--name", name)
    next(machine.prefix("lacks").rglob("app.py")).unlink()
    shutil.rmtree(machine.prefix("gone"))
    (machine.prefix("other") / ".mfenv.json").write_text("{}")
    (machine.home / "envs" / ".x.mfenv-new" / "bin").mkdir(parents=True)
    found = diagnosed(machine)["environments"]
    said = {line.message.split("`")[1].rpartition("/")[2]: line for line in found[:-1]}
    assert sorted(said) == ["gone", "lacks", "other"]
    assert (said["gone"].state, said["gone"].hint) == ("warning", "`mfenv rm gone` forgets it")
    assert (said["lacks"].state, said["other"].state) == ("failure", "failure")
    assert "half made or half deleted" in found[-1].message
    # What the hints say makes all of it right.
    for line in (*said.values(), found[-1]):
        words = str(line.hint).split("`")[1].split()
        machine.ok(*words[1:])
    assert ids in str(said["lacks"].hint)
    assert [line.state for line in diagnosed(machine)["environments"]] == ["ok"]


# the store


@pytest.fixture(scope="module")
def s3() -> Iterator[Service]:
    if reason := why_not("s3"):
        pytest.skip(reason)
    with running("s3") as found:
        yield found


@pytest.fixture
def relay(s3: Service) -> Iterator[Relay]:
    """What stands between the command and a service, and makes trouble."""
    server = Relay(s3.endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(machine: Machine, s3: Service, relay: Relay, request: pytest.FixtureRequest) -> Machine:
    url = s3.url(request.node.originalname, relay.endpoint)
    machine.environ |= {**s3.environ, "MFENV_STORE": url}
    return machine


@pytest.mark.parametrize("kind", ["s3", "azure", "gcs"])
def test_a_store_that_works(machine: Machine, kind: str) -> None:
    if reason := why_not(kind):
        pytest.skip(reason)
    source = {"s3": "AWS_ACCESS_KEY_ID", "azure": "AZURE_STORAGE_KEY", "gcs": "nowhere: anonymous"}
    with running(kind) as service:
        machine.environ |= {**service.environ, "MFENV_STORE": service.url("x")}
        found = diagnosed(machine)
        (line,) = found["store"]
        assert line.state == "ok"
        assert "heeds conditions, deletes; nothing was published there yet" in line.message
        assert Line("ok", f"the store: {source[kind]}", None) in found["credentials"]
        # Neither a layout nor anything of ours is there afterwards.
        assert diagnosed(machine)["store"] == [line]


FORBIDDEN = b"<Error><Code>AccessDenied</Code></Error>"


@pytest.mark.parametrize(
    ("method", "trouble", "said"),
    [
        ("GET", refuse(403, FORBIDDEN), ("failure", "access is denied")),
        ("PUT", refuse(403, FORBIDDEN), ("warning", "what is there can be used, but nothing")),
        ("PUT", forget("if-none-match", "if-match"), ("failure", "does not know conditional puts")),
        ("DELETE", refuse(403, FORBIDDEN), ("warning", "stays in the store")),
        ("GET", refuse(500), ("failure", "the service answered 500")),
    ],
)
def test_a_store_that_refuses(
    remote: Machine, relay: Relay, method: str, trouble: Trouble, said: tuple[str, str]
) -> None:
    relay.plan(method, trouble, times=99)
    (line,) = diagnosed(remote)["store"]
    state, message = said
    assert (line.state, message in line.message) == (state, True), line
    if method != "GET":
        assert line.hint
        keys = {asked.path for asked in relay.asked("PUT") if "/doctor/" in asked.path}
        assert len(keys) == 1
        # It was tried to be deleted again, but where nothing could be written.
        written = method == "DELETE" or "conditional" in message
        assert bool(relay.asked("DELETE", "/doctor/")) == written


def test_a_store_that_says_nothing_or_is_down(remote: Machine, s3: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        started, env = time.monotonic(), {"MFENV_STORE": s3.url("x", f"http://127.0.0.1:{port}")}
        silent = diagnosed(remote, "--timeout", "24", env=env)
        assert time.monotonic() - started < 60
    with closed_port() as port:
        down = diagnosed(remote, env={"MFENV_STORE": s3.url("x", f"http://127.0.0.1:{port}")})
    assert "no answer for 9 seconds" in silent["store"][0].message
    assert "connection refused" in down["store"][0].message
    for found in (silent, down):
        assert [line.state for line in found["store"]] == ["failure"]
        assert list(bad(found)) == ["store"]


def test_a_store_without_credentials(remote: Machine) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        del remote.environ[name]
    found = diagnosed(remote)
    for name in ("credentials", "store"):
        assert found[name][0].state == "failure"
        assert "there are no credentials" in found[name][0].message
        assert "AWS_PROFILE" in (found[name][0].hint or "")
    path = remote.file("aws", f"[mine]\naws_access_key_id = x\naws_secret_access_key = {SECRET}\n")
    env = {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_PROFILE": "mine"}
    (line,) = diagnosed(remote, env=env)["credentials"]
    assert line.message == "the store: the file of shared credentials, profile `mine`"


def test_a_directory_that_is_read_only_or_no_store(machine: Machine) -> None:
    user = unprivileged()
    machine.ok("resolve", "--pypi", "app")
    folders = [machine.store, *(one for one in machine.store.rglob("*/"))]
    for one in folders:
        one.chmod(0o555)
    (line,) = diagnosed(machine, before=user)["store"]
    for one in folders:
        one.chmod(0o755)
    assert line.state == "warning"
    assert line.message.startswith("what is there can be used, but nothing published: ")
    (machine.store / "layout.json").write_text('{"layout": 99}')
    (line,) = diagnosed(machine)["store"]
    assert (line.state, "has layout 99" in line.message) == ("failure", True)
    there = machine.file("file", "x").as_uri()
    (line,) = diagnosed(machine, env={"MFENV_STORE": there})["store"]
    assert line.state in ("warning", "failure")
    assert "not a directory" in line.message


# the network


class Web(ThreadingHTTPServer):
    """Answers everything with `status`; its clock is `ahead` so many seconds."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, status: int = 200, ahead: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.status, self.ahead, self.asked = status, ahead, list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Web

    def do_HEAD(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 - the name that http.server looks for

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.server.ahead)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass


@contextmanager
def web(status: int = 200, ahead: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    server = Web(status, ahead)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "ok"),
        (405, "ok"),
        (401, "failure"),
        (403, "failure"),
        (404, "warning"),
        (503, "failure"),
    ],
)
def test_an_index_that_answers(machine: Machine, status: int, state: str) -> None:
    with web(status) as server:
        found = diagnosed(machine, env={"MFENV_INDEX_URL": f"{server.url}/simple"})["servers"]
        assert set(server.asked) == {"/simple/"}
    (line,) = found
    assert line.state == state
    assert f"index {server.url}/simple: answered {status} in " in line.message
    assert bool(line.hint) == (state != "ok")


def test_channels(machine: Machine) -> None:
    machine.environ["MFENV_PYTHON_PROVIDER"] = "conda"
    there = machine.root / "channel"
    there.mkdir()
    with web() as right, web(404) as none, socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"http://127.0.0.1:{silent.getsockname()[1]}/c"
        urls = [f"{right.url}/c", f"{none.url}/c", mute, there.as_uri(), f"{there.as_uri()}-gone"]
        env = {"MFENV_CHANNELS": " ".join(urls)}
        found = diagnosed(machine, "--timeout", "32", env=env)["servers"]
        assert right.asked == ["/c/noarch/repodata.json"]
    # What is at hand comes first, the index last but for the channels.
    assert [line.state for line in found] == ["ok", "failure", "ok", "ok", "failure", "failure"]
    assert found[1].message == f"channel {urls[4]} is not there"
    assert found[4].message.startswith(f"channel {urls[1]}: answered 404")
    assert found[5].message == f"channel {mute}: no answer for 12 seconds"


def test_the_clock(machine: Machine) -> None:
    for ahead, side in ((3600, "behind"), (-3600, "ahead of")):
        with web(ahead=ahead) as server:
            (line,) = diagnosed(machine, env={"MFENV_INDEX_URL": server.url})["clock"]
        assert line.state == "failure"
        assert line.message.startswith(
            f"the clock of this machine is 60 minutes {side} that of 127."
        )
    with web() as right, web(ahead=900) as wrong:
        env = {"MFENV_INDEX_URL": right.url, "MFENV_EXTRA_INDEX_URL": wrong.url}
        found = diagnosed(machine, env=env)["clock"]
    assert [line.state for line in found] == ["warning", "ok"]


def test_a_store_with_another_time(remote: Machine, relay: Relay) -> None:
    def old(handler: Handler, asked: Asked) -> None:
        answer = handler.forward(asked)
        dated = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
        handler.answer(answer._replace(headers={**answer.headers, **dated}))

    relay.plan("HEAD", old, times=99)
    relay.plan("GET", old, times=99)
    found = diagnosed(remote)["clock"]
    # The index has the time that we have.
    assert [line.state for line in found] == ["failure", "ok"]
    assert "a store refuses signatures of another time" in (found[0].hint or "")


def test_a_proxy_that_is_used(machine: Machine) -> None:
    with web() as proxy:
        env = {
            "MFENV_INDEX_URL": "http://index.invalid/simple",
            "http_proxy": proxy.url.replace("//", f"//joe:{SECRET}@"),
            "no_proxy": "elsewhere.invalid",
        }
        found = diagnosed(machine, env=env)
        assert "http://index.invalid/simple/" in proxy.asked
    shown = proxy.url.replace("//", "//***@")
    assert bad(found, "store") == {}
    assert found["proxy"][0].message == f"http_proxy={shown}, no_proxy=elsewhere.invalid"
    assert found["proxy"][1].message == f"{shown} is asked for index.invalid"
    assert f"index http://index.invalid/simple through {shown}: answered 200" in (
        found["servers"][0].message
    )


def test_a_proxy_that_is_down_or_differs(machine: Machine) -> None:
    env = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:10"}
    found = diagnosed(machine, env=env)
    states = [line.state for line in found["proxy"]]
    assert states == ["warning", "ok", "failure", "failure", "ok"]
    assert found["servers"][0].state == "failure"
    assert "the proxy cannot be used" in found["servers"][0].message
    (line,) = (one for one in diagnosed(machine, env={"https_proxy": "http://:x"})["proxy"][1:])
    assert (line.state, "its address" in line.message) == ("failure", True)


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")
def test_certificates(machine: Machine) -> None:
    path = machine.root / "certificate.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test"
    name = "subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", *options.split(), "-addext", name, "-keyout", path, "-out", path],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with web(tls=context) as server:
        url = server.url.replace("http:", "https:")
        wrong = diagnosed(machine, env={"MFENV_INDEX_URL": url})
        right = diagnosed(machine, env={"MFENV_INDEX_URL": url, "SSL_CERT_FILE": str(path)})
    assert wrong["servers"][0].state == "failure"
    assert wrong["servers"][0].message.endswith("the TLS handshake failed")
    assert "SSL_CERT_FILE" in (wrong["servers"][0].hint or "")
    assert (right["servers"][0].state, right["certificates"][0].state) == ("ok", "ok")
    empty = machine.file("empty.pem", "no certificate\n")
    env = {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem", "SSL_CERT_FILE": str(empty)}
    found = diagnosed(machine, "--offline", env=env)["certificates"]
    assert [line.state for line in found] == ["failure", "failure", "warning"]
    assert "REQUESTS_CA_BUNDLE names `/nowhere/ca.pem`, which is not there" in found[0].message
    assert "which has no certificates" in found[1].message


# who asks


def test_where_logins_come_from(machine: Machine) -> None:
    machine.file("netrc", f"machine 127.0.0.1 login joe password {SECRET}\n")
    machine.environ["NETRC"] = str(machine.work / "netrc")
    with web() as index, web() as other:
        env = {
            "MFENV_PYTHON_PROVIDER": "conda",
            "MFENV_INDEX_URL": index.url,
            "MFENV_EXTRA_INDEX_URL": other.url.replace("//", f"//ann:{SECRET}@"),
            "MFENV_CHANNELS": "http://channel.invalid/t/xy-0123abcd-geheim/mine",
        }
        found = diagnosed(machine, env=env)["credentials"]
    assert [line.message for line in found] == [
        "index at 127.0.0.1: its URL",
        "index at 127.0.0.1: netrc",
        "channel at channel.invalid: a token in its URL",
    ]
    machine.file("netrc", f"machine\n\nmachin x login joe password {SECRET}\n")
    (line,) = diagnosed(machine)["credentials"]
    assert line.state == "warning"
    assert line.message.endswith("cannot be read, so no login in it is used")


def test_pythons(machine: Machine) -> None:
    (line,) = diagnosed(machine)["pythons"]
    assert line.state == "ok"
    assert f"; environments have {sys.version_info.major}." in line.message
    (line,) = diagnosed(machine, env={"MFENV_PYTHON": "3.99"})["pythons"]
    assert line.state == "failure"
    assert "3.99" in line.message
