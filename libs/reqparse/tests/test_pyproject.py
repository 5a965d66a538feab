from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from reqparse._poetry_versions import constraint, python_marker
from reqparse._toml import load_toml

from .helpers import texts

if TYPE_CHECKING:
    from reqparse._node import Node

    from .helpers import Desk

STANDARD = """\
[project]
name = "Demo.App"
requires-python = ">=3.9"
dynamic = ["version", "optional-dependencies"]
dependencies = [
    "numpy>=1",  # first
    'Foo[x] ; python_version < "3.12"',
]

[project.optional-dependencies]
all = ["demo-app[Fast_er,plot]", "tqdm"]
fast-er = ["numba"]
plot = ["matplotlib", "demo_app[fast-er]"]

[dependency-groups]
Dev = ["pytest", {include-group = "type_check"}]
type-check = ["mypy"]
docs = ["sphinx"]
"""


def test_the_standard_tables(desk: Desk) -> None:
    found = desk.read(STANDARD, "pyproject.toml")
    assert [(r.text, r.origin.line) for r in found.requirements] == [
        ("numpy>=1", 6),
        ('foo[x]; python_version < "3.12"', 7),
    ]
    assert [(p.specifier, p.origin.line) for p in found.python] == [(">=3.9", 3)]
    assert found.name == "Demo.App"
    assert [(n.origin.line, n.text) for n in found.notes] == [
        (4, "`optional-dependencies` is dynamic: only a build tells it"),
        (11, "extra `all` not asked for"),
        (12, "extra `fast-er` not asked for"),
        (13, "extra `plot` not asked for"),
        (16, "group `dev` not asked for"),
        (17, "group `type-check` not asked for"),
        (18, "group `docs` not asked for"),
    ]


def test_groups_and_extras_that_are_asked_for(desk: Desk) -> None:
    found = desk.read(STANDARD, "pyproject.toml", groups=["dev", "DOCS"], extras=["All"])
    assert [(r.name, r.group, r.origin.line) for r in found.requirements[2:]] == [
        ("pytest", "dev", 16),
        ("mypy", "dev", 17),
        ("sphinx", "docs", 18),
        ("numba", "all", 12),
        ("matplotlib", "all", 13),
        ("tqdm", "all", 11),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[project]\ndependencies = ['a b']", "2: `a b` is not a requirement"),
        ("[project]\ndependencies = ['./a']", "2: `./a` is not a requirement"),
        ("[project]\ndependencies = 'a'", "2: expected a list, found a text"),
        ("[project]\ndependencies = [1, {}]", "2: expected a text, found a mapping"),
        ("[project]\nrequires-python = '3.9'", "2: `3.9` is not a version specifier"),
        ("[project]\nname = [1]", "2: expected a text, found a list"),
        ("project = 1", "1: expected a mapping, found a text"),
        ("a = 1\na = 2", "2: not TOML: "),
        ("a = \n", "1: not TOML: "),
        ("a = " + "[" * 500, "not TOML: nested deeper"),
        ("a." * 500 + "b = 1", "1: a key of more than 100 parts"),
    ],
)
def test_problems_have_a_line(desk: Desk, text: str, problem: str) -> None:
    assert problem in desk.problems(text, "pyproject.toml")[-1]


def test_groups_that_are_wrong(desk: Desk) -> None:
    text = """\
[dependency-groups]
a = [{include-group = "b"}, "ok"]
b = [{include-group = "a"}]
c = [{include-group = "no"}, {include = "a"}]
C = []
"""
    problems = desk.problems(text, "pyproject.toml", groups=["a", "c", "z"], extras=["y"])
    assert [p.split(":", 1)[1] for p in problems] == [
        "5: the group `C` is there twice; rename one",
        "3: the group includes itself: a -> b -> a; remove an include",
        " no group `z`; there is: a, b, c",
        " no extra `y`; there is: none",
    ]


