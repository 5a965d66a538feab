"""For the `conftest.py` of tests that send Ctrl-C."""

from __future__ import annotations

import signal

__all__ = ["pytest_configure"]


def pytest_configure() -> None:
    """Let what tests start be interrupted, also where we were started in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
