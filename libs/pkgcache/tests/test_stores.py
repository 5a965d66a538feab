from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pkgcache.directory import DirectoryStore
from pkgcache.testing import MemoryStore, StoreConformance

if TYPE_CHECKING:
    from pathlib import Path

    from pkgcache.store import Store


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestDirectoryStore(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return DirectoryStore(tmp_path / "store")
