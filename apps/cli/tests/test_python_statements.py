"""Wherever Python is named, that is a statement of its version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mfenv.errors import Contradiction, InvalidRequest
from mfenv.request import Request, prepare
from mfenv.settings import Settings
from reqparse import Origin, PythonRequirement, RequirementSet

if TYPE_CHECKING:
    from pathlib import Path

    from mfenv.request import Prepared

YML = "dependencies: [{0}, {{pip: [app{1}]}}]\n"
PYPROJECT = "[project]\nname='x'\nversion='1'\nrequires-python='{0}'\ndependencies=['app']\n"
SCRIPT = "# /// script\n# requires-python = '{0}'\n# dependencies = ['app']\n# ///\n"


def prepared(folder: Path, *variables: str, **asked: Any) -> Prepared:
    environ = dict(one.split("=") for one in variables)
    settings = Settings.load(environ=environ, directory=folder)
    return prepare(Request(**asked), settings, lambda *_: ())


def conda(found: Prepared) -> tuple[str, ...]:
    return found.spec.requirements.get("conda", ())


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("python=3.10", "==3.10.*"),
        ("python 3.10.*", "==3.10.*"),
        ("python 3.10", "==3.10"),
        ("python==3.10.4", "==3.10.4"),
        ("python>=3.9,<3.11", "<3.11,>=3.9"),
        ("Python =3.10", "==3.10.*"),
        ("python[version='3.10.*']", "==3.10.*"),
        ("python~=3.10.2", "~=3.10.2"),
    ],
)
def test_a_conda_requirement_on_python_is_its_statement(
    tmp_path: Path, text: str, python: str
) -> None:
    for category in ("conda", "npconda"):
        found = prepared(tmp_path, **{category: (text,)}, pypi=("app",))
        assert (found.spec.python, conda(found)) == (python, ())
        assert "npconda" not in found.spec.requirements
        assert prepared(tmp_path, **{category: (text,)}).spec.python == python  # and nothing else


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("python=3.10=*_cpython", "python==3.10 *_cpython"),
        ("python 3.10.* *_cpython", "python 3.10.* *_cpython"),
        ("far::python=3.10", "far::python 3.10.*"),
        ("python[version='3.10.*',build='*_cp*']", "python 3.10.* *_cp*"),
        ("python=3.10[build_number='>=2']", "python 3.10.*[build_number='>=2']"),
        (
            "https://host.test/far/linux-64/python-3.10.4-h1_0_cpython.conda",
            "https://host.test/far/linux-64/python-3.10.4-h1_0_cpython.conda",
        ),
    ],
)
def test_what_more_is_asked_of_python_stays(tmp_path: Path, text: str, kept: str) -> None:
    for category in ("conda", "npconda"):
        found = prepared(tmp_path, **{category: (text,)}, pypi=("app",))
        assert conda(found) == (kept,)
        assert found.spec.python.startswith("==3.10")


def test_alternatives_that_only_conda_can_say_stay_a_requirement(tmp_path: Path) -> None:
    found = prepared(tmp_path, conda=("python 3.10.*|3.12.*",), python=">=3.11")
    assert conda(found) == ("python 3.10.*|3.12.*",)
    with pytest.raises(
        Contradiction, match=r"--conda asks for Python .* --python for `==3\.11\.\*`"
    ):
        prepared(tmp_path, conda=("python 3.10.*|3.12.*",), python="3.11")


def test_a_channel_for_python_says_nothing_of_its_version(tmp_path: Path) -> None:
    found = prepared(tmp_path, conda=("far::python",), python="3.12")
    assert (found.spec.python, conda(found)) == ("==3.12.*", ("far::python",))


@pytest.mark.parametrize("text", ["python==3.10.4", "python >=3.9, <3.11"])
def test_a_pypi_requirement_on_python_is_its_statement(tmp_path: Path, text: str) -> None:
    found = prepared(tmp_path, pypi=(text, "app"))
    assert found.spec.requirements["pypi"] == ("app",)
    assert found.spec.python in ("==3.10.4", "<3.11,>=3.9")


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ({"conda": ("python=3.10", "python=3.12")}, ("--conda", "--conda")),
        ({"conda": ("python=3.10",), "python": "3.12"}, ("--conda", "--python")),
        ({"npconda": ("python=3.10",), "python": "3.12"}, ("--npconda", "--python")),
        ({"pypi": ("python<3.10",), "python": "3.12"}, ("--pypi", "--python")),
        (
            {"conda": ("python 3.10.* *_cpython",), "python": "3.12"},
            ("--conda", "--python"),
        ),
        ({"conda": ("python=3.11",), "environment_files": ("py.yml",)}, ("py.yml:1", "--conda")),
        ({"conda": ("python=3.11",), "files": ("py.txt",)}, ("py.txt:1", "--conda")),
        ({"conda": ("python=3.11",), "pyprojects": ("py.toml",)}, ("py.toml:4", "--conda")),
        ({"conda": ("python=3.11",), "scripts": ("py.py",)}, ("py.py:2", "--conda")),
        ({"environment_files": ("pip.yml",), "python": "3.11"}, ("pip.yml:1", "--python")),
        ({"environment_files": ("build.yml",), "python": "3.11"}, ("build.yml:1", "--python")),
        ({"files": ("constrained.txt",), "python": "3.11"}, ("less.txt:1", "--python")),
        ({"files": ("npconda.txt",), "python": "3.11"}, ("npconda.txt:2", "--python")),
        ({"files": ("pixi.toml",), "python": "3.11"}, ("pixi.toml:2", "--python")),
        ({"files": ("poetry/pyproject.toml",), "python": "3.11"}, ("pyproject.toml:2", "--python")),
        ({"files": ("py.txt",), "environment_files": ("other.yml",)}, ("py.txt:1", "other.yml:1")),
        (
            {
                "stated": (
                    RequirementSet(
                        python=(PythonRequirement(specifier="3.10", origin=Origin("@conda")),)
                    ),
                ),
                "conda": ("python=3.11",),
            },
            ("--conda", "@conda"),
        ),
    ],
)
def test_two_statements_that_cannot_both_hold_are_refused_with_both_places(
    tmp_path: Path, asked: dict[str, Any], places: tuple[str, str]
) -> None:
    for name, text in {
        "py.yml": YML.format("python=3.12", ""),
        "other.yml": YML.format("python=3.11", ""),
        "pip.yml": YML.format("app", ", 'python<3.10'"),
        "build.yml": YML.format("python=3.12=*_cpython", ""),
        "py.txt": "python>=3.12\napp\n",
        "less.txt": "python<3.10\n",
        "constrained.txt": "app\n-c less.txt\n",
        "npconda.txt": "app\n--conda-pkg python=3.12\n",
        "py.toml": PYPROJECT.format(">=3.12"),
        "py.py": SCRIPT.format(">=3.12"),
        "pixi.toml": "[dependencies]\npython = '3.12.*'\n",
        "poetry/pyproject.toml": "[tool.poetry.dependencies]\npython = '^3.12'\napp = '*'\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    named = {
        key: tuple(tmp_path / one for one in value)
        if key.endswith(("files", "pyprojects", "scripts"))
        else value
        for key, value in asked.items()
    }
    with pytest.raises(Contradiction) as caught:
        prepared(tmp_path, **named)
    first, second = str(caught.value).split(", and ")
    assert f"{places[0]} asks for Python" in first
    assert f"{places[1]} for `" in second


@pytest.mark.parametrize("beside", [{}, {"conda": ("python=3.11",)}])
def test_who_asks_for_a_python_that_cannot_be_is_named(
    tmp_path: Path, beside: dict[str, tuple[str, ...]]
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(PYPROJECT.format("==3.99.*"))
    for asked, said in (
        ({"python": "3.99", "pypi": ("app",)}, r"`==3\.99\.\*` \(asked by --python\)"),
        ({"python": ">=3.99", "pypi": ("app",)}, r"`>=3\.99` \(asked by --python\)"),
        ({"pyprojects": (path,)}, r"`==3\.99\.\*` \(asked by .*pyproject\.toml:4\)"),
    ):
        with pytest.raises(Contradiction, match=f"no Python satisfies {said}"):
            prepared(tmp_path, **beside, **asked)


def test_of_many_alternatives_not_every_choice_is_tried(tmp_path: Path) -> None:
    """Any nine of these ten statements have a Python in common, and there are 9**10 choices."""
    minors = range(8, 18)
    asked = tuple(
        f"python {'|'.join(f'3.{minor}.*' for minor in minors if minor != without)}"
        for without in minors
    )
    assert prepared(tmp_path, conda=asked[1:]).spec.requirements["conda"]
    with pytest.raises(Contradiction, match=r"no Python satisfies .* \(asked by --conda\)$"):
        prepared(tmp_path, conda=asked)


def test_a_selector_states_the_python_of_its_platforms(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(
        "platforms: [linux-64, osx-arm64]\n"
        "dependencies:\n- app\n- python=3.10 # [linux]\n- python=3.12 # [osx]\n"
    )
    spec = prepared(tmp_path, files=(path,)).spec
    assert spec.python == ""
    assert spec.for_platform("linux-64")["conda"] == ("app", "python 3.10.*")
    assert spec.for_platform("osx-arm64")["conda"] == ("app", "python 3.12.*")
    with pytest.raises(Contradiction, match=r"environment.yml:5 asks for .* and --python"):
        prepared(tmp_path, files=(path,), python="3.10")
    alone = prepared(tmp_path, files=(path,), python="3.10", platforms=("linux-64",)).spec
    assert (alone.python, alone.req_id != spec.req_id) == ("==3.10.*", True)
    there = prepared(tmp_path, files=(path,), platforms=("linux-64",))
    assert there.spec.req_id == spec.req_id


def test_the_default_python_is_that_of_platforms_without_a_statement(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n- app\n- python=3.10 # [linux]\n")
    both = ("linux-64", "osx-arm64")
    spec = prepared(tmp_path, "MFENV_PYTHON=3.12", files=(path,), platforms=both).spec
    assert spec.for_platform("linux-64")["conda"] == ("app", "python 3.10.*")
    assert spec.for_platform("osx-arm64")["conda"] == ("app", "python 3.12.*")


def test_a_marker_states_the_python_of_its_platforms(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(
        "app\npython==3.10.*; sys_platform == 'linux'\n"
        "python==3.12.*; sys_platform == 'darwin' and platform_machine == 'arm64'\n"
    )
    both = ("linux-64", "osx-arm64")
    spec = prepared(tmp_path, files=(path,), platforms=both).spec
    assert spec.for_platform("linux-64")["conda"] == ("python 3.10.*",)
    assert spec.for_platform("osx-arm64")["conda"] == ("python 3.12.*",)
    system = "MFENV_PYTHON_PROVIDER=system"
    alone = prepared(tmp_path, system, files=(path,), platforms=("linux-64",)).spec
    assert (alone.python, "conda" in alone.requirements) == ("==3.10.*", False)
    with pytest.raises(InvalidRequest, match=r"requirements.txt:2: .* the same for all"):
        prepared(tmp_path, system, files=(path,), platforms=both)
    path.write_text("app\npython==3.10.*; python_version < '4'\n")
    with pytest.raises(InvalidRequest, match=r"requirements.txt:2: .*python_version"):
        prepared(tmp_path, files=(path,))


@pytest.mark.parametrize("text", ["python", "python *", "Python"])
def test_python_by_itself_is_something_to_ask_for(tmp_path: Path, text: str) -> None:
    found = prepared(tmp_path, conda=(text,)).spec
    assert (found.python, found.env_type) == ("", "conda-only")
    path = tmp_path / "environment.yml"
    path.write_text(f"dependencies: ['{text}']\n")
    assert prepared(tmp_path, files=(path,)).spec.req_id == found.req_id
    setting = prepared(tmp_path, "MFENV_PYTHON=3.12", conda=(text,)).spec
    assert setting.python == "==3.12.*"
