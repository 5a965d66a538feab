from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolvers.testing import FakeIndex

from .channel import ChannelServer, cached
from .helpers import Machine, distributions
from .session import pytest_collection_finish, pytest_configure, pytest_xdist_auto_num_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex(*distributions()) as found:
        yield found


@pytest.fixture
def machines(tmp_path: Path, index: FakeIndex) -> Callable[[str], Machine]:
    """Makes machines that share a store and an index, and nothing else."""
    return lambda name: Machine(tmp_path / name, index, tmp_path / "store")


@pytest.fixture
def machine(machines: Callable[[str], Machine]) -> Machine:
    return machines("one")


@pytest.fixture
def server() -> Iterator[ChannelServer]:
    with ChannelServer(cached().main) as found:
        yield found


@pytest.fixture
def conda(machine: Machine, server: ChannelServer) -> Machine:
    """A machine whose Python and conda packages come from `server`."""
    machine.environ |= {"MFENV_CHANNELS": server.url, "MFENV_PYTHON_PROVIDER": "conda"}
    return machine
