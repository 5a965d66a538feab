"""What was selected of locks, as the words of a spec and as packages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from envid.errors import InvalidDescription, InvalidRequirement
from envid.packages import Package
from envid.requirements import normalize
from mfenv.errors import Contradiction, InvalidRequest
from resolvers.pinned import PinnedSource, Pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pkgcache.web.credentials import Credentials
    from reqparse import Lock, LockedArtifact, LockedPackage
    from reqparse.selecting import Selected

__all__ = ["PinnedPlatform", "pin"]

# The order in which one of several hashes stands for a file.
_HASHES = ("sha256", "sha512", "sha384", "sha3_256", "blake2b", "sha224", "sha1", "md5")
_STRONG = ("sha256:", "sha384:", "sha512:")


@dataclass
class PinnedPlatform:
    """What locks have for a platform: `texts` for the spec by category, and the packages."""

    texts: dict[str, list[str]] = field(default_factory=lambda: {"conda": [], "pypi": []})
    packages: list[Package] = field(default_factory=list)
    sources: list[PinnedSource] = field(default_factory=list)
    depends: dict[str, tuple[str, ...]] = field(default_factory=dict)
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    """The locks that have something for it, and what they include."""
    unhashed: list[str] = field(default_factory=list)
    """The names of those of which a lock has the version alone."""
    pythons: str = ""
    overridden: frozenset[str] = frozenset()
    restated: frozenset[str] = frozenset()
    listed: bool = False
    """Whether there is a package whose file only an index knows."""

    @property
    def python(self) -> str | None:
        """The version of the Python among the packages."""
        return next(
            (p.version for p in self.packages if p.kind == "conda" and p.name == "python"), None
        )

    @property
    def pins(self) -> Pins:
        """The same as a resolver takes it."""
        return Pins(
            packages=tuple(self.packages),
            sources=tuple(self.sources),
            depends=dict(self.depends),
            extras=dict(self.extras),
            python=self.python,
            pythons=self.pythons,
            overridden=self.overridden,
            restated=self.restated,
        )


def pin(
    selected: Iterable[Selected],
    credentials: Credentials,
    *,
    locks: Iterable[Lock],
    pythons: str = "",
) -> PinnedPlatform:
    """Packages that were selected for one platform, of however many `locks`, which are for `pythons`.

    Raises `InvalidRequest` for what cannot be taken, and `Contradiction` for two packages of one
    name, each with the place in its lock.
    """
    every = list(locks)
    pinned = PinnedPlatform(
        pythons=pythons,
        # What a lock was made for is not installed, and what is may well require it.
        overridden=frozenset(n for lock in every for n in (*lock.overridden, *lock.roots)),
        restated=frozenset(name for lock in every for name in lock.restated),
    )
    seen: dict[tuple[str, str], tuple[str, LockedPackage]] = {}
    for locked in selected:
        package = locked.package
        pinned.files.add(package.origin.file)
        text = (_conda if package.category == "conda" else _pypi)(pinned, locked, credentials)
        try:
            text = normalize(package.category, text)
        except InvalidRequirement as error:
            raise InvalidRequest(f"{package.origin}: {error}", error.hint) from None
        before = seen.setdefault((package.category, package.name), (text, package))
        if before[0] != text:
            raise Contradiction(
                f"{before[1].origin} and {package.origin} have different packages `{package.name}`",
                "import them by themselves, or lock them together",
            )
        # Of two locks that have the same, the first one says it.
        if before[1] is package:
            pinned.texts[package.category].append(text)
            pinned.origins.setdefault(text, str(package.origin))
    _once(pinned)
    return pinned


def _once(pinned: PinnedPlatform) -> None:
    """What two locks have alike is there once."""
    pinned.packages[:] = {(p.kind, p.name): p for p in pinned.packages}.values()
    pinned.sources[:] = {source.name: source for source in pinned.sources}.values()


def _conda(pinned: PinnedPlatform, locked: Selected, credentials: Credentials) -> str:
    """A conda package as the spec has it: where it lies, its very build, and its hash."""
    package, artifact = locked.package, locked.artifact
    url = _url(artifact, credentials)
    filename = url.partition("#")[0].rpartition("/")[2]
    if not filename.endswith((".conda", ".tar.bz2")) or not package.build:
        raise InvalidRequest(
            f"{package.origin}: the conda package `{package.name}` is to be built from source, and"
            " what that gives is not exact",
            "build it into a channel, and lock again",
        )
    hashes = _by_kind(artifact.hashes)
    if not hashes.keys() & {"sha256", "md5"}:
        raise InvalidRequest(
            f"{package.origin}: nothing says the hash of `{filename}`", "lock again with hashes"
        )
    folder = url.partition("#")[0].rpartition("/")[0]
    channel, _, subdir = folder.rpartition("/")
    pinned.channels.add(channel)
    try:
        made = Package.make(
            kind="conda",
            name=package.name,
            version=str(package.version),
            build=package.build,
            subdir=subdir,
            filename=filename,
            url=url,
            sha256=hashes.get("sha256"),
            md5=hashes.get("md5"),
            size=artifact.size,
            depends=locked.depends,
            source=channel,
        )
    except InvalidDescription as error:
        raise InvalidRequest(f"{package.origin}: {error}", "lock again") from None
    pinned.packages.append(made)
    kind = "sha256" if "sha256" in hashes else "md5"
    return f"{channel}::{package.name} =={package.version} {package.build}[{kind}='{hashes[kind]}']"


def _pypi(pinned: PinnedPlatform, locked: Selected, credentials: Credentials) -> str:
    """A PyPI package as the spec has it: where it lies and its hash, else version and hashes."""
    package, artifact = locked.package, locked.artifact
    pinned.depends[package.name] = locked.depends
    if package.extras:
        pinned.extras[package.name] = package.extras
    index = package.source if package.source and "://" in package.source else None
    index = credentials.add(index).rstrip("/") if index else None
    # An index on this machine's disk is none for others, and its files are taken by their content.
    if index and not index.startswith("file:"):
        pinned.indexes.add(index)
    if artifact.path is None and artifact.url is None:
        return _listed(pinned, package)
    if artifact.path is not None:
        url = _local(pinned, package, Path(artifact.path.partition("#")[0]))
        hashes: dict[str, str] = {}
    else:
        hashes = _by_kind(artifact.hashes)
        url = _with_hash(_url(artifact, credentials), hashes)
    text = f"{package.name} @ {url}"
    filename = artifact.filename.partition("#")[0]
    if artifact.url and filename.endswith(".whl") and "sha256" in hashes:
        pinned.packages.append(_wheel(locked, filename, url, hashes["sha256"], index))
        return text
    if artifact.url and not hashes and not artifact.url.startswith("git+"):
        pinned.notes.append(
            f"{package.origin}: the lock has no hash of `{package.name}`: what its URL gives now is"
            " taken"
        )
    source = PinnedSource(
        name=package.name,
        version=package.version,
        requirement=normalize("pypi", text),
        hashes=tuple(f"{kind}:{value}" for kind, value in hashes.items()),
        size=artifact.size,
        index=index,
    )
    pinned.sources.append(source)
    return text


def _wheel(locked: Selected, filename: str, url: str, sha256: str, index: str | None) -> Package:
    from packaging.utils import parse_wheel_filename

    package = locked.package
    try:
        return Package.make(
            kind="pypi",
            name=package.name,
            # PEP 751 lets the version be left out where the files say it.
            version=package.version or str(parse_wheel_filename(filename)[1]),
            filename=filename,
            url=url.partition("#")[0],
            sha256=sha256,
            size=locked.artifact.size,
            depends=locked.depends,
            source=index,
        )
    except InvalidDescription as error:
        raise InvalidRequest(f"{package.origin}: {error}", "lock again") from None


def _listed(pinned: PinnedPlatform, package: LockedPackage) -> str:
    """A package of which the lock has the version, and hashes of its files."""
    every = {value for artifact in package.artifacts for value in artifact.hashes}
    # Weaker ones beside these say nothing more.
    hashes = sorted(v for v in every if v.startswith(_STRONG)) or sorted(every)
    if not package.version:
        raise InvalidRequest(
            f"{package.origin}: `{package.name}` has neither a version nor a place", "lock again"
        )
    if not hashes:
        pinned.unhashed.append(package.name)
    pinned.listed = True
    return " ".join(
        (f"{package.name}=={package.version}", *(f"--hash={value}" for value in hashes))
    )


def _local(pinned: PinnedPlatform, package: LockedPackage, path: Path) -> str:
    """A file or directory, by its content and not by its place."""
    from resolvers.content import content_digest

    if not path.exists():
        raise InvalidRequest(
            f"{package.origin}: there is no file or directory `{path}`",
            "import where it lies, or lock again",
        )
    if package.editable:
        pinned.notes.append(
            f"{package.origin}: `{package.name}` is editable in the lock; a shared environment is"
            " exact, and has it as it is now"
        )
    digest = content_digest(path)
    pinned.paths[digest] = path
    return f"file:{quote(path.name)}#sha256={digest}"


def _url(artifact: LockedArtifact, credentials: Credentials) -> str:
    if artifact.path is not None:
        return Path(artifact.path).as_uri()
    return credentials.add(str(artifact.secret_url))


def _by_kind(hashes: Iterable[str]) -> dict[str, str]:
    given = dict(value.split(":", 1) for value in hashes)
    # The strongest first, of which `_with_hash` takes one.
    known = {kind: given[kind] for kind in _HASHES if kind in given}
    return {**known, **given}


def _with_hash(url: str, hashes: Mapping[str, str]) -> str:
    """The URL with the one hash that stands for the file, and the place inside it."""
    place, _, fragment = url.partition("#")
    parts = [part for part in fragment.split("&") if part.startswith("subdirectory=")]
    kinds = [f"{kind}={value}" for kind, value in hashes.items()][:1]
    inside = "&".join((*kinds, *parts))
    return f"{place}#{inside}" if inside else place
