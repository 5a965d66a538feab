"""The stores of cloud services, against servers that speak their protocols."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from pkgcache.stores.azure import AzureStore
from pkgcache.stores.gcs import GcsStore
from pkgcache.stores.s3 import S3Store
from pkgcache.stores.testing import StoreConformance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulators import Service

    from pkgcache.stores.store import Store


@pytest.mark.parametrize("service", ["s3", "azure", "gcs"], indirect=True)
class TestConformance(StoreConformance):
    @pytest.fixture
    def store(self, service: Service) -> Store:
        return _opened(service, part_size=5 << 20, page_size=10)


def _opened(service: Service, **sizes: int) -> Store:
    kinds: dict[str, Callable[..., Store]] = {"s3": S3Store, "azure": AzureStore, "gcs": GcsStore}
    return kinds[service.kind](service.url(f"test/{secrets.token_hex(4)}"), **sizes)
