"""Whether unpacked files are still what was unpacked, as far as that can be known without reading.

A file must have the size, time and mode of the list. Whoever changes it and puts these back moves
its change time, which nobody can set: what changed later than `checked` is hashed. The time of that
file is the moment at which all was right, and its content the inode of the tree, since a copy of
the tree is no proof. A link that is made or removed is a change as well, so whoever does that to
what is right moves `checked` along: `linked`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pkgcache import _sharing
from pkgcache._files import in_threads, open_file
from pkgcache.archives._listing import TREE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pkgcache.progress import Progress

File = tuple[str, int, int, int, str]
"""Path, size, time and mode, and the digest: that of RECORD, or a sha256 in hex."""

Check = Callable[[Path, Sequence[File]], bool]
"""Whether a package that was unpacked into a folder has these files."""

CHECKED = "checked"
_PIECE = 1 << 20
_LOOKS = 200


def as_listed(folder: Path, files: Sequence[File]) -> bool:
    """Whether the files have the sizes, times and modes of the list."""
    return _changed_since(folder, files, None) is not None


def surely(folder: Path, files: Sequence[File]) -> bool:
    """Whether the files are right, as can be said without reading them."""
    return _changed_since(folder, files, _checked(folder)) == []


@contextmanager
def looking(looks: Iterable[tuple[Path, Sequence[File]]]) -> Iterator[set[Path]]:
    """The packages that are not `surely` right, of many; they are in the set at the end of the body.

    Another process looks while the body runs, and then this one, too.
    """
    doubtful: set[Path] = set()
    pieces = [
        (folder, files[at : at + _LOOKS], since)
        for folder, files in looks
        for since in (_checked(folder),)
        for at in range(0, len(files), _LOOKS)
    ]

    def work(part: Sequence[tuple[Path, Sequence[File], int]]) -> int:
        for number, (folder, files, since) in enumerate(part):
            if _changed_since(folder, files, since) != []:
                return number
        return len(part)

    dealt = _sharing.parts(pieces, least=1)
    # A look costs a third of a link.
    total = sum(len(files) for _, files, _ in pieces) // 3
    with _sharing.shared(dealt, work, files=total) as looked:
        yield doubtful
    # Behind the first of a part that is not right none was looked at.
    for number, done in looked.undone:
        doubtful.update(folder for folder, _, _ in dealt[number][done:])


def checker(progress: Progress, *, always: bool) -> Check:
    """A check that hashes what changed, or, with `always`, all files."""

    def check(folder: Path, files: Sequence[File]) -> bool:
        # No change time is before 0, so with `always` every file counts as changed.
        since = 0 if always else _checked(folder)
        if not (changed := _changed_since(folder, files, since)):
            return changed is not None
        # Made before anything is hashed: a change during that must come after the mark.
        beside = _new_mark(folder)
        # What was changed until now is looked at, what is changed from now on will be.
        changed = _changed_since(folder, files, since)
        right = changed is not None and _hashes_match(folder, changed, progress)
        with suppress(OSError):  # a cache that can only be read, and is hashed every time
            if right and beside:
                beside.replace(folder / CHECKED)
            elif beside:
                beside.unlink()
        return right

    return check


def mark(folder: Path) -> None:
    """Say that all files are right by now."""
    if beside := _new_mark(folder):
        beside.rename(folder / CHECKED)


def linked(folders: Iterable[Path]) -> None:
    """Say that what has changed in these packages are links to their files."""
    for folder in folders:
        with suppress(OSError):  # not here, or a cache that can only be read
            os.utime(folder / CHECKED)


def digest(path: os.PathLike[str] | str, algorithm: str) -> str:
    """The digest of a file in hex."""
    content = hashlib.new(algorithm, usedforsecurity=False)
    with os.fdopen(open_file(path), "rb", buffering=0) as file:
        while data := file.read(_PIECE):
            content.update(data)
    return content.hexdigest()


def parsed(text: str) -> tuple[str, str]:
    """The algorithm and, in hex, the digest that a list gives."""
    algorithm, _, encoded = text.rpartition("=")
    if not algorithm:
        return "sha256", text
    return algorithm, base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


def _changed_since(
    folder: Path, files: Sequence[File], moment: int | None
) -> list[tuple[str, str]] | None:
    """Path and digest of what changed later; None where something is not as listed."""
    changed = []
    try:
        # Below it there are some names less to look up for each of very many.
        tree = os.open(f"{folder}/{TREE}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for path, size, mtime_ns, mode, digest in files:
            status = os.stat(path, dir_fd=tree, follow_symlinks=False)
            # Most damage shows here, for the price of a system call; whoever writes can put these
            # back.
            if (status.st_size, status.st_mtime_ns, status.st_mode) != (size, mtime_ns, mode):
                return None
            # The kernel alone sets the change time. Linking moves it too, hence `linked`.
            if moment is not None and status.st_ctime_ns > moment:
                changed.append((path, digest))
    except OSError:
        return None
    finally:
        os.close(tree)
    return changed


def _hashes_match(folder: Path, files: Sequence[tuple[str, str]], progress: Progress) -> bool:
    task = progress.start("checking files", len(files), "files")

    def work(part: Sequence[tuple[str, str]]) -> None:
        for path, text in part:
            algorithm, listed = parsed(text)
            if digest(f"{folder}/{TREE}/{path}", algorithm) != listed:
                raise ValueError(path)
            task.advance()

    try:
        in_threads(files, work)
    except (OSError, ValueError):
        return False
    finally:
        task.done()
    return True


def _checked(folder: Path) -> int:
    """The moment at which everything in `folder` was known to be right."""
    try:
        with os.fdopen(open_file(folder / CHECKED, follow=False), "rb") as file:
            # A copy of the cache, as `cp -a` makes it, has times but not inodes, and was checked by
            # nobody.
            same = file.read(32) == _inode(folder)
            return os.fstat(file.fileno()).st_mtime_ns if same else 0
    except OSError:
        return 0


def _new_mark(folder: Path) -> Path | None:
    """A mark of this moment, to become `checked`; None where nothing can be written."""
    beside = folder / f".{secrets.token_hex(4)}.{CHECKED}"
    shared = folder.stat().st_mode & stat.S_IWGRP
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, 0o644), "wb") as file:
            if shared:  # whoever links from here moves it along
                os.fchmod(file.fileno(), 0o664)
            file.write(_inode(folder))
    except OSError:
        return None
    return beside


def _inode(folder: Path) -> bytes:
    return str((folder / TREE).lstat().st_ino).encode()
