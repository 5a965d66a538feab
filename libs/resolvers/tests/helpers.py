from __future__ import annotations

from sys import version_info
from typing import TYPE_CHECKING, Any

from tests.interpreters import known_interpreters

from envid.spec import EnvSpec, Options, Source
from pkgcache.web.patience import Patience
from resolvers.pypi import PypiResolver
from resolvers.request import ResolveContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envid.packages import Package
    from resolvers.request import Resolution

LINUX = "linux-64"
# For servers that fail, where it does not matter how often they are asked again.
ONCE_MORE = Patience(tries=2)
PYTHON = ">=3.10"
THIS_PYTHON = f"==3.{version_info.minor}.*"
"""The Python that runs the tests, for those that would say more where the machine has others."""


def spec_of(
    *requirements: str,
    index: str | Iterable[str] = (),
    python: str = PYTHON,
    sys: Iterable[str] = (),
    find_links: Iterable[str] = (),
    constraints: Iterable[str] = (),
    **options: Any,
) -> EnvSpec:
    indexes = [index] if isinstance(index, str) else index
    return EnvSpec.make(
        requirements={"pypi": requirements, "sys": sys},
        python=python,
        constraints=constraints,
        sources=[
            *(Source.make("index", url) for url in indexes),
            *(Source.make("find-links", url) for url in find_links),
        ],
        options=Options.make(python_provider="system", **options),
    )


def resolve_all(
    spec: EnvSpec, folder: Path, platforms: Sequence[str] = (LINUX,), **context: Any
) -> Mapping[str, Resolution]:
    return PypiResolver().resolve(
        spec, platforms, ResolveContext(cache_dir=known_interpreters(folder / "engines"), **context)
    )


def resolve(
    spec: EnvSpec, folder: Path, platform: str = LINUX, **context: Any
) -> dict[str, Package]:
    found = resolve_all(spec, folder, (platform,), **context)[platform]
    return {one.name: one for one in found.packages}


def versions(found: Mapping[str, Package]) -> dict[str, str]:
    return {name: one.version for name, one in found.items()}
