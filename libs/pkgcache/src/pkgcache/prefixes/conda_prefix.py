"""Conda environments: conda packages linked into a prefix, and wheels on top of them.

Everything is done here, with no installer of somebody else: the environment is built beside its
place with its final path in all files, which is what an installer that works in place cannot do,
and only what was checked when it was unpacked is linked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envid.errors import InvalidSpec
from envid.platforms import host_platform
from pkgcache.archives.records import UnpackedConda
from pkgcache.errors import PrefixError
from pkgcache.prefixes import _conda_meta
from pkgcache.prefixes._bytecode import compile_modules
from pkgcache.prefixes._conda_link import PythonPlace, link_conda
from pkgcache.prefixes._link_scripts import plan_scripts
from pkgcache.prefixes._making import absolute, building, installables
from pkgcache.prefixes._placing import Placer
from pkgcache.prefixes.linking import Linked, Scheme, link_wheels
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.local.cache import PackageCache
    from pkgcache.prefixes._making import BuildSite
    from pkgcache.prefixes.linking import Clobber
    from pkgcache.progress import Progress

__all__ = ["LaidOut", "check_platform", "create_conda_env", "lay_out"]


def create_conda_env(
    env: ResolvedEnv,
    prefix: Path,
    *,
    cache: PackageCache,
    replace: bool = False,
    compile: bool = False,  # noqa: A002  what pip and uv call it
    link_scripts: bool = False,
    progress: Progress | None = None,
) -> Linked:
    """Create `env` at `prefix` from conda packages and wheels of `cache`, offline.

    With `replace`, an environment of ours at `prefix` is replaced once that is complete;
    with `compile`, modules are compiled to `__pycache__`; with `link_scripts`, post-link scripts
    of packages are run, which can do whatever the user can.

    Raises `PrefixExists`, `NotOurPrefix` where `replace` meets something else, `PrefixError` where
    the environment cannot be made here, `NotInCache` and `BadArchive` for its packages. On any
    error `prefix` is as it was.
    """
    progress = progress or NoProgress()
    check_platform(env, prefix)
    with building(prefix, env, cache=cache, replace=replace, progress=progress) as site:
        placer = Placer(str(site.root), progress, site.made)
        laid = lay_out(env, site, cache=cache, placer=placer, progress=progress)
        if compile and laid.python:
            laid = _with_modules(laid, laid.python, site, progress)
        # After the wheels and the modules: the records say what there is, clobbered paths too.
        site.made.others += _conda_meta.write(site.root, env, laid.records(), cache)
        own = zip(laid.unpacked, laid.paths, strict=True)
        plan_scripts(own, site, allowed=link_scripts, progress=progress)
    return Linked(files=laid.files, clobbers=laid.clobbers, owners=laid.owners)


@dataclass(frozen=True, kw_only=True)
class LaidOut:
    """Conda packages, in the order in which they were laid out, each with its paths, and all files.

    `owners` are the packages whose files there are, those of wheels too, by path.
    """

    chosen: tuple[Package, ...]
    unpacked: tuple[UnpackedConda, ...]
    paths: tuple[tuple[dict[str, Any], ...], ...]
    python: PythonPlace | None
    files: int
    clobbers: tuple[Clobber, ...]
    owners: Mapping[str, str]

    def records(self) -> Iterator[tuple[Package, UnpackedConda, tuple[dict[str, Any], ...]]]:
        """What `conda-meta` is made of."""
        return zip(self.chosen, self.unpacked, self.paths, strict=True)


def lay_out(
    env: ResolvedEnv, site: BuildSite, *, cache: PackageCache, placer: Placer, progress: Progress
) -> LaidOut:
    """Lay out the packages of an environment. Raises as `create_conda_env`."""
    chosen = _in_order([package for package in env.packages if package.kind == "conda"])
    known = cache.surely_unpacked(env.packages)
    unpacked = []
    for package in chosen:
        conda = known.get(package.digest)
        if not isinstance(conda, UnpackedConda):
            conda = cache.unpacked_conda(package, progress=progress)
        unpacked.append(conda)
    pypi = [package for package in env.packages if package.kind == "pypi"]
    wheels = installables(pypi, known, cache, progress)
    python = _python(unpacked)
    # One placer for both kinds, so that it is told once only that files are copied.
    laid = link_conda(unpacked, python, site, placer=placer, progress=progress)
    files, clobbers, owners = sum(map(len, laid.paths)), laid.clobbers, laid.owners
    if wheels:
        on_top = link_wheels(
            wheels,
            _scheme(python, site),
            present=laid.present(),
            placer=placer,
            progress=progress,
        )
        files, clobbers = files + on_top.files, clobbers + on_top.clobbers
        owners = {**owners, **on_top.owners}
    return LaidOut(
        chosen=tuple(chosen),
        unpacked=tuple(unpacked),
        paths=laid.paths,
        python=python,
        files=files,
        clobbers=clobbers,
        owners=owners,
    )


def _with_modules(
    laid: LaidOut, python: PythonPlace, site: BuildSite, progress: Progress
) -> LaidOut:
    # What a package has compiled itself stays what its record says.
    owners = {
        path: owner
        for path, owner in laid.owners.items()
        if laid.owners.get(_compiled_path(path, python)) != owner
    }
    compile_modules(site, site.root / "bin" / "python", owners, progress)
    paths = ((*entries, *_compiled(entries, python, site)) for entries in laid.paths)
    return dataclasses.replace(laid, paths=tuple(paths))


def check_platform(env: ResolvedEnv, prefix: Path) -> None:
    """Raise `PrefixError` where this machine is of another platform."""
    try:
        host = host_platform()
    except InvalidSpec as error:
        host = str(error)
    if env.platform != host:
        raise PrefixError(
            str(absolute(prefix)), f"an environment for {env.platform} cannot be made on {host}"
        )


def _in_order(packages: Sequence[Package]) -> list[Package]:
    """Every package after what it depends on; by name where that leaves a choice, or goes round."""
    by_name = {package.name: package for package in packages}
    ordered: list[Package] = []
    seen: set[str] = set()
    # Without recursion, since a chain of dependencies may be longer than the stack.
    todo = [(name, False) for name in sorted(by_name, reverse=True)]
    while todo:
        name, ready = todo.pop()
        if ready:
            ordered.append(by_name[name])
        elif name not in seen:
            seen.add(name)
            todo.append((name, True))
            needs = by_name[name].depends
            todo += [(need, False) for need in reversed(needs) if need in by_name]
    return ordered


def _python(packages: Sequence[UnpackedConda]) -> PythonPlace | None:
    for package in packages:
        if package.name == "python":
            version = str(package.index["version"])
            minor = ".".join(version.split(".")[:2])
            # Where a Python that is unlike others says so (CEP 17), such as one without the GIL.
            own = package.index.get("python_site_packages_path")
            return PythonPlace(
                version=version, site_packages=own or f"lib/python{minor}/site-packages"
            )
    return None


def _scheme(python: PythonPlace | None, site: BuildSite) -> Scheme:
    if not python:
        raise PrefixError(str(site.final), "wheels need Python, and the environment has none")
    return Scheme(
        root=site.root,
        final=site.final,
        python=site.final / "bin" / f"python{python.minor}",
        purelib=python.site_packages,
        platlib=python.site_packages,
        scripts="bin",
        headers=f"include/python{python.minor}",
        data=".",
    )


def _compiled(
    paths: Sequence[dict[str, Any]], python: PythonPlace, site: BuildSite
) -> Iterator[dict[str, Any]]:
    """The compiled modules of a package that lie beside their sources, and not in its archive."""
    known = {entry["_path"] for entry in paths}
    for path in sorted(path for path in known if path.endswith(".py")):
        pyc = _compiled_path(path, python)
        if pyc not in known and (site.root / pyc).exists():
            yield {"_path": pyc, "path_type": "pyc_file"}


def _compiled_path(path: str, python: PythonPlace) -> str:
    """Where Python has what it makes of a module (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    tag = f"cpython-{python.minor.replace('.', '')}"
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"
