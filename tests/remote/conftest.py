from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import emulators, nodes
from tests.once import made_once

from .helpers import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulators import Service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    missing = None if Path(sys.executable).with_name("metaflow").exists() else "no Metaflow is here"
    if reason := emulators.why_not("s3") or nodes.why_not() or missing:
        pytest.skip(reason)
    with emulators.running("s3") as found:
        yield found


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launching machines' packages; what they cost is paid once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def image(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(
        tmp_path_factory, "image", lambda folder: nodes.image(folder, Path(sys.executable))
    )


@pytest.fixture(scope="session")
def cloud(
    service: Service, home: Path, image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """For tests that only add to what is in the store."""
    with _cloud(tmp_path_factory.mktemp("cloud"), service, home, image) as found:
        yield found


@pytest.fixture
def own_cloud(service: Service, home: Path, image: Path, tmp_path: Path) -> Iterator[Cloud]:
    """For a test that breaks it."""
    with _cloud(tmp_path, service, home, image) as found:
        yield found


@contextmanager
def _cloud(root: Path, service: Service, home: Path, image: Path) -> Iterator[Cloud]:
    with nodes.Node(root / "node", service.endpoint) as node:
        yield Cloud(root, home, service, image, node)
