"""An unknown key in any table of a file is used, noted or refused by its name; none vanishes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import reqparse

from .test_locks import CONDA_LOCK, PIXI_V6, PYLOCK, UV_LOCK
from .test_pyproject import PIXI, POETRY, STANDARD
from .test_selecting_groups import OLD, PIPFILE, PIXI_3, PIXI_7, POETRY_2, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .helpers import Desk

NEW = "zz-new"
UV = """\
[project]
dependencies = ["a", "b"]
[tool.uv]
constraint-dependencies = ["z<2"]
dev-dependencies = ["t"]
index = [{name = "x", url = "https://i.org/s"}]
sources.a = {git = "https://g.org/a", tag = "v1"}
sources.b = [{index = "x", marker = "os_name == 'nt'"}]
pip = {no-deps = true}
[tool.pdm.resolution]
excludes = ["x"]
[tool.pdm.dev-dependencies]
more = ["a"]
[[tool.pdm.source]]
url = "https://p.org/s"
[tool.flit.metadata]
requires = ["c"]
[tool.conda-lock]
channels = ["c"]
[tool.conda-lock.dependencies]
d = {version = "*", source = "pypi"}
e = {version = "1"}
"""
SCRIPT = """\
# /// script
# dependencies = ["a"]
# [tool.uv]
# prerelease = "allow"
# [tool.pixi.workspace]
# channels = []
# [tool.pixi.dependencies]
# b = {version = "*"}
# [tool.pixi.target.linux.dependencies]
# c = {version = "*"}
# ///
"""
TOML = {
    "pixi.toml": PIXI,
    "pyproject.toml": STANDARD,
    "poetry/pyproject.toml": POETRY,
    "uv/pyproject.toml": UV,
    "pylock.toml": PYLOCK,
    "uv.lock": UV_LOCK,
    "poetry.lock": POETRY_2,
    "old/poetry.lock": OLD + metadata("1.1"),
}
YAML = {
    "pixi.lock": PIXI_V6,
    # What is noted as a whole is not looked into.
    "7/pixi.lock": PIXI_7.partition("  variants:")[0],
    "3/pixi.lock": PIXI_3.replace("manager: {}", "manager: pypi"),
    "conda-lock.yml": CONDA_LOCK,
    "Pipfile.lock": PIPFILE.replace('"hash": {"sha256": "x"},', ""),
}
GROUPS = {
    "pixi.toml": ["ci"],
    "pyproject.toml": ["dev", "docs"],
    "poetry/pyproject.toml": ["test", "dev"],
    "uv/pyproject.toml": ["dev", "more"],
}
EXTRAS = {"pyproject.toml": ["all"], "poetry/pyproject.toml": ["more"]}


def in_toml(text: str) -> Iterator[str]:
    """The document with a new key in each of its tables, one after another."""
    for found in re.finditer(r"(?m)^(?:# )?\[.*\]$|\{(?!\})", text):
        start = "# " if found[0].startswith("# ") else ""
        new = f"{NEW} = '{NEW}', " if found[0] == "{" else f"\n{start}{NEW} = '{NEW}'"
        yield text[: found.end()] + new + text[found.end() :]
    if not text.startswith("#"):
        yield f"{NEW} = '{NEW}'\n{text}"


def in_yaml(text: str) -> Iterator[str]:
    document = yaml.safe_load(text)
    for mapping in mappings(document):
        mapping[NEW] = NEW
        yield yaml.safe_dump(document, sort_keys=False)
        del mapping[NEW]


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for key, inner in list(value.items()):
            if key != "metadata":  # when, by whom and from which files conda-lock made it
                yield from mappings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from mappings(inner)


def cases() -> list[Any]:
    found = [(name, text) for name, whole in TOML.items() for text in in_toml(whole)]
    found += [("job.py", text) for text in in_toml(SCRIPT)]
    found += [(name, text) for name, whole in YAML.items() for text in in_yaml(whole)]
    numbers: dict[str, int] = {}
    cases = []
    for name, text in found:
        numbers[name] = numbers.get(name, 0) + 1
        cases.append(pytest.param(name, text, id=f"{name}-{numbers[name]}"))
    return cases


@pytest.mark.parametrize(("name", "text"), cases())
def test_a_new_key_does_not_vanish(desk: Desk, name: str, text: str) -> None:
    options: dict[str, Any] = {"groups": GROUPS.get(name, ()), "extras": EXTRAS.get(name, ())}
    try:
        found = desk.read(text, name, **options)
    except reqparse.ParseErrors as errors:
        said = str(errors).replace("expected a", NEW)  # in its place something else is expected
    else:
        said = f"{found!r} {found.notes!r}"
    assert NEW in said
