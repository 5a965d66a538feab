"""Environments as archives, for machines without the store and without mfenv, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest
from mfenv.prefixes import fetch_env
from mfenv.results import Created, timed

if TYPE_CHECKING:
    from envid.resolved import ResolvedEnv
    from mfenv.prefixes import Prefixes
    from mfenv.site import Site
    from pkgcache.prefixes.packing import PackedEnv

__all__ = ["pack", "unpack"]


def pack(site: Site, env: ResolvedEnv, target: Path, *, force: bool) -> PackedEnv:
    """Write `env` to an archive; see `Environments.pack`."""
    from pkgcache.errors import NotInCache, TargetExists
    from pkgcache.prefixes.packing import pack_env
    from resolvers.targets import needed_glibc

    if target.is_dir():
        raise InvalidRequest(
            f"`{target}` is a directory", f"name a file: `-o {target / 'env.tar.gz'}`"
        )
    _stem(target)
    if not target.absolute().parent.is_dir():
        raise InvalidRequest(
            f"`{target.parent}`, where the archive is to be, is no directory", "make it first"
        )
    if target.exists() and not force:  # before anything is fetched
        raise TargetExists(str(target))
    site.registry.use([env])
    needs = [needed_glibc(package.filename) for package in env.packages if package.kind == "pypi"]
    # Each round may lose another package to a collection; more rounds would be a fault.
    for left in reversed(range(len(env.packages) + 1)):
        fetch_env(site, env)
        try:
            return pack_env(
                env,
                target,
                cache=site.cache,
                glibc=max((floor for floor in needs if floor), default=None),
                force=force,
                progress=site.progress,
            )
        except NotInCache:
            if not left:
                raise
    raise AssertionError("there is a round at least")


def unpack(site: Site, prefixes: Prefixes, archive: Path, prefix: Path | None) -> Created:
    """Unpack an archive; see `Environments.unpack`."""
    from mfenv.activation import check_place
    from pkgcache.prefixes.unpacking import unpack_env

    _check_archive(archive)
    prefix = prefix or Path(_stem(archive, "say where with `--prefix DIR`"))
    path = prefix.expanduser().absolute()
    check_place(path)
    seconds: dict[str, float] = {}
    with timed(seconds, "unpack"):
        env = unpack_env(
            archive, path, cache=site.cache, find_python=prefixes.python, progress=site.progress
        )
    registry = site.registry
    if not registry.read_only:
        # As it is known here, if it is: the archive does not say when it was resolved, and by whom.
        registry.add([] if registry.knows(env.env_id) else [env], default=False)
        registry.add_prefix(path, None, env.env_id)
    return Created(prefix=path, name=None, env_id=env.env_id, new=True, seconds=seconds)


def _check_archive(archive: Path) -> None:
    """Raise `InvalidRequest` where there is nothing that could be one."""
    if archive.is_dir():
        raise InvalidRequest(
            f"`{archive}` is a directory, and no archive", "name a file that `mfenv pack` wrote"
        )
    if not archive.exists():
        piped = "" if str(archive) != "-" else ": it is not read from standard input"
        raise InvalidRequest(
            f"no such file: `{archive}`", f"name a file that `mfenv pack` wrote{piped}"
        )


def _stem(archive: Path, hint: str = "") -> str:
    """The name of an archive without its ending. Raises `InvalidRequest` for another ending."""
    from pkgcache.prefixes.packing import FORMATS

    for ending in FORMATS:
        if archive.name.endswith(ending) and archive.name != ending:
            return archive.name.removesuffix(ending)
    raise InvalidRequest(
        f"`{archive}` does not say how it is compressed",
        hint or f"name an archive with the ending {', '.join(FORMATS[:-1])} or {FORMATS[-1]}",
    )
