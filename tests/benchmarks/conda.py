"""Conda rows: solving real metadata, and creating environments from a channel made here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.timing import MFENV, Command, Side, apart, compare, quietly
from tests.channel import ChannelServer, Entry, Recipe, cached, pack, write_channel

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Solve about 150 packages of 18,000 real records."""
    if not SAMPLE.is_dir():
        print("\nsolve: left out, there is no ../shared/data")
        return
    script = folder / "solve.py"
    script.write_text(_RATTLER)
    # Over HTTP: that is where micromamba keeps what it has read.
    with ChannelServer(SAMPLE) as server:

        def mfenv(home: Path | None = None) -> Command:
            asked = [word for one in MANY for word in ("--conda", one)]
            options = ("--force", "--python", "3.12", "--channel", server.url)
            home = home or Path(os.environ["MFENV_HOME"])
            environ = ("env", "MFENV_PYTHON_PROVIDER=conda", f"MFENV_HOME={home}")
            return [*environ, MFENV, "resolve", *options, *asked, "--sys", "__glibc=2.28"]

        specs = ("python=3.12", *MANY)
        cold = [
            Side(name="mfenv resolve", command=lambda fresh: mfenv(fresh / "home")),
            _micromamba(server.url, specs, "root"),
        ]
        compare("solve 149 conda packages, cold", cold, rounds=rounds)
        quietly(*mfenv())
        warm = [
            Side(name="mfenv resolve", command=lambda _: mfenv()),
            Side(
                name="py-rattler called directly",
                command=lambda _: [sys.executable, script, server.url, *specs],
            ),
            _micromamba(server.url, specs, folder / "root"),
        ]
        compare("solve 149 conda packages, warm", warm, rounds=rounds)


def _micromamba(url: str, specs: Sequence[str], root: Path | str) -> Side:
    """Solve and install nothing; what it keeps is below `root`, which may be of the fresh directory."""
    options = ("create", "--yes", "--dry-run", "--override-channels", "-c", url)

    def command(fresh: Path) -> Command:
        places = ("--root-prefix", fresh / root, "--prefix", fresh / "env")
        return ["micromamba", *options, *places, *specs]

    return Side(
        name="micromamba create --dry-run",
        command=command,
        environ={"CONDA_OVERRIDE_GLIBC": "2.28"},
    )


def conda(folder: Path, rounds: int) -> None:
    """Resolve for three platforms, then create a small environment and one of many files."""
    channels = cached()
    big = folder / "big"
    files = {f"share/big/{n // 500}/{n}": Entry(data=b"%d\n" % n) for n in range(FILES)}
    write_channel(big, pack(Recipe(name="big", version="1.0", files=files), big))
    os.environ["MFENV_PYTHON_PROVIDER"] = "conda"
    asked = [word for one in SMALL for word in ("--conda", one)]
    with ChannelServer(channels.main) as server:
        options = ("--python", PYTHON, "--channel", server.url)

        def resolve(*platforms: str) -> Command:
            targets = [word for one in platforms for word in ("--platform", one)]
            return [MFENV, "resolve", "--force", *options, *asked, *targets]

        three = ("linux-64", "linux-aarch64", "osx-arm64")
        quietly(*resolve(*three))
        sides = [
            Side(name="mfenv resolve", command=lambda _: resolve("linux-64")),
            _micromamba(server.url, (f"python={PYTHON}", *SMALL), folder / "root"),
        ]
        compare("solve in a channel of 90 packages, warm", sides, rounds=rounds)
        sides = [
            Side(name="mfenv resolve, three platforms", command=lambda _: resolve(*three)),
            Side(name="one platform", command=lambda _: resolve("linux-64")),
        ]
        title = "solve in a channel of 90 packages for three platforms, warm"
        compare(title, sides, rounds=rounds)
        quietly(*resolve("linux-64"), "--alias", "bench/small:latest")
        for name in ("small", "large"):
            if name == "large":
                quietly(
                    *(MFENV, "resolve", "--npconda", "big", "--channel", big.as_uri()),
                    *(*options, "--alias", "bench/large:latest"),
                )
            _create(folder, name, rounds)
    os.environ["MFENV_PYTHON_PROVIDER"] = "system"


def _create(folder: Path, name: str, rounds: int) -> None:
    model = folder / f"model-{name}"
    quietly(MFENV, "create", f"bench/{name}", "--prefix", model)
    model = apart(model)
    explicit = folder / f"{name}.txt"
    quietly(MFENV, "export", f"bench/{name}", "--format", "explicit", "--output", explicit)
    sides = [
        Side(
            name="mfenv create",
            command=lambda fresh: [MFENV, "create", f"bench/{name}", "--prefix", fresh / "env"],
        ),
        Side(name="cp -al", command=lambda fresh: ["cp", "-al", model, fresh / "env"]),
        Side(
            # We compile nothing either: that is done when the environment is first used.
            name="micromamba create --no-pyc",
            command=lambda fresh: [
                *("micromamba", "create", "--yes", "--no-pyc", "--no-rc"),
                *("--root-prefix", folder / "root", "--prefix", fresh / "env", "--file", explicit),
            ],
        ),
    ]
    files = sum(len(names) for _, _, names in os.walk(model))
    compare(
        f"create a {name} conda environment, warm", sides, rounds=rounds, detail=f"{files} files"
    )
