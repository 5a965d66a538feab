"""What poetry's and pipenv's locks mean, and the other pixi.lock files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reqparse.selecting import Choice, as_lock, pythons, select

from .targets import target
from .test_locks import SHA
from .test_selecting import names, refused

if TYPE_CHECKING:
    from .helpers import Desk

HASH = f'hash = "sha256:{SHA}"'


def poetry(name: str, more: str = "", version: str = "1") -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\noptional = false\n'
        f'python-versions = ">=3.8"\nfiles = [{{file = "{name}-{version}-py3-none-any.whl", {HASH}}}]\n'
        f"{more}\n"
    )


def metadata(version: str, more: str = "") -> str:
    return f'{more}\n[metadata]\nlock-version = "{version}"\npython-versions = "^3.9"\ncontent-hash = "x"\n'


POETRY_2 = (
    poetry("a", 'groups = ["main", "dev"]\n[package.dependencies]\nb = ">=1"')
    + poetry("b", 'groups = ["main"]\nmarkers = "sys_platform == \'darwin\'"')
    + poetry("c", 'groups = ["main"]\nmarkers = "extra == \\"more\\""')
    + poetry(
        "d",
        'groups = ["main", "dev"]\n'
        "markers = {main = \"sys_platform == 'darwin'\", dev = \"python_version >= '3.9'\"}",
    )
    + poetry("e", 'groups = ["docs"]')
    + metadata("2.1", '[extras]\nmore = ["c"]')
)


@pytest.mark.parametrize(
    ("choice", "platform", "expected"),
    [
        (Choice(), "linux-64", ["a", "d", "e"]),
        (Choice(), "osx-64", ["a", "b", "d", "e"]),
        (Choice(without_groups=("docs", "dev")), "linux-64", ["a"]),
        (Choice(default_groups=False, groups=("main",)), "osx-64", ["a", "b", "d"]),
        (Choice(groups=("docs",), only_groups=True), "linux-64", ["e"]),
        (Choice(extras=("more",), without_groups=("docs",)), "linux-64", ["a", "c", "d"]),
    ],
)
def test_a_poetry_lock(desk: Desk, choice: Choice, platform: str, expected: list[str]) -> None:
    locked = desk.read(POETRY_2, "poetry.lock")
    selected = select(locked, target(platform), choice)
    assert names(selected) == expected
    assert selected[0].artifact.url is None
    assert selected[0].artifact.hashes == (f"sha256:{SHA}",)
    assert pythons(locked).requires == ("<4,>=3.9",)
    assert "which groups are optional" in locked.notes[0].text


def test_a_poetry_lock_has_no_other_groups(desk: Desk) -> None:
    locked = desk.read(POETRY_2, "poetry.lock")
    problems = refused(locked, Choice(groups=("x",), extras=("y",), environment="z"))
    assert [p.partition(": ")[2] for p in problems] == [
        "poetry.lock has no environments to choose from; leave that choice out",
        "the lock has no extra `y`; it has more",
        "the lock has no group `x`; it has main, dev, docs",
    ]


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        ("idna<3", "`idna` is pinned otherwise than the constraint `idna<3` has it (c.txt:1)"),
        ("idna>=3", None),
        ("idna<3; sys_platform == 'darwin'", None),
        ("other<3", None),
        (
            "idna @ https://h.org/i-3-py3-none-any.whl",
            "`idna` is pinned otherwise than the constraint `idna @ https://h.org/i-3-py3-none-any.whl` has it (c.txt:1)",
        ),
    ],
)
def test_a_pin_that_a_constraint_forbids(desk: Desk, constraint: str, problem: str | None) -> None:
    desk.put("c.txt", constraint)
    locked = as_lock(desk.read("idna==3.7\n-c c.txt\n", "requirements.txt"))
    if problem is None:
        assert names(select(locked, target())) == ["idna"]
    else:
        (told,) = refused(locked)
        assert told.replace(f"{desk.root}/", "") == f"1: {problem}; lock again"


OLD = (
    poetry(
        "a",
        "[package.dependencies]\n"
        'mac = {version = "*", markers = "sys_platform == \'darwin\'"}\n'
        'x = [{version = "<2", markers = "python_version < \'3.10\'"}, ">=2"]\n'
        'loop = {version = "*", extras = ["y"]}\n',
    )
    + poetry("mac", '[package.dependencies]\nmoremac = "*"')
    + poetry("moremac")
    + poetry("x", version="2")
    + poetry(
        "loop",
        '[package.dependencies]\na = "*"\n'
        'y = {version = "*", optional = true, markers = "extra == \'y\'"}\n'
        '[package.extras]\ny = ["y (>=1)"]',
    )
    + poetry("y")
    + poetry(
        "opt",
        '[package.dependencies]\nopt2 = "*"\nopt3 = {version = "*", optional = true, markers = "extra == \'z\'"}\n[package.extras]\nz = ["opt3"]',
    ).replace("false", "true")
    + poetry("opt2").replace("= false", "= true")
    + poetry("opt3").replace("= false", "= true")
)


@pytest.mark.parametrize("version", ["2.0", "1.1"])
def test_an_older_poetry_lock_is_followed_by_its_edges(desk: Desk, version: str) -> None:
    text = OLD + metadata(version, '[extras]\nmore = ["opt (>=1)"]')
    locked = desk.read(text, "poetry.lock")
    assert names(select(locked, target())) == ["a", "loop", "x", "y"]
    assert names(select(locked, target("osx-64"))) == ["a", "loop", "mac", "moremac", "x", "y"]
    chosen = names(select(locked, target(), Choice(extras=("more",))))
    assert chosen == ["a", "loop", "opt", "opt2", "x", "y"]
    assert "does not say what the project asks for itself" in locked.notes[0].text
    assert list(map(str, locked.packages[0].dependencies))[1:3] == [
        "x <2 ; python_version < '3.10'",
        "x >=2",
    ]


def test_the_oldest_poetry_lock_has_its_files_in_one_place(desk: Desk) -> None:
    text = f"""\
