"""Putting environments and their names into the shared store.

What the registry remembers to be in the store is believed as long as nothing is written: a known
environment costs no request. Before a name is given to it there, its description is looked up, and
published again where the store has lost it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from envid.aliases import Alias, FullRef, parse_ref
from mfenv import contents
from mfenv.errors import NoStore, UnknownEnvironment
from mfenv.finding import taken
from mfenv.settings import transmute_memory
from mfenv.user import user_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envid.ids import EnvId
    from envid.resolved import ResolvedEnv
    from mfenv.site import Site
    from pkgcache.share.shared import Published, Transmuting

__all__ = ["Publisher", "refuse_taken"]


class Publisher:
    """Publishes to the store of a site; does nothing where that has none."""

    def __init__(self, site: Site) -> None:
        self._site, self._registry = site, site.registry
        self._seen: set[EnvId] = set()

    def unpublished(self, envs: Sequence[ResolvedEnv]) -> list[ResolvedEnv]:
        """Those that the registry does not know to be in the store."""
        url = self._site.store_url
        return [env for env in envs if url and not self._registry.is_published(url, env.env_id)]

    def publish(
        self,
        envs: Sequence[ResolvedEnv],
        *,
        default: bool,
        check: bool = False,
        verify: bool = False,
    ) -> Published | None:
        """See `Environments.publish`; None where nothing was asked of the store."""
        site = self._site
        asked = list(envs) if check or verify else self.unpublished(envs)
        if not asked or (store := site.store) is None:
            return None
        # What this process put there a moment ago is not asked for again.
        wanted = [env for env in asked if verify or env.env_id not in self._seen]
        with site.downloader() as downloader:
            published = store.publish(
                wanted,
                cache=site.cache,
                downloader=downloader,
                progress=site.progress,
                transmuting=self._transmuting(),
                verify=verify,
                alike=self._alike(wanted),
            )
        # What was transmuted, here or by somebody else, is described otherwise there.
        if changed := [env for env in published.envs if env not in wanted]:
            self._registry.add(changed, default=False)
        # After the descriptions, so that a default always leads to one.
        if default:
            # Of those too that the store had: what is asked for is that they be the defaults.
            for env in asked:
                store.set_default(env.env_id)
        # Last, since it is believed without a request from now on.
        self._registry.set_published(site.store_url, [env.env_id for env in wanted])
        self._seen.update(env.env_id for env in wanted)
        return published

    def _alike(self, envs: Sequence[ResolvedEnv]) -> list[EnvId]:
        """Environments that the store was known to have and that share packages with `envs`."""
        alike = (contents.alike(self._registry, env, self._site.store_url) for env in envs)
        return [*dict.fromkeys(chain.from_iterable(alike))]

    def _transmuting(self) -> Transmuting:
        from pkgcache.share.shared import Transmuting

        settings = self._site.settings
        preferred = settings.preferred_format
        return Transmuting(
            to="" if preferred == "none" else preferred,
            level=settings.transmute_level,
            memory=transmute_memory(settings),
        )

    def give(self, alias: Alias, envs: Sequence[ResolvedEnv]) -> FullRef:
        """Give an alias to one environment, which `envs` are for all its platforms.

        Raises `ImmutableAlias` and `pkgcache.errors.AliasTaken`.
        """
        target = envs[0].env_id.ref
        # Looked at before anything is written, though only `set_alias` below decides: it says who
        # is in the way before packages are moved.
        if (held := self.held(alias)) and held != target:
            raise taken(alias, held)
        # Asked before the store is changed, since then it would be too late.
        if self._registry.alias(str(alias)) != target:
            self._registry.check_writable()
        url, store = self._site.store_url, self._site.store
        # What never changes is asked for once; a name that may move may have moved.
        known = not alias.mutable and self._registry.alias_in(url, str(alias)) == target
        if store and not known and store.alias(alias) != target:
            # An alias must not lead to what the store has lost.
            self.publish(envs, default=False, check=True)
            store.set_alias(alias, target)
        # After the store, which decides who has an alias for ever.
        held = self._registry.set_alias(
            str(alias), target, mutable=alias.mutable, store=url, by=user_name()
        )
        if held:
            raise taken(alias, held)
        return target

    def held(self, alias: Alias) -> FullRef | None:
        """The environment that an alias is given to for ever, here or in the store."""
        if alias.mutable:
            return None
        if here := self._registry.alias(str(alias)):
            return here
        store = self._site.store
        return store.alias(alias) if store else None

    def take_away(self, alias: Alias, *, shared: bool) -> bool:
        """See `Environments.take_away`."""
        store = self._site.store
        if shared and store is None:
            raise NoStore(f"to take `{alias}` away in", local_only=self._site.settings.local_only)
        # Asked before anything is taken away: where the store does not answer, the name stays as it
        # was here, too.
        there = store is not None and store.alias(alias) is not None
        here = self._registry.remove_alias(str(alias), user_name())
        if not here and not there:
            raise UnknownEnvironment(
                f"there is no alias `{alias}`", "`mfenv list` shows what is known here"
            )
        if shared and store:
            store.remove_alias(alias)
        return there and not shared

    def restore_names(self, env: ResolvedEnv) -> None:
        """Give the store the default and the aliases that it lacks of an environment.

        What another environment has by now stays there.
        """
        store = self._site.store
        if store is None:
            return
        if not store.default(env.req_id, env.platform):
            store.set_default(env.env_id)
        target = env.env_id.ref
        for text in self._registry.aliases_of(env.env_id.ref):
            alias = parse_ref(text)
            # What is no `Alias` is a name that only this machine knows, such as one of another
            # system.
            if isinstance(alias, Alias) and not store.alias(alias):
                store.set_alias(alias, target)


def refuse_taken(held: Mapping[Alias, FullRef], envs: Sequence[ResolvedEnv]) -> None:
    """Raise where a name is another environment's for ever: before anything is published."""
    for name, holder in held.items():
        if holder != (envs[0].req_id, envs[0].full_id):
            raise taken(name, holder)
