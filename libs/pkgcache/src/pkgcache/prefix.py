"""Prefixes: environments on disk, made beside their place and moved there when they are complete.

An environment of ours holds the file `.mfenv.json`, written last, with its `EnvId`:

    {"schema_version":1,"req_id":"...","full_id":"...","platform":"linux-64"}

No directory without a valid one is ever deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.ids import EnvId, is_id
from pkgcache._locks import lock
from pkgcache.errors import NotOurPrefix, PkgcacheError, PrefixError, PrefixExists
from pkgcache.linking import Installable, Linked, Scheme, link_wheels
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.cache import PackageCache
    from pkgcache.progress import Progress

__all__ = ["MARKER", "create_venv", "read_marker", "remove_prefix"]

MARKER = ".mfenv.json"
_SCHEMA_VERSION = 1
_VENV_CHILD = Path(__file__).with_name("_venv_child.py")
_LONGEST_MARKER = 4096
_PLATFORMS = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "arm64"): "osx-arm64",
}


def create_venv(
    env: ResolvedEnv,
    prefix: Path,
    *,
    python: Path,
    cache: PackageCache,
    replace: bool = False,
    compile: bool = False,  # noqa: A002  what pip and uv call it
    progress: Progress | None = None,
) -> Linked:
    """Create `env` as a virtual environment of the interpreter `python` at `prefix`, offline.

    Every wheel must be in `cache`. With `replace`, an environment of ours at `prefix` is replaced
    once the new one is complete; with `compile`, modules are compiled to `__pycache__`.

    Raises `PrefixExists`, `NotOurPrefix` where `replace` meets something else, `PrefixError` where
    the environment cannot be made with this interpreter or on this disk, `NotInCache` and
    `BadArchive` for its wheels. On any error `prefix` is as it was.
    """
    progress = progress or NoProgress()
    prefix = _absolute(prefix)
    if any(one.kind != "pypi" for one in env.packages):
        raise PrefixError(str(prefix), "a virtual environment cannot hold conda packages")
    new = _beside(prefix, "new")
    with _working_on(prefix, cache, progress):
        if os.path.lexists(prefix):
            if not replace:
                raise PrefixExists(str(prefix))
            _check_ours(prefix)
        with ThreadPoolExecutor(1) as pool:
            making = pool.submit(_make_venv, python, new, prefix)
            wheels = [_installable(one, cache, progress) for one in env.packages]
            facts = making.result()
        _check_interpreter(env, facts, prefix, progress)
        scheme = Scheme(root=new, final=prefix, python=prefix / "bin" / "python", **facts["scheme"])
        linked = link_wheels(wheels, scheme, progress=progress)
        if compile:
            _compile(new, prefix)
        _write_marker(new, env.env_id)
        if os.path.lexists(prefix):
            prefix.rename(_beside(prefix, "old"))
        new.rename(prefix)
    return linked


def remove_prefix(prefix: Path, *, cache: PackageCache, progress: Progress | None = None) -> None:
    """Delete the environment at `prefix`; it is gone from there before its files are deleted.

    Raises `NotOurPrefix` for anything that `create_venv` did not make.
    """
    prefix = _absolute(prefix)
    with _working_on(prefix, cache, progress or NoProgress()):
        _check_ours(prefix)
        prefix.rename(_beside(prefix, "gone"))


def read_marker(prefix: Path) -> EnvId | None:
    """Which environment `prefix` is, None where it is none of ours."""
    try:
        descriptor = os.open(prefix / MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            document = json.loads(file.read(_LONGEST_MARKER))
        if document["schema_version"] != _SCHEMA_VERSION:
            return None
        found = EnvId(document["req_id"], document["full_id"], document["platform"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    valid = all(isinstance(one, str) for one in found)
    return found if valid and is_id(found.req_id) and is_id(found.full_id) else None


def _absolute(prefix: Path) -> Path:
    # Not resolve(): on a cluster the name that the user gave may be the one that holds everywhere.
    path = Path(os.path.abspath(prefix))  # noqa: PTH100
    if not path.name:
        raise NotOurPrefix(str(path), "is not only an environment")
    return path


def _beside(prefix: Path, what: str) -> Path:
    """Where a prefix that is `new`, `old` or `gone` lies while somebody works on it."""
    return prefix.with_name(f".{prefix.name}.mfenv-{what}")


@contextmanager
def _working_on(prefix: Path, cache: PackageCache, progress: Progress) -> Iterator[None]:
    """Hold the lock of a prefix. What is left beside it is put right before and afterwards."""
    real = prefix.parent.resolve() / prefix.name
    name = hashlib.sha256(os.fsencode(real)).hexdigest()
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        waiting_for = f"another process that works on `{prefix}`"
        with lock(cache.lock_path(f"prefix-{name}"), waiting_for=waiting_for, progress=progress):
            _tidy(prefix)
            try:
                yield
            finally:
                _tidy(prefix)
    except PkgcacheError:
        raise
    except OSError as error:
        raise PrefixError(str(prefix), (error.strerror or str(error)).lower()) from error


def _tidy(prefix: Path) -> None:
    old = _beside(prefix, "old")
    if not os.path.lexists(prefix) and read_marker(old):
        old.rename(prefix)  # interrupted between the two renames of a replacement
    for what in ("new", "old", "gone"):
        _discard(_beside(prefix, what))


def _discard(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _check_ours(prefix: Path) -> None:
    if prefix.is_symlink():
        raise NotOurPrefix(str(prefix), "is a symbolic link")
    if not prefix.is_dir():
        raise NotOurPrefix(str(prefix), "is not a directory")
    home = Path("~").expanduser().resolve()
    prefix = prefix.resolve()
    if prefix in (home, *home.parents) or prefix.is_mount():
        raise NotOurPrefix(str(prefix), "is not only an environment")
    if not read_marker(prefix):
        raise NotOurPrefix(str(prefix))


def _installable(package: Package, cache: PackageCache, progress: Progress) -> Installable:
    wheel = cache.unpacked(package, progress=progress)
    return Installable(wheel=wheel, direct_url=_direct_url(package))


def _direct_url(package: Package) -> bytes | None:
    """PEP 610, for what was built from a repository or a directory; an sdist is no direct URL."""
    origin = package.built_from
    if not origin or origin.kind == "sdist":
        return None
    document: dict[str, Any] = {"url": origin.url.removeprefix("git+")}
    if origin.kind == "vcs":
        document["vcs_info"] = {"vcs": "git", "commit_id": origin.commit}
    else:
        document["dir_info"] = {}
    if origin.subdirectory:
        document["subdirectory"] = origin.subdirectory
    return json.dumps(document).encode()


def _make_venv(python: Path, build: Path, final: Path) -> dict[str, Any]:
    command = [str(python), "-I", str(_VENV_CHILD), str(build), str(final)]
    failure = f"`{python}` cannot make a virtual environment"
    said = _run(command, final, failure)
    try:
        facts: dict[str, Any] = json.loads(said.splitlines()[-1])
        outside = any(path.startswith("..") for path in facts["scheme"].values())
    except (ValueError, LookupError, TypeError, AttributeError):
        raise PrefixError(str(final), f"{failure}: it does not answer as Python does") from None
    if outside:
        raise PrefixError(str(final), f"{failure}: it would install into itself")
    return facts


def _compile(build: Path, final: Path) -> None:
    python = str(build / "bin" / "python")
    strip = ["-s", str(build), "-p", str(final)]
    _run(
        [python, "-I", "-m", "compileall", "-q", "-j0", *strip, str(build / "lib")],
        final,
        "modules cannot be compiled",
    )


def _run(command: list[str], prefix: Path, failure: str) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PrefixError(str(prefix), f"{failure}: {reason}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PrefixError(str(prefix), f"{failure}: {said[-1] if said else done.returncode}")
    return done.stdout


def _check_interpreter(
    env: ResolvedEnv, facts: dict[str, Any], prefix: Path, progress: Progress
) -> None:
    platform = _PLATFORMS.get(tuple(facts["machine"]))
    if platform != env.platform:
        raise PrefixError(
            str(prefix), f"an environment for {env.platform} cannot be made on {platform}"
        )
    version = facts["version"]
    if version.split(".")[:2] != env.python.split(".")[:2]:
        raise PrefixError(
            str(prefix),
            f"the interpreter is Python {version}, and the environment needs {env.python}",
        )
    if version != env.python:
        progress.note(f"using Python {version}, resolved for {env.python}")


def _write_marker(prefix: Path, env_id: EnvId) -> None:
    document = {"schema_version": _SCHEMA_VERSION, **env_id._asdict()}
    with (prefix / MARKER).open("x", encoding="utf-8") as file:
        json.dump(document, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
