from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from tests.emulators import Service, running, why_not
from tests.emulators.relay import Relay
from tests.session import pytest_collection_finish, pytest_configure, pytest_xdist_auto_num_workers

from pkgcache.local.cache import PackageCache
from pkgcache.stores.testing import StoreConformance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]

# Not where they are: the class is for whoever has a store, and their pytest may know no such mark.
pytest.mark.slow(StoreConformance.test_a_large_file_comes_back_and_resumes)
pytest.mark.slow(StoreConformance.test_a_large_file_is_put_under_conditions)
pytest.mark.slow(StoreConformance.test_of_several_writers_of_a_large_file_one_wins)
pytest.mark.slow(StoreConformance.test_threads_do_not_get_in_each_others_way)


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody but itself has signed, with its key."""
    path = tmp_path / "certificate.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test"
    name = "subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", *options.split(), "-addext", name, "-keyout", path, "-out", path],
        check=True,
        capture_output=True,
    )
    return path


def _service(kind: str) -> Iterator[Service]:
    if reason := why_not(kind):
        pytest.skip(reason)
    with running(kind) as found:
        yield found


@pytest.fixture(scope="session")
def s3_service() -> Iterator[Service]:
    yield from _service("s3")


@pytest.fixture(scope="session")
def azure_service() -> Iterator[Service]:
    yield from _service("azure")


@pytest.fixture(scope="session")
def gcs_service() -> Iterator[Service]:
    yield from _service("gcs")


@pytest.fixture
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    """One of the services, named by an indirect parameter, with who may use it logged in."""
    found = request.getfixturevalue(f"{request.param}_service")
    assert isinstance(found, Service)
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def relay(service: Service) -> Iterator[Relay]:
    """A proxy before the service, which records, and does wrong when told to."""
    with Relay(service.endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
