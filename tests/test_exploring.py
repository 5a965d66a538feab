"""What a user sees of an environment: what needs what, why, what differs, what was, where it is."""

from __future__ import annotations

import re
import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.testing import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.testing import FakeIndex

    from .helpers import Machine

HERE = host_platform()


def package(name: str, version: str, kind: str = "pypi") -> dict[str, Any]:
    return {"kind": kind, "name": name, "version": version, "build": None}


@pytest.fixture
def known(machine: Machine, index: FakeIndex) -> Machine:
    """A machine that knows `team/a:v1`, asked for by a file with its limits and by an option."""
    index.add(make_wheel("top", "1.0", requires=["app", "dep"]))
    machine.file("limits.txt", "dep<2\n")
    machine.file("r.txt", "# what we need\n-c limits.txt\ntop\n")
    machine.ok("resolve", "-r", "r.txt", "--pypi", "app", "--alias", "team/a:v1")
    return machine


@pytest.mark.slow
def test_a_tree_starts_at_what_was_asked_for(known: Machine) -> None:
    head, *lines = known.ok("tree", "team/a:v1").splitlines()
    assert head.startswith(f"{HERE}, Python 3.")
    assert lines == [
        "├── app 1.0 (pypi) <- pypi app (--pypi)",
        "│   └── dep 1.0 (pypi)",
        "└── top 1.0 (pypi) <- pypi top (r.txt:3)",
        "    ├── app 1.0 (pypi) (*)",
        "    └── dep 1.0 (pypi)",
    ]
    done = known.run("tree", "team/a:v1", env={"PYTHONIOENCODING": "ascii"})
    assert "`-- top 1.0 (pypi) <- pypi top (r.txt:3)" in done.out
    assert done.err == "(*) what is below stands elsewhere in the tree\n"


@pytest.mark.slow
def test_a_tree_of_one_package_goes_down_or_up_as_far_as_is_asked(known: Machine) -> None:
    _, *lines = known.ok("tree", "team/a:v1", "top", "--depth", "0").splitlines()
    assert lines == ["└── top 1.0 (pypi) <- pypi top (r.txt:3)"]
    _, *lines = known.ok("tree", "team/a:v1", "Dep", "--invert", "--depth", "1").splitlines()
    assert lines == [
        "└── dep 1.0 (pypi)",
        "    ├── app 1.0 (pypi) <- pypi app (--pypi)",
        "    └── top 1.0 (pypi) <- pypi top (r.txt:3)",
    ]
    said = known.fails("tree", "team/a:v1", "depp")
    assert "`depp` is not in this environment" in said
    assert "did you mean `dep`?" in said


@pytest.mark.slow
def test_a_python_of_the_machine_is_said_to_be_one(known: Machine) -> None:
    version = known.json("show", "team/a:v1")["environments"][0]["python"]
    for command in ("why", "tree"):
        said = known.fails(command, "team/a:v1", "python")
        assert f"Python {version} is no package of this environment: it comes from the" in said
    known.ok("resolve", "--pypi", "dep", "--python", ">=3.8", "--alias", "p:v1")
    assert "asked for by `python >=3.8 (--python)`" in known.fails("why", "p:v1", "python")
    series = ".".join(version.split(".")[:2])
    done = known.run("search", f"python={series}")
    assert (done.status, done.out) == (0, "")
    (command,) = re.findall("`mfenv (list .*)`", done.err)
    assert "team/a:v1" in known.ok(*shlex.split(command))
    assert "from the machine" in known.run("search", "python").err
    for other in ("python=2.7", "pypi:python", "dep"):
        assert "from the machine" not in known.run("search", other).err


@pytest.mark.slow
def test_a_tree_as_json(known: Machine) -> None:
    (env,) = known.json("tree", "team/a:v1")["environments"]
    (described,) = known.json("show", "team/a:v1")["environments"]
    assert {name: described[name] for name in ("req_id", "full_id", "platform", "python")} == {
        name: value for name, value in env.items() if name != "rows"
    }
    asked = [{"category": "pypi", "text": "top", "place": "r.txt:3"}]
    assert env["rows"][2] == {
        "depth": 0,
        **package("top", "1.0"),
        "repeated": False,
        "asked": asked,
    }
    assert [(row["depth"], row["name"], row["repeated"]) for row in env["rows"]] == [
        (0, "app", False),
        (1, "dep", False),
        (0, "top", False),
        (1, "app", True),
        (1, "dep", False),
    ]


