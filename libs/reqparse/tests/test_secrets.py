"""A password in any URL of any format shows in nothing that is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import reqparse

from . import test_locks, test_pyproject

if TYPE_CHECKING:
    from .helpers import Desk

ENVIRONMENT = """\
channels: ["https://h.org/c"]
dependencies:
  - https://h.org/c/a-1-0.conda
  - pip: [foo @ https://h.org/foo.zip, "-i https://h.org/s", "git+https://h.org/r"]
pip-repositories: [https://h.org/s]
variables: {A: b}
"""
PROJECT = """\
[project]
dependencies = ["foo @ https://h.org/foo.zip", "bar"]
[tool.uv.sources]
bar = {index = "https://h.org/s"}
[[tool.poetry.source]]
url = "https://h.org/s"
[tool.poetry.group.dev.dependencies]
baz = {version = "1", source = "https://h.org/s"}
[tool.conda-lock]
channels = ["https://h.org/c"]
"""
DOCUMENTS = {
    "requirements.txt": "-i https://h.org/s\nfoo @ https://h.org/foo.zip\n-e git+https://h.org/r\n",
    "environment.yml": ENVIRONMENT,
    "pyproject.toml": PROJECT,
    "pixi.toml": test_pyproject.PIXI,
    "conda-lock.yml": test_locks.CONDA_LOCK,
    "pixi.lock": test_locks.PIXI_V6,
    "pylock.toml": test_locks.PYLOCK,
    "uv.lock": test_locks.UV_LOCK,
    "explicit.txt": "@EXPLICIT\nhttps://h.org/c/a-1-0.conda\n",
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("broken", [False, True])
def test_a_password_shows_nowhere(desk: Desk, name: str, *, broken: bool) -> None:
    text = DOCUMENTS[name].replace("https://u:hunter2@", "https://")
    assert "https://" in text
    text = text.replace("https://", "https://u:hunter2@")
    if broken:
        text = text.replace(".conda", ".rpm").replace(".whl", "").replace("sha256", "size")
        text = text.replace("url", "urls").replace(" @ ", " @@ ")
    found, errors = None, None
    try:
        found = desk.read(text, name, groups=["dev"] if name == "pyproject.toml" else [])
    except reqparse.ParseErrors as raised:
        errors = raised
    assert "hunter2" not in f"{found!r} {errors!r} {errors}"
    if found:
        assert "hunter2" not in "".join(r.original for r in found.requirements)
        urls = [a.secret_url for p in found.packages for a in p.artifacts]
        urls += [r.secret_url for r in found.requirements] + [s.secret_url for s in found.sources]
        assert "hunter2" in str(urls)
