"""Answering requests: from what is known here, from the store, or by a resolver."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from envid.aliases import FullRef, parse_alias
from mfenv.errors import InvalidRequest, NothingAsked, UnknownEnvironment
from mfenv.finding import taken
from mfenv.publishing import refuse_taken
from mfenv.results import Resolved, timed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envid.aliases import Alias
    from envid.resolved import ResolvedEnv
    from mfenv.editing.edits import Edited, Where
    from mfenv.finding import Finder
    from mfenv.implicit import Placement, Side
    from mfenv.publishing import Publisher
    from mfenv.request import Prepared, Request
    from mfenv.settings import Settings
    from mfenv.site import Site
    from resolvers.ahead import Ahead
    from resolvers.errors import ResolveError

__all__ = ["Answers"]


class _How(NamedTuple):
    """How a request is to be answered."""

    latest: bool
    preferred: Sequence[ResolvedEnv]
    held: Mapping[Alias, FullRef]
    dry_run: bool
    default: bool
    last: bool


class Answers:
    """Answers requests."""

    def __init__(
        self,
        site: Site,
        finder: Finder,
        publisher: Publisher,
        settings: Settings | None = None,
    ) -> None:
        self._site, self._registry = site, site.registry
        self._finder, self._publisher = finder, publisher
        self._settings = settings or site.settings

    def under(self, settings: Settings) -> Answers:
        """Answers to requests that are made under other settings than those of the site."""
        return Answers(self._site, self._finder, self._publisher, settings)

    def prepared(self, request: Request, placement: Placement | None = None) -> Prepared:
        """A request as it is understood. Raises the errors of reading one."""
        site = self._site
        if request.locks:
            from mfenv.importing.preparing import prepare_import

            return prepare_import(
                request, self._settings, site.credentials, note=site.progress.note
            )
        from mfenv.request import prepare

        return prepare(
            request,
            self._settings,
            self._finder.find,
            site.credentials,
            placement,
            note=site.progress.note,
        )

    def known(self, request: Request) -> tuple[Prepared, tuple[ResolvedEnv, ...] | None]:
        """See `Environments.known`."""
        prepared, known = self._placed(request, self.prepared(request))
        try:
            return prepared, known or self._finder.find(prepared.spec.req_id, prepared.platforms)
        except UnknownEnvironment:
            return prepared, None

    def resolve(
        self,
        request: Request,
        *,
        aliases: Sequence[str],
        update: Sequence[str],
        force: bool,
        dry_run: bool,
        default: bool,
        preferred: Sequence[ResolvedEnv] = (),
        last: bool = False,
    ) -> Resolved:
        """See `Environments.resolve`. Nothing is resolved behind the `last`.

        With `preferred` it is resolved whatever is known, and keeps the packages of these, of
        another request, where it can.
        """
        if update and request.locks:
            raise InvalidRequest(
                "a lock says what is there, and nothing of it is updated here",
                "lock again, and import that",
            )
        # A name that cannot be given is told before anything is done for it.
        names = [parse_alias(text) for text in aliases]
        usual = self.prepared(request)
        if force:
            from mfenv.resolving import foresee

            foresee(self._site, usual)
        prepared, known = self._placed(request, usual)
        # `_known` gives the bases themselves where they are the answer.
        enough = known is not None and known is prepared.bases
        before = known if known and (force or update) else ()
        # The requests that the answer may turn out to be of; what holds a name for ever and is of
        # none of them will not be the answer.
        possible = {known[0].req_id if known else prepared.spec.req_id}
        if update:
            from mfenv.resolving import all_but

            preferred = all_but(update, None if enough else known)
        if force:
            # What gave way before need not do so any more.
            prepared, known, enough = usual, None, False
            possible.add(prepared.spec.req_id)
        # What is another's for ever is told now where that is certain, else before publishing.
        held = {name: holder for name in names if (holder := self._publisher.held(name))}
        for name, holder in held.items():
            if holder.req_id not in possible:
                raise taken(name, holder)
        again = bool(update or preferred)
        known = known if enough or not again else None
        if known:
            refuse_taken(held, known)
        # The usual case: no lock, no request, no process.
        if known and (dry_run or not self._publisher.unpublished(known)):
            answer = Resolved(envs=known, known=True, notes=_notes(prepared, known))
        else:
            how = _How(
                latest=not (force or again),
                preferred=preferred,
                held=held,
                dry_run=dry_run,
                default=default,
                last=last,
            )
            answer = self._alone(request, prepared, known, how)
        if not dry_run:
            # Before the names: from here on, no collection takes what they lead to.
            self._registry.use(answer.envs)
            # Last, since whoever reads a name must find everything behind it.
            for name in names:
                self._publisher.give(name, answer.envs)
        return answer._replace(before=before)

    def edit(
        self, path: Path, how: Literal["add", "remove"], packages: Sequence[str], where: Where
    ) -> Edited:
        """See `Environments.edit`."""
        from mfenv.editing.edits import edit
        from mfenv.fetching import fetching

        site = self._site
        fetch = fetching(self._settings, site.credentials, site.progress.note)
        return edit(path, how, packages, where, fetch)

    def resolve_edited(self, edited: Edited, request: Request, *, dry_run: bool) -> Resolved | None:
        """See `Environments.resolve_edited`."""
        from reqparse import ParseErrors

        before: tuple[ResolvedEnv, ...] | None = None
        # As it was, it may lack the group, ask for nothing, or for what excludes each other.
        with suppress(InvalidRequest, ParseErrors):
            _, before = self.known(edited.request(request, after=False))
        answer = None
        # Where the last package was taken out, nothing is left to resolve.
        with suppress(*([NothingAsked] if edited.only_removes else [])):
            answer = self.resolve(
                edited.request(request),
                aliases=(),
                update=(),
                force=False,
                dry_run=dry_run,
                default=True,
            )
        if not dry_run:
            edited.write()
        return answer and answer._replace(before=before or ())

    def _placed(
        self, request: Request, usual: Prepared
    ) -> tuple[Prepared, tuple[ResolvedEnv, ...] | None]:
        """What a request asks for, and its answer where that is known here.

        Where implicit packages had to come from elsewhere than usual, that is remembered.
        """
        known = self._known(usual)
        placement = None if known else self._remembered(usual)
        if placement is None:
            return usual, known
        placed = self.prepared(request, placement)
        known = self._known(placed)
        return (placed, known) if known else (usual, None)

    def _known(self, prepared: Prepared) -> tuple[ResolvedEnv, ...] | None:
        """The bases of a request if they are enough, else its defaults if resolved together."""
        if beside := prepared.beside:
            from resolvers.satisfied import satisfies

            # What is asked for beside a base may be in it already: then the base is the answer, and
            # no new environment.
            if all(satisfies(base, beside) for base in prepared.bases):
                return prepared.bases
        req_id, platforms = prepared.spec.req_id, prepared.platforms
        defaults = self._registry.defaults(req_id)
        full_ids = {defaults.get(platform) for platform in platforms}
        # The defaults of all platforms have to be of one resolve: two of them need not go together.
        full_id = full_ids.pop()
        if full_ids or full_id is None:
            return None
        return self._finder.together(FullRef(req_id, full_id), platforms)

    def _alone(
        self,
        request: Request,
        prepared: Prepared,
        known: tuple[ResolvedEnv, ...] | None,
        how: _How,
    ) -> Resolved:
        """Answer while nobody else resolves the same."""
        # Rather than after minutes of resolving.
        self._registry.check_writable()
        ahead = None
        # Unless the store may have the answer.
        if not known and not (how.latest and self._site.store_url):
            from mfenv.resolving import foresee, start_uv

            foresee(self._site, prepared)
            ahead = start_uv(self._site, prepared, how.preferred)
        from resolvers.errors import ResolveError

        req_id = prepared.spec.req_id
        lock = self._site.lock(f"resolve-{req_id}", "another process that resolves the same")
        # uv was started before the lock is waited for; whatever comes of it, it ends with this.
        with ahead or nullcontext(), lock:
            if not known and how.latest:
                # Whoever held the lock may have done what we are about to do.
                known = self._known(prepared)
                if not known and prepared.implicit:
                    prepared, known = self._placed(request, self.prepared(request))
            try:
                return self._answer(prepared, known, how, ahead)
            except ResolveError as error:
                if known or error.retryable or not prepared.implicit:
                    raise
                # Only where what nobody named may be the reason; a server that fails says nothing
                # of that.
                placement = self._placement(request, prepared, error, how)
            if not how.dry_run:
                self._remember(prepared, placement)
            # Without `ahead`, which is about what is asked for usually.
            placed = self.prepared(request, placement)
            return self._answer(placed, self._known(placed) if how.latest else None, how)

    def _answer(
        self,
        prepared: Prepared,
        known: tuple[ResolvedEnv, ...] | None,
        how: _How,
        ahead: Ahead | None = None,
    ) -> Resolved:
        """The known answer, else that of the store, else a resolver's: published, and recorded."""
        site = self._site
        seconds: dict[str, float] = {}
        stored = None
        if how.latest and not known:
            stored = self._finder.latest(
                prepared.spec.req_id, prepared.platforms, exact=bool(prepared.pins)
            )
        envs = known or stored
        if envs is None:
            from mfenv.resolving import find_packages

            with timed(seconds, "resolve"):
                envs = find_packages(
                    site, prepared, preferred=how.preferred, dry_run=how.dry_run, ahead=ahead
                )
        if how.last:
            site.let_go()
        # Now that the answer is known, and before any of it is published, which nothing takes back.
        refuse_taken(how.held, envs)
        if stored and not how.dry_run:
            self._finder.remember(stored, default=how.default)
        elif not how.dry_run:
            # Before it is recorded here: where publishing fails, the next one does it all again.
            if site.store_url:
                with timed(seconds, "publish"):
                    published = self._publisher.publish(envs, default=how.default, check=not known)
                # As the store describes them, which says what was transmuted.
                there = {env.env_id: env for env in (published.envs if published else ())}
                envs = tuple(there.get(env.env_id, env) for env in envs)
            if not known:
                self._registry.add(envs, default=how.default)
        return Resolved(
            envs=envs,
            known=bool(known or stored),
            from_store=bool(stored),
            notes=_notes(prepared, envs),
            seconds=seconds,
        )

    # implicit packages that cannot come from where they usually do

    def _placement(
        self, request: Request, usual: Prepared, error: ResolveError, how: _How
    ) -> Placement:
        """The first way to place what is implicit beside what is asked for.

        Raises why the request fails by itself, if it does, or else `error`, why it usually does.
        """
        from packaging.utils import canonicalize_name

        from resolvers.errors import ResolveError

        chosen: dict[str, Side] = {wanted.key: "none" for wanted in usual.implicit}
        # With nothing of it: where the request fails by itself, that is what its user must read.
        there = self._names(request, chosen, how)
        # One after the other, each beside those that were placed: every combination would be too
        # many solves.
        for wanted in usual.implicit:
            for side in wanted.sides:
                try:
                    there = self._names(request, {**chosen, wanted.key: side}, how)
                except ResolveError:
                    continue
                chosen[wanted.key] = side
                break
            else:
                # What the user asks for may bring another version of it, and then wins.
                names = {canonicalize_name(requirement.name or "") for requirement in wanted.usual}
                if not wanted.optional and not names <= there:
                    raise error
        return chosen

    def _names(self, request: Request, placement: Placement, how: _How) -> set[str]:
        """The names of the packages of a request on all its platforms. Raises `ResolveError`."""
        from packaging.utils import canonicalize_name

        from mfenv.resolving import find_packages

        prepared = self.prepared(request, placement)
        # Dry, so that what is only tried leaves no wheel in the store.
        envs = find_packages(self._site, prepared, preferred=how.preferred, dry_run=True)
        names: list[set[str]] = [
            {canonicalize_name(package.name) for package in env.packages} for env in envs
        ]
        return set.intersection(*names)

    def _remembered(self, usual: Prepared) -> Placement | None:
        if not usual.implicit:
            return None
        path = self._site.home / "engines" / "placements" / f"{usual.spec.req_id}.json"
        try:
            placement = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # it is not there, or was damaged
            return None
        keys = {wanted.key for wanted in usual.implicit}
        fits = isinstance(placement, dict) and placement.keys() == keys
        return placement if fits and set(placement.values()) <= {"usual", "other", "none"} else None

    def _remember(self, usual: Prepared, placement: Placement) -> None:
        folder = self._site.home / "engines" / "placements"
        folder.mkdir(parents=True, exist_ok=True)
        # Always the same name: who writes it holds the lock of this `req_id`, and takes the place
        # of what a killed one left.
        beside = folder / f".{usual.spec.req_id}.new"
        beside.write_text(json.dumps(placement), encoding="utf-8")
        # Whoever reads it sees all of it or nothing.
        beside.replace(folder / f"{usual.spec.req_id}.json")


def _notes(prepared: Prepared, envs: Sequence[ResolvedEnv]) -> tuple[str, ...]:
    """What was not used of a request, and what is known of its answer, each once."""
    return tuple(dict.fromkeys((*prepared.notes, *(note for env in envs for note in env.notes))))
