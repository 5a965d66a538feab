from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.channel import Channels, cached
from tests.session import pytest_collection_finish, pytest_configure, pytest_xdist_auto_num_workers

from pkgcache.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]


@pytest.fixture(autouse=True)
def few_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pyenv's installations alone: asking each for its version takes a second."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "no-pyenv"))


@pytest.fixture(scope="session")
def channels() -> Channels:
    """Two real channels, made on this machine."""
    return cached()


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    with Worker() as found:
        yield found
