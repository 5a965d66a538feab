"""For every `conftest.py`: what must not depend on how busy a machine is, or who starts the tests."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]

# A busy machine must not refute a law.
settings.register_profile(
    "laws", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)


def pytest_configure() -> None:
    settings.load_profile("laws")
    # What tests start is interrupted by Ctrl-C, also where we were started in the background.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    # The tests stay until the end, and are very many: to look for cycles among them again and again
    # is a tenth of what short ones cost.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-p` is: half of their time tests wait, for servers and what has limits."""
    return 2 * (os.cpu_count() or 1)
