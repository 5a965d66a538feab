"""How long reading takes, beside the bare parsers that the work rests on.

`python libs/reqparse/tests/bench_reqparse.py` prints milliseconds, the best of five, and the
ratio to packaging, PyYAML or tomllib reading the same text and doing nothing with it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from packaging.requirements import Requirement

import reqparse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

SHA = "ab" * 32
PINS = [f"package-{i}==1.{i}" for i in range(10_000)]
RANGES = [f"package-{i}[extra]>=1.{i},<2; python_version >= '3.9'" for i in range(10_000)]
HASHED = "".join(f"{pin} \\\n    --hash=sha256:{SHA} \\\n    --hash=sha256:{SHA}\n" for pin in PINS)
ENVIRONMENT = "dependencies:\n" + "".join(f"  - package-{i}=1.{i}\n" for i in range(10_000))
PIXI = (
    "version: 6\nenvironments:\n  default:\n    packages:\n      linux-64:\n"
    + "".join(f"      - conda: https://h.org/c/noarch/p-{i}-0.conda\n" for i in range(2000))
    + "packages:\n"
    + "".join(
        f"- conda: https://h.org/c/noarch/p-{i}-0.conda\n  sha256: {SHA}\n  size: 1\n"
        for i in range(2000)
    )
)
UV = "version = 1\n" + "".join(
    f'[[package]]\nname = "p{i}"\nversion = "1"\nsource = {{ registry = "https://h.org/s" }}\n'
    f'wheels = [\n    {{ url = "https://h.org/p{i}-1-py3-none-any.whl", hash = "sha256:{SHA}" }},\n]\n'
    for i in range(1000)
)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def best(work: Callable[[], object], times: int = 5) -> float:
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return min(durations) * 1000


def requirements(lines: list[str]) -> Callable[[], object]:
    return lambda: [Requirement(line) for line in lines]


CASES: dict[str, tuple[str, str, Callable[[], object]]] = {
    "10,000 pins": ("r.txt", "\n".join(PINS), requirements(PINS)),
    "10,000 ranges with extras and markers": ("r.txt", "\n".join(RANGES), requirements(RANGES)),
    "10,000 pins with 2 hashes each": ("r.txt", HASHED, requirements(PINS)),
    "environment.yml, 10,000 specs": (
        "environment.yml",
        ENVIRONMENT,
        lambda: yaml.load(ENVIRONMENT, LOADER),
    ),
    "pixi.lock, 2,000 packages": ("pixi.lock", PIXI, lambda: yaml.load(PIXI, LOADER)),
    "uv.lock, 1,000 packages": ("uv.lock", UV, lambda: tomllib.loads(UV)),
}


def importing(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(7)
    ]
    return min(float(run.stdout) for run in runs) * 1000


def main() -> None:
    print(f"{'what':40} {'reqparse':>10} {'bare':>10} {'ratio':>6}")
    ours, bare = importing("reqparse"), importing("packaging.requirements")
    print(
        f"{'import (bare: packaging.requirements)':40} {ours:8.1f}ms {bare:8.1f}ms {ours / bare:6.1f}"
    )
    with tempfile.TemporaryDirectory() as directory:
        for what, (name, text, peer) in CASES.items():
            path = Path(directory) / name
            path.write_text(text)
            ours, bare = best(lambda path=path: reqparse.parse_file(path, env={})), best(peer)  # type: ignore[misc]  # binds the loop's value
            print(f"{what:40} {ours:8.1f}ms {bare:8.1f}ms {ours / bare:6.1f}")


if __name__ == "__main__":
    main()
