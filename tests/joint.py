"""Mixed requests as people write them, on real data: `python -m tests.joint [NUMBER]...`.

Conda's side is the sample of conda-forge in ../shared/data, PyPI's the public index. For each
request a table shows what comes of conda's own choice alone, and of all choices: seconds, processes, rounds.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envid.spec import EnvSpec, Options, Source
from pkgcache.worker import Worker
from resolvers.errors import ResolveError
from resolvers.mixed import MixedResolver
from resolvers.request import ResolveContext

if TYPE_CHECKING:
    from resolvers.request import Resolution

__all__ = ["CHANNEL", "REQUESTS", "Asked", "answer"]

CHANNEL = Path(__file__).resolve().parents[2] / "shared/data/channels/conda-forge-sample"
PLATFORM = "linux-64"
# Both sides are as old as the sample, so that the table stays what it is.
_CUTOFF = "2026-09-01"


@dataclass(frozen=True)
class Asked:
    """What an environment.yml asks: its conda packages, its Python, and its `pip:` section.

    `moved` is a package of conda's that becomes another one than conda's newest, with the version
    that it becomes; None where there is no solution, and empty where Python alone moves.
    """

    conda: tuple[str, ...]
    pypi: tuple[str, ...]
    moved: tuple[str, str] | tuple[()] | None
    python: str = ">=3.10"


REQUESTS = (
    Asked(("numpy", "scipy"), ("gensim==4.3.3",), ("scipy", "1.13.1")),
    Asked(("numpy", "pandas"), ("numpy<2",), ("numpy", "1.26.4")),
    Asked(("pandas",), ("great-expectations==1.3.0",), ("pandas", "2.1.4")),
    Asked(("protobuf",), ("grpcio-tools==1.60.0",), ("protobuf", "4.25.3"), "==3.12.*"),
    Asked(("pydantic", "fastapi"), ("pydantic<2.11",), ("pydantic", "2.10.6")),
    Asked(("sqlalchemy", "pandas"), ("sqlalchemy<2.0.40",), ("sqlalchemy", "2.0.38")),
    Asked(("setuptools", "pip"), ("setuptools<81",), ("setuptools", "80.10.2")),
    Asked(("numpy",), ("numba==0.60.0",), ("numpy", "2.0.2")),
    Asked(("urllib3", "requests"), ("botocore==1.31.0",), ("urllib3", "1.26.20")),
    Asked(("httpx",), ("openai==1.55.0", "httpx<0.28"), ("httpx", "0.27.2")),
    Asked(("packaging",), ("streamlit==1.40.0",), ("packaging", "24.2")),
    Asked(("jsonschema", "jupyterlab"), ("jsonschema<4.24",), ("jsonschema", "4.23.0")),
    Asked(("scikit-learn",), ("pycaret==3.3.2",), ("scikit-learn", "1.4.2")),
    Asked(("fsspec",), ("datasets==3.1.0",), ("fsspec", "2024.9.0")),
    Asked(("pytorch", "numpy"), ("numpy<2", "torchmetrics"), ("numpy", "1.26.4")),
    Asked(("aiohttp", "fsspec"), ("fsspec[http]==2024.6.1",), ("fsspec", "2024.6.1")),
    Asked(("protobuf",), ("onnx==1.15.0",), ()),
    Asked(("numpy>=2",), ("gensim==4.3.3",), None),
    Asked(("protobuf>=5",), ("grpcio-tools==1.60.0",), None),
    Asked(("pandas>=3",), ("pandas<3",), None),
)


@dataclass
class Answer:
    """What came of a request, or why nothing did: other choices of conda's that were tried, seconds."""

    resolution: Resolution | None
    error: ResolveError | None
    rounds: int
    processes: int
    seconds: float

    def version(self, name: str) -> str | None:
        packages = self.resolution.packages if self.resolution else ()
        return next((one.version for one in packages if one.name == name), None)


class _Rounds(logging.Handler):
    """Counts what is logged of a search: a line for each round."""

    rounds = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.rounds += record.getMessage().startswith("round ")


def answer(asked: Asked, worker: Worker, folder: Path, *, rounds: int) -> Answer:
    """Resolve a request with so many choices of conda's beside the first."""
    spec = EnvSpec.make(
        requirements={"conda": asked.conda, "pypi": asked.pypi},
        python=asked.python,
        sources=[Source.make("channel", CHANNEL.as_uri()), Source.make("index", "pypi")],
        options=Options.make(exclude_newer=_CUTOFF),
    )
    solves: list[str] = []
    context = ResolveContext(cache_dir=folder, joint_rounds=rounds, on_process=solves.append)
    heard, log = _Rounds(), logging.getLogger("resolvers._joint")
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    start = time.monotonic()
    try:
        resolution = MixedResolver(worker).resolve(spec, [PLATFORM], context)[PLATFORM]
        error = None
    except ResolveError as found:
        resolution, error = None, found
    finally:
        log.removeHandler(heard)
    return Answer(resolution, error, heard.rounds, len(solves), time.monotonic() - start)


def main() -> int:
    numbers = [int(text) for text in sys.argv[1:]] or range(len(REQUESTS))
    with tempfile.TemporaryDirectory() as folder, Worker() as worker:
        for number in numbers:
            asked = REQUESTS[number]
            alone = answer(asked, worker, Path(folder), rounds=0)
            joint = answer(asked, worker, Path(folder), rounds=50)
            print(f"{number}. {' '.join(asked.conda)} | {' '.join(asked.pypi)}")
            print(f"   alone {alone.seconds:.1f} s {alone.processes}: {alone.error or 'solves'}")
            print(
                f"   joint {joint.seconds:.1f} s {joint.processes} in {joint.rounds} rounds: {joint.error or ''}"
            )
            for note in joint.resolution.notes if joint.resolution else ():
                print(f"      {note}")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
