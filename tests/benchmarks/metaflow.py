"""What environments cost flows: of five steps where everything is known, and of ten where nothing is."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING

import uv
from tests.benchmarks.timing import Side, compare, quietly
from tests.channel import ChannelServer, cached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.benchmarks.timing import Command

_PACKAGES = ("colours", "shared", "six", "pytool", "rich", "click", "idna", "wheel", "left", "pip")
_PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64")
_PEER = "metaflow-netflixext"


def metaflow(folder: Path, rounds: int) -> None:
    """Time whole commands: known environments, new ones, new ones of four platforms, and peers."""
    two, five, ten = (_flow(folder / f"flow{count}", _PACKAGES[:count]) for count in (2, 5, 10))
    root = folder / "channels"
    root.mkdir()
    # The peer wants a channel of this name.
    (root / "conda-forge").symlink_to(cached().main)
    with ChannelServer(root) as server:
        os.environ |= {
            "CONDA_CHANNELS": f"{server.url}/conda-forge",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder / "datastore"),
            "METAFLOW_USER": "bench",
            "MFENV_PYTHON_PROVIDER": "conda",
        }
        known = Side(
            name="one known environment, created", command=lambda _: _words(five, "conda", "run")
        )
        plain = Side(name="no environments", command=lambda _: _words(five, "local", "run"))
        compare("metaflow: run of five steps", [known, plain], rounds=rounds)
        rounds = min(rounds, 3)
        quietly("env", "EVERY=1", *_words(ten, "conda", "run"))
        resolving = ("environment", "resolve")
        four = (*resolving, *(word for one in _PLATFORMS for word in ("--arch", one)))
        sides = [
            _new("ten environments, four platforms", ten, *four),
            _new("ten environments, one platform", ten, *resolving),
            Side(name="show, no environments", command=lambda _: _words(ten, "local", "show")),
        ]
        compare("metaflow: environment resolve of ten steps, cold", sides, rounds=rounds)
        peers = list(_peers(folder))
        sides = [
            _new("two environments: resolve", two, *resolving),
            *(peer(two, *resolving) for peer in peers if peer is not _own),
        ]
        compare("metaflow: environment resolve of two steps, cold", sides, rounds=rounds)
        sides = [
            _new("two environments: resolve, create, run", two, "run"),
            Side(name="no environments", command=lambda _: _words(two, "local", "run")),
            *(peer(two, "run") for peer in peers),
        ]
        compare("metaflow: run of two steps, cold", sides, rounds=rounds)
        sides = [
            _new("ten environments: resolve, create, run", ten, "run"),
            Side(
                name="ten environments, known and created",
                command=lambda _: _words(ten, "conda", "run"),
                environ={"EVERY": "1"},
            ),
            Side(name="no environments", command=lambda _: _words(ten, "local", "run")),
            *(peer(ten, "run") for peer in peers),
        ]
        compare("metaflow: run of ten steps, cold", sides, rounds=rounds)


def _words(
    flow: Path, environment: str, *words: str, python: Path | str = sys.executable
) -> Command:
    return [python, flow, "--no-pylint", f"--environment={environment}", *words]


def _new(name: str, flow: Path, *words: str) -> Side:
    return Side(
        name=name,
        command=lambda fresh: ["env", f"MFENV_HOME={fresh}/home", *_words(flow, "conda", *words)],
        environ={"EVERY": "1"},
    )


def _peers(folder: Path) -> Iterator[Callable[..., Side]]:
    """Metaflow's own `@conda`, and the other extension, which both need micromamba."""
    if not shutil.which("micromamba"):
        print("\nmetaflow: its own @conda and metaflow-netflixext left out, no micromamba on PATH")
        return
    (folder / "nothing").mkdir()
    yield _own
    venv = folder / "peer"
    quietly(uv.find_uv_bin(), "venv", "--python", sys.executable, venv)
    packages = ("metaflow", "requests", f"{_PEER}==1.3.17")
    quietly(uv.find_uv_bin(), "pip", "install", "--python", venv, *packages)
    resolver = {"METAFLOW_CONDA_DEPENDENCY_RESOLVER": "micromamba", "METAFLOW_CONDA_TEST": "1"}
    yield partial(_peer, _PEER, venv / "bin" / "python", resolver)


def _own(flow: Path, *words: str) -> Side:
    # Without ours, which takes its place.
    nothing = str(flow.parent.parent / "nothing")
    environ = {"METAFLOW_EXTENSIONS_SEARCH_DIRS": nothing}
    return _peer("Metaflow's own @conda", sys.executable, environ, flow, *words)


def _peer(
    name: str, python: Path | str, environ: Mapping[str, str], flow: Path, *words: str
) -> Side:
    """A peer in a fresh home, with the channel as micromamba's default one."""
    url = os.environ["CONDA_CHANNELS"]
    alias, _, channel = url.rpartition("/")

    def command(fresh: Path) -> Command:
        for file in (".condarc", ".mambarc"):
            (fresh / file).write_text(f"channel_alias: {alias}\nchannels: [{channel}]\n")
        return [
            *("env", f"HOME={fresh}", f"MAMBA_ROOT_PREFIX={fresh}/mamba"),
            f"METAFLOW_CONDA_LOCALROOT={fresh}/store",
            *_words(flow, "conda", *words, python=python),
        ]

    return Side(name=name, command=command, environ={"EVERY": "1", **environ})


def _flow(folder: Path, packages: tuple[str, ...]) -> Path:
    """A flow of a step for each package, which asks for it if `EVERY` is set, and does nothing."""
    names = ["start", *(f"s{number}" for number in range(1, len(packages) - 1)), "end"]
    lines = ["import os", "from metaflow import FlowSpec, conda, step", ""]
    lines += ["def needs(**libraries):", "    deco = conda(libraries=libraries)"]
    lines += ["    return deco if os.environ.get('EVERY') else lambda found: found", ""]
    lines += ["class Bench(FlowSpec):"]
    for name, then, package in zip(names, (*names[1:], None), packages, strict=True):
        body = f"self.next(self.{then})" if then else "pass"
        lines += [f"    @needs({package}='')", "    @step", f"    def {name}(self): {body}"]
    folder.mkdir()  # of its own: it goes into the code package
    path = folder / "flow.py"
    path.write_text("\n".join([*lines, "Bench()", ""]))
    return path
