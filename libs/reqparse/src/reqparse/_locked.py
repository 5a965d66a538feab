"""What the readers of lock files share: artifacts, hashes, and the check of a format's version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from envid.redaction import redact
from reqparse._conda import split_archive_name
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._project import specifier_set
from reqparse._toml import load_toml
from reqparse._url import absolute, directory, is_remote, is_url, join, split_secret
from reqparse.locked import LockedArtifact
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqparse._node import Node
    from reqparse._reading import Reading

LOST = "lock again, or copy the whole file once more"
"""What to do about a lock that lacks what every lock has."""

_HEX = re.compile(r"[0-9a-f]+")


class Place:
    """The file that a lock is read from: where its paths start and what its origins say."""

    def __init__(self, location: str, shown: str) -> None:
        self.base = absolute(directory(location))
        self.file = shown

    def at(self, node: Node) -> Origin:
        return Origin(file=self.file, line=node.line)

    def artifact(
        self, address: str, *, hashes: Iterable[str] = (), size: int | None = None
    ) -> LockedArtifact:
        """An artifact by its URL or path; a file URL is a path. Raises Flaw."""
        path = None
        if not is_url(address) or address.lower().startswith("file:"):
            path = join(self.base, address)
            if is_remote(path):
                # The lock itself was read from a URL, and this is relative to that.
                address, path = path, None
        if path:
            return LockedArtifact(path=path, hashes=tuple(hashes), size=size)
        url, secret = split_secret(address)
        return LockedArtifact(url=url, hashes=tuple(hashes), size=size, secret=secret)


def open_toml(
    reading: Reading, location: str, data: bytes, *, version: str, what: str
) -> tuple[Node, Place]:
    """The root of a lock in TOML, version 1, whose Python goes to the reading. Raises Flaw."""
    root = load_toml(decode(data, pep263=False))
    check_version(root.get(version), ("1",), what, key=version)
    place = Place(location, redact(location))
    python = root.get("requires-python")
    if python.value is not None:
        with reading.guard(place.at(python)):
            reading.add_python(specifier_set(python.text), place.at(python))
    return root, place


def check_version(node: Node, known: tuple[str, ...], what: str, *, key: str = "version") -> str:
    """The version of a lock's format, which `key` says. Raises Flaw where that is not known."""
    if node.value is None:
        raise Flaw(f"{what} without a version: `{key}` is missing", LOST, node.line)
    version = node.text
    # A minor version adds what an older reader may pass over, as PEP 751 has it for its own.
    if version.partition(".")[0] not in known:
        raise Flaw(
            f"version `{version}` of {what} is not known; known: {', '.join(known)}",
            "lock again with another release of the tool that wrote it",
            node.line,
        )
    return version


def without_secret(url: str | None) -> str | None:
    """A URL or name without credentials."""
    return None if url is None else split_secret(url)[0]


def hash_text(algorithm: str, value: str) -> str:
    """`algorithm:hex`. Raises Flaw for what is not hexadecimal."""
    value = value.lower()
    if not _HEX.fullmatch(value) or not algorithm.isalnum():
        raise Flaw(f"`{algorithm}:{value}` is not a hash")
    return f"{algorithm.lower()}:{value}"


def hash_table(node: Node) -> list[str]:
    """The hashes of a table from algorithm to hex."""
    return [
        hash_text(name, value.text)
        for name, value in node.table.items()
        if value.value not in (None, "")
    ]


def is_conda_archive(address: str) -> bool:
    """Whether a URL or path ends like a conda package."""
    return address.partition("#")[0].endswith((".conda", ".tar.bz2"))


def conda_parts(address: str) -> tuple[str, str, str]:
    """Name, version and build of a conda package by its URL or path. Raises Flaw."""
    return split_archive_name(unquote(address.partition("#")[0].rpartition("/")[2]))
