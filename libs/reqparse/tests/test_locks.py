from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

import reqparse

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Desk

SHA = "ab" * 32


def test_an_explicit_list(desk: Desk) -> None:
    found = desk.read(
        "# platform: linux-64\n@EXPLICIT\n"
        "https://u:hunter2@h.org/t/tok/c/linux-64/zlib-1.2-h1_0.conda#d7c89558ba9fa0495403155b64376d81\n"
        f"https://h.org/c/noarch/a-b-1.0_rc1-py_0.tar.bz2#sha256:{SHA}\n"
        "file:///pkgs/c-1-0.conda\n"
        f"# pip six @ https://h.org/six-1.16.0-py2.py3-none-any.whl --hash=sha256:{SHA}\n",
        "env.txt",
    )
    assert found.platforms == ("linux-64",)
    assert [(p.name, p.version, p.build, p.category) for p in found.packages] == [
        ("zlib", "1.2", "h1_0", "conda"),
        ("a-b", "1.0_rc1", "py_0", "conda"),
        ("c", "1", "0", "conda"),
        ("six", "1.16.0", None, "pypi"),
    ]
    first, second, third, fourth = (p.artifacts[0] for p in found.packages)
    assert first.url == "https://h.org/c/linux-64/zlib-1.2-h1_0.conda"
    assert first.hashes == ("md5:d7c89558ba9fa0495403155b64376d81",)
    assert second.filename == "a-b-1.0_rc1-py_0.tar.bz2"
    assert second.hashes == fourth.hashes == (f"sha256:{SHA}",)
    assert third.path == "/pkgs/c-1-0.conda"
    assert "hunter2" not in repr(found)
    assert "hunter2" in (first.secret_url or "")


def test_problems_of_an_explicit_list(desk: Desk) -> None:
    text = "https://h.org/a-1-0.conda\n@EXPLICIT\nfoo\nhttps://h.org/a-1-0.conda#zz\n"
    assert desk.problems(text) == [
        "requirements.txt:1: `https://h.org/a-1-0.conda` before the `@EXPLICIT` line",
        "requirements.txt:3: `foo` is not named like a conda package; NAME-VERSION-BUILD.conda",
        "requirements.txt:4: `#zz` is not a hash; write an md5, or `sha256:` and hex",
    ]
    (problem,) = desk.problems("foo\n", kind="explicit")[1:]
    assert "no `@EXPLICIT` line" in problem


CONDA_LOCK = f"""\
version: 1
metadata:
  channels:
  - url: https://h.org/t/$TOK/c
    used_env_vars: [TOK]
  platforms: [linux-64, osx-64]
package:
- name: zlib
  version: 1.10
  manager: conda
  platform: linux-64
  dependencies: {{libc: '>=2', any: ''}}
  url: https://h.org/c/linux-64/zlib-1.10-h1_0.conda
  hash: {{md5: d7, sha256: {SHA}}}
  category: main
  optional: false
- name: Foo_bar
  version: 2.0
  manager: pip
  platform: osx-64
  dependencies: {{}}
  url: https://h.org/foo_bar-2.0-py3-none-any.whl#sha256={SHA}
  hash: {{sha256: {SHA}}}
  category: dev
"""


def test_conda_lock(desk: Desk) -> None:
    found = desk.read(CONDA_LOCK, "conda-lock.yml", env={"TOK": "hunter2"})
    zlib, foo = found.packages
    assert (zlib.name, zlib.version, zlib.build, zlib.platforms) == (
        *("zlib", "1.10", "h1_0"),
        ("linux-64",),
    )
    assert zlib.artifacts[0].hashes == ("md5:d7", f"sha256:{SHA}")
    assert tuple(map(str, zlib.dependencies)) == ("libc >=2", "any")
    assert zlib.origin.line == 8
    assert (foo.category, foo.name, foo.version, foo.groups) == ("pypi", "foo-bar", "2.0", ("dev",))
    assert found.platforms == ("linux-64", "osx-64")
    assert [s.url for s in found.sources] == ["https://h.org/c"]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 1\n", "version: 2\n", "1: version `2` of conda-lock.yml is not known"),
        ("manager: pip", "manager: npm", "17: `Foo_bar` has the manager `npm`"),
        ("md5: d7", "md5: xx", "8: `md5:xx` is not a hash"),
        ("zlib-1.10-h1_0.conda", "zlib.conda", "8: `zlib.conda` is not named like a conda package"),
        ("  platform: osx-64\n", "", "17: expected a text, found nothing"),
    ],
)
def test_problems_of_a_conda_lock(desk: Desk, old: str, new: str, problem: str) -> None:
    problems = desk.problems(CONDA_LOCK.replace(old, new, 1), "conda-lock.yml")
    assert len(problems) == 1
    assert problems[0].startswith(f"conda-lock.yml:{problem}")


