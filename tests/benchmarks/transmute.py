"""Transmuting packages made of wheels, both ways, next to conda's own tool and the limits."""

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

WHEELS = ("scipy", "sympy", "botocore")
LEVEL = "3"
SLOW = """
import sys
sys.modules["indexed_bzip2"] = None
from mfenv.__main__ import main
main()
"""


def transmute(folder: Path, rounds: int) -> None:
    """Transmute a big package of libraries and two of many small files."""
    venv = folder / "peers"
    python, cph = venv / "bin" / "python", venv / "bin" / "cph"
    quietly(sys.executable, "-m", "venv", venv)
    quietly(uv.find_uv_bin(), "pip", "install", "--python", python, "conda-package-handling")
    wheels, channel = folder / "wheels", folder / "channel"
    options = ("--no-deps", "--only-binary=:all:", "--dest", wheels)
    quietly(python, "-m", "pip", "download", *options, *WHEELS)
    # Whoever is started by a large process counts as large as that.
    code = "import sys; from tests.benchmarks.transmute import make; make(*sys.argv[1:])"
    quietly("env", f"PYTHONPATH={Path.cwd()}", sys.executable, "-c", code, wheels, channel)
    for name in WHEELS:
        (new,) = (channel / "noarch").glob(f"{name}-*.conda")
        old = Path(str(new).replace(".conda", ".tar.bz2"))
        quietly(cph, "transmute", new, ".tar.bz2", "--out-folder", old.parent)
        for source, suffix in ((old, ".conda"), (new, ".tar.bz2")):
            sides = _sides(source, suffix, cph)
            compare(f"transmute {source.name} to {suffix}", sides, rounds=rounds)
            _compare_use(sides, folder / f"{name}{suffix}")


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
