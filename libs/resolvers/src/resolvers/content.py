"""What of a local file or directory is source: its digest, never of its times, and copies of it.

A directory is walked in one way for both, so that what is built is what its digest is of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CACHE_SIGN", "content_digest", "copy_sources", "file_digest"]

CACHE_SIGN = ".mfenv-home"
"""A file by which a directory says that it is kept by mfenv."""

_HISTORIES = frozenset({".git", ".hg", ".svn"})
_CACHES = frozenset(
    {
        ".metaflow",
        ".mypy_cache",
        ".nox",
        ".pixi",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "node_modules",
    }
)
# By which others say what they are: PEP 405, conda, https://bford.info/cachedir/; and a store.
_SIGNS = (
    ("pyvenv.cfg",),
    ("conda-meta/history",),
    ("CACHEDIR.TAG",),
    ("layout.json", "environments", "packages"),
)
# Of mfenv: prefixes, and homes.
_OWN_SIGNS = (".mfenv.json", CACHE_SIGN)
_ARCHIVES = (".whl", ".gz", ".bz2", ".xz", ".zip", ".gitignore")
_IGNORING = (".gitignore", ".hgignore")
# Where a project names what takes its version from its history.
_VERSIONED = re.compile(
    rb"scm|vcs|versioneer|versioningit|dunamai|dynamic.versioning|\bpbr\b|miniver"
)
_CHUNK = 1 << 20


class _Entry(NamedTuple):
    """Something in a directory: its path there, what it is, and where its content lies."""

    name: str
    kind: Literal["file", "link", "folder", "history"]
    path: Path


def content_digest(path: Path) -> str:
    """SHA-256, 64 hex digits, of a file's bytes or of a directory's sources.

    Of a directory it takes the relative path, kind, executable bit and bytes of every file, in
    order, and the targets of links; those that lead out of it to a file, or from a package to a
    directory, are what they lead to. What `copy_sources` leaves out does not count, and neither do
    `*.egg-info` and histories, but for the commit and the tags of git where the version may come
    from there. Raises `OSError` for what cannot be read.
    """
    if not path.is_dir():
        return _digest_of(path)
    digest = hashlib.sha256()
    # Sorted, since a directory lists them in any order; names need not be UTF-8.
    for name, kind, place in sorted(_entries(path)):
        if kind == "link":
            state = hashlib.sha256(os.fsencode(_target(path, place))).hexdigest()
            what = "link"
        elif kind == "file" and not re.search(r"\.egg-info/", name):
            what = "program" if os.access(place, os.X_OK) else "file"
            state = _digest_of(place)
        else:
            continue
        # NUL is in no path, so that no two directories come to the same bytes.
        digest.update(f"{what} {state} ".encode() + os.fsencode(name) + b"\0")
    for beside in (*_ignored_above(path), _history(path)):
        if beside:
            digest.update(b"beside " + hashlib.sha256(beside).digest() + b"\0")
    return digest.hexdigest()


def copy_sources(folder: Path, target: Path) -> None:
    """Copy a directory with its history, since backends may take the version from there.

    Left out are caches and environments, unless they lie in a package, whose data they are then,
    what builds left behind, and what is neither a file, a directory nor a link. Beside `target` are
    put the lists of what version control ignores that count for the directory, and no others do.
    Raises `OSError`.
    """
    # All of it before the first is written, since the target may lie in the directory.
    entries = list(_entries(folder))
    target.mkdir(parents=True)
    for name, kind, place in entries:
        if kind == "folder":
            (target / name).mkdir()
        elif kind == "link":
            (target / name).symlink_to(_target(folder, place))
        elif kind == "history" and place.is_dir():
            shutil.copytree(place, target / name, symlinks=True, ignore=_special)
        else:
            shutil.copy2(place, target / name)
    for name, ignored in zip(_IGNORING, _ignored_above(folder), strict=True):
        (target.parent / name).write_bytes(ignored)


def _entries(
    root: Path,
    folder: Path | None = None,
    prefix: str = "",
    *,
    in_package: bool = False,
    followed: tuple[Path, ...] = (),
) -> Iterator[_Entry]:
    """What a directory has, each folder before what is in it.

    `followed` are the directories that have the links by which it came here.
    """
    with os.scandir(folder or root) as listed:
        for entry in listed:
            name, path = prefix + entry.name, Path(entry.path)
            if entry.name in _HISTORIES:
                if not prefix:
                    yield _Entry(name, "history", path)
                continue
            behind = followed
            if entry.is_symlink():
                path = _real(path)
                # What is outside is not beside the copy. Of directories those alone that a package
                # has: there may be much in others, which no build reads.
                outside = path.is_file() or (in_package and path.is_dir())
                if not outside or path.is_relative_to(_real(root)):
                    yield _Entry(name, "link", Path(entry.path))
                    continue
                behind = (*followed, _real(folder or root))
                if any(one.is_relative_to(path) for one in behind):
                    continue  # a circle
            if path.is_dir():
                if not _holds_no_source(path, top=not prefix, in_package=in_package):
                    yield _Entry(name, "folder", path)
                    below = in_package or (path / "__init__.py").exists()
                    yield from _entries(root, path, f"{name}/", in_package=below, followed=behind)
            elif path.is_file() and not name.endswith(".pyc"):
                yield _Entry(name, "file", path)


def _target(root: Path, link: Path) -> str:
    """What a link says; the way from it where it leads to something in the directory."""
    target = _real(link)
    if target.exists() and target.is_relative_to(_real(root)):
        return os.path.relpath(target, _real(link.parent))
    return str(link.readlink())


def _real(path: Path) -> Path:
    # Not `Path.resolve`, which fails for a link to itself before Python 3.13.
    return Path(os.path.realpath(path))


def _holds_no_source(folder: Path, *, top: bool, in_package: bool) -> bool:
    """Whether a directory is a cache, an environment, or what a build left behind."""
    own = folder.name == "__pycache__" or any((folder / sign).exists() for sign in _OWN_SIGNS)
    if own or in_package:
        return own
    # Where builds leave theirs; a package, or what goes into one, may be called so, too.
    if top and folder.name == "build":
        return not any(folder.glob("*.py"))
    if top and folder.name == "dist":
        return all(path.name.endswith(_ARCHIVES) for path in folder.iterdir())
    return folder.name in _CACHES or any(
        all((folder / name).exists() for name in names) for names in _SIGNS
    )


def _ignored_above(folder: Path) -> list[bytes]:
    """The lists of what version control ignores that count from above, empty for none.

    As hatchling looks for them: the nearest one upwards, as far as the repository goes.
    """
    return [_nearest(folder, name, name.replace("ignore", "")) for name in _IGNORING]


def _nearest(folder: Path, name: str, end: str) -> bytes:
    for above in (folder, *folder.absolute().parents):
        if (above / name).is_file():
            return (above / name).read_bytes() if above != folder else b""
        if (above / end).exists():
            break
    return b""


def _history(folder: Path) -> bytes:
    """The commit and the tags of a git repository, where the version may come from there."""
    stating = (folder / name for name in ("pyproject.toml", "setup.py", "setup.cfg"))
    if not any(file.is_file() and _VERSIONED.search(file.read_bytes()) for file in stating):
        return b""
    git = folder / ".git"
    if not (git / "HEAD").is_file():  # a worktree's lies elsewhere
        return b""
    head = (git / "HEAD").read_bytes().strip()
    packed = git / "packed-refs"
    refs = packed.read_bytes().splitlines() if packed.is_file() else []
    named = {
        line.partition(b" ")[2]: line.partition(b" ")[0] for line in refs if line[:1] not in b"#^"
    }
    for file in (git / "refs").rglob("*"):
        if file.is_file():
            named[os.fsencode(file.relative_to(git).as_posix())] = file.read_bytes().strip()
    commit = named.get(head.removeprefix(b"ref: "), head)
    tags = sorted(item for item in named.items() if item[0].startswith(b"refs/tags/"))
    return b"\n".join([commit, *(b" ".join(tag) for tag in tags)])


def _special(folder: str, names: list[str]) -> list[str]:
    """What is neither a file, a directory nor a link, such as a socket of git's."""
    return [name for name in names if not _is_copied(os.lstat(os.path.join(folder, name)).st_mode)]  # noqa: PTH118


def _is_copied(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def file_digest(path: Path, kind: str) -> str | None:
    """The digest of a file in hex; None for a `kind` of hash that is not known here."""
    try:
        digest = hashlib.new(kind, usedforsecurity=False)
    except ValueError:
        return None
    # One of any length, such as shake_128, has none that could be compared.
    if not digest.digest_size:
        return None
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _digest_of(path: Path) -> str:
    return str(file_digest(path, "sha256"))
