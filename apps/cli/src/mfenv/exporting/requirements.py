"""requirements.txt, every line with hashes, for pip's hash-checking mode and for uv.

A line holds for all platforms, or for those that its marker names. Of a version the hashes of all
platforms' files stand together: which of the files runs somewhere is what their names say.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from mfenv.exporting.exported import (
    Exported,
    facts_without_words,
    heading,
    marker_for,
    pypi_packages,
    sha256_of,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec
    from reqparse import Requirement, StatedSource

__all__ = ["notes_on_sources", "requirements_of", "sources_of", "write"]

_FORM = "requirements"


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """The PyPI packages of environments of one spec. Raises `NotExportable` where there are none."""
    from reqparse import RequirementSet
    from reqparse.writing import to_requirements_txt

    said, notes = pypi_packages(envs, _FORM, lambda package: sha256_of(package) is not None)
    spec = envs[0].spec
    sources = tuple(sources_of(spec))
    notes += notes_on_sources(spec, sources, _FORM)
    requirements = RequirementSet(
        requirements=tuple(requirements_of(said, [env.platform for env in envs])),
        sources=sources,
        no_index=not any(source.kind == "index" for source in spec.sources),
    )
    text = "".join(f"{line}\n" for line in heading(envs)) + to_requirements_txt(requirements)
    return Exported(text=text, notes=(*facts_without_words(envs, _FORM), *notes))


def requirements_of(
    packages: Sequence[tuple[str, Package]], among: Sequence[str]
) -> Iterator[Requirement]:
    """Packages as pinned requirements with hashes, with markers for what only some platforms have."""
    from reqparse import parse_requirement

    platforms = defaultdict(set)
    hashes = defaultdict(set)
    for platform, package in packages:
        text = _text(package)
        platforms[text].add(platform)
        hashes[text].add(f"sha256:{sha256_of(package)}")
    for text in sorted(platforms):
        marker = marker_for(platforms[text], among)
        requirement = parse_requirement(f"{text} ; {marker}" if marker else text)
        yield replace(requirement, hashes=tuple(sorted(hashes[text])))


def _text(package: Package) -> str:
    # Without a source it was asked for by its URL, or nobody knows which index has it.
    if package.source is not None:
        return f"{package.name}=={package.version}"
    origin = package.built_from
    url = url_of(package)
    inside = f"#subdirectory={origin.subdirectory}" if origin and origin.subdirectory else ""
    return f"{package.name} @ {url}{inside}"


def sources_of(spec: EnvSpec) -> Iterator[StatedSource]:
    """The sources in the order in which they are asked; the index itself is the last one."""
    from reqparse import StatedSource

    indexes = [source.url for source in spec.sources if source.kind == "index"]
    for source in spec.sources:
        if source.kind == "find-links":
            yield StatedSource(kind="find-links", url=source.url)
    # The public index is asked where nothing else is said, and has no URL that holds everywhere.
    for url in indexes[:-1]:
        if url != "pypi":
            yield StatedSource(kind="extra-index", url=url)
    if indexes and indexes[-1] != "pypi":
        yield StatedSource(kind="index", url=indexes[-1])


def notes_on_sources(spec: EnvSpec, said: Sequence[StatedSource], form: str) -> Iterator[str]:
    """A note on the index that cannot be named beside others."""
    if any(source.url == "pypi" for source in spec.sources) and any(
        source.kind == "index" for source in said
    ):
        yield f"{form} has no name for the public index; left out: pypi"
