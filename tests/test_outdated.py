"""What is newer than an environment has, and what holds it back, by sources that are really asked."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.testing import FakeIndex, make_wheel

from .channel import Recipe
from .helpers import Machine, distributions, of_the_machine
from .test_conda_environments import own_channel

if TYPE_CHECKING:
    from pathlib import Path

HERE = host_platform()


def rows_of(machine: Machine, *words: str) -> dict[str, dict[str, Any]]:
    (env,) = machine.json("outdated", *words)["environments"]
    return {row["name"]: row for row in env["outdated"]}


def told(row: dict[str, Any]) -> tuple[str, str, str, list[tuple[str, str]]]:
    held = [(one["by"], one["text"]) for one in row["held_by"]]
    return row["version"], row["fits"], row["newest"], held


@pytest.fixture
def aged(machine: Machine, index: FakeIndex) -> Machine:
    """A machine that knows `team/a:v1`, of which sources have become newer in every way."""
    index.add(
        make_wheel("top", "1.0", requires=["app", "lib<2", 'other ; extra == "more"']),
        make_wheel("lib", "1.0"),
        *(make_wheel(name, "1.0") for name in ("pythonic", "built", "needy", "calm", "drawn")),
    )
    machine.file("limits.txt", "dep<2\n")
    machine.file("r.txt", "-c limits.txt\ntop\npythonic\nbuilt\nneedy\ncalm\ndrawn\nother\n")
    machine.ok("resolve", "-r", "r.txt", "--alias", "team/a:v1")
    drawn = make_wheel("drawn", "2.0")
    index.add(
        make_wheel("app", "1.1", requires=["dep>=1"]),
        make_wheel("lib", "2.0"),
        make_wheel("pythonic", "2.0", requires_python=">=4"),
        make_wheel("built", "2.0", tag="cp31-cp31-win32"),
        make_wheel("needy", "2.0", requires=["dep>=2"]),
        make_wheel("calm", "2.0b1"),
        drawn,
    )
    index.yank(drawn, "broken")
    return machine


@pytest.mark.slow
def test_each_package_is_told_with_what_holds_it_back(aged: Machine) -> None:
    rows = rows_of(aged, "team/a:v1")
    python = aged.json("show", "team/a:v1")["environments"][0]["python"]
    series = ".".join(python.split(".")[:2])
    floor = "glibc 2.28" if HERE.startswith("linux") else "macOS"
    assert {name: told(row) for name, row in rows.items() if name != "built"} == {
        "app": ("1.0", "1.1", "1.1", []),
        "dep": ("1.0", "1.0", "2.0", [("statement", "dep<2")]),
        "lib": ("1.0", "1.0", "2.0", [("package", "lib<2")]),
        "pythonic": ("1.0", "1.0", "2.0", [("python", "python >=4")]),
        "needy": ("1.0", "1.0", "2.0", [("needs", "dep>=2")]),
    }
    assert rows["built"]["held_by"][0]["by"] == "platform"
    assert rows["built"]["held_by"][0]["text"].startswith(f"Python {series} on {HERE} with {floor}")
    (statement,) = rows["dep"]["held_by"]
    place = {"category": "constraints", "text": "dep<2", "place": "limits.txt:1"}
    assert statement["statement"] == place
    assert rows["lib"]["held_by"][0]["package"] == {
        "kind": "pypi",
        "name": "top",
        "version": "1.0",
        "build": None,
    }
    assert rows["needy"]["held_by"][0]["package"]["name"] == "dep"
    assert rows["built"]["kind"] == "pypi"


@pytest.mark.slow
def test_a_table_says_it_in_words_and_the_status_is_asked_for(aged: Machine) -> None:
    head, columns, *lines = aged.ok("outdated", "team/a:v1").splitlines()
    assert head.startswith(f"{HERE}, Python 3.")
    assert columns.split() == [
        *("package", "kind", "has", "fits", "newest", "held", "back", "by"),
    ]
    found = {line.split()[0]: line.split(maxsplit=5)[5:] for line in lines}
    assert found["app"] == []
    assert found["dep"] == ["constraint pypi dep<2 (limits.txt:1)"]
    assert found["lib"] == ["top 1.0 (lib<2)"]
    assert found["pythonic"] == ["it needs python >=4"]
    assert found["needy"] == ["it needs dep>=2, and dep 1.0 is there"]
    assert aged.run("outdated", "team/a:v1", "--exit-code").status == 1
    aged.ok("resolve", "--pypi", "dep", "--alias", "team/new:v1")
    done = aged.run("outdated", "team/new:v1", "--exit-code")
    assert (done.status, done.out.splitlines()[1:]) == (0, ["  nothing is newer"])


@pytest.mark.slow
def test_nothing_is_recorded_or_published_and_each_package_is_asked_for_once(aged: Machine) -> None:
    before = aged.state()
    done = aged.run("outdated", "team/a:v1", "-v")
    assert done.status == 0, done.err
    assert aged.state() == before
    pages = Counter(re.findall(r"GET \S+/simple/(\S+)/: 200", done.err))
    names = ("app", "built", "calm", "dep", "drawn", "lib", "needy", "other", "pythonic", "top")
    assert pages == dict.fromkeys(names, 1)
    # Of one alone nothing but what it says itself can tell why it is not taken; that is kept.
    wheel = r"GET \S+/files/(needy-2\.0\S+): 20"
    assert {*re.findall(wheel, done.err)} == {"needy-2.0-py3-none-any.whl"}
    assert re.findall(r"GET \S+/files/(?!needy-2\.0|app-1\.1)", done.err) == []
    assert re.findall(wheel, aged.run("outdated", "team/a:v1", "-v").err) == []


@pytest.mark.slow
def test_what_nobody_can_tell_is_unknown_by_name(machine: Machine, tmp_path: Path) -> None:
    with FakeIndex(*distributions(), make_wheel("odd", "1.0"), as_json=False) as plain:
        machine.environ["MFENV_INDEX_URL"] = plain.url
        machine.ok("resolve", "--pypi", "odd", "--pypi", "dep<2", "--alias", "team/a:v1")
        # It needs what there is nowhere.
        plain.add(make_wheel("odd", "2.0", requires=["nowhere"]))
        rows = rows_of(machine, "team/a:v1")
        assert told(rows["odd"]) == ("1.0", "1.0", "2.0", [("unknown", "")])
        # An index without JSON says as much of versions.
        assert told(rows["dep"]) == ("1.0", "1.0", "2.0", [("statement", "dep<2")])
    assert machine.ok("show", "team/a:v1")


@pytest.mark.slow
def test_pre_releases_and_a_cut_off_are_heeded(machine: Machine, index: FakeIndex) -> None:
    index.add(make_wheel("calm", "1.0"))
    until = ("--exclude-newer", "2024-01-01T00:00:00Z")
    machine.ok("resolve", "--pypi", "calm", *until, "--alias", "team/old:v1")
    machine.file("r.txt", "--pre\ncalm\n")
    machine.ok("resolve", "-r", "r.txt", *until, "--alias", "team/eager:v1")
    index.add(make_wheel("calm", "2.0"), uploaded="2024-01-01T00:00:00Z")
    index.add(make_wheel("calm", "1.5b1"), uploaded="2023-12-31T23:59:59.25Z")
    assert rows_of(machine, "team/old:v1") == {}
    assert told(rows_of(machine, "team/eager:v1")["calm"]) == ("1.0", "1.5b1", "1.5b1", [])
    machine.ok("resolve", "--pypi", "calm<1.1", *until, "--alias", "team/held:v1")
    assert rows_of(machine, "team/held:v1") == {}
    index.add(make_wheel("calm", "1.4"), uploaded="2023-12-31T23:59:59Z")
    held = [("statement", "calm<1.1")]
    assert told(rows_of(machine, "team/held:v1")["calm"]) == ("1.0", "1.0", "1.4", held)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MFENV_OFFLINE", "MFENV_LOCAL_ONLY"])
def test_no_source_may_be_asked(aged: Machine, name: str) -> None:
    aged.environ[name] = "true"
    said = aged.fails("outdated", "team/a:v1")
    assert f"`{name.removeprefix('MFENV_').lower()}` ({name}) forbids to ask them" in said


@pytest.mark.slow
def test_a_source_that_fails_is_named_without_its_login(machine: Machine) -> None:
    with FakeIndex(*distributions(), login=("ann", "s3cret")) as index:
        machine.environ["MFENV_INDEX_URL"] = index.url.replace("://", "://ann:s3cret@")
        machine.ok("resolve", "--pypi", "dep<2", "--alias", "team/a:v1")
        done = machine.run("outdated", "team/a:v1", "-v")
        assert "dep      pypi  1.0  1.0   2.0     pypi dep<2 (--pypi)" in done.out
        assert "s3cret" not in done.out + done.err
        index.failures["/simple/dep/"] = 403
        said = machine.fails("outdated", "team/a:v1")
        assert "127.0.0.1" in said
        assert "403" in said
        assert "s3cret" not in said


@pytest.mark.slow
def test_what_is_derived_from_another_environment_has_its_packages(
    machine: Machine, index: FakeIndex
) -> None:
    machine.ok("resolve", "--pypi", "dep", "--alias", "team/base:v1")
    machine.ok("resolve", "--using", "team/base:v1", "--pypi", "other", "--alias", "team/a:v1")
    index.add(make_wheel("dep", "3.0"), make_wheel("other", "2.0"))
    (base,) = machine.json("show", "team/base:v1")["environments"]
    rows = {name: told(row) for name, row in rows_of(machine, "team/a:v1").items()}
    assert rows == {
        "dep": ("2.0", "2.0", "3.0", [("base", base["full_id"])]),
        "other": ("1.0", "2.0", "2.0", []),
    }


@pytest.mark.slow
def test_find_links_are_listed_and_what_has_a_place_of_its_own_is_not(
    machine: Machine, index: FakeIndex
) -> None:
    links = machine.root / "links"
    links.mkdir()
    make_wheel("found", "1.0").write(links)
    direct = make_wheel("direct", "1.0")
    index.add(direct)
    machine.environ["MFENV_FIND_LINKS"] = str(links)
    url = f"direct @ {index.origin}/files/{direct.filename}#sha256={direct.sha256}"
    machine.ok("resolve", "--pypi", "found<2", "--pypi", url, "--alias", "team/a:v1")
    make_wheel("found", "2.0").write(links)
    index.add(make_wheel("direct", "2.0"))
    (env,) = machine.json("outdated", "team/a:v1")["environments"]
    (row,) = env["outdated"]
    assert (row["name"], *told(row)) == ("found", "1.0", "1.0", "2.0", [("statement", "found<2")])
    assert env["unlisted"] == [{"kind": "pypi", "name": "direct", "version": "1.0", "build": None}]
    assert "no source lists what is newer: direct\n" in machine.run("outdated", "team/a:v1").err
    machine.ok("resolve", "--pypi", url, "--alias", "team/b:v1")
    assert machine.ok("outdated", "team/b:v1").splitlines()[1:] == ["  no source lists any of it"]


@pytest.mark.slow
def test_conda_packages_are_told_by_their_repodata(conda: Machine, index: FakeIndex) -> None:
    recipes = [
        Recipe(name="leader", version="1.0", depends=("follower <2",)),
        Recipe(name="follower", version="1.0"),
        Recipe(name="stated", version="1.0"),
        Recipe(name="asking", version="1.0"),
        Recipe(name="clashing", version="1.0", constrains=("bound <2",)),
        Recipe(name="bound", version="1.0"),
        Recipe(name="floor", version="1.0"),
        Recipe(name="moved", version="1.0"),
    ]
    own_channel(conda, *recipes)
    channels = conda.environ["MFENV_CHANNELS"]
    names = [name for name in (one.name for one in recipes) if name not in ("follower", "stated")]
    asked = [word for name in names for word in ("--conda", name)]
    index.add(make_wheel("wheel-of", "1.0", requires=["colours<2"]))
    words = ("resolve", *asked, "--conda", "stated <2", "--conda", "colours", "--pypi", "wheel-of")
    conda.ok(*words, "--alias", "team/a:v1")
    newer = [
        Recipe(name="follower", version="2.0"),
        Recipe(name="stated", version="2.0"),
        Recipe(name="asking", version="2.0", depends=("stated >=2", "python")),
        Recipe(name="bound", version="2.0"),
        Recipe(name="floor", version="2.0", depends=("__unix >=99",)),
        Recipe(name="moved", version="2.0"),
    ]
    conda.environ["MFENV_CHANNELS"] = channels.partition(",")[2]
    own_channel(conda, *recipes, *newer)
    rows = rows_of(conda, "team/a:v1")
    rows.pop("python", None)
    assert {name: told(row) for name, row in rows.items()} == {
        "follower": ("1.0", "1.0", "2.0", [("package", "follower <2")]),
        "stated": ("1.0", "1.0", "2.0", [("statement", "stated<2")]),
        "asking": ("1.0", "1.0", "2.0", [("needs", "stated >=2")]),
        "bound": ("1.0", "1.0", "2.0", [("package", "bound <2")]),
        "floor": ("1.0", "1.0", "2.0", [("platform", "__unix >=99")]),
        "moved": ("1.0", "2.0", "2.0", []),
        "colours": ("1.0", "1.0", "2.0", [("package", "colours<2")]),
    }
    assert rows["stated"]["held_by"][0]["statement"]["place"] == "--conda"
    assert rows["bound"]["held_by"][0]["package"]["name"] == "clashing"
    assert rows["colours"]["held_by"][0]["package"]["name"] == "wheel-of"


@pytest.mark.slow
@pytest.mark.network
def test_the_public_index_is_asked(machine: Machine) -> None:
    machine.environ |= {**of_the_machine(), "MFENV_INDEX_URL": "pypi"}
    words = ("--pypi", "httpx==0.27.0", "--pypi", "idna", "--exclude-newer", "2024-06-01")
    machine.ok("resolve", *words, "--alias", "team/a:v1")
    rows = rows_of(machine, "team/a:v1")
    assert rows == {}
    machine.ok("resolve", *words[:4], "--pypi", "idna<3", "--alias", "team/b:v1")
    rows = rows_of(machine, "team/b:v1")
    assert [one["text"] for one in rows["idna"]["held_by"]] == ["idna<3"]
    assert [one["text"] for one in rows["httpx"]["held_by"]] == ["httpx==0.27.0"]
