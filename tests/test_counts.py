"""What commands cost, in what can be counted: processes, and what is imported for them."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from resolvers.testing import make_wheel

from .channel import Entry, Recipe, cached, pack, write_channel
from .helpers import finish

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers.testing import FakeIndex

    from .helpers import Machine

# The command, with a line for each import and each start of a program, in their order.
_COUNTED = """
import os, sys
log = open(sys.argv.pop(1), "a", buffering=1)
own = os.getpid()
if "MUCH" in os.environ:  # however little there is to do
    from pkgcache import _sharing

    _sharing._FEW = 0

def note(event, args):
    if os.getpid() != own:  # the copy of this process that solves
        return
    if event == "import":
        print("import", args[0], file=log)
    elif event == "sqlite3.connect":
        print("opened", os.path.basename(os.fsdecode(args[0])), file=log)
    elif event == "subprocess.Popen":
        words = [str(word).rpartition("/")[2] for word in args[1]]
        print("start", *(word for word in words[:3] if not word.startswith("-")), file=log)
    elif event == "os.fork":
        print("start copy", file=log)
    elif event == "os.link":
        print("link", file=log)
    elif event == "open" and "/engines/wheels/" in str(args[0]):
        print("opened", os.path.basename(args[0]), file=log)
    elif event == "open" and str(args[0]).endswith("/RECORD"):
        print("write RECORD", file=log)

