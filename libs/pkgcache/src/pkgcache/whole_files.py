"""Files that others see whole, or as they were: each is written beside its place, then renamed.

So are the directories made for them, which go again where nothing came of it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["contents", "made_folder", "whole_file", "write_all"]

_CHUNK = 1 << 20


@contextmanager
def whole_file(path: Path, mode: int = 0o666, *, synced: bool = True) -> Iterator[int]:
    """The descriptor of a new file, which gets the name `path` in the end, or is gone.

    `mode` is as `open(2)` takes it, with the umask applied. Without `synced` it is not waited for
    the disk: for what may be damaged after the power failed, since its reader finds that out.
    Raises `OSError`.
    """
    # By chance, since processes of containers have the same numbers again and again.
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(beside, flags, mode)
    try:
        try:
            yield descriptor
            if synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a directory and those above it; at the end, what of these was made and is empty goes.

    Raises `OSError` where it cannot be made.
    """
    above = [folder, *folder.parents]
    # The ones that are there are nobody's to take away.
    made = above[: next((at for at, one in enumerate(above) if one.exists()), len(above))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for one in made:
            with suppress(OSError):  # it has something, or was never made
                one.rmdir()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, of which the system may take a part at a time; raises `OSError`."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def contents(source: bytes | Path) -> Iterator[bytes]:
    """What `source` is, or the file of that path holds, in parts that memory has room for."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while data := file.read(_CHUNK):
            yield data