def test_a_group_that_includes_nothing_known(desk: Desk) -> None:
    text = '[dependency-groups]\nc = [{include-group = "no"}, {include = "a"}]\n'
    assert desk.problems(text, "pyproject.toml", groups=["c"]) == [
        "pyproject.toml:2: no group `no`; there is: c",
        "pyproject.toml:2: expected a text, found nothing",
    ]


def test_uv(desk: Desk) -> None:
    found = desk.read(
        """\
[project]
dependencies = ["a[x]>=1; os_name == 'posix'", "b", "c", "e"]
[tool.uv]
constraint-dependencies = ["z<2"]
dev-dependencies = ["t"]
override-dependencies = ["o"]
prerelease = "allow"
no-build-package = ["Q_q"]
find-links = ["links"]
extra-index-url = ["https://u:hunter2@e.org/s"]
[[tool.uv.index]]
name = "torch"
url = "https://t.org/whl"
explicit = true
[[tool.uv.index]]
url = "https://main.org/s"
default = true
[tool.uv.sources]
A = {git = "https://u:hunter2@g.org/a", tag = "v1", subdirectory = "py"}
b = {path = "../b", editable = true}
c = [{index = "torch", marker = "sys_platform == 'linux'"}, {url = "https://h.org/c.zip", marker = "os_name == 'nt'"}]
e = {git = "git@g.org:o/e.git"}
""",
        "pyproject.toml",
        groups=["dev"],
    )
    assert texts(found) == [
        'a[x] @ git+https://g.org/a@v1#subdirectory=py ; os_name == "posix"',
        f"b @ file://{desk.root.parent}/b",
        'c; sys_platform == "linux"',
        'c @ https://h.org/c.zip ; os_name == "nt"',
        "e @ git+ssh://git@g.org/o/e.git",
        "t",
    ]
    assert "hunter2" not in repr(found)
    assert found.requirements[1].editable
    assert found.requirements[2].channel == "torch"
    assert found.requirements[0].origin.line == 2
    assert [(s.kind, s.url, s.name, s.explicit) for s in found.sources] == [
        ("extra-index", "https://t.org/whl", "torch", True),
        ("index", "https://main.org/s", None, False),
        ("extra-index", "https://e.org/s", None, False),
        ("find-links", f"file://{desk.root}/links", None, False),
    ]
    assert [c.text for c in found.constraints] == ["z<2"]
    assert found.prereleases
    assert found.only_binary == ("q-q",)
    assert [n.text.split("`")[1] for n in found.notes] == ["override-dependencies", "c"]


@pytest.mark.parametrize(
    ("poetry", "pep440"),
    [
        ("^1.2.3", "<2,>=1.2.3"),
        ("^1.2", "<2,>=1.2"),
        ("^0.2.3", "<0.3,>=0.2.3"),
        ("^0.0.3", "<0.0.4,>=0.0.3"),
        ("^0.0", "<0.1,>=0.0"),
        ("^0", "<1,>=0"),
        ("~1.2.3", "<1.3,>=1.2.3"),
        ("~1.2", "<1.3,>=1.2"),
        ("~1", "<2,>=1"),
        ("~=1.4.2", "~=1.4.2"),
        ("1.2.3", "==1.2.3"),
        ("=1.2.3", "==1.2.3"),
        ("1.2.*", "==1.2.*"),
        ("!=1.2.*", "!=1.2.*"),
        (">= 1.2, < 2 , !=1.5", "!=1.5,<2,>=1.2"),
        (">=1.2 <2", "<2,>=1.2"),
        ("*", ""),
        ("", ""),
        ("<>1.0", "!=1.0"),
        ("^1.22 || ^2.0", "<3,>=1.22"),
        ("^1 || ^3", "!=2.*,<4,>=1"),
        ("~1.9 || ~1.11", "!=1.10.*,<1.12,>=1.9"),
        ("^1.0 || ^3.2.1", "!=2.*,!=3.0.*,!=3.1.*,!=3.2.0.*,<4,>=1.0"),
        ("<1 || >=2", "!=1.*"),
        (">=1,<2,!=1.5.* || >=1.5.3", "!=1.5.0.*,!=1.5.1.*,!=1.5.2.*,>=1"),
        (">=1,!=1.5 || >=3", "!=1.5,>=1"),
        (">=1 || >=3", ">=1"),
        ("* || ^3", ""),
        ("^2.0|~1.22|>=1.23,<2.1", "<3,>=1.22"),
    ],
)
def test_poetry_constraints_in_pep_440(poetry: str, pep440: str) -> None:
    assert constraint(poetry) == pep440


