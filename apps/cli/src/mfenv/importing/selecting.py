"""What locks have for each platform, and the Python that goes with it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envid.errors import InvalidSpec
from envid.requirements import normalize_python
from mfenv.errors import Contradiction, InvalidRequest
from mfenv.importing.pins import pin
from mfenv.importing.pythons import WantedPython, candidates, in_words, wanted_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mfenv.importing.locks import ForeignLock
    from mfenv.importing.pins import PinnedPlatform
    from mfenv.request import Request
    from mfenv.settings import Settings
    from pkgcache.web.credentials import Credentials
    from reqparse import Lock
    from reqparse.selecting import Selected

__all__ = ["select_all"]

Selection = tuple["Selected", ...]


def select_all(
    request: Request,
    settings: Settings,
    credentials: Credentials,
    chosen: Mapping[str, Sequence[ForeignLock]],
    virtual: Mapping[str, Sequence[str]],
) -> tuple[str, dict[str, PinnedPlatform]]:
    """The Python of the spec, and what its locks have for each platform.

    `virtual` says what each platform has. Raises `reqparse.ParseErrors` with every problem where
    locks do not suffice, `InvalidRequest` and `Contradiction`.
    """
    locks = list({lock.shown: lock for some in chosen.values() for lock in some}.values())
    own = _own_pythons(chosen)
    if own:
        pinned = {
            platform: pin(
                _select(some, platform, own[platform], virtual[platform]),
                credentials,
                locks=_said(some),
            )
            for platform, some in chosen.items()
        }
        _check_python(request, own)
        versions = {python.version for python in own.values()}
        return (f"=={versions.pop()}" if len(versions) == 1 else ""), pinned
    wanted = wanted_python(request, settings, locks)
    first = _first(request, settings)

    def attempt(version: str) -> dict[str, Selection]:
        return {
            platform: _select(some, platform, _Python(version), virtual[platform])
            for platform, some in chosen.items()
        }

    version, selections = _best(list(candidates(wanted)), attempt)
    every = [locked for some in selections.values() for locked in some]
    listed = any(_is_listed(locked) for locked in every) and not wanted.asked
    if listed and not request.python_unstated:
        # Only an index knows for which Pythons the files are.
        python = _alike(wanted.required, version, selections, attempt)
    elif every and all(locked.package.category == "conda" for locked in every):
        # Nothing depends on it: any Python that goes with conda's packages will do.
        python = wanted.specifier
    else:
        if first:
            version, selections = _best(list(candidates(wanted, first=first)), attempt)
        series = ".".join(version.split(".")[:2])
        python = wanted.asked if wanted.asked.startswith("==") else f"=={series}.*"
    pinned = {
        platform: pin(
            some, credentials, locks=_said(chosen[platform]), pythons=_made_for(wanted, some)
        )
        for platform, some in selections.items()
    }
    return python, pinned


def _made_for(wanted: WantedPython, selected: Selection) -> str:
    """The Pythons for which the lock and all that was selected of it is."""
    required = {locked.package.requires_python for locked in selected} - {None}
    try:
        return normalize_python(",".join(filter(None, (wanted.made_for, *map(str, required)))))
    except InvalidSpec:  # spelled as before PEP 440 was enforced
        return wanted.made_for


def _said(locks: Iterable[ForeignLock]) -> list[Lock]:
    return [lock.said.lock for lock in locks if lock.said.lock]


def _first(request: Request, settings: Settings) -> tuple[str, ...]:
    """The minor versions of Python that are preferred, whatever locks have wheels for."""
    if request.python_unstated:
        return (request.python_unstated,)
    if settings.python_provider != "system":
        return ()
    from resolvers.pythons import named_pythons
    from resolvers.request import ResolveContext

    # Those that this machine has, of which the one that runs us is certain.
    own = f"3.{sys.version_info.minor}"
    others = named_pythons(ResolveContext(cache_dir=settings.home_path / "engines"))
    return (own, *(name for name in others if name != own))


def _best(
    versions: Sequence[str], attempt: Callable[[str], dict[str, Selection]]
) -> tuple[str, dict[str, Selection]]:
    """The first Python for which there is a wheel of everything, else the first that will do."""
    from reqparse.errors import SelectionErrors

    failed: list[SelectionErrors] = []
    others: list[tuple[str, dict[str, Selection]]] = []
    for version in versions:
        try:
            selections = attempt(version)
        except SelectionErrors as error:
            failed.append(error)
            continue
        if all(_is_ready(locked) for some in selections.values() for locked in some):
            return version, selections
        others.append((version, selections))
    if not others:
        raise failed[0]
    # As few builds as can be; of those the newest.
    return min(
        others, key=lambda other: sum(not _is_ready(o) for s in other[1].values() for o in s)
    )


def _is_ready(locked: Selected) -> bool:
    """Whether a package has a wheel, or only an index knows."""
    return (
        locked.package.category == "conda"
        or (_is_listed(locked) and not locked.artifact.name)
        or locked.artifact.filename.partition("#")[0].endswith(".whl")
    )


def _is_listed(locked: Selected) -> bool:
    """Whether only an index knows where a file is."""
    return locked.artifact.url is None and locked.artifact.path is None


def _alike(
    required: str,
    version: str,
    selections: Mapping[str, Selection],
    attempt: Callable[[str], dict[str, Selection]],
) -> str:
    """The Pythons from a version downwards for which the lock has the same packages."""
    from reqparse.errors import SelectionErrors

    def packages(of: Mapping[str, Selection]) -> dict[str, list[tuple[str, str | None]]]:
        return {
            p: [(locked.package.name, locked.package.version) for locked in some]
            for p, some in of.items()
        }

    newest = lowest = int(version.split(".")[1])
    for older in candidates(WantedPython(asked="", place="", required=required)):
        minor = int(older.split(".")[1])
        if minor >= lowest:
            continue
        try:
            same = packages(attempt(older)) == packages(selections)
        except SelectionErrors:
            break
        # Downwards without a gap: the first with other packages is the end of the range.
        if minor != lowest - 1 or not same:
            break
        lowest = minor
    return ",".join(filter(None, (f">=3.{lowest}", f"<3.{newest + 1}", required)))


@dataclass(frozen=True, slots=True)
class _Python:
    """The Python that packages are selected for; `own` where it is among those of the lock."""

    version: str
    own: bool = False
    free_threaded: bool = False


def _select(
    locks: Iterable[ForeignLock], platform: str, python: _Python, virtual: Sequence[str]
) -> Selection:
    """What locks have for a platform and a Python; raises `reqparse.ParseErrors`."""
    from reqparse.selecting import SelectionTarget, select
    from resolvers.targets import Target as Machine

    machine = Machine.make(platform, virtual)
    target = SelectionTarget(
        platform=platform,
        python=None if python.own else python.version,
        shown=in_words(python.version),
        markers=machine.markers(python.version),
        ranks=machine.ranks(f"{python.version}{'t' * python.free_threaded}"),
    )
    return tuple(locked for lock in locks for locked in select(lock.said, target, lock.choice))


def _own_pythons(chosen: Mapping[str, Sequence[ForeignLock]]) -> dict[str, _Python]:
    """The Python among the packages of the locks for each platform; empty for a lock of PyPI's.

    Raises `UnsupportedRequest` for one that is not CPython, where there are packages of PyPI.
    """
    from reqparse.selecting import pythons
    from resolvers.conda_python import is_free_threaded

    own: dict[str, _Python] = {}
    for platform, locks in chosen.items():
        pypi = any(p.category == "pypi" for lock in locks for p in lock.packages)
        for lock in locks:
            pinned = pythons(lock.said, lock.choice).pinned
            if there := pinned.get(platform) or pinned.get("noarch"):
                version = next(str(p.version) for p in there if p.name == "python")
                own[platform] = _Python(
                    version, own=True, free_threaded=pypi and is_free_threaded(there)
                )
    if own and (without := [platform for platform in chosen if platform not in own]):
        raise InvalidRequest(
            f"the lock has no Python for {', '.join(without)}, and every environment has one",
            "choose other platforms, or lock again with Python",
        )
    return own


def _check_python(request: Request, own: Mapping[str, _Python]) -> None:
    from packaging.specifiers import SpecifierSet

    if not request.python:
        return
    allowed = SpecifierSet(normalize_python(request.python))
    for platform, python in own.items():
        if not allowed.contains(python.version, prereleases=True):
            raise Contradiction(
                f"--python asks for Python `{request.python}`, and the lock has {python.version} for"
                f" {platform}",
                "leave out `--python`, or lock again",
            )
