"""Whether an environment meets every PyPI requirement that there is in it; no engine is asked.

Every requirement of the request and of each PyPI package of the environment, with the markers of
the target, extras and extras of extras, must be met by a package that is there, at its own
version: a PyPI package, or a distribution that a conda package brings. So must the constraints and
each `Requires-Python`; and nothing may be there that nothing asks for. What conda packages require
of each other is conda's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from resolvers._markers import Markers
from resolvers._question import plain_requirement
from resolvers.metadata import read_requirement, read_specifiers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers.metadata import Metadata
    from resolvers.request import Resolution

__all__ = ["Checked", "Provided", "Required", "check"]

# A URL without a name, with extras and a marker behind it; a URL with a revision and a fragment.
_URL = re.compile(r"(\S+?)(\[[^]]*\])?( ;.*)?")
_PLACE = re.compile(r"(?:git\+)?([^#]+?)(?:@[^@/:#]*)?(?:#.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """A distribution that the conda package `package` brings; `metadata` where it was read."""

    name: str
    version: str
    package: str
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """A requirement that counts, as it is written, and the distribution that states it.

    `by` is None for the request, constraints included.
    """

    by: str | None
    text: str
    requirement: Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found: `problems` a line for each; `notes` of what nobody can read.

    `extras` are those that are asked of conda packages whose metadata is not known, each with who
    asks for it, by PyPI name. `required` is all that was checked.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    required: tuple[Required, ...]
    extras: Mapping[str, Mapping[str, str]]


def check(
    spec: EnvSpec,
    platform: str,
    chosen: Resolution,
    *,
    metadata: Mapping[str, Metadata],
    conda: Mapping[str, Provided],
    origins: Mapping[str, str] | None = None,
    overridden: Collection[str] = (),
    extras: Mapping[str, Collection[str]] | None = None,
) -> Checked:
    """Check what was chosen of a spec for a platform.

    `metadata` is that of each PyPI package that could be looked into, `conda` what the conda packages provide, both by
    normalised PyPI name; `origins` says where a requirement of the spec was written. Of `overridden`
    names, with a `*` for any, it is noted where what is there is not what another package requires.
    `extras` are those that a lock has of packages, by name, which the spec does not say.
    """
    run = _Check(spec, platform, chosen.python, chosen.packages, metadata, conda, origins or {})
    run.overridden = frozenset(overridden)
    run.all(extras or {})
    return Checked(
        problems=tuple(dict.fromkeys(run.problems)),
        notes=tuple(dict.fromkeys(run.notes)),
        required=tuple(run.required),
        extras=run.extras,
    )


@dataclass
class _Check:
    spec: EnvSpec
    platform: str
    python: str
    packages: Sequence[Package]
    metadata: Mapping[str, Metadata]
    conda: Mapping[str, Provided]
    origins: Mapping[str, str]
    overridden: frozenset[str] = frozenset()
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    required: list[Required] = field(default_factory=list)
    extras: dict[str, dict[str, str]] = field(default_factory=dict)

    def all(self, extras: Mapping[str, Collection[str]]) -> None:
        self.markers = Markers(self.platform, self.python)
        self.pypi = {package.name: package for package in self.packages if package.kind == "pypi"}
        # Each distribution and each extra of it once: requirements go round in circles.
        self.seen: set[tuple[str, str]] = set()
        self.todo: list[tuple[str, str]] = []
        for text in self.spec.for_platform(self.platform).get("pypi", ()):
            self._request(text)
        for name, own in extras.items():
            self._visit(name, own, "the lock")
        while self.todo:
            self._follow(*self.todo.pop())
        for text in self.spec.constraints:
            self._constraint(text)
        for name, package in self.pypi.items():
            if metadata := self.metadata.get(name):
                self._itself(package, metadata)
        if unknown := sorted(self.pypi.keys() - self.metadata.keys()):
            named = ", ".join(f"`{name}` {self.pypi[name].version}" for name in unknown)
            self.notes.append(
                f"these cannot be looked into, and what they require was not checked: {named}"
            )
        # What nobody could read may well be what asks for the rest.
        if not self.notes:
            self.problems += [
                f"`{package.name}` {package.version} is there, and nothing asks for it: the index"
                " describes a package otherwise than that does itself"
                for name, package in sorted(self.pypi.items())
                if (name, "") not in self.seen
            ]

    def _request(self, text: str) -> None:
        plain = plain_requirement(text)
        asked_by = self.origins.get(text) or "the request"
        if requirement := read_requirement(plain):
            if self.markers.hold(requirement):
                self.required.append(Required(by=None, text=text, requirement=requirement))
                self._require(requirement, f"`{plain}` ({asked_by})", asked_by)
            return
        # `packaging` reads no URL without a name: extras and marker are read with one that stands
        # for it.
        located = _URL.fullmatch(plain)
        requirement = located and read_requirement(f"x{located[2] or ''}{located[3] or ''}")
        if not located or not requirement:
            self.notes.append(f"`{plain}` cannot be read, and was not checked")
            return
        if not self.markers.hold(requirement):
            return
        place = _place(located[1])
        names = [
            name for name, package in self.pypi.items() if place in map(_place, _urls(package))
        ]
        if not names:
            self.problems.append(f"`{plain}` ({asked_by}) is not met: nothing comes from there")
        for name in names:
            self._visit(name, requirement.extras, asked_by)

    def _require(self, requirement: Requirement, what: str, asked_by: str) -> None:
        if problem := self._unmet(requirement):
            meant = self.overridden & {"*", canonicalize_name(requirement.name)}
            told = self.notes if meant else self.problems
            told.append(f"{what} is not met{', as the lock says' if meant else ''}: {problem}")
        self._visit(canonicalize_name(requirement.name), requirement.extras, asked_by)

    def _unmet(self, requirement: Requirement) -> str | None:
        """Why a requirement is not met, None where it is."""
        name = canonicalize_name(requirement.name)
        package, provided = self.pypi.get(name), self.conda.get(name)
        if package:
            there = f"`{name}` {package.version} is there"
            version = package.version
        elif provided:
            there = f"conda brings `{name}` {provided.version}, in `{provided.package}`"
            version = provided.version
        else:
            return f"there is no `{name}`"
        # A URL states no version: a wheel that was chosen lay there, and conda's package did not.
        if requirement.url:
            return None if package else there
        try:
            # Whether a pre-release may be chosen is no question here: it is there.
            fits = requirement.specifier.contains(Version(version), prereleases=True)
        except InvalidVersion:
            fits = not requirement.specifier
        return None if fits else there

    def _visit(self, name: str, extras: Collection[str], asked_by: str) -> None:
        for extra in ("", *map(canonicalize_name, extras)):
            if (name, extra) not in self.seen:
                self.seen.add((name, extra))
                self.todo.append((name, extra))
                provided = self.conda.get(name)
                if extra and name not in self.pypi and provided and not provided.metadata:
                    # The caller looks it up, and has what it needs chosen as well.
                    self.extras.setdefault(name, {}).setdefault(extra, asked_by)

    def _follow(self, name: str, extra: str) -> None:
        """Check what a package requires, or what an extra of it adds to that."""
        provided = self.conda.get(name)
        if package := self.pypi.get(name):
            metadata, label = self.metadata.get(name), f"`{name}` {package.version}"
        # Without an extra, what a conda package requires is conda's business.
        elif extra and provided:
            metadata, label = provided.metadata, f"conda's `{name}` {provided.version}"
        else:
            metadata, label = None, ""
        if metadata is None:
            return
        for text, requirement in metadata.requirements(extra):
            if requirement is None:
                self.notes.append(f"`{text}` of {label} cannot be read, and was not checked")
            elif self._counts(requirement, extra):
                self.required.append(Required(by=name, text=text, requirement=requirement))
                asked_by = f"{label}[{extra}]" if extra else label
                self._require(requirement, f"`{text}` of {asked_by}", asked_by)

    def _counts(self, requirement: Requirement, extra: str) -> bool:
        if extra:
            return self.markers.belongs(requirement, extra)
        return self.markers.hold(requirement)

    def _constraint(self, text: str) -> None:
        requirement = read_requirement(plain_requirement(text))
        if requirement is None or not self.markers.hold(requirement):
            return
        self.required.append(Required(by=None, text=text, requirement=requirement))
        name = canonicalize_name(requirement.name)
        # A constraint brings nothing: it says nothing of what is not there.
        if name in self.pypi or name in self.conda:
            origin = self.origins.get(text)
            said = f"the constraint `{text}`" + (f" ({origin})" if origin else "")
            if problem := self._unmet(requirement):
                self.problems.append(f"{said} is not met: {problem}")

    def _itself(self, package: Package, metadata: Metadata) -> None:
        """Whether a package is what it is taken for, and supports this Python."""
        label = f"`{package.name}` {package.version}"
        if metadata.name != package.name or not _same(metadata.version, package.version):
            self.problems.append(
                f"{label} says itself that it is `{metadata.name}` {metadata.version}"
                f" (`{package.filename}`)"
            )
        elif not _is_named(package.filename, metadata.version):
            self.problems.append(
                f"`{package.filename}` says itself that it is `{metadata.name}` {metadata.version}"
            )
        if metadata.requires_python is None:
            return
        specifiers = read_specifiers(metadata.requires_python)
        if specifiers is None:
            self.notes.append(
                f"`Requires-Python: {metadata.requires_python}` of {label} cannot be read"
            )
            return
        # What is said of 3.14 is meant of its previews as well.
        release = Version(self.python).base_version
        if not specifiers.contains(release, prereleases=True):
            self.problems.append(
                f"{label} needs Python `{metadata.requires_python}`, and {self.python} is there"
            )


def _is_named(filename: str, version: str) -> bool:
    """Whether a wheel has the file name of this version; uv believes what it says itself."""
    _, _, rest = unquote(filename).partition("-")
    return not filename.endswith(".whl") or _same(rest.partition("-")[0], version)


def _same(version: str, other: str) -> bool:
    try:
        return Version(version) == Version(other)
    except InvalidVersion:
        return version == other


def _urls(package: Package) -> Iterator[str]:
    """Where a package was asked for, if it was by a URL."""
    yield package.url
    if package.built_from:
        yield package.built_from.url


def _place(url: str) -> str:
    """The URL of a repository or file, whatever its state."""
    match = _PLACE.fullmatch(url)
    return match[1] if match else url
