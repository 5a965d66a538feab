"""How much of a tar from outside is taken, and under which names."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from pkgcache.archives._members import path_issue
from pkgcache.archives._tar import BadTar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pkgcache.archives._tar import TarMember
    from pkgcache.archives.records import PackageLimits

__all__ = ["TarLimits", "small_content"]

_HEADERS_SIZE = 4 << 10  # of a member, in all forms of them together
_SMALL = 64 << 20


class TarLimits:
    """The members of an archive of `packed` bytes, of which its tar may be in several parts."""

    def __init__(self, packed: int, limits: PackageLimits) -> None:
        self._limits, self._largest = limits, limits.largest(packed)
        # A tar of headers alone names no content that could be counted, and costs time all the
        # same.
        self.longest = self._largest + _HEADERS_SIZE * limits.files
        self._count = self._size = 0
        self._names: set[str] = set()

    def check(self, member: TarMember) -> None:
        """Count a member, by what its header says, before its content is read; raises `BadTar`.

        That the content has this size the reader sees to.
        """
        if issue := path_issue(member.name):
            raise BadTar(f"has the name {member.name!r}, which {issue}")
        self._count += 1
        self._size += member.size
        limits = self._limits
        if self._count > limits.files:
            raise BadTar(f"has more than {limits.files} files")
        if self._size > self._largest:
            over = self._largest == limits.size
            most = f"{limits.size} bytes" if over else f"{limits.ratio} times its size"
            raise BadTar(f"unpacks to more than {most}")
        if member.kind != "directory":
            # Names that differ in case only are two files here, as they are in real packages;
            # where the file system takes them for the same, the second cannot be made.
            folded = unicodedata.normalize("NFC", member.name)
            if folded in self._names:
                raise BadTar(f"has the name `{member.name}` twice")
            self._names.add(folded)


def small_content(member: TarMember, content: Iterator[bytes]) -> bytes:
    """The content of a member that is held in memory; raises `BadTar` where it is too large."""
    if member.size > _SMALL:
        raise BadTar(f"has `{member.name}`, which is larger than {_SMALL} bytes")
    return b"".join(content)
