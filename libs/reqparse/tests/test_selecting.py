"""What locks mean on a target, kind by kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import reqparse
from reqparse.selecting import Choice, Selected, pythons, select

from .targets import target
from .test_locks import CONDA_LOCK, PIXI_V6, SHA

if TYPE_CHECKING:
    from .helpers import Desk

REGISTRY = 'source = { registry = "https://i.org/simple" }'


def wheel(name: str, version: str = "1", tag: str = "py3-none-any") -> str:
    file = f"{name}-{version}-{tag}.whl"
    return f'wheels = [{{ url = "https://h.org/{file}", hash = "sha256:{SHA}" }}]'


def package(name: str, version: str = "1", edges: str = "", more: str = "") -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n{REGISTRY}\n'
        f"dependencies = [{edges}]\n{wheel(name, version) if 'wheels' not in more else ''}\n{more}\n"
    )


def app(edges: str = "", more: str = "", source: str = 'virtual = "."') -> str:
    return (
        'version = 1\nrequires-python = ">=3.10"\n'
        f'[[package]]\nname = "app"\nversion = "0"\nsource = {{ {source} }}\n'
        f"dependencies = [{edges}]\n{more}\n"
    )


def to(name: str, more: str = "") -> str:
    return f'{{ name = "{name}"{", " if more else ""}{more} }}'


def names(selected: tuple[Selected, ...]) -> list[str]:
    return [s.package.name for s in selected]


def refused(
    locked: reqparse.RequirementSet, choice: Choice | None = None, platform: str = "linux-64"
) -> list[str]:
    with pytest.raises(reqparse.SelectionErrors) as caught:
        select(locked, target(platform), choice or Choice())
    return [f"{p.origin.line}: {p.message}; {p.hint}" for p in caught.value.problems]


UV = (
    app(
        ", ".join(
            (
                to("foo", 'extra = ["x"]'),
                to("mac", "marker = \"sys_platform == 'darwin'\""),
                to("old", "marker = \"python_full_version < '3.11'\""),
            )
        ),
        "optional-dependencies.all = [{ name = 'app', extra = ['some', 'all'] }]\n"
        "optional-dependencies.some = [{ name = 'some' }]\n"
        "dev-dependencies.dev = [{ name = 'tester' }]\n"
        "dev-dependencies.docs = [{ name = 'docs' }]\n"
        'metadata = { provides-extras = ["all", "some", "none"], requires-dev = { empty = [] } }',
    )
    + package("foo", "1", to("loop"), 'optional-dependencies.x = [{ name = "ex" }]')
    + package("loop", "1", to("foo"))
    + "".join(map(package, ("ex", "mac", "old", "some", "tester", "docs")))
)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), ["ex", "foo", "loop", "tester"]),
        (Choice(default_groups=False), ["ex", "foo", "loop"]),
        (Choice(without_groups=("dev",)), ["ex", "foo", "loop"]),
        (Choice(groups=("Docs",)), ["docs", "ex", "foo", "loop", "tester"]),
        (Choice(groups=("docs",), only_groups=True), ["docs"]),
        (Choice(extras=("all",), default_groups=False), ["ex", "foo", "loop", "some"]),
        (Choice(extras=("none",), groups=("empty",)), ["ex", "foo", "loop", "tester"]),
    ],
)
def test_a_uv_lock_is_walked_from_its_project(
    desk: Desk, choice: Choice, expected: list[str]
) -> None:
    assert names(select(desk.read(UV, "uv.lock"), target(), choice)) == expected


def test_markers_decide_for_the_target_and_not_for_this_machine(desk: Desk) -> None:
    locked = desk.read(UV, "uv.lock")
    selected = select(locked, target("osx-arm64", "3.10.2"))
    assert names(selected) == ["ex", "foo", "loop", "mac", "old", "tester"]
    assert {s.package.name: s.depends for s in selected}["foo"] == ("ex", "loop")
    assert pythons(locked).requires == (">=3.10",)
    with pytest.raises(ValueError, match="os_name, platform_machine"):
        select(locked, replace(target(), markers={"python_full_version": "3.12.1"}))


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        (Choice(groups=("no",)), "the lock has no group `no`; it has dev, docs, empty"),
        (Choice(extras=("no",)), "the lock has no extra `no`; it has all, some, none"),
        (Choice(packages=("no",)), "the lock has no member `no`; it has app"),
        (Choice(environment="no"), "uv.lock has no environments to choose from"),
    ],
)
def test_a_choice_that_a_uv_lock_does_not_have(desk: Desk, choice: Choice, problem: str) -> None:
    (said,) = refused(desk.read(UV, "uv.lock"), choice)
    assert problem in said


FORKS = (
    app(
        ", ".join(
            (
                to("a", 'version = "1", marker = "sys_platform == \'darwin\'"'),
                to("a", 'version = "2", marker = "sys_platform != \'darwin\'"'),
                to("b", 'source = { git = "https://g.org/b#c0" }'),
                to("c"),
            )
        )
    )
    + package("a", "1")
    + package("a", "2")
    + package("b", "1")
    + '[[package]]\nname = "b"\nversion = "1"\nsource = { git = "https://g.org/b?rev=main#c0" }\n'
    + package("c", "1", "", "resolution-markers = [\"sys_platform == 'darwin'\"]")
    + package("c", "2", "", "resolution-markers = [\"sys_platform != 'darwin'\"]")
)


def test_several_versions_are_told_apart_by_edges_sources_and_markers(desk: Desk) -> None:
    locked = desk.read(FORKS, "uv.lock")
    for platform, version in (("linux-64", "2"), ("osx-64", "1")):
        a, b, c = select(locked, target(platform))
        assert (a.package.version, c.package.version) == (version, version)
        assert b.artifact.url == "git+https://g.org/b@c0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version = 1\n" + package("a"), "1: nothing says which of its packages the lock was made"),
        (app(to("gone")), "7: `gone` is not among the packages; lock again with uv"),
        (
            app(to("a")) + package("a") + package("a", "2"),
            "7: `a` may be any of a 1, 2; lock again",
        ),
        (app(to("a", 'version = "3"')) + package("a"), "7: `a==3` is not among the packages"),
        (
            app(to("a")) + package("a", more=wheel("a", tag="cp312-cp312-win_amd64")),
            "9: `a 1` has no file for linux-64 and Python 3.12.4; it has a-1-cp312-cp312-win_amd64.whl",
        ),
        (
            "supported-markers = [\"sys_platform == 'win32'\"]\n" + app(),
            "1: the lock is not for linux-64 with Python 3.12.4; it is for sys_platform == 'win32'",
        ),
        (app().replace(">=3.10", ">=3.13"), "2: the lock is for Python >=3.13, not 3.12.4; "),
        (
            app(to("a", "marker = \"platform_release >= '6'\"")) + package("a"),
            "7: whether `platform_release >= '6'` holds on linux-64 cannot be told; the release",
        ),
        (
            app(to("a", "marker = \"extra == 'x'\"")) + package("a"),
            "7: the marker of `a ; extra == 'x'` asks for `x`, which `conflicts` does not name",
        ),
        (
            app(", ".join(to("a", f'version = "{n}"') for n in (1, 2)))
            + package("a")
            + package("a", "2"),
            "16: both 1 and 2 of `a` are selected; their markers hold both",
        ),
    ],
)
def test_a_uv_lock_that_does_not_suffice(desk: Desk, text: str, problem: str) -> None:
    assert refused(desk.read(text, "uv.lock"))[0].startswith(problem)


def test_a_marker_on_the_system_that_decides_nothing(desk: Desk) -> None:
    marker = "platform_release >= '6' and sys_platform == 'darwin'"
    locked = desk.read(app(to("a", f'marker = "{marker}"')) + package("a"), "uv.lock")
    assert names(select(locked, target())) == []


def test_extras_that_exclude_each_other(desk: Desk) -> None:
    edges = [
        to("t", f'version = "{version}", marker = "extra == \'extra-3-app-{extra}\'"')
        for version, extra in (("1", "cpu"), ("2", "gpu"))
    ]
    neither = "extra != 'extra-3-app-cpu' and extra != 'extra-3-app-gpu'"
    text = (
        'conflicts = [[{ package = "app", extra = "cpu" }, { package = "app", extra = "gpu" }]]\n'
        + app(
            ", ".join((*edges, to("plain", f'marker = "{neither}"'))),
            "optional-dependencies.cpu = [{ name = 't', version = '1' }]\n"
            "optional-dependencies.gpu = [{ name = 't', version = '2' }]\n"
            "optional-dependencies.all = [{ name = 'app', extra = ['gpu'] }]\n",
        )
        + package("t", "1")
        + package("t", "2")
        + package("plain")
    )
    locked = desk.read(text, "uv.lock")
    for extras, expected in (
        ((), [("plain", "1")]),
        (("cpu",), [("t", "1")]),
        (("gpu",), [("t", "2")]),
        (("all",), [("t", "2")]),
    ):
        selected = select(locked, target(), Choice(extras=extras))
        assert [(s.package.name, s.package.version) for s in selected] == expected
    (problem,) = refused(locked, Choice(extras=("cpu", "gpu")))
    assert "the extra `cpu` of `app` and the extra `gpu` of `app` exclude each other" in problem


WORKSPACE = """\
version = 1
[manifest]
members = ["one", "two"]
dependency-groups = { dev = [{ name = "tester", specifier = ">=1" }] }
[[package]]
name = "one"
source = { editable = "packages/one" }
dependencies = [{ name = "two" }]
[[package]]
name = "two"
version = "1"
source = { editable = "packages/two" }
dependencies = [{ name = "foo" }]
""" + "".join(map(package, ("foo", "tester")))


def test_a_workspace_whose_root_is_no_project(desk: Desk) -> None:
    locked = desk.read(WORKSPACE, "uv.lock")
    assert names(select(locked, target())) == ["foo", "tester"]
    assert names(select(locked, target(), Choice(default_groups=False))) == ["foo"]
    assert [n.text.partition(":")[0] for n in locked.notes] == [
        "`one` is not installed",
        "`two` is not installed",
    ]


def test_a_member_that_the_project_needs_is_built_from_its_directory(desk: Desk) -> None:
    text = app(to("lib")) + '[[package]]\nname = "lib"\nsource = { editable = "lib" }\n'
    (lib,) = select(desk.read(text, "uv.lock"), target())
    assert (lib.package.editable, lib.artifact.path) == (True, str(desk.root / "lib"))


def test_a_lock_that_is_too_old(desk: Desk) -> None:
    text = app().replace("[[package]]", "[[distribution]]")
    assert "from before uv 0.3" in desk.problems(text, "uv.lock")[0]


def test_a_wheel_by_its_path(desk: Desk) -> None:
    text = app(to("a")) + (
        '[[package]]\nname = "a"\nversion = "1"\nsource = { path = "links/a-1-py3-none-any.whl" }\n'
        f'wheels = [{{ filename = "a-1-py3-none-any.whl", hash = "sha256:{SHA}" }}]\n'
    )
    (a,) = select(desk.read(text, "uv.lock"), target())
    assert a.artifact.path == str(desk.root / "links/a-1-py3-none-any.whl")
    assert a.artifact.filename == "a-1-py3-none-any.whl"


def test_a_script_lock(desk: Desk) -> None:
    text = 'version = 1\n[manifest]\nrequirements = [{ name = "foo", specifier = ">=1" }]\n'
    locked = desk.read(text + package("foo") + package("other"), "job.py.lock")
    assert names(select(locked, target())) == ["foo"]


def test_the_best_wheel_is_taken_and_else_the_sdist(desk: Desk) -> None:
    files = [
        *("a-1-py3-none-any.whl", "a-1-cp312-cp312-manylinux_2_28_x86_64.whl", "a-1-odd.whl"),
        *(
            "a-1-2-cp312-cp312-manylinux_2_28_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_34_x86_64.whl",
        ),
        *(
            "a-1-10-cp312-cp312-manylinux_2_28_x86_64.whl",
            "a-1-cp310-abi3-manylinux_2_17_x86_64.whl",
        ),
    ]
    wheels = ", ".join(f'{{ url = "https://h.org/{file}" }}' for file in files)
    sdist = 'sdist = { url = "https://h.org/a-1.tar.gz" }'
    locked = desk.read(
        app(to("a")) + package("a", "1", "", f"wheels = [{wheels}]\n{sdist}"), "uv.lock"
    )
    (best,) = select(locked, target())
    assert best.artifact.filename == files[5]
    (best,) = select(locked, target(python="3.11.1"))
    assert best.artifact.filename == files[6]
    wheels = '{ url = "https://h.org/a-1-cp312-cp312-win_amd64.whl" }'
    locked = desk.read(
        app(to("a")) + package("a", "1", "", f"wheels = [{wheels}]\n{sdist}"), "uv.lock"
    )
    (best,) = select(locked, target())
    assert best.artifact.filename == "a-1.tar.gz"


def entry(name: str, more: str = "") -> str:
    file = f'{{ url = "https://h.org/{name}-1-py3-none-any.whl", hashes = {{ sha256 = "{SHA}" }} }}'
    return f'[[packages]]\nname = "{name}"\nversion = "1"\nwheels = [{file}]\n{more}\n'


PYLOCK = (
    'lock-version = "1.0"\ncreated-by = "me"\nrequires-python = ">=3.10"\n'
    'extras = ["x"]\ndependency-groups = ["dev", "docs"]\ndefault-groups = ["main"]\n'
    + entry("a", 'dependencies = [{ name = "b" }, { name = "mac" }]')
    + entry("b", "marker = \"'main' in dependency_groups or 'dev' in dependency_groups\"")
    + entry("ex", "marker = \"'x' in extras\"")
    + entry("docs", "marker = \"'docs' in dependency_groups\"")
    + entry("mac", "marker = \"sys_platform == 'darwin'\"")
)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), ["a", "b"]),
        (Choice(default_groups=False), ["a"]),
        (Choice(groups=("docs",), extras=("X",)), ["a", "b", "docs", "ex"]),
    ],
)
def test_a_pylock(desk: Desk, choice: Choice, expected: list[str]) -> None:
    selected = select(desk.read(PYLOCK, "pylock.toml"), target(), choice)
    assert names(selected) == expected
    assert selected[0].depends == (("b",) if "b" in expected else ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PYLOCK + entry("a"), "32: both 1 and 1 of `a` are selected; PEP 751 allows one"),
        (
            "environments = [\"sys_platform == 'win32'\"]\n" + PYLOCK,
            "1: the lock is not for linux-64 with Python 3.12.4; it is for sys_platform == 'win32'",
        ),
        (
            PYLOCK + entry("n", 'requires-python = "<3.12"'),
            "32: `n 1` is for Python <3.12, not 3.12.4",
        ),
        (
            PYLOCK + entry("n", 'marker = "a <"'),
            "32: whether `a <` holds on linux-64 cannot be told",
        ),
    ],
)
def test_a_pylock_that_does_not_suffice(desk: Desk, text: str, problem: str) -> None:
    assert refused(desk.read(text, "pylock.toml"))[0].startswith(problem)


def test_a_pylock_has_no_members(desk: Desk) -> None:
    choice = Choice(packages=("a",), groups=("no",))
    assert [p.partition(": ")[2] for p in refused(desk.read(PYLOCK, "pylock.toml"), choice)] == [
        "pylock.toml has no workspace members to choose from; leave that choice out",
        "the lock has no group `no`; it has dev, docs, main",
    ]


def test_a_pixi_environment(desk: Desk) -> None:
    locked = desk.read(
        PIXI_V6.replace("depends: [libc >=2]", "depends: [__glibc >=2]"), "pixi.lock"
    )
    assert names(select(locked, target(), Choice(environment="test"))) == ["zlib", "foo"]
    assert names(select(locked, target("osx-64"))) == ["foo"]
    for choice, platform, problem in (
        (Choice(), "linux-64", "`src` is to be built from source"),
        (
            Choice(environment="no"),
            "linux-64",
            "the lock has no environment `no`; it has default, ",
        ),
        (
            Choice(environment="test"),
            "osx-64",
            "the environment `test` is not for osx-64; it is for ",
        ),
        (Choice(groups=("x",)), "linux-64", "pixi.lock has no groups to choose from"),
    ):
        assert problem in refused(locked, choice, platform)[0]


def test_a_conda_package_that_another_needs_is_missing(desk: Desk) -> None:
    problems = refused(desk.read(PIXI_V6, "pixi.lock"), Choice(environment="test"))
    assert problems == ["22: `zlib` needs `libc >=2`, which is not among the packages; lock again"]


PIXI_PYTHON = f"""\
version: 6
environments:
  default:
    channels: []
    packages:
      linux-64:
      - conda: https://h.org/c/linux-64/python-3.9.1-h1_0.conda
      - pypi: https://h.org/foo-2.0-cp310-cp310-win_amd64.whl
