"""A spec as uv is asked for it, for one platform.

uv is started before `packaging` is there, so that what starts it needs none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from envid.requirements import normal_name
from resolvers._index import with_login
from resolvers._told_python import told_python
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from pathlib import Path

    from packaging.tags import Tag

    from envid.packages import BuiltFrom, Package
    from envid.spec import EnvSpec
    from resolvers._lock import File, UvPackage
    from resolvers._project_files import ProjectFiles
    from resolvers._python_bounds import PythonBounds
    from resolvers._stubs import Stubs
    from resolvers.pythons import Python
    from resolvers.request import Artifact, ResolveContext
    from resolvers.targets import Target

__all__ = [
    "LocalSource",
    "LocalWheel",
    "UvQuestion",
    "local_source",
    "named_package",
    "plain_requirement",
]

_LOCAL = re.compile(
    r"(?:(?P<name>[\w.-]+)(?P<extras>\[[^]]*\])? @ )?"
    r"file:(?P<file>[^#\s]*)(?:#sha256=(?P<digest>[0-9a-f]{64}))?"
    # Without a name to stand behind, extras stand behind the path.
    r"(?P<more>\[[^]]*\])?(?P<marker>.*)"
)


class LocalSource(NamedTuple):
    """A requirement that is a file or a directory; `url` is what the spec has for it."""

    url: str
    digest: str
    extras: str
    marker: str


class LocalWheel(NamedTuple):
    """The wheel that stands for a local source, and what it was built from unless it is that."""

    artifact: Artifact
    url: str
    origin: BuiltFrom | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UvQuestion:
    """What uv is asked.

    `wheels` maps the digest of each local source to the wheel that stands for it, `hashes` each
    package to those it may have, `stubs` are what conda has brought already. `projects` looks up
    what sources have beside uv's answers, `bounds` what that says of Python. `only_binary` must not be built; `pins` are further
    constraints. `released` versions are the only ones. Unless it is `final`, what another Python
    has a wheel for is not built.
    """

    spec: EnvSpec
    target: Target
    python: Python
    context: ResolveContext
    wheels: Mapping[str, LocalWheel]
    hashes: Mapping[str, tuple[str, ...]]
    lines: tuple[str, ...]
    projects: ProjectFiles
    bounds: PythonBounds
    final: bool
    stubs: Stubs | None = None
    only_binary: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    released: bool = False

    @classmethod
    def make(
        cls,
        spec: EnvSpec,
        target: Target,
        python: Python,
        context: ResolveContext,
        *,
        wheels: Mapping[str, LocalWheel],
        projects: ProjectFiles,
        bounds: PythonBounds,
        stubs: Stubs | None = None,
        final: bool = True,
    ) -> UvQuestion:
        """Ask for what the spec asks for."""
        requirements = spec.for_platform(target.platform).get("pypi", ())
        question = cls(
            spec=spec,
            target=target,
            python=python,
            context=context,
            wheels=wheels,
            hashes=dict(_hashes((*spec.constraints, *requirements))),
            lines=(),
            projects=projects,
            bounds=bounds,
            final=final,
            stubs=stubs,
        )
        # In a second step: a line is written by the question itself, which knows the wheels.
        return replace(
            question,
            lines=tuple(question.line(text) for text in requirements),
            pins=(
                *(question.line(text) for text in spec.constraints),
                *(f"{held.name}=={held.version}" for held in question.held if held.kind == "pypi"),
                *(stubs.pins if stubs else ()),
            ),
        )

    @property
    def held(self) -> tuple[Package, ...]:
        """The packages that must stay at their version."""
        return tuple(self.context.held.get(self.target.platform, ()))

    def held_as(self, package: UvPackage) -> Package | None:
        """The held package that a chosen one is."""
        # The same version of another commit is another package, and has a wheel of its own.
        commit = package.vcs.commit if package.vcs else None
        for held in self.held:
            own = held.built_from.commit if held.built_from else None
            if (
                held.name == package.name
                and package.version in (None, held.version)
                and commit == own
            ):
                return held
        return None

    def stable(self, locked: Iterable[UvPackage]) -> UvQuestion:
        """The question without pre-releases, unless an answer has some that it cannot do without."""
        from packaging.version import Version

        versions = [Version(package.version) for package in locked if package.version]
        # Of what has nothing but pre-releases uv takes one unasked; forbidden, there is no answer.
        return replace(self, released=not any(version.is_prerelease for version in versions))

    @property
    def ranks(self) -> Mapping[Tag, int]:
        """The wheel tags of the target."""
        return self.target.ranks(self.python.series)

    def line(self, text: str) -> str:
        """A requirement of the spec as uv takes it here."""
        local = local_source(text)
        if local:
            wheel = self.wheels[local.digest].artifact
            name = wheel.filename.split("-", 1)[0]
            return f"{name}{local.extras} @ {wheel.path.as_uri()}{local.marker}"
        plain = plain_requirement(text)
        name, at, url = plain.rpartition(" @ ") if " @ " in plain else ("", "", plain)
        if "://" not in url:
            return plain
        for package in self.held:
            url = _at_held_commit(url, package)
        # Put in last, for uv alone: neither the spec nor a message of ours has a login.
        return f"{name}{at}{with_login(url, self.context.credentials)}"

    def arguments(self, constraints: Path | None) -> list[str | Path]:
        """The arguments after `uv pip compile`; `constraints` is written where there are pins."""
        pinned: tuple[str | Path, ...] = ()
        if constraints and self.pins:
            constraints.write_text("\n".join(self.pins))
            pinned = ("--constraints", constraints)
        options = self.spec.options
        arguments: list[str | Path] = [
            # `tool.uv.sources` of a project would bring what neither its metadata nor the spec says.
            *("-", "--no-header", "--no-sources", *pinned),
            *("--python", self._interpreter()),
        ]
        if self.target.uv_platform:
            arguments += ["--python-platform", self.target.uv_platform]
        # The interpreter at hand only stands in for the version that is meant.
        if self.python.own:
            arguments += ["--python-version", self.python.version]
        if options.prereleases:
            arguments += ["--prerelease", "allow"]
        elif self.released:
            arguments += ["--prerelease", "disallow"]
        for name in options.no_binary:
            # A stub is a wheel, and the only file that there is of its version.
            if not self.is_there(name):
                arguments += ["--no-binary", name]
        # What conda brings is a wheel here, also where wheels are not wanted.
        stubs = self.stubs.by_name if self.stubs and ":all:" in options.no_binary else ()
        for name in (*options.only_binary, *self.only_binary, *stubs):
            arguments += ["--only-binary", name]
        return arguments

    def _interpreter(self) -> Path:
        if self.target.uv_platform and not self.python.free_threaded:
            return self.python.path
        return told_python(self.python, self.target, self.context.cache_dir / "interpreters")

    def is_there(self, name: str) -> bool:
        """Whether conda has brought a package already."""
        return self.stubs is not None and name in self.stubs.by_name

    def package_of(self, name: str) -> str:
        """The name of the package that brings a distribution: conda's may have another."""
        return self.stubs.by_name[name].package.name if self.stubs and self.is_there(name) else name

    def is_direct(self, name: str) -> bool:
        """Whether a package is asked for by a URL or a path."""
        return any(" @ " in line and named_package(line) == name for line in self.lines)

    def wheel(self, package: UvPackage) -> File | None:
        """The best wheel of a package that the target accepts and the spec allows."""
        if self.must_build(package.name) and not package.direct:
            return None
        from resolvers._lock import best_wheel

        return best_wheel(self.allowed(package.name, package.wheels), self.ranks)

    def allowed(self, name: str, files: Iterable[File]) -> tuple[File, ...]:
        """Those files that have one of the hashes given for the package, all if none is given."""
        # uv is not told of hashes: which file is taken is decided here.
        given = set(self.hashes.get(name, ()))
        return tuple(file for file in files if not given or given & set(file.digests))

    def must_build(self, name: str) -> bool:
        """Whether the spec forbids the wheels of a package."""
        return bool({name, ":all:"} & set(self.spec.options.no_binary))

    def origin(self, name: str, part: str = "") -> str | None:
        """The `file:line` of the first requirement for a package that has one, and `part` in it."""
        return next((where for text, where in self.asked({name}) if where and part in text), None)

    def asked(self, names: Container[str]) -> tuple[tuple[str, str | None], ...]:
        """The requirements and constraints for some packages, each with its origin."""
        return tuple(stated for stated in self.all_asked if named_package(stated[0]) in names)

    @property
    def all_asked(self) -> tuple[tuple[str, str | None], ...]:
        """All requirements and constraints for the platform, each with its origin."""
        own = self.spec.for_platform(self.target.platform).get("pypi", ())
        return tuple(
            (text, self.context.origins.get(text)) for text in (*own, *self.spec.constraints)
        )


