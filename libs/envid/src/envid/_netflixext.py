"""What `metaflow-netflixext` wrote, in our own terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from envid._reader import placed
from envid._text import shown
from envid.errors import InvalidDescription
from envid.packages import BuiltFrom, Package
from envid.requirements import normalize, normalize_python
from envid.spec import EnvSpec, Options, Source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from envid.ids import EnvId

Texts = Mapping[str, tuple[str, ...]]

_SOURCES = {"conda": "channel", "npconda": "channel", "pypi": "index"}
_SDISTS = (".tar.gz", ".zip")
_OPERATORS = tuple("<>=!~;@")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetflixPackage:
    """An artifact; `filename` is without its ending, `format` is the ending of what `url` gives.

    `hashes` and `cache_urls` are by format: the md5 of conda packages, the sha256 of PyPI ones,
    and the place in that system's store.
    """

    kind: str
    name: str
    version: str
    build: str | None
    filename: str
    url: str = field(repr=False)
    format: str
    hashes: Mapping[str, str] = field(hash=False)
    cache_urls: Mapping[str, str] = field(hash=False, repr=False)

    @property
    def proof(self) -> str | None:
        """The hash of what would be installed: of the conda package, or of the wheel."""
        return self.hashes.get(self.format if self.kind == "conda" else ".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetflixEnv:
    """A resolved environment on one platform, as that system describes it.

    `deps`, `sources` and `extras` are texts by category, as they were written: they, and the URLs
    of packages, may hold credentials, so `repr` leaves them out and `to_resolved` refuses them.
    `packages` keep their order. `resolved_on` is in UTC; moments without a zone are taken as such.
    """

    env_id: EnvId
    deps: Texts = field(hash=False, repr=False)
    sources: Texts = field(hash=False, repr=False)
    extras: Texts = field(hash=False, repr=False)
    packages: tuple[NetflixPackage, ...]
    resolved_on: datetime
    resolved_by: str
    resolved_archs: tuple[str, ...]
    env_type: str
    accurate_source: bool
    unique_keys: Mapping[str, str] = field(hash=False)


def to_spec(env: NetflixEnv) -> EnvSpec:
    """What was asked; raises `InvalidDescription` for what has no counterpart."""
    requirements: dict[str, list[str]] = {}
    python = ""
    for category, texts in env.deps.items():
        for text in texts:
            with placed(f"deps.{category}"):
                name, constraint = _split(text)
                # There it is one of conda's packages, here a field.
                if (category, name) == ("conda", "python"):
                    python = normalize_python(constraint)
                else:
                    requirements.setdefault(category, []).append(
                        normalize(category, _joined(name, constraint))
                    )
    sources = [
        _source(f"sources.{category}", _SOURCES.get(category, ""), text)
        for category, texts in env.sources.items()
        for text in texts
    ]
    prereleases = False
    for category, texts in env.extras.items():
        for text in texts:
            flag, _, value = text.partition(" ")
            if flag in {"-f", "--find-links"}:
                sources.append(_source(f"extras.{category}", "find-links", value))
            elif flag == "--pre":
                prereleases = True
            elif flag != "--trusted-host":  # which says how to connect, not what to find
                reason = f"`{shown(flag)}` has no counterpart here"
                raise InvalidDescription(f"extras.{category}", reason)
    with placed(""):
        return EnvSpec.make(
            requirements=requirements,
            python=python,
            sources=sources,
            options=Options.make(prereleases=prereleases),
        )


def to_package(package: NetflixPackage) -> Package:
    """A package with the hash that proves it; raises `InvalidDescription`."""
    if package.kind == "conda":
        # `CHANNEL/SUBDIR/FILE`
        channel, _, tail = package.url.rpartition("/")[0].rpartition("/")
        return Package.make(
            kind="conda",
            name=package.name,
            version=package.version,
            build=package.build,
            filename=package.filename + package.format,
            url=package.url,
            md5=package.proof,
            subdir=tail,
            source=channel,
        )
    return Package.make(
        kind="pypi",
        name=package.name,
        version=package.version,
        build=package.build,
        filename=f"{package.filename}.whl",
        url=package.url,
        sha256=package.proof,
        built_from=_origin(package),
    )


def to_python(packages: Iterable[NetflixPackage]) -> str:
    """The version of the Python among `packages`; raises `InvalidDescription` if there is none."""
    for package in packages:
        if (package.kind, package.name) == ("conda", "python"):
            return package.version
    raise InvalidDescription("packages", "holds no `python`")


def _split(text: str) -> tuple[str, str]:
    """The name and the constraint of `name==constraint`; URLs may hold `==` themselves."""
    if "://" in text:
        return text.removesuffix("=="), ""
    name, _, constraint = text.partition("==")
    return name, constraint


def _joined(name: str, constraint: str) -> str:
    if not constraint or constraint.startswith(_OPERATORS):
        return name + constraint
    # That system writes `name==constraint` also where the constraint has an operator of its own.
    return f"{name}=={constraint}"


def _source(path: str, kind: str, url: str) -> Source:
    with placed(path):
        return Source.make(kind, url)


def _origin(package: NetflixPackage) -> BuiltFrom | None:
    """What a wheel was built from, where its URL is not that of the wheel."""
    # The `+` of a local version may stand there as `%2B`.
    if unquote(package.url).endswith(f"/{package.filename}.whl"):
        return None
    if package.url.endswith(_SDISTS):
        return BuiltFrom(kind="sdist", url=package.url, sha256=package.hashes.get(package.format))
    kind = "directory" if package.url.startswith("file:") else "vcs"
    return BuiltFrom(kind=kind, url=package.url)