PIXI_V6 = f"""\
version: 6
environments:
  default:
    channels: [{{url: https://h.org/c/}}]
    indexes: [https://i.org/simple, https://j.org/simple]
    find-links: [{{path: ./links}}]
    packages:
      linux-64:
      - conda: https://h.org/c/linux-64/zlib-1.2-h1_0.conda
      - pypi: https://h.org/foo-2.0-py3-none-any.whl
      - conda: ./src
        build: one
      osx-64:
      - pypi: https://h.org/foo-2.0-py3-none-any.whl
  test:
    channels: [{{url: https://h.org/c/}}]
    packages:
      linux-64:
      - conda: https://h.org/c/linux-64/zlib-1.2-h1_0.conda
      - pypi: https://h.org/foo-2.0-py3-none-any.whl
packages:
- conda: https://h.org/c/linux-64/zlib-1.2-h1_0.conda
  sha256: {SHA}
  size: 12
  depends: [libc >=2]
- pypi: https://h.org/foo-2.0-py3-none-any.whl
  name: foo
  version: '2.0'
  sha256: {SHA}
  requires_dist: [bar]
  requires_python: '>=3.9'
- conda: ./src
  name: src
  version: 0.1
  build: one
- conda: ./src
  name: src
  version: 0.1
  build: two
"""


@pytest.mark.parametrize("version", ["6", "5"])
def test_pixi_lock(desk: Desk, version: str) -> None:
    text = PIXI_V6.replace("version: 6", f"version: {version}", 1)
    if version == "5":
        head, _, packages = text.partition("\npackages:\n")
        packages = packages.replace("- conda: ./", "- kind: conda\n  path: ./")
        packages = packages.replace("- conda:", "- kind: conda\n  url:")
        packages = packages.replace("- pypi:", "- kind: pypi\n  url:")
        text = f"{head}\npackages:\n{packages}"
    found = desk.read(text, "pixi.lock")
    assert [(p.name, p.version, p.build, p.platforms, p.groups) for p in found.packages] == [
        ("zlib", "1.2", "h1_0", ("linux-64",), ("default", "test")),
        ("foo", "2.0", None, ("linux-64", "osx-64"), ("default",)),
        ("foo", "2.0", None, ("linux-64",), ("test",)),
        ("src", "0.1", "one", ("linux-64",), ("default",)),
    ]
    assert found.packages[0].artifacts[0].size == 12
    assert tuple(map(str, found.packages[0].dependencies)) == ("libc >=2",)
    assert found.packages[1].requires_python == ">=3.9"
    assert found.packages[3].artifacts[0].path == str(desk.root / "src")
    assert [(s.kind, s.url) for s in found.sources] == [
        ("channel", "https://h.org/c/"),
        ("index", "https://i.org/simple"),
        ("extra-index", "https://j.org/simple"),
        ("find-links", f"file://{desk.root}/links"),
    ]
    assert [n.text.split(" ", 1)[0] for n in found.notes] == ["`src`", "no"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 8\nenvironments: {}\npackages: []\n", "1: version `8` of pixi.lock is not known"),
        ("version: 3\nenvironments: {}\n", " this pixi.lock has no `metadata` and `package`"),
        ("environments: {}\n", "1: pixi.lock without a version: `version` is missing"),
        ("version: 6\npackages: [{sha256: ab}]\n", "2: a package without a URL or path"),
        ("version: 6\npackages: [{conda: ./a}]\n", "2: `./a` has no name"),
        ("version: 6\nenvironments: {a: {packages: {linux-64: [{pypi: x}]}}}\n", "2: `x` is not among"),
        ("version: 6\npackages: [{conda: https://h/a-1-0.conda, size: x}]\n", "2: expected a whole"),
        ("version: 5\npackages: [{kind: npm, url: x}]\n", "2: a package of the unknown kind `npm`"),
    ],
)  # fmt: skip
def test_problems_of_a_pixi_lock(desk: Desk, text: str, problem: str) -> None:
    assert desk.problems(text, "pixi.lock")[0].split(":", 1)[1].startswith(problem)


PYLOCK = f"""\
lock-version = "1.0"
requires-python = ">=3.10"
created-by = "me"
[[packages]]
name = "Foo.Bar"
version = "2.0"
marker = "sys_platform == 'linux'"
requires-python = ">=3.8"
index = "https://i.org/simple"
dependencies = [{{name = "b"}}, {{name = "c", version = "1"}}]
[packages.sdist]
path = "sdists/foo_bar-2.0.tar.gz"
hashes = {{sha256 = "{SHA}"}}
[[packages.wheels]]
url = "https://u:hunter2@h.org/foo_bar-2.0-py3-none-any.whl"
size = 42
hashes = {{sha256 = "{SHA}", md5 = "AB"}}
[[packages]]
name = "repo"
[packages.vcs]
type = "git"
url = "https://g.org/r"
commit-id = "abc"
subdirectory = "s"
[[packages]]
name = "local"
directory = {{path = "../local", editable = true}}
[[packages]]
name = "arch"
archive = {{url = "https://h.org/a.zip", hashes = {{sha256 = "{SHA}"}}}}
"""


