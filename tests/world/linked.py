"""The files of real conda packages, as mfenv links them and as py-rattler does."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tests.world.judging import Finding, Judged

from envid.packages import Package
from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec
from pkgcache.errors import PkgcacheError
from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.conda_prefix import create_conda_env

if TYPE_CHECKING:
    from tests.world.judging import Verdict
    from tests.world.machine import Machine

__all__ = ["LinkedPackages"]

_ROOT = Path(__file__).parents[2]
_FOLDERS = (
    "both-formats/linux-64",
    "clobber",
    "cph/tests/data",
    "link-scripts",
    "test-recipes/noarch",
)
_SUFFIX = re.compile(r"\.(conda|tar\.bz2)$")
# What each of the two writes for itself, or for its own way to link scripts.
_OWN = re.compile(r"CACHEDIR\.TAG|conda-meta/.*|\.mfenv.*|__clobbers__/.*|.*/?__pycache__(/.*)?")


class LinkedPackages:
    """Every package below `folder` alone, then those that share the beginning of their names."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self._machine, self._folder = machine, folder

    @cached_property
    def groups(self) -> list[tuple[Path, ...]]:
        archives = [
            path
            for name in _FOLDERS
            for path in sorted((self._folder / name).iterdir())
            if _SUFFIX.search(path.name)
        ]
        families: dict[str, dict[str, Path]] = defaultdict(dict)
        for path in archives:
            name = _stem(path)[0]
            if name.startswith("clobber"):
                families[re.sub(r"-(\d|a|b)(-.*)?$", "", name)].setdefault(name, path)
        return [
            *((path,) for path in archives),
            *(tuple(family.values()) for family in families.values() if len(family) > 1),
        ]

    @property
    def count(self) -> int:
        return len(self.groups)

    def judge(self, number: int) -> Judged:
        """Have both link a group, and compare what is there."""
        group = self.groups[number]
        with tempfile.TemporaryDirectory() as name:
            # Of one length, since the prefix is written into binaries.
            work = Path(name).resolve()
            found = self._compared(group, work / "a/env", work / "b/env", work)
        return Judged(asked=" ".join(path.name for path in group), findings=[found])

    def _compared(self, group: tuple[Path, ...], ours: Path, theirs: Path, work: Path) -> Finding:
        archives = [*group, *self._python(group)]
        cache = PackageCache(work / "cache")
        packages = [_added(cache, path) for path in archives]
        found = {host_platform(): (self._machine.versions["3.11"], packages)}
        (env,) = ResolvedEnv.co_resolve(
            EnvSpec.make(requirements={}, python="3.11"), found, resolved_by="world"
        )
        question = {
            "archives": [str(path) for path in archives],
            "prefix": str(theirs),
            "platform": host_platform(),
        }
        done = self._machine.run(
            *(sys.executable, "-m", "tests.world.direct", "install"),
            text=json.dumps(question),
            directory=_ROOT,
        )
        try:
            linked = create_conda_env(env, ours, cache=cache)
        except PkgcacheError as error:
            verdict: Verdict = "explained" if done.returncode else "fault"
            why = f"{'both refuse it' if done.returncode else 'only mfenv refuses it'}: {error}"
            return Finding(check="link", verdict=verdict, why=why)
        if done.returncode:
            why = f"only py-rattler fails: {done.stderr[-500:]}"
            return Finding(check="link", verdict="fault", why=why)
        mine, other = _content(ours), _content(theirs)
        fought = {one.path for one in linked.clobbers}
        differing = sorted(
            path
            for path in mine.keys() | other.keys()
            if mine.get(path) != other.get(path) and not _is_of(path, fought)
        )
        if differing:
            told = {path: [path in mine, path in other] for path in differing[:20]}
            return Finding(check="link", verdict="fault", why=f"there in ours, theirs: {told}")
        if fought:
            why = f"several bring {sorted(fought)}, of which each keeps another"
            same = mine == other
            return Finding(check="link", verdict="equal" if same else "explained", why=why)
        return Finding(check="link", verdict="equal")

    def _python(self, group: tuple[Path, ...]) -> list[Path]:
        """A Python of this machine for packages that need one, and have none."""
        names = [_stem(path)[0] for path in group]
        if "python" in names or not any("py" in path.name for path in group):
            return []
        channel = self._machine.channel
        (python,) = (channel / host_platform()).glob(
            f"python-{self._machine.versions['3.11']}-*.conda"
        )
        return [python]


def _is_of(path: str, fought: set[str]) -> bool:
    """Whether packages fought over a path, or over one above it that is a file to one of them."""
    return any(path == one or path.startswith(f"{one}/") for one in fought)


def _stem(path: Path) -> list[str]:
    return _SUFFIX.sub("", path.name).rsplit("-", 2)


def _added(cache: PackageCache, archive: Path) -> Package:
    name, version, build = _stem(archive)
    artifact = cache.add(archive, archive.name)
    return Package.make(
        kind="conda",
        name=name,
        version=version,
        build=build,
        filename=archive.name,
        url=f"https://channel.test/{host_platform()}/{archive.name}",
        sha256=artifact.sha256,
        size=artifact.size,
    )


def _content(prefix: Path) -> dict[str, bytes]:
    """Each file and link of a prefix with what it holds, whatever the prefix is called."""
    found = {}
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = Path(folder) / name
            relative = str(path.relative_to(prefix))
            if _OWN.fullmatch(relative):
                continue
            data = bytes(path.readlink()) if path.is_symlink() else path.read_bytes()
            found[relative] = data.replace(os.fsencode(prefix), b"<prefix>")
    return found
