"""Whether locks are behind the files that they were made from, where these lie beside them.

No other tool is asked: what a file asks for is compared with what the lock says of that.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envid.platforms import PLATFORMS
from envid.requirements import normalize
from mfenv.errors import InvalidRequest
from mfenv.importing.content_hashes import conda_lock_hashes
from mfenv.importing.findings import StaleFinding
from mfenv.importing.sources_beside import (
    optional_groups,
    poetry_choice,
    poetry_hash_of,
    removed,
    stale_manifest,
    stale_pipfile,
)
from mfenv.importing.uv_projects import built_by_uv, stale_project
from resolvers.satisfied import contradicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mfenv.importing.locks import ForeignLock
    from reqparse import Lock, LockedPackage, Requirement, RequirementSet

__all__ = ["check_fresh"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
# What reading a table gives that holds other things than its tool writes, such as a text for a list.
_SHAPES = (AttributeError, KeyError, TypeError)


def check_fresh(locks: Iterable[ForeignLock], *, strict: bool) -> tuple[str, ...]:
    """A note on everything in which a lock is behind its source, or in which that is not known.

    Raises `InvalidRequest` with all of it where that must not be. What is made otherwise than by
    the lock's own tool is a note in any case.
    """
    every = list(locks)
    findings = [finding for lock in every for finding in _stale(lock)]
    stale = tuple(finding.text for finding in findings)
    if stale and strict:
        known = any(finding.known for finding in findings)
        what = "a lock is behind its source" if known else "it is not known that a lock is fresh"
        raise InvalidRequest(f"{what}: {'; '.join(stale)}", "lock again, or leave out `locked`")
    unchecked = _unchecked(every) if strict else ()
    return (*stale, *unchecked, *(text for lock in every for text in _otherwise(lock)))


def _source(lock: ForeignLock) -> Path | None:
    """The file that a lock was made from, where it lies beside that."""
    if isinstance(lock.file, str) or lock.said.lock is None:  # what comes from a URL stands alone
        return None
    find = _SOURCES.get(lock.said.lock.kind)
    return next((s for s in find(Path(lock.file)) if s.is_file()), None) if find else None


def _otherwise(lock: ForeignLock) -> Iterator[str]:
    """A note on what the lock's own tool makes otherwise, as its source says."""
    source = _source(lock)
    kind = lock.said.lock.kind if lock.said.lock else ""
    if source and kind == "uv.lock":
        with suppress(*_SHAPES):  # told where staleness is
            yield from built_by_uv(source)
    choice = lock.choice
    if source and kind == "poetry.lock" and choice.default_groups and not choice.only_groups:
        said = {canonicalize_name(name) for name in (*choice.groups, *choice.without_groups)}
        try:
            groups = [n for n in optional_groups(source) if canonicalize_name(n) not in said]
        except (ValueError, *_SHAPES):  # told where staleness is
            return
        names = ", ".join(f"`{name}`" for name in groups)
        if names:
            yield (
                f"{source}: optional for poetry, and taken here as all groups are: {names};"
                " `--no-group` leaves one out"
            )


def _unchecked(locks: Iterable[ForeignLock]) -> Iterator[str]:
    """A note on each lock that has nothing beside it to be compared with."""
    for lock in locks:
        if _source(lock) is None:
            yield (
                f"nothing beside `{lock.shown}` says what it was made from: whether it is behind"
                " that was not checked"
            )


def _stale(lock: ForeignLock) -> Iterator[StaleFinding]:
    source = _source(lock)
    if source is None or lock.said.lock is None:
        return
    from reqparse import ParseErrors

    untold = partial(StaleFinding.untold, lock.shown, source)
    try:
        yield from _compared(lock, Path(lock.file), source, lock.said.lock)
    except ParseErrors as error:
        yield untold(error.problems[0])
    except (OSError, ValueError) as error:
        yield untold(error)
    except _SHAPES:
        yield untold("a key there has a value of another kind than it can have")


