"""environment.yml with the very packages of a platform: conda's by build and hash, PyPI's as pip has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.exporting.exported import (
    Exported,
    conda_packages,
    heading,
    notes_on_places,
    one_platform,
    pypi_packages,
    sha256_of,
    what_systems_need,
)
from mfenv.exporting.requirements import notes_on_sources, requirements_of, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from reqparse import Requirement

__all__ = ["write"]

_FORM = "environment.yml"


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """All packages of an environment.

    Raises `NotExportable` where there is no conda package, and for several platforms: conda reads
    no selectors.
    """
    from reqparse import PythonRequirement, RequirementSet, StatedSource
    from reqparse.writing import to_environment_yml

    env = one_platform(envs, "an exact environment.yml")
    conda = conda_packages(env)
    notes = [*what_systems_need(envs, _FORM), *notes_on_places(conda)]
    spec = env.spec
    channels = [source.url for source in spec.sources if source.kind == "channel"]
    sources = [StatedSource(kind="channel", url=url) for url in channels]
    requirements = [_conda(package) for package in conda]
    wheels = any(package.kind == "pypi" for package in env.packages)
    if wheels:
        said, more = pypi_packages(envs, _FORM, lambda package: sha256_of(package) is not None)
        requirements += requirements_of(said, [env.platform])
        further = list(sources_of(spec))
        notes += [*more, *notes_on_sources(spec, further, _FORM)]
        sources += further
        if not any(package.name == "pip" for package in conda):
            notes.append(f"{_FORM} lists PyPI packages, and this has no pip: conda will add one")
    asked = RequirementSet(
        requirements=tuple(requirements),
        sources=tuple(sources),
        python=tuple(
            PythonRequirement(specifier=f"=={p.version}") for p in conda if p.name == "python"
        ),
        # The channels are those of the packages, and a build is looked for in no other.
        no_defaults=True,
        no_index=wheels and not any(source.kind == "index" for source in spec.sources),
    )
    text = "".join(f"{line}\n" for line in (*heading(envs), f"# platform: {env.platform}"))
    return Exported(text=text + to_environment_yml(asked), notes=tuple(notes))


def _conda(package: Package) -> Requirement:
    from reqparse import parse_requirement

    hashes = package.hashes
    digest = f"sha256='{hashes.sha256}'" if hashes.sha256 else f"md5='{hashes.md5}'"
    text = f"{package.name} =={package.version} {package.build}[{digest}]"
    return parse_requirement(text, category="conda")
