"""Prefixes: environments on disk, made beside their place and moved there when they are complete.

An environment of ours holds the file `.mfenv.json`, written last, with its `EnvId`:

    {"schema_version":1,"req_id":"...","full_id":"...","platform":"linux-64"}

No directory without a valid marker is ever deleted, unless the list of its files is: then somebody
damaged the marker.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.errors import InvalidSpec
from envid.platforms import platform_of
from pkgcache.errors import PrefixError
from pkgcache.prefixes import _inventory
from pkgcache.prefixes._bytecode import compile_modules
from pkgcache.prefixes._making import (
    MARKER,
    absolute,
    building,
    installables,
    interrupted,
    leftovers,
    read_marker,
    remove,
    settled,
)
from pkgcache.prefixes.linking import Linked, Scheme, link_wheels
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from envid.ids import EnvId
    from envid.resolved import ResolvedEnv
    from pkgcache.local.cache import PackageCache
    from pkgcache.prefixes._making import BuildSite
    from pkgcache.prefixes._programs import Program
    from pkgcache.progress import Progress

__all__ = [
    "MARKER",
    "check_prefix",
    "create_venv",
    "interrupted",
    "make_venv",
    "read_marker",
    "remove_prefix",
    "settled_prefix",
    "tidy_prefixes",
]

_VENV_CHILD = Path(__file__).with_name("_venv_child.py")


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
    once the new environment is complete; with `compile`, modules are compiled to `__pycache__`.

    Raises `PrefixExists`, `NotOurPrefix` where `replace` meets something else, `PrefixError` where
    the environment cannot be made with this interpreter or on this disk, `NotInCache` and
    `BadArchive` for its wheels. On any error `prefix` is as it was.
    """
    from pkgcache.prefixes._placing import Placer  # where they are made, not where they are seen

    progress = progress or NoProgress()
    if any(package.kind != "pypi" for package in env.packages):
        raise PrefixError(str(absolute(prefix)), "a virtual environment cannot hold conda packages")
    with ExitStack() as looks:
        # Another process looks at the files while what takes locks is imported, which takes as long.
        known = looks.enter_context(cache.looking(env.packages))
        with building(prefix, env, cache=cache, replace=replace, progress=progress) as site:
            with _venv_program(python, site) as program:
                looks.close()
                if site.waited:
                    known = cache.surely_unpacked(env.packages)
                wheels = installables(env.packages, known, cache, progress)
                facts = _facts(program, python, site.final)
            _check_interpreter(env, facts, site.final, progress)
            scheme = Scheme(
                root=site.root,
                final=site.final,
                python=site.final / "bin" / "python",
                **facts["scheme"],
            )
            site.made.others += _inventory.walked(site.root)
            placer = Placer(str(site.root), progress, site.made)
            linked = link_wheels(wheels, scheme, placer=placer, progress=progress)
            if compile:
                compile_modules(site, python, linked.owners, progress)
    return linked


def remove_prefix(
    prefix: Path,
    *,
    cache: PackageCache,
    progress: Progress | None = None,
    unless: Callable[[], bool] | None = None,
) -> bool:
    """Delete the environment at `prefix`; it is gone from there before its files are deleted.

    `unless` is asked while nobody else can work on it, and True keeps it. Returns whether it was
    deleted. Raises `NotOurPrefix` for anything that pkgcache did not make.
    """
    return remove(prefix, cache=cache, progress=progress or NoProgress(), unless=unless)


def settled_prefix(
    prefix: Path, *, cache: PackageCache, progress: Progress | None = None
) -> EnvId | None:
    """As `read_marker`, once whoever creates, replaces or deletes the prefix is done."""
    return settled(prefix, cache=cache, progress=progress or NoProgress())


def check_prefix(prefix: Path) -> tuple[str, ...]:
    """What is wrong with an environment by a look at each of its files, a line for each.

    A file must be there, and have its size; it is read only where its time is another.
    """
    wrong, doubtful = _inventory.compare(prefix)
    changed: tuple[str, ...] = ()
    if doubtful:
        from pkgcache.prefixes.verifying import changed_files  # which imports much

        changed = changed_files(prefix, wrong, only=doubtful)
    return tuple(sorted((*wrong.values(), *changed)))


def tidy_prefixes(folder: Path, *, cache: PackageCache, dry_run: bool = False) -> int:
    """Put right what killed processes left in a directory of prefixes, and count it."""
    return leftovers(folder, cache, dry_run=dry_run)


def make_venv(env: ResolvedEnv, python: Path, site: BuildSite, progress: Progress) -> None:
    """Make the virtual environment that `env` lies in where it was laid out elsewhere before.

    Raises `PrefixError` where `python` is not for it.
    """
    with _venv_program(python, site) as program:
        facts = _facts(program, python, site.final)
    _check_interpreter(env, facts, site.final, progress)


def _venv_program(python: Path, site: BuildSite) -> Program:
    from pkgcache.prefixes._programs import Program

    # Without `site`, which takes a third of its time for what `sys.path` is to be.
    command = [str(python), "-I", "-S", str(_VENV_CHILD), str(site.root), str(site.final)]
    return Program(command, site.final, _failure(python))


def _failure(python: Path) -> str:
    return f"`{python}` cannot make a virtual environment"


def _facts(program: Program, python: Path, final: Path) -> dict[str, Any]:
    said, failure = program.said(), _failure(python)
    try:
        # The last line: what stands for an interpreter may print before.
        facts: dict[str, Any] = json.loads(said.splitlines()[-1])
        # An interpreter may be built to install elsewhere than into the environment that it is in.
        outside = any(path.startswith("..") for path in facts["scheme"].values())
    except (ValueError, LookupError, TypeError, AttributeError):
        raise PrefixError(str(final), f"{failure}: it does not answer as Python does") from None
    if outside:
        raise PrefixError(str(final), f"{failure}: it would install into itself")
    return facts


def _check_interpreter(
    env: ResolvedEnv, facts: dict[str, Any], prefix: Path, progress: Progress
) -> None:
    try:
        platform = platform_of(*facts["machine"])
    except InvalidSpec:
        platform = "-".join(facts["machine"])
    if platform != env.platform:
        raise PrefixError(
            str(prefix), f"an environment for {env.platform} cannot be made on {platform}"
        )
    version = facts["version"]
    # Wheels were chosen for the minor version, which is in their tags and in the path to them.
    if version.split(".")[:2] != env.python.split(".")[:2]:
        raise PrefixError(
            str(prefix),
            f"the interpreter is Python {version}, and the environment needs {env.python}",
        )
    if version != env.python:
        progress.note(f"using Python {version}, resolved for {env.python}")
