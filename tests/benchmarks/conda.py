"""Conda rows: solving real metadata, and creating environments from a channel made here."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.benchmarks.timing import MFENV, Command, Side, compare, quietly
from tests.channel import Entry, Recipe, cached, pack, write_channel

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT.parent / "shared/data/channels/conda-forge-sample"
MANY = ("numpy", "scikit-learn", "pandas", "xarray", "dask")
SMALL = ("rich", "requests", "pip", "click")
FILES = 20_000
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

_RATTLER = """
import asyncio, os, sys
from rattler import solve, VirtualPackage
async def main():
    return await solve([sys.argv[1]], sys.argv[2:], platforms=["linux-64", "noarch"],
                       virtual_packages=VirtualPackage.detect())
print(len(asyncio.run(main())), flush=True)
os._exit(0)  # it can crash when an interpreter ends
"""


def solve(folder: Path, rounds: int) -> None:
    """Solve about 150 packages of real metadata."""
    if not SAMPLE.is_dir():
        print("\nsolve: left out, there is no ../shared/data")
        return
    channel = folder / "sample"
    shutil.copytree(SAMPLE, channel)
    url = channel.as_uri()
    specs = ("python=3.12", *MANY)

    def mfenv(*platforms: str) -> Command:
        asked = [word for one in MANY for word in ("--conda", one)]
        targets = [word for one in platforms for word in ("--platform", one)]
        options = ("--force", "--python", "3.12", "--channel", url, "--sys", "__glibc=2.28")
        return ["env", "MFENV_PYTHON_PROVIDER=conda", MFENV, "resolve", *options, *asked, *targets]

    script = folder / "solve.py"
    script.write_text(_RATTLER)
    quietly(*mfenv("linux-64"))
    sides = [
        Side(name="mfenv resolve", command=lambda _: mfenv("linux-64")),
        Side(
            name="py-rattler called directly",
            command=lambda _: [sys.executable, script, url, *specs],
        ),
        Side(
            name="micromamba create --dry-run",
            command=lambda fresh: [
                *("micromamba", "create", "--yes", "--dry-run", "--prefix", fresh / "env"),
                *("--override-channels", "-c", url, *specs),
            ],
        ),
        Side(
            name="conda create --dry-run",
            command=lambda fresh: [
                *("conda", "create", "--yes", "--dry-run", "--prefix", fresh / "env"),
                *("--override-channels", "-c", url, *specs),
            ],
        ),
    ]
    compare(f"solve python 3.12, {', '.join(MANY)}: warm", sides, rounds=rounds)


def conda(folder: Path, rounds: int) -> None:
    """Resolve for three platforms, then create a small environment and one of many files."""
    channels = cached()
    big = folder / "big"
    files = {f"share/big/{n // 500}/{n}": Entry(data=b"%d\n" % n) for n in range(FILES)}
    write_channel(big, pack(Recipe(name="big", version="1.0", files=files), big))
    os.environ["MFENV_PYTHON_PROVIDER"] = "conda"
    asked = [word for one in SMALL for word in ("--conda", one)]
    options = ("--python", PYTHON, "--channel", channels.main.as_uri())

    def resolve(*platforms: str) -> Command:
        targets = [word for one in platforms for word in ("--platform", one)]
        return [MFENV, "resolve", "--force", *options, *asked, *targets]

    three = ("linux-64", "linux-aarch64", "osx-arm64")
    quietly(*resolve(*three))
    sides = [
        Side(name="mfenv resolve, three platforms", command=lambda _: resolve(*three)),
        Side(name="mfenv resolve, one platform", command=lambda _: resolve("linux-64")),
    ]
    compare(f"solve {', '.join(SMALL)}: warm", sides, rounds=rounds)
    quietly(*resolve("linux-64"), "--alias", "bench/small:latest")
    quietly(
        *(MFENV, "resolve", "--npconda", "big", "--channel", big.as_uri()),
        *("--channel", channels.main.as_uri(), "--python", PYTHON, "--alias", "bench/big:latest"),
    )
    for name in ("small", "big"):
        _create(folder, name, rounds)
    os.environ["MFENV_PYTHON_PROVIDER"] = "system"


def _create(folder: Path, name: str, rounds: int) -> None:
    model = folder / f"model-{name}"
    quietly(MFENV, "create", f"bench/{name}", "--prefix", model)
    explicit = folder / f"{name}.txt"
    cache = Path(os.environ["MFENV_HOME"], "cache", "archives")
    archives = sorted(one.as_uri() for one in cache.rglob("*.conda"))
    explicit.write_text("@EXPLICIT\n" + "\n".join(archives) + "\n")
    sides = [
        Side(
            name="mfenv create",
            command=lambda fresh: [MFENV, "create", f"bench/{name}", "--prefix", fresh / "env"],
        ),
        Side(name="cp -al", command=lambda fresh: ["cp", "-al", model, fresh / "env"]),
        Side(
            name="micromamba create --file",
            command=lambda fresh: [
                *("micromamba", "create", "--yes", "--offline", "--prefix", fresh / "env"),
                *("--file", explicit),
            ],
        ),
    ]
    files = sum(len(names) for _, _, names in os.walk(model))
    compare(f"create a conda environment of {files} files: warm", sides, rounds=rounds)