def _compared(lock: ForeignLock, path: Path, source: Path, about: Lock) -> Iterator[StaleFinding]:
    """Everything in which a lock is behind its source; raises what reading that raises."""
    from reqparse import parse_file

    kind = about.kind
    if kind == "uv.lock":
        yield from stale_project(path, source)
        return
    if kind == "Pipfile.lock":
        yield from map(StaleFinding, stale_pipfile(path, source))
        return
    if kind == "pylock.toml":
        raise ValueError("a pylock.toml does not say what it was made for")
    # What pixi calls an environment, its manifest has as a group.
    own = (lock.choice.environment,) if lock.choice.environment else ()
    groups, extras = poetry_choice(source) if kind == "poetry.lock" else (own, ())
    said = parse_file(source, groups=groups, extras=extras)
    unmet = [StaleFinding(text) for text in _unmet(lock, said)]
    yield from unmet
    if kind == "poetry.lock" and not unmet:
        digest = about.content_hash.get("", "")
        if _SHA256.fullmatch(digest) and digest != poetry_hash_of(source, about.made_by):
            yield StaleFinding(
                f"{source}: what it asks for is not what `{lock.shown}` was made for"
            )
    if kind == "conda-lock.yml" and not unmet:
        _check_hashes(lock, source, about, said)
    if kind == "pixi.lock":
        yield from map(StaleFinding, stale_manifest(lock, source))
    named = [canonicalize_name(r.name) for r in said.requirements if r.name]
    # What has no name in its source may be any.
    if kind == "requirements.txt" and len(named) == len(said.requirements):
        yield from map(StaleFinding, removed(path, source, named))


def _check_hashes(lock: ForeignLock, source: Path, about: Lock, said: RequirementSet) -> None:
    """Raise ValueError where conda-lock's hash does not say that the same was asked for."""
    if list(about.made_from) not in ([], [source.name]):
        raise ValueError(f"it was made from {', '.join(about.made_from)}")
    for platform in lock.platforms:
        if platform not in PLATFORMS:
            continue
        if about.content_hash.get(platform) not in conda_lock_hashes(said, platform):
            raise ValueError(
                f"its `content_hash` for {platform} is another one: what was asked for there, or the"
                " release of conda-lock, is not the same"
            )


def _beside(*names: str) -> Callable[[Path], Sequence[Path]]:
    return lambda path: [path.with_name(name) for name in names]


def _project(path: Path) -> Sequence[Path]:
    """The script of a script's lock, else the project."""
    is_script = path.name.endswith(".py.lock")
    return [path.with_suffix("") if is_script else path.with_name("pyproject.toml")]


def _inputs(path: Path) -> Sequence[Path]:
    """The `.in` file that a compiled requirements file has beside it."""
    return [path.with_suffix(".in")]


_SOURCES: dict[str, Callable[[Path], Sequence[Path]]] = {
    "uv.lock": _project,
    "Pipfile.lock": _beside("Pipfile"),
    "pylock.toml": _beside("pyproject.toml"),
    "requirements.txt": _inputs,
    "poetry.lock": _beside("pyproject.toml"),
    "conda-lock.yml": _beside("environment.yml", "environment.yaml"),
    "pixi.lock": _beside("pixi.toml", "mojoproject.toml", "pyproject.toml"),
}


def _unmet(lock: ForeignLock, said: RequirementSet) -> Iterator[str]:
    """What a source asks for, and no package of the lock is."""
    for requirement in said.requirements:
        if requirement.name is None or requirement.category == "sys":
            continue
        if requirement.category == "pypi":
            here = [p for p in lock.said.packages if p.name == canonicalize_name(requirement.name)]
            yield from _pypi(lock, requirement, here)
            continue
        for platform in requirement.platforms or lock.platforms:
            if platform in lock.platforms:
                here = list(_conda(lock, platform))
                packages = [(p.name, p.version or "", p.build) for p in here]
                text = normalize("conda", requirement.text)
                if contradicts(text, packages):
                    named = [p for p in here if p.name == requirement.name]
                    yield _line(lock, requirement, named, f" on {platform}")
                    break


def _pypi(lock: ForeignLock, requirement: Requirement, here: list[LockedPackage]) -> Iterator[str]:
    if requirement.url or requirement.path:
        if not here:
            yield _line(lock, requirement, here)
        return
    # On another platform, or another Python, it may not be asked for.
    if not here and requirement.marker:
        return
    allowed = SpecifierSet(requirement.specifier)
    # What conda-lock and pixi have from conda may stand for a PyPI package.
    of_pypi = [p for p in here if p.category == "pypi"]
    if not here or (
        of_pypi and not any(allowed.contains(p.version or "0", prereleases=True) for p in of_pypi)
    ):
        yield _line(lock, requirement, here)


def _conda(lock: ForeignLock, platform: str) -> Iterator[LockedPackage]:
    """The conda packages of a platform in the environment that is imported."""
    for package in lock.packages:
        if package.category == "conda" and platform in (package.platforms or (platform,)):
            yield package


def _line(
    lock: ForeignLock, requirement: Requirement, here: Sequence[LockedPackage], where: str = ""
) -> str:
    versions = ", ".join(dict.fromkeys(package.version or "one" for package in here))
    have = f"has {versions}" if versions else "has none"
    return (
        f"{requirement.origin}: `{requirement.text}` is asked for{where}, and `{lock.shown}` {have}"
    )
