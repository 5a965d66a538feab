"""Benchmarks against peers: `hatch run benchmark [NAME]... [--rounds N]`.

Prints a table of times and ratios for each. Nothing here gates anything.
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
from tests.benchmarks.timing import MFENV, Command, Side, compare, quietly
from tests.benchmarks.transmute import bzip2, transmute

UV = uv.find_uv_bin()
LARGE = ("jupyterlab", "scikit-learn", "matplotlib")


def main() -> None:
    local = (startup, resolve, create, solve, conda, transmute, bzip2)
    every = (*local, fetch, scale, metaflow, remote)
    known = {one.__name__: one for one in every}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    for name in asked.benchmarks:
        if name not in known:
            parser.error(f"no benchmark `{name}`; there are {', '.join(known)}")
    load = os.getloadavg()[0]
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {load:.2f}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["MFENV_BENCHMARK_DIR"] = name
        os.environ["MFENV_HOME"] = f"{name}/home"
        os.environ["MFENV_PYTHON_PROVIDER"] = "system"
        for one in asked.benchmarks or known:
            known[one](Path(name), asked.rounds)


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
        return ["env", f"MFENV_HOME={home}", MFENV, "resolve", "--force", "-r", request]

    def bare_uv(cache: Path) -> Command:
        options = ("--python-platform", "x86_64-manylinux_2_28", "--cache-dir", cache)
        return [UV, "pip", "compile", "--no-config", *options, "-o", "pylock.toml", request]

    def pip(cache: Path) -> Command:
        options = ("--dry-run", "--ignore-installed", "--report", "report.json")
        base = (_python_with_pip(folder), "-m", "pip", "--cache-dir", cache, "install", "--quiet")
        return [*base, *options, "-r", request]

    cold = [
        Side(name="mfenv resolve", command=lambda fresh: mfenv(fresh / "home")),
        Side(name="uv pip compile", command=lambda fresh: bare_uv(fresh / "cache")),
        Side(name="pip install --dry-run --report", command=lambda fresh: pip(fresh / "cache")),
    ]
    compare(f"resolve {', '.join(LARGE)}: cold", cold, rounds=min(rounds, 3))
    shared = folder / "shared"
    for command in (mfenv(shared), bare_uv(shared / "uv"), pip(shared / "pip")):
        quietly(*command)
    warm = [
        Side(name="mfenv resolve", command=lambda _: mfenv(shared)),
        Side(name="uv pip compile", command=lambda _: bare_uv(shared / "uv")),
        Side(name="pip install --dry-run --report", command=lambda _: pip(shared / "pip")),
    ]
    compare(f"resolve {', '.join(LARGE)}: warm", warm, rounds=rounds)

    def three(home: Path) -> Command:
        platforms = ("linux-64", "linux-aarch64", "osx-arm64")
        return [*mfenv(home), *(word for one in platforms for word in ("--platform", one))]

    quietly(*three(shared))
    sides = [
        Side(name="mfenv resolve, three platforms", command=lambda _: three(shared)),
        Side(name="mfenv resolve, one platform", command=lambda _: mfenv(shared)),
    ]
    compare("resolve for three platforms at once: warm", sides, rounds=rounds)


def create(folder: Path, rounds: int) -> None:
    request = folder / "create.in"
    request.write_text("\n".join(LARGE) + "\n")
    quietly(MFENV, "resolve", "-r", request, "--alias", "bench/large")
    model = folder / "model"
    quietly(MFENV, "create", "bench/large", "--prefix", model)
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
        Side(name="uv venv; uv pip install --offline", command=bare_uv),
        Side(name="cp -al", command=lambda fresh: ["cp", "-al", model, fresh / "env"]),
    ]
    files = sum(len(names) for _, _, names in os.walk(model))
    compare(f"create {len(wheels)} wheels, {files} files: warm", sides, rounds=rounds)


def _python_with_pip(folder: Path) -> Path:
    venv = folder / "pip-venv"
    if not venv.exists():
        quietly(sys.executable, "-m", "venv", venv)
    return venv / "bin" / "python"


if __name__ == "__main__":
    main()
