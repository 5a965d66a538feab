"""What `metaflow-netflixext` wrote, in our own terms."""

from __future__ import annotations

from collections.abc import Mapping
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

    from envid.netflixext import NetflixEnv, NetflixPackage

Texts = Mapping[str, tuple[str, ...]]

_SOURCES = {"conda": "channel", "npconda": "channel", "pypi": "index"}
_SDISTS = (".tar.gz", ".zip")
_OPERATORS = tuple("<>=!~;@")


def to_spec(env: NetflixEnv) -> EnvSpec:
    """What was asked; raises `InvalidDescription` for what has no counterpart."""
    requirements: dict[str, list[str]] = {}
    python = ""
    for category, texts in env.deps.items():
        for text in texts:
            with placed(f"deps.{category}"):
                name, constraint = _split(text)
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


def to_package(found: NetflixPackage) -> Package:
    """One package with the hash that proves it; raises `InvalidDescription`."""
    if found.kind == "conda":
        channel, _, tail = found.url.rpartition("/")[0].rpartition("/")
        return Package.make(
            kind="conda",
            name=found.name,
            version=found.version,
            build=found.build,
            filename=found.filename + found.format,
            url=found.url,
            md5=found.proof,
            subdir=tail,
            source=channel,
        )
    return Package.make(
        kind="pypi",
        name=found.name,
        version=found.version,
        build=found.build,
        filename=f"{found.filename}.whl",
        url=found.url,
        sha256=found.proof,
        built_from=_origin(found),
    )


def to_python(packages: Iterable[NetflixPackage]) -> str:
    """The version of the Python among `packages`; raises `InvalidDescription` if there is none."""
    for one in packages:
        if (one.kind, one.name) == ("conda", "python"):
            return one.version
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
    return f"{name}=={constraint}"


def _source(path: str, kind: str, url: str) -> Source:
    with placed(path):
        return Source.make(kind, url)


def _origin(found: NetflixPackage) -> BuiltFrom | None:
    """What a wheel was built from, where its URL is not that of the wheel."""
    if unquote(found.url).endswith(f"/{found.filename}.whl"):
        return None
    if found.url.endswith(_SDISTS):
        return BuiltFrom(kind="sdist", url=found.url, sha256=found.hashes.get(found.format))
    kind = "directory" if found.url.startswith("file:") else "vcs"
    return BuiltFrom(kind=kind, url=found.url)
