"""Lock files as they are read: what each says, and for which platforms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from envid.platforms import PLATFORMS
from envid.redaction import redact
from envid.requirements import normalize_python
from mfenv.errors import InvalidRequest
from mfenv.fetching import fetching
from mfenv.importing.platforms import named_by_markers
from mfenv.lockfile.refusing import refuse_own
from mfenv.unused import check_used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mfenv.request import File, Request
    from mfenv.settings import Settings
    from pkgcache.web.credentials import Credentials
    from reqparse import Lock, LockedPackage, Problem, RequirementSet
    from reqparse.selecting import Choice

__all__ = [
    "ForeignLock",
    "is_compiled",
    "locks_for",
    "platforms_of_locks",
    "read_locks",
    "unlocked_platforms",
]

# What decides which packages run there; the rest of what pixi states is so on every machine.
_NEEDED = ("__cuda", "__glibc", "__linux", "__osx")


# Without slots: `cached_property` keeps what many ask for in the instance.
@dataclass(frozen=True, kw_only=True)
class ForeignLock:
    """A lock file, and what is wanted of it."""

    file: File
    said: RequirementSet
    choice: Choice

    @property
    def shown(self) -> str:
        """Its name without credentials."""
        return redact(str(self.file))

    @property
    def packages(self) -> Iterator[LockedPackage]:
        """Its packages, of the chosen environment alone where it has several."""
        lock, environment = self.said.lock, self.choice.environment or "default"
        for package in self.said.packages:
            if lock is None or not lock.environments or environment in package.groups:
                yield package

    @property
    def compiled_for(self) -> str:
        """The Python that its requirements were compiled for, as a specifier; empty for any."""
        compiled = self.said.compiled
        if compiled is None:
            return ""
        series = {version.rpartition(".")[0] for version in compiled.exported.values()}
        version = series.pop() if len(series) == 1 else compiled.python
        # uv's `--universal` compiles for that Python and every later one.
        if version and compiled.universal:
            return f">={version}"
        return normalize_python(version) if version else ""

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that it is for; empty where markers and tags decide."""
        lock = self.said.lock
        if lock and lock.environments:
            names = self._variants(lock)
            if not names:  # a variant that there is not, which is refused when it is selected
                names = lock.environments.get(self.choice.environment or "default", ())
            return tuple(dict.fromkeys(lock.subdirs.get(name, name) for name in names))
        if self.said.platforms:
            return self.said.platforms
        if compiled := self.said.compiled:
            return tuple(compiled.exported) or tuple(filter(None, [compiled.platform]))
        if lock and (named := named_by_markers(lock.supported)):
            return named
        # A list of URLs may say it by their directories alone.
        subdirs = {
            str(artifact.url or artifact.path).rpartition("/")[0].rpartition("/")[2]
            for package in self.said.packages
            if package.category == "conda"
            for artifact in package.artifacts
        }
        return tuple(sorted(subdirs & set(PLATFORMS)))

    def virtual_packages(self) -> Iterator[str]:
        """What machines must have by a pixi.lock that says it, as the settings write it.

        Of a platform in several variants, one has to be chosen to have any.
        """
        lock = self.said.lock
        for name in self._variants(lock) if lock else ():
            subdir = lock.subdirs.get(name, name) if lock else name
            for text in lock.virtual_packages.get(name, ()) if lock else ():
                if subdir in PLATFORMS and text.partition("=")[0] in _NEEDED:
                    yield f"{subdir}:{text}"

    def _variants(self, lock: Lock) -> tuple[str, ...]:
        """The platforms of the environment as pixi names them, or the one that was chosen."""
        every = tuple(lock.environments.get(self.choice.environment or "default", ()))
        return tuple(name for name in every if self.choice.platform in (None, name))


# What a file is read as that neither its name nor its content says more of.
_PLAIN = "requirements.txt"
_TAKEN = (
    "locks are pylock.toml, uv.lock, poetry.lock, Pipfile.lock, conda-lock.yml, pixi.lock, conda's"
    " explicit lists, and requirements that are all pinned; `mfenv resolve -r FILE` reads others"
)


