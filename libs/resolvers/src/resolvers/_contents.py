"""What conda packages bring to Python, and under which PyPI names.

A distribution counts where Python finds it: its metadata lies at the top of the site-packages of
the Python that was solved for. What a package vendors further down is nobody else's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from resolvers._distributions import distributions, pep440
from resolvers._listings import Listing, read_listings
from resolvers.errors import UnknownContents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from envid.packages import Package
    from resolvers._conda_solve import Alternative, Solved
    from resolvers.names import PypiNames
    from resolvers.request import ResolveContext

__all__ = ["Contents", "check_doubts", "look_into", "look_into_others", "notes", "providers"]

# Python itself has no distributions in its site-packages, and every environment has Python.
_ROOTS = frozenset({"python", "python_abi"})
# As in `py311h06a4308_0` and `1_cp311`.
_BUILT_FOR_PYTHON = re.compile(r"(^|_)(py|cp)\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What Python finds of a conda package.

    `distributions` are the versions, as PEP 440 has them, by the normalised names under which PyPI
    has the same. `files` are the paths below site-packages without compiled modules, each with its
    path in the package and its sha256, empty where that is not known; None where the names are
    those of a table. `guessed` is why it could not be looked into and is taken for what its name
    says, and `doubtful` are the names that it may have beside. `remarks` are about what is taken for
    something else than it is.
    """

    package: Package
    distributions: Mapping[str, str]
    files: Mapping[str, tuple[str, str]] | None
    guessed: str | None = None
    doubtful: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


def look_into(
    base: Mapping[str, Solved], names: PypiNames, context: ResolveContext
) -> dict[str, list[Contents]]:
    """What the conda packages of each platform bring to Python.

    What has nothing to do with Python is left out. A build that is not to be had any more, or not
    offline, is taken for what its name says. Raises `IndexUnreachable` where a channel fails.
    """
    wanted = {platform: python_packages(solved) for platform, solved in base.items()}
    looked = _looked(
        [
            (package, solved.pypi_names.get(package.name), solved.site_packages)
            for platform, solved in base.items()
            for package in wanted[platform]
        ],
        names,
        context,
    )
    # In the order in which they were asked for above.
    return {platform: [next(looked) for _ in wanted[platform]] for platform in base}


def look_into_others(
    others: Iterable[Alternative], solved: Solved, names: PypiNames, context: ResolveContext
) -> list[Contents]:
    """What builds that were not chosen would bring to the Python of what was; as `look_into`."""
    asked = [(other.package, other.pypi_names, solved.site_packages) for other in others]
    return list(_looked(asked, names, context))


def _looked(
    asked: Sequence[tuple[Package, tuple[str, ...] | None, str]],
    names: PypiNames,
    context: ResolveContext,
) -> Iterator[Contents]:
    # What the user's table says is not looked up, and could not be overruled.
    unknown = (package for package, *_ in asked if names.stated(package) is None)
    listings = read_listings(unknown, context)
    for package, said, site_packages in asked:
        listing = listings.get(package.digest)
        if isinstance(listing, Listing):
            yield _listed(package, listing, site_packages)
        elif listing is None:
            yield _named(package, names.stated(package) or ())
        else:
            plain, doubtful = names.guess(package, said)
            yield replace(_named(package, plain), guessed=listing.reason, doubtful=doubtful)


def check_doubts(contents: Sequence[Contents], needed: Collection[str]) -> None:
    """Raise `UnknownContents` if a package may hold a PyPI package that is needed.

    What nothing needs may be there or not: it would not change what else is chosen.
    """
    certain = providers(contents)
    doubts = {
        content.package.filename: (doubted, content.guessed)
        for content in contents
        if (doubted := content.doubtful.intersection(needed) - certain.keys())
    }
    if doubts:
        names = frozenset[str]().union(*(doubted for doubted, _ in doubts.values()))
        reason = next(iter(doubts.values()))[1] or ""
        raise UnknownContents(tuple(sorted(doubts)), tuple(sorted(names)), reason)


