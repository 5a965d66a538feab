from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def few_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pyenv's installations alone: asking each for its version takes a second."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "no-pyenv"))