def local_source(text: str) -> LocalSource | None:
    """What a requirement says of a local file or directory, None if it is none.

    Raises `UnsupportedRequest` if it has no digest, since a path alone does not say what is there.
    """
    match = _LOCAL.fullmatch(plain_requirement(text))
    if not match:
        return None
    if not match["digest"]:
        raise UnsupportedRequest(
            f"`{text}` does not say what the path holds", "end it with `#sha256=` and a digest"
        )
    return LocalSource(
        url=f"file:{match['file']}#sha256={match['digest']}",
        digest=match["digest"],
        extras=match["extras"] or match["more"] or "",
        marker=match["marker"],
    )


def plain_requirement(text: str) -> str:
    """A requirement without the `--hash` items behind it."""
    return text.split(" --hash=", 1)[0]


def _hashes(texts: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for text in texts:
        hashes = tuple(text.split(" --hash=")[1:])
        if hashes:
            yield named_package(text), hashes


def named_package(text: str) -> str:
    """The normal name of the package that a requirement starts with; empty where none does."""
    match = re.match(r"[\w.-]*\w", text)
    return normal_name(match[0]) if match else ""


def _at_held_commit(reference: str, held: Package) -> str:
    """A reference to a repository, at the commit that the held package was built from.

    One that names another commit outright stays as it is.
    """
    origin = held.built_from
    match = re.match(r"git\+([^#\s]+?)(?:@([^@/:#\s]*))?(?=[#\s]|$)", reference)
    if not origin or not origin.commit or not match or match[1] != origin.url:
        return reference
    # Digits that do not begin the held commit ask for another; a branch or a tag may have moved.
    asked = match[2] or ""
    if re.fullmatch(r"[0-9a-f]{7,40}", asked) and not origin.commit.startswith(asked):
        return reference
    return f"git+{origin.url}@{origin.commit}{reference[match.end() :]}"
