"""What MatchSpecs say that the engine does not heed: where a package lies, and its very file.

It is told otherwise, and then compared with what was found, so that nothing is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolvers.channels import PACKAGE_URL
from resolvers.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envid.packages import Package

__all__ = ["asked_files", "asked_subdirs", "check_asked"]

_SUBDIR = re.compile(r"noarch|(?:linux|osx|win|emscripten|wasi|freebsd|zos)-[a-z0-9_]+")
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a requirement asks of one package beside what the engine looks for."""

    name: str
    subdirs: frozenset[str]
    filename: str | None = None
    digest: str | None = None

    @classmethod
    def read(cls, text: str) -> _Asked:
        """Read a MatchSpec in its normal spelling."""
        package = PACKAGE_URL.fullmatch(text)
        if package:
            filename = text.partition("#")[0].rpartition("/")[2]
            return cls(
                name=package["name"].lower(),
                subdirs=frozenset({package["subdir"]}),
                filename=filename,
                digest=package["digest"],
            )
        head, _, inside = text.partition("[")
        channel, mark, rest = head.rpartition("::")
        name = _NAME.match(rest)
        tail = channel.rpartition("/")[2]
        subdirs = {tail} if mark and _SUBDIR.fullmatch(tail) else set()
        if subdir := _key("subdir", inside):
            subdirs.add(subdir)
        return cls(
            name=name[0] if name else "", subdirs=frozenset(subdirs), filename=_key("fn", inside)
        )


def asked_subdirs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The names that requirements ask for in one subdir, each with that; exact builds are found."""
    return [
        (one.name, min(one.subdirs))
        for one in map(_Asked.read, texts)
        if len(one.subdirs) == 1 and one.filename is None
    ]


def asked_files(texts: Iterable[str]) -> list[str]:
    """The file names that requirements say outright."""
    return [one.filename for one in map(_Asked.read, texts) if one.filename]


def check_asked(
    texts: Iterable[str], packages: Sequence[Package], origins: Mapping[str, str]
) -> None:
    """Compare requirements with the packages found; raises `InvalidRequest` for what differs."""
    by_name = {one.name: one for one in packages}
    for text in texts:
        asked = _Asked.read(text)
        package = by_name.get(asked.name)
        if package is None:
            continue
        differs = None
        if asked.subdirs - {package.subdir}:
            differs = f"lies in `{package.subdir}` of its channel"
        elif asked.filename not in (None, package.filename):
            differs = f"is `{package.filename}`"
        elif asked.digest not in (None, package.hashes.md5, package.hashes.sha256):
            differs = "has another hash"
        if differs:
            where = f"{origins[text]}: " if text in origins else ""
            raise InvalidRequest(
                f"{where}`{text}` is asked for, and the {asked.name} that was found {differs}",
                "ask for a version and a build: `NAME==VERSION=BUILD`",
            )


def _key(key: str, inside: str) -> str | None:
    found = re.search(rf"(?:^|,){key}=(?:'([^']*)'|\"([^\"]*)\")", inside)
    return (found[1] or found[2]) if found else None