def test_a_python_constraint_as_a_marker() -> None:
    assert python_marker(constraint("^3.8")) == 'python_version < "4" and python_version >= "3.8"'
    assert python_marker("<3.8.1") == 'python_full_version < "3.8.1"'
    assert python_marker("==3.8.*") == 'python_version == "3.8"'


POETRY = """\
[tool.poetry]
name = "demo"
[tool.poetry.dependencies]
python = "^3.9"
requests = "^2.13.0"
both = [
  {version = "<2", python = "<3.10"},
  {version = ">=2", markers = "python_version >= '3.10'", platform = "linux"},
]
ext = {version = "*", extras = ["b", "a"], source = "private", allow-prereleases = true}
repo = {git = "https://g.org/r.git", rev = "abc", subdirectory = "s"}
local = {path = "./local", develop = true}
archive = {url = "https://h.org/archive-1.0.tar.gz"}
opt = {version = "^1", optional = true}
[tool.poetry.extras]
more = ["opt"]
[tool.poetry.group.test.dependencies]
pytest = "~8.1"
[tool.poetry.dev-dependencies]
ruff = "*"
[[tool.poetry.source]]
name = "private"
url = "https://p.org/simple"
priority = "explicit"
[[tool.poetry.source]]
name = "PyPI"
"""


def test_poetry(desk: Desk) -> None:
    found = desk.read(POETRY, "pyproject.toml", groups=["test", "dev"], extras=["more"])
    assert texts(found) == [
        "requests<3,>=2.13.0",
        'both<2; python_version < "3.10"',
        'both>=2; python_version >= "3.10" and sys_platform == "linux"',
        "ext[a,b]",
        "repo @ git+https://g.org/r.git@abc#subdirectory=s",
        f"local @ file://{desk.root}/local",
        "archive @ https://h.org/archive-1.0.tar.gz",
        "pytest<8.2,>=8.1",
        "ruff",
        "opt<2,>=1",
    ]
    assert [p.specifier for p in found.python] == ["<4,>=3.9"]
    assert found.requirements[2].origin.line == 8
    assert found.requirements[3].channel == "private"
    assert found.requirements[5].editable
    assert [r.group for r in found.requirements[-3:]] == ["test", "dev", "more"]
    assert [(s.name, s.explicit) for s in found.sources] == [("private", True)]