@pytest.mark.slow
def test_why_names_each_statement_and_its_shortest_ways(known: Machine) -> None:
    head, *lines = known.ok("why", "team/a:v1", "dep").splitlines()
    assert head.endswith(": dep 1.0 (pypi)")
    assert lines == [
        "  pypi app (--pypi)",
        "    app 1.0 -> dep 1.0",
        "  pypi top (r.txt:3)",
        "    top 1.0 -> dep 1.0",
        "  bound by constraint pypi dep<2 (limits.txt:1)",
    ]
    (why,) = known.json("why", "team/a:v1", "dep")["packages"]
    assert why["asked"][1] == {
        "category": "pypi",
        "text": "top",
        "place": "r.txt:3",
        "count": 1,
        "paths": [[package("top", "1.0"), package("dep", "1.0")]],
    }
    assert why["bound"] == [{"category": "constraints", "text": "dep<2", "place": "limits.txt:1"}]


@pytest.mark.slow
def test_conda_and_pypi_are_told_apart(conda: Machine, index: FakeIndex) -> None:
    index.add(make_wheel("mine", "1.0", requires=["pytool"]))
    conda.ok("resolve", "--conda", "pytool", "--pypi", "mine", "--alias", "team/m:v1")
    tree = conda.ok("tree", "team/m:v1", "mine").splitlines()
    assert tree[1:3] == [
        "└── mine 1.0 (pypi) <- pypi mine (--pypi)",
        "    └── pytool 1.0 (conda) <- conda pytool (--conda)",
    ]
    why = conda.ok("why", "team/m:v1", "conda:colours")
    assert "    pytool 1.0 -> colours 2.0" in why
    assert "    mine 1.0 -> pytool 1.0 -> colours 2.0" in why
    every = {(row["kind"], row["name"]) for row in rows_of(conda)}
    (described,) = conda.json("show", "team/m:v1")["environments"]
    assert every == {(one["kind"], one["name"]) for one in described["packages"]}


def rows_of(machine: Machine) -> list[dict[str, Any]]:
    (env,) = machine.json("tree", "team/m:v1")["environments"]
    rows: list[dict[str, Any]] = env["rows"]
    return rows


@pytest.fixture
def moved(machine: Machine) -> Machine:
    """A machine where `team/a` meant something else before."""
    machine.file("r.txt", "dep<2\nother\n")
    machine.ok("resolve", "-r", "r.txt", "--alias", "team/a")
    # What is known stands in the order of the seconds in which it was resolved.
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.01)
    machine.file("r.txt", "app\n")
    machine.ok("resolve", "-r", "r.txt", "--alias", "team/a")
    return machine


@pytest.mark.slow
def test_a_history_tells_what_an_alias_meant_and_what_changed(moved: Machine) -> None:
    before, now = (moved.json("show", name)["environments"][0] for name in ("team/a~1", "team/a"))
    assert before["full_id"] != now["full_id"]
    head, *lines = moved.ok("history", "team/a").splitlines()
    assert head.split() == ["version", "given", "by", "environment", "changes"]
    assert [line.split()[0] for line in lines] == ["team/a:latest", "team/a:latest~1"]
    assert lines[0].endswith(f"{now['req_id'][:12]}:{now['full_id'][:12]}  +1 -1 ~1")
    told = moved.json("history", "team/a")
    assert told["alias"] == "team/a:latest"
    assert [one["full_id"] for one in told["meanings"]] == [now["full_id"], before["full_id"]]
    assert [one["back"] for one in told["meanings"]] == [0, 1]
    assert told["meanings"][1]["changes"] is None
    assert all(one["given_by"] and one["given_at"] for one in told["meanings"])
    assert "is not known here" in moved.fails("show", "team/a~2")
    for words in (("history", "team/b"), ("show", "team/b~1")):
        assert "`team/b:latest` is neither" in moved.fails(*words)
    moved.ok("alias", "team/a", "team/b:v1")
    said = moved.fails("show", "team/b~1")
    assert "`team/b:latest` is not known here\nhint: known are `team/b:v1`" in said


@pytest.mark.slow
def test_only_an_alias_has_a_history(moved: Machine) -> None:
    known = moved.json("show", "team/a")["environments"][0]
    ids = known["req_id"], known["full_id"]
    for name in (ids[0], ids[0][:8], ":".join(ids), ":".join(part[:12] for part in ids)):
        said = moved.fails("history", name)
        assert f"error: `{name}` is an id" in said
        assert f"hint: `mfenv show {name}` lists the aliases" in said


@pytest.mark.slow
def test_an_alias_goes_back_and_what_is_taken_away_is_told(moved: Machine) -> None:
    moved.ok("alias", "team/a~1", "team/a")
    moved.ok("alias", "--delete", "team/a", "--shared")
    told = moved.json("history", "team/a")["meanings"]
    # Without a meaning now, the last one is that before.
    assert [one["back"] for one in told] == [None, 1, 2, 3]
    assert told[0]["given_by"] == told[1]["given_by"]
    last = moved.json("show", "team/a~1")["environments"][0]
    assert last["full_id"] == told[1]["full_id"]
    assert told[1]["full_id"] == told[3]["full_id"] != told[2]["full_id"]
    assert told[0]["full_id"] is None
    assert "(taken away)" in moved.ok("history", "team/a")


