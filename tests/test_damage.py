"""What is on the disk is not what mfenv wrote there: named, healed, and in nobody else's way."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sqlite3
import zlib
from contextlib import closing, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mfenv._cli import cli
from mfenv.command_line import run
from mfenv.environments import Environments
from mfenv.errors import DamagedPrefix
from mfenv.settings import Settings

from .helpers import COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Machine

pytestmark = pytest.mark.slow


def one(prefix: Path, pattern: str) -> Path:
    return next(iter(sorted(prefix.glob(pattern))))


def replaced(path: Path, *, size: int | None = None) -> None:
    """Another file in the place of `path`, of its size where none is given."""
    beside = path.with_name("beside")
    beside.write_bytes(bytes(path.stat().st_size if size is None else size))
    beside.chmod(path.stat().st_mode)
    # Lists have times in whole seconds: what comes in the same second is not told from the file.
    later = path.stat().st_mtime + 2
    os.utime(beside, (later, later))
    beside.replace(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a module is gone": ("lib/python3*/site-packages/app.py", Path.unlink),
    "a module is cut": ("lib/python3*/site-packages/app.py", lambda path: replaced(path, size=3)),
    "a module is another": ("lib/python3*/site-packages/app.py", replaced),
    "a module is a pipe": ("lib/python3*/site-packages/app.py", pipe),
    "a package is gone": ("lib/python3*/site-packages/dep-*.dist-info", shutil.rmtree),
    "a record is gone": ("lib/python3*/site-packages/dep-*.dist-info/RECORD", Path.unlink),
    "a program is gone": ("bin/hello", Path.unlink),
    "a program is none any more": ("bin/hello", lambda path: path.chmod(0o644)),
    "the interpreter is gone": ("bin/python", Path.unlink),
    "the interpreter leads nowhere": ("bin/python", dangling),
    "the list is gone": (".mfenv-files.json", Path.unlink),
    "the list is garbage": (".mfenv-files.json", lambda path: replaced(path, size=9)),
    "the list is a pipe": (".mfenv-files.json", pipe),
}


def test_a_damaged_environment_is_not_used(machine: Machine) -> None:
    """A look at each file finds it, whoever is about to use it, and a command makes it again."""
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    named, own = Path(machine.ok("create", "a", "--name", "e")), Path(machine.ok("create", "a"))
    placed = machine.work / "it's here"
    machine.ok("create", "a", "--prefix", placed)
    settings = Settings(home=str(machine.home), local_only=True)
    with Environments(settings) as environments:

        def force(prefix: Path) -> None:
            environments.create(
                "a",
                as_name="e" if prefix == named else None,
                prefix=placed if prefix == placed else None,
                force=True,
            )

        uses: list[tuple[Path, Callable[[], object]]] = [
            (named, lambda: environments.prefix_for("e")),
            (named, lambda: environments.create("a", as_name="e", exist_ok=True)),
            (own, lambda: environments.prefix_for("a")),
            (placed, lambda: environments.create("a", prefix=placed, exist_ok=True)),
        ]
        for number, (name, (pattern, damage)) in enumerate(DAMAGE.items()):
            prefix, use = uses[number % len(uses)]
            use()
            damage(one(prefix, pattern))
            with pytest.raises(DamagedPrefix) as caught:
                use()
            assert caught.value.path == str(prefix), name
            force(prefix)
            use()
    commands: list[tuple[Path, tuple[str | Path, ...]]] = [
        (named, ("run", "e", "--", "true")),
        (own, ("run", "a", "--", "true")),
        (placed, ("create", "a", "--prefix", placed, "--exist-ok")),
    ]
    for prefix, words in commands:
        (prefix / "bin/hello").unlink()
        said = machine.fails(*words)
        assert f"`{prefix}` is not what it was created as: `bin/hello` is gone" in said
        again = said.rpartition("hint: `")[2].partition("`")[0]
        assert machine.ok(*shlex.split(again)[1:]) == str(prefix)
        machine.ok(*words)


def test_what_programs_leave_behind_is_no_damage(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    prefix = Path(machine.ok("create", "a", "--name", "e"))
    for command in (("python", "-m", "compileall", "-q", str(prefix / "lib")), ("python", "-V")):
        machine.ok("run", "e", "--", *command)
    for folder in prefix.rglob("__pycache__"):
        shutil.rmtree(folder)
    (prefix / "more").write_text("from a user")
    for path in prefix.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    machine.ok("run", "e", "--", "true")


# What is about one environment, and what is about another


HERE = "team/o:v1"
OTHERS: tuple[tuple[str, ...], ...] = (
    ("list",),
    ("list", "--json"),
    ("show", HERE),
    ("create", HERE, "--exist-ok"),
    ("create", HERE, "--name", "o", "--force"),
    ("resolve", "--pypi", "other"),
    ("cache", "info"),
    ("gc", "--dry-run"),
    ("gc",),
    ("rm", "o"),
)


def sql(text: str, *values: object) -> Callable[[Home], object]:
    """Change the registry; `{0}` and `{1}` are the ids of the damaged environment."""

    def change(home: Home) -> None:
        with closing(sqlite3.connect(home.registry)) as db, db:
            db.execute(text.format(*home.damaged), values)

    return change


def description(data: bytes) -> Callable[[Home], object]:
    text = "update environments set description=? where req_id='{0}'"
    return sql(text, zlib.compress(data))


def marker(content: bytes | str) -> Callable[[Home], object]:
    """Put something in the place of a marker, of a prefix that the registry does not know."""

    def change(home: Home) -> None:
        path = home.own / ".mfenv.json"
        path.unlink()
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            (path.mkdir if content == "folder" else partial(os.mkfifo, path))()
        with closing(sqlite3.connect(home.registry)) as db, db:
            db.execute("delete from prefixes where path=?", (str(home.own),))

    return change


def in_cache(pattern: str, damage: Callable[[Path], object]) -> Callable[[Home], object]:
    def change(home: Home) -> None:
        for path in [*(home.root / "cache").glob(pattern)]:
            damage(path)

    return change


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def no_prefix(make: Callable[[Path], object]) -> Callable[[Home], object]:
    def change(home: Home) -> None:
        shutil.rmtree(home.own)
        make(home.own)

    return change


def no_record(home: Home) -> None:
    pipe(one(home.named, "lib/*/site-packages/app-*/RECORD"))


UPDATE = "update environments set {} where req_id='{{0}}'"
# What is broken, and whether `cache verify` puts it right.
BROKEN: dict[str, tuple[Callable[[Home], object], bool]] = {
    "a description is {}": (description(b"{}"), True),
    "a description is of a newer format": (description(b'{"schema_version":99}'), True),
    "a description is nested too deep": (description(b"[" * 100_000), True),
    "a description is not compressed": (sql(UPDATE.format("description=x'00'")), True),
    "a description is a text": (sql(UPDATE.format("description='x'")), True),
    "digests are cut": (sql(UPDATE.format("digests=x'00'")), True),
    "digests are a text": (sql(UPDATE.format("digests='x'")), True),
    "an id is none": (sql(UPDATE.format("req_id='x'")), True),
    "an id is binary": (sql(UPDATE.format("full_id=x'ff'")), True),
    "a time is binary": (sql(UPDATE.format("resolved_at=x'ff'")), True),
    "a use is a text": (sql(UPDATE.format("used_at='x'")), True),
    "an alias leads to no id": (sql("insert into aliases values ('a/b:v1','x','y','')"), True),
    "an alias is binary": (sql("insert into aliases values (x'ff','x',x'00','')"), True),
    "a prefix has no absolute path": (
        sql("insert into prefixes values ('a/b',null,'{0}','{1}','linux-64',1)"),
        True,
    ),
    "a prefix has a NUL in its path": (
        sql("insert into prefixes values (cast(x'2f0061' as text),null,'{0}','{1}','x',1)"),
        True,
    ),
    "a prefix has a binary path": (
        sql("insert into prefixes values (x'ff',null,'{0}','{1}','linux-64',1)"),
        True,
    ),
    "a prefix has another id": (sql("update prefixes set req_id='x' where name='d'"), True),
    "a default is none": (sql("update defaults set full_id='x' where req_id='{0}'"), True),
    "what is published is garbage": (sql("insert into published values ('x','y','z','')"), True),
    "a marker is brackets": (marker(b"[]"), False),
    "a marker is nested too deep": (marker(b"[" * 4000), False),
    "a marker is empty": (marker(b""), False),
    "a marker is binary": (marker(bytes(range(256))), False),
    "a marker has numbers": (marker(b'{"schema_version":1,"req_id":1,"full_id":2}'), False),
    "a marker is newer": (marker(b'{"schema_version":2}'), False),
    "a marker is a folder": (marker("folder"), False),
    "a marker is a pipe": (marker("pipe"), False),
    "a record is a pipe": (no_record, False),
    "a prefix is a pipe": (no_prefix(os.mkfifo), False),
    "a prefix is a file": (no_prefix(Path.touch), False),
    "an archive is a pipe": (in_cache("archives/*/*/app-*.whl", pipe), True),
    "an archive is a folder": (in_cache("archives/*/*/app-*.whl", to_folder), True),
    "an unpacked file is a pipe": (in_cache("wheels-*/*/*/tree/app.py", pipe), True),
    "a list is a pipe": (in_cache("wheels-*/*/*/files.json", pipe), True),
    "a list is a folder": (in_cache("wheels-*/*/*/files.json", to_folder), True),
    "a file lies among artifacts": (in_cache("archives", lambda path: (path / "x").touch()), False),
    "a pipe lies among artifacts": (
        in_cache("archives", lambda path: os.mkfifo(path / "x")),
        False,
    ),
}


class Home:
    """A home with two environments, which is put back as it was before each kind of damage."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._saved = machine.home, machine.root / "saved"
        for name in [name for name in os.environ if name.startswith("MFENV_")]:
            monkeypatch.delenv(name)
        for name, value in machine.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(machine.work)
        for package, name in (("app", "d"), ("other", "o")):
            assert self.run("resolve", "--pypi", package, "--alias", f"team/{name}:v1")[0] == 0
            assert self.run("create", f"team/{name}:v1", "--name", name)[0] == 0
            assert self.run("create", f"team/{name}:v1")[0] == 0
        (row,) = (row for row in machine.rows()["aliases"] if row[0] == "team/d:v1")
        self.damaged = row[1], row[2]
        self.registry, self.named = self.root / "registry.sqlite", self.root / "envs/d"
        self.own = self.root / "envs" / f"{row[1][:16]}-{row[2][:16]}"
        shutil.copytree(self.root, self._saved, symlinks=True)

    def restore(self) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(self._saved, self.root, symlinks=True)

    def run(self, *words: str) -> tuple[int, str]:
        """The status of a command, and what it says: here and now, since there are hundreds."""
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            status = run(cli, words, name="mfenv")
        return status, said.getvalue()


