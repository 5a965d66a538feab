"""What a container runs before a task: it creates the task's environment from the store alone.

`python -m metaflow_extensions.mfenv.bootstrap STEP DATASTORE [NAME]` needs what Metaflow itself has
put there: its code package, and the library of its datastore. It fetches mfenv from the store,
has it create the environment of the step, or the one that NAME names by now, and writes what the
shell must export into `mfenv_exports.sh`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from metaflow_extensions.mfenv.descriptions import DESCRIPTIONS, descriptions
from metaflow_extensions.mfenv.fetching import AT_ONCE, Failed, fetcher

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add_runtime", "main"]

_OLDEST = (3, 10)
_MACHINES = {"x86_64": "64", "arm64": "aarch64"}


def main(arguments: list[str]) -> None:
    """Create the environment of a step; the only output are lines of progress."""
    started = time.time()
    step, datastore = arguments[:2]
    try:
        _check_python()
        document = _document()
        home = Path(os.environ.get("MFENV_HOME") or ".mfenv").absolute()
        store = _store(document["store"])
        # What a run that the task starts must ask for the same by.
        told = {f"MFENV_{key.upper()}": text for key, text in document["settings"].items()}
        added = {name: text for name, text in told.items() if name not in os.environ}
        added.update(MFENV_HOME=str(home), MFENV_STORE=store)
        os.environ.update(added)
        sys.path[:0] = add_runtime(document["runtime"], home, fetcher(store))
        ready = time.time()
        created = _create(document, step, datastore, "".join(arguments[2:]))
        _write(created, added)
    except Failed as error:
        sys.exit(f"Environment of step `{step}`: {error}")
    except OSError as error:
        sys.exit(
            f"Environment of step `{step}`: {error}; set MFENV_HOME to a directory with room, which"
            " this task may write to"
        )
    ids = ":".join(one[:12] for one in created["env_id"][:2])
    now = time.time()
    sys.stdout.write(
        f"Environment {ids} ready in {now - started:.1f} s: {ready - started:.1f} s to fetch mfenv,"
        f" {now - ready:.1f} s to create it\n"
    )


def _check_python() -> None:
    if sys.version_info < _OLDEST:
        raise Failed(
            f"this image has Python {_version(sys.version_info)}, and creating environments needs"
            f" {_version(_OLDEST)} or newer; choose an image with a newer `python` (the environment"
            " brings its own for the step)"
        )


def _version(numbers: Any) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def _document() -> dict[str, Any]:
    document = descriptions()
    if not document:
        raise Failed(f"the code package has no `{DESCRIPTIONS}`; start the run again")
    if "runtime" not in document:
        raise Failed("the run was started without a store; set MFENV_STORE, and start it again")
    return document


def _store(url: str) -> str:
    """The store's URL as it is reached from here: where S3 is, this machine may know better."""
    endpoint = os.environ.get("METAFLOW_S3_ENDPOINT_URL")
    if os.environ.get("MFENV_STORE"):
        return os.environ["MFENV_STORE"]
    if not url.startswith("s3://") or not endpoint:
        return url
    bare, _, query = url.partition("?")
    options = [one for one in query.split("&") if one and not one.startswith("endpoint=")]
    return f"{bare}?{'&'.join([*options, 'endpoint=' + quote(endpoint, safe=':/')])}"


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
    python = _version(sys.version_info)
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


def _create(document: dict[str, Any], step: str, datastore: str, name: str) -> dict[str, Any]:
    from metaflow_extensions.mfenv.bridge import EnvironmentFailed, call
    from metaflow_extensions.mfenv.names import expand

    descriptions = []
    if name:
        try:
            name = expand(name, os.environ)
        except KeyError as error:
            raise Failed(
                f"there is no variable {error.args[0]} to put into `{name}`; set it in the container"
            ) from None
    else:
        req_id, full_id, target = document["steps"][step]["env_id"]
        name = f"{req_id}:{full_id}"
        descriptions = [document["environments"][f"{name}@{target}"]]
    try:
        created: dict[str, Any] = call(
            "create", _say, name=name, datastore=datastore, descriptions=descriptions
        )
    except EnvironmentFailed as error:
        raise Failed(str(error).replace("\nhint: ", "; ")) from None
    return created


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write(created: dict[str, Any], added: dict[str, str]) -> None:
    from metaflow.plugins.env_escape import generate_trampolines

    from metaflow_extensions.mfenv.environment import EXPORTS, PYTHON, VARIABLE

    trampolines = Path("_escape_trampolines").absolute()
    trampolines.mkdir(exist_ok=True)
    generate_trampolines(str(trampolines))
    lines = {
        **created["variables"],
        PYTHON: created["python"],
        VARIABLE: json.dumps(created["env_id"]),
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(trampolines)]),
        "PYTHONNOUSERSITE": "1",
        # mfenv is outside of the environment, where the environment escape goes too.
        "METAFLOW_ENV_ESCAPE_PY": sys.executable,
        "METAFLOW_ENV_ESCAPE_PATHS": os.pathsep.join(map(os.path.abspath, sys.path)),
        **added,
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(lines.items()))
    Path(EXPORTS).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
