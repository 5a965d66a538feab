"""Laying wheels out in an installation: files linked from the cache, scripts and RECORD written.

Knows nothing of how the installation came to be: a virtual environment, or a conda prefix.
Follows the specifications "Binary distribution format", "Recording installed projects" and
"Entry points". Everything is made with `O_EXCL` or link(2): nothing that exists is overwritten.

Where packages bring the same path, it does not matter whose is there if the content is equal, and
neither if one of them is an `__init__.py` without code of its own, as namespace packages have it:
the other is kept. All else is a `Clobber`, which is reported.
"""

from __future__ import annotations

import posixpath
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pkgcache._files import open_cached
from pkgcache.archives.namespaces import has_code
from pkgcache.errors import PrefixError
from pkgcache.prefixes import _scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pkgcache.archives.records import UnpackedFile, UnpackedWheel
    from pkgcache.prefixes._placing import Placer
    from pkgcache.progress import Progress

__all__ = ["Clobber", "Installable", "Linked", "Present", "Scheme", "link_wheels"]

_INSTALLER = b"mfenv\n"
# What an installer writes; a wheel has no say in it.
_OURS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


class Scheme(NamedTuple):
    """Where the parts of a wheel go: paths relative to `root`, which will be `final` in the end.

    `python` is the interpreter that scripts name.
    """

    root: Path
    final: Path
    python: Path
    purelib: str
    platlib: str
    scripts: str
    headers: str
    data: str


class Installable(NamedTuple):
    """An unpacked wheel, and its `direct_url.json` where it was built from a URL (PEP 610)."""

    wheel: UnpackedWheel
    direct_url: bytes | None = None


class Present(NamedTuple):
    """A file that is there before the wheels: whose it is, and its sha256 in hex."""

    owner: str
    sha256: str


