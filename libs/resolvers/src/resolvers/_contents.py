"""What conda packages bring to Python, and under which PyPI names.

A distribution counts where Python finds it: its metadata lies at the top of the site-packages of
the Python that was solved for. What a package vendors further down is nobody else's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from pkgcache import layout
from resolvers._distributions import distributions, pep440
from resolvers._listings import Listing, read_listings
from resolvers.errors import UnknownContents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envid.packages import Package
    from pkgcache.errors import DownloadError
    from resolvers._conda_solve import Solved
    from resolvers.names import PypiNames
    from resolvers.request import ResolveContext

__all__ = ["Contents", "look_into"]

_ROOTS = frozenset({"python", "python_abi"})
_BUILT_FOR_PYTHON = re.compile(r"(^|_)(py|cp)\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What Python finds of a conda package.

    `distributions` are the versions, as PEP 440 has them, by the normalised names under which PyPI
    has the same. `files` are the paths below site-packages without compiled modules, None where
    the names are those of a table.
    """

    package: Package
    distributions: Mapping[str, str]
    files: tuple[str, ...] | None


def look_into(
    base: Mapping[str, Solved], names: PypiNames, context: ResolveContext
) -> dict[str, list[Contents]]:
    """What the conda packages of each platform bring to Python.

    What has nothing to do with Python is left out. A build that is not to be had any more, or not
    offline, is taken for what its name says, and a note says so, where that is plain. Raises
    `UnknownContents` where it is not, and `IndexUnreachable` where a channel fails.
    """
    wanted = {platform: python_packages(solved.packages) for platform, solved in base.items()}
    unknown = (one for group in wanted.values() for one in group if names.stated(one) is None)
    listings = read_listings(unknown, context)
    found: dict[str, list[Contents]] = {}
    guessed: dict[str, Contents] = {}
    doubtful: dict[str, DownloadError] = {}
    for platform, solved in base.items():
        found[platform] = []
        for package in wanted[platform]:
            listing = listings.get(layout.digest(package))
            if listing is None:
                contents = _named(package, names.stated(package) or ())
            elif isinstance(listing, Listing):
                contents = _listed(package, listing, solved.site_packages)
            else:
                plain = names.plain(package, solved.pypi_names.get(package.name))
                if plain is None:
                    doubtful[package.filename] = listing
                contents = guessed[package.filename] = _named(package, plain or ())
            found[platform].append(contents)
    if doubtful:
        raise _unknown(doubtful)
    if guessed:
        context.progress.note(_note(guessed.values()))
    return found


def python_packages(packages: Sequence[Package]) -> list[Package]:
    """Those that may hold something for Python: they need it, themselves or by way of others.

    So may what was built for a version of Python, whatever it needs.
    """
    needing = set(_ROOTS)
    while more := {
        one.name
        for one in packages
        if one.name not in needing and needing.intersection(one.depends)
    }:
        needing |= more
    return [
        one
        for one in packages
        if one.name not in _ROOTS
        and (one.name in needing or _BUILT_FOR_PYTHON.search(one.build or ""))
    ]


def _listed(package: Package, listing: Listing, site_packages: str) -> Contents:
    """What of a build lies in site-packages; `noarch` ones are moved there when they are linked."""
    places = [f"{site_packages}/", *(["site-packages/"] if listing.noarch == "python" else [])]
    files = {
        path.removeprefix(place): path
        for place in places
        for path in listing.paths
        if path.startswith(place)
    }
    versions: dict[str, str] = {}
    for one in distributions(files):
        name, version = one.name, one.version
        if version is None:
            said, text = listing.stated[files[one.path]]
            name, version = canonicalize_name(said), _cut(text)
        # Of two that a careless build has left, Python may find either: mostly the newer is right.
        if name and Version(version) >= Version(versions.get(name, "0.dev0")):
            versions[name] = version
    return Contents(package=package, distributions=versions, files=tuple(files))


def _named(package: Package, names: Sequence[str]) -> Contents:
    versions = dict.fromkeys(names, _cut(package.version))
    return Contents(package=package, distributions=versions, files=None)


def _cut(text: str) -> str:
    """A version as PEP 440 has it; what it cannot read is cut to the numbers in front."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return pep440(text) or (numbers[0] if numbers else "0")


def _unknown(doubtful: Mapping[str, DownloadError]) -> UnknownContents:
    errors = dict.fromkeys(str(one) for one in doubtful.values())
    return UnknownContents(tuple(sorted(doubtful)), next(iter(errors)))


def _note(guessed: Iterable[Contents]) -> str:
    taken = sorted(
        f"`{one.package.filename}` for "
        + (" ".join(*one.distributions.items()) if one.distributions else "nothing of PyPI's")
        for one in guessed
    )
    return f"conda packages that cannot be looked into are taken by their names: {', '.join(taken)}"
