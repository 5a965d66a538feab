"""Where symbolic links lead, without a file system that could be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 40  # as many as Linux follows


def first_escape(links: Mapping[str, str]) -> str | None:
    """The first of `links` (path to target, relative to a root) that leaves the root.

    Links on the way are followed; what leads in circles leaves too.
    """
    return next((path for path in links if resolve(path, links) is None), None)


def resolve(path: str, links: Mapping[str, str]) -> str | None:
    """What `path` is in the end, relative to the root; None where it leaves the root."""
    at: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            # `..` of the root is the root for the kernel, but here the root has something above it.
            if not at:
                return None
            at.pop()
            continue
        target = links.get("/".join([*at, part]))
        if target is None:
            at.append(part)
            continue
        followed += 1
        if followed > _MOST or target.startswith("/"):
            return None
        # The target is relative to the folder of the link, which is what `at` holds.
        todo += target.split("/")[::-1]
    return "/".join(at)
