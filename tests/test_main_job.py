"""The main job through the real command: resolve, share, create and run."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import PLATFORMS, host_platform
from resolvers.testing import FakeIndex, make_wheel

from .helpers import COMMAND, Machine, files, finish, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKAGE = {
    "type": "object",
    "required": ["kind", "name", "version", "filename", "url", "size", "hashes"],
    "properties": {
        "kind": {"enum": ["pypi", "conda"]},
        "name": {"type": "string"},
        "version": {"type": "string"},
        "filename": {"type": "string"},
        "url": {"type": "string"},
        "size": {"type": "integer"},
        "hashes": {
            "type": "object",
            "required": ["sha256"],
            "properties": {"sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        },
    },
}
SHAPE = {
    "type": "object",
    "required": ["environments"],
    "properties": {
        "environments": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["req_id", "full_id", "platform", "env_type", "python", "packages"],
                "properties": {
                    "req_id": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
                    "full_id": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
                    "platform": {"enum": sorted(PLATFORMS)},
                    "env_type": {"enum": ["conda-only", "pypi-only", "mixed"]},
                    "python": {"type": "string", "pattern": r"^3\.\d+\.\d+"},
                    "packages": {"type": "array", "items": PACKAGE},
                },
            },
        }
    },
}


def described(machine: Machine, *words: str) -> Sequence[dict[str, Any]]:
    import jsonschema  # its formats take a second, of every process that collects tests

    document = machine.json(*words)
    jsonschema.validate(document, SHAPE)
    found: Sequence[dict[str, Any]] = document["environments"]
    return found


def versions(description: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["version"] for one in description["packages"]}


@pytest.mark.slow
def test_a_requirements_file_becomes_an_environment_that_runs(machine: Machine) -> None:
    machine.file("requirements.txt", "app\ndep < 2  # not yet\n")
    ids = machine.ok("resolve", "-r", "requirements.txt", "--alias", "team/app:v1")
    prefix = machine.ok("create", "team/app:v1", "--name", "app")
    assert prefix == str(machine.prefix("app"))
    program = "import app, dep, sys; print(dep.version, sys.prefix)"
    short = ":".join(one[:12] for one in ids.split(":"))
    for name in ("app", "team/app:v1", ids, ids[:12], short):
        version, where = machine.ok("run", name, "--", "python", "-c", program).split()
        assert version == "1"
        assert Path(where).is_relative_to(machine.home)
    tidy(machine)


def test_resolve_prints_the_ids_and_nothing_else(machine: Machine) -> None:
    done = machine.run("resolve", "--pypi", "app")
    req_id, full_id = done.out.strip().split(":")
    assert len(req_id) == len(full_id) == 40
    assert "2 packages" in done.err


@pytest.mark.slow
def test_json_describes_every_package(machine: Machine, index: FakeIndex) -> None:
    (resolved,) = described(machine, "resolve", "--pypi", "app", "--alias", "a/b:v1")
    (shown,) = described(machine, "show", "a/b:v1")
    assert resolved == shown
    package = next(one for one in resolved["packages"] if one["name"] == "app")
    assert package["kind"] == "pypi"
    assert package["url"] == f"{index.origin}/files/{package['filename']}"
    assert versions(resolved) == {"app": "1.0", "dep": "2.0"}


@pytest.mark.slow
def test_every_platform_gets_its_own_wheels(machine: Machine, index: FakeIndex) -> None:
    tags = {
        "linux-64": "py3-none-manylinux_2_17_x86_64",
        "linux-aarch64": "py3-none-manylinux_2_17_aarch64",
        "osx-64": "py3-none-macosx_10_9_x86_64",
        "osx-arm64": "py3-none-macosx_11_0_arm64",
    }
    index.add(*(make_wheel("native", "1.0", tag=tag) for tag in tags.values()))
    everywhere = [word for name in tags for word in ("--platform", name)]
    found = described(machine, "resolve", "--pypi", "native", *everywhere, "--alias", "n")
    assert {one["platform"]: one["packages"][0]["filename"] for one in found} == {
        name: f"native-1.0-{tag}.whl" for name, tag in tags.items()
    }
    assert len({one["full_id"] for one in found}) == 1
    assert described(machine, "show", "n") == found
    assert described(machine, "show", "n", "--platform", "osx-64") == [found[2]]
    assert machine.ok("create", "n")


@pytest.mark.slow
def test_what_is_known_starts_no_process_and_asks_nobody(
    machine: Machine, index: FakeIndex
) -> None:
    first = machine.ok("resolve", "--pypi", "app", "--alias", "a/b:v1")
    index.requests.clear()
    index.failures["/"] = 500
    machine.environ |= {"PATH": "", "TMPDIR": "/nowhere"}
    (machine.home / "engines").rename(machine.root / "no-engines")
    assert machine.ok("resolve", "--pypi", "App", "--alias", "a/b:v1") == first
    assert not (machine.home / "engines").exists()
    assert sum(index.requests.values()) == 0


@pytest.mark.slow
def test_force_resolves_again(machine: Machine, index: FakeIndex) -> None:
    first = machine.ok("resolve", "--pypi", "dep", "--alias", "old:v1")
    index.add(make_wheel("dep", "3.0", module="version = 3\n"))
    assert machine.ok("resolve", "--pypi", "dep") == first
    second = machine.ok("resolve", "--pypi", "dep", "--force")
    assert first.split(":")[0] == second.split(":")[0]
    assert machine.ok("resolve", "--pypi", "dep") == second
    assert versions(described(machine, "show", first.split(":")[0])[0]) == {"dep": "3.0"}
    assert versions(described(machine, "show", "old:v1")[0]) == {"dep": "2.0"}


@pytest.mark.slow
def test_a_dry_run_records_nothing(machine: Machine) -> None:
    before = machine.state()
    (found,) = described(machine, "resolve", "--pypi", "app", "--dry-run", "--alias", "a/b:v1")
    assert versions(found) == {"app": "1.0", "dep": "2.0"}
    assert machine.state() == before
    assert machine.json("list") == {"environments": []}
    assert not machine.store.exists()


@pytest.mark.slow
def test_the_default_stays_if_so_asked(machine: Machine, index: FakeIndex) -> None:
    first = machine.ok("resolve", "--pypi", "dep")
    index.add(make_wheel("dep", "3.0"))
    second = machine.ok("resolve", "--pypi", "dep", "--force", "--no-set-default")
    assert second != first
    req_id = first.split(":")[0]
    assert described(machine, "show", req_id)[0]["full_id"] == first.split(":")[1]
    assert described(machine, "show", second)[0]["full_id"] == second.split(":")[1]


@pytest.mark.slow
def test_using_keeps_the_packages_of_the_base(machine: Machine, index: FakeIndex) -> None:
    machine.ok("resolve", "--pypi", "dep", "--alias", "base:v1")
    index.add(make_wheel("dep", "3.0"))
    (found,) = described(machine, "resolve", "--using", "base:v1", "--pypi", "app")
    assert versions(found) == {"app": "1.0", "dep": "2.0"}
    message = machine.fails("resolve", "--using", "base:v1", "--pypi", "dep>=3")
    assert "dep" in message


@pytest.mark.slow
def test_an_environment_has_one_prefix_of_its_own(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    prefix = machine.ok("create", "a")
    inode = Path(prefix).stat().st_ino
    again = machine.run("create", "a")
    assert (again.out.strip(), again.err) == (prefix, "there already\n")
    assert Path(prefix).stat().st_ino == inode


@pytest.mark.slow
def test_create_says_what_it_did_as_json(machine: Machine) -> None:
    req_id, full_id = machine.ok("resolve", "--pypi", "app", "--alias", "a").split(":")
    expected = {
        "prefix": str(machine.work / "env"),
        "name": None,
        "created": True,
        "req_id": req_id,
        "full_id": full_id,
        "platform": host_platform(),
    }
    assert machine.json("create", "a", "--prefix", "env") == expected
    again = machine.json("create", "a", "--prefix", "env", "--exist-ok")
    assert again == {**expected, "created": False}


@pytest.mark.slow
def test_force_replaces_an_environment(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "dep<2", "--alias", "old")
    machine.ok("resolve", "--pypi", "dep", "--alias", "new")
    machine.ok("create", "old", "--name", "e")
    (machine.prefix("e") / "mine").write_text("gone with it")
    machine.ok("create", "new", "--name", "e", "--force")
    assert machine.ok("run", "e", "--", "python", "-c", "import dep; print(dep.version)") == "2"
    assert not (machine.prefix("e") / "mine").exists()
    tidy(machine)


@pytest.mark.slow
def test_a_second_machine_needs_only_the_store(
    machine: Machine, machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    ids = machine.ok("resolve", "--pypi", "app", "--alias", "team/app:v1")
    index.failures["/"] = 500
    index.requests.clear()
    there = machines("two")
    hello = there.run("run", "team/app:v1", "--", "hello")
    assert hello.status == 7
    assert f"hello from {there.home}" in hello.out
    assert described(there, "show", ids) == described(machine, "show", ids)
    assert described(there, "show", ids.split(":")[0][:10])[0]["full_id"] in ids
    assert sum(index.requests.values()) == 0


@pytest.mark.slow
def test_run_is_the_program(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    prefix = machine.ok("create", "a")
    done = machine.run("run", "a", "--", "hello")
    assert (done.status, done.out, done.err) == (7, f"hello from {prefix}\n", "")
    words = ["-c", "import sys; print(sys.argv[1:])", "--json", "-x", "--", "a b", "", "--help"]
    assert machine.ok("run", "a", "--", "python", *words) == repr(words[2:])
    assert machine.ok("run", "a", "python", *words) == repr(words[2:])


@pytest.mark.slow
def test_run_leads_the_program_into_the_environment(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    prefix = machine.ok("create", "a")
    machine.environ |= {
        "CONDA_PREFIX": "/elsewhere",
        "PYTHONHOME": "",
        "PYTHONPATH": "/elsewhere",
        "VIRTUAL_ENV": "/elsewhere",
    }
    shown = json.loads(
        machine.ok(
            "run", "a", "--", "python", "-c", "import json, os; print(json.dumps(dict(os.environ)))"
        )
    )
    assert shown["VIRTUAL_ENV"] == prefix
    assert shown["PATH"] == f"{prefix}/bin{os.pathsep}{machine.environ['PATH']}"
    assert not {"CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH"} & set(shown)


@pytest.mark.slow
def test_run_runs_no_program_of_another_environment(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    prefix = Path(machine.ok("create", "a", "--name", "e"))
    for name in ("pip", "pip3", "python2"):  # on PATH there may be some
        done = machine.run("run", "e", "--", name, "list")
        assert (done.status, done.out) == (127, "")
        assert done.err.startswith(f"error: there is no `{name}` in `{prefix}`")
    done = machine.run("run", "e", "--", "no-such-program")
    assert done.status == 127
    assert done.err.startswith(f"error: there is no program `no-such-program` for `{prefix}`")
    assert machine.run("run", "e", "--", "true").status == 0  # not ours, and of no environment
    for name in ("hello", "python"):
        (prefix / "bin" / name).unlink()
        elsewhere = machine.work / name
        elsewhere.write_text("#!/bin/sh\necho wrong\n")
        elsewhere.chmod(0o755)
        path = f"{machine.work}{os.pathsep}{machine.environ['PATH']}"
        said = machine.fails("run", "e", "--", name, env={"PATH": path})
        assert said.startswith(f"error: `{prefix}` is not what it was created as: `bin/hello` is")


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["pyvenv.cfg", "conda-meta/history"])
def test_programs_of_other_environments_are_out_of_reach(machine: Machine, mark: str) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    other = machine.work / "other"
    for name in (mark, "bin/theirs"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text("#!/bin/sh\necho wrong\n")
    (other / "bin" / "theirs").chmod(0o755)
    active = {"PATH": f"{other}/bin:{machine.environ['PATH']}", "VIRTUAL_ENV": str(other)}
    done = machine.run("run", "a", "--", "theirs", env=active)
    assert (done.status, done.out) == (127, "")
    done = machine.run("run", "a", "--", "sh", "-c", "theirs", env=active)
    assert (done.status, done.out) == (127, "")


@pytest.mark.slow
def test_a_directory_that_cannot_be_on_path_is_refused(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    assert "cannot be on PATH" in machine.fails("create", "a", "--prefix", "one:two")
    assert files(machine.work) == []
    for words in (("run", "a", "--", "python"), ("shell", "a")):
        done = machine.run(*words, env={"MFENV_HOME": f"{machine.root}/a:home"})
        assert (done.status, done.out) == (1, "")
        assert "cannot be on PATH" in done.err


@pytest.mark.slow
def test_a_program_learns_no_login_of_ours(machine: Machine, index: FakeIndex) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    secret = {"MFENV_INDEX_URL": index.url.replace("//", "//ada:geheim@"), "MFENV_DOWNLOADS": "4"}
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    shown = json.loads(machine.run("run", "a", "--", "python", "-c", code, env=secret).out)
    assert (shown["MFENV_INDEX_URL"], shown["MFENV_DOWNLOADS"]) == (index.url, "4")
    assert "geheim" not in str(shown)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGPIPE])
def test_a_signal_reaches_the_program(machine: Machine, number: signal.Signals) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    machine.ok("create", "a")
    process = machine.start("run", "a", "--", "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert finish(process).status == -number


@pytest.mark.slow
def test_rm_deletes_a_prefix_by_its_name(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    machine.ok("create", "a", "--name", "one")
    machine.ok("create", "a", "--name", "two")
    machine.ok("rm", "one")
    assert [path.name for path in (machine.home / "envs").iterdir()] == ["two"]
    assert machine.json("list")["environments"][0]["prefixes"] == ["two"]


@pytest.mark.slow
def test_rm_deletes_a_prefix_by_its_directory(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    machine.ok("create", "a", "--prefix", "env")
    machine.ok("rm", "./env")
    assert list(machine.work.iterdir()) == []
    assert machine.json("list")["environments"][0]["prefixes"] == []


@pytest.mark.slow
def test_rm_forgets_an_environment_and_the_store_keeps_it(machine: Machine) -> None:
    ids = machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    machine.ok("create", "a:v1", "--name", "one")
    machine.ok("create", "a:v1", "--prefix", "env")
    kept = machine.objects()
    machine.ok("rm", "a:v1", "--force")
    assert machine.rows() == {}
    assert not machine.prefix("one").exists()
    assert list(machine.work.iterdir()) == []
    assert machine.objects() == kept
    assert [one["full_id"] for one in described(machine, "show", "a:v1")] == [ids.split(":")[1]]


@pytest.mark.slow
def test_rm_takes_no_other_name_with_it_unasked(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1", "--alias", "b")
    machine.ok("create", "a:v1", "--name", "one")
    before = machine.rows(), files(machine.home / "envs")
    said = machine.fails("rm", "a:v1")
    assert said.startswith("error: `a:v1` is also known as `b:latest`, `one`, and these would")
    assert "`--force`" in said
    assert (machine.rows(), files(machine.home / "envs")) == before
    for answer, gone in (("n", False), ("y", True)):
        asked = machine.on_terminal("rm", "a:v1", answer=answer)
        assert "Delete it?" in asked
        assert (machine.rows() == {}) is gone


@pytest.mark.slow
def test_what_takes_a_name_away_is_a_command_that_does(machine: Machine) -> None:
    ids = machine.ok("resolve", "--pypi", "app", "--alias", "a:v1", "--alias", "b")
    machine.ok("create", "a:v1", "--name", "one")
    pair = ":".join(part[:12] for part in ids.split(":"))
    for name, command in (
        ("b", "alias --delete b:latest"),
        (ids, "alias --delete a:v1"),
        (pair, "rm one"),
    ):
        assert f"`mfenv {command}` takes a name away" in machine.fails("rm", name)
        machine.ok(*command.split())
    machine.ok("rm", pair)


@pytest.mark.slow
def test_a_refused_name_changes_nothing(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    before = machine.rows(), machine.objects()
    other = PLATFORMS[0] if PLATFORMS[0] != host_platform() else PLATFORMS[1]
    more = ("--pypi", "app", "--platform", other, "--platform", host_platform())
    for words in (more, ("--pypi", "dep")):
        said = machine.fails("resolve", *words, "--alias", "a:v1", "--alias", "free")
        assert said.startswith("error: `a:v1` is given to ")
        assert (machine.rows(), machine.objects()) == before


@pytest.mark.slow
def test_a_name_is_taken_away_alone(machine: Machine, machines: Callable[[str], Machine]) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1", "--alias", "b")
    machine.ok("create", "a:v1", "--name", "one")
    said = machine.run("alias", "--delete", "a:v1").err
    assert "the store still has it" in said
    assert machine.json("list")["environments"][0]["aliases"] == ["b:latest"]
    assert described(machine, "show", "a:v1")  # from the store, which gives it back
    assert "is no name any more" in machine.run("alias", "--delete", "--shared", "a:v1").err
    there = machines("two")
    for other in (machine, there):
        other.fails("show", "a:v1")
        assert described(other, "show", "b")
    assert machine.prefix("one").exists()
    assert machine.fails("alias", "--delete", "a:v1").startswith("error: there is no alias `a:v1`")
    machine.fails("alias", "--delete", "--shared", "b", env={"MFENV_STORE": ""})
    for words in (["b", "c", "--delete"], ["b"], ["b", "c", "--shared"]):
        assert machine.run("alias", *words).status == 2


@pytest.mark.slow
def test_an_alias_that_may_move_moves(machine: Machine, machines: Callable[[str], Machine]) -> None:
    old = machine.ok("resolve", "--pypi", "dep<2", "--alias", "team/dep")
    there = machines("two")
    assert described(there, "show", "team/dep")[0]["full_id"] == old.split(":")[1]
    new = machine.ok("resolve", "--pypi", "dep")
    machine.ok("alias", new, "team/dep:latest")
    for one in (machine, there):
        assert described(one, "show", "team/dep")[0]["full_id"] == new.split(":")[1]


@pytest.mark.slow
def test_all_local_state_is_in_the_home(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    machine.ok("create", "a", "--name", "e")
    machine.ok("run", "e", "--", "python", "-c", "import app")
    machine.ok("rm", "e")
    assert files(machine.user) == files(machine.work) == []
    assert {path.name for path in machine.root.iterdir()} == {"home", "user", "work"}


def test_the_command_is_the_one_of_this_interpreter() -> None:
    assert COMMAND.exists(), f"mfenv is not installed beside {sys.executable}"
