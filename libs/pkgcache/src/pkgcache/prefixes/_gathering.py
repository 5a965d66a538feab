"""Where the files of an environment are that goes into an archive, with nothing made on a disk."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pkgcache.prefixes._placing import Placer
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pkgcache.prefixes._placing import Link

__all__ = ["Gathered", "Gathering"]


class Gathered(NamedTuple):
    """What will be at a path: the file `source`, else a link to `link`, else `content`."""

    source: str = ""
    link: str = ""
    content: bytes = b""
    executable: bool = False


class Gathering(Placer):
    """Takes down what would be made under `root`; the `files` and the `folders`, by path."""

    def __init__(self, root: str) -> None:
        super().__init__(root, NoProgress())
        self.files: dict[str, Gathered] = {}
        self.folders: set[str] = set()

    def source(self, path: str) -> str:
        return self.files[path].source

    def make_folders(self, folders: Iterable[str]) -> None:
        for folder in folders:
            while folder and folder not in self.folders:
                if folder in self.files:
                    raise self._exists(folder)
                self.folders.add(folder)
                folder = folder.rpartition("/")[0]  # noqa: PLW2901  walks up

    @contextmanager
    def linking(
        self, folders: Iterable[str], links: Sequence[Link]
    ) -> Iterator[Callable[[], None]]:
        self.make_folders(folders)
        for source, path, _ in links:
            self.link(source, path)
        yield lambda: None

    def link(self, source: str, path: str) -> None:
        self._add(path, Gathered(source=source))

    def copy(self, source: str, path: str) -> None:
        self._add(path, Gathered(source=source))

    def symlink(self, target: str, path: str) -> None:
        self._add(path, Gathered(link=target))

    def write(self, path: str, content: bytes, *, executable: bool) -> None:
        self._add(path, Gathered(content=content, executable=executable))

    def _add(self, path: str, gathered: Gathered) -> None:
        # Atomic, as many threads add at once.
        if path in self.folders or self.files.setdefault(path, gathered) is not gathered:
            raise self._exists(path)

    def _exists(self, path: str) -> FileExistsError:
        return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{self._root}/{path}")
