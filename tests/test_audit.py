"""What sources say against what is in an environment: by servers that answer as PyPI documents it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from envid.platforms import host_platform
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .channel import Recipe
from .helpers import Machine, distributions, of_the_machine
from .test_conda_environments import own_channel

HERE = host_platform()
NOT_OF_CONDA = "no source knows any of conda packages"


def advisory(name: str, *aliases: str, **more: Any) -> dict[str, Any]:
    """An entry of `vulnerabilities`, as https://docs.pypi.org/api/json/ has it."""
    return {
        "aliases": list(aliases),
        "details": "The long story.",
        "summary": "It can be made to run\nanything",
        "fixed_in": ["1.1", "2.0"],
        "id": name,
        "link": f"https://osv.dev/vulnerability/{name}",
        "source": "osv",
        "withdrawn": None,
        **more,
    }


def know(index: FakeIndex, name: str, *advisories: dict[str, Any], version: str = "1.0") -> None:
    """Let the index say this of a version."""
    said = {"info": {"name": name, "version": version}, "urls": []}
    index.serve(f"pypi/{name}/{version}/json", json.dumps({**said, "vulnerabilities": advisories}))


def findings(machine: Machine, *words: str, status: int = 1) -> list[tuple[str, str]]:
    done = machine.run("audit", *words, "--json")
    assert done.status == status, done.err
    (env,) = json.loads(done.out)["environments"]
    return [(one["name"], one["what"]) for one in env["findings"]]


@pytest.fixture
def known(machine: Machine, index: FakeIndex) -> Machine:
    """A machine that knows `team/a:v1`, of which the index knows no advisory yet."""
    machine.ok("resolve", "--pypi", "app", "--pypi", "dep<2", "--alias", "team/a:v1")
    know(index, "app")
    know(index, "dep")
    return machine


@pytest.mark.slow
def test_what_is_clean_and_what_is_not(known: Machine, index: FakeIndex) -> None:
    _, *lines = known.ok("audit", "team/a:v1").splitlines()
    assert lines == ["  nothing is known against what could be asked about"]
    found = advisory("PYSEC-2024-1", "CVE-2024-1", "GHSA-x")
    know(index, "dep", found, advisory("PYSEC-2", withdrawn="2024-01-01T00:00:00Z"))
    done = known.run("audit", "team/a:v1")
    assert done.status == 1
    head, columns, first, second = done.out.splitlines()
    assert head.startswith(f"{HERE}, Python 3.")
    assert columns.split() == ["package", "kind", "version", "what", "fixed", "in"]
    said = "PYSEC-2024-1 (CVE-2024-1, GHSA-x): It can be made to run anything"
    assert first.split(maxsplit=3) == ["dep", "pypi", "1.0", f"{said}  1.1, 2.0"]
    assert second.split()[:5] == ["dep", "pypi", "1.0", "PYSEC-2,", "withdrawn"]
    (env,) = json.loads(known.run("audit", "team/a:v1", "--json").out)["environments"]
    assert env["unaudited"] == []
    assert env["findings"][0] == {
        "kind": "pypi",
        "name": "dep",
        "version": "1.0",
        "build": None,
        "what": "advisory",
        "reason": None,
        "ignored": False,
        "advisory": {
            "id": "PYSEC-2024-1",
            "aliases": ["CVE-2024-1", "GHSA-x"],
            "fixed_in": ["1.1", "2.0"],
            "summary": "It can be made to run anything",
            "link": "https://osv.dev/vulnerability/PYSEC-2024-1",
            "withdrawn": None,
        },
    }


@pytest.mark.slow
def test_advisories_are_ignored_by_any_of_their_names(known: Machine, index: FakeIndex) -> None:
    know(index, "dep", advisory("PYSEC-1", "CVE-1"), advisory("PYSEC-2", "CVE-2"))
    assert known.run("audit", "team/a:v1", "--ignore", "PYSEC-1").status == 1
    done = known.run("audit", "team/a:v1", "--ignore", "cve-1", "--ignore", "PYSEC-2")
    assert done.status == 0
    assert "PYSEC-1 (CVE-1), ignored" in done.out
    done = known.run("audit", "team/a:v1", "--ignore", "CVE-3")
    assert (done.status, "note: there is no advisory `CVE-3` to ignore" in done.err) == (1, True)
    know(index, "dep", advisory("PYSEC-3", withdrawn="2024-01-01T00:00:00Z"))
    assert findings(known, "team/a:v1", status=0) == [("dep", "advisory")]


