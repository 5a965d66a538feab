"""Finding environments by any text that names one: in the registry, then in the store."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from envid.aliases import (
    DEFAULT_TAG,
    Alias,
    FullRef,
    PairRef,
    PastRef,
    PrefixRef,
    ReqRef,
    StepRef,
    parse_ref,
)
from envid.errors import InvalidAlias
from envid.ids import EnvId
from envid.platforms import host_platform
from mfenv import past
from mfenv.errors import (
    Ambiguous,
    DamagedRow,
    ImmutableAlias,
    NoStore,
    UnknownEnvironment,
)
from mfenv.registry import PATHS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.site import Site
    from pkgcache.share.shared import EnvStore

__all__ = ["Finder", "StepFinder", "taken"]

_TAGS = 5
StepFinder = Callable[[StepRef], FullRef]
"""Gives the environment that a step ran in; raises `UnknownEnvironment`."""


class Finder:
    """Looks environments up: here, then in the store, but for `ask_store`.

    What the store has is remembered in the registry. What never changes is asked of the store
    once: descriptions, and aliases with other tags than `latest`, `candidate` and `stable`. `step`
    finds the environment of a step.
    """

    def __init__(
        self, site: Site, step: StepFinder | None = None, *, ask_store: bool = True
    ) -> None:
        self._site, self._registry, self._settings = site, site.registry, site.settings
        self._step, self._ask_store = step, ask_store

    def find(self, name: str, platforms: Sequence[str] = ()) -> tuple[ResolvedEnv, ...]:
        """See `Environments.find`."""
        target = self.target(name, platforms)
        return self._all(name, target, platforms or self._platforms(target))

    def get(self, name: str, platforms: Sequence[str] = ()) -> tuple[ResolvedEnv, ...]:
        """See `Environments.get`, but for the default."""
        store = self._store()
        if store is None:
            raise NoStore(f"to get `{name}` from", local_only=self._site.settings.local_only)
        target = self.target(name, platforms, fresh=True)
        there = _stored(store, target)
        for platform in platforms:
            if platform not in there:
                raise self._not_for(name, platform, there)
        return self._all(name, target, platforms or there)

    def remember(self, envs: Sequence[ResolvedEnv], *, default: bool) -> None:
        """Record what the store has."""
        self._registry.add(envs, default=default)
        self._registry.set_published(self._settings.store, [env.env_id for env in envs])

    def latest(
        self, req_id: str, platforms: Sequence[str], *, exact: bool = False
    ) -> tuple[ResolvedEnv, ...] | None:
        """What the store has for a request, as `use_remote_latest` asks for; None for nothing.

        Of a request that is `exact` anybody's answer is as good, unless that setting is stated.

        It was resolved for all `platforms` together. Where everybody's are wanted, that is the
        store's default, else the newest. Costs a request for the default of each platform, a
        listing for each where that does not do, and one for each description that is looked at,
        the newest first. Nothing is remembered; what is damaged is passed over.
        """
        from pkgcache.errors import DamagedObject

        asked = self._settings.use_remote_latest
        if exact and not self._settings.origins.get("use_remote_latest"):
            asked = ("anyone",)
        if asked in ((), ("none",)) or (store := self._store()) is None:
            return None
        anyone = asked == ("anyone",)
        users = None if anyone else self._users(asked)
        for full_id in self._published(store, req_id, platforms, defaults=anyone):
            try:
                # Not remembered: most of what is looked at may be somebody else's, and not what is
                # wanted.
                envs = self.together(
                    FullRef(req_id, full_id), platforms, users=users, remember=False
                )
            except DamagedObject as error:
                self._site.progress.note(f"{error}; passed over")
                continue
            if envs:
                return envs
        return None

    def _published(
        self, store: EnvStore, req_id: str, platforms: Sequence[str], *, defaults: bool
    ) -> Iterator[str]:
        """The `full_id`s that a store may have for all platforms: the default, then the newest."""
        # First, and by itself: whoever takes it does not make the store list all that it has.
        default = self._common_default(store, req_id, platforms) if defaults else None
        if default:
            yield default
        # Only what every platform has was resolved for all of them together.
        newest, *others = (
            [env_id.full_id for env_id in store.find(req_id, platform)] for platform in platforms
        )
        for full_id in newest:
            if full_id != default and all(full_id in other for other in others):
                yield full_id

    def _common_default(self, store: EnvStore, req_id: str, platforms: Sequence[str]) -> str | None:
        from pkgcache.errors import DamagedObject

        try:
            chosen = {store.default(req_id, platform) for platform in platforms}
        except DamagedObject as error:
            self._site.progress.note(f"{error}; passed over")
            return None
        full_ids = {env_id.full_id if env_id else None for env_id in chosen}
        # Defaults of different resolves are no answer for several platforms.
        return full_ids.pop() if len(full_ids) == 1 else None

    def together(
        self,
        ref: FullRef,
        platforms: Sequence[str],
        *,
        users: Collection[str] | None = None,
        remember: bool = True,
    ) -> tuple[ResolvedEnv, ...] | None:
        """What was resolved as `ref` for all `platforms`, None where any of that is not known.

        With `users`, only what these resolved. What only the store has is remembered here, unless
        told otherwise.
        """
        envs = []
        for platform in platforms:
            try:
                env = self._by_id(EnvId(*ref, platform), remember=remember)
            except DamagedRow as error:
                self._site.progress.note(f"{error}; passed over")
                return None
            if env is None or (users is not None and env.resolved_by not in users):
                return None
            envs.append(env)
        return tuple(envs)

    def target(self, name: str, platforms: Sequence[str] = (), *, fresh: bool = False) -> FullRef:
        """The ids that a text stands for; raises `UnknownEnvironment` and `Ambiguous`.

        A bare `req_id` means its default on the first of `platforms`, or on this machine's. What
        is the name of a created prefix and nothing else means the environment in it. With `fresh`
        only the store is asked.
        """
        created = None if fresh else self._registry.prefix_meant(name)
        if name.startswith(PATHS) and created is None and not fresh:
            raise UnknownEnvironment(
                f"`{name}` is no directory of an environment that is known here",
                "`mfenv list` shows what is known here, with its directories",
            )
        try:
            target = self._target(name, platforms, fresh=fresh)
        # After all else: an alias or an id means the same on every machine, the name of a prefix on
        # this one alone.
        except (UnknownEnvironment, InvalidAlias):
            if created is None:
                raise
            return created.env_id.ref
        if created and target != created.env_id.ref:
            self._site.progress.note(
                f"`{name}` is the alias here; what was created as `{name}` is another environment"
            )
        return target

    def _target(self, name: str, platforms: Sequence[str], *, fresh: bool) -> FullRef:
        ref = parse_ref(name)
        platform = (*platforms, host_platform())[0]
        # What came from another system keeps the ids and pathspecs that it had there as aliases.
        if not isinstance(ref, Alias) and (held := self._registry.alias(str(ref))):
            return held
        if isinstance(ref, FullRef):
            return ref
        if isinstance(ref, Alias):
            target = self._alias(ref, fresh=fresh)
        elif isinstance(ref, PastRef):
            target = self._past(ref)
        elif isinstance(ref, ReqRef):
            target = self._default(ref.req_id, platform, fresh=fresh)
            target = target or self._candidate(name, ref.req_id, platform, fresh=fresh)
        elif isinstance(ref, PrefixRef):
            target = self._candidate(name, ref.digits, platform, fresh=fresh)
        elif isinstance(ref, PairRef):
            target = self._of_pair(ref, fresh=fresh)
        elif self._step:
            return self._of_step(self._step(ref))
        else:
            raise UnknownEnvironment(
                f"`{name}` is a step of a Metaflow run", "`metaflow environment` knows about runs"
            )
        if target is None:
            raise self._unknown(name)
        return target

    def _of_step(self, target: FullRef) -> FullRef:
        # A run may have been of a system whose environments were brought over since.
        return self._registry.alias(":".join(target)) or target

    def _by_id(self, env_id: EnvId, *, remember: bool = True) -> ResolvedEnv | None:
        damaged = None
        try:
            if env := self._registry.environment(env_id):
                return env
        except DamagedRow as error:
            # Where the store has the same, that is the answer, and is written over what is damaged.
            damaged = error
        store = self._store()
        # Descriptions never change, so that what is here is never compared with what is there.
        stored = store.fetch_description(env_id) if store else None
        if stored and remember and not self._registry.read_only:
            self.remember([stored], default=False)
        if damaged and not stored:
            raise damaged
        if damaged:
            self._site.progress.note(f"{damaged}; taken from the store")
        return stored

    def _all(self, name: str, target: FullRef, platforms: Sequence[str]) -> tuple[ResolvedEnv, ...]:
        envs = []
        for platform in platforms:
            env = self._by_id(EnvId(*target, platform))
            if env is None:
                raise self._not_for(name, platform, self._platforms(target))
            envs.append(env)
        if not envs:
            raise self._unknown(name)
        return tuple(envs)

    def _platforms(self, target: FullRef) -> list[str]:
        platforms = self._registry.platforms(target)
        store = None if platforms else self._store()
        return _stored(store, target) if store else platforms

    def _alias(self, alias: Alias, *, fresh: bool) -> FullRef | None:
        # What can change is asked of the store first; what cannot, is as good here as there.
        here = None if fresh else self._registry.alias(str(alias))
        if here and not alias.mutable:
            return here
        store = self._store()
        ref = store.alias(alias) if store else None
        if ref is None:
            return here
        # What cannot be remembered is asked for again the next time.
        if self._registry.read_only:
            return ref
        url = self._settings.store
        # Another one may hold it here for ever: with `fresh` that was not asked, or it came since.
        held = self._registry.set_alias(str(alias), ref, mutable=alias.mutable, store=url)
        if held:
            raise taken(alias, held)
        return ref

    def _past(self, ref: PastRef) -> FullRef:
        # Where the store has moved it since, that is what it means now.
        self._alias(ref.alias, fresh=False)
        meanings = self._registry.meanings(str(ref.alias))
        if not meanings:
            raise self._unknown(str(ref.alias))
        for given, back in past.numbered(meanings):
            if given.target and back == ref.back:
                return given.target
        raise UnknownEnvironment(
            f"what `{ref}` was is not known here",
            f"`mfenv history {ref.alias}` lists what is",
        )

    def _default(self, req_id: str, platform: str, *, fresh: bool) -> FullRef | None:
        defaults = {} if fresh else self._registry.defaults(req_id)
        # Where this platform has none, that of another says what is meant; always the same one.
        full_id = defaults.get(platform) or min(defaults.values(), default=None)
        if not full_id and (store := self._store()):
            stored = store.default(req_id, platform)
            full_id = stored.full_id if stored else None
        return FullRef(req_id, full_id) if full_id else None

    def _candidate(self, name: str, digits: str, platform: str, *, fresh: bool) -> FullRef | None:
        candidates = [] if fresh else self._registry.candidates(digits)
        if not candidates and (store := self._store()):
            candidates = sorted({env_id.ref for env_id in store.find_prefix(digits)})
        # The first digits of one request mean its default, however often it was resolved.
        requests = {req_id for req_id, _ in candidates}
        if len(candidates) > 1 and len(requests) == 1 and min(requests).startswith(digits):
            default = self._default(min(requests), platform, fresh=fresh)
            if default:
                return default
        return _only(name, candidates)

    def _of_pair(self, ref: PairRef, *, fresh: bool) -> FullRef | None:
        candidates = [] if fresh else self._registry.candidates(*ref)
        if not candidates and (store := self._store()):
            candidates = sorted(
                {
                    env_id.ref
                    for env_id in store.find_prefix(ref.req_digits)
                    if env_id.full_id.startswith(ref.full_digits)
                }
            )
        return _only(str(ref), candidates)

    def _store(self) -> EnvStore | None:
        return self._site.store if self._ask_store else None

    def _users(self, asked: Sequence[str]) -> frozenset[str]:
        from mfenv.user import user_name

        return frozenset(user_name() if user == "me" else user for user in asked)

    def _not_for(self, name: str, platform: str, known: Sequence[str]) -> UnknownEnvironment:
        if not known:
            return self._unknown(name)
        return UnknownEnvironment(
            f"`{name}` is resolved for {', '.join(known)}, and not for {platform}",
            f"resolve the same request with `--platform {platform}`",
        )

    def _unknown(self, name: str) -> UnknownEnvironment:
        if os.path.isfile(name):  # noqa: PTH113 - what is too long for a path is none
            hint = "`mfenv resolve`, `mfenv run` and `mfenv create --lock` take a file as an option"
            return UnknownEnvironment(f"`{name}` is a file, and no environment", hint)
        base = name.removesuffix(f":{DEFAULT_TAG}")
        if ":" not in base and (tags := self._registry.names(f"{base}:")):
            hint = f"known are {', '.join(f'`{alias}`' for alias in tags[:_TAGS])}"
            return UnknownEnvironment(f"`{base}:{DEFAULT_TAG}` is not known here", hint)
        if self._settings.local_only:
            hint = "leave out `local_only`, or run `mfenv get` once"
            return UnknownEnvironment(
                f"`{name}` is not known here, and `local_only` forbids to ask the store", hint
            )
        if self._store():
            hint = "`mfenv list` shows what is known here; who knows it can `mfenv publish` it"
            return UnknownEnvironment(f"`{name}` is neither known here nor in the store", hint)
        hint = "`mfenv list` shows what is known here; MFENV_STORE names the store of your team"
        return UnknownEnvironment(f"`{name}` is not known here", hint)


def taken(alias: Alias, held: FullRef) -> ImmutableAlias:
    """The error of an alias that `held` has for ever."""
    return ImmutableAlias(
        f"`{alias}` is given to {':'.join(held)} for ever",
        "choose another tag; `latest`, `candidate` and `stable` may move",
    )


def _stored(store: EnvStore, target: FullRef) -> list[str]:
    req_id, full_id = target
    return [env_id.platform for env_id in store.find_prefix(req_id) if env_id.full_id == full_id]


def _only(name: str, candidates: Sequence[FullRef]) -> FullRef | None:
    if len(candidates) > 1:
        some = ", ".join(f"{req[:12]}:{full[:12]}" for req, full in sorted(candidates)[:5])
        raise Ambiguous(f"`{name}` fits {len(candidates)} environments: {some}", "add digits")
    return candidates[0] if candidates else None
