"""Files of the user's that are replaced: whole, or left as they were."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that others see as it was, or as it is to be, whenever this is interrupted.

    Raises `InvalidRequest` for what is there and no file.
    """
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"`{path}` is no file", "name a file with `--output`")
    # Through a link: the file that it leads to is meant.
    place = type(path)(os.path.realpath(path))
    beside = place.with_name(f".{place.name}.mfenv-{os.getpid()}")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
