"""How many threads may be started is told where there is no memory for them, too."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Address space that ends somewhere in what a thread takes: its stack of 8 MiB by default, and what its first lines do.
ASK = """
import os, resource, signal
from pathlib import Path
import resolvers._threads as threads

size = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
for more in range(20_000_000, 29_000_000, 1 << 15):
    if not (child := os.fork()):
        signal.alarm(20)
        resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))
        os._exit(threads._startable(100) == 100)
    status = os.waitpid(child, 0)[1]
    assert not status, (more, status)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_threads_that_have_no_memory_are_not_waited_for() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=False, timeout=300
    )
    assert asked.returncode == 0, asked.stderr
