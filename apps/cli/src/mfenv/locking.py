"""Lock files of a repository: locked again, checked, and taken environments from."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from mfenv.errors import InvalidLock, InvalidRequest, UnknownEnvironment
from mfenv.lockfile.differences import Difference, differences
from mfenv.lockfile.model import LockedEnvironment, LockFile, check_name
from mfenv.lockfile.names import DEFAULT
from mfenv.lockfile.reading import read
from mfenv.lockfile.writing import written
from mfenv.replacing import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from envid.resolved import ResolvedEnv
    from mfenv.answering import Answers
    from mfenv.implicit import Side
    from mfenv.lockfile.inputs import Inputs
    from mfenv.request import Prepared, Request
    from mfenv.site import Site

__all__ = ["Checked", "Locked", "Locks", "Relocked", "locked", "read_lock"]


@dataclass(frozen=True, kw_only=True)
class Relocked:
    """An environment of a lock file after locking it, and before: empty where it was not there.

    `kept`: nothing had to be resolved. `notes` are as `Resolved` has them.
    """

    name: str
    before: tuple[ResolvedEnv, ...]
    envs: tuple[ResolvedEnv, ...]
    kept: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Locked:
    """What locking gave: each environment of the file, and the names of those that left it.

    `written` says whether the file is another one now.
    """

    environments: tuple[Relocked, ...]
    removed: tuple[str, ...] = ()
    written: bool


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Where a lock file does not fit what is asked for, by environment; empty where it does.

    `unchecked` are the environments that do not say what they were made from.
    """

    differences: dict[str, tuple[Difference, ...]]
    unchecked: tuple[str, ...] = ()


def read_lock(path: Path) -> LockFile:
    """Read a lock file. Raises `InvalidLock`, and `UnknownEnvironment` where there is none."""
    return read(_text(path), str(path))


def locked(path: Path, name: str | None, platforms: Sequence[str]) -> tuple[ResolvedEnv, ...]:
    """See `Environments.locked`."""
    chosen = read_lock(path).chosen(name)
    held = {env.platform: env for env in chosen.envs}
    for platform in platforms:
        if platform not in held:
            raise UnknownEnvironment(
                f"`{chosen.name}` of `{path}` is locked for {', '.join(held)}, and not for"
                f" {platform}",
                f"name it beside the others where it is locked: `--platform {platform}`",
            )
    return tuple(held[platform] for platform in platforms or held)


class Locks:
    """Locks, and checks what is locked."""

    def __init__(self, site: Site, answers: Answers) -> None:
        self._site, self._answers = site, answers

    def lock(
        self,
        path: Path,
        *,
        name: str | None,
        inputs: Inputs | None,
        update: Sequence[str],
        upgrade: bool,
    ) -> Locked:
        """See `Environments.lock`."""
        with self._alone(path):
            old, whole = self._old(path)
            chosen = _chosen(path, old, name, inputs)
            if update:
                _check_there(update, chosen)
            relocked: dict[str, Relocked] = {}
            locked = {one.name: one for one in old.environments}
            for environment in chosen:
                done = self._relock(path, environment, whole=whole, update=update, upgrade=upgrade)
                relocked[environment.name] = done
                locked[environment.name] = replace(environment, envs=done.envs)
            if not whole:
                _check_whole(path, locked, relocked)
            text = written(LockFile(environments=tuple(locked.values())))
            return self._write(path, text, tuple(relocked.values()))

    def remove(self, path: Path, names: Sequence[str]) -> Locked:
        """See `Environments.unlock`."""
        with self._alone(path):
            old = read_lock(path)
            for name in names:
                old.chosen(name)
            left = tuple(one for one in old.environments if one.name not in names)
            return self._write(path, written(LockFile(environments=left)), (), tuple(names))

    def put(self, path: Path, environments: Sequence[LockedEnvironment]) -> Locked:
        """See `Environments.put_into_lock`."""
        with self._alone(path):
            old, _ = self._old(path)
            locked = {one.name: one for one in old.environments}
            flows = {one.inputs.flow for one in environments if one.inputs}
            # A step that the flow no longer has goes with it.
            gone = [
                name
                for name, one in locked.items()
                if one.inputs and one.inputs.flow and one.inputs.flow in flows
            ]
            put = {one.name: one for one in environments}
            before = {name: locked.pop(name).envs for name in gone}
            relocked = tuple(
                Relocked(name=name, before=before.get(name, ()), envs=one.envs, kept=False)
                for name, one in sorted(put.items())
            )
            text = written(LockFile(environments=tuple({**locked, **put}.values())))
            removed = tuple(name for name in gone if name not in put)
            return self._write(path, text, relocked, removed)

    def check(self, path: Path, *, name: str | None, inputs: Inputs | None) -> Checked:
        """See `Environments.check_lock`."""
        lock = read_lock(path)
        differing: dict[str, tuple[Difference, ...]] = {}
        unchecked = []
        for environment in _chosen(path, lock, name, inputs):
            if not environment.envs:
                absent = Difference(what="environment", before=None, after=environment.name)
                differing[environment.name] = (absent,)
            elif environment.inputs is None or environment.inputs.flow:
                unchecked.append(environment.name)
            elif changed := self._differences(path, environment)[0]:
                differing[environment.name] = changed
        return Checked(differences=differing, unchecked=tuple(unchecked))

    def _relock(
        self,
        path: Path,
        environment: LockedEnvironment,
        *,
        whole: bool,
        update: Sequence[str],
        upgrade: bool,
    ) -> Relocked:
        from mfenv.resolving import all_but

        before, name = environment.envs, environment.name
        inputs = environment.inputs
        if inputs is None or inputs.flow:
            return Relocked(name=name, before=before, envs=before, kept=True, notes=_why(inputs))
        if before and whole and not (update or upgrade):
            changed, prepared = self._differences(path, environment)
            if not changed:
                return Relocked(
                    name=name, before=before, envs=before, kept=True, notes=prepared.notes
                )
        there = {package.name for env in before for package in env.packages}
        outcome = self._under(path, inputs).resolve(
            _request(path, environment),
            aliases=(),
            update=(),
            force=upgrade,
            dry_run=False,
            default=True,
            preferred=() if upgrade else all_but([one for one in update if one in there], before),
        )
        notes = (*outcome.notes, *_places(outcome.envs))
        return Relocked(name=name, before=before, envs=outcome.envs, kept=False, notes=notes)

    def _differences(
        self, path: Path, environment: LockedEnvironment
    ) -> tuple[tuple[Difference, ...], Prepared]:
        """Where an environment does not fit what its inputs ask for by now."""
        inputs, locked = environment.inputs, environment.envs[0].spec
        if inputs is None:
            raise TypeError(environment.name)
        answers, request = self._under(path, inputs), _request(path, environment)
        prepared = answers.prepared(request)
        if prepared.spec.req_id != locked.req_id and prepared.implicit:
            # What nobody names may have had to come from another side when it was locked.
            keys = [wanted.key for wanted in prepared.implicit]
            sides: tuple[Side, ...] = ("usual", "other", "none")
            for chosen in product(sides, repeat=len(keys)):
                placed = answers.prepared(request, dict(zip(keys, chosen, strict=True)))
                if placed.spec.req_id == locked.req_id:
                    prepared = placed
                    break
        changed = differences(
            locked, environment.platforms, prepared.spec, prepared.platforms, prepared.origins
        )
        return changed, prepared

    def _under(self, path: Path, inputs: Inputs) -> Answers:
        options = inputs.options(path.parent)
        return self._answers.under(self._site.settings.with_options(options))

    def _old(self, path: Path) -> tuple[LockFile, bool]:
        """What a lock file holds, and whether that is whole; nothing where there is no file."""
        if not os.path.lexists(path):
            return LockFile(environments=()), True
        text = _text(path)
        try:
            return read(text, str(path)), True
        except InvalidLock as error:
            lock = read(text, str(path), forgiving=True)
            self._site.progress.note(f"{error}; locked again from what is left of it")
            return lock, False

    def _write(
        self,
        path: Path,
        text: str,
        environments: tuple[Relocked, ...],
        removed: tuple[str, ...] = (),
    ) -> Locked:
        data = text.encode()
        new = not path.is_file() or path.read_bytes() != data
        if new:
            replace_file(path, data)
        return Locked(environments=environments, removed=removed, written=new)

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        # Else of two that add an environment each, the second would write without the first's.
        place = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:40]
        with self._site.lock(f"lockfile-{place}", f"another process that locks `{path}`"):
            yield


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise UnknownEnvironment(
            f"there is no lock file `{path}`",
            "make it with `mfenv lock`, such as `mfenv lock -p pyproject.toml`",
        ) from None
    except UnicodeDecodeError:
        raise InvalidLock(str(path), 0, "is not UTF-8") from None


