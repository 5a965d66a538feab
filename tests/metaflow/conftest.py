from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.channel import Channels, cached
from tests.helpers import distributions

from resolvers.testing import FakeIndex, make_wheel

from .helpers import Pad

if TYPE_CHECKING:
    from collections.abc import Iterator


# As much of it as Metaflow needs when it is imported.
REQUESTS = """
class Session:
    def mount(self, *arguments):
        pass

class adapters:
    class HTTPAdapter:
        def __init__(self, **options):
            pass
"""


@pytest.fixture(scope="session")
def channels() -> Channels:
    found = cached()
    if not found.has_wheels:
        pytest.skip("no index gave the wheels of the channel, of which Metaflow needs one")
    return found


@pytest.fixture(scope="session")
def pad(channels: Channels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pad]:
    """One home for all flows, so that what one has created another finds."""
    root = tmp_path_factory.mktemp("pad")
    requests = make_wheel("requests", "2.32.0", module=REQUESTS)
    old = make_wheel("requests", "2.20.0", module=REQUESTS)
    seeds = (("pip", "25.0"), ("setuptools", "70.0"), ("wheel", "0.40"))
    others = (make_wheel(*one) for one in (*seeds, ("idna", "3.6")))
    with FakeIndex(*distributions(), requests, old, *others) as index:
        yield Pad(root, channel=channels.main.as_uri(), index=index.url)
