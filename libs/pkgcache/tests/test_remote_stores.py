"""The stores of cloud services, against servers that speak their protocols."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from pkgcache.store import open_store
from pkgcache.testing import StoreConformance

if TYPE_CHECKING:
    from tests.emulators import Service

    from pkgcache.store import Store


@pytest.mark.parametrize("service", ["s3", "azure", "gcs"], indirect=True)
class TestConformance(StoreConformance):
    @pytest.fixture
    def store(self, service: Service) -> Store:
        return open_store(service.url(f"test/{secrets.token_hex(4)}"))
