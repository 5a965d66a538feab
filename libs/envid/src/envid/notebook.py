"""What notebooks show of an environment: HTML without colours, for light pages and dark ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.markup import Html, element, joined
from envid.sizes import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.packages import Package

__all__ = ["packages_table", "terms"]


def terms(rows: Iterable[tuple[str, str]]) -> Html:
    """A table of terms and what they are here, without those of which there is nothing."""
    return element(
        "table",
        element(
            "tbody",
            *(
                element("tr", element("th", term, scope="row"), element("td", text))
                for term, text in rows
                if text
            ),
        ),
    )


def packages_table(packages: Iterable[Package]) -> Html:
    """All packages, folded up below their number and the sum of their sizes."""
    every = tuple(packages)
    size = sum(package.size or 0 for package in every)
    # A sum without those whose size nobody knows is a lower bound.
    unsized = "+" * any(package.size is None for package in every)
    count = f"{len(every)} package{'' if len(every) == 1 else 's'}, {size_text(size)}{unsized}"
    heads = (element("th", title, scope="col") for title in ("package", "version", "kind", "size"))
    rows = (
        joined(
            element("td", package.name),
            element("td", f"{package.version} {package.build or ''}".rstrip()),
            element("td", package.kind),
            element("td", "" if package.size is None else size_text(package.size)),
        )
        for package in every
    )
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *(element("tr", row) for row in rows)),
    )
    return element("details", element("summary", count), table)
