"""What a container on a machine with nothing waits for, next to moving the same bytes alone."""

from __future__ import annotations

import io
import os
import re
import statistics
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import zstandard
from tests import emulators, nodes
from tests.benchmarks.table import TABLE
from tests.remote.helpers import Cloud, Objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_FLOW = """
from metaflow import FlowSpec, {names} step

class BenchFlow(FlowSpec):
    {needs}
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    BenchFlow()
"""
_NEEDS = (
    '@conda(libraries={"colours": "2.0"})\n'
    '    @pypi(packages={"boto3": "", "requests": "", "numpy": "", "pandas": ""})'
)
_READY = re.compile(r"ready in .*?: ([0-9.]+) s to fetch mfenv, ([0-9.]+) s to create it")
_AT_ONCE = 32
_OURS, _BARE = "container with an environment", "container without"
_DOWNLOAD, _UNPACK = "downloading the same bytes", "unpacking them"


def remote(folder: Path, rounds: int) -> None:
    """Time whole containers of Argo Workflows: with an environment, and without."""
    if reason := emulators.why_not("s3") or nodes.why_not():
        print(f"\nremote: left out: {reason}")
        return
    image = nodes.image(folder / "image", Path(sys.executable))
    root = folder / "cloud"
    with emulators.running("s3") as service, nodes.Node(root / "node", service.endpoint) as node:
        cloud = Cloud(root, folder / "home", service, image, node)
        ours = cloud.of_argo(_FLOW.format(names="conda, pypi,", needs=_NEEDS), "start")
        bare = cloud.of_argo(_FLOW.format(names="", needs=""), "start", environment="local")
        seconds: dict[str, list[float]] = {}
        logs = []
        for number in range(rounds):
            node.requests.clear()
            with _timed(seconds, _OURS):
                logs.append(cloud.run(ours).ok().log)
            paths = [unquote(one.partition(" ")[2]).partition("?")[0] for one in node.requests]
            keys = {one.split("/", 2)[2] for one in paths if "/conda_env/mfenv/" in one}
            with _timed(seconds, _BARE):
                cloud.run(bare).ok()
            with _timed(seconds, _DOWNLOAD):
                content = _download(Objects(service, ""), keys)
            with _timed(seconds, _UNPACK):
                _unpack(folder / f"unpacked-{number}", content)
    for index, name in ((1, "of it: fetching mfenv"), (2, "of it: creating the environment")):
        seconds[name] = [float(one[index]) for log in logs for one in _READY.finditer(log)]
    size = sum(len(one) for one in content.values()) / 1e6
    print(f"\nremote: a cold container, {len(content)} objects, {size:.1f} MB ({rounds} rounds)")
    print(f"  {'':40} {'min':>7} {'median':>7}")
    for name, found in seconds.items():
        print(f"  {name:40} {min(found):7.3f} {statistics.median(found):7.3f}")
    more = [mine - bare for mine, bare in zip(seconds[_OURS], seconds[_BARE], strict=True)]
    alone = [max(pair) for pair in zip(seconds[_DOWNLOAD], seconds[_UNPACK], strict=True)]
    title, beside = "a container with nothing", "the slower of download and unpacking"
    TABLE.add(title, beside, more, alone, load=os.getloadavg()[0], detail=f"{size:.0f} MB")
    middle = {name: statistics.median(found) for name, found in seconds.items()}
    slower = max(middle[_DOWNLOAD], middle[_UNPACK])
    print(
        f"  {'extra, over the slower of both':40} {(middle[_OURS] - middle[_BARE]) / slower:7.2f}"
    )


@contextmanager
def _timed(seconds: dict[str, list[float]], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds.setdefault(name, []).append(time.perf_counter() - started)


def _download(objects: Objects, keys: Iterable[str]) -> dict[str, bytes]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(pool.map(lambda key: (key, objects[key]), keys))


def _unpack(place: Path, content: Mapping[str, bytes]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda key: _unpack_one(place / key, content[key]), content))


def _unpack_one(place: Path, content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if not str(place).endswith(".conda"):
            archive.extractall(place)
            return
        for name in archive.namelist():
            if name.endswith(".tar.zst"):
                raw = zstandard.ZstdDecompressor().stream_reader(archive.open(name))
                with tarfile.open(fileobj=raw, mode="r|") as inner:
                    inner.extractall(place, filter="fully_trusted")
