"""Where the files of a package go in an environment, and where none may: one rule for all kinds.

Paths are relative to the environment; what lies in its site-packages starts with `site-packages/`,
wherever that is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pkgcache.archives._dist_info import DistInfo
    from pkgcache.archives.records import CondaFile, EntryPoint

# What we write, what is read as written by an installer, and what tells Python where its library is.
_RECORDS = re.compile(
    r"\.mfenv.*|conda-meta(/.*)?|(bin/)?pyvenv\.cfg|(bin|lib)/[^/]*\._pth|bin/pybuilddir\.txt"
)
# What an environment has before there is a package for its Python, beside folders.
_PYTHONS = re.compile(
    r"bin|include|lib(64)?|bin/(python[0-9.]*t?|activate(\.\w+)?|Activate\.ps1)(/.*)?"
    r"|lib(64)?/python\d[\d.]*t?(\.zip|/(?!site-packages/).*)?"
)
_INTERPRETER = re.compile(r"bin/python[0-9.]*t?")
_SITE = re.compile(r"lib(?:64)?/python\d[\d.]*t?/(site-packages/.*)")
_METADATA = re.compile(r"site-packages/([^/]+\.(?:dist|egg)-info)(?:/.*)?")
_CALLS = re.compile(rb"\bload_entry_point\b")


class _Placed(NamedTuple):
    """A file: where it comes from, where it goes, and a text that is equal for equal content."""

    source: str
    target: str
    content: str


def is_record(path: str) -> bool:
    """Whether no package may bring this path."""
    return bool(_RECORDS.fullmatch(path))


def is_interpreter(path: str) -> bool:
    """Whether the package of Python alone may bring this path."""
    return bool(_INTERPRETER.fullmatch(path))


def wheel_issues(metadata: DistInfo, read: Callable[[str], bytes | None]) -> Iterator[str]:
    """What is wrong with where the files of a wheel would go."""
    from packaging.utils import canonicalize_name  # conda packages do without

    record = metadata.record
    placed = [_Placed(path, _of_wheel(path, metadata), digest) for path, digest in record.items()]
    for file in placed:
        inside = _METADATA.fullmatch(file.target)
        if inside and not file.source.startswith(f"{metadata.folder}/"):
            stem, _, kind = inside[1].rpartition(".")
            # Some wheels bring an `.egg-info` of their own name beside it, which hurts nobody.
            if kind == "dist-info" or canonicalize_name(stem.split("-")[0]) != metadata.name:
                yield f"`{file.source}` would be in the metadata of an installed package"
    scripts = {f"bin/{script.name}" for script in metadata.entry_points}
    # setuptools used to write the scripts of entry points itself; those that are made are better.
    kept = [
        file
        for file in placed
        if file.target not in scripts or not _CALLS.search(read(file.source) or b"")
    ]
    yield from _issues([*kept, *_scripts(metadata.entry_points)])


def noarch_issues(listed: Iterable[CondaFile], entry_points: Iterable[EntryPoint]) -> Iterator[str]:
    """The same of a conda package that is for every Python."""
    files = [file for file in listed if file.kind != "directory"]
    placed = (_Placed(file.path, _of_noarch(file.path), file.sha256 or file.link) for file in files)
    yield from _issues([*placed, *_scripts(entry_points)])


def _of_wheel(path: str, metadata: DistInfo) -> str:
    data = f"{metadata.data_folder}/"
    if not path.startswith(data):
        return f"site-packages/{path}"
    kind, _, rest = path[len(data) :].partition("/")
    if kind == "data":
        return _inside(rest)
    folders = {"scripts": "bin", "headers": f"include/{metadata.name}"}
    return f"{folders.get(kind, 'site-packages')}/{rest}"


def _of_noarch(path: str) -> str:
    first, slash, rest = path.partition("/")
    # Where `noarch: python` packages have their scripts.
    return f"bin/{rest}" if slash and first == "python-scripts" else _inside(path)


def _inside(path: str) -> str:
    inside = _SITE.fullmatch(path)
    return inside[1] if inside else path


def _scripts(entry_points: Iterable[EntryPoint]) -> Iterator[_Placed]:
    for script in entry_points:
        calls = f"{script.module}:{script.attribute}"
        yield _Placed(f"{script.name} = {calls}", f"bin/{script.name}", calls)


def _issues(placed: Iterable[_Placed]) -> Iterator[str]:
    seen: dict[str, _Placed] = {}
    for file in placed:
        if is_record(file.target) or _PYTHONS.fullmatch(file.target):
            yield f"`{file.source}` would be `{file.target}`, which belongs to the environment"
        other = seen.setdefault(file.target, file)
        if other.content != file.content:
            yield f"`{other.source}` and `{file.source}` would both be `{file.target}`"
    for file in seen.values():
        above = file.target.rpartition("/")[0]
        while above:
            if above in seen:
                yield f"`{seen[above].source}` would be a file, and a folder of `{file.source}`"
            above = above.rpartition("/")[0]