@pytest.mark.slow
def test_what_others_moved_is_seen(moved: Machine, machines: Callable[[str], Machine]) -> None:
    other = machines("two")
    other.ok("show", "team/a")
    moved.ok("resolve", "--pypi", "other", "--alias", "team/a")
    told = other.json("history", "team/a")["meanings"]
    assert [(one["back"], one["given_by"]) for one in told] == [(0, None), (1, None)]
    assert "(seen in the store)" in other.ok("history", "team/a")
    assert moved.json("history", "team/a")["meanings"][0]["full_id"] == told[0]["full_id"]


@pytest.mark.slow
def test_a_diff_names_changes_and_what_leads_to_each(moved: Machine) -> None:
    head, *lines = moved.ok("diff", "team/a~1", "team/a").splitlines()
    assert head == f"{HERE}:"
    assert [line for line in lines if line.startswith("  asked")] == [
        "  asked + pypi app (r.txt:1)",
        "  asked - pypi dep<2",
        "  asked - pypi other",
    ]
    changes = {line.split()[1]: line for line in lines if line[2] in "+-~" and "<-" in line}
    assert changes["app"].startswith("  + app 1.0 (pypi) +")
    assert changes["app"].endswith(" <- + pypi app (r.txt:1)")
    assert changes["other"].endswith(" <- - pypi other")
    assert changes["dep"].startswith("  ~ dep 1.0 -> 2.0 (pypi) ")
    assert changes["dep"].endswith(" <- - pypi dep<2")
    assert lines[-1].startswith("  +1 -1 ~1 (")


@pytest.mark.slow
def test_a_diff_as_json_and_its_status(moved: Machine) -> None:
    (one,) = moved.json("diff", "team/a~1", "team/a")["compared"]
    sizes = {
        name: {
            p["name"]: p["size"] for p in moved.json("show", name)["environments"][0]["packages"]
        }
        for name in ("team/a~1", "team/a")
    }
    assert [one[side]["size"] for side in ("before", "after")] == [
        sum(size.values()) for size in sizes.values()
    ]
    hashes = {
        name: next(
            f"sha256:{package['hashes']['sha256']}"
            for package in moved.json("show", name)["environments"][0]["packages"]
            if package["name"] == "dep"
        )
        for name in sizes
    }
    (dep,) = [change for change in one["changes"] if change["name"] == "dep"]
    assert dep == {
        "kind": "pypi",
        "name": "dep",
        "before": "1.0",
        "build_before": None,
        "filename_before": "dep-1.0-py3-none-any.whl",
        "hash_before": hashes["team/a~1"],
        "after": "2.0",
        "build_after": None,
        "filename_after": "dep-2.0-py3-none-any.whl",
        "hash_after": hashes["team/a"],
        "size_before": sizes["team/a~1"]["dep"],
        "size_after": sizes["team/a"]["dep"],
        "cause": {"category": "pypi", "text": "dep<2", "place": "r.txt:1", "differs": True},
    }
    assert one["asked"][0] == {
        "what": "pypi",
        "before": None,
        "after": "app",
        "platform": None,
        "place": "r.txt:1",
    }
    assert moved.run("diff", "team/a~1", "team/a", "--exit-code").status == 1
    done = moved.run("diff", "team/a", "team/a", "--exit-code")
    assert (done.status, done.out) == (0, f"{HERE}:\n  nothing differs\n")


@pytest.mark.slow
def test_an_environment_beside_files(moved: Machine) -> None:
    moved.file("r.txt", "dep<2\napp\n")
    done = moved.run("diff", "team/a", "r.txt")
    assert done.out.splitlines()[1:] == ["  asked + pypi dep<2 (r.txt:1)"]
    assert "`r.txt` asks for is not resolved" in done.err
    (one,) = moved.json("diff", "r.txt", "team/a")["compared"]
    assert (one["before"], one["changes"]) == (None, None)
    assert one["asked"][0]["before"] == "dep<2"
    moved.ok("resolve", "-r", "r.txt")
    assert "~ dep 2.0 -> 1.0" in moved.ok("diff", "team/a", "r.txt")
    moved.ok("lock", "-r", "r.txt")
    assert "~ dep 2.0 -> 1.0" in moved.ok("diff", "team/a", "mfenv.lock")
    said = moved.fails("diff", "team/a", "mfenv.lock", "--environment", "no")
    assert "has no environment `no`" in said
    assert "leave out `--environment`" in moved.fails(
        "diff", "team/a", "r.txt", "--environment", "x"
    )
    lock = moved.ok("export", "team/a~1", "--format", "pylock")
    moved.file("pylock.toml", lock)
    said = moved.ok("diff", "team/a", "pylock.toml")
    assert "~ dep 2.0 -> 1.0" in said
    assert "asked" not in said
    assert "nothing differs" in moved.ok("diff", "team/a~1", "pylock.toml")