def test_pylock(desk: Desk) -> None:
    found = desk.read(PYLOCK, "pylock.dev.toml")
    foo, repo, local, arch = found.packages
    assert (foo.name, foo.version, foo.marker) == ("foo-bar", "2.0", "sys_platform == 'linux'")
    assert (foo.requires_python, foo.source) == (">=3.8", "https://i.org/simple")
    assert tuple(map(str, foo.dependencies)) == ("b", "c==1")
    wheel, sdist = foo.artifacts
    assert (wheel.filename, wheel.size) == ("foo_bar-2.0-py3-none-any.whl", 42)
    assert wheel.hashes == (f"sha256:{SHA}", "md5:ab")
    assert sdist.path == str(desk.root / "sdists/foo_bar-2.0.tar.gz")
    assert repo.artifacts[0].url == "git+https://g.org/r@abc#subdirectory=s"
    assert (local.editable, local.artifacts[0].path) == (True, str(desk.root.parent / "local"))
    assert arch.artifacts[0].url == "https://h.org/a.zip"
    assert [p.specifier for p in found.python] == [">=3.10"]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"1.0"', '"2.0"', "1: version `2.0` of pylock.toml is not known"),
        ('name = "arch"\n', "", "28: `name` is missing"),
        ('lock-version = "1.0"\n', "", "1: pylock.toml without a version: `lock-version` is missing"),
        ('created-by = "me"\n', "", "1: `created-by` is missing"),
        ('created-by = "me"', 'created-by = ""', "3: `created-by` is empty"),
        ('created-by = "me"', "created-by = []", "3: expected a text, found a list"),
        (PYLOCK[PYLOCK.index("[[packages]]"):], "", "1: `packages` is missing"),
        (PYLOCK[PYLOCK.index("[[packages]]"):], "packages = {}", "4: expected a list, found a mapping"),
        (PYLOCK[PYLOCK.index("[[packages]]"):], "packages = ['a']", "4: expected a mapping, found a text"),
        ('name = "arch"\n', "name = ['arch']\n", "29: expected a text, found a list"),
        ('{name = "b"}', "{}", "10: `name` is missing"),
        ('type = "git"\n', "", "20: `type` is missing"),
        ('commit-id = "abc"\n', "", "20: `commit-id` is missing"),
        ('path = "../local", ', "", "27: `path` is missing"),
        (f'hashes = {{sha256 = "{SHA}"}}\n', "", "11: `hashes` is missing"),
        (f'hashes = {{sha256 = "{SHA}", md5 = "AB"}}\n', "", "14: `hashes` is missing"),
        (f', hashes = {{sha256 = "{SHA}"}}}}', "}", "30: `hashes` is missing"),
        (f'{{sha256 = "{SHA}"}}\n', f'"{SHA}"\n', "13: expected a mapping, found a text"),
        (f'{{sha256 = "{SHA}"}}\n', f'{{sha256 = "{SHA}", md5 = []}}\n', "13: expected a text, found a list"),
        (", editable = true}", '}\nvcs = {type = "git", url = "x", commit-id = "y"}', "25: `local` has more"),
        ('url = "https://g.org/r"\n', "", "20: neither `url` nor `path`"),
        (f'hashes = {{sha256 = "{SHA}"}}\n', "hashes = {}\n", "11: a file without hashes"),
        ("size = 42", "size = -1", "16: expected a whole number"),
        ('">=3.10"', '"3.10"', "2: `3.10` is not a version specifier"),
    ],
)  # fmt: skip
def test_problems_of_a_pylock(desk: Desk, old: str, new: str, problem: str) -> None:
    assert old in PYLOCK
    text = desk.problems(PYLOCK.replace(old, new, 1), "pylock.toml")[0]
    assert text.startswith(f"pylock.toml:{problem}")


def test_all_that_a_pylock_lacks_is_named(desk: Desk) -> None:
    assert desk.problems('lock-version = "1.0"\n', "pylock.toml") == [
        f"pylock.toml:1: `{key}` is missing; lock again, or copy the whole file once more"
        for key in ("created-by", "packages")
    ]


