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
import shutil
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add_runtime", "main"]

_OLDEST = (3, 10)
_AT_ONCE = 8
_MACHINES = {"x86_64": "64", "arm64": "aarch64"}


class Failed(Exception):
    """What cannot be done, and what to do about it."""


def main(arguments: list[str]) -> None:
    """Create the environment of a step; the only output are lines of progress."""
    started = time.time()
    step, datastore = arguments[:2]
    try:
        _check_python()
        document = _document()
        home = Path(os.environ.get("MFENV_HOME") or ".mfenv").absolute()
        store = _store(document["store"])
        os.environ.update(MFENV_HOME=str(home), MFENV_STORE=store)
        sys.path[:0] = add_runtime(document["runtime"], home, _fetcher(store))
        ready = time.time()
        created = _create(document, step, datastore, "".join(arguments[2:]))
        _write(created)
    except Failed as error:
        sys.exit(f"Environment of step `{step}`: {error}")
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
    from metaflow.packaging_sys import ContentType, MetaflowCodeContent

    from metaflow_extensions.mfenv.environment import DESCRIPTIONS

    path = MetaflowCodeContent.get_filename(DESCRIPTIONS, ContentType.OTHER_CONTENT)
    if path is None:
        raise Failed(f"the code package has no `{DESCRIPTIONS}`; start the run again")
    document: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
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
    with ThreadPoolExecutor(_AT_ONCE) as pool:
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
                f"`{one['key']}` in the store is damaged: its sha256 is {found}; delete it there,"
                " and start the run again"
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


def _fetcher(url: str) -> Callable[[str, Path], None]:
    """How an object of the store comes into a file, with what Metaflow itself needs there."""
    parts = urlsplit(url)
    root = parts.path.strip("/")
    if parts.scheme == "file":
        return lambda key, path: _from_directory(Path(unquote(parts.path)), key, path)
    if parts.scheme == "s3":
        return _from_s3(parts.netloc, root, parse_qs(parts.query))
    if parts.scheme == "az":
        from metaflow.plugins.datastores.azure_storage import AzureStorage

        return _from_metaflow(AzureStorage(root))
    if parts.scheme == "gs":
        from metaflow.plugins.datastores.gs_storage import GSStorage

        return _from_metaflow(GSStorage(f"gs://{parts.netloc}/{root}"))
    raise Failed(f"the store `{parts.scheme}://` cannot be read from here")


def _from_directory(root: Path, key: str, path: Path) -> None:
    try:
        shutil.copyfile(root / key, path)
    except OSError as error:
        raise _not_fetched(key, error) from None


def _from_s3(bucket: str, root: str, options: dict[str, list[str]]) -> Callable[[str, Path], None]:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    chosen = {key: values[0] for key, values in options.items()}
    client = boto3.session.Session(profile_name=chosen.get("profile")).client(
        "s3",
        endpoint_url=chosen.get("endpoint"),
        region_name=chosen.get("region"),
        config=Config(
            max_pool_connections=_AT_ONCE,
            retries={"mode": "standard", "max_attempts": 5},
            s3={"addressing_style": chosen.get("addressing", "auto")},
        ),
    )

    def fetch(key: str, path: Path) -> None:
        try:
            answer = client.get_object(Bucket=bucket, Key=f"{root}/{key}".lstrip("/"))
            with path.open("wb") as file:
                shutil.copyfileobj(answer["Body"], file)
        except (BotoCoreError, ClientError) as error:
            raise _not_fetched(key, error) from None

    return fetch


def _from_metaflow(storage: Any) -> Callable[[str, Path], None]:
    def fetch(key: str, path: Path) -> None:
        with storage.load_bytes([key]) as found:
            for _, local, _ in found:
                if local is None:
                    raise _not_fetched(key, "it is not there")
                shutil.copyfile(local, path)

    return fetch


def _not_fetched(key: str, why: object) -> Failed:
    return Failed(
        f"`{key}` cannot be fetched from the store: {why}; check that this task may read it, or"
        " start the run again"
    )


def _create(document: dict[str, Any], step: str, datastore: str, name: str) -> dict[str, Any]:
    from metaflow_extensions.mfenv.bridge import EnvironmentFailed, call
    from metaflow_extensions.mfenv.names import expand

    descriptions = []
    if name:
        try:
            name = expand(name, os.environ)
        except KeyError as error:
            raise Failed(f"there is no variable {error} to put into `{name}`") from None
    else:
        req_id, full_id, target = document["steps"][step]["env_id"]
        name = f"{req_id}:{full_id}"
        descriptions = [document["environments"][f"{name}@{target}"]]
    try:
        created: dict[str, Any] = call(
            "create", _say, name=name, datastore=datastore, descriptions=descriptions
        )
    except EnvironmentFailed as error:
        raise Failed(str(error)) from None
    return created


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write(created: dict[str, Any]) -> None:
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
        **{name: os.environ[name] for name in ("MFENV_HOME", "MFENV_STORE")},
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(lines.items()))
    Path(EXPORTS).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