@pytest.mark.slow
@pytest.mark.parametrize("said", ["", "[]", '{"vulnerabilities": [{"id": 7}]}', "[" * 100_000])
def test_an_index_without_advisories_is_not_clean_but_named(
    known: Machine, index: FakeIndex, said: str
) -> None:
    if said:
        index.serve("pypi/dep/1.0/json", said)
        reason = f"what `{index.url}` says of them cannot be read"
    else:
        index.failures["/pypi/dep/"] = 404
        reason = f"`{index.url}` has none to ask for"
    done = known.run("audit", "team/a:v1")
    assert done.status == 0
    assert f"note: {HERE}: advisories were not looked at, since {reason}: dep\n" in done.err
    (env,) = known.json("audit", "team/a:v1")["environments"]
    dep = {"kind": "pypi", "name": "dep", "version": "1.0", "build": None}
    assert env["unaudited"] == [{**dep, "what": "advisories", "reason": reason}]


@pytest.mark.slow
def test_what_a_server_says_does_nothing_to_a_terminal(known: Machine, index: FakeIndex) -> None:
    know(index, "dep", advisory("PYSEC-1\x1b[2J", summary="red \x1b[31m\u202eand\x07 more"))
    out = known.run("audit", "team/a:v1").out
    assert "PYSEC-1[2J: red [31mand more" in out


@pytest.mark.slow
def test_yanked_lost_and_replaced_files_are_found(
    machine: Machine, index: FakeIndex, tmp_path: Path
) -> None:
    wheels = {name: make_wheel(name, "1.0") for name in ("yanked", "gone", "changed", "good")}
    sdist = make_sdist(tmp_path, "built", "1.0")
    index.add(*wheels.values(), sdist)
    links = machine.root / "links"
    links.mkdir()
    linked = make_wheel("linked", "1.0").write(links)
    machine.environ["MFENV_FIND_LINKS"] = str(links)
    names = [*wheels, "built", "linked"]
    words = [word for name in names for word in ("--pypi", name)]
    machine.ok("resolve", *words, "--alias", "team/a:v1")
    assert findings(machine, "team/a:v1", status=0) == []
    # A directory says nothing of hashes.
    (env,) = machine.json("audit", "team/a:v1")["environments"]
    assert [one["name"] for one in env["unaudited"] if one["what"] == "files"] == ["linked"]
    index.yank(wheels["yanked"], "it is broken")
    index.remove(wheels["gone"])
    index.add(make_wheel("changed", "1.0", module="import evil\n"))
    index.yank(sdist, "")
    linked.unlink()
    found = [("built", "yanked"), ("changed", "changed"), ("gone", "gone"), ("linked", "gone")]
    assert sorted(findings(machine, "team/a:v1")) == [*found, ("yanked", "yanked")]
    out = machine.run("audit", "team/a:v1").out
    assert "yanked: it is broken" in out
    assert "its source does not have this file any more" in out
    assert "its source has another file under this name" in out


@pytest.mark.slow
def test_what_has_a_place_of_its_own_is_named(machine: Machine, index: FakeIndex) -> None:
    direct = make_wheel("direct", "1.0")
    index.add(direct)
    url = f"direct @ {index.origin}/files/{direct.filename}#sha256={direct.sha256}"
    machine.ok("resolve", "--pypi", url, "--alias", "team/a:v1")
    (env,) = machine.json("audit", "team/a:v1")["environments"]
    assert env["findings"] == []
    said = {(one["name"], one["what"], one["reason"]) for one in env["unaudited"]}
    reason = "it comes from no source of the environment"
    assert said == {("direct", "files", reason), ("direct", "advisories", reason)}


@pytest.mark.slow
def test_all_platforms_are_asked_for_once(machine: Machine, index: FakeIndex) -> None:
    platforms = ("--platform", "linux-64", "--platform", "osx-arm64")
    machine.ok("resolve", "--pypi", "app", *platforms, "--alias", "team/a:v1")
    know(index, "app")
    know(index, "dep", version="2.0")
    index.requests.clear()
    before = machine.state()
    assert len(machine.json("audit", "team/a:v1")["environments"]) == 2
    assert machine.state() == before
    assert index.requests == {
        "/simple/app/": 1,
        "/simple/dep/": 1,
        "/pypi/app/1.0/json": 1,
        "/pypi/dep/2.0/json": 1,
    }
    (env,) = machine.json("audit", "team/a:v1", "--platform", "osx-arm64")["environments"]
    assert env["platform"] == "osx-arm64"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MFENV_OFFLINE", "MFENV_LOCAL_ONLY"])
