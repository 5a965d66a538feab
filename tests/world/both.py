"""PyPI packages beside real conda records: everything that is required is there, and nothing else.

The judge is uv: held to the versions of the answer, it must find the same PyPI packages, where what
conda brings is known by what public lock files say of such builds.
"""

from __future__ import annotations

import json
import random
import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from tests.world.asking import Ask
from tests.world.judging import Finding, Judged
from tests.world.records import VIRTUAL, solved_directly

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.world.asking import Known
    from tests.world.machine import Machine

__all__ = ["Both"]

_CHANNEL = "conda-forge-sample"
_PLATFORM = "linux-64"
_PYTHONS = ("3.11", "3.12", "3.13")


class Both:
    """Random requests for what the sample of conda-forge below `folder` has, and for PyPI packages."""

    def __init__(
        self, machine: Machine, folder: Path, packages: Mapping[str, Known], seed: int, moment: str
    ) -> None:
        self._machine, self._folder, self._packages = machine, folder, packages
        self._seed, self._moment = seed, moment

    @property
    def count(self) -> int:
        return sys.maxsize

    def judge(self, number: int) -> Judged:
        """Ask, and have uv look for what is required."""
        chance = random.Random(f"{self._seed}:{number}")
        conda = chance.sample(self._pythonic, chance.choice([1, 1, 2]))
        names = [name for name in sorted(self._packages) if name not in conda]
        pypi = [
            f"{name}[{chance.choice(extras)}]"
            if (extras := self._packages[name].extras) and chance.random() < 0.5
            else name
            for name in chance.sample(names, chance.choice([1, 2, 3]))
        ]
        ask = Ask(
            number=number,
            kind="both",
            requirements=tuple(pypi),
            python=chance.choice(_PYTHONS),
            provider="conda",
            platforms=(_PLATFORM,),
            moment=self._moment,
        )
        asked = f"#{number} conda {' '.join(conda)}, PyPI {' '.join(pypi)} (Python {ask.python})"
        return Judged(asked=asked, findings=[self._compared(ask, conda)])

    def _compared(self, ask: Ask, conda: list[str]) -> Finding:
        channel = (self._folder / "channels" / _CHANNEL).as_uri()
        words = ["--channel", channel, "--json"]
        words += [word for one in VIRTUAL[_PLATFORM] for word in ("--sys", one)]
        words += ["--python", ask.python, "--exclude-newer", ask.moment]
        words += [word for one in conda for word in ("--conda", one)]
        words += [word for one in ask.requirements for word in ("--pypi", one)]
        done = self._machine.mfenv("resolve", *words)
        if done.returncode:
            specs = [f"python {ask.python}.*", *conda]
            if "error" in solved_directly(self._machine, channel, _PLATFORM, specs):
                return Finding(check="both", verdict="equal")
            # There are records of packages here, and no packages.
            why = f"mfenv says: {done.stderr[-1500:]}"
            known = "nothing says which PyPI packages" in why or "cannot download `file:" in why
            return Finding(check="both", verdict="explained" if known else "fault", why=why)
        (env,) = json.loads(done.stdout)["environments"]
        ours = {one["name"]: one["version"] for one in env["packages"] if one["kind"] == "pypi"}
        brought = self._brought(env)
        held = {**brought, **ours}
        answer = self._machine.compile(
            ask,
            _PLATFORM,
            constraints=[f"{name}=={version}" for name, version in held.items()],
            python=env["python"],
        )
        absent = re.findall(r"no version of ([\w.-]+)==", answer.error)
        if any(canonicalize_name(name) in brought for name in absent):
            why = f"the index does not have conda's version of {', '.join(absent)}"
            return Finding(check="both", verdict="explained", why=why)
        if answer.error:
            why = f"uv refuses what was found: {answer.error[-1500:]}"
            return Finding(check="both", verdict="fault", why=why)
        asked = {canonicalize_name(Requirement(one).name) for one in ask.requirements}
        lacking = sorted(answer.versions.keys() - held.keys())
        idle = sorted(ours.keys() - answer.versions.keys())
        twice = sorted(ours.keys() & brought.keys() - asked)
        why = "; ".join(
            f"{what}: {', '.join(names)}"
            for what, names in (("lacks", lacking), ("nothing needs", idle), ("twice", twice))
            if names
        )
        return Finding(check="both", verdict="fault" if why else "equal", why=why)

    def _brought(self, env: Mapping[str, Any]) -> dict[str, str]:
        """The distributions that the conda packages of an environment bring."""
        found: dict[str, str] = {}
        for package in env["packages"]:
            if package["kind"] != "conda":
                continue
            try:
                version = str(Version(package["version"]))
            except InvalidVersion:
                continue
            name = package["name"]
            own = [name] if name in (self._table.get(name) or ()) else []
            lists = [entry["pypi"] for entry in self._names.get(name, ())] or [own]
            # Longer lists have what a package only vendors: setuptools has no typing-extensions.
            for brought in (one if len(one) < 2 else own for one in lists):
                found |= {str(canonicalize_name(one)): version for one in brought}
        return found

    @cached_property
    def _names(self) -> dict[str, list[dict[str, Any]]]:
        path = self._folder / "names/purls-by-build.json"
        found: dict[str, list[dict[str, Any]]] = json.loads(path.read_bytes())
        return found

    @cached_property
    def _table(self) -> dict[str, list[str] | None]:
        """Which PyPI names a conda package may have, for those that no lock file tells of."""
        path = self._folder / "names/conda-forge-to-pypi.json"
        found: dict[str, list[str] | None] = json.loads(path.read_bytes())
        return found

    @cached_property
    def _pythonic(self) -> list[str]:
        """The packages of the sample that bring a distribution of their own name, and one alone."""
        folder = self._folder / "channels" / _CHANNEL
        there: set[str] = set()
        for subdir in (_PLATFORM, "noarch"):
            repodata = json.loads((folder / subdir / "repodata.json").read_bytes())
            there |= {one["name"] for one in repodata["packages.conda"].values()}
        return sorted(
            name
            for name, entries in self._names.items()
            if name in there and all(entry["pypi"] == [name] for entry in entries)
        )
