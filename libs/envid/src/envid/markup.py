"""HTML of texts that come from outside: every text is escaped, unless it is HTML already."""

from __future__ import annotations

from html import escape

__all__ = ["Html", "element", "joined"]


class Html(str):
    """A text that is HTML already, and is not escaped again."""

    __slots__ = ()


def element(name: str, /, *inside: str, **attributes: str | int | bool | None) -> Html:
    """An element with what is inside it, which is escaped where it is not `Html`.

    An attribute that Python has a word for ends in `_` (`class_`), and other `_` are dashes; those
    that are None or False are left out, and of those that are True the name suffices.
    """
    said = "".join(
        f" {attribute.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for attribute, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{said}>{joined(*inside)}</{name}>")


def joined(*parts: str) -> Html:
    """Texts one behind the other, each escaped where it is not `Html`."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
