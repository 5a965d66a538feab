"""Requests beyond one requirements file: other files, known environments, updates, platforms."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from resolvers.targets import own_glibc
from resolvers.testing import make_wheel

if TYPE_CHECKING:
    from resolvers.testing import FakeIndex

    from .helpers import Machine


def versions(machine: Machine, *words: str) -> dict[str, str]:
    (found,) = machine.json("resolve", *words)["environments"]
    return {one["name"]: one["version"] for one in found["packages"]}


@pytest.mark.slow
def test_files_of_several_kinds_make_one_request(machine: Machine) -> None:
    pyproject = machine.file(
        "pyproject.toml",
        "[project]\nname='x'\nversion='1'\nrequires-python='>=3.8'\ndependencies=['other']\n"
        "[project.optional-dependencies]\nmore=['app']\n[dependency-groups]\ntest=['dep<2']\n",
    )
    requirements = machine.file("requirements.txt", "dep>=1\n")
    script = machine.file(
        "script.py", "# /// script\n# dependencies = ['other>=1']\n# ///\nprint()\n"
    )
    asked = ("-p", str(pyproject), "--extra", "more", "--group", "test", "-r", str(requirements))
    found = versions(machine, *asked, "--script", str(script))
    assert found == {"app": "1.0", "dep": "1.0", "other": "1.0"}
    assert versions(machine, "-p", str(pyproject)) == {"other": "1.0"}


def test_an_environment_file_says_platforms_and_notes_what_is_not_used(machine: Machine) -> None:
    path = machine.file(
        "environment.yml",
        "name: x\nplatforms: [linux-64, osx-arm64]\nvariables: {A: b}\n"
        "dependencies: [{pip: [other]}]\n",
    )
    done = machine.run("resolve", "-f", path, "--json")
    assert done.status == 0, done.err
    assert f"note: {path}:3: the variables A are not set in the environment" in done.err
    assert "osx-arm64: 1 package" in done.err
    assert "linux-64: 1 package" in done.err


def test_two_pythons_in_two_files_contradict_with_both_places(machine: Machine) -> None:
    one = machine.file("one.txt", "other\npython==3.11\n")
    two = machine.file("environment.yml", "dependencies: [python=3.12, {pip: [other]}]\n")
    said = machine.fails("resolve", "-r", one, "-f", two)
    assert f"{one}:2" in said
    assert f"{two}:1" in said


def test_a_lock_file_is_no_request(machine: Machine) -> None:
    path = machine.file(
        "pylock.toml",
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "other"\n'
        'version = "1.0"\n',
    )
    assert "is a lock file" in machine.fails("resolve", "-r", path)


@pytest.mark.slow
def test_a_base_that_is_enough_is_the_answer(machine: Machine, index: FakeIndex) -> None:
    base = machine.ok("resolve", "--pypi", "app", "--alias", "x/base:v1")
    before = len(index.requests)
    found = machine.run("resolve", "--using", "x/base:v1", "--pypi", "dep>=1", "--alias", "x/more")
    assert found.out.strip() == base
    assert "known already" in found.err
    assert len(index.requests) == before
    assert machine.ok("resolve", "--using", "x/base:v1", "--pypi", "dep>=1", "--force") != base


@pytest.mark.slow
def test_the_same_request_for_another_platform(machine: Machine) -> None:
    first = machine.json("resolve", "--pypi", "app", "--platform", "linux-64")["environments"][0]
    again = machine.json("resolve", "--from", first["full_id"], "--platform", "osx-arm64")
    (found,) = again["environments"]
    assert (found["req_id"], found["platform"]) == (first["req_id"], "osx-arm64")
    said = machine.fails("resolve", "--from", first["full_id"], "--pypi", "other", status=2)
    assert "--from takes the whole request" in said


@pytest.mark.slow
def test_an_update_moves_what_it_names_and_keeps_the_rest(
    machine: Machine, index: FakeIndex
) -> None:
    request = machine.file("requirements.txt", "app\nother\n")
    asked = ("-r", str(request))
    assert versions(machine, *asked) == {"app": "1.0", "dep": "2.0", "other": "1.0"}
    index.add(make_wheel("dep", "3.0"), make_wheel("other", "2.0"))
    assert versions(machine, *asked)["other"] == "1.0"
    assert versions(machine, *asked, "--update", "other") == {
        "app": "1.0",
        "dep": "2.0",
        "other": "2.0",
    }
    assert versions(machine, *asked, "--force")["dep"] == "3.0"
    assert "no package `zlib`" in machine.fails("resolve", *asked, "--update", "zlib")
    said = machine.fails("resolve", "--pypi", "dep", "--update", "dep")
    assert "nothing to update" in said


@pytest.mark.slow
def test_a_requirements_file_at_a_url(machine: Machine, index: FakeIndex) -> None:
    texts = {
        "a.txt": "-r more/b.txt\nother\n",
        "more/b.txt": "-c c.txt\napp\n",
        "more/c.txt": "dep<2\n",
    }
    for name, text in texts.items():
        index.serve(name, text)
    url = f"{index.origin}/{{}}?sig=s3cret".format
    found = machine.json("resolve", "-r", url("a.txt").replace("//", "//ada:geheim@"))
    assert {one["name"] for one in found["environments"][0]["packages"]} == {"app", "dep", "other"}
    for secret in ("s3cret", "geheim"):
        assert secret not in str(found)
    index.serve("environment.yml", "dependencies:\n  - pip:\n    - app\n")
    machine.ok("resolve", "-f", url("environment.yml"))
    index.serve("pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = ["app"]\n')
    machine.ok("resolve", "-p", url("pyproject.toml"))
    said = machine.fails("resolve", "-r", url("none.txt"))
    assert f"cannot fetch `{index.origin}/none.txt?sig=***`: the server answered 404" in said
    index.serve("bad.txt", "app\nb==\n")
    assert f"{index.origin}/bad.txt?sig=***:2: `b==`" in machine.fails(
        "resolve", "-r", url("bad.txt")
    )
    said = machine.fails("resolve", "-r", url("a.txt"), "--offline")
    assert "downloads are switched off" in said


@pytest.mark.slow
@pytest.mark.parametrize("again", [("--update", "other"), ("--force",)])
def test_what_resolving_again_changed_is_said(
    machine: Machine, index: FakeIndex, again: tuple[str, ...]
) -> None:
    asked = ("resolve", "--pypi", "app", "--pypi", "other")
    assert "changes" not in machine.json(*asked, "--force")  # nothing was known
    assert "\n  nothing changed\n" in machine.run(*asked, *again).err
    index.add(
        make_wheel("other", "2.0", requires=["more"]),
        make_wheel("more", "1.0"),
        make_wheel("app", "1.0.post1"),
    )
    said = machine.run(*asked, *again, "--dry-run").err.splitlines()
    changes = machine.json(*asked, *again)["changes"]
    expected = {"more": [None, "1.0"], "other": ["1.0", "2.0"]}
    if again == ("--force",):
        expected |= {"app": ["1.0", "1.0.post1"], "dep": ["2.0", None]}
    (found,) = changes.values()
    assert {one["name"]: [one["before"], one["after"]] for one in found} == expected
    assert {one["kind"] for one in found} == {"pypi"}
    for line in ("  + more 1.0", "  ~ other 1.0 -> 2.0"):
        assert line in said
    assert ("  - dep 2.0" in said) == ("dep" in expected)
    assert machine.json(*asked, *again)["changes"] == {platform: [] for platform in changes}


@pytest.mark.slow
def test_all_that_was_asked_is_shown(machine: Machine) -> None:
    machine.file("constraints.txt", "dep<2\n")
    machine.file("requirements.txt", "-c constraints.txt\n--only-binary :all:\n--pre\napp[x]\n")
    python = f">={sys.version_info.major}.{sys.version_info.minor}"
    asked = (
        "-r",
        "requirements.txt",
        "--exclude-newer",
        "2999-01-01T00:00:00Z",
        "--python",
        python,
    )
    machine.ok("resolve", *asked, "--platform", "linux-64", "--sys", "__cuda=12.4", "--alias", "a")
    lines = machine.ok("show", "a").splitlines()
    assert "  (requirements.txt:4)" in str(lines)
    shown = [line.partition("  (")[0].split(None, 1) for line in lines]
    for row in (
        ["asked", "pypi app[x]"],
        ["asked", f"python {python}"],
        ["constraint", "pypi dep<2"],
        ["option", "only_binary :all:"],
        ["option", "prereleases yes"],
        ["option", "exclude_newer 2999-01-01T00:00:00Z"],
        ["option", "python_provider system"],
        ["target", "__cuda=12.4"],
        ["target", "__glibc=2.28"],
    ):
        assert row in shown
    assert [text for label, text in shown if label == "source"] == [
        f"index {machine.environ['MFENV_INDEX_URL']}"
    ]
    assert "__osx" not in str(shown)


@pytest.mark.slow
def test_what_targets_offer_has_defaults_that_a_request_or_a_setting_replaces(
    machine: Machine,
) -> None:
    def offered(*words: str, **env: str) -> list[str]:
        asked = ("--platform", "linux-64", "--json", *words)
        document = json.loads(machine.ok("resolve", "--pypi", "other", *asked, env=env))
        spec = document["environments"][0]["spec"]
        own = spec["platform_requirements"]["linux-64"]["sys"]
        assert spec["requirements"]["sys"] == ["__unix=0"]
        assert own[0] == "__archspec=1=x86_64"
        found: list[str] = own[1:]
        return found

    assert offered() == ["__glibc=2.28", "__linux=4.18"]
    assert offered(MFENV_VIRTUAL_PACKAGES="__osx=14.0") == ["__glibc=2.28", "__linux=4.18"]
    assert offered(MFENV_VIRTUAL_PACKAGES="__glibc=2.31") == ["__glibc=2.31", "__linux=4.18"]
    assert offered("--sys", "__glibc=2.35") == ["__glibc=2.35", "__linux=4.18"]
    twice = ("--sys", "__glibc=2.35", "--sys", "__glibc=2.36")
    said = machine.fails("resolve", "--pypi", "other", *twice)
    assert "`__glibc=2.35` and `__glibc=2.36` are both asked for" in said


@pytest.mark.slow
def test_what_derives_has_the_floors_of_its_base_unless_it_states_others(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--sys", "__glibc=2.31", "--alias", "x/base:v1")
    asked = ("resolve", "--using", "x/base:v1", "--pypi", "other", "--platform", host_platform())

    def glibc(*words: str) -> str:
        (found,) = machine.json(*asked, *words)["environments"]
        texts: list[str] = found["spec"]["platform_requirements"]["linux-64"]["sys"]
        return next(one for one in texts if one.startswith("__glibc"))

    assert glibc() == "__glibc=2.31"
    assert glibc("--sys", "__glibc=2.35") == "__glibc=2.35"


@pytest.mark.slow
def test_wheels_for_a_newer_system_are_not_put_into_a_prefix(
    machine: Machine, index: FakeIndex
) -> None:
    glibc = own_glibc()
    if glibc is None:
        pytest.skip("this machine has no glibc")
    arch = "x86_64" if host_platform() == "linux-64" else "aarch64"
    for number, (name, floor) in enumerate((("fits", glibc), ("newer", (2, 999)))):
        tag = f"py3-none-manylinux_{floor[0]}_{floor[1]}_{arch}"
        index.add(make_wheel(name, "1.0", tag=tag))
        asked = ("--pypi", name, "--sys", "__glibc=2.999", "--alias", f"t/{name}:v{number}")
        machine.ok("resolve", *asked)
    assert machine.ok("create", "t/fits:v0")
    said = machine.fails("create", "t/newer:v1")
    assert "needs glibc 2.999, and this machine has" in said
    assert f"`--sys __glibc={glibc[0]}.{glibc[1]}`" in said


def test_a_python_in_an_environment_file_is_the_python_of_the_system(machine: Machine) -> None:
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    path = machine.file("environment.yml", f"dependencies: [python={running}, {{pip: [other]}}]\n")
    (found,) = machine.json("resolve", "-f", path)["environments"]
    assert found["spec"]["python"] == f"=={running}.*"
    assert found["python"].startswith(f"{running}.")


@pytest.mark.slow
def test_offline_resolves_from_what_was_seen_before(machine: Machine, index: FakeIndex) -> None:
    first = machine.ok("resolve", "--pypi", "app")
    before = len(index.requests)
    assert machine.ok("resolve", "--pypi", "app", "--force", "--offline") == first
    machine.fails("resolve", "--pypi", "other", "--offline")
    assert len(index.requests) == before
