"""Laying conda packages out in a prefix: linked, with the prefix put in where they hold another.

The rules are conda's: `noarch: python` packages go to the site-packages of the environment's
Python and get their entry points; where packages bring the same path, that which is linked later,
which depends on the other if one of them does, is kept.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pkgcache._files import in_threads, open_cached
from pkgcache.archives._links import first_escape, resolve
from pkgcache.archives._places import is_interpreter
from pkgcache.errors import PrefixError
from pkgcache.prefixes import _placeholder, _scripts
from pkgcache.prefixes.linking import Clobber, Present, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pkgcache.archives.records import CondaFile, EntryPoint, UnpackedConda
    from pkgcache.prefixes._making import BuildSite
    from pkgcache.prefixes._placing import Placer
    from pkgcache.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPlace:
    """Where the environment's Python has its packages; `version` is in full."""

    version: str
    site_packages: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaLinked:
    """What was laid out: for each package the paths it has in the prefix, as conda records them."""

    paths: tuple[tuple[dict[str, Any], ...], ...]
    owners: Mapping[str, str]
    clobbers: tuple[Clobber, ...]

    def present(self) -> dict[str, Present]:
        """The files that are there."""
        return {
            entry["_path"]: Present(self.owners[entry["_path"]], entry["sha256_in_prefix"])
            for paths in self.paths
            for entry in paths
            if "sha256_in_prefix" in entry
        }


class _Planned:
    """What will be at a path: a file or link of a package, or the script of an entry point."""

    __slots__ = ("entry", "file", "owner", "script", "tree")

    def __init__(
        self,
        owner: UnpackedConda,
        tree: str,
        path: str,
        file: CondaFile | None,
        script: bytes = b"",
    ) -> None:
        self.owner, self.tree, self.file, self.script = owner, tree, file, script
        self.entry: dict[str, Any] = {"_path": path}

    @property
    def content(self) -> tuple[object, ...]:
        """Equal where two packages bring the same."""
        if not self.file:
            return (self.script,)
        file = self.file
        return file.kind, file.sha256, file.link, file.placeholder, file.file_mode


def link_conda(
    packages: Sequence[UnpackedConda],
    python: PythonPlace | None,
    site: BuildSite,
    *,
    placer: Placer,
    progress: Progress,
) -> CondaLinked:
    """Lay `packages` out, in this order. Raises `PrefixError` for what cannot be."""
    plan: dict[str, _Planned] = {}
    clobbers: list[Clobber] = []
    own: list[list[str]] = []
    for package in packages:
        paths = []
        for path, planned in _planned(package, python, site):
            before = plan.get(path)
            if before and before.content != planned.content:
                # All scripts name it, and it compiles the modules.
                if is_interpreter(path):
                    raise PrefixError(
                        str(site.final),
                        f"`{package.name}` would overwrite `{path}` of `{before.owner.name}`",
                    )
                clobbers.append(
                    Clobber(path=path, kept=package.name, lost=before.owner.name),
                )
            plan[path] = planned
            paths.append(path)
        own.append(paths)
    clobbers += _drop_below_folders(plan)
    links = {
        path: planned.file.link
        for path, planned in plan.items()
        if planned.file and planned.file.link
    }
    if escape := first_escape(links):
        # Links that stay in their package can leave a prefix, together with those of another.
        raise PrefixError(
            str(site.final),
            f"the symbolic link `{escape}` of `{plan[escape].owner.name}` would lead out of it",
        )
    report(clobbers, progress)
    _lay_out(plan, site, placer)
    # Records of links have the hashes of what they lead to, as conda writes them.
    for path in links:
        target = plan.get(resolve(path, links) or "")
        if target and "sha256" in target.entry:
            same = ("sha256", "sha256_in_prefix", "size_in_bytes")
            plan[path].entry |= {key: target.entry[key] for key in same}
    entries = {path: planned.entry for path, planned in plan.items()}
    return CondaLinked(
        paths=tuple(
            # Once each: a package for every Python may bring a path in two ways, with the same
            # content.
            tuple(entries[path] for path in dict.fromkeys(paths) if path in entries)
            for paths in own
        ),
        owners={path: planned.owner.name for path, planned in plan.items()},
        clobbers=tuple(clobbers),
    )


def _planned(
    package: UnpackedConda, python: PythonPlace | None, site: BuildSite
) -> Iterator[tuple[str, _Planned]]:
    tree = str(package.tree)
    if package.noarch != "python":
        for file in package.files:
            yield file.path, _Planned(package, tree, file.path, file)
        return
    if not python:
        raise PrefixError(
            str(site.final), f"`{package.name}` is for Python, and the environment has none"
        )
    folders = {"site-packages": python.site_packages, "python-scripts": "bin"}
    for file in package.files:
        first, slash, rest = file.path.partition("/")
        path = f"{folders.get(first, first)}{slash}{rest}"
        yield path, _Planned(package, tree, path, file)
    for script in package.entry_points:
        path = f"bin/{script.name}"
        yield path, _Planned(package, tree, path, None, _launcher(script, python, site))


