from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from tests.channel import Channels, cached
from tests.helpers import distributions
from tests.once import made_once
from uv import find_uv_bin

from resolvers.testing import FakeIndex, make_wheel

from .helpers import Pad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes a Python that has what this one has, and other packages in the place of some."""

    def make(*packages: str) -> str:
        if not packages:
            return _python(tmp_path_factory.mktemp("python"))
        digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()
        folder = made_once(
            tmp_path_factory, f"python-{digest[:16]}", lambda root: _python(root, *packages)
        )
        return str(folder / "bin" / "python")

    return make


def _python(root: Path, *packages: str) -> str:
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, root], check=True)
    (site,) = root.glob("lib/python*/site-packages")
    base = sysconfig.get_path("purelib")
    (site / "zzz_base.pth").write_text(f"import site; site.addsitedir({base!r})\n")
    program = str(root / "bin" / "python")
    if packages:
        words = [uv, "pip", "install", "--quiet", "--no-deps", "--python", program, *packages]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no index gives {', '.join(packages)}: {done.stderr.strip()}")
    return program


@pytest.fixture
def locked(pad: Pad, tmp_path: Path) -> Pad:
    """A flow with the uv.lock of a project above it, and a list of conda packages beside it."""
    pad.lock_project(tmp_path, '"app", "requests"')
    flows = tmp_path / "src" / "flows"
    (flows / "conda").mkdir(parents=True)
    shutil.copy(pad.flows / "locked.py", flows)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    words = ("--conda", "colours", "--conda", "requests", "--python", python)
    env = pad.mfenv("resolve", *words)
    listed = pad.mfenv("export", env, "--format", "explicit")
    (flows / "conda" / "list.txt").write_text(f"{listed}\n")
    return pad.at(flows)
