"""Lock files in a repository: made, reviewed, merged by git, checked, and taken environments from."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from resolvers.testing import FakeIndex, make_project, make_wheel

from .helpers import Machine, consistent, finish, tidy, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

TWO = ("--platform", "linux-64", "--platform", "osx-arm64")
NOWHERE = "http://127.0.0.1:9/simple"
ENV = re.compile(r"(\w+) ([0-9a-f]{40}:[0-9a-f]{40})")
IDS = re.compile(r'(req_id|full_id) = "[0-9a-f]{40}"|[a-z0-9-]+ = \{ digest = .*')


def project(machine: Machine, *names: str, groups: str = "", python: str = ">=3.9") -> Path:
    rows = "".join(f"  {json.dumps(name)},\n" for name in names)
    return machine.file(
        "pyproject.toml",
        f'[project]\nname = "x"\nversion = "1"\nrequires-python = "{python}"\n'
        f"dependencies = [\n{rows}]\n{groups}",
    )


def ids(out: str) -> dict[str, str]:
    return dict(ENV.findall(out))


def lock_text(machine: Machine) -> str:
    return (machine.work / "mfenv.lock").read_text()


def elsewhere(machines: Callable[[str], Machine], machine: Machine) -> Machine:
    """Another machine with the repository, and the store, and no index."""
    other = machines("other")
    shutil.copytree(machine.work, other.work, dirs_exist_ok=True)
    other.environ["MFENV_INDEX_URL"] = NOWHERE
    return other


def hello(machine: Machine, *words: str) -> str:
    done = machine.run("run", "--lock", "mfenv.lock", *words, "--", "hello")
    assert done.status == 7, done.err
    return done.out


def test_it_has_the_ids_that_resolve_gives(machine: Machine) -> None:
    project(machine, "app")
    found = machine.ok("resolve", "-p", "pyproject.toml", *TWO)
    assert ids(machine.ok("lock", "-p", "pyproject.toml", *TWO)) == {"default": found}
    described = machine.json("show", found)["environments"]
    machine.ok("rm", found)
    machine.ok("create", "--lock", "mfenv.lock")
    (again,) = machine.json("show", found, "--platform", "linux-64")["environments"]
    (before,) = (one for one in described if one["platform"] == "linux-64")
    # A lock has no lines of these.
    assert before.pop("origins")["pypi"] == {"app": "pyproject.toml:6"}
    told = {"resolved_at": "1970-01-01T00:00:00Z", "resolved_by": "mfenv.lock"}
    assert again == {**before, **told}


def test_it_names_no_machine_no_time_and_no_login(machine: Machine, index: FakeIndex) -> None:
    index.login = ("user", "secret")
    url = index.url.replace("//", "//user:secret@")
    (machine.work / "sub").mkdir()
    machine.file("sub/requirements.txt", f"--index-url {url}\napp\n")
    words = ("-r", machine.work / "sub/requirements.txt", "--extra-index-url", url)
    machine.ok("lock", *words, "--python-provider", "system")
    text = lock_text(machine)
    for word in ("secret", str(machine.root), os.environ.get("USER") or "root@", "/tmp"):
        assert word not in text
    assert re.search(r"\b20\d\d-\d\d-\d\d", text) is None
    assert '"sub/requirements.txt",' in text
    before = text
    # The same from anywhere, and by another name.
    machine.ok("lock", "-o", "sub/other.lock", *words, "--python-provider", "system")
    other = (machine.work / "sub/other.lock").read_text()
    assert other == before.replace("sub/requirements.txt", "requirements.txt")
    (machine.work / "wheels").mkdir()
    done = machine.run("lock", "-o", "x.lock", *words, "--find-links", "wheels")
    assert f"note: the find-links `{(machine.work / 'wheels').as_uri()}" in done.err
    for name, hint in (
        ("app @ https://u:p@x.test/app-1-py3-none-any.whl", "netrc"),
        ("./app", "requirements.txt"),
    ):
        assert hint in machine.fails("lock", "--pypi", name)
    assert lock_text(machine) == before


def test_what_fits_stays_and_nothing_is_asked(machine: Machine, index: FakeIndex) -> None:
    project(machine, "app")
    machine.ok("lock", "-p", "pyproject.toml", *TWO)
    before = lock_text(machine)
    asked = index.requests.total()
    home = machine.environ | {"MFENV_HOME": str(machine.root / "new")}
    done = machine.run("lock", env=home)
    assert "mfenv.lock is as it was" in done.err
    assert (lock_text(machine), index.requests.total()) == (before, asked)
    # Of what is asked for, what is not said to be newer stays as it was.
    index.add(make_wheel("dep", "3.0"), make_wheel("new", "1.0", requires=["dep"]))
    project(machine, "app", "new")
    done = machine.run("lock", env=home)
    assert re.findall(r"^  [-+~] .*", done.err, re.MULTILINE) == ["  + new 1.0"] * 2
    assert 'name = "dep", version = "2.0"' in lock_text(machine)
    assert "there is no package `nothing`" in machine.fails("lock", "--update", "nothing")
    assert "did you mean `dep`?" in machine.fails("lock", "--update", "deps")
    done = machine.run("lock", "--update", "Dep", env=home)
    assert "  ~ dep 2.0 -> 3.0\n" in done.err


def test_upgrade_takes_the_newest(machine: Machine, index: FakeIndex) -> None:
    machine.ok("lock", "--pypi", "app")
    index.add(make_wheel("dep", "3.0"), make_wheel("app", "2.0", requires=["dep"]))
    found = machine.json("lock", "--upgrade")["environments"]["default"]
    assert found["resolved"]
    (changes,) = found["changes"].values()
    assert {c["name"]: (c["before"], c["after"]) for c in changes} == {
        "app": ("1.0", "2.0"),
        "dep": ("2.0", "3.0"),
    }


def test_another_machine_needs_the_store_alone(
    machine: Machine, machines: Callable[[str], Machine]
) -> None:
    project(machine, "app", groups='[dependency-groups]\nmore = ["other"]\n')
    machine.ok("lock", "-p", "pyproject.toml")
    machine.ok("lock", "-p", "pyproject.toml", "--group", "more", "--environment", "more")
    other = elsewhere(machines, machine)
    assert str(other.home) in hello(other)
    prefix = other.ok("create", "--lock", "mfenv.lock", "--environment", "more", "--name", "more")
    assert list((other.prefix("more")).glob("lib/python*/site-packages/other.py"))
    assert prefix == str(other.prefix("more"))
    # What runs is not taken for an environment, whatever it is called.
    assert "hello from" in hello(other, "--environment", "more")
    for words in (
        ("create",),
        ("create", "x", "--lock", "mfenv.lock"),
        ("run", "--lock", "mfenv.lock"),
    ):
        other.fails(*words, status=2)
    assert "has no environment `most`" in other.fails(
        "create", "--lock", "mfenv.lock", "--environment", "most"
    )


def test_another_machine_needs_the_urls_alone(
    machine: Machine, machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    machine.ok("lock", "--pypi", "app")
    other = elsewhere(machines, machine)
    other.environ.pop("MFENV_STORE")
    index.requests.clear()
    hello(other)
    assert index.requests.keys() == {
        f"/files/{name}-py3-none-any.whl" for name in ("app-1.0", "dep-2.0")
    }


def test_conda_packages_are_locked(
    conda: Machine, machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    conda.file("environment.yml", "dependencies: [python=3.11, pip: [app]]")
    conda.ok("lock", "-f", "environment.yml")
    assert lock_text(conda).count("  { name = ") > 3
    other = elsewhere(machines, conda)
    assert str(other.home) in hello(other)
    other.environ |= {key: conda.environ[key] for key in conda.environ if "CHANNELS" in key}
    other.environ |= {"MFENV_PYTHON_PROVIDER": "conda", "MFENV_INDEX_URL": index.url}
    assert other.run("lock", "--check").status == 0


def test_what_it_was_made_from_is_gone(machine: Machine) -> None:
    project(machine, "app")
    machine.ok("lock", "-p", "pyproject.toml", "--environment", "one")
    machine.ok("lock", "--pypi", "dep", "--environment", "two")
    (machine.work / "pyproject.toml").rename(machine.work / "moved.toml")
    for words in (("--check",), (), ("--upgrade", "--environment", "one")):
        said = machine.fails("lock", *words)
        assert "environment `one` of `mfenv.lock` is made from `pyproject.toml`" in said
        assert "mfenv lock -p FILE --environment one" in said
    machine.ok("lock", "--check", "--environment", "two")
    machine.ok("lock", "-p", "moved.toml", "--environment", "one")
    machine.ok("lock", "--check")


def test_check_says_what_changed_and_asks_nobody(machine: Machine, index: FakeIndex) -> None:
    assert "there is no lock file `mfenv.lock`" in machine.fails("lock", "--check")
    project(machine, "app", "dep>=1")
    machine.ok("lock", "-p", "pyproject.toml", "--platform", "linux-64")
    state, asked = machine.state(), index.requests.total()
    done = machine.run("lock", "--check")
    assert (done.status, done.out, done.err) == (0, "", "")
    project(machine, "other", "dep>=2", python=">=3.10")
    said = machine.fails("lock", "--check").splitlines()
    assert said == [
        "error: `mfenv.lock` does not fit what is asked for:",
        "  default: ~ python >=3.9 -> >=3.10",
        "  default: ~ pypi dep>=1 -> dep>=2 (pyproject.toml:7)",
        "  default: + pypi other (pyproject.toml:6)",
        "  default: - pypi app",
        "hint: `mfenv lock` locks it again",
    ]
    done = machine.run("lock", "--check", "--json")
    data = json.loads(done.out)
    assert (done.status, data["fits"], len(data["differences"]["default"])) == (1, False, 4)
    project(machine, "app", "dep>=1")
    assert machine.run("lock", "--check").status == 0
    assert "default: + platform osx-arm64\n" in machine.fails(
        "lock", "--check", "-p", "pyproject.toml", *TWO
    )
    assert f"default: + index {NOWHERE} (MFENV_EXTRA_INDEX_URL)\n" in machine.fails(
        "lock", "--check", env={"MFENV_EXTRA_INDEX_URL": NOWHERE}
    )
    assert "+ environment more" in machine.fails(
        "lock", "--check", "-p", "pyproject.toml", "--environment", "more"
    )
    assert (machine.state(), index.requests.total()) == (state, asked)


def test_the_platforms_of_a_file_are_those_of_the_lock(machine: Machine) -> None:
    text = "platforms: [linux-64{}]\ndependencies: [pip: [app]]\n"
    machine.file("environment.yml", text.format(""))
    machine.ok("lock", "-f", "environment.yml")
    machine.file("environment.yml", text.format(", osx-64"))
    assert "default: + platform osx-64\n" in machine.fails("lock", "--check")
    assert "  + platform osx-64\n" in machine.run("lock").err
    here = {"linux-64": "osx-64", "osx-64": "linux-64"}.get(host_platform(), "linux-64")
    machine.ok("lock", "--pypi", "app", "--platform", here, "-o", "there.lock")
    said = machine.fails("create", "--lock", "there.lock")
    assert f"`default` of `there.lock` is locked for {here}, and not for {host_platform()}" in said
    # Where nothing states any, they stay what they are: whose machine this is does not matter.
    machine.file("requirements.txt", "app\n")
    machine.ok("lock", "-r", "requirements.txt", "--platform", "osx-64")
    text = lock_text(machine).replace('platform = [\n  "osx-64",\n]\n', "")
    machine.file("mfenv.lock", text)
    assert machine.run("lock", "--check").status == 0


def test_platforms_change_and_the_rest_is_kept(machine: Machine, index: FakeIndex) -> None:
    project(machine, "app")
    machine.ok("lock", "-p", "pyproject.toml", *TWO)
    index.add(make_wheel("dep", "3.0"))
    # An environment that comes later is for the same platforms, whose machine this ever is.
    machine.ok("lock", "--pypi", "other", "--environment", "more")
    assert lock_text(machine).count("osx-arm64 = {") == 2
    assert machine.run("lock", "--check").status == 0
    done = machine.run("lock", "--platform", "linux-64", "--platform", "osx-64")
    assert done.err.count("  + platform osx-64\n") == 2
    assert done.err.count("  - platform osx-arm64\n") == 2
    text = lock_text(machine)
    assert "osx-arm64 = {" not in text
    assert 'platform = [\n  "linux-64",\n  "osx-64",\n]' in text
    assert '"pyproject.toml",' in text
    assert 'name = "dep", version = "2.0"' in text
    assert machine.run("lock", "--check").status == 0
    machine.ok("lock", "--platform", "linux-64", "--environment", "more")
    assert lock_text(machine).count("osx-64 = {") == 1
    for words in (("--check", "--platform", "osx-64"), ("--pre",)):
        assert machine.run("lock", *words).status == 2
    machine.ok("resolve", "--pypi", "app", "--platform", "linux-64", "--alias", "a:v1")
    machine.ok("export", "a:v1", "--format", "lock", "-o", "other.lock")
    said = machine.fails("lock", "-o", "other.lock", "--platform", "osx-64")
    assert "the platforms of `default` in `other.lock` cannot be changed" in said


# Git


def git(machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    who = ("-c", "user.name=x", "-c", "user.email=x@x.test", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *who, *words],
        cwd=machine.work,
        env={"HOME": str(machine.user), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def commit(machine: Machine) -> None:
    assert git(machine, "add", ".").returncode == 0
    done = git(machine, "commit", "-q", "-m", "x")
    assert done.returncode == 0, done.stderr


def branches(machine: Machine, index: FakeIndex, ours: str, theirs: str) -> str:
    """A repository in which two branches added a package each; what merging them leaves."""
    names = ("aa", "bb", "dd", "ff", "hh")
    index.add(*(make_wheel(name, "1.0") for name in (*names, ours, theirs)))
    git(machine, "init", "-q", "-b", "ours")
    machine.file("requirements.txt", "".join(f"{name}\n" for name in names))
    machine.ok("lock", "-r", "requirements.txt", *TWO)
    commit(machine)
    git(machine, "branch", "theirs")
    for branch, name in (("ours", ours), ("theirs", theirs)):
        git(machine, "checkout", "-q", branch)
        machine.file("requirements.txt", "".join(f"{one}\n" for one in sorted([*names, name])))
        machine.ok("lock")
        stat = git(machine, "diff", "--numstat", "mfenv.lock").stdout.split()
        # Its line, its requirement, two ids and two digests; the latter four also go.
        assert stat == ["6", "4", "mfenv.lock"]
        commit(machine)
    git(machine, "checkout", "-q", "ours")
    git(machine, "merge", "theirs")
    return lock_text(machine)


def test_branches_that_add_packages_differ_in_ids_alone(machine: Machine, index: FakeIndex) -> None:
    text = branches(machine, index, "cc", "gg")
    (conflict,) = re.findall(r"^<{7} .*?^>{7} .*?$", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in conflict.splitlines() if not re.match("[<=>]{7}", line)]
    assert [line for line in lines if not IDS.fullmatch(line)] == []
    assert len(lines) == 8
    outside = text.replace(conflict, "")
    assert all(f'{{ name = "{name}", ' in outside for name in ("cc", "gg"))
    assert "mfenv.lock:6: here is a conflict of a merge" in machine.fails("lock", "--check")
    assert "mfenv.lock:6: " in machine.fails("create", "--lock", "mfenv.lock")
    # Whichever side is taken: ids that are not those of the packages are noticed.
    git(machine, "checkout", "-q", "--", "requirements.txt")
    ours = re.sub(r"<{7} .*?\n(.*?)={7}\n.*?>{7} [^\n]*\n", r"\1", text, flags=re.DOTALL)
    machine.file("mfenv.lock", ours)
    said = machine.fails("create", "--lock", "mfenv.lock")
    assert (
        "mfenv.lock:8: environment `default` has 7 packages on linux-64, and 6 were locked" in said
    )
    machine.file("mfenv.lock", text)
    relocked(machine, index, "cc", "gg")


def test_packages_at_one_place_are_merged_by_locking_again(
    machine: Machine, index: FakeIndex
) -> None:
    text = branches(machine, index, "ca", "cb")
    assert len(re.findall("^<{7}", text, re.MULTILINE)) == 3
    machine.file("requirements.txt", "aa\nbb\nca\ncb\ndd\nff\nhh\n")
    relocked(machine, index, "ca", "cb")


def relocked(machine: Machine, index: FakeIndex, *names: str) -> None:
    """Lock what a merge left, while there are newer packages: all stay as both sides had them."""
    index.add(*(make_wheel(name, "2.0") for name in ("aa", *names)))
    done = machine.run("lock")
    assert done.status == 0, done.err
    assert "locked again from what is left of it" in done.err
    text = lock_text(machine)
    assert 'version = "2.0"' not in text
    assert all(f'{{ name = "{name}", version = "1.0"' in text for name in names)
    assert machine.run("lock", "--check").status == 0
    commit(machine)


def test_git_keeps_both_sides_where_it_is_told_to(machine: Machine, index: FakeIndex) -> None:
    machine.file(".gitattributes", "mfenv.lock merge=union\nrequirements.txt merge=union\n")
    text = branches(machine, index, "ca", "cb")
    assert "<<<<<<<" not in text
    assert "`req_id` is there already, in line 6" in machine.fails("lock", "--check")
    relocked(machine, index, "ca", "cb")


def test_a_file_in_pieces_is_made_whole_at_once(machine: Machine) -> None:
    machine.ok("lock", "--pypi", "app")
    machine.ok("lock", "--pypi", "dep", "--environment", "more")
    pieces = lock_text(machine) + "<<<<<<< ours\n"
    machine.file("mfenv.lock", pieces)
    machine.environ["MFENV_INDEX_URL"], index = NOWHERE, machine.environ["MFENV_INDEX_URL"]
    said = machine.fails("lock", "--environment", "more", "--upgrade")
    assert "environment `default` cannot be made whole by what is locked again here" in said
    assert "`mfenv lock` makes it whole again" in said
    assert lock_text(machine) == pieces
    machine.environ["MFENV_INDEX_URL"] = index
    assert list(ids(machine.ok("lock"))) == ["default", "more"]


# What is broken


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'name = "dep", version = "2.0"',
            'name = "dep", version = "1.5"',
            "other packages on linux-64",
        ),
        ('"app",\n]\nsys', '"app>=1",\n]\nsys', "its req_id is not that of what it asks for"),
        ('full_id = "', 'full_id = "0', "its full_id is not that of its platforms"),
        ("version = 1\n", "version = 2\n", "mfenv.lock:3: is of version 2, and 1 is known"),
        ("version = 1\n", "", "says no version of a lock file"),
        ("packages = 2", "packages = 3", "has 2 packages on linux-64, and 3 were locked"),
        ('sha256 = "', 'sha1 = "', "sha1: is not a known field of a package"),
        ('  { name = "dep"', '  { nam = "dep"', "mfenv.lock:"),
        ("[packages]", "[package]", "there is no table `package`"),
        ("\n]\n", "\n", "mfenv.lock:"),
        ('python = "', "python = ", "is not TOML"),
    ],
)
def test_what_was_edited_is_refused_by_name(
    machine: Machine, old: str, new: str, says: str
) -> None:
    machine.ok("lock", "--pypi", "app")
    whole = lock_text(machine)
    assert old in whole
    machine.file("mfenv.lock", whole.replace(old, new, 1))
    for words in (("create", "--lock", "mfenv.lock"), ("lock", "--check")):
        assert says in machine.fails(*words)
    if "version 2" not in says and "says no version" not in says:
        machine.ok("lock", "--pypi", "app")
        assert lock_text(machine) == whole


def test_an_export_is_a_lock_file(machine: Machine, machines: Callable[[str], Machine]) -> None:
    found = machine.ok("resolve", "--pypi", "app", *TWO, "--alias", "a:v1")
    machine.ok("export", "a:v1", "--format", "lock", "-o", "mfenv.lock")
    other = elsewhere(machines, machine)
    hello(other)
    assert found in {
        f"{row['req_id']}:{row['full_id']}" for row in other.json("list")["environments"]
    }
    said = other.fails("lock", "--check")
    assert "`default` does not say what it was made from, and cannot be checked" in said
    done = other.run("lock", "--check", "--allow-unchecked")
    assert done.status == 0
    assert "`default` does not say what it was made from, and is not checked" in done.err
    assert other.run("lock", "--allow-unchecked").status == 2
    machine.ok("lock", "--pypi", "other", "--environment", "more")
    assert list(ids(machine.ok("lock"))) == ["default", "more"]
    machine.ok("lock", "--remove", "--environment", "default")
    assert list(ids(machine.ok("lock"))) == ["more"]


def test_the_file_is_whole_whenever_it_is_killed(machine: Machine, index: FakeIndex) -> None:
    machine.ok("lock", "--pypi", "app", "--pypi", "dep<2")
    before = lock_text(machine)
    machine.ok("lock", "--pypi", "app", "--upgrade")
    after = lock_text(machine)
    seen = set()
    for turn in range(12):
        machine.file("mfenv.lock", before)
        process = machine.start("lock", "--pypi", "app", "--upgrade")
        time.sleep(random.uniform(0.05, 0.8))
        process.send_signal((signal.SIGKILL, signal.SIGINT)[turn % 2])
        finish(process)
        seen.add(lock_text(machine))
    assert seen <= {before, after}
    machine.ok("lock", "--pypi", "app", "--upgrade")
    assert lock_text(machine) == after
    consistent(machine)


def test_what_is_built_from_a_directory_has_no_path_in_it(
    machine: Machine, machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    make_project(machine.work / "lib", "lib", "1.0")
    index.add(make_wheel("setuptools", "70.0"))
    machine.file("requirements.txt", "./lib\napp\n")
    machine.ok("lock", "-r", "requirements.txt")
    assert str(machine.root) not in lock_text(machine)
    assert 'built_from = { kind = "directory"' in lock_text(machine)
    assert machine.run("lock", "--check").status == 0
    other = elsewhere(machines, machine)
    hello(other)
    (machine.work / "lib" / "lib.py").write_text("changed = True\n")
    assert "~ pypi file:lib#sha256=" in machine.fails("lock", "--check")


def test_what_had_to_be_left_out_fits_on_every_machine(machine: Machine, index: FakeIndex) -> None:
    index.add(make_wheel("wheel", "0.40"), make_wheel("setuptools", "70.0"))
    machine.environ["MFENV_SEED"] = "1"
    machine.ok("lock", "--pypi", "app", "--python", "3.11")  # without pip, which the index lacks
    assert '"pip"' not in lock_text(machine)
    new = {"MFENV_HOME": str(machine.root / "new")}
    assert machine.run("lock", "--check", env=new).status == 0
    assert machine.run("lock", env=new).err.count("as it was locked") == 1
    said = machine.fails("lock", "--check", "--pypi", "dep", "--python", "3.11", env=new)
    assert re.findall("default: (.*)", said) == ["+ pypi dep (--pypi)", "- pypi app"]


def test_it_is_not_taken_for_a_file_of_requirements(machine: Machine) -> None:
    machine.ok("lock", "--pypi", "app")
    for words in (("-r",), ("-p",), ("--lock",)):
        said = machine.fails("resolve", *words, "mfenv.lock")
        assert "`mfenv.lock` is a lock file of mfenv itself" in said
        assert "mfenv create --lock" in said


def test_its_environments_are_imported_as_they_are(machine: Machine, index: FakeIndex) -> None:
    machine.ok("lock", "--pypi", "app", "--platform", "linux-64", "--platform", "osx-arm64")
    machine.ok("lock", "--pypi", "dep", "--environment", "other", "--platform", "linux-64")
    whole = machine.json("import", "mfenv.lock")["environments"]
    new = {
        "MFENV_HOME": str(machine.root / "new"),
        "MFENV_STORE": (machine.root / "shared").as_uri(),
    }
    index.requests.clear()
    every = machine.ok("import", "mfenv.lock", env=new).split()
    assert len(every) == len({(env["req_id"], env["full_id"]) for env in whole}) == 2
    assert every == list(dict.fromkeys(f"{env['req_id']}:{env['full_id']}" for env in whole))
    words = ("import", "mfenv.lock", "--environment", "default", "--platform", "osx-arm64")
    assert machine.ok(*words, "--alias", "team/app:v1", env=new).split() == every[:1]
    assert "osx-arm64" in machine.ok("show", "team/app:v1", env=new)
    # The bare id means it, and the store has it.
    assert machine.ok("show", every[1].partition(":")[0], env=new)
    third = {**new, "MFENV_HOME": str(machine.root / "third")}
    assert machine.ok("show", "team/app:v1", env=third)
    assert not [path for path in index.requests if "simple" in path]
    for more, told in (
        (("--group", "x"), "`--group` is for those of others"),
        (("--locked",), "mfenv lock --check"),
        (("--no-default-groups",), "`--no-default-groups` is for"),
        (("--dry-run",), "`--dry-run` is for"),
        (("--alias", "a:v1"), "has default, other, and a name is for one of them"),
        (("--environment", "absent"), "`absent`"),
        (("mfenv.lock",), "`mfenv import mfenv.lock` alone"),
    ):
        assert told in machine.fails("import", "mfenv.lock", *more, env=new)


def test_files_of_others_are_left_as_they_are(machine: Machine) -> None:
    """A lock replaces a lock file of mfenv alone, and sends to the command that takes others."""
    others = {
        "uv.lock": 'version = 1\nrevision = 3\n[[package]]\nname = "x"\nversion = "1"\n',
        "pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "x"\n',
        "Pipfile": '[packages]\nversion = "*"\n',
        "requirements.txt": "app\n",
        "flow.py": "version = 1\n",
    }
    for name, text in others.items():
        file = machine.file(name, text)
        for words in (
            ("lock", "-o", name, "--pypi", "app"),
            ("lock", "-o", name),
            ("lock", "-o", name, "--remove", "--environment", "default"),
            ("create", "--lock", name),
            ("run", "--lock", name, "--", "hello"),
        ):
            said = machine.fails(*words)
            assert f"{name}: is no lock file of mfenv" in said
            assert f"`mfenv import {name}` takes" in said
        assert file.read_text() == text
    machine.file("empty.lock", "\n")
    assert "empty.lock: is empty" in machine.fails("lock", "-o", "empty.lock", "--pypi", "app")
    assert "empty.lock: is empty" in machine.fails("create", "--lock", "empty.lock")
    for check in ((), ("--check",)):
        said = machine.fails("lock", "-o", "absent.lock", *check)
        assert "there is no lock file `absent.lock`" in said
    done = machine.run("run", "--lock", "--", "hello")
    assert done.status == 2
    assert "--lock lacks its FILE" in done.err


def test_a_mark_or_a_lost_comment_does_no_harm(machine: Machine) -> None:
    machine.ok("lock", "--pypi", "app")
    text = lock_text(machine)
    plain = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    for other in ("\ufeff" + text, "\ufeff" + plain, plain):
        machine.file("mfenv.lock", other)
        hello(machine)
        assert "is a lock file of mfenv itself" in machine.fails("resolve", "--lock", "mfenv.lock")
        machine.ok("lock")
        assert lock_text(machine) == text


def test_a_home_that_can_only_be_read_serves_what_was_created(machine: Machine) -> None:
    machine.ok("lock", "--pypi", "app")
    hello(machine)
    before = unprivileged()
    done = machine.run(
        *("run", "--lock", "mfenv.lock", "--", "hello"),
        before=f"{before}; chmod -R a-w {machine.home} 2>/dev/null",
    )
    assert done.status == 7, done.err


def test_of_two_at_once_none_is_lost(machine: Machine) -> None:
    processes = [
        machine.start("lock", "--pypi", name, "--environment", name)
        for name in ("app", "dep", "other")
    ]
    for process in processes:
        done = finish(process)
        assert done.status == 0, done.err
    assert list(ids(machine.ok("lock"))) == ["app", "dep", "other"]
    tidy(machine)


def test_a_failure_leaves_the_file_as_it_was(machine: Machine) -> None:
    machine.ok("lock", "--pypi", "app")
    before = lock_text(machine)
    machine.fails("lock", "--pypi", "app", "--pypi", "dep>5")
    machine.fails("lock", "--pypi", "nothing-there", "--environment", "more")
    assert lock_text(machine) == before
    assert "there is no directory `sub`" in machine.fails("lock", "-o", "sub/mfenv.lock")
    for words in (("--update", "a", "--upgrade"), ("--remove",), ("--pre",), ("--group", "x")):
        machine.fails("lock", *words, status=2)
