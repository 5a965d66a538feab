"""Files of the user's that are replaced: whole, or left as they were."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest
from pkgcache.whole_files import whole_file, write_all

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that others see as it was, or as it is to be, whenever this is interrupted.

    Who may read and write it stays as it was, and so do its owner and group, as far as that is
    allowed; another hard link to it keeps what was there. Raises `InvalidRequest` for what is there
    and no file, and where none can be made.
    """
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"`{path}` is no file", "name a file with `--output`")
    # Through a link: the file that it leads to is meant.
    place = type(path)(os.path.realpath(path))
    with ExitStack() as stack:
        try:
            new = stack.enter_context(whole_file(place))
        except OSError as error:
            # By the name that the user knows: that of the file beside it says nothing to anybody.
            raise InvalidRequest(
                f"cannot write `{path}`: {error.strerror}",
                "name a file in a directory that is there and can be written to",
            ) from error
        if place.exists():
            there, made = place.stat(), os.fstat(new)
            if (there.st_uid, there.st_gid) != (made.st_uid, made.st_gid):
                with suppress(OSError):  # only root may give a file away
                    os.fchown(new, there.st_uid, there.st_gid)
            # Last, since a change of the owner takes bits away.
            os.fchmod(new, stat.S_IMODE(there.st_mode))
        write_all(new, data)