def test_what_is_broken_is_in_nobody_elses_way(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of broken thing, and each command about something else; and who names it."""
    home = Home(machine, monkeypatch)
    for name, (damage, is_mended) in BROKEN.items():
        home.restore()
        damage(home)
        for words in OTHERS:
            status, said = home.run(*words)
            assert status == 0, (name, words, said)
            assert "defect" not in said, (name, words, said)
            if words == ("gc",) and name.startswith(("digests", "a marker")):
                assert home.damaged[0][:16] in said, (name, said)
        with Environments() as environments:
            assert environments.activation(environments.prefix_for(HERE)), name
        home.restore()
        damage(home)
        status, said = home.run("cache", "verify")
        assert "\n" in said.rstrip(), (name, said)
        assert (status == 0) is is_mended, (name, said)
        if is_mended:
            again = home.run("cache", "verify")
            assert again[0] == 0, (name, again)
            assert again[1].count("\n") == 1, (name, again)


def test_a_broken_environment_comes_back_from_the_store(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(machine, monkeypatch)
    description(b"{}")(home)
    status, said = home.run("show", "team/d:v1")
    assert status == 0
    assert "is damaged: schema_version: is missing; taken from the store" in said
    assert "damaged" not in home.run("show", "team/d:v1")[1]
    monkeypatch.delenv("MFENV_STORE")
    home.restore()
    description(b"{}")(home)
    status, said = home.run("show", "team/d:v1")
    assert (status, said.count("error: ")) == (1, 1)
    assert "`mfenv rm --force` forgets it" in said
    assert home.run("cache", "verify")[0] == 1
    assert home.run("resolve", "--pypi", "app")[0] == 0
    assert home.run("cache", "verify")[0] == 0
    description(b"{}")(home)
    assert home.run("rm", "team/d:v1", "--force")[0] == 0
    assert home.run("cache", "verify")[0] == 0


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema_version":1}'])
def test_an_environment_whose_marker_is_broken_is_made_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    home = Home(machine, monkeypatch)
    marker(content)(home)
    assert "its marker `.mfenv.json` cannot be read" in home.run("gc")[1]
    assert "exists already" in home.run("create", "team/d:v1")[1]
    assert home.run("create", "team/d:v1", "--force")[0] == 0
    assert home.run("cache", "verify")[0] == 0
    marker(b'{"schema_version":2}')(home)
    assert "made by a newer mfenv" in home.run("create", "team/d:v1", "--force")[1]
    marker(content)(home)
    (home.own / ".mfenv-files.json").unlink()
    assert "has no environment marker" in home.run("create", "team/d:v1", "--force")[1]


@pytest.mark.parametrize("damage", ["garbage", "cut", "folder", "pipe", "newer", "no table"])
def test_a_registry_that_is_none_is_one_clear_error(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    home = Home(machine, monkeypatch)
    path = home.registry
    if damage in ("newer", "no table"):
        sql("pragma user_version=9" if damage == "newer" else "drop table environments")(home)
    elif damage == "cut":
        os.truncate(path, 5000)
    else:
        path.unlink()
        if damage == "garbage":
            path.write_bytes(b"garbage" * 999)
        else:
            (path.mkdir if damage == "folder" else partial(os.mkfifo, path))()
    for words in (("list",), ("show", HERE), ("gc",), ("cache", "verify")):
        status, said = home.run(*words)
        assert (status, said.count("error: ")) == (1, 1), said
        assert f"the registry `{path}`" in said
        assert ("upgrade mfenv" if damage == "newer" else "move the file away") in said


def test_who_waits_for_the_registry_says_so(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(machine, monkeypatch)
    with closing(sqlite3.connect(home.registry)) as db:
        db.execute("begin immediate")
        process = machine.start("alias", HERE, "team/p:v1")
        assert process.stderr
        said = process.stderr.readline()
        db.rollback()
    assert said.startswith("waiting for another process that writes to")
    assert process.wait(60) == 0
    process.communicate()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_lock_that_is_no_file_is_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    home = Home(machine, monkeypatch)
    for path in (home.root / "cache/locks").iterdir():
        path.unlink()
        (path.mkdir if kind == "folder" else partial(os.mkfifo, path))()
    assert home.run("gc")[0] == 0
    status, said = home.run("create", "team/d:v1", "--force")
    assert status == 1
    assert "/locks/prefix-" in said
    assert "it is not a file" in said


def test_settings_in_a_pipe_are_refused(machine: Machine) -> None:
    folder = machine.user / ".config/mfenv"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "mfenv.toml")
    assert "mfenv.toml: is not a file" in machine.fails("list")


def test_a_requirement_file_may_be_a_pipe(machine: Machine) -> None:
    done = machine.spawn(
        "/bin/bash", "-c", f"{COMMAND} resolve -r <(echo app) --alias a && {COMMAND} show a"
    )
    out, err = done.communicate(timeout=300)
    assert done.returncode == 0, err
    assert "app" in out


def test_the_limits_of_the_cache_hold_at_the_end_of_a_command(machine: Machine) -> None:
    """What the command used stays; where limits cannot be seen to, it is a note."""
    for name in ("app", "dep"):
        machine.ok("resolve", "--pypi", name, "--alias", name)
    archives = machine.home / "cache" / "archives"

    def create(name: str) -> tuple[int, str]:
        for path in (archives, *archives.rglob("*")):
            os.utime(path, (0, 0))
        done = machine.run("create", name, "--force", env={"MFENV_CACHE_SIZE": "1B"})
        assert done.status == 0, done.err
        return len(list(archives.glob("*/*"))), done.err

    stamp = machine.home / "cache" / "limited"
    stamp.symlink_to(stamp.name)
    kept, said = create("app")
    assert kept == 2
    assert "the limits of the cache are not enforced" in said
    stamp.unlink()
    assert create("dep")[0] == 1