def test_poetry_says_where_the_projects_dependencies_come_from(desk: Desk) -> None:
    found = desk.read(
        "[project]\ndependencies = ['a>=1', 'b']\n[tool.poetry.dependencies]\n"
        "a = {git = 'https://g.org/a'}\nb = {source = 's'}\nc = '^1'\n"
        "[[tool.poetry.source]]\nname = 's'\nurl = 'https://s.org/s'\npriority = 'explicit'\n",
        "pyproject.toml",
    )
    assert texts(found) == ["a @ git+https://g.org/a", "b"]
    assert found.requirements[1].channel == "s"
    assert found.requirements[0].origin.line == 2
    assert [n.origin.line for n in found.notes] == [6]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a = '~1.3 || ^3.0'", "`~1.3 || ^3.0` has a gap, which PEP 440 cannot say"),
        ("a = '<=1.2 || >=1.4'", "`<=1.2` among the alternatives"),
        ("a = '1.2 || 1.4'", "`==1.2` among the alternatives"),
        ("a = '^1.0 || >=x,<3'", "`x` in `^1.0 || >=x,<3` is not a version"),
        ("a = '^x'", "`x` in `^x` is not a version"),
        ("a = '=>1'", "not a version constraint"),
        ("a = 1", "==1"),
        ("a = true", "expected a mapping"),
        ("a = {version = '1', markers = 'x'}", "not a requirement"),
        ("a = {git = 'https://g.org/a b'}", "holds a space"),
    ],
)
def test_wrong_poetry_dependencies(desk: Desk, line: str, what: str) -> None:
    text = f"[tool.poetry.dependencies]\n{line}\n"
    if what == "==1":
        assert texts(desk.read(text, "pyproject.toml")) == ["a==1"]
    else:
        (problem,) = desk.problems(text, "pyproject.toml")
        assert problem.startswith("pyproject.toml:2: ")
        assert what in problem


def test_conda_lock(desk: Desk) -> None:
    found = desk.read(
        """\
[project]
dependencies = ["requests"]
[tool.conda-lock]
channels = ["conda-forge", "nodefaults"]
platforms = ["linux-64"]
pip-repositories = ["https://$U:$P@r.org/s"]
[tool.conda-lock.dependencies]
python = "3.11.*"
sqlite = "^3.34"
"defaults::zlib" = "*"
toml = {source = "pypi", version = "^1"}
blas = {version = "*", build = "mkl", channel = "defaults"}
""",
        "pyproject.toml",
        env={"U": "u", "P": "hunter2"},
    )
    assert [(r.category, r.text) for r in found.requirements] == [
        ("conda", "python 3.11.*"),
        ("conda", "sqlite <4,>=3.34"),
        ("conda", "defaults::zlib"),
        ("pypi", "toml<2,>=1"),
        ("conda", "defaults::blas * mkl"),
        ("pypi", "requests"),
    ]
    assert [s.url for s in found.sources] == ["conda-forge", "https://r.org/s"]
    assert found.no_defaults
    assert found.platforms == ("linux-64",)
    assert [p.specifier for p in found.python] == ["==3.11.*"]


def test_flit_and_pdm(desk: Desk) -> None:
    text = """\
[tool.flit.metadata]
requires = ["a>=1"]
requires-python = ">=3.8"
[tool.flit.metadata.requires-extra]
test = ["b"]
[tool.pdm.dev-dependencies]
lint = ["c"]
"""
    found = desk.read(text, "pyproject.toml", groups=["lint"], extras=["test"])
    assert [(r.text, r.group) for r in found.requirements] == [
        ("a>=1", None),
        ("c", "lint"),
        ("b", "test"),
    ]
    assert [p.specifier for p in found.python] == [">=3.8"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[target.beos.dependencies]\na = '*'\n", "1: unknown target `beos`"),
        ("[system-requirements]\nbeos = '5'\n", "2: unknown system requirement `beos`"),
        ("[dependencies]\na = '1 2 3'\n", "2: white space inside the version `1 2 3`"),
    ],
)
def test_wrong_pixi_tables(desk: Desk, text: str, problem: str) -> None:
    assert desk.problems(text, "pixi.toml")[0].startswith(f"pixi.toml:{problem}")


def test_a_pixi_environment_of_unknown_features(desk: Desk) -> None:
    text = '[environments]\nci = ["no"]\n'
    assert desk.problems(text, "pixi.toml", groups=["ci"]) == ["pixi.toml:2: no feature `no`"]


def test_a_conda_package_of_pixi_by_its_url(desk: Desk) -> None:
    found = desk.read("[dependencies]\na = {url = 'https://h.org/a-1-0.conda'}\n", "pixi.toml")
    assert texts(found) == ["https://h.org/a-1-0.conda"]


