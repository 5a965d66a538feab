"""The table of the benchmarks: in JSON, beside an earlier one, and in the README."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.benchmarks.table import AIMS, Table, label, labels

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "tests/benchmarks"


def strings() -> str:
    """All texts in the benchmarks but those of the table, a line each."""
    paths = (path for path in BENCHMARKS.glob("*.py") if path.name != "table.py")
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text())))
    return "\n".join(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_readme_has_the_rows_that_the_benchmarks_know() -> None:
    assert labels((ROOT / "README.md").read_text()) == [label(*key) for key in AIMS]


def test_the_benchmarks_make_the_rows_that_are_aimed_for() -> None:
    said = strings()
    computed = {"create a small conda", "create a large conda", "fetch 300 packages of 100 kB"}
    for title, beside in AIMS:
        assert title in said or title.startswith(tuple(computed)), title
        assert beside in said, beside


@pytest.mark.slow
def test_a_run_is_kept_compared_and_written_into_a_readme(tmp_path: Path) -> None:
    """Two runs of the quickest of all comparisons, as a user starts them."""
    words = [sys.executable, "-m", "tests.benchmarks", "startup", "--rounds", "1"]
    words += ["--only", "start-up: help", "--json"]
    before, now = tmp_path / "before.json", tmp_path / "now.json"
    subprocess.run([*words, str(before)], cwd=ROOT, check=True, capture_output=True)
    again = [*words, str(now), "--compare", str(before)]
    said = subprocess.run(again, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (row,) = json.loads(now.read_text())["rows"]
    assert row["title"] == "start-up: help"
    assert row["ratio"] == row["ours"] / row["peer"]
    assert "now/before" in said
    assert f"{row['ours']:.3f}" in said.rpartition("now/before")[2]
    readme = Table.read(now).in_readme((ROOT / "README.md").read_text())
    assert labels(readme) == [label(*key) for key in AIMS]
    assert f"| {row['ours']:.3f} ({row['ours_median']:.3f}) |" in readme
    assert Table.read(now).in_readme(readme) == readme
