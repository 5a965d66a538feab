"""Benchmarks against peers: `hatch run benchmark [NAME]... [--rounds N]`.

Prints a table of times and ratios for each. Nothing here gates anything. What one run found goes into
a file (`--json`), next to which another can be put (`--compare`) and from which the README's table is
made (`--readme`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

import uv
from tests.benchmarks.conda import conda, solve
from tests.benchmarks.fetch import fetch
from tests.benchmarks.metaflow import metaflow
from tests.benchmarks.remote import remote
from tests.benchmarks.scale import scale
from tests.benchmarks.table import TABLE, Table
from tests.benchmarks.timing import MFENV, Command, Side, apart, compare, quietly
from tests.benchmarks.transmute import bzip2, transmute

UV = uv.find_uv_bin()
ROOT = Path(__file__).parent.parent.parent
# Of all sides, whichever Pythons the machine has.
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LARGE = ("jupyterlab", "scikit-learn", "matplotlib")


def main() -> None:
    local = (startup, resolve, create, solve, conda, transmute, bzip2)
    every = (*local, fetch, scale, metaflow, remote)
    known = {one.__name__: one for one in every}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="comparisons with it in their title"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="of an earlier --json")
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="run nothing: make the README's table of it"
    )
    asked = parser.parse_args()
    if asked.readme:
        readme = ROOT / "README.md"
        readme.write_text(Table.read(asked.readme).in_readme(readme.read_text()))
        return
    for name in asked.benchmarks:
        if name not in known:
            parser.error(f"no benchmark `{name}`; there are {', '.join(known)}")
    earlier = asked.compare and Table.read(asked.compare)
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    TABLE.machine, TABLE.only = f"{system}, {os.cpu_count()} cores", asked.only
    print(f"{TABLE.machine}, load {os.getloadavg()[0]:.2f}", flush=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is where programs are used
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MFENV_BENCHMARK_DIR"] = folder
        os.environ["MFENV_HOME"] = f"{folder}/home"
        os.environ["MFENV_PYTHON_PROVIDER"] = "system"
        try:
            for one in asked.benchmarks or known:
                known[one](Path(folder), asked.rounds)
        finally:
            if asked.json:
                TABLE.write(asked.json)
    if earlier:
        print(f"\nnext to {asked.compare}, on {earlier.machine}")
        print(*TABLE.beside(earlier), sep="\n")


def startup(_: Path, rounds: int) -> None:
    quietly(MFENV, "resolve", "--pypi", "rich", "--alias", "bench/small")
    sides = [
        Side(name="mfenv --help", command=lambda _: [MFENV, "--help"]),
        Side(
            name="python -c 'import click'",
            command=lambda _: [sys.executable, "-c", "import click"],
        ),
    ]
    compare("start-up: help", sides, rounds=rounds * 3)
    sides[0] = Side(name="mfenv show ENV", command=lambda _: [MFENV, "show", "bench/small"])
    compare("start-up: a known environment", sides, rounds=rounds * 3)
    sides[0] = Side(
        name="mfenv resolve, known", command=lambda _: [MFENV, "resolve", "--pypi", "rich"]
    )
    compare("start-up: a known request", sides, rounds=rounds * 3)


def resolve(folder: Path, rounds: int) -> None:
    request = folder / "requirements.in"
    request.write_text("\n".join(LARGE) + "\n")

    def mfenv(home: Path) -> Command:
        words = ("resolve", "--force", "--python", PYTHON, "-r", request)
        return ["env", f"MFENV_HOME={home}", MFENV, *words]

    def bare_uv(cache: Path) -> Command:
        options = ("--python-platform", "x86_64-manylinux_2_28", "--cache-dir", cache)
        python = ("--python", sys.executable)
        return [
            UV,
            "pip",
            "compile",
            "--no-config",
            *options,
            *python,
            "-o",
            "pylock.toml",
            request,
        ]

    def pip(cache: Path) -> Command:
        options = ("--dry-run", "--ignore-installed", "--report", "report.json")
        base = (_python_with_pip(folder), "-m", "pip", "--cache-dir", cache, "install", "--quiet")
        return [*base, *options, "-r", request]

    cold = [
        Side(name="mfenv resolve", command=lambda fresh: mfenv(fresh / "home")),
        Side(name="uv pip compile", command=lambda fresh: bare_uv(fresh / "cache")),
        Side(name="pip install --dry-run --report", command=lambda fresh: pip(fresh / "cache")),
    ]
    compare("resolve 105 packages, cold", cold, rounds=min(rounds, 3), detail=", ".join(LARGE))
    shared = folder / "shared"
    for command in (mfenv(shared), bare_uv(shared / "uv"), pip(shared / "pip")):
        quietly(*command)
    warm = [
        Side(name="mfenv resolve", command=lambda _: mfenv(shared)),
        Side(name="uv pip compile", command=lambda _: bare_uv(shared / "uv")),
        Side(name="pip install --dry-run --report", command=lambda _: pip(shared / "pip")),
    ]
    compare("resolve 105 packages, warm", warm, rounds=rounds, detail=", ".join(LARGE))

    def three(home: Path) -> Command:
        platforms = ("linux-64", "linux-aarch64", "osx-arm64")
        return [*mfenv(home), *(word for one in platforms for word in ("--platform", one))]

    quietly(*three(shared))
    sides = [
        Side(name="mfenv resolve, three platforms", command=lambda _: three(shared)),
        Side(name="one platform", command=lambda _: mfenv(shared)),
    ]
    compare("resolve for three platforms at once, warm", sides, rounds=rounds)


def create(folder: Path, rounds: int) -> None:
    request = folder / "create.in"
    request.write_text("\n".join(LARGE) + "\n")
    quietly(MFENV, "resolve", "--python", PYTHON, "-r", request, "--alias", "bench/large")
    model = folder / "model"
    quietly(MFENV, "create", "bench/large", "--prefix", model)
    model = apart(model)
    wheels = sorted(str(one) for one in Path(os.environ["MFENV_HOME"], "cache").rglob("*.whl"))
    cache = folder / "uv"
    offline = ("--offline", "--no-index", "--no-deps", "--no-config", "--cache-dir", cache)

    def bare_uv(fresh: Path) -> Command:
        script = fresh / "install.sh"
        listed = fresh / "wheels.txt"
        listed.write_text("\n".join(wheels))
        words = " ".join(str(word) for word in offline)
        script.write_text(
            f"set -e\n{UV} venv --quiet --python {sys.executable} {fresh}/env\n"
            f"{UV} pip install --quiet {words} --python {fresh}/env/bin/python -r {listed}\n"
        )
        return ["sh", script]

    quietly(*bare_uv(Path(tempfile.mkdtemp(dir=folder))))
    sides = [
        Side(
            name="mfenv create",
            command=lambda fresh: [MFENV, "create", "bench/large", "--prefix", fresh / "env"],
        ),
        Side(name="uv venv, uv pip install --offline", command=bare_uv),
        Side(name="cp -al", command=lambda fresh: ["cp", "-al", model, fresh / "env"]),
    ]
    files = sum(len(names) for _, _, names in os.walk(model))
    detail = f"{len(wheels)} wheels, {files} files"
    compare("create from wheels, warm", sides, rounds=rounds, detail=detail)


def _python_with_pip(folder: Path) -> Path:
    venv = folder / "pip-venv"
    if not venv.exists():
        quietly(sys.executable, "-m", "venv", venv)
    return venv / "bin" / "python"


if __name__ == "__main__":
    main()
