"""pixi's manifest: which features make an environment, for which platforms, from which channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .helpers import texts

if TYPE_CHECKING:
    from .helpers import Desk

LINUX = ("linux-64", "linux-aarch64")
OSX = ("osx-64", "osx-arm64")


def test_a_target_overrides_what_holds_for_all(desk: Desk) -> None:
    found = desk.read(
        """\
[dependencies]
python = "3.10.*"
a = ">=1"
[target.unix.dependencies]
a = "2.*"
[target.osx.dependencies]
python = "3.11.*"
a = { version = "3.*", build = "x*" }
[target.linux-64.pypi-dependencies]
B_b = ">=3"
[pypi-dependencies]
b-b = ">=2"
""",
        "pixi.toml",
    )
    assert [(r.text, r.platforms, r.origin.line) for r in found.requirements] == [
        ("python 3.10.*", LINUX, 2),
        ("a 2.*", LINUX, 5),
        ("python 3.11.*", OSX, 7),
        ("a 3.* x*", OSX, 8),
        ("b-b>=2", ("linux-aarch64", *OSX), 12),
        ("b-b>=3", ("linux-64",), 10),
    ]
    assert [(p.specifier, p.platforms) for p in found.python] == [
        ("==3.10.*", LINUX),
        ("==3.11.*", OSX),
    ]
    assert [(n.origin.line, n.text) for n in found.notes] == [
        (3, "`a` is not used: line 5, 8 says it anew")
    ]


def test_of_two_targets_the_later_one_holds(desk: Desk) -> None:
    text = "[target.{}.dependencies]\na = '1.*'\n[target.{}.dependencies]\na = '2.*'\n"
    found = desk.read(text.format("linux-64", "linux"), "pixi.toml")
    assert [(r.text, r.platforms) for r in found.requirements] == [("a 2.*", LINUX)]
    found = desk.read(text.format("linux", "linux-64"), "pixi.toml")
    assert [(r.text, r.platforms) for r in found.requirements] == [
        ("a 1.*", ("linux-aarch64",)),
        ("a 2.*", ("linux-64",)),
    ]


def test_build_dependencies_override_host_and_run_ones(desk: Desk) -> None:
    found = desk.read(
        "[build-dependencies]\na = '3.*'\n[host-dependencies]\na = '2.*'\nb = '2.*'\n"
        "[dependencies]\na = '1.*'\nb = '1.*'\nc = '1.*'\n",
        "pixi.toml",
    )
    assert sorted(texts(found)) == ["a 3.*", "b 2.*", "c 1.*"]
    assert [n.origin.line for n in found.notes] == [4, 7, 8]


ENVIRONMENTS = """\
[workspace]
channels = ["main"]
[dependencies]
always = "*"
[feature.a.dependencies]
a = "*"
[feature.b]
channels = ["b", {channel = "late", priority = -1}, "main"]
dependencies = {b = "*"}
[feature.ab.dependencies]
alone = "*"
[environments]
default = ["a"]
ab = ["a", "b"]
bare = {features = ["b"], no-default-feature = true, solve-group = "x"}
inline = {dependencies = {inside = "*"}, channels = ["own"]}
"""


@pytest.mark.parametrize(
    ("groups", "requirements", "channels"),
    [
        ([], {"always": None, "a": None}, ["main"]),
        (["ab"], {"always": None, "a": "ab", "b": "ab"}, ["main", "b", "late"]),
        (["bare"], {"b": "bare"}, ["b", "main", "late"]),
        (["inline"], {"always": None, "inside": "inline"}, ["own", "main"]),
        (["b"], {"always": None, "b": "b"}, ["b", "main", "late"]),
        (["bare", "a"], {"always": None, "a": "a", "b": "bare"}, ["b", "main", "late"]),
    ],
)
def test_environments(
    desk: Desk, groups: list[str], requirements: dict[str, str | None], channels: list[str]
) -> None:
    found = desk.read(ENVIRONMENTS, "pixi.toml", groups=groups)
    assert {r.name: r.group for r in found.requirements} == requirements
    assert [s.url for s in found.sources] == channels


def test_environments_and_features_that_are_left_are_noted(desk: Desk) -> None:
    found = desk.read(ENVIRONMENTS, "pixi.toml", groups=["bare"])
    assert [n.text for n in found.notes] == [
        "the default feature is not asked for, which `no-default-feature` leaves out",
        "group `a` not asked for",
        "group `ab` not asked for",
        "group `default` not asked for",
        "`solve-group` is not used: each environment is resolved by itself",
        "group `inline` not asked for",
    ]


def test_the_groups_and_extras_of_a_project_are_features(desk: Desk) -> None:
    text = """\