[[package]]
name = "A"
version = "1"
category = "dev"
optional = false
python-versions = "*"
[metadata]
lock-version = "1.0"
python-versions = ">=3.6"
[metadata.files]
a = [{{file = "A-1.tar.gz", {HASH}}}]
"""
    (a,) = select(desk.read(text, "poetry.lock"), target())
    assert (a.artifact.filename, a.package.groups) == ("A-1.tar.gz", ("dev",))
    assert select(desk.read(text, "poetry.lock"), target(), Choice(default_groups=False)) == ()


def test_sources_of_a_poetry_lock(desk: Desk) -> None:
    def source(kind: str, url: str, more: str = "") -> str:
        return f'[package.source]\ntype = "{kind}"\nurl = "{url}"\n{more}'

    commit = 'reference = "main"\nresolved_reference = "c0"\nsubdirectory = "s"'
    text = (
        poetry("a", source("git", "https://g.org/a.git", commit))
        + poetry("b", source("url", "https://h.org/b-1.tar.gz"))
        + poetry("c", source("file", "links/c-1.tar.gz"))
        + poetry("d", "develop = true\n" + source("directory", "../d"))
        + poetry("e", source("legacy", "https://u:hunter2@i.org/simple", 'reference = "mine"'))
        + metadata("2.1")
    )
    locked = desk.read(text, "poetry.lock")
    noted = [note for note in locked.notes if "reference" in note.text]
    assert [note.origin.line for note in noted] == [text[: text.index(commit)].count("\n") + 1]
    a, b, c, d, e = select(locked, target())
    assert a.artifact.url == "git+https://g.org/a.git@c0#subdirectory=s"
    assert (b.artifact.url, b.artifact.hashes) == ("https://h.org/b-1.tar.gz", (f"sha256:{SHA}",))
    assert c.artifact.path == str(desk.root / "links/c-1.tar.gz")
    assert (d.artifact.path, d.package.editable) == (str(desk.root.parent / "d"), True)
    assert (e.package.source, e.artifact.filename) == (
        "https://i.org/simple",
        "e-1-py3-none-any.whl",
    )
    text = text.replace('"legacy"', '"odd"')
    assert "the unknown type `odd`" in desk.problems(text, "poetry.lock")[0]


PIPFILE = f"""\
{{
    "_meta": {{
        "hash": {{"sha256": "x"}},
        "pipfile-spec": 6,
        "requires": {{"python_version": "3.12"}},
        "sources": [
            {{"name": "one", "url": "https://u:$TOK@i.org/simple", "verify_ssl": true}},
            {{"name": "two", "url": "https://j.org/simple", "verify_ssl": true}}
        ]
    }},
    "default": {{
        "A": {{"hashes": ["sha256:{SHA}"], "index": "two", "version": "==1.0", "extras": ["x"]}},
        "mac": {{"hashes": [], "markers": "sys_platform == 'darwin'", "version": "==1"}},
        "repo": {{"git": "https://g.org/repo", "ref": "c0", "subdirectory": "s"}},
        "here": {{"editable": true, "path": "."}},
        "file": {{"file": "https://h.org/file-1.tar.gz", "hashes": ["sha256:{SHA}"]}}
    }},
    "develop": {{
        "a": {{"hashes": ["sha256:{SHA}"], "index": "two", "version": "==1.0"}},
        "tester": {{"hashes": ["sha256:{SHA}"], "version": "==2"}}
    }}
}}
"""


def test_a_pipfile_lock(desk: Desk) -> None:
    locked = desk.read(PIPFILE, "Pipfile.lock", env={"TOK": "hunter2"})
    selected = {s.package.name: s for s in select(locked, target())}
    assert list(selected) == ["a", "file", "here", "repo"]
    a = selected["a"]
    assert (a.package.version, a.package.source) == ("1.0", "https://j.org/simple")
    assert (a.artifact.url, a.artifact.path, a.artifact.hashes) == (None, None, (f"sha256:{SHA}",))
    assert selected["repo"].artifact.url == "git+https://g.org/repo@c0#subdirectory=s"
    assert selected["here"].artifact.path == str(desk.root)
    assert "tester" in names(select(locked, target(), Choice(groups=("develop",))))
    only = Choice(groups=("develop",), only_groups=True)
    assert names(select(locked, target(), only)) == ["a", "tester"]
    assert pythons(locked).requires == ("==3.12.*",)
    assert "hunter2" not in repr(locked)
    assert [s.kind for s in locked.sources] == ["index", "extra-index"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"index": "two"', '"index": "three"', "is from the index `three`, which is not among"),
        (
            '"pipfile-spec": 6',
            '"pipfile-spec": 7',
            "version `7` of pipenv's lock file is not known",
        ),
        ('"_meta"', '"meta"', "this lock file of pipenv has no `_meta` and `default`"),
    ],
)
def test_problems_of_a_pipfile_lock(desk: Desk, old: str, new: str, problem: str) -> None:
    assert problem in desk.problems(PIPFILE.replace(old, new), "Pipfile.lock")[0]


def test_a_package_that_is_not_exact_in_a_pipfile_lock(desk: Desk) -> None:
    locked = desk.read(PIPFILE.replace('"version": "==2"', '"version": "*"'), "Pipfile.lock")
    assert "a" in names(select(locked, target()))
    assert "`tester` has no exact version" in refused(locked, Choice(groups=("develop",)))[0]
    assert "its version is `*`, which is not exact" in " ".join(n.text for n in locked.notes)


def test_a_package_with_two_versions_in_a_pipfile_lock(desk: Desk) -> None:
    text = PIPFILE.replace('"==2"', '"==2"}, "file": {"version": "==7"')
    locked = desk.read(text, "Pipfile.lock")
    problem = refused(locked, Choice(groups=("develop",)))[0]
    assert "both None and 7 of `file` are selected" in problem
    assert (
        "the lock has no group `dev`; it has develop" in refused(locked, Choice(groups=("dev",)))[0]
    )


PIXI_7 = f"""\
version: 7
platforms:
- name: linux-64
- name: gpu
  subdir: linux-64
  virtual-packages: [__cuda=12, __glibc=2.28]
