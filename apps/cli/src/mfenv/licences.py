"""The licences that packages state, as far as this machine has their metadata."""

from __future__ import annotations

from email.parser import HeaderParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from email.message import Message

    from envid.packages import Package
    from pkgcache.local.cache import PackageCache

__all__ = ["licences_of"]

# What is written where nothing is stated: setuptools wrote `UNKNOWN`, SPDX has `NOASSERTION`.
_UNKNOWN = ("", "unknown", "none", "noassertion")


def licences_of(packages: Iterable[Package], cache: PackageCache) -> dict[Package, str]:
    """What the metadata of each package states, empty where it states none.

    Nothing is fetched: packages that `cache` does not have are left out. Of a conda package it is
    `license` of its `info/index.json`, of a wheel `License-Expression` or else `License` (PEP 639), or
    else what its classifiers call it.
    """
    licences: dict[Package, str] = {}
    for package in packages:
        stated = _of_conda(package, cache) if package.kind == "conda" else _of_wheel(package, cache)
        # None is what nobody here knows, an empty text what the package does not say.
        if stated is not None:
            lines = (line.rstrip() for line in stated.strip().splitlines())
            text = "\n".join(lines)
            licences[package] = text if _says(text) else ""
    return licences


def _of_conda(package: Package, cache: PackageCache) -> str | None:
    listing = cache.listing(package)
    return None if listing is None else str(listing.index.get("license", ""))


def _of_wheel(package: Package, cache: PackageCache) -> str | None:
    metadata = cache.wheel_metadata(package)
    if metadata is None:
        return None
    headers = HeaderParser().parsestr(metadata)
    stated = (headers.get("License-Expression"), headers.get("License"))
    classified = ", ".join(dict.fromkeys(_classified(headers)))
    return next((text for text in stated if text and _says(text)), classified)


def _classified(headers: Message) -> Iterator[str]:
    """The last parts of classifiers such as `License :: OSI Approved :: BSD License`."""
    for classifier in headers.get_all("Classifier", ()):
        kind, *parts = classifier.split(" :: ")
        # Of that alone one knows nothing more.
        if kind == "License" and parts != ["OSI Approved"]:
            yield parts[-1]


def _says(text: str) -> bool:
    return text.strip().lower() not in _UNKNOWN