def test_a_project_may_skip_its_own_dependencies(desk: Desk) -> None:
    text = "[project]\ndependencies = ['a']\n[tool.conda-lock]\nskip-non-conda-lock = true\n"
    found = desk.read(text, "pyproject.toml")
    assert texts(found) == []
    assert found.notes[-1].origin.line == 4


PIXI = """\
[workspace]
name = "demo"
channels = ["conda-forge", {channel = "nvidia", priority = 1}]
platforms = ["linux-64", "osx-arm64"]
[dependencies]
python = ">=3.11,<3.12"
numpy = {version = "1.26.*", build = "py311*", channel = "conda-forge"}
[pypi-dependencies]
flask = {version = ">=2", extras = ["async"]}
tool = {path = "./tool", editable = true}
torch = {version = "*", index = "https://t.org/whl"}
black = "*"
[target.linux-64.dependencies]
cuda = "12.*"
[target.osx.pypi-dependencies]
mac = "*"
[host-dependencies]
zlib = "*"
[system-requirements]
libc = {family = "glibc", version = "2.28"}
cuda = "12.4"
[activation.env]
A = 1
[pypi-options]
extra-index-urls = ["https://e.org/s"]
find-links = [{path = "links"}]
no-build = true
[feature.test]
platforms = ["linux-64"]
[feature.test.dependencies]
pytest = "*"
[feature.gpu.target.unix.dependencies]
rapids = "*"
[environments]
ci = ["test", "gpu"]
"""


@pytest.mark.parametrize("name", ["pixi.toml", "pyproject.toml"])
def test_pixi(desk: Desk, name: str) -> None:
    text = PIXI
    if name == "pyproject.toml":
        text = "".join(
            line.replace("[", "[tool.pixi.", 1) if line.startswith("[") else line
            for line in PIXI.splitlines(keepends=True)
        )
    found = desk.read(text, name, groups=["ci"])
    assert [(r.category, r.text, r.platforms, r.group) for r in found.requirements] == [
        ("conda", "python >=3.11,<3.12", None, None),
        ("conda", "conda-forge::numpy 1.26.* py311*", None, None),
        ("conda", "zlib", None, None),
        ("conda", "cuda 12.*", ("linux-64",), None),
        ("pypi", "flask[async]>=2", None, None),
        ("pypi", f"tool @ file://{desk.root}/tool", None, None),
        ("pypi", "torch", None, None),
        ("pypi", "black", None, None),
        ("pypi", "mac", ("osx-64", "osx-arm64"), None),
        ("conda", "pytest", None, "ci"),
        ("conda", "rapids", None, "ci"),
        ("sys", "__glibc=2.28", ("linux-64", "linux-aarch64"), None),
        ("sys", "__cuda=12.4", None, None),
    ]
    assert [s.url for s in found.sources] == [
        "nvidia",
        "conda-forge",
        "https://e.org/s",
        f"file://{desk.root}/links",
        "https://t.org/whl",
    ]
    assert found.variables == {"A": "1"}
    assert found.only_binary == (":all:",)
    assert found.python[0].specifier == "<3.12,>=3.11"


def test_inline_script_metadata(desk: Desk) -> None:
    found = desk.read(
        '#!/usr/bin/env python\n"""Doc."""\n# /// script\n# requires-python = ">=3.11"\n'
        '# dependencies = [\n#   "requests<3",\n#\n#   "rich",\n# ]\n'
        '# [[tool.uv.index]]\n# url = "https://i.org/s"\n# ///\nimport x\n',
        "tool.py",
    )
    assert [(r.text, r.origin.line) for r in found.requirements] == [("requests<3", 6), ("rich", 8)]
    assert [(p.specifier, p.origin.line) for p in found.python] == [(">=3.11", 4)]
    assert [s.url for s in found.sources] == ["https://i.org/s"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import x\n", 'tool.py: no `# /// script` block; begin with `# /// script`, `# dependencies = ["NAME"]`, `# ///` (PEP 723)'),
        ("# /// script\n# a = 1\n# ///\n\n# /// script\n# a = 1\n# ///\n", "tool.py:5: a second `# /// script` block; keep one"),
        ("x\n# /// script\n# a = \n# ///\n", "tool.py:3: not TOML: "),
    ],
)  # fmt: skip
def test_wrong_script_metadata(desk: Desk, text: str, problem: str) -> None:
    (said,) = desk.problems(text, "tool.py")
    # What the library for TOML says of it is in the words of its release.
    assert said.startswith(problem) if problem.endswith("TOML: ") else said == problem


