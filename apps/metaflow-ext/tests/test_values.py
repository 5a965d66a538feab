"""What people write as arguments of decorators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metaflow_extensions.mfenv._values import PACKAGES, READERS, Arguments, read
from metaflow_extensions.mfenv.bridge import call
from metaflow_extensions.mfenv.decorators import Conda, NamedEnv, Pypi, SysPackages
from metaflow_extensions.mfenv.failures import EnvironmentFailed
from metaflow_extensions.mfenv.run_records import LockPlace, Resolve, Statement, StepStatements
from mfenv.errors import InvalidRequest

PLACE = "@pypi of step `start`"
GIT = "git+https://h.test/a/b.git"


def spelled(kind: str, name: Any, version: Any, key: str = "packages") -> str:
    (found,) = getattr(read(kind, PLACE, {key: {name: version}}), key)
    assert str(found.origin) == PLACE
    return str(found.text)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("pandas", "", "pandas"),
        ("pandas", " ", "pandas"),
        ("pandas", "*", "pandas"),
        ("pandas", "1.0", "pandas==1.0"),
        ("pandas", " 1.0 ", "pandas==1.0"),
        ("pandas", "==1.0", "pandas==1.0"),
        ("pandas", "===1.0", "pandas===1.0"),
        ("pandas", "1.*", "pandas==1.*"),
        ("python", "3.12", "python==3.12.*"),
        ("python", "3.12.1", "python==3.12.1"),
        ("python", ">=3.12", "python>=3.12"),
        ("pandas", ">=1,<2", "pandas<2,>=1"),
        ("pandas", ">= 1 , < 2", "pandas<2,>=1"),
        ("pandas", "(>=1)", "pandas>=1"),
        ("pandas", "1.0,<2", "pandas<2,==1.0"),
        ("pandas", "1.0; python_version<'4'", 'pandas==1.0; python_version < "4"'),
        ("pandas", "; python_version<'4'", 'pandas; python_version < "4"'),
        (" Pandas [sql, AWS]", "1", "pandas[aws,sql]==1"),
        ("pandas>=1", "", "pandas>=1"),
        (GIT, "@main", f"{GIT}@main"),
        (GIT, "@ main", f"{GIT}@main"),
        (GIT, "", GIT),
        (f"{GIT}@v1", "", f"{GIT}@v1"),
        (f"{GIT}#subdirectory=x", "@main", f"{GIT}@main#subdirectory=x"),
        (GIT, "@main#subdirectory=x", f"{GIT}@main#subdirectory=x"),
        (GIT, "@feature/x", f"{GIT}@feature/x"),
        (GIT, "@main ; os_name=='posix'", f'{GIT}@main ; os_name == "posix"'),
        (f"b @ {GIT}", "", f"b @ {GIT}"),
        (f"b @ {GIT}", "@main", f"b @ {GIT}@main"),
        (f"b[x] @ {GIT}@v1", "", f"b[x] @ {GIT}@v1"),
        ("b", f"@ {GIT}@v1", f"b @ {GIT}@v1"),
        ("b", f"{GIT}@v1", f"b @ {GIT}@v1"),
        ("b", f"@{GIT}@v1 ; os_name=='posix'", f'b @ {GIT}@v1 ; os_name == "posix"'),
        ("git+ssh://git@h.test/a/b.git", "@main", "git+ssh://git@h.test/a/b.git@main"),
        ("git+file:///srv/b", "@main", "git+file:///srv/b@main"),
        ("https://h.test/b-1.0-py3-none-any.whl", "", "b @ https://h.test/b-1.0-py3-none-any.whl"),
        ("https://h.test/b-1.0.tar.gz", "", "b @ https://h.test/b-1.0.tar.gz"),
        ("b", "https://h.test/b-1.0.tar.gz", "b @ https://h.test/b-1.0.tar.gz"),
    ],
)
def test_pypi_packages(name: str, version: str, expected: str) -> None:
    assert spelled("pypi", name, version) == expected
    assert spelled("conda", name, version, "pip_packages") == expected


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("python", "3.12", "python 3.12.*"),
        ("far::python", "3.12", "far::python 3.12.*"),
        ("python", "3.12.1", "python ==3.12.1"),
        ("python", "3.12.*=*_cpython", "python 3.12.* *_cpython"),
        ("numpy", "", "numpy"),
        ("numpy", "*", "numpy"),
        (" NumPy ", " 1.26 ", "numpy ==1.26"),
        ("numpy", "==1.26", "numpy ==1.26"),
        ("numpy", "=1.26", "numpy 1.26.*"),
        ("numpy", "= 1.26", "numpy 1.26.*"),
        ("numpy", "1.26.*", "numpy 1.26.*"),
        ("numpy", ">=1,<2", "numpy >=1,<2"),
        ("numpy", "1.26|1.27", "numpy ==1.26|==1.27"),
        ("numpy", "1.26=py39_0", "numpy ==1.26 py39_0"),
        ("numpy", "1.26 py39_0", "numpy ==1.26 py39_0"),
        ("numpy", "1.26.*=py39*", "numpy 1.26.* py39*"),
        ("numpy", "*=py39*", "numpy * py39*"),
        ("numpy=1.26", "", "numpy 1.26.*"),
        ("numpy[build=py39*]", "1.0", "numpy ==1.0 py39*"),
        ("conda-forge::numpy", "1.26", "conda-forge::numpy ==1.26"),
        ("https://h.test/c::numpy", ">=1", "https://h.test/c::numpy >=1"),
    ],
)
def test_conda_packages(name: str, version: str, expected: str) -> None:
    for kind, key in (("conda", "packages"), ("conda", "libraries"), ("pypi", "conda_only")):
        assert spelled(kind, name, version, key) == expected


@pytest.mark.parametrize(
    ("name", "version", "said", "hint"),
    [
        ("pandas", 2, "`pandas`: the version is the number 2, not a text", 'write `"2"`'),
        ("pandas", 1.0, "`pandas`: the version is the number 1.0, not a text", 'write `"1.0"`'),
        ("pandas", None, "`pandas`: the version is None, not a text", '`""` for any version'),
        ("pandas", True, "`pandas`: the version is the flag True", '`""` for any version'),
        ("pandas", ["1"], "`pandas`: the version is a list, not a text", '`""` for any version'),
        ("pandas", {"version": "1"}, "`pandas`: the version is an object", '`""` for any version'),
        ("pandas", "latest", "`pandas`: `latest` is not a version", '`""` for any version'),
        ("pandas", "None", "`pandas`: `None` is not a version", '`""` for any version'),
        ("pandas", "14.0.1.", "`==14.0.1.` is not a version specifier", ">=1.2,<2"),
        ("pandas", "=1.0", "`=1.0` is not a version specifier", "compare with `==`"),
        ("pandas", "^1.0", "`pandas`: ", ">=1.2,<2"),
        ("pandas", "1.0 # new", "`pandas`: ", ">=1.2,<2"),
        ("pandas>=1", "<2", "`pandas>=1`: ", "separate version clauses with commas"),
        ("far::pandas", "1", "`far::pandas`: ", "a channel is conda's word"),
        ("", "1", "`` is not a name", '{"NAME": "VERSION"}'),
        (3, "1", "`3` is not a name", '{"NAME": "VERSION"}'),
        (
            "b",
            "@main",
            "`@main` is a revision, and `b` is not",
            'git+https://HOST/REPOSITORY": "@ma',
        ),
        (GIT, "main", f"`{GIT}`: a direct reference has no version", "@REVISION"),
        (GIT, ">=1.0", f"`{GIT}`: a direct reference has no version", "@REVISION"),
        (GIT, "@", f"`{GIT}`: a direct reference has no version", "@REVISION"),
        (f"{GIT}@v1", "@main", "stands beside what has a revision", 'write `""`'),
        ("https://h.test/b-1.tar.gz", "@main", "or is no repository", 'write `""`'),
    ],
)
def test_what_is_no_pypi_package(name: Any, version: Any, said: str, hint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        spelled("pypi", name, version)
    message = str(caught.value)
    assert message.startswith(f"{PLACE}: `packages`: ")
    assert "\n" not in message
    assert said in message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("kind", "key", "name", "version", "said"),
    [
        ("conda", "libraries", "numpy", "14.0.1.", "`numpy`: `14.0.1.` in"),
        ("conda", "libraries", "numpy", "latest", "`numpy`: `latest` is not a version"),
        ("conda", "packages", "numpy", "1 ; os_name == 'x'", "`numpy`: conda packages have no mar"),
        ("conda", "packages", "numpy", 1.26, "`numpy`: the version is the number 1.26"),
        ("conda", "pip_packages", "numpy", None, "`numpy`: the version is None"),
        ("pypi", "conda_only", "git", 2, "`git`: the version is the number 2"),
        ("sys_packages", "packages", "__cuda", 12.4, "`__cuda`: the version is the number 12.4"),
        ("sys_packages", "packages", "__cuda", "", "`__cuda`: `__cuda=` is not a virtual package"),
        ("sys_packages", "packages", "cuda", "12", "`cuda`: `cuda=12` is not a virtual package"),
    ],
)
def test_what_is_no_other_package(kind: str, key: str, name: str, version: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        spelled(kind, name, version, key)
    assert str(caught.value).startswith(f"{PLACE}: `{key}`: {said}")


def test_a_login_is_not_shown() -> None:
    with pytest.raises(InvalidRequest) as caught:
        spelled("pypi", "git+https://ann:s3cret@h.test/b.git", "1.0")
    assert "s3cret" not in str(caught.value)
    assert "h.test/b.git" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("channels", ["a", " b "], ("a", "b")),
        (
            "channels",
            ["https://h.test/t/token/x", "./here", "org/label"],
            ("https://h.test/t/token/x", "./here", "org/label"),
        ),
        (
            "extra_indices",
            ["https://me:it@h.test/simple", "pypi", "file:///srv"],
            ("https://me:it@h.test/simple", "pypi", "file:///srv"),
        ),
        ("extras", ("--pre",), ("--pre",)),
        ("python", "3.12", "3.12"),
        ("python", 3.11, "3.11"),
        ("python", 3, "3"),
        ("disabled", True, True),
        ("disabled", "False", False),
        ("disabled", "true", True),
        ("disabled", 0, False),
        ("fetch_at_exec", "False", False),
        ("name", "team/a:v1", "team/a:v1"),
        ("name", 12345678, "12345678"),
        ("pathspec", "Flow/1/start", "Flow/1/start"),
    ],
)
def test_other_arguments(key: str, value: Any, expected: Any) -> None:
    assert read("pypi", PLACE, {key: value}) == Arguments(**{key: expected})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("packages", ["pandas"], "is a list, not an object of names and versions"),
        ("packages", "pandas", "is a text, not an object of names and versions"),
        ("conda_only", 1, "is the number 1, not an object"),
        ("extra_indices", "https://h.test", "is a text, not a list"),
        ("extra_indices", {"a"}, "is a set, not a list"),
        ("sources", [1], "has the number 1, not a text"),
        ("extra_indices", ["h.test/simple"], "`h.test/simple` is not the URL of an index"),
        ("sources", ["https://"], "`https://` is not the URL of an index"),
        ("channels", [" "], "has a text that is empty"),
        ("channels", ["conda forge"], "`conda forge` is not the name or the URL of a channel"),
        ("channels", ["ftp://h.test/x"], "`ftp://h.test/x` is not the name or the URL"),
        ("extras", {"pre": True}, "is an object, not a list"),
        ("python", 3.1, "is the number 3.1"),
        ("python", True, "is the flag True, not a version"),
        ("python", ["3.12"], "is a list, not a version"),
        ("disabled", "maybe", "`maybe` is neither true nor false"),
        ("fetch_at_exec", 2, "`2` is neither true nor false"),
        ("name", 1.5, "is the number 1.5, not a text"),
        ("pathspec", ["a"], "is a list, not a text"),
    ],
)
def test_arguments_of_another_type(key: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read("pypi", PLACE, {key: value})
    assert str(caught.value).startswith(f"{PLACE}: `{key}`: {said}")
    assert caught.value.hint


def test_every_argument_of_every_decorator_is_read() -> None:
    for decorator in (Conda, Pypi, NamedEnv, SysPackages):
        for key in decorator.defaults:
            assert (decorator.name, key) in PACKAGES or key in READERS


def test_a_local_project_is_a_package(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (found,) = read("pypi", PLACE, {"packages": {f"{tmp_path}/p": ""}}).packages or ()
    assert Path(found.path or "") == tmp_path / "p"
    (named,) = read("pypi", PLACE, {"packages": {"p": f"@ {tmp_path}/p"}}).packages or ()
    assert (named.name, Path(named.path or "")) == ("p", tmp_path / "p")


def test_what_is_no_json_is_refused_by_name_from_within_a_task_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    stated = Statement(kind="conda", level="step", place=PLACE, attributes={"channels": {"a"}})
    step = StepStatements(step="start", platform=None, gpu=False, stated=(stated,))
    place = LockPlace(file="mfenv.lock", flow="Flow", program="flow.py")
    with pytest.raises(EnvironmentFailed) as caught:
        call(Resolve(datastore="local", steps=(step,), force=False, place=place), print)
    assert caught.value.message.startswith(f"{PLACE}: `channels`: is a set, not a list")
