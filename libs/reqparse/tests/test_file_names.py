"""A lock whose version and files disagree is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reqparse.selecting import select

from .targets import target
from .test_locks import CONDA_LOCK, SHA
from .test_selecting import app, entry, package, refused, to

if TYPE_CHECKING:
    from .helpers import Desk


def sdist(file: str) -> str:
    return f'sdist = {{ url = "https://h.org/{file}", hash = "sha256:{SHA}" }}\nwheels = []'


@pytest.mark.parametrize(
    ("name", "version", "file"),
    [
        ("foo-bar", "1.0", "foo_bar-1.0-py3-none-any.whl"),
        ("foo-bar", "1.0", "Foo.Bar-1-py3-none-any.whl"),
        ("foo", "1.0+cpu", "foo-1.0%2Bcpu-py3-none-any.whl"),
        ("foo-bar", "1.0.post1", "foo-bar-1.0-1.tar.gz"),
        ("foo-bar", "1.0", "Foo_Bar-1.0.zip"),
    ],
)
def test_a_name_says_it_in_every_spelling(desk: Desk, name: str, version: str, file: str) -> None:
    more = sdist(file)
    if file.endswith(".whl"):
        more = f'wheels = [{{ url = "https://h.org/{file}", hash = "sha256:{SHA}" }}]'
    locked = desk.read(app(to(name)) + package(name, version, more=more), "uv.lock")
    (selected,) = select(locked, target())
    assert selected.artifact.url == f"https://h.org/{file}"


@pytest.mark.parametrize("file", ["foo-2-py3-none-any.whl", "bar-1-py3-none-any.whl"])
def test_a_wheel_of_something_else(desk: Desk, file: str) -> None:
    more = f'wheels = [{{ url = "https://h.org/{file}", hash = "sha256:{SHA}" }}]'
    text = app(to("foo")) + package("foo", more=more)
    line = text.count("\n", 0, text.rindex("[[package]]")) + 1
    assert refused(desk.read(text, "uv.lock")) == [f"{line}: `{file}` is not foo 1; lock again"]
    pylock = 'lock-version = "1.0"\ncreated-by = "me"\n' + entry("foo").replace(
        "foo-1-py3-none-any.whl", file
    )
    assert file in pylock
    (problem,) = refused(desk.read(pylock, "pylock.toml"))
    assert f"`{file}` is not foo 1" in problem


def test_a_source_distribution_of_something_else(desk: Desk) -> None:
    text = app(to("foo")) + package("foo", more=sdist("foo-2.tar.gz"))
    assert "`foo-2.tar.gz` is not foo 1" in refused(desk.read(text, "uv.lock"))[0]


def test_an_archive_that_is_on_no_index_may_be_named_freely(desk: Desk) -> None:
    text = app(to("foo")) + package("foo", more=sdist("main.zip"))
    text = text.replace('registry = "https://i.org/simple"', 'url = "https://h.org/main.zip"')
    (foo,) = select(desk.read(text, "uv.lock"), target())
    assert foo.artifact.filename == "main.zip"


def test_a_conda_package_of_something_else(desk: Desk) -> None:
    text = CONDA_LOCK.replace("{libc: '>=2', any: ''}", "{}")
    for stated in ("version: 1.10", "name: zlib"):
        (problem,) = refused(desk.read(text.replace(stated, stated + "1"), "conda-lock.yml"))
        assert "`zlib-1.10-h1_0.conda` is not zlib" in problem