def read_locks(
    request: Request, settings: Settings, credentials: Credentials, note: Callable[[str], None]
) -> list[ForeignLock]:
    """Read the locks of a request; raises `reqparse.ParseErrors` with all that is wrong in them."""
    from reqparse import ParseErrors, parse_file
    from reqparse.files import kind_of
    from reqparse.selecting import Choice

    # pixi may have several variants of a platform, each with a name of its own.
    environment, _, variant = (request.environment or "").partition("@")
    if request.only_groups and (request.groups or request.extras):
        raise InvalidRequest(
            "only some groups are wanted, and others or extras beside them",
            "keep one of the two",
        )
    choice = Choice(
        environment=environment or None,
        platform=variant or None,
        groups=(*request.groups, *request.only_groups),
        without_groups=request.without_groups,
        default_groups=request.default_groups,
        only_groups=bool(request.only_groups),
        extras=request.extras,
        packages=request.members,
    )
    fetch = fetching(settings, credentials, note)
    problems: list[Problem] = []
    locks = []
    for file in request.locks:
        refuse_own(file)
        try:
            said = parse_file(file, fetch=fetch)
            locks.append(ForeignLock(file=file, said=_as_lock(file, said), choice=choice))
        except ParseErrors as error:
            problems.extend(error.problems)
    if problems:
        told = ParseErrors(tuple(problems))
        if told.hint is None and any(kind_of(str(file), b"") == _PLAIN for file in request.locks):
            told.hint = _TAKEN
        raise told
    return locks


def is_compiled(file: File) -> bool:
    """Whether a requirements file here is what a program made of others, or has all hashes."""
    from reqparse import ParseErrors, parse_file

    try:
        said = parse_file(file) if "://" not in str(file) else None
    except ParseErrors:
        return False
    if said is None or said.lock is not None or not said.requirements:
        return False
    return said.compiled is not None or all(requirement.hashes for requirement in said.requirements)


def _as_lock(file: File, said: RequirementSet) -> RequirementSet:
    """What a file says, as a lock; raises `InvalidRequest` for what asks and does not answer."""
    from reqparse.selecting import as_lock

    if said.lock is not None:
        return said
    if not said.requirements or any(r.category != "pypi" for r in said.requirements):
        shown = redact(str(file))
        raise InvalidRequest(
            f"`{shown}` is no lock: it does not say exactly what is to be there",
            f"`mfenv resolve -r {shown}` finds that",
        )
    for requirement in said.requirements:
        # What is editable is there as it is now.
        check_used(replace(requirement, editable=False))
    return as_lock(said)


def platforms_of_locks(locks: Iterable[ForeignLock]) -> tuple[str, ...]:
    """The platforms that locks name, each once."""
    return tuple(dict.fromkeys(platform for lock in locks for platform in lock.platforms))


def locks_for(platform: str, locks: Sequence[ForeignLock]) -> list[ForeignLock]:
    """The locks that are for a platform; raises `InvalidRequest` where none is."""
    chosen = [lock for lock in locks if not lock.platforms or platform in lock.platforms]
    if not chosen:
        named = "; ".join(f"`{lock.shown}` is for {', '.join(lock.platforms)}" for lock in locks)
        raise InvalidRequest(
            f"no lock is for {platform}: {named}",
            "choose another `--platform`, or lock again for this one as well",
        )
    return chosen


def unlocked_platforms(locks: Iterable[ForeignLock], platforms: Sequence[str]) -> Iterator[str]:
    """A note on each platform of a lock that is not asked for, or that there is none of here."""
    for lock in locks:
        for platform in lock.platforms:
            if platform not in platforms:
                why = "others are asked for" if platform in PLATFORMS else "it is not supported"
                yield f"{lock.shown}: the platform `{platform}` of the lock is left out: {why}"
