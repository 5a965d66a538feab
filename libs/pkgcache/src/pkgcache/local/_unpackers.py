"""Unpacking and checking, in processes of its own: an interpreter opens too few files a second."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pkgcache.archives import conda_packages, wheels
from pkgcache.archives.records import PackageLimits
from pkgcache.errors import BadArchive
from pkgcache.worker import Worker

_KINDS = {"pypi": wheels, "conda": conda_packages}

# Threads that unpack at once wait for each other's turn at every small file.
_TURN = threading.Lock()

PROCESSES = min(4, os.cpu_count() or 1)
_WORTH_IT = 2 << 20


def unpack(kind: str, archive: Path, folder: Path | None, limits: PackageLimits) -> None:
    """Unpack a package of this kind here and now, or only check it, where there is no `folder`.

    Raises what its own `unpack` does.
    """
    with _TURN:
        _unpack(kind, archive, folder, limits)


def _unpack(kind: str, archive: Path, folder: Path | None, limits: PackageLimits) -> None:
    if folder:
        _KINDS[kind].unpack(archive, folder, limits=limits)
    else:
        _KINDS[kind].check_archive(archive, limits=limits)


class Unpackers:
    """Processes that are started by need, and end with `close`."""

    def __init__(self) -> None:
        self._workers = [Worker() for _ in range(PROCESSES)]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes, and with them what they are at."""
        for worker in self._workers:
            worker.close()

    def unpack(self, kind: str, archive: Path, folder: Path | None, limits: PackageLimits) -> None:
        """As `unpack`, in another process if it is worth it."""
        # To start an interpreter takes longer than to unpack a small package.
        if archive.stat().st_size < _WORTH_IT:
            unpack(kind, archive, folder, limits)
            return
        worker = self._idle.get()
        try:
            answer = worker.call(
                "pkgcache.local._unpackers:unpack_here",
                kind=kind,
                archive=str(archive),
                folder=str(folder or ""),
                limits=asdict(limits),
            )
        except BlockingIOError:  # no other process can be started
            unpack(kind, archive, folder, limits)
            return
        finally:
            self._idle.put(worker)
        if "issues" in answer:
            raise BadArchive(archive.name, tuple(answer["issues"]))
        if "errno" in answer:
            # As it would have been raised here, so that a full disk is told for what it is.
            raise OSError(answer["errno"], os.strerror(answer["errno"]), answer["path"])


async def unpack_here(
    *,
    report: object,  # noqa: ARG001  every handler gets it
    kind: str,
    archive: str,
    folder: str,
    limits: dict[str, int],
) -> dict[str, Any]:
    """What the processes do."""
    try:
        _unpack(kind, Path(archive), Path(folder) if folder else None, PackageLimits(**limits))
    except BadArchive as error:
        return {"issues": error.issues}
    except OSError as error:
        if error.errno is None:
            raise
        return {"errno": error.errno, "path": str(error.filename or archive)}
    return {}
