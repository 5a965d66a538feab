"""Transmuting packages made of wheels, next to conda's own tool, and reading their bzip2."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uv
from tests.benchmarks.timing import MFENV, Command, Side, compare, quietly
from tests.channel import Entry, Recipe, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

WHEELS = ("rich", "sympy", "botocore", "scipy")
LEVEL = "3"
SLOW = """
import sys
sys.modules["indexed_bzip2"] = None
from mfenv.__main__ import main
main()
"""


OURS = """
import sys
from pathlib import Path
from pkgcache.archives._bz2_read import decompressed
for _ in decompressed(Path(sys.argv[1]), 2):
    pass
"""
PLAIN = """
import bz2, sys
with bz2.open(sys.argv[1]) as file:
    while file.read(1 << 18):
        pass
"""
INDEXED = """
import sys, indexed_bzip2
with indexed_bzip2.open(sys.argv[1], parallelization=2) as file:
    while file.read(1 << 20):
        pass
"""


def transmute(folder: Path, rounds: int) -> None:
    """Transmute a big package of libraries and two of many small files."""
    cph = folder / "peers" / "bin" / "cph"
    for old, new in _packages(folder):
        for source, suffix in ((old, ".conda"), (new, ".tar.bz2")):
            sides = _sides(source, suffix, cph)
            compare(f"transmute {source.name} to {suffix}", sides, rounds=rounds)
            _compare_use(sides, folder / f"{source.name}{suffix}")


def bzip2(folder: Path, rounds: int) -> None:
    """Read `.tar.bz2` packages of several sizes in all ways, on two processors."""
    codes = {
        "ours, with pkgcache[fast]": OURS,
        "ours, without": f'import sys\nsys.modules["indexed_bzip2"] = None\n{OURS}',
        "bz2": PLAIN,
        "indexed_bzip2 in the same process": INDEXED,
    }
    for old, _ in _packages(folder):
        known: dict[str, Command] = {
            name: [sys.executable, "-c", code, old] for name, code in codes.items()
        }
        for program in ("bzip2", "lbzip2", "pbzip2"):
            known[f"{program} -dc"] = ["sh", "-c", f"{program} -dc $1 > a", "sh", old]
        sides = [Side(name=name, command=partial(_always, one)) for name, one in known.items()]
        compare(f"read {old.name}, {old.stat().st_size >> 10} KiB", sides, rounds=rounds)
        _compare_use(sides, folder / f"read-{old.name}")


def _packages(folder: Path) -> list[tuple[Path, Path]]:
    """A `.tar.bz2` and a `.conda` of each wheel; made once."""
    venv = folder / "peers"
    python, cph = venv / "bin" / "python", venv / "bin" / "cph"
    if not venv.exists():
        quietly(sys.executable, "-m", "venv", venv)
    quietly(uv.find_uv_bin(), "pip", "install", "--python", python, "conda-package-handling")
    wheels, channel = folder / "wheels", folder / "channel"
    packages = []
    options = ("--no-deps", "--only-binary=:all:", "--dest", wheels)
    quietly(python, "-m", "pip", "download", *options, *WHEELS)
    # Whoever is started by a large process counts as large as that.
    code = "import sys; from tests.benchmarks.transmute import make; make(*sys.argv[1:])"
    quietly("env", f"PYTHONPATH={Path.cwd()}", sys.executable, "-c", code, wheels, channel)
    for name in WHEELS:
        (new,) = (channel / "noarch").glob(f"{name}-*.conda")
        old = Path(str(new).replace(".conda", ".tar.bz2"))
        if not old.exists():
            quietly(cph, "transmute", new, ".tar.bz2", "--out-folder", old.parent)
        packages.append((old, new))
    return packages


def make(wheels: str, channel: str) -> None:
    """Make a `.conda` of each wheel."""
    for wheel in sorted(Path(wheels).glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        with zipfile.ZipFile(wheel) as archive:
            files = {
                f"site-packages/{one.filename}": Entry(data=archive.read(one))
                for one in archive.infolist()
                if not one.is_dir()
            }
        pack(Recipe(name=name, version=version, files=files), Path(channel))


def _sides(source: Path, suffix: str, cph: Path) -> list[Side]:
    def script(program: str, line: str) -> Command:
        absent = f"{{ echo no {program} on PATH >&2; exit 1; }}"
        return [
            "sh",
            "-c",
            f"set -e; command -v {program} > found || {absent}; {line}",
            "sh",
            source,
        ]

    known: dict[str, Command] = {
        "cph transmute": [
            *(cph, "transmute", source, suffix, "--out-folder", "."),
            *(["--zstd-compression-level", LEVEL] if suffix == ".conda" else []),
        ],
        "micromamba package transmute": script(
            "micromamba", f"cp $1 .; micromamba package transmute -c {LEVEL} $(basename $1)"
        ),
    }
    if suffix == ".conda":
        for program in ("bzip2", "lbzip2"):
            line = f"{program} -dc $1 | zstd -q -T2 -{LEVEL} -o a"
            known[f"{program} -dc | zstd"] = script(program, line)
    ours: Command = ["transmute", source, "--level", LEVEL, "--output"]
    sides = [Side(name="mfenv transmute", command=lambda fresh: [MFENV, *ours, fresh])]
    if suffix == ".conda":
        slow: Command = [sys.executable, "-c", SLOW, *ours]
        sides.append(Side(name="without pkgcache[fast]", command=lambda fresh: [*slow, fresh]))
    return [
        *sides,
        *(Side(name=name, command=partial(_always, one)) for name, one in known.items()),
    ]


def _always(command: Command, _: Path) -> Command:
    return command


def _compare_use(sides: Sequence[Side], folder: Path) -> None:
    found = []
    for number, side in enumerate(sides):
        fresh = folder / str(number)
        fresh.mkdir(parents=True)
        words = [str(word) for word in side.command(fresh)]
        process = subprocess.Popen(
            words, cwd=fresh, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        if not status:
            seconds = used.ru_utime + used.ru_stime
            found.append(f"{side.name} {seconds:.2f} s, {used.ru_maxrss >> 10} MB")
    print(f"  processors and most memory of a process: {'; '.join(found)}", flush=True)