- name: mac-a
  subdir: osx-64
- name: mac-b
  subdir: osx-64
environments:
  default:
    channels: [{{url: https://h.org/c/}}]
    packages:
      linux-64: [{{conda: https://h.org/c/noarch/a-1-0.conda}}]
      gpu:
      - conda: https://h.org/c/noarch/b-1-0.conda
      mac-a: []
      mac-b: []
  one:
    channels: []
    packages:
      gpu:
      - conda: https://h.org/c/noarch/b-1-0.conda
      - pypi: https://h.org/c-1-py3-none-any.whl
  built:
    channels: []
    packages:
      linux-64:
      - conda_source: src[abc] @ ./src
packages:
- conda: https://h.org/c/noarch/a-1-0.conda
- conda: https://h.org/c/noarch/b-1-0.conda
- conda: https://h.org/c/noarch/tool-1-0.conda
- pypi: https://h.org/c-1-py3-none-any.whl
  name: c
  index: https://i.org/simple
  sha256: {SHA}
- conda_source: src[abc] @ ./src
  variants: {{x: y}}
  depends: [a]
  host_packages:
  - conda: https://h.org/c/noarch/tool-1-0.conda
"""


def test_pixi_lock_7(desk: Desk) -> None:
    locked = desk.read(PIXI_7, "pixi.lock")
    assert locked.lock
    assert locked.platforms == ("linux-64", "osx-64")
    assert locked.lock.virtual_packages["gpu"] == ("__cuda=12", "__glibc=2.28")
    assert names(select(locked, target())) == ["a"]
    assert names(select(locked, target(), Choice(platform="gpu"))) == ["b"]
    _, c = select(locked, target(), Choice(environment="one"))
    assert (c.package.version, c.package.source) == (None, "https://i.org/simple")
    for choice, platform, problem in (
        (Choice(), "osx-64", "`default` has several platforms for osx-64: mac-a, mac-b; choose"),
        (
            Choice(platform="x"),
            "linux-64",
            "has no platform `x` for linux-64; it has linux-64, gpu",
        ),
        (Choice(environment="one"), "osx-64", "`one` is not for osx-64; it is for linux-64"),
        (Choice(environment="built"), "linux-64", "`src` is to be built from source"),
    ):
        assert problem in refused(locked, choice, platform)[0]
    said = " ".join(note.text for note in locked.notes)
    assert "no environment uses" not in said
    assert "packages.host_packages" in said


PIXI_3 = f"""\
version: 3
metadata:
  content_hash: {{linux-64: x}}
  channels: [{{url: https://h.org/c/, used_env_vars: []}}]
  platforms: [linux-64]
  sources: []
package:
- platform: linux-64
  name: python
  version: 3.12.1
  category: main
  manager: conda
  dependencies: [__glibc >=2, 'tz >=1']
  url: https://h.org/c/linux-64/python-3.12.1-h1_0.conda
  hash: {{md5: d7, sha256: {SHA}}}
- platform: linux-64
  name: tz
  version: '1'
  manager: conda
  dependencies: {{}}
  url: https://h.org/c/noarch/tz-1-0.conda
  hash: {{sha256: {SHA}}}
- platform: linux-64
  name: Foo
  version: '2'
  category: main
  manager: {{}}
  requires_dist: ['bar >=1 ; extra == "x"']
  requires_python: '>=3.8'
  url: https://h.org/foo-2-py3-none-any.whl
  hash: {{sha256: {SHA}}}
"""


@pytest.mark.parametrize(("version", "manager"), [("3", "pypi"), ("1", "pip")])
def test_older_pixi_locks(desk: Desk, version: str, manager: str) -> None:
    text = PIXI_3.replace("{}\n  requires", f"{manager}\n  requires").replace(
        ": 3\n", f": {version}\n"
    )
    locked = desk.read(text, "pixi.lock")
    selected = select(locked, target(pinned=True))
    assert names(selected) == ["python", "tz", "foo"]
    assert selected[0].depends == ("tz",)
    ((platform, (python,)),) = pythons(locked).pinned.items()
    assert (platform, python.version) == ("linux-64", "3.12.1")
    assert "no environment `x`; it has default" in refused(locked, Choice(environment="x"))[0]
