"""Finding environments by any text that names one: in the registry, then in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from envid.aliases import Alias, FullRef, PrefixRef, ReqRef, StepRef, parse_ref
from envid.ids import EnvId
from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from mfenv.errors import Ambiguous, UnknownEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mfenv.registry import Registry
    from pkgcache.shared import EnvStore

__all__ = ["Finder", "StepFinder", "Target"]

Target = tuple[str, str]
"""A `req_id` and a `full_id`."""

StepFinder = Callable[[StepRef], Target]
"""Gives the environment that a step ran in; raises `UnknownEnvironment`."""


class Finder:
    """Looks environments up; `store` opens the shared store, or gives None where none is set.

    What the store has is remembered in the registry. `step` finds the environment of a step.
    """

    def __init__(
        self,
        registry: Registry,
        store_url: str,
        store: Callable[[], EnvStore | None],
        step: StepFinder | None = None,
    ) -> None:
        self._registry, self._store_url, self._store = registry, store_url, store
        self._step = step

    def find(self, name: str, platforms: Sequence[str] = ()) -> tuple[ResolvedEnv, ...]:
        """See `Environments.find`."""
        target = self.target(name)
        wanted = list(platforms) or self._platforms(target)
        found = []
        for platform in wanted:
            env = self.get(EnvId(*target, platform))
            if env is None:
                raise self._not_for(name, platform, target)
            found.append(env)
        if not found:
            raise self._unknown(name)
        return tuple(found)

    def target(self, name: str) -> Target:
        """The ids that a text stands for; raises `UnknownEnvironment` and `Ambiguous`."""
        ref = parse_ref(name)
        # What came from another system keeps the ids and pathspecs that it had there as aliases.
        if not isinstance(ref, Alias) and (held := self._registry.alias(str(ref))):
            return held
        if isinstance(ref, FullRef):
            return ref.req_id, ref.full_id
        if isinstance(ref, Alias):
            found = self._alias(ref)
        elif isinstance(ref, ReqRef):
            found = self._default(ref.req_id) or self._candidate(name, ref.req_id)
        elif isinstance(ref, PrefixRef):
            found = self._candidate(name, ref.digits)
        elif self._step:
            return self._of_step(self._step(ref))
        else:
            raise UnknownEnvironment(
                f"`{name}` is a step of a Metaflow run", "`metaflow environment` knows about runs"
            )
        if found is None:
            raise self._unknown(name)
        return found

    def get(self, env_id: EnvId) -> ResolvedEnv | None:
        """The environment with this id, or None if neither registry nor store has it."""
        text = self._registry.description(env_id)
        if text:
            return ResolvedEnv.from_json(text)
        store = self._store()
        found = store.fetch_description(env_id) if store else None
        if store and found:
            self._registry.add([found], default=False)
            self._registry.set_published(self._store_url, [env_id])
        return found

    def _of_step(self, target: Target) -> Target:
        # A run may have been of a system whose environments were brought over since.
        return self._registry.alias(":".join(target)) or target

    def _platforms(self, target: Target) -> list[str]:
        found = self._registry.platforms(*target)
        store = None if found else self._store()
        if store is None:
            return found
        req_id, full_id = target
        return [one.platform for one in store.find_prefix(req_id) if one.full_id == full_id]

    def _alias(self, alias: Alias) -> Target | None:
        # What can change is asked of the store first; what cannot, is as good here as there.
        here = self._registry.alias(str(alias))
        if here and not alias.mutable:
            return here
        store = self._store()
        if store is None:
            return here
        ref = store.alias(alias)
        there = (ref.req_id, ref.full_id) if ref else None
        if there and there != here:
            self._registry.set_alias(str(alias), there, mutable=alias.mutable)
        return there or here

    def _default(self, req_id: str) -> Target | None:
        host = host_platform()
        defaults = self._registry.defaults(req_id)
        found = defaults.get(host) or min(defaults.values(), default=None)
        if not found and (store := self._store()):
            env_id = store.default(req_id, host)
            found = env_id.full_id if env_id else None
        return (req_id, found) if found else None

    def _candidate(self, name: str, digits: str) -> Target | None:
        found = self._registry.candidates(digits)
        if not found and (store := self._store()):
            found = sorted({(one.req_id, one.full_id) for one in store.find_prefix(digits)})
        # The first digits of one request mean its default, however often it was resolved.
        requests = {req_id for req_id, _ in found}
        if len(found) > 1 and len(requests) == 1 and min(requests).startswith(digits):
            return self._default(*requests)
        if len(found) > 1:
            some = ", ".join(f"{req[:12]}:{full[:12]}" for req, full in sorted(found)[:5])
            raise Ambiguous(f"`{name}` fits {len(found)} environments: {some}", "add digits")
        return found[0] if found else None

    def _not_for(self, name: str, platform: str, target: Target) -> UnknownEnvironment:
        known = self._platforms(target)
        if not known:
            return self._unknown(name)
        return UnknownEnvironment(
            f"`{name}` is resolved for {', '.join(known)}, and not for {platform}",
            f"resolve the same request with `--platform {platform}`",
        )

    def _unknown(self, name: str) -> UnknownEnvironment:
        if self._store():
            hint = "`mfenv list` shows what is known here"
            return UnknownEnvironment(f"`{name}` is neither known here nor in the store", hint)
        hint = "`mfenv list` shows what is known here; MFENV_STORE names the store of your team"
        return UnknownEnvironment(f"`{name}` is not known here", hint)