def test_every_value_of_a_toml_document_has_its_line() -> None:
    def leaves(node: Node) -> list[tuple[object, int]]:
        if isinstance(node.value, dict):
            return [leaf for inner in node.value.values() for leaf in leaves(inner)]
        if isinstance(node.value, list):
            return [leaf for inner in node.value for leaf in leaves(inner)]
        return [(node.value, node.line)]

    text = '''\
"2" = "2"  # a = 1
[a."b.c"]
x = [ "4", # [
  "5]", """6
multi "" line""", {z.y = "7", w = [
"8", 8.0]}, "8"
]
[[t]]
n = 10
[[t.u]]
n = 12
[[t]]
n = '14'
[[t.u]]
d = 2020-01-01 16:00:00
e.f = "17"
'''
    found = leaves(load_toml(text))
    assert [line for _, line in found] == [1, 3, 4, 4, 5, 6, 6, 6, 9, 11, 13, 15, 16]


def test_toml_1_1_is_read_with_its_lines(desk: Desk) -> None:
    if sys.version_info < (3, 15):
        pytest.importorskip("tomli", minversion="2.4")
    found = desk.read(
        """\
[dependencies]
python = {
  version = ">=3.12",  # a comment, and a comma after the last one

  channel = "conda-forge",
}
"\\x61b" = { version = "1.*",
}
""",
        "pixi.toml",
    )
    assert [(r.text, r.origin.line) for r in found.requirements] == [
        ("conda-forge::python >=3.12", 2),
        ("ab 1.*", 7),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[project]\ndependencies = ['sub']\n[tool.uv.sources]\nsub = {path = 'sub'}\n",
        "[tool.poetry.dependencies]\nsub = {path = 'sub'}\n",
        "[tool.poetry.dependencies]\nsub = {file = 'sub'}\n",
        "[tool.pixi.pypi-dependencies]\nsub = {path = 'sub'}\n",
        "[tool.conda-lock.dependencies]\nsub = {path = 'sub', source = 'pypi'}\n",
    ],
)
def test_a_path_needs_no_dot_in_front(desk: Desk, text: str) -> None:
    assert texts(desk.read(text, "pyproject.toml")) == [f"sub @ file://{desk.root}/sub"]


def test_the_projects_own_extra_is_no_package_of_an_index(desk: Desk) -> None:
    text = (
        "[project]\nname = 'My.Own'\ndependencies = ['a', 'my-own[one]']\n"
        "[project.optional-dependencies]\none = ['b', 'my_own[two]']\ntwo = ['c', 'my-own[one]']\n"
        "[dependency-groups]\ndev = ['my-own[two]', 'd']\n"
    )
    assert texts(desk.read(text, "pyproject.toml")) == ["a", "b", "c"]
    found = desk.read(text, "pyproject.toml", groups=["dev"])
    assert [(r.name, r.group) for r in found.requirements[3:]] == [
        ("c", "dev"),
        ("b", "dev"),
        ("d", "dev"),
    ]


def test_a_key_that_shares_a_word_with_another_is_only_noted(desk: Desk) -> None:
    found = desk.read(
        "[project]\ndependencies = ['a']\n[tool.uv]\nupgrade-group = ['x']\n", "pyproject.toml"
    )
    assert [n.text for n in found.notes] == [
        "`tool.uv.upgrade-group` is not used: it is not known here"
    ]
