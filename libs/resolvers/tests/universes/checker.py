"""Whether a resolution is a solution of its universe, by the law that `oracle` has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reading import (
    accepts,
    added,
    allows_python,
    asked,
    markers_of,
    matches,
    name_of,
    pypi_name,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolvers.request import Resolution

    from .model import Held, Release, Universe

__all__ = ["problems"]


def problems(universe: Universe, platform: str, resolution: Resolution) -> list[str]:
    """What is wrong with a resolution of a universe for a platform, a line for each."""
    return list(_Checker(universe, platform, resolution).problems())


class _Checker:
    """Looks every requirement up in what is there."""

    def __init__(self, universe: Universe, platform: str, resolution: Resolution) -> None:
        self._universe, self._platform, self._resolution = universe, platform, resolution
        self._environment = markers_of(platform, resolution.python)
        known = {(one.name, one.version, one.build): one for one in universe.builds}
        offered = {(one.name, one.version): one for one in universe.releases}
        conda = [one for one in resolution.packages if one.kind == "conda"]
        pypi = [one for one in resolution.packages if one.kind == "pypi"]
        self._strangers = [
            one.filename
            for one in resolution.packages
            if (one.name, one.version, one.build) not in known
            and (one.kind == "conda" or (one.name, one.version) not in offered)
        ]
        self._twice = len({(one.kind, one.name) for one in resolution.packages}) < len(
            resolution.packages
        )
        self._builds = {
            one.name: build
            for one in conda
            if (build := known.get((one.name, one.version, str(one.build))))
        }
        self._subdirs = {one.name: str(one.subdir) for one in conda}
        self._releases = {
            one.name: release for one in pypi if (release := offered.get((one.name, one.version)))
        }
        self._held = {each.name: each for one in self._builds.values() for each in one.holds}

    def problems(self) -> Iterator[str]:
        if self._strangers:
            yield f"these are nowhere: {self._strangers}"
        if self._twice:
            yield "a package is there twice"
        yield from self._conda()
        yield from self._pypi()

    def _conda(self) -> Iterator[str]:
        universe, builds = self._universe, self._builds
        python = builds.get("python")
        if python is None or python.version != self._resolution.python:
            yield f"Python is {self._resolution.python}, and the package {python}"
        if not allows_python(universe, self._resolution.python):
            yield f"Python {self._resolution.python} is not {universe.python}"
        needed: set[str] = set()
        todo = [("the request", spec) for spec in ("python", *universe.conda)]
        while todo:
            who, spec = todo.pop()
            name = name_of(spec)
            if name not in builds:
                yield f"{who} needs `{spec}` of conda, and there is none"
            elif not matches(spec, builds[name].version):
                yield f"{who} needs `{spec}` of conda, and {builds[name].version} is there"
            elif name not in needed:
                needed.add(name)
                todo += [(name, one) for one in builds[name].depends]
        for name in builds.keys() - needed:
            yield f"conda's {name} is there, and nothing needs it"
        for name, build in builds.items():
            subdir = self._subdirs[name]
            if subdir not in build.subdirs or subdir not in (self._platform, "noarch"):
                yield f"conda's {name} comes from {subdir}"

    def _pypi(self) -> Iterator[str]:
        there: dict[str, Held | Release] = {**self._releases, **self._held}
        for name in self._releases.keys() & self._held.keys():
            yield f"{name} comes from both sides"
        for release in self._releases.values():
            if not runs(release, self._platform, self._resolution.python):
                yield f"`{release}` does not run here"
        for limit in asked(self._universe.constraints, self._environment):
            one = there.get(pypi_name(limit))
            if one and not accepts(limit, one.version):
                yield f"the constraint `{limit}` is not met by {one.version}"
        needed: set[tuple[str, str]] = set()
        requests = asked(self._universe.pypi, self._environment)
        todo = [("the request", one) for one in requests]
        while todo:
            who, requirement = todo.pop()
            name = pypi_name(requirement)
            one = there.get(name)
            if one is None:
                yield f"{who} needs `{requirement}` of PyPI, and there is none"
                continue
            version = f"{one.version}+conda" if name in self._held else one.version
            if not accepts(requirement, version):
                yield f"{who} needs `{requirement}` of PyPI, and {version} is there"
            for extra in ({"", *requirement.extras}) - {x for n, x in needed if n == name}:
                needed.add((name, extra))
                if extra or name in self._releases:
                    label = f"{name}[{extra}]"
                    todo += [(label, each) for each in added(one, extra, self._environment)]
        for name in self._releases.keys() - {name for name, _ in needed}:
            yield f"PyPI's {name} is there, and nothing needs it"
