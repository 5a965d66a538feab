"""A list of files: two lines of JSON, in `files.json` for those of an unpacked package.

The first holds the size of all files in bytes, to be had without reading the second, and the
CRC-32 of the second, since what is in there is believed.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from typing import TYPE_CHECKING, Any

from pkgcache._files import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TREE, LIST = "tree", "files.json"

# Its numbers are bounded, so that it can be read without the rest.
_HEAD = re.compile(rb'\{"size":(\d{1,18}),"crc32":(\d{1,10})\}\n')
_LONGEST_HEAD = 64


def write(folder: Path, document: Mapping[str, Any], size: int, *, name: str = LIST) -> None:
    """Write the list of what is in `folder`, whose files have `size` bytes."""
    body = json.dumps(document).encode()
    # It need not reach the disk at once: a list that a power cut damages lacks its checksum, and
    # then the package is unpacked again.
    head = f'{{"size":{size},"crc32":{zlib.crc32(body)}}}\n'.encode()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(folder / name, flags, 0o444), "wb") as file:
        file.write(head + body)


def read(folder: Path, name: str = LIST) -> Any:
    """The list, as it was written. Raises `OSError` and `ValueError`."""
    with os.fdopen(open_file(folder / name), "rb") as file:
        text = file.read()
    head = _HEAD.match(text)
    if not head or zlib.crc32(memoryview(text)[head.end() :]) != int(head[2]):
        raise ValueError(folder)
    return json.loads(text[head.end() :])


def size(folder: Path) -> int | None:
    """The bytes of the package's files, None where there is no list of them."""
    try:
        with os.fdopen(open_file(folder / LIST), "rb") as file:
            head = _HEAD.match(file.read(_LONGEST_HEAD))
    except OSError:
        return None
    return int(head[1]) if head else None
