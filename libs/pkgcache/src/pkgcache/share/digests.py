"""Sets of digests in little space: 8 bytes of each.

Made to tell what is garbage, where two digests that begin alike cost a package that stays.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING

from pkgcache.stores import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.packages import Package

__all__ = ["DigestSet", "pack", "packed"]

_WIDTH = 8


def pack(digests: Iterable[str]) -> bytes:
    """The first 8 bytes of each digest, one after the other."""
    return b"".join(bytes.fromhex(digest[: 2 * _WIDTH]) for digest in digests)


def packed(packages: Iterable[Package]) -> bytes:
    """The digests of all archives that these packages can be unpacked from, as `pack` writes them."""
    return pack(archive.digest for package in packages for archive in layout.archives(package))


class DigestSet:
    """Digests, to ask whether another is among them."""

    def __init__(self, blobs: Iterable[bytes] = ()) -> None:
        self._found: set[int] = set()
        for blob in blobs:
            self.add(blob)

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and _number(digest) in self._found

    def __len__(self) -> int:
        return len(self._found)

    def covers(self, blob: bytes) -> bool:
        """Whether all that `pack` put into `blob` is among them."""
        return self._found.issuperset(array("Q", blob))

    def meets(self, blob: bytes) -> bool:
        """Whether any of what `pack` put into `blob` is among them."""
        return not self._found.isdisjoint(array("Q", blob))

    def add(self, blob: bytes) -> None:
        """Add what `pack` made."""
        self._found.update(array("Q", blob))


def _number(digest: str) -> int:
    # In the order of this machine, as `array` reads what `pack` wrote.
    return int.from_bytes(bytes.fromhex(digest[: 2 * _WIDTH]), sys.byteorder)