class Clobber(NamedTuple):
    """A path that two packages bring with different content; what `kept` brings is there."""

    path: str
    kept: str
    lost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What was laid out: the number of files, and the paths that packages fought over.

    `owners` are the packages whose files there are, by path.
    """

    files: int
    clobbers: tuple[Clobber, ...]
    owners: Mapping[str, str] = field(repr=False, compare=False)


class _Planned:
    """What will be at a path: a file of a wheel, or bytes."""

    __slots__ = ("content", "executable", "file", "hash", "owner", "present", "size", "source")

    def __init__(self, owner: str, source: str, file: UnpackedFile) -> None:
        self.owner, self.source = owner, source
        self.file: UnpackedFile | None = file
        self.hash, self.size = file.hash, file.size
        self.content, self.executable, self.present = b"", False, False

    @classmethod
    def written(cls, owner: str, content: bytes, *, executable: bool = False) -> _Planned:
        planned = cls.__new__(cls)
        planned.owner, planned.source, planned.file = owner, "", None
        planned.hash, planned.size = _scripts.record_hash(content), len(content)
        planned.content, planned.executable, planned.present = content, executable, False
        return planned

    @classmethod
    def there(cls, present: Present, source: str) -> _Planned:
        planned = cls.written(present.owner, b"")
        digest = urlsafe_b64encode(bytes.fromhex(present.sha256)).rstrip(b"=").decode()
        planned.source, planned.hash, planned.present = source, f"sha256={digest}", True
        return planned

    def same(self, other: _Planned) -> bool:
        """Whether the content is the same; wheels may give hashes of several kinds."""
        if self.hash.partition("=")[0] == other.hash.partition("=")[0]:
            return self.hash == other.hash
        return self.read() == other.read()

    def read(self) -> bytes:
        if not self.source:
            return self.content
        with open_cached(self.source) as file:
            return file.read()


def link_wheels(
    wheels: Sequence[Installable],
    scheme: Scheme,
    *,
    present: Mapping[str, Present] | None = None,
    placer: Placer | None = None,
    progress: Progress,
) -> Linked:
    """Lay `wheels` out under `scheme.root`.

    Where several bring the same path with different content, the last wheel's is kept; but what is
    `present` stays. Raises `PrefixError` where another path exists already or cannot be made.
    """
    if placer is None:
        from pkgcache.prefixes._placing import Placer

        placer = Placer(str(scheme.root), progress)
    plan: dict[str, _Planned] = {}
    clobbers: list[Clobber] = []
    paths: list[list[str]] = []
    for installable in wheels:
        own = _own(installable.wheel, scheme)
        paths.append(list(own))
        # Seldom any: all of them at once, and each that several packages bring by itself.
        for path in own.keys() & plan.keys():
            own[path] = _kept(path, plan[path], own[path], clobbers)
        known = present or {}
        for path in (own.keys() & known.keys()) - plan.keys():
            before = _Planned.there(known[path], placer.source(path))
            own[path] = _kept(path, before, own[path], clobbers)
        plan |= own
    # RECORD lists what is present, and nothing has to be made.
    made = {path: planned for path, planned in plan.items() if not planned.present}
    info = {_info(installable.wheel, scheme) for installable in wheels}
    folders = {path.rpartition("/")[0] for path in made} | info
    _check_folders(made, folders, scheme)
    clobbers.sort(key=lambda clobber: clobber.path)
    report(clobbers, progress)
    links = [(planned.source, path, planned.file) for path, planned in made.items() if planned.file]
    try:
        with placer.linking(folders, links) as make_folders:
            for installable, own_paths in zip(wheels, paths, strict=True):
                # RECORD lists what is there in the end, whoever's file it is.
                files = {path: plan[path] for path in own_paths}
                made |= _metadata(installable, files, scheme)
            make_folders()
            for path, planned in made.items():
                if not planned.file:
                    placer.write(path, planned.content, executable=planned.executable)
    except FileExistsError as error:
        # link(2) fails with two names, of which the second is what exists.
        path = posixpath.relpath(str(error.filename2 or error.filename), str(scheme.root))
        owner = made[path].owner if path in made else "a wheel"
        there = present.get(path) if present else None
        other = f" of `{there.owner}`" if there else ""
        reason = f"`{owner}` would overwrite `{path}`{other}"
        raise PrefixError(str(scheme.final), reason) from error
    owners = {path: planned.owner for path, planned in made.items()}
    return Linked(files=len(made), clobbers=tuple(clobbers), owners=owners)


def _kept(path: str, before: _Planned, planned: _Planned, clobbers: list[Clobber]) -> _Planned:
    """Which of two will be at a path; a clobber where something is lost by it."""
    # What is there before the wheels is in a record of conda's, and stays as that says.
    kept, lost = (before, planned) if before.present else (planned, before)
    if kept.same(lost):
        return kept
    if posixpath.basename(path) == "__init__.py":
        if not has_code(lost.read()):
            return kept
        # What is there before the wheels is not touched, whatever is in it.
        if not kept.present and not has_code(kept.read()):
            return lost
    clobbers.append(Clobber(path=path, kept=kept.owner, lost=lost.owner))
    return kept


def _check_folders(plan: Mapping[str, _Planned], folders: set[str], scheme: Scheme) -> None:
    """What is a file of a wheel can be no folder of another."""
    seen: set[str] = set()
    for folder in folders:
        above = folder
        while above and above not in seen:
            if above in plan:
                path = next(file for file in plan if file.startswith(f"{folder}/"))
                raise PrefixError(
                    str(scheme.final),
                    f"`{plan[above].owner}` brings a file `{above}`, and `{plan[path].owner}`"
                    f" brings `{path}`",
                )
            seen.add(above)
            above = above.rpartition("/")[0]


def _own(wheel: UnpackedWheel, scheme: Scheme) -> dict[str, _Planned]:
    """What a wheel brings, by path; the script of an entry point is no one else's."""
    name, tree, root = wheel.name, str(wheel.tree), _root(wheel, scheme)
    data = f"{wheel.dist_info.removesuffix('.dist-info')}.data/"
    skipped = {f"{wheel.dist_info}/{name}" for name in _OURS}
    own: dict[str, _Planned] = {}
    elsewhere: list[UnpackedFile] = []
    for file in wheel.files:
        path = file.path
        if path.startswith(data):
            elsewhere.append(file)
        elif path not in skipped:
            own[f"{root}/{path}"] = _Planned(name, f"{tree}/{path}", file)
    for path, planned in _elsewhere(wheel, elsewhere, len(data), scheme):
        if path in own and not own[path].same(planned):
            reason = f"`{name}` brings `{path}` twice, with different content"
            raise PrefixError(str(scheme.final), reason)
        own[path] = planned
    return own | _scripts_of(wheel, scheme)


