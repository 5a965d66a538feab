"""mfenv's side of `bootstrap`: it fetches mfenv itself, before it can create anything.

What a container has is the extension, as part of the code package, and the library of its datastore.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv.fetching import AT_ONCE, Failed, fetcher
from metaflow_extensions.mfenv.isolated import add_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["add_runtime", "prepare"]

_MACHINES = {"x86_64": "64", "arm64": "aarch64"}


def prepare(
    name: str,
    *,
    datastore: str,
    runtime: dict[str, Any],
    descriptions: Sequence[Mapping[str, Any]],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fetch `runtime` and have it create an environment; see `add_runtime` and `engine.create`.

    The store is that of MFENV_STORE, and all is kept in MFENV_HOME. Answers what `engine.create`
    does, the `paths` of the runtime, and the seconds that were `fetching` it. Raises `Failed`, and
    the errors of `engine.create`.
    """
    home = Path(os.environ["MFENV_HOME"])
    started = time.time()
    try:
        paths = add_runtime(runtime, home, fetcher(os.environ["MFENV_STORE"]))
        add_paths(paths)
        fetching = time.time() - started
        from metaflow_extensions.mfenv.engine import create

        created = create(name, datastore=datastore, say=say, descriptions=descriptions)
    except OSError as error:
        raise Failed(
            f"{error}; set MFENV_HOME to a directory with room, which this task may write to"
        ) from None
    return {**created, "paths": paths, "fetching": fetching}


def add_runtime(
    runtime: dict[str, Any], home: Path, fetch: Callable[[str, Path], None]
) -> list[str]:
    """Fetch mfenv and what it imports, and return the directories to import them from.

    `runtime` is what `metaflow_extensions.mfenv.staging.stage` gives. Every object has a directory
    of its own under `home`, by its hash, which several tasks of one machine share. `fetch` puts the
    object with a key into a file.
    """
    machine = platform.machine()
    here = f"linux-{_MACHINES.get(machine, machine)}"
    if sys.platform == "darwin":
        here = "osx-arm64" if machine == "arm64" else "osx-64"
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wheels = runtime["wheels"].get(here, {}).get(python)
    if wheels is None:
        known = ", ".join(
            f"{one} with Python {'/'.join(found)}" for one, found in runtime["wheels"].items()
        )
        raise Failed(
            f"this container is {here} with Python {python}, and mfenv was staged for {known};"
            " choose another image, or set `target_platform`"
        )
    root = home / "runtime"
    root.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: _unpacked(one, root, fetch), [runtime["code"], *wheels]))


def _unpacked(one: dict[str, Any], root: Path, fetch: Callable[[str, Path], None]) -> str:
    folder = root / one["sha256"]
    if folder.is_dir():
        return str(folder)
    with tempfile.TemporaryDirectory(dir=root) as beside:
        archive = Path(beside, "archive.zip")
        fetch(one["key"], archive)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != one["sha256"]:
            raise Failed(
                f"`{one['key']}` in the store is damaged: its sha256 is {found}; delete"
                " `runtime/` there, and start the run again"
            )
        content = Path(beside, "content")
        with zipfile.ZipFile(archive) as file:
            file.extractall(content)
        try:
            content.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another task was faster
                raise
    return str(folder)