def _request(path: Path, environment: LockedEnvironment) -> Request:
    if environment.inputs is None:
        raise TypeError(environment.name)
    return environment.inputs.request(path.parent, environment.platforms)


def _chosen(
    path: Path, lock: LockFile, name: str | None, inputs: Inputs | None
) -> tuple[LockedEnvironment, ...]:
    """The environments that are meant: one with new inputs, one, or all."""
    if inputs is not None:
        there = lock.get(check_name(name or DEFAULT))
        if there:
            return (replace(there, inputs=inputs),)
        return (LockedEnvironment(name=name or DEFAULT, envs=(), inputs=inputs),)
    if not lock.environments:
        raise InvalidRequest(
            f"`{path}` says nothing of what to lock",
            "name it, such as `mfenv lock -p pyproject.toml`",
        )
    return (lock.chosen(name),) if name else lock.environments


def _check_there(names: Sequence[str], chosen: Sequence[LockedEnvironment]) -> None:
    held = {p.name for one in chosen for env in one.envs for p in env.packages}
    for name in names:
        if name not in held:
            raise InvalidRequest(f"there is no package `{name}` to update in the lock file")


def _check_whole(
    path: Path, locked: dict[str, LockedEnvironment], relocked: dict[str, Relocked]
) -> None:
    """Refuse to write on what was not resolved again, and of which nothing proves that it is whole."""
    for name, environment in locked.items():
        done = relocked.get(name)
        if done is None or done.kept:
            flow = environment.inputs
            again = f"python {flow.flow} --environment=conda environment lock" if flow else ""
            raise InvalidLock(
                str(path),
                0,
                f"environment `{name}` cannot be made whole by what the file says of it",
                f"`{again}` makes it whole again" if again else "take that of either side",
            )


def _places(envs: Sequence[ResolvedEnv]) -> Iterator[str]:
    """A note on each place in the file that only some machines have."""
    from mfenv.exporting.exported import notes_on_places

    for source in envs[0].spec.sources:
        if source.url.startswith("file:"):
            yield f"the {source.kind} `{source.url}` is a place that only some machines have"
    yield from notes_on_places(package for env in envs for package in env.packages)


def _why(inputs: Inputs | None) -> tuple[str, ...]:
    if inputs:
        again = f"python {inputs.flow} --environment=conda environment lock"
        return (f"it is of `{inputs.flow}`: `{again}` locks it again",)
    return ("it does not say what it was made from, and stays as it is",)