def _root(wheel: UnpackedWheel, scheme: Scheme) -> str:
    return scheme.purelib if wheel.purelib else scheme.platlib


def _info(wheel: UnpackedWheel, scheme: Scheme) -> str:
    """The folder of its metadata."""
    return f"{_root(wheel, scheme)}/{wheel.dist_info}"


def _elsewhere(
    wheel: UnpackedWheel, files: Iterable[UnpackedFile], start: int, scheme: Scheme
) -> Iterator[tuple[str, _Planned]]:
    """What does not go where most of the wheel does; what is before `start` says that it does not."""
    folders = {
        "purelib": scheme.purelib,
        "platlib": scheme.platlib,
        "headers": f"{scheme.headers}/{wheel.name}",
        "scripts": scheme.scripts,
        "data": scheme.data,
    }
    for file in files:
        source = f"{wheel.tree}/{file.path}"
        kind, _, rest = file.path[start:].partition("/")
        # The folder of `data` may be `.`, and paths are compared as texts.
        target = posixpath.normpath(f"{folders[kind]}/{rest}")
        script = _scripts.rewritten(source, scheme.python) if kind == "scripts" else None
        if script is None:
            yield target, _Planned(wheel.name, source, file)
        else:
            yield target, _Planned.written(wheel.name, script, executable=True)


def _scripts_of(wheel: UnpackedWheel, scheme: Scheme) -> dict[str, _Planned]:
    """The scripts of entry points."""
    return {
        f"{scheme.scripts}/{script.name}": _Planned.written(
            wheel.name, _scripts.launcher(script, scheme.python), executable=True
        )
        for script in wheel.entry_points
    }


def _metadata(
    installable: Installable, files: Mapping[str, _Planned], scheme: Scheme
) -> dict[str, _Planned]:
    """What installing adds to the metadata of a wheel: INSTALLER, RECORD."""
    wheel = installable.wheel
    root, info = _root(wheel, scheme), _info(wheel, scheme)
    added = {f"{info}/INSTALLER": _Planned.written(wheel.name, _INSTALLER)}
    if installable.direct_url is not None:
        added[f"{info}/direct_url.json"] = _Planned.written(wheel.name, installable.direct_url)
    rows = [
        (
            posixpath.relpath(path, root)
            if not path.startswith(f"{root}/")
            else path[len(root) + 1 :],
            planned.hash,
            # What conda has laid out was not measured; RECORD may go without.
            "" if planned.present else str(planned.size),
        )
        for path, planned in {**files, **added}.items()
    ]
    record = _scripts.record([*sorted(rows), (f"{wheel.dist_info}/RECORD", "", "")])
    added[f"{info}/RECORD"] = _Planned.written(wheel.name, record)
    return added


def report(clobbers: Sequence[Clobber], progress: Progress) -> None:
    """Note which packages fought over which paths."""
    for pair in sorted({(clobber.kept, clobber.lost) for clobber in clobbers}):
        paths = [clobber.path for clobber in clobbers if (clobber.kept, clobber.lost) == pair]
        kept, lost = pair
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        progress.note(f"`{kept}` overwrites `{paths[0]}`{more} of `{lost}`")