[project]
dependencies = ["main"]
optional-dependencies.plots = ["plot"]
[dependency-groups]
test = ["t"]
[tool.pixi.workspace]
channels = []
[tool.pixi.environments]
default = ["plots"]
ci = ["test", "plots"]
test = ["test"]
"""
    assert texts(desk.read(text, "pyproject.toml")) == ["main", "plot"]
    found = desk.read(text, "pyproject.toml", groups=["ci"])
    assert [(r.text, r.group) for r in found.requirements] == [
        ("main", None),
        ("t", "ci"),
        ("plot", "ci"),
    ]
    found = desk.read(text, "pyproject.toml", groups=["test"])
    assert [(r.text, r.group) for r in found.requirements] == [("main", None), ("t", "test")]


PLATFORMS = """\
[workspace]
channels = []
platforms = [
  "osx-arm64",
  "linux-64",
  { name = "gpu", platform = "linux-64", cuda = { driver = "12.4", arch = "8.6" }, glibc = "2.34" },
  { platform = "linux-aarch64", archspec = "armv8.2a" },
]
[dependencies]
a = "*"
[target.gpu.dependencies]
cuda = "*"
[target."linux-*".dependencies]
posix = "*"
[feature.cuda]
platforms = ["gpu", "osx-arm64"]
[feature.plain]
platforms = ["linux-64"]
[feature.old.system-requirements]
cuda = "11"
libc = "2.36"
[feature.none]
platforms = ["osx-64"]
"""


def test_one_platform_of_each_kind_is_chosen(desk: Desk) -> None:
    found = desk.read(PLATFORMS, "pixi.toml")
    assert found.platforms == ("osx-arm64", "linux-64", "linux-aarch64")
    assert [(r.text, r.platforms) for r in found.requirements] == [
        ("a", None),
        ("posix", LINUX),
        ("__archspec=1=armv8.2a", ("linux-aarch64",)),
    ]
    assert [(n.origin.line, n.text) for n in found.notes if "group" not in n.text] == [
        (6, "the platform `gpu` is not used: `linux-64` comes before it"),
        (11, "`target.gpu` is not used: no platform that is known here is one"),
    ]


def test_a_feature_chooses_among_the_platforms(desk: Desk) -> None:
    found = desk.read(PLATFORMS, "pixi.toml", groups=["cuda"])
    assert found.platforms == ("osx-arm64", "linux-64")
    assert [(r.text, r.platforms) for r in found.requirements] == [
        ("a", None),
        ("cuda", ("linux-64",)),
        ("posix", ("linux-aarch64",)),
        ("__cuda=12.4", ("linux-64",)),
        ("__cuda_arch=8.6", ("linux-64",)),
        ("__glibc=2.34", ("linux-64",)),
    ]
    assert desk.read(PLATFORMS, "pixi.toml", groups=["plain"]).platforms == ("linux-64",)
    problems = desk.problems(PLATFORMS, "pixi.toml", groups=["none"])
    assert "the features have no platform in common" in problems[0]


def test_of_several_system_requirements_the_highest_holds(desk: Desk) -> None:
    found = desk.read(PLATFORMS, "pixi.toml", groups=["cuda", "old"])
    assert [(r.text, r.platforms) for r in found.requirements if r.category == "sys"] == [
        ("__cuda=12.4", ("linux-64",)),
        ("__glibc=2.36", LINUX),
        ("__cuda_arch=8.6", ("linux-64",)),
        ("__cuda=11", ("linux-aarch64", *OSX)),
    ]


def test_channels_by_their_priority(desk: Desk) -> None:
    found = desk.read(
        "[workspace]\nchannels = ['a', {channel = 'b', priority = 2}, 'nodefaults',"
        " {channel = 'c', priority = -3}, 'd', {channel = 'e', priority = 2}]\n",
        "pixi.toml",
    )
    assert [s.url for s in found.sources] == ["b", "e", "a", "d", "c"]
    assert found.no_defaults


def test_settings_and_where_they_stand(desk: Desk) -> None:
    found = desk.read(
        "[workspace]\nchannel-priority = 'disabled'\nexclude-newer = '2026-01-31'\n"
        "pypi-options = {index-strategy = 'unsafe-best-match', prerelease-mode = 'allow'}\n",
        "pixi.toml",
    )
    assert [(s.name, s.value, s.origin.line) for s in found.settings] == [
        ("exclude-newer", "2026-01-31", 3),
        ("index-strategy", "unsafe-best-match", 4),
        ("channel-priority", "disabled", 2),
    ]
    assert found.prereleases
    # They are the default feature's, and it is not there.
    text = (
        "[workspace]\nchannel-priority = 'disabled'\n[environments]\n"
        "x = {features = [], no-default-feature = true}\n"
    )
    assert desk.read(text, "pixi.toml", groups=["x"]).settings == ()


def test_variables_that_are_the_same_everywhere(desk: Desk) -> None:
    found = desk.read(
        "[activation.env]\nA = 'all'\nB = 'all'\nC = 1\n[target.linux.activation.env]\nB = 'linux'\n"
        "[feature.f.activation.env]\nC = 2\n",
        "pixi.toml",
        groups=["f"],
    )
    assert found.variables == {"A": "all", "C": "2"}
    assert [(n.origin.line, n.text) for n in found.notes] == [
        (3, "the variable `B` is not used: it is not the same on all platforms"),
        (6, "the variable `B` is not used: it is not the same on all platforms"),
    ]


@pytest.mark.parametrize(
    ("dependency", "text"),
    [
        ("a = {version = '1.*', extras = ['y', 'x']}", "a 1.*[extras=[x,y]]"),
        ("a = {flags = ['cuda', 'blas:mkl']}", "a[flags=[blas:mkl,cuda]]"),
        ("a = {when = 'python >=3.10 and __unix'}", "a[when='python >=3.10 and __unix']"),
        (
            "a = {when = {any = ['b', {all = ['__unix', {package = 'c', version = '>=2'}]}]}}",
            "a[when='(b or (__unix and c >=2))']",
        ),
        (
            "a = {when = {package = 'c', build = 'x*'}}",
            "a[when='c * x*']",
        ),
        ("a = {track-features = ['p', 'q'], license = \"it's\"}", 'a[license="it\'s",track_features=\'p q\']'),
        ("a = {version = '==1.2', file-name = 'a-1.2-0.conda'}", "a ==1.2 0[fn='a-1.2-0.conda']"),
        ("a = {url = 'https://h.org/c/noarch/a-1-0.conda'}", "https://h.org/c/noarch/a-1-0.conda"),
        ("a = ''", "a"),
    ],
)  # fmt: skip
def test_a_conda_dependency(desk: Desk, dependency: str, text: str) -> None:
    assert texts(desk.read(f"[dependencies]\n{dependency}\n", "pixi.toml")) == [text]


def test_a_package_that_lies_here(desk: Desk) -> None:
    found = desk.read(
        f"[dependencies]\na = {{path = 'a-1-0.conda', sha256 = '{'AB' * 32}'}}\n", "pixi.toml"
    )
    url = f"file://{desk.root}/a-1-0.conda"
    assert texts(found) == [f"{url}#{'ab' * 32}"]
    assert found.requirements[0].path == str(desk.root / "a-1-0.conda")


def test_what_is_built_from_source_is_left_out(desk: Desk) -> None:
    found = desk.read(
        "[dependencies]\na = {path = './a'}\nb = {git = 'https://h.org/b', tag = '1'}\n"
        "c = {url = 'https://h.org/c.zip', md5 = 'x'}\nd = '*'\n",
        "pixi.toml",
    )
    assert texts(found) == ["d"]
    assert [n.text for n in found.notes] == [
        f"`{name}` is not used: it is a package to be built from its source" for name in "abc"
    ]


@pytest.mark.parametrize(
    ("dependency", "what"),
    [
        ("a = {url = 'https://h.org/c/b-1-0.conda'}", "named like a package `b`, not `a`"),
        (
            "a = {url = 'https://h.org/c/a-1-0.conda', version = '1'}",
            "unknown key `version` of `a`",
        ),
        ("a = {version = '1', tag = 'x'}", "unknown key `tag` of `a`"),
        ("a = {when = {package = 'b', subdir = 'x'}}", "unknown key `when.subdir` of `a`"),
        ("a = {version = 'x\"y'}", "not a conda version"),
        ("a = true", "expected a mapping, found true or false"),
    ],
)
def test_a_wrong_conda_dependency(desk: Desk, dependency: str, what: str) -> None:
    (problem,) = desk.problems(f"[dependencies]\n{dependency}\n", "pixi.toml")
    assert problem.startswith("pixi.toml:2: ")
    assert what in problem


def test_a_pypi_dependency_keeps_its_marker_and_its_index(desk: Desk) -> None:
    found = desk.read(
        "[pypi-dependencies]\n"
        "a = {version = '>=1', env-markers = \"sys_platform == 'win32'\", extras = ['x']}\n"
        "b = {version = '*', index = 'https://u:hunter2@i.org/s'}\n",
        "pixi.toml",
    )
    assert texts(found) == ['a[x]>=1; sys_platform == "win32"', "b"]
    assert found.requirements[1].channel == "https://i.org/s"
    assert [(s.url, s.explicit) for s in found.sources] == [("https://i.org/s", True)]
    assert "hunter2" not in repr(found)


def test_constraints_bind_conda_packages(desk: Desk) -> None:
    found = desk.read(
        "[constraints]\na = '<2'\npython = '<3.13'\n[target.linux.constraints]\n"
        "a = {version = '<1', channel = 'c'}\n",
        "pixi.toml",
    )
    assert [(c.category, c.text, c.platforms) for c in found.constraints] == [
        ("conda", "a <2", OSX),
        ("conda", "python <3.13", None),
        ("conda", "c::a <1", LINUX),
    ]
    assert found.python == ()
    assert found.requirements == ()
