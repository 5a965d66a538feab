"""What MatchSpecs say that the engine does not heed: where a package lies, and its very file.

It is told otherwise, and then compared with what was found, so that nothing is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolvers.channels import PACKAGE_URL
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from envid.packages import Package

__all__ = ["asked_files", "asked_subdirs", "check_asked"]

_SUBDIR = re.compile(r"noarch|(?:linux|osx|win|emscripten|wasi|freebsd|zos)-[a-z0-9_]+")
# Within the brackets of a MatchSpec.
_EXTRAS = re.compile(r"(?:^|,)extras=\[([^\]]*)\]")
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a requirement asks of one package beside what the engine looks for."""

    name: str
    subdirs: frozenset[str]
    filename: str | None = None
    digest: str | None = None
    extras: frozenset[str] = frozenset()
    conditional: bool = False

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
        # `conda-forge/linux-64::numpy` names a subdir, and `team/label::numpy` only a channel.
        subdirs = {tail} if mark and _SUBDIR.fullmatch(tail) else set()
        if subdir := _key("subdir", inside):
            subdirs.add(subdir)
        extras = _EXTRAS.search(inside)
        return cls(
            name=name[0] if name else "",
            subdirs=frozenset(subdirs),
            filename=_key("fn", inside),
            extras=frozenset(extras[1].split(",")) if extras else frozenset(),
            conditional=_key("when", inside) is not None,
        )


def asked_subdirs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The names that requirements ask for in one subdir, each with that; exact builds are found."""
    return [
        (asked.name, min(asked.subdirs))
        for asked in map(_Asked.read, texts)
        if len(asked.subdirs) == 1 and asked.filename is None and not asked.conditional
    ]


def asked_files(texts: Iterable[str]) -> list[str]:
    """The file names that requirements say outright."""
    return [asked.filename for asked in map(_Asked.read, texts) if asked.filename]


def check_asked(
    texts: Iterable[str],
    packages: Sequence[Package],
    extras: Mapping[str, Collection[str]],
    origins: Mapping[str, str],
) -> tuple[str, ...]:
    """Compare requirements with the packages found; raises `UnsupportedRequest` for what differs.

    `extras` are those that packages offer, by their names. Gives a note on each that is asked for
    on a condition, which may not hold, and is not there.
    """
    notes = []
    by_name = {package.name: package for package in packages}
    for text in texts:
        asked = _Asked.read(text)
        package = by_name.get(asked.name)
        where = f"{origins[text]}: " if text in origins else ""
        # What the engine is told in their place would hold without the condition, too.
        if asked.conditional and (asked.subdirs or asked.filename):
            raise UnsupportedRequest(
                f"{where}`{text}` says where its package lies, on a condition",
                "leave out one of the two",
            )
        # Its condition does not hold: what is asked without one is there, or there was no solution.
        if package is None:
            continue
        missing = sorted(asked.extras - {*extras.get(asked.name, ())})
        if missing and asked.conditional:
            notes.append(
                f"{where}`{text}` brings no extra `{missing[0]}`: {package.name} {package.version}"
                " has none of that name"
            )
        elif missing:
            offered = ", ".join(sorted(extras.get(asked.name, ()))) or "none"
            raise UnsupportedRequest(
                f"{where}`{text}` is asked for, and {package.name} {package.version} has no extra"
                f" `{missing[0]}`",
                f"it has: {offered}",
            )
        differs = None
        if asked.subdirs - {package.subdir}:
            differs = f"lies in `{package.subdir}` of its channel"
        elif asked.filename not in (None, package.filename):
            differs = f"is `{package.filename}`"
        elif asked.digest not in (None, package.hashes.md5, package.hashes.sha256):
            differs = "has another hash"
        if differs:
            raise UnsupportedRequest(
                f"{where}`{text}` is asked for, and the {asked.name} that was found {differs}",
                "ask for a version and a build: `NAME==VERSION=BUILD`",
            )
    return tuple(notes)


def _key(key: str, inside: str) -> str | None:
    match = re.search(rf"(?:^|,){key}=(?:'([^']*)'|\"([^\"]*)\")", inside)
    return (match[1] or match[2]) if match else None
