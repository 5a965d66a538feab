"""The tests that docs/faults.md names exist, and every row names some."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {
    "tests": "tests",
    "metaflow": "tests/metaflow",
    "cli": "apps/cli/tests",
    "extension": "apps/metaflow-ext/tests",
    **{name: f"libs/{name}/tests" for name in ("envid", "pkgcache", "resolvers")},
}
ROWS = [
    line
    for line in (ROOT / "docs/faults.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| what may happen")
]


@cache
def names(path: Path) -> set[str]:
    """The tests of a file, and its classes of tests."""
    found = ast.parse(path.read_text()).body
    return {
        one.name
        for one in found
        if isinstance(one, (ast.FunctionDef, ast.ClassDef)) and one.name.lower().startswith("test")
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:50])
def test_every_row_names_tests_that_exist(row: str) -> None:
    *_, tests, _ = row.split("|")
    named = re.findall(r"`(\w+)/(\w+\.py)::(\w+)`", tests)
    assert len(named) == tests.count("`") // 2 > 0
    for place, file, name in named:
        path = ROOT / PLACES[place] / file
        assert name in names(path), f"{path}: {name}"
