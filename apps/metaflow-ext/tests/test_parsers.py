"""Requirement files as what decorators take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metaflow_extensions.mfenv import _parse
from metaflow_extensions.mfenv.collect import statement
from metaflow_extensions.mfenv.failures import EnvironmentFailed
from metaflow_extensions.mfenv.folders import shown
from metaflow_extensions.mfenv.parsers import lock_parser
from mfenv.errors import InvalidRequest
from reqparse import KINDS, parse_file

if TYPE_CHECKING:
    from collections.abc import Callable


def arguments(kind: str, text: str, say: Callable[[str], None] = print) -> dict[str, object]:
    """Those that a decorator is given."""
    parsed = vars(_parse.arguments(kind, text, say))
    return {name: value for name, value in parsed.items() if value}


def test_requirements_become_arguments_of_pypi() -> None:
    text = """
    numpy>=1,<2  # a comment
    numpy!=1.5
    requests[socks]==2.1 ; python_version > "3"
    foo @ git+https://h.example/foo.git
    python==3.11
    --pre
    --find-links https://h.example/links
    --extra-index-url https://h.example/simple
    --conda-pkg git
    """
    assert arguments("requirements.txt", text) == {
        "packages": {
            "numpy": "<2,>=1,!=1.5",
            "requests[socks]": '==2.1 ; python_version > "3"',
            "foo @ git+https://h.example/foo.git": "",
        },
        "conda_only": {"git": ""},
        "extra_indices": ["https://h.example/simple"],
        "extras": ["--pre", "--find-links https://h.example/links"],
        "python": "==3.11",
    }


def test_an_environment_becomes_arguments_of_conda() -> None:
    text = """
    channels: [near, far]
    dependencies: [python=3.12, numpy=1.2, "far::x >=2", y=1.2=py*, {pip: ["flask>=2"]}]
    """
    assert arguments("environment.yml", text) == {
        "channels": ["near", "far"],
        "libraries": {"numpy": "1.2.*", "far::x": ">=2", "y": "==1.2=py*"},
        "pip_packages": {"flask": ">=2"},
        "python": "==3.12.*",
    }


def test_what_more_is_asked_of_python_stays() -> None:
    text = "dependencies: [far::python, python=3.12=*_cpython, x 1|3, x<3]"
    assert arguments("environment.yml", text) == {
        "libraries": {"python": "==3.12=*_cpython", "far::python": "", "x": "(==1|==3),<3"},
        "python": "==3.12",
    }
    found = arguments("environment.yml", "dependencies: [python 3.10.*|3.12.*]")
    assert found == {"libraries": {"python": "3.10.*|3.12.*"}}


def test_a_project_whose_needs_only_a_build_tells_is_refused() -> None:
    text = '[project]\nname = "x"\nversion = "1"\ndynamic = ["dependencies"]\n'
    with pytest.raises(InvalidRequest, match="config:4: `dependencies` is dynamic"):
        arguments("pyproject.toml", text)


def test_a_project_becomes_arguments_of_pypi() -> None:
    text = """
    [project]
    name = "x"
    version = "1"
    requires-python = ">=3.8"
    dependencies = ["a", "b[c]>=2"]
    """
    assert arguments("pyproject.toml", text) == {
        "packages": {"a": "", "b[c]": ">=2"},
        "python": ">=3.8",
    }


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("requirements.txt", "=>1\n", "^config:1: "),
        (
            "pyproject.toml",
            "[project]\ndependencies = ['a']\n[tool.pixi.dependencies]\ngdal = '*'\n",
            r"^config:4: `gdal = \*` is a conda package, which `@conda` takes",
        ),
        ("environment.yml", "dependencies:\n- a[build_number=1]\n", "with keys in brackets"),
        ("requirements.txt", "--conda-pkg a[extras=[x]]\n", "with keys in brackets"),
        ("requirements.txt", "python==3.11 ; os_name == 'x'\n", "is for some machines only"),
        (
            "requirements.txt",
            f"a --hash=sha256:{'a' * 64}\n",
            "^config:1: `a .* hashes",
        ),
        ("requirements.txt", "a<1 ; os_name=='x'\na>1\n", "`a` is asked for with several markers"),
        ("requirements.txt", "--sys-pkg __cuda=12\n", "@sys_packages"),
        ("requirements.txt", "a\n--conda-channel far\n", "^config:2: `far` .*`@pypi`"),
        (
            "environment.yml",
            "dependencies: [a=1=x, a=1=y]\n",
            "`a` is asked for with several builds",
        ),
        ("environment.yml", "dependencies: [a, {pip: [--pre]}]\n", "^config: `--pre` is an option"),
        (
            "environment.yml",
            "dependencies: [a, {pip: [-f ./links]}]\n",
            "`--find-links .*` is an option",
        ),
        (
            "environment.yml",
            "dependencies:\n- a # [osx]\n",
            "^config:2: `a` is for some platforms only",
        ),
    ],
)
def test_what_no_decorator_can_say_is_refused_with_its_line(
    kind: str, text: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        arguments(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "line", "path"),
    [
        ("requirements.txt", "a\n-r c.txt\n", 2, "c.txt"),
        ("requirements.txt", "a\n-r ./d/c.txt\n", 2, "d/c.txt"),
        ("requirements.txt", "-c ../../../../c.txt\na\n", 1, "../../../../c.txt"),
        (
            "requirements.txt",
            "a\n./wheels/b-1-py3-none-any.whl\n",
            2,
            "wheels/b-1-py3-none-any.whl",
        ),
        ("requirements.txt", "a\nb @ ../b\n", 2, "../b"),
        ("requirements.txt", "-f links\na\n", 1, "links"),
        ("environment.yml", "dependencies:\n- a\n- pip:\n  - -r c.txt\n", 4, "c.txt"),
        ("environment.yml", "dependencies:\n- a\n- pip:\n  - ./b\n", 4, "b"),
        (
            "pyproject.toml",
            "[project]\ndynamic=['dependencies']\n[tool.setuptools]\ndynamic.dependencies.file='c.txt'",
            4,
            "c.txt",
        ),
    ],
)
def test_what_starts_where_a_text_has_no_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, text: str, line: int, path: str
) -> None:
    # Not what happens to lie where the flow is started: nobody has said that it is meant.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.txt").write_text("b\n")
    with pytest.raises(InvalidRequest) as caught:
        arguments(kind, text)
    assert str(caught.value).startswith(f"config:{line}: `{path}` is a relative path")
    assert "whole path" in str(caught.value.hint)


def test_what_is_included_by_a_whole_path_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("b>=2\n")
    found = arguments("requirements.txt", f"a\n-r {tmp_path}/c.txt\n")
    assert found == {"packages": {"a": "", "b": ">=2"}}
    (tmp_path / "c.txt").write_text("=>2\n")
    with pytest.raises(InvalidRequest, match=f"^{tmp_path}/c.txt:1: "):
        arguments("requirements.txt", f"a\n-r {tmp_path}/c.txt\n")


def test_what_is_not_used_is_told() -> None:
    told: list[str] = []
    text = """
    [project]
    name = "x"
    version = "1"
    dependencies = ["a"]
    [dependency-groups]
    test = ["b"]
    [tool.uv]
    exclude-newer = "2026-01-31"
    override-dependencies = ["c<2"]
    """
    assert arguments("pyproject.toml", text, told.append) == {"packages": {"a": ""}}
    assert [line.partition(": ")[2].partition(" ")[2] for line in told[:-1]] == [
        "group `test` not asked for",
        "`override-dependencies` is not used: what packages require is not overridden",
    ]
    assert "`exclude-newer = 2026-01-31` is not used" in told[-1]
    assert all(line.startswith("note: ") for line in told)


HASH = "0" * 64
URL = "https://host.test/app-1-py3-none-any.whl"
LOCKS = {
    "uv.lock": f"""
