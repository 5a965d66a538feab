"""Pieces that pages are made of: tables that a script can sort, pairs, notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envid.markup import Html, element, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Number", "counted", "listed", "pairs", "section", "table"]


@dataclass(frozen=True, slots=True)
class Number:
    """A cell with a number: as it is shown, and as it is sorted by."""

    shown: str
    value: float


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Number]]) -> Html:
    """A table; what it is said to be is for who cannot see it.

    A column holds numbers where its title begins with `#`, which is not shown.
    """
    heads = [
        element("th", title.lstrip("#"), scope="col", class_="number" if title[0] == "#" else None)
        for title in columns
    ]
    body = [element("tr", *map(_cell, row)) for row in rows]
    if not body:
        return Html()
    return joined(
        element(
            "div",
            element(
                "table",
                element("caption", caption),
                element("thead", element("tr", *heads)),
                element("tbody", *body),
            ),
            class_="scroll",
            role="group",
            aria_label=caption,
        ),
        element("p", "Nothing in this table fits what is looked for.", class_="faint", hidden=True),
    )


def _cell(cell: str | Number) -> Html:
    if isinstance(cell, Number):
        return element("td", cell.shown, class_="number", data_value=f"{cell.value:g}")
    return element("td", cell)


def pairs(rows: Iterable[tuple[str, str]]) -> Html:
    """Terms and what they mean here, without those that mean nothing."""
    parts = [element("dt", term) + element("dd", text) for term, text in rows if text]
    return element("dl", *map(Html, parts))


def listed(lines: Iterable[str]) -> Html:
    """A list, nothing where it is empty."""
    rows = [element("li", line) for line in lines]
    return element("ul", *rows) if rows else Html()


def section(name: str, title: str, *inside: str, hidden: bool = False) -> Html:
    """A part of a page, which links name by `#name`."""
    head = element("h2", title, id=f"{name}-title")
    return element(
        "section", head, *inside, id=name, aria_labelledby=f"{name}-title", hidden=hidden
    )


def counted(count: int, noun: str = "package") -> str:
    """A number of things: `2 packages`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
