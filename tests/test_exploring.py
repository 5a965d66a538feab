"""What a user sees of an environment: what needs what, why, what differs, what was, where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.testing import make_wheel

if TYPE_CHECKING:
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