version = 1
revision = 3
requires-python = ">=3.9"

[[package]]
name = "app"
version = "1"
source = {{ registry = "https://host.test/simple" }}
wheels = [
    {{ url = "{URL}", hash = "sha256:{HASH}" }},
]
""",
    "pylock.toml": f"""
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.9"

[[packages]]
name = "app"
version = "1"
wheels = [{{ url = "{URL}", hashes = {{ sha256 = "{HASH}" }} }}]
""",
    "poetry.lock": f"""
[[package]]
name = "app"
version = "1"
description = ""
optional = false
python-versions = ">=3.9"
groups = ["main"]
files = [
    {{file = "app-1-py3-none-any.whl", hash = "sha256:{HASH}"}},
]

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "{HASH}"
""",
    "Pipfile.lock": f"""{{
    "_meta": {{
        "hash": {{"sha256": "{HASH}"}},
        "pipfile-spec": 6,
        "requires": {{}},
        "sources": []
    }},
    "default": {{
        "app": {{"hashes": ["sha256:{HASH}"], "version": "==1"}}
    }},
    "develop": {{}}
}}
""",
    "requirements.txt": f"# autogenerated by pip-compile\napp==1 \\\n    --hash=sha256:{HASH}\n",
    "explicit": f"# platform: linux-64\n@EXPLICIT\nhttps://host.test/noarch/app-1-0.conda#{HASH}\n",
    "conda-lock.yml": f"""
version: 1
metadata:
  content_hash:
    linux-64: {HASH}
  channels:
  - url: far
  platforms:
  - linux-64
package:
- name: app
  version: '1'
  manager: conda
  platform: linux-64
  url: https://host.test/noarch/app-1-0.conda
  hash:
    sha256: {HASH}
""",
    "pixi.lock": f"""
version: 6
environments:
  default:
    channels:
    - url: https://host.test/far/
    packages:
      linux-64:
      - conda: https://host.test/far/noarch/app-1-0.conda
packages:
- conda: https://host.test/far/noarch/app-1-0.conda
  sha256: {HASH}
""",
}


def test_there_is_an_example_of_every_kind_of_lock() -> None:
    asking = {"environment.yml", "pyproject.toml", "pixi.toml", "script"}
    assert set(LOCKS) == set(KINDS) - asking


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_of_any_kind_is_known_by_what_is_in_it(kind: str, tmp_path: Path) -> None:
    said = statement("resolved_lock", "step", "@resolved_lock", lock_parser(LOCKS[kind]))
    (path,) = said.attributes.values()
    # What a lock names by a path upwards is not looked for where others may put something.
    beside = Path(os.path.normpath(f"{path}/../../../../../other"))
    assert any(part.startswith("metaflow-mfenv-") for part in beside.parts)
    assert shown(f"{path}:1: wrong") == "config:1: wrong"
    (tmp_path / kind).write_text(LOCKS[kind])
    by_content, by_name = parse_file(str(path)), parse_file(tmp_path / kind, kind=kind)
    assert by_content.lock == by_name.lock
    assert {(one.name, one.version) for one in by_content.packages} == {
        (one.name, one.version) for one in by_name.packages
    }
    assert len(by_content.packages) + len(by_content.requirements) == 1


def test_a_lock_is_at_a_path_or_said() -> None:
    for attributes, message in (
        ({"content": "", "path": "uv.lock"}, "has `path` and `content`"),
        ({"content": {"version": 1}}, "`content` is not a text"),
    ):
        with pytest.raises(EnvironmentFailed, match=message):
            statement("resolved_lock", "step", "@resolved_lock", attributes)