def test_no_source_may_be_asked(known: Machine, name: str) -> None:
    known.environ[name] = "true"
    said = known.fails("audit", "team/a:v1")
    assert f"`{name.removeprefix('MFENV_').lower()}` ({name}) forbids to ask them" in said


@pytest.mark.slow
@pytest.mark.parametrize("area", ["simple", "pypi"])
def test_a_source_that_fails_is_named_without_its_login(machine: Machine, area: str) -> None:
    with FakeIndex(*distributions(), login=("ann", "s3cret")) as index:
        machine.environ["MFENV_INDEX_URL"] = index.url.replace("://", "://ann:s3cret@")
        machine.ok("resolve", "--pypi", "dep<2", "--alias", "team/a:v1")
        know(index, "dep", advisory("PYSEC-1"))
        done = machine.run("audit", "team/a:v1", "-v")
        assert (done.status, "PYSEC-1" in done.out) == (1, True)
        assert "s3cret" not in done.out + done.err
        index.failures = {f"/{area}/": 401}
        said = machine.fails("audit", "team/a:v1")
        assert "401" in said
        assert "s3cret" not in said


@pytest.mark.slow
def test_conda_packages_are_compared_with_their_channel(conda: Machine) -> None:
    names = ("gone", "changed", "good")
    own_channel(conda, *(Recipe(name=name, version="1.0") for name in names))
    known = conda.environ["MFENV_CHANNELS"].partition(",")[2]
    words = [word for name in names for word in ("--conda", name)]
    conda.ok("resolve", *words, "--conda", "colours", "--alias", "team/a:v1")
    assert findings(conda, "team/a:v1", status=0) == []
    note = f"note: {HERE}: advisories were not looked at, since {NOT_OF_CONDA}: "
    assert note in conda.run("audit", "team/a:v1").err
    conda.environ["MFENV_CHANNELS"] = known
    shutil.rmtree(conda.root / "own")
    other = Recipe(name="changed", version="1.0", depends=("python",))
    own_channel(conda, Recipe(name="good", version="1.0"), other)
    assert sorted(findings(conda, "team/a:v1")) == [("changed", "changed"), ("gone", "gone")]
    shutil.rmtree(conda.root / "own")
    for command in ("audit", "outdated"):
        said = conda.fails(command, "team/a:v1")
        assert f"`{(conda.root / 'own').as_uri()}` is not a conda channel" in said


@pytest.mark.slow
@pytest.mark.network
def test_what_only_pip_knows_the_place_of_is_not_gone(machine: Machine, index: FakeIndex) -> None:
    """The public index, which we ask, has no such package, and neither says so nor denies it."""
    pip = Path(sys.executable).with_name("pip")
    if not pip.exists():
        pytest.skip(f"there is no `{pip}`")
    config = machine.file("pip.conf", f"[global]\nindex-url = {index.url}\n")
    (machine.root / "bin").mkdir()
    (machine.root / "bin/pip").symlink_to(pip)
    machine.environ |= {
        **of_the_machine(),
        "MFENV_INDEX_URL": "pypi",
        "MFENV_PYPI_RESOLVER": "pip",
        "PATH": f"{machine.root / 'bin'}{os.pathsep}{os.defpath}",
        "PIP_CONFIG_FILE": str(config),
    }
    index.add(make_wheel("of-nobody-else", "1"))
    machine.ok("resolve", "--pypi", "of-nobody-else", "--alias", "team/a:v1")
    (env,) = json.loads(machine.ok("audit", "team/a:v1", "--json"))["environments"]
    assert env["findings"] == []
    reason = "`pypi` lies where the configuration of pip says"
    assert reason in [one["reason"] for one in env["unaudited"] if one["what"] == "files"]


@pytest.mark.slow
@pytest.mark.network
def test_the_public_index_is_asked(machine: Machine) -> None:
    machine.environ |= {**of_the_machine(), "MFENV_INDEX_URL": "pypi"}
    words = ("--pypi", "urllib3==1.26.4", "--exclude-newer", "2024-01-01")
    machine.ok("resolve", *words, "--alias", "team/a:v1")
    (env,) = json.loads(machine.run("audit", "team/a:v1", "--json").out)["environments"]
    if env["unaudited"]:
        pytest.skip(f"no JSON interface: {env['unaudited'][0]['reason']}")
    aliases = {name for one in env["findings"] for name in one["advisory"]["aliases"]}
    assert "CVE-2021-33503" in aliases