def providers(contents: Sequence[Contents]) -> dict[str, Contents]:
    """By PyPI name the package that brings it: of several that of its name, or the newest."""
    bringing: dict[str, list[Contents]] = {}
    for content in contents:
        for name in content.distributions:
            bringing.setdefault(name, []).append(content)

    def best(name: str) -> Contents:
        return max(
            bringing[name],
            key=lambda content: (
                canonicalize_name(content.package.name) == name,
                Version(content.distributions[name]),
                content.package.name,
            ),
        )

    return {name: best(name) for name in bringing}


def notes(contents: Sequence[Contents]) -> tuple[str, ...]:
    """What there is to say of packages whose content is not as it should be, or not known."""
    lines = [remark for content in contents for remark in content.remarks]
    for name, chosen in providers(contents).items():
        versions = {
            content.distributions[name] for content in contents if name in content.distributions
        }
        if len(versions) > 1:
            others = sorted(
                content.package.filename for content in contents if name in content.distributions
            )
            version = chosen.distributions[name]
            lines.append(
                f"{_quoted(*others)} hold `{name}` in several versions: {version} is taken"
            )
    if guessed := [content for content in contents if content.guessed]:
        held = ", ".join(
            f"{_quoted(content.package.filename)} for "
            + (
                " ".join(*content.distributions.items())
                if content.distributions
                else "nothing of PyPI's"
            )
            for content in guessed
        )
        lines.append(
            f"conda packages that cannot be looked into ({guessed[0].guessed}) are taken for what"
            f" their names say, until they are resolved where they can be: {held}"
        )
    return tuple(lines)


def _quoted(*names: str) -> str:
    return " and ".join(f"`{name}`" for name in names)


def python_packages(solved: Solved) -> list[Package]:
    """Those that may hold something for Python: they need it, themselves or by way of others.

    So may what was built for a version of Python, or for Python of any platform, whatever it needs.
    """
    needing = {*_ROOTS, *solved.noarch_python}
    # To the end of the chain: what needs a package that needs Python may hold modules, too.
    while more := {
        package.name
        for package in solved.packages
        if package.name not in needing and needing.intersection(package.depends)
    }:
        needing |= more
    return [
        package
        for package in solved.packages
        if package.name not in _ROOTS
        and (package.name in needing or _BUILT_FOR_PYTHON.search(package.build or ""))
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
    versions: dict[str, set[str]] = {}
    remarks: list[str] = []
    for distribution in distributions(files):
        name, version = distribution.name, distribution.version
        if version is None:  # its folder does not say it, so its metadata was read
            said, text = listing.stated.get(files[distribution.path], (name, ""))
            name, version = canonicalize_name(said), pep440(text) or _cut(text)
            if not pep440(text):
                remarks.append(_taken(package, f"`{name}` {text}", version))
        if name:
            versions.setdefault(name, set()).add(version)
    chosen = {name: max(some, key=Version) for name, some in versions.items()}
    for name, some in versions.items():
        if len(some) > 1:
            several = " and ".join(sorted(some, key=Version))
            remarks.append(_taken(package, f"`{name}` in versions {several}", chosen[name]))
    return Contents(
        package=package,
        distributions=chosen,
        files={path: (source, listing.digests.get(source, "")) for path, source in files.items()},
        remarks=tuple(remarks),
    )


def _named(package: Package, names: Sequence[str]) -> Contents:
    version = pep440(package.version) or _cut(package.version)
    odd = [] if pep440(package.version) else names
    return Contents(
        package=package,
        distributions=dict.fromkeys(names, version),
        files=None,
        remarks=tuple(_taken(package, f"`{name}` {package.version}", version) for name in odd),
    )


def _cut(text: str) -> str:
    """The numbers in front of a version that PEP 440 cannot read."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return numbers[0] if numbers else "0"


def _taken(package: Package, what: str, version: str) -> str:
    return f"`{package.filename}` holds {what}, which is taken for {version}"