sys.addaudithook(note)
from mfenv.__main__ import main
main()
"""


def counted(machine: Machine, *words: str) -> list[str]:
    """What a command does, a line each."""
    log: Path = machine.root / "counted"
    log.unlink(missing_ok=True)
    done = finish(machine.spawn(sys.executable, "-c", _COUNTED, log, *words))
    assert done.status == 0, done.err
    return log.read_text().splitlines()


def started(events: list[str]) -> list[str]:
    return [event.removeprefix("start ") for event in events if event.startswith("start ")]


def test_the_solver_starts_while_the_question_is_made_ready(conda: Machine) -> None:
    del conda.environ["MFENV_STORE"]
    words = ("resolve", "--conda", "greeter")
    events = counted(conda, *words, "--force")
    if sys.platform == "linux":
        assert started(events) == ["copy"]
    (start,) = started(events)
    # The request was read by then, and all that asks for it was not.
    begun = events.index(f"start {start}")
    assert events.index("import mfenv.request") < begun < events.index("import filelock")
    assert begun < events.index("import resolvers.conda")
    # What conda's solver has no use for is not there at the end.
    unused = {"pkgcache.local.cache", "pkgcache.share.shared", "requests", "uv"}
    assert not [event for event in events if event.removeprefix("import ") in unused]
    assert started(counted(conda, *words)) == []


def test_of_why_there_is_no_answer_nothing_is_imported_before_one(conda: Machine) -> None:
    del conda.environ["MFENV_STORE"]
    python = f"3.{sys.version_info.minor}"
    events = counted(conda, "resolve", "--conda", "greeter", "--python", python)
    unused = {"resolvers._conda_diagnosis", "resolvers._network", "pkgcache.web.download"}
    assert unused & {event.removeprefix("import ") for event in events} == set()


@pytest.mark.slow
def test_the_solver_starts_before_what_is_known_is_looked_at_if_it_is_solved_again(
    conda: Machine,
) -> None:
    words = ("resolve", "--conda", "greeter", "--force")
    conda.ok(*words)
    events = counted(conda, *words)
    (start,) = started(events)
    assert events.index(f"start {start}") < events.index("opened registry.sqlite")


@pytest.mark.slow
def test_what_the_store_knows_starts_no_solver(conda: Machine) -> None:
    words = ("resolve", "--conda", "greeter")
    conda.ok(*words)
    conda.environ["MFENV_HOME"] = str(conda.root / "other")
    conda.environ["MFENV_USE_REMOTE_LATEST"] = "anyone"
    assert started(counted(conda, *words)) == []


@pytest.mark.slow
def test_a_warm_resolve_of_wheels_needs_no_http_client_of_ours(machine: Machine) -> None:
    words = ("resolve", "--pypi", "app", "--force")
    machine.ok(*words)
    events = counted(machine, *words)
    assert "import requests" not in events
    # Whatever interpreters there are, what they said is known.
    assert started(events) == ["uv pip compile"]
    # What a wheel says of itself is read once for who asks uv and for who checks the answer.
    read = [event for event in events if event.endswith(".json")]
    assert 0 < len(read) == len({*read})


@pytest.mark.slow
def test_uv_starts_while_all_else_is_imported(machine: Machine) -> None:
    words = ("resolve", "--pypi", "app", "--python", f"3.{sys.version_info.minor}")
    machine.ok(*words)
    events = counted(machine, *words, "--force")
    begun = events.index("start uv pip compile")
    assert events.index("import mfenv.request") < begun
    # What takes the lock, serves uv, and takes, reads and checks an answer.
    later = ("filelock", "asyncio", "packaging", "resolvers.pypi", "resolvers._verdict")
    assert all(begun < events.index(f"import {name}") for name in later)


def test_a_file_of_plain_requirements_is_read_without_packaging(
    machine: Machine, tmp_path: Path
) -> None:
    request = tmp_path / "requirements.txt"
    request.write_text("# what we need\napp>=1  # or newer\n")
    words = ("resolve", "-r", str(request))
    machine.ok(*words)
    assert not [event for event in counted(machine, *words) if "packaging" in event]


@pytest.mark.slow
def test_creating_brings_in_nothing_that_fetches_or_collects(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    machine.ok("create", "app:v1", "--name", "one")
    events = counted(machine, "create", "app:v1", "--name", "two")
    for name in ("requests", "pkgcache.web.download", "pkgcache.local._fetch", "mfenv.collecting"):
        assert f"import {name}" not in events
    assert len(started(events)) == 1  # the interpreter, which makes its virtual environment


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="no process is forked elsewhere")
def test_files_are_looked_at_while_what_takes_locks_is_imported(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    machine.ok("create", "app:v1", "--name", "one")
    machine.environ["MUCH"] = "1"
    events = counted(machine, "create", "app:v1", "--name", "two")
    looks, program, links = started(events)
    assert (looks, links) == ("copy", "copy")
    begun = [events.index(event) for event in ("start copy", "import filelock", f"start {program}")]
    assert begun == sorted(begun)


def system_calls(machine: Machine, *words: str) -> Counter[str]:
    """The system calls of a command and all that it starts."""
    return program_calls(machine, "-m", "mfenv", *words)


def program_calls(machine: Machine, *words: str | Path) -> Counter[str]:
    """The system calls of a Python program and all that it starts."""
    if not shutil.which("strace"):
        pytest.skip("there is no strace here")
    log = machine.root / "calls"
    strace = (shutil.which("strace") or "", "-f", "-qq", "-e", "signal=none", "-o", log)
    done = finish(machine.spawn(*strace, sys.executable, *words))
    assert done.status == 0, done.err
    lines = (line.split(maxsplit=1)[-1] for line in log.read_text().splitlines())
    return Counter(line.partition("(")[0] for line in lines if not line.startswith("<..."))


@pytest.mark.slow
def test_creating_waits_for_the_disk_as_little_as_can_be(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "small:v1")
    conda.ok("create", "small:v1", "--name", "one")
    calls = system_calls(conda, "create", "small:v1", "--name", "two")
    # The marker; what SQLite makes sure of in a commit, three times, and when it is closed.
    assert (calls["fsync"], calls["fdatasync"]) == (1, 5)
    assert sum(calls[name] for name in ("fork", "vfork", "execve")) == 1


_FILES = 3000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "conda"])
def test_a_file_costs_a_look_and_a_link(
    machine: Machine, index: FakeIndex, tmp_path: Path, kind: str
) -> None:
    """It is compared before it is linked, and what is linked is looked at no more."""
    machine.environ["MFENV_PYTHON_PROVIDER"] = "system" if kind == "wheel" else "conda"
    channel, found = tmp_path / "channel", []
    machine.environ["MFENV_CHANNELS"] = f"{channel.as_uri()} {cached().main.as_uri()}"
    sizes: dict[str, int] = {"small": 1, "large": _FILES}
    records: dict[str, Any] = {}
    for name, size in sizes.items():
        files = {f"{name}/{n // 100}/{n}.py": f"# {n}\n" for n in range(size)}
        index.add(make_wheel(name, "1.0", files=files))
        entries = {f"share/{path}": Entry(data=text.encode()) for path, text in files.items()}
        records |= pack(Recipe(name=name, version="1.0", files=entries), channel)
    write_channel(channel, records)
    for name, size in sizes.items():
        asked = "--pypi" if kind == "wheel" else "--conda"
        machine.ok("resolve", asked, name, "--alias", f"{name}:v1")
        machine.ok("create", f"{name}:v1", "--name", f"{name}-1")
        found.append(system_calls(machine, "create", f"{name}:v1", "--name", f"{name}-2"))
        events = counted(machine, "create", f"{name}:v1", "--name", f"{name}-3")
        # One that links half of many files; threads would wait for one another at each.
        assert events.count("start copy") == (1 if size == _FILES else 0)
        if kind == "wheel" and size == _FILES:
            # All else is written while that one links; what is left is shared then.
            begun, written = events.index("start copy"), events.index("write RECORD")
            assert "link" not in events[begun:written]
    more = found[1] - found[0]
    assert more["link"] == _FILES - 1
    looks = sum(more[name] for name in ("stat", "lstat", "newfstatat", "statx"))
    # A folder for a hundred of them costs a few more. How often threads wait for one
    # another and ask for memory is chance: none of it is counted.
    assert looks < _FILES * 1.1
    for chance in (
        "futex",
        "sched_yield",
        "mmap",
        "munmap",
        "mremap",
        "mprotect",
        "brk",
        "madvise",
    ):
        del more[chance]
    assert more.total() < _FILES * 2.3


# Packages from a store in a directory into a cache, which are both made anew.
_FETCHING = """
import hashlib, pathlib, sys
from envid.packages import Package
from pkgcache.local.cache import PackageCache
from pkgcache.stores import layout
from pkgcache.stores.directory import DirectoryStore

root, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
store, packages = DirectoryStore(root / "store"), []
for number in range(count):
    data = b"%d" % number * 1000
    sha256 = hashlib.sha256(data).hexdigest()
    filename = f"p{number}-1.0-py3-none-any.whl"
    packages.append(
        Package.make(
            kind="pypi", name=f"p{number}", version="1.0", filename=filename,
            url=f"https://files.test/{filename}", sha256=sha256, size=len(data),
        )
    )
    path = root / "store" / layout.package_key(packages[-1])
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
print(PackageCache(root / "cache").fetch(packages, store=store))
"""


@pytest.mark.slow
def test_what_a_package_costs_that_is_fetched(machine: Machine) -> None:
    """Most of the time of small ones is spent in the system, and in waiting for a turn in it."""
    few, many = 20, 120
    found = [
        program_calls(machine, "-c", _FETCHING, machine.root / str(count), str(count))
        for count in (1, few, many)  # the first compiles what no run before it has
    ]
    more, count = found[2] - found[1], many - few
    # Its lock, its file, and the store's: that one is made here, too. Rarely, two have the same lock,
    # which is looked for again.
    assert round(more["openat"] / count) == 4
    assert round(more["flock"] / count) == 2
    assert (more["rename"], more["fsync"]) == (count, count)
    # It is read from the store once, and nothing is read of a file that is new here.
    assert (more["pread64"], more["read"]) == (count, 0)
    # Folders of the store, up to two each here and there.
    assert more["mkdir"] <= 6 * count
    # Whether it is here, three times, of which the last counts; what each of its three files is, and
    # that of the cache and of the store once more by who reads and writes them.
    looks = sum(more[name] for name in ("stat", "lstat", "newfstatat", "statx", "fstat"))
    assert looks <= 9 * count
    # No more room is asked of the system for what is read than is read.
    assert more["mremap"] <= 0.1 * count


# Wheels at URLs that are looked into, with some small file of theirs kept.
_LOOKING = """
import json, pathlib, sys
from envid.packages import Package
from pkgcache.local.cache import PackageCache
from resolvers._wheel_listings import WheelListings
from resolvers.request import ResolveContext

root = pathlib.Path(sys.argv[1])
cache = PackageCache(root / "cache")
context = ResolveContext(
    cache_dir=root, keep=lambda package, wheel: cache.add(wheel, package.filename)
)
packages = [Package.make(kind="pypi", version="1.0", **one) for one in json.loads(sys.argv[2])]
assert len(WheelListings((), context).facts(packages)) == len(packages)
"""


@pytest.mark.slow
def test_what_a_wheel_costs_that_is_looked_into(machine: Machine, index: FakeIndex) -> None:
    """Threads do it, each of which waits for the others at every call."""
    few, many, found = 20, 60, []
    for count in (1, few, many):  # the first compiles what no run before it has
        wheels = [make_wheel(f"w{number}", "1.0") for number in range(count)]
        for wheel in wheels:
            index.add(wheel)
        asked = [
            {
                "name": wheel.name,
                "filename": wheel.filename,
                "url": f"{index.origin}/files/{wheel.filename}",
                "sha256": wheel.sha256,
                "size": len(wheel.data),
            }
            for wheel in wheels
        ]
        root = machine.root / str(count)
        found.append(program_calls(machine, "-c", _LOOKING, root, json.dumps(asked)))
    more, count = found[2] - found[1], many - few
    # Three documents that say what is in it, itself, and their lock; no file to read it in. Rarely,
    # two wheels have the same lock, which is looked for again.
    assert round(more["openat"] / count) == 5
    assert (more["rename"], more["fsync"]) == (4 * count, count)
    assert (more["pwrite64"], more["pread64"], more["unlink"]) == (0, 0, 0)
    # Two folders for itself, the first of which two may have.
    assert more["mkdir"] <= 2.2 * count