packages:
- conda: https://h.org/c/linux-64/python-3.9.1-h1_0.conda
  sha256: {SHA}
- pypi: https://h.org/foo-2.0-cp310-cp310-win_amd64.whl
  name: foo
  version: '2.0'
  requires_python: '>=3.10'
  requires_dist: [bar ; extra == 'x', 'baz[y] >=1']
"""


def test_the_python_of_the_lock_decides(desk: Desk) -> None:
    locked = desk.read(PIXI_PYTHON, "pixi.lock")
    ((platform, (python,)),) = pythons(locked).pinned.items()
    assert (platform, python.version) == ("linux-64", "3.9.1")
    assert list(map(str, locked.packages[1].dependencies)) == ["bar ; extra == 'x'", "baz[y] >=1"]
    assert refused(locked) == [
        "10: the lock has Python 3.9.1, not 3.12.4; a lock with a Python of its own decides it",
        "12: `foo 2.0` is for Python >=3.10, not 3.9.1; None",
        "12: `foo 2.0` has no file for linux-64 and Python 3.9.1; it has foo-2.0-cp310-cp310-win_amd64.whl",
    ]


@pytest.mark.parametrize(
    ("required", "problem"),
    [
        (">=3.6.*", None),  # from before PEP 440 was enforced
        (">=3.6.*, <4", None),
        (">=3.10.*", "is for Python >=3.10.*, not 3.9.1"),
        ("three", "is for Python `three`, which is not a version specifier"),
    ],
)
def test_what_a_wheel_says_of_python(desk: Desk, required: str, problem: str | None) -> None:
    text = PIXI_PYTHON.replace("cp310-cp310-win_amd64", "py3-none-any")
    locked = desk.read(text.replace(">=3.10", required), "pixi.lock")
    if problem is None:
        assert names(select(locked, target(python="3.9.1"))) == ["python", "foo"]
        return
    with pytest.raises(reqparse.SelectionErrors, match=problem.replace("*", ".")):
        select(locked, target(python="3.9.1"))


def test_a_conda_lock(desk: Desk) -> None:
    text = CONDA_LOCK.replace("{libc: '>=2', any: ''}", "{__glibc: ''}")
    locked = desk.read(text, "conda-lock.yml")
    assert names(select(locked, target())) == ["zlib"]
    assert names(select(locked, target("osx-64"))) == ["foo-bar"]
    assert names(select(locked, target("osx-64"), Choice(default_groups=False))) == []
    assert names(select(locked, target("osx-64"), Choice(groups=("dev",), only_groups=True))) == [
        "foo-bar"
    ]
    assert (
        "not for osx-arm64; it is for linux-64, osx-64" in refused(locked, platform="osx-arm64")[0]
    )
    assert "no group `x`; it has main, dev" in refused(locked, Choice(groups=("x",)))[0]


def test_a_conda_package_for_another_platform(desk: Desk) -> None:
    text = CONDA_LOCK.replace("{libc: '>=2', any: ''}", "{}")
    assert "/linux-64/" in text
    for subdir, problems in (
        ("noarch", []),
        ("osx-64", ["`zlib` is for osx-64, not for linux-64; lock again"]),
    ):
        locked = desk.read(text.replace("/linux-64/", f"/{subdir}/"), "conda-lock.yml")
        if problems:
            assert [p.partition(": ")[2] for p in refused(locked)] == problems
        else:
            assert names(select(locked, target())) == ["zlib"]


def test_a_package_of_several_categories_is_one(desk: Desk) -> None:
    entry = CONDA_LOCK[CONDA_LOCK.index("- name: zlib") : CONDA_LOCK.index("- name: Foo_bar")]
    entry = entry.replace("{libc: '>=2', any: ''}", "{}")
    head = CONDA_LOCK.partition("- name:")[0]
    dev = entry.replace("category: main", "category: dev")
    locked = desk.read(head + entry + dev, "conda-lock.yml")
    (zlib,) = select(locked, target())
    assert zlib.package.version == "1.10"
    assert select(locked, target(), Choice(groups=("dev",), only_groups=True))
    for other in (dev.replace("1.10", "2.0"), dev.replace(SHA, SHA[::-1]), entry):
        (problem,) = refused(desk.read(head + entry + other, "conda-lock.yml"))
        assert "of `zlib` are listed" in problem


def test_a_conda_lock_without_packages(desk: Desk) -> None:
    head, _, rest = CONDA_LOCK.partition("- name: zlib")
    empty = desk.read(head.replace("package:", "package: []"), "conda-lock.yml")
    assert "the lock has no packages for linux-64" in refused(empty)[0]
    other = desk.read(head + rest[rest.index("- name: Foo_bar") :], "conda-lock.yml")
    assert "the lock has no packages for linux-64, which it names" in refused(other)[0]
    assert select(other, target("osx-64"))


def test_a_commit_is_no_hash_of_a_file(desk: Desk) -> None:
    commit = "ab" * 20
    text = CONDA_LOCK.replace("https://h.org/foo_bar-2.0-py3-none-any.whl", "git+https://h.org/foo")
    text = text.replace(f"#sha256={SHA}", f"@{commit}").replace(
        "{sha256: " + SHA + "}", "{sha256: " + commit + "}"
    )
    (foo,) = select(desk.read(text, "conda-lock.yml"), target("osx-64"))
    assert (foo.artifact.url, foo.artifact.hashes) == (f"git+https://h.org/foo@{commit}", ())


def test_an_explicit_list(desk: Desk) -> None:
    url = "https://h.org/c/{}/zlib-1.2-h1_0.conda#d7c89558ba9fa0495403155b64376d81\n"
    locked = desk.read("@EXPLICIT\n" + url.format("linux-64"), "env.txt")
    (zlib,) = select(locked, target())
    assert zlib.artifact.hashes == ("md5:d7c89558ba9fa0495403155b64376d81",)
    assert "the list is not for osx-64; it is for linux-64" in refused(locked, platform="osx-64")[0]
    twice = desk.read("@EXPLICIT\n" + url.format("noarch") * 2, "env.txt")
    assert "both 1.2 and 1.2 of `zlib` are listed" in refused(twice)[0]
    text = "@EXPLICIT\n" + url.format("linux-64") + url.format("osx-64").replace("zlib", "z")
    assert refused(desk.read(text, "env.txt")) == [
        "3: `z` is for osx-64, not for linux-64; lock again"
    ]
    stated = desk.read("# platform: osx-64\n@EXPLICIT\n" + url.format("linux-64"), "env.txt")
    assert refused(stated, platform="osx-64") == [
        "3: `zlib` is for linux-64, not for osx-64; lock again"
    ]


def test_what_is_no_lock(desk: Desk) -> None:
    with pytest.raises(reqparse.SelectionErrors, match="this is no lock"):
        select(desk.read("foo\n"), target())
    with pytest.raises(reqparse.SelectionErrors, match="this is no lock"):
        pythons(reqparse.RequirementSet())
