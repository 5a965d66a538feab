from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.session import pytest_collection_finish, pytest_configure, pytest_xdist_auto_num_workers

from .helpers import Desk

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
