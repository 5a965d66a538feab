"""Conda solves of real records, beside those of py-rattler."""

from __future__ import annotations

import json
import random
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.world.judging import Finding, Judged

if TYPE_CHECKING:
    from tests.world.machine import Machine

__all__ = ["VIRTUAL", "Records", "solved_directly"]

_ROOT = Path(__file__).parents[2]

_CHANNELS: dict[str, dict[str, tuple[str, ...]]] = {
    "conda-forge-sample": {"linux-64": ("3.10", "3.11", "3.12", "3.13")},
    "conda-forge-py39": {"linux-64": ("3.9",), "osx-arm64": ("3.9",)},
}
VIRTUAL = {
    "linux-64": ("__unix=0", "__linux=5.10", "__glibc=2.28", "__archspec=1=x86_64"),
    "osx-arm64": ("__unix=0", "__osx=13.0", "__archspec=1=m1"),
}


class Records:
    """Random requests for what the channels below `folder` hold."""

    def __init__(self, machine: Machine, folder: Path, seed: int) -> None:
        self._machine, self._folder, self._seed = machine, folder, seed

    @property
    def count(self) -> int:
        return sys.maxsize

    def judge(self, number: int) -> Judged:
        """Ask both, and compare."""
        chance = random.Random(f"{self._seed}:{number}")
        channel = chance.choice(["conda-forge-sample"] * 4 + ["conda-forge-py39"])
        platform = chance.choice(list(_CHANNELS[channel]))
        python = chance.choice(_CHANNELS[channel][platform])
        versions = self._versions[channel, platform]
        names = sorted(versions)
        asked = [
            _bounded(name, chance.choice(versions[name]), chance)
            for name in chance.sample(names, chance.choice([1, 1, 2, 3, 5]))
        ]
        return Judged(
            asked=f"#{number} {' '.join(asked)} (Python {python}, {channel}, {platform})",
            findings=[self._compared(channel, platform, python, asked)],
        )

    def _compared(self, channel: str, platform: str, python: str, asked: list[str]) -> Finding:
        url = (self._folder / channel).as_uri()
        words = ["--platform", platform, "--channel", url, "--python", python, "--json"]
        words += [word for one in asked for word in ("--conda", one)]
        words += [word for one in VIRTUAL[platform] for word in ("--sys", one)]
        done = self._machine.mfenv("resolve", *words)
        theirs = solved_directly(self._machine, url, platform, [f"python {python}.*", *asked])
        if done.returncode and "error" in theirs:
            return Finding(check="solve", verdict="equal")
        if done.returncode:
            return Finding(check="solve", verdict="fault", why=f"only mfenv fails: {done.stderr}")
        (env,) = json.loads(done.stdout)["environments"]
        ours = {one["url"] for one in env["packages"]}
        if "error" in theirs:
            why = f"only py-rattler fails: {theirs['error']}"
            return Finding(check="solve", verdict="fault", why=why)
        only = sorted(ours ^ set(theirs["urls"]))
        why = f"in one of the two answers only: {only}" if only else ""
        return Finding(check="solve", verdict="fault" if only else "equal", why=why)

    @cached_property
    def _versions(self) -> dict[tuple[str, str], dict[str, list[str]]]:
        """The versions of each package that a channel has for a platform."""
        return {
            (channel, platform): _read(self._folder / channel, platform)
            for channel, platforms in _CHANNELS.items()
            for platform in platforms
        }


def solved_directly(
    machine: Machine, channel: str, platform: str, specs: list[str]
) -> dict[str, Any]:
    """py-rattler's answer: `urls`, or an `error`."""
    question = {
        "channels": [channel],
        "platform": platform,
        "specs": specs,
        "virtual": [[*one.split("="), "0"][:3] for one in VIRTUAL[platform]],
    }
    done = machine.run(
        *(sys.executable, "-m", "tests.world.direct", "solve"),
        text=json.dumps(question),
        directory=_ROOT,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _read(channel: Path, platform: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for subdir in (platform, "noarch"):
        repodata: dict[str, Any] = json.loads((channel / subdir / "repodata.json").read_bytes())
        for kind in ("packages", "packages.conda"):
            for record in repodata.get(kind, {}).values():
                found.setdefault(record["name"], set()).add(record["version"])
    return {name: sorted(versions) for name, versions in found.items()}


def _bounded(name: str, version: str, chance: random.Random) -> str:
    numbers = version.split(".")
    forms = [name, name, f"{name}>={version}", f"{name}<={version}", f"{name}={version}"]
    if len(numbers) > 1 and all(one.isdecimal() for one in numbers):
        forms += [f"{name}={'.'.join(numbers[:2])}", f"{name}>={numbers[0]},<{int(numbers[0]) + 1}"]
    return chance.choice(forms)
