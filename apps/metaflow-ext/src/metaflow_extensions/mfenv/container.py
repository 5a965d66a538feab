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
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv.command_records import ContainerInterpreter
from metaflow_extensions.mfenv.fetching import AT_ONCE, Failed, fetcher
from metaflow_extensions.mfenv.isolated import add_paths
from metaflow_extensions.mfenv.run_records import Create

if TYPE_CHECKING:
    from collections.abc import Callable

    from metaflow_extensions.mfenv.command_records import Prepare
    from metaflow_extensions.mfenv.records import Say
    from metaflow_extensions.mfenv.run_records import Runtime, RuntimeObject

__all__ = ["add_runtime", "prepare"]

_MACHINES = {"x86_64": "64", "arm64": "aarch64"}


def prepare(asked: Prepare, say: Say) -> ContainerInterpreter:
    """Fetch the runtime and have it create an environment; see `add_runtime` and `engine.create`.

    The store is that of MFENV_STORE, and all is kept in MFENV_HOME. Raises `Failed`, and the errors
    of `engine.create`.
    """
    home = Path(os.environ["MFENV_HOME"])
    started = time.time()
    try:
        paths = add_runtime(asked.runtime, home, fetcher(os.environ["MFENV_STORE"]))
        # From here on `mfenv` can be imported, and not before.
        add_paths(paths)
        fetching = time.time() - started
        from metaflow_extensions.mfenv.engine import create

        interpreter = create(
            Create(datastore=asked.datastore, name=asked.name, descriptions=asked.descriptions),
            say,
        )
    except OSError as error:
        raise Failed(
            f"{error}; set MFENV_HOME to a directory with room, which this task may write to"
        ) from None
    return ContainerInterpreter(**vars(interpreter), paths=tuple(paths), fetching=fetching)


def add_runtime(runtime: Runtime, home: Path, fetch: Callable[[str, Path], None]) -> list[str]:
    """Fetch mfenv and what it imports, and return the directories to import them from.

    Every object has a directory of its own under `home`, by its hash, which several tasks of one
    machine share. `fetch` puts the object with a key into a file.
    """
    here = this_platform()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wheels = runtime.wheels.get(here, {}).get(python)
    if wheels is None:
        known = ", ".join(
            f"{target} with Python {'/'.join(pythons)}"
            for target, pythons in runtime.wheels.items()
        )
        raise Failed(
            f"this container is {here} with Python {python}, and mfenv was staged for {known};"
            " choose another image, or set `target_platform`"
        )
    root = home / "runtime"
    root.mkdir(parents=True, exist_ok=True)
    # Each is a request or two of its own, and waiting for the store is nearly all of the time.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda item: _unpacked(item, root, fetch), [runtime.code, *wheels]))


def this_platform() -> str:
    """What `envid.platforms.host_platform` would say, which is fetched only with the help of this."""
    machine = platform.machine()
    if sys.platform == "darwin":
        return "osx-arm64" if machine == "arm64" else "osx-64"
    return f"linux-{_MACHINES.get(machine, machine)}"


def _unpacked(item: RuntimeObject, root: Path, fetch: Callable[[str, Path], None]) -> str:
    folder = root / item.sha256
    # It came there whole, by its rename, after its hash was compared.
    if folder.is_dir():
        return str(folder)
    # Under `root`, so that the rename stays in one file system.
    with tempfile.TemporaryDirectory(dir=root) as beside:
        archive = Path(beside, "archive.zip")
        fetch(item.key, archive)
        sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
        if sha256 != item.sha256:
            raise Failed(
                f"`{item.key}` in the store is damaged: its sha256 is {sha256}; delete"
                " `runtime/` there, and start the run again"
            )
        content = Path(beside, "content")
        with zipfile.ZipFile(archive) as file:
            # Nobody's but ours: the hash came with the code package of the run.
            file.extractall(content)
        try:
            content.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another task was faster
                raise
    return str(folder)
