from __future__ import annotations

import doctest
from pathlib import Path
from typing import TYPE_CHECKING

import reqparse

if TYPE_CHECKING:
    import pytest


def test_the_examples_of_the_readme_are_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    readme = Path(__file__).resolve().parents[1] / "README.md"
    failed, tried = doctest.testfile(str(readme), module_relative=False)
    assert tried > 15
    assert not failed


def test_every_name_of_the_package_is_there_when_it_is_asked_for() -> None:
    assert all(getattr(reqparse, name) is not None for name in reqparse.__all__)