@pytest.mark.slow
def test_a_compiled_file_is_told_from_a_request(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "team/app:v1")
    text = "# This file is autogenerated by pip-compile with Python 3.11\n# pip-compile app.in\ndep==1.0\n"
    machine.file("requirements.txt", text)
    done = machine.run("diff", "team/app:v1", "requirements.txt")
    assert "`requirements.txt` is compiled, and its versions are compared as" in done.err
    assert "  asked + pypi dep==1.0 (requirements.txt:3)\n" in done.out
    machine.ok("import", "requirements.txt")
    done = machine.run("diff", "team/app:v1", "requirements.txt")
    assert "is compiled" not in done.err
    assert "  ~ dep 2.0 -> 1.0 (pypi)" in done.out
    machine.file("plain.txt", "dep\n")
    assert "is compiled" not in machine.run("diff", "team/app:v1", "plain.txt").err


def test_what_is_no_lock_at_all_is_told_what_is_one(machine: Machine) -> None:
    machine.file("env.sh", "export A=1 B=2\nexport C=3\n")
    said = machine.fails("import", "env.sh")
    assert "\nhint: locks are pylock.toml, uv.lock, " in said
    assert "`mfenv resolve -r FILE` reads others" in said


@pytest.mark.slow
def test_a_file_that_is_called_as_an_environment_is_not_taken_for_it(moved: Machine) -> None:
    moved.ok("alias", "team/a~1", "r.txt")
    said = moved.fails("diff", "team/a", "r.txt")
    assert "write `./r.txt` or `r.txt:latest`" in said
    assert "asked" not in moved.ok("diff", "team/a", "./r.txt")
    assert "~ dep 2.0 -> 1.0" in moved.ok("diff", "team/a", "r.txt:latest")


@pytest.mark.slow
def test_two_platforms_of_one_environment(machine: Machine, index: FakeIndex) -> None:
    index.add(make_wheel("mac", "1.0"))
    machine.file("r.txt", "app\nmac; sys_platform == 'darwin'\n")
    both = ("--platform", "linux-64", "--platform", "osx-arm64")
    machine.ok("resolve", "-r", "r.txt", *both, "--alias", "a:v1")
    said = machine.ok("diff", "a:v1", *both)
    assert said.startswith("linux-64 -> osx-arm64:\n")
    assert "+ mac 1.0 (pypi)" in said
    assert said == machine.ok("diff", "a:v1@linux-64", "a:v1@osx-arm64")
    assert said == machine.ok("diff", "a:v1")
    machine.ok("resolve", "--pypi", "dep", "--alias", "one:v1")
    said = machine.fails("diff", "one:v1")
    assert f"and not on {HERE}\n" in said
    assert "name both with `--platform`" in said
    assert "`win-64` behind the `@` is no platform" in machine.fails("diff", "a:v1@win-64", "a:v1")


@pytest.mark.slow
def test_a_search_and_a_list_find_what_is_known(moved: Machine) -> None:
    now, before = (moved.json("show", name)["environments"][0] for name in ("team/a", "team/a~1"))
    head, line = moved.ok("search", "dep>=2").splitlines()
    assert head.split() == ["package", "version", "kind", "environment", "platform", "known", "as"]
    ids = f"{now['req_id'][:12]}:{now['full_id'][:12]}"
    assert line.split() == ["dep", "2.0", "pypi", ids, HERE, "team/a:latest"]
    found = moved.json("search", "dep")["packages"]
    assert [one["full_id"] for one in found] == [now["full_id"], before["full_id"]]
    assert found[0] == {
        **{name: now[name] for name in ("req_id", "full_id", "platform")},
        **package("dep", "2.0"),
        "aliases": ["team/a:latest"],
    }
    assert moved.json("search", "team/")["aliases"] == [
        {"alias": "team/a:latest", "req_id": now["req_id"], "full_id": now["full_id"]}
    ]
    done = moved.run("search", "nowhere")
    assert (done.status, done.out) == (0, "")
    assert "nothing here is called `nowhere`" in done.err
    assert "is not a package and its version" in moved.fails("search", "dep>>1")
    (row,) = moved.json("list", "team/*", "--package", "dep<3", "--platform", HERE)["environments"]
    assert row["size"] == sum(one["size"] for one in now["packages"])
    assert row["full_id"] == now["full_id"]
    assert moved.json("list", "--created")["environments"] == []
    assert "--shared goes with" in moved.fails("list", "--shared", "--created", status=2)