UV_LOCK = f"""\
version = 1
revision = 2
requires-python = ">=3.10"
[[package]]
name = "app"
version = "0.1"
source = {{ virtual = "." }}
[[package]]
name = "foo"
version = "2.0"
source = {{ registry = "https://u:hunter2@i.org/simple" }}
resolution-markers = ["python_version < '3.12'", "os_name == 'nt'"]
dependencies = [{{ name = "bar", extra = ["x"], version = "1", marker = "os_name == 'a'" }}]
sdist = {{ url = "https://h.org/foo-2.0.tar.gz", hash = "sha256:{SHA}", size = 7 }}
wheels = [
    {{ url = "https://h.org/foo-2.0-py3-none-any.whl", hash = "sha256:{SHA}", size = 9 }},
]
[[package]]
name = "flat"
version = "1"
source = {{ registry = "../links" }}
wheels = [{{ path = "flat-1-py3-none-any.whl" }}]
[[package]]
name = "repo"
version = "1"
source = {{ git = "https://g.org/r?subdirectory=s&rev=main#abc" }}
[[package]]
name = "lib"
version = "1"
source = {{ editable = "lib" }}
[[package]]
name = "direct"
version = "1"
source = {{ url = "https://h.org/direct-1.tar.gz" }}
sdist = {{ hash = "sha256:{SHA}" }}
"""


def test_uv_lock(desk: Desk) -> None:
    found = desk.read(UV_LOCK, "uv.lock")
    app, foo, flat, repo, lib, direct = found.packages
    assert app.virtual
    assert [(a.filename, a.size) for a in foo.artifacts] == [
        ("foo-2.0-py3-none-any.whl", 9),
        ("foo-2.0.tar.gz", 7),
    ]
    assert foo.marker == "(python_version < '3.12') or (os_name == 'nt')"
    assert tuple(map(str, foo.dependencies)) == ("bar[x]==1 ; os_name == 'a'",)
    assert foo.source == "https://i.org/simple"
    assert flat.artifacts[0].path == str(desk.root.parent / "links/flat-1-py3-none-any.whl")
    assert repo.artifacts[0].url == "git+https://g.org/r@abc#subdirectory=s"
    assert (lib.editable, lib.artifacts[0].path) == (True, str(desk.root / "lib"))
    assert direct.artifacts[0].url == "https://h.org/direct-1.tar.gz"
    assert [n.origin.line for n in found.notes] == [4]
    assert "hunter2" not in repr(found)
    assert foo.origin.line == 8


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("requirements-dev.txt", "foo\n", "requirements.txt"),
        ("x.in", "foo\n", "requirements.txt"),
        ("env.yaml", "dependencies: []\n", "environment.yml"),
        ("foo.conda-lock.yml", CONDA_LOCK, "conda-lock.yml"),
        ("a-lock.yml", PIXI_V6, "pixi.lock"),
        ("a.toml", PYLOCK, "pylock.toml"),
        ("simple.toml", "[project]\n", "pyproject.toml"),
        ("some.lock", UV_LOCK, "uv.lock"),
        ("linux.lock", "@EXPLICIT\n", "explicit"),
        ("PIXI.TOML", "", "pixi.toml"),
        ("job.py.lock", "version = 1\n", "uv.lock"),
        ("job.py.pixi.lock", "version: 6\n", "pixi.lock"),
        ("mojoproject.toml", "[dependencies]\nmax = '*'\n", "pixi.toml"),
        ("env.toml", "[workspace]\nchannels = []\n[dependencies]\na = '*'\n", "pixi.toml"),
    ],
)
def test_the_kind_is_told_by_name_and_content(desk: Desk, name: str, text: str, kind: str) -> None:
    assert desk.read(text, name) == desk.read(text, name, kind=kind)


@pytest.mark.network
def test_what_uv_locks_and_exports_reads_the_same(tmp_path: Path) -> None:
    uv = pytest.importorskip("uv").find_uv_bin()
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["requests[socks]==2.31.0", "tomli; python_version < \'3.11\'"]\n'
    )
    subprocess.run([uv, "lock", "-q"], cwd=tmp_path, check=True, timeout=120)
    export = [uv, "export", "-q", "--frozen", "--no-emit-project", "--format"]
    for name, form in (("pylock.toml", "pylock.toml"), ("requirements.txt", "requirements.txt")):
        output = subprocess.run([*export, form], cwd=tmp_path, check=True, capture_output=True)
        (tmp_path / name).write_bytes(output.stdout)
    lock = reqparse.parse_file(tmp_path / "uv.lock")
    pylock = reqparse.parse_file(tmp_path / "pylock.toml")
    exact = reqparse.parse_file(tmp_path / "requirements.txt")
    locked = [package for package in lock.packages if package.name != "app"]
    versions = {(p.name, p.version) for p in locked}
    assert {(p.name, p.version) for p in pylock.packages} == versions
    assert {(r.name, r.specifier.removeprefix("==")) for r in exact.requirements} == versions
    hashes = {r.name: set(r.hashes) for r in exact.requirements}
    for package in (*locked, *pylock.packages):
        assert {h for a in package.artifacts for h in a.hashes} == hashes[package.name]