def _launcher(script: EntryPoint, python: PythonPlace, site: BuildSite) -> bytes:
    return _scripts.launcher(script, site.final / "bin" / f"python{python.minor}")


def _drop_below_folders(plan: dict[str, _Planned]) -> Iterator[Clobber]:
    """Where a package has a folder and another a file, the folder is kept."""
    folders: dict[str, str] = {}
    for path, planned in plan.items():
        # Upwards to the first folder that is known: those above it are known as well.
        at = len(path) if planned.file and planned.file.kind == "directory" else path.rfind("/")
        while at > 0 and path[:at] not in folders:
            folders[path[:at]] = planned.owner.name
            at = path.rfind("/", 0, at)
    for path in sorted(folders.keys() & plan.keys()):
        planned = plan[path]
        if not planned.file or planned.file.kind != "directory":
            del plan[path]
            yield Clobber(path=path, kept=folders[path], lost=planned.owner.name)


def _lay_out(plan: Mapping[str, _Planned], site: BuildSite, placer: Placer) -> None:
    prefix = None if site.packed else os.fsencode(site.final)
    folders: set[str] = set()
    links: list[tuple[str, str, CondaFile]] = []
    others: list[tuple[str, _Planned]] = []
    for path, planned in plan.items():
        file = planned.file
        if file and file.kind == "directory":
            folders.add(path)
            planned.entry["path_type"] = "directory"
            continue
        folders.add(path.rpartition("/")[0])
        # What is changed here, or by programs in place, must not be changed in the cache.
        if (
            file
            and file.kind == "hardlink"
            and not file.no_link
            and not (prefix and file.placeholder)
        ):
            links.append((f"{planned.tree}/{file.path}", path, file))
        else:
            others.append((path, planned))
    try:
        with placer.linking(folders, links):
            for _, path, linked in links:
                plan[path].entry |= _entry(linked)
        in_threads(others, partial(_place, placer, prefix))
    except FileExistsError as error:
        path = posixpath.relpath(str(error.filename2 or error.filename), str(site.root))
        owner = plan[path].owner.name if path in plan else "a package"
        raise PrefixError(
            str(site.final), f"`{path}` of `{owner}` is another file's name on this disk"
        ) from error
    except _NoRoomFor as error:
        raise PrefixError(
            str(site.final),
            f"its path is too long for `{error.path}` of `{plan[error.path].owner.name}`",
            hint=f"choose a place whose path has at most {error.longest} characters",
        ) from None


class _NoRoomFor(ValueError):
    def __init__(self, path: str, longest: int) -> None:
        super().__init__(path, longest)
        self.path, self.longest = path, longest


def _place(placer: Placer, prefix: bytes | None, items: Sequence[tuple[str, _Planned]]) -> None:
    # No two threads have the same path, so that each writes into entries of its own.
    for path, planned in items:
        file = planned.file
        if not file:
            placer.write(path, planned.script, executable=True)
            digest = hashlib.sha256(planned.script).hexdigest()
            planned.entry |= {
                # This and the other types are words of conda's own records.
                "path_type": "unix_python_entry_point",
                "sha256": digest,
                "sha256_in_prefix": digest,
                "size_in_bytes": len(planned.script),
            }
        elif file.kind == "softlink":
            placer.symlink(file.link, path)
            planned.entry |= {"path_type": "softlink", "size_in_bytes": 0}
        else:
            _place_file(placer, prefix, path, planned, file)


def _entry(file: CondaFile) -> dict[str, Any]:
    entry = {
        "path_type": "hardlink",
        "sha256": file.sha256,
        "size_in_bytes": file.size,
        "sha256_in_prefix": file.sha256,
    }
    if file.no_link:
        entry["no_link"] = True
    if file.placeholder:
        entry |= {"file_mode": file.file_mode, "prefix_placeholder": file.placeholder}
    return entry


def _place_file(
    placer: Placer, prefix: bytes | None, path: str, planned: _Planned, file: CondaFile
) -> None:
    source = f"{planned.tree}/{file.path}"
    entry = planned.entry
    entry |= _entry(file)
    if not prefix or not file.placeholder:
        placer.copy(source, path)
        return
    with open_cached(source) as old:
        data = old.read()
    try:
        content = _placeholder.replaced(data, file.placeholder, prefix, file.file_mode)
    except _placeholder.NoRoom as error:
        raise _NoRoomFor(path, error.longest) from None
    placer.write(path, content, executable=bool(file.mode & 0o100))
    if file.file_mode == "binary" and sys.platform == "darwin":
        # Before the digest is taken, since signing changes the file.
        content = _signed(placer.absolute(path), content)
    entry["sha256_in_prefix"] = hashlib.sha256(content).hexdigest()


def _signed(path: str, content: bytes) -> bytes:
    """Sign a changed program again, without which macOS does not run it; its new content."""
    import subprocess

    command = ["/usr/bin/codesign", "--sign", "-", "--force", path]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return content  # no program
    with open(path, "rb") as file:  # noqa: PTH123  of very many
        return file.read()
