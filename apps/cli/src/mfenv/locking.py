"""Lock files of a repository: locked again, checked, and taken environments from."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mfenv.errors import InvalidLock, InvalidRequest, UnknownEnvironment
from mfenv.lockfile.choosing import (
    chosen_environments,
    for_platforms,
    names_to_update,
    usual_platforms,
    why_kept,
)
from mfenv.lockfile.differences import Difference, differences
from mfenv.lockfile.inputs import Inputs
from mfenv.lockfile.model import LockedEnv, LockFile
from mfenv.lockfile.names import locking
from mfenv.lockfile.outcomes import LockCheck, LockOutcome, Relocked
from mfenv.lockfile.reading import read
from mfenv.lockfile.refusing import check_own
from mfenv.lockfile.writing import written
from mfenv.replacing import replace_file
from pkgcache.threads import call_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from envid.resolved import ResolvedEnv
    from mfenv.answering import Answers
    from mfenv.implicit import Placement, Side
    from mfenv.request import Prepared, Request
    from mfenv.site import Site

__all__ = ["Locks", "locked", "read_lock"]

# Solves of conda share one process, and each uv takes all cores: more would wait for each other.
_AT_ONCE = 8
_OTHER_SIDES: tuple[Side, ...] = ("other", "none")


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
        platforms: Sequence[str],
        update: Sequence[str],
        upgrade: bool,
    ) -> LockOutcome:
        """See `Environments.lock`."""
        with self._alone(path):
            if inputs is None:
                _text(path)  # says so where there is none
            old, whole = self._old(path)
            chosen = chosen_environments(path, old, name, inputs)
            if platforms:
                chosen = for_platforms(path, chosen, platforms)
            update = names_to_update(update, chosen)
            if not whole:
                again = {
                    environment.name
                    for environment in chosen
                    if environment.inputs and not environment.inputs.flow
                }
                _check_whole(path, old, again)
            relocked: dict[str, Relocked] = {}
            locked = {environment.name: environment for environment in old.environments}
            work = [
                partial(
                    self._relock,
                    path,
                    environment,
                    unstated=usual_platforms(old),
                    whole=whole,
                    update=update,
                    upgrade=upgrade,
                )
                for environment in chosen
            ]
            for environment, done in zip(chosen, call_all(work, _AT_ONCE), strict=True):
                relocked[environment.name] = done
                locked[environment.name] = replace(environment, envs=done.envs)
            text = written(LockFile(environments=tuple(locked.values())))
            return self._write(path, text, tuple(relocked.values()))

    def remove(self, path: Path, names: Sequence[str]) -> LockOutcome:
        """See `Environments.unlock`."""
        with self._alone(path):
            old = read_lock(path)
            gone = tuple(old.chosen(name).name for name in names)
            left = tuple(
                environment for environment in old.environments if environment.name not in gone
            )
            return self._write(path, written(LockFile(environments=left)), (), gone)

    def lock_requests(
        self,
        path: Path,
        flow: str,
        wanted: Sequence[tuple[Sequence[str], Request]],
        *,
        about: Callable[[Request, Sequence[str]], AbstractContextManager[None]],
        whole_flow: bool,
        update: Sequence[str],
        upgrade: bool,
    ) -> LockOutcome:
        """See `Environments.lock_requests`."""
        with self._alone(path):
            old, whole = self._old(path)
            locked = {environment.name: environment for environment in old.environments}
            names = {name for together, _ in wanted for name in together}
            update = names_to_update(update, [locked[name] for name in names & locked.keys()])
            # A step that the flow no longer has, or that needs nothing any more.
            gone = [
                name
                for name, environment in locked.items()
                if _is_of(environment, flow) and name not in names
            ]
            removed = tuple(gone) if whole_flow else ()
            if not whole:
                _check_whole(path, old, names.union(removed))
            relocked: dict[str, Relocked] = {}
            work = [
                partial(
                    self._relock_alike,
                    together,
                    request,
                    dict(locked),
                    about=about,
                    whole=whole,
                    update=update,
                    upgrade=upgrade,
                )
                for together, request in wanted
            ]
            for done in (done for alike in call_all(work, _AT_ONCE) for done in alike):
                relocked[done.name] = done
                locked[done.name] = LockedEnv(
                    name=done.name, envs=done.envs, inputs=Inputs(flow=flow)
                )
            for name in removed:
                del locked[name]
            text = written(LockFile(environments=tuple(locked.values())))
            return self._write(path, text, tuple(relocked.values()), removed)

    def _relock_alike(
        self,
        names: Sequence[str],
        request: Request,
        locked: dict[str, LockedEnv],
        *,
        about: Callable[[Request, Sequence[str]], AbstractContextManager[None]],
        whole: bool,
        update: Sequence[str],
        upgrade: bool,
    ) -> tuple[Relocked, ...]:
        """Lock what several environments ask for in the same words, once."""
        before = {name: locked[name].envs for name in names if name in locked}
        first = next(iter(before.values()), ())
        # What was locked for more platforms stays so: who locks on a laptop must not drop the
        # cluster's.
        there = {env.platform for envs in before.values() for env in envs}
        request = request._replace(platforms=tuple(sorted({*request.platforms, *there})))
        # Where the steps have different answers, or one has none yet, keeping them would leave what
        # asks for the same with different packages.
        alike = len(before) == len(names) and all(envs == first for envs in before.values())
        whole = whole and alike
        with about(request, names):
            envs, notes, kept = self._resolved(
                self._answers, request, first, whole=whole, update=update, upgrade=upgrade
            )
        return tuple(
            Relocked(name=name, before=before.get(name, ()), envs=envs, kept=kept, notes=notes)
            for name in names
        )

    def check(self, path: Path, *, name: str | None, inputs: Inputs | None) -> LockCheck:
        """See `Environments.check_lock`."""
        lock = read_lock(path)
        differing: dict[str, tuple[Difference, ...]] = {}
        unchecked: dict[str, str] = {}
        for environment in chosen_environments(path, lock, name, inputs):
            if not environment.envs:
                absent = Difference(what="environment", before=None, after=environment.name)
                differing[environment.name] = (absent,)
            elif environment.inputs is None or environment.inputs.flow:
                flow = environment.inputs.flow if environment.inputs else ""
                unchecked[environment.name] = flow
            elif changed := self._differences(
                self._under(path, environment.inputs),
                environment.inputs.request(path.parent, environment.platforms),
                environment.envs,
            )[0]:
                differing[environment.name] = changed
        return LockCheck(differences=differing, unchecked=unchecked)

    def _relock(
        self,
        path: Path,
        environment: LockedEnv,
        *,
        unstated: Sequence[str],
        whole: bool,
        update: Sequence[str],
        upgrade: bool,
    ) -> Relocked:
        before, name = environment.envs, environment.name
        inputs = environment.inputs
        if inputs is None or inputs.flow:
            return Relocked(
                name=name, before=before, envs=before, kept=True, notes=why_kept(inputs)
            )
        envs, notes, kept = self._resolved(
            self._under(path, inputs),
            inputs.request(path.parent, environment.platforms or unstated),
            before,
            whole=whole,
            update=update,
            upgrade=upgrade,
        )
        return Relocked(name=name, before=before, envs=envs, kept=kept, notes=notes)

    def _resolved(
        self,
        answers: Answers,
        request: Request,
        before: tuple[ResolvedEnv, ...],
        *,
        whole: bool,
        update: Sequence[str],
        upgrade: bool,
    ) -> tuple[tuple[ResolvedEnv, ...], tuple[str, ...], bool]:
        """What a request was locked as if that still fits, else what it is resolved to by now.

        With notes, and whether it was kept.
        """
        from mfenv.resolving import all_but

        if before and whole and not (update or upgrade):
            changed, prepared = self._differences(answers, request, before)
            if not changed:
                return before, prepared.notes, True
        there = {package.name for env in before for package in env.packages}
        # Another environment of the file has the others: `names_to_update` saw to that.
        chosen = [name for name in update if name in there]
        outcome = answers.resolve(
            request,
            aliases=(),
            update=(),
            force=upgrade,
            dry_run=False,
            default=True,
            # What is locked stays where it can, so that a diff shows what was asked for and no
            # more.
            preferred=() if upgrade else all_but(chosen, before),
        )
        return outcome.envs, (*outcome.notes, *_places(outcome.envs)), False

    def differences(self, request: Request, envs: Sequence[ResolvedEnv]) -> tuple[Difference, ...]:
        """See `Environments.lock_differences`."""
        return self._differences(self._answers, request, envs)[0]

    def _differences(
        self, answers: Answers, request: Request, envs: Sequence[ResolvedEnv]
    ) -> tuple[tuple[Difference, ...], Prepared]:
        """Where a request is not what environments were locked for."""
        # They were resolved together, so they have one spec.
        locked, platforms = envs[0].spec, [env.platform for env in envs]

        def differing(placement: Placement) -> tuple[tuple[Difference, ...], Prepared]:
            prepared = answers.prepared(request, placement)
            asked = prepared.spec
            changed = differences(locked, platforms, asked, prepared.platforms, prepared.origins)
            return changed, prepared

        placement: dict[str, Side] = {}
        changed, prepared = differing(placement)
        # What nobody names may have had to come from another side when it was locked, each of it
        # by itself.
        for wanted in prepared.implicit if changed else ():
            for side in _OTHER_SIDES:
                there, placed = differing({**placement, wanted.key: side})
                # One that explains some of the differences is kept, and the next is looked for
                # beside it.
                if len(there) < len(changed):
                    placement[wanted.key] = side
                    changed, prepared = there, placed
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
    ) -> LockOutcome:
        data = text.encode()
        # A file that says the same keeps its time, by which builds and editors go.
        new = not path.is_file() or path.read_bytes() != data
        if new:
            replace_file(path, data)
        return LockOutcome(environments=environments, removed=removed, written=new)

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        # Rather than after minutes of resolving.
        if not path.absolute().parent.is_dir():
            raise InvalidRequest(
                f"there is no directory `{path.parent}` for the lock file",
                "make it, or name another",
            )
        # Else of two that add an environment each, the second would write without the first's.
        place = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:40]
        with self._site.lock(f"lockfile-{place}", f"another process that locks `{path}`"):
            yield


def _text(path: Path) -> str:
    try:
        # Editors of some systems begin a file with a mark, which means nothing.
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UnknownEnvironment(
            f"there is no lock file `{path}`",
            "make it with `mfenv lock`, such as `mfenv lock -p pyproject.toml`",
        ) from None
    except UnicodeDecodeError:
        hint = "take it from the repository again, or delete it and lock anew"
        raise InvalidLock(str(path), 0, "is not UTF-8", hint) from None
    check_own(text, path)
    return text


def _check_whole(path: Path, old: LockFile, again: Collection[str]) -> None:
    """Refuse to lock on a file in pieces where not all of it is locked `again`.

    Of what is not, nothing proves that it is whole.
    """
    made_from = {e.inputs.flow if e.inputs else None for e in old.environments}
    for name in (e.name for e in old.environments if e.name not in again):
        hint: str | None = "take the file of either side, and lock again"
        if made_from == {""}:
            # What the error says by itself: `mfenv lock` does.
            hint = None
        elif len(made_from) == 1 and (flow := next(iter(made_from))):
            hint = f"`{locking(flow)}` makes it whole again"
        reason = f"environment `{name}` cannot be made whole by what is locked again here"
        raise InvalidLock(str(path), 0, reason, hint)


def _places(envs: Sequence[ResolvedEnv]) -> Iterator[str]:
    """A note on each place in the file that only some machines have."""
    from mfenv.exporting.exported import notes_on_places

    for source in envs[0].spec.sources:
        if source.url.startswith("file:"):
            yield f"the {source.kind} `{source.url}` is a place that only some machines have"
    yield from notes_on_places(package for env in envs for package in env.packages)


def _is_of(environment: LockedEnv, flow: str) -> bool:
    return environment.inputs is not None and environment.inputs.flow == flow
