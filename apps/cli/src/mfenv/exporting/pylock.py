"""pylock.toml (PEP 751, lock version 1.0).

An entry holds for all platforms, or for those that its marker names, with the wheels of all of them:
which of these runs somewhere is what their names say.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mfenv.errors import NotExportable
from mfenv.exporting.exported import (
    MARKERS,
    Exported,
    facts_without_words,
    heading,
    is_local,
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

__all__ = ["write"]

_FORM = "pylock"
# Name, version, index, and what stands in place of an index for a direct reference.
_Key = tuple[str, str, str, str]


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """The PyPI packages of environments of one spec.

    Raises `NotExportable` where there are none, and where platforms have different Pythons.
    """
    series = sorted({".".join(env.python.split(".")[:2]) for env in envs})
    if len(series) > 1:
        raise NotExportable(
            f"a pylock.toml is for one Python, and the platforms have {', '.join(series)}",
            "export one at a time, with `--platform`",
        )
    said, notes = pypi_packages(envs, _FORM, _has_file)
    among = [env.platform for env in envs]
    lines = [
        *heading(envs),
        'lock-version = "1.0"',
        f"environments = {json.dumps([MARKERS[platform] for platform in among])}",
        f'requires-python = "=={series[0]}.*"',
        'created-by = "mfenv"',
        *_entries(said, among, envs[0].spec),
    ]
    text = "".join(f"{line}\n" for line in lines)
    unsaid = facts_without_words(envs, _FORM, python="the exact version of Python")
    return Exported(text=text, notes=(*unsaid, *notes))


def _entries(
    packages: Sequence[tuple[str, Package]], among: Sequence[str], spec: EnvSpec
) -> Iterator[str]:
    indexes = {source.url for source in spec.sources if source.kind == "index"}
    entries: dict[_Key, list[tuple[str, Package]]] = defaultdict(list)
    for platform, package in packages:
        # The public index is known by its name, which no other tool knows.
        index = package.source if package.source in indexes - {"pypi"} else None
        direct = "" if package.source is not None else "\n".join(_direct(package))
        entries[package.name, package.version, index or "", direct].append((platform, package))
    for (name, version, index, direct), held in sorted(entries.items()):
        yield from ("", "[[packages]]", f"name = {_text(name)}", f"version = {_text(version)}")
        if marker := marker_for({platform for platform, _ in held}, among):
            yield f"marker = {_text(marker)}"
        if index:
            yield f"index = {_text(index)}"
        if direct:
            yield direct
            continue
        wheels = {_file(package) for _, package in held if package.built_from is None}
        for _, table in sorted({_file(package) for _, package in held if package.built_from}):
            yield f"sdist = {table}"
        if wheels:
            yield "wheels = ["
            yield from (f"    {table}," for _, table in sorted(wheels))
            yield "]"


def _file(package: Package) -> tuple[str, str]:
    """The name of the file to install from, and what the lock says of it."""
    origin = package.built_from
    url = url_of(package)
    name = unquote(url.partition("#")[0].rpartition("/")[2]) if origin else package.filename
    # The size is that of the wheel, whatever it was built from.
    size = f", size = {package.size}" if package.size is not None and not origin else ""
    table = f"name = {_text(name)}, url = {_text(url)}{size}, {_hashes(package)}"
    return name, f"{{ {table} }}"


def _direct(package: Package) -> Iterator[str]:
    """The table of what was asked for by its URL, or of which nobody knows the index."""
    origin = package.built_from
    if origin and origin.kind == "vcs":
        yield "[packages.vcs]"
        yield 'type = "git"'
        yield f"url = {_text(origin.url)}"
        yield f"commit-id = {_text(origin.commit or '')}"
    else:
        yield "[packages.archive]"
        yield f"url = {_text(url_of(package))}"
        yield _hashes(package)
    if origin and origin.subdirectory:
        yield f"subdirectory = {_text(origin.subdirectory)}"


def _has_file(package: Package) -> bool:
    """Whether others can get what to install from: a file, or a repository."""
    origin = package.built_from
    if origin and origin.kind == "vcs":
        return not is_local(origin.url)
    return sha256_of(package) is not None


def _hashes(package: Package) -> str:
    return f'hashes = {{ sha256 = "{sha256_of(package)}" }}'


def _text(text: str) -> str:
    # A string of JSON is one of TOML.
    return json.dumps(text)
