"""Taking over what metaflow-netflixext resolved: descriptions, names and packages.

Its ids are those of another function, so that every environment gets ids of ours; the old ones, and
the pathspecs of its runs, go on naming it as aliases of this machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from envid.aliases import FullRef, parse_alias
from envid.errors import EnvidError
from envid.ids import EnvId, is_id
from envid.netflixext import Manifest, read_environment, to_resolved
from mfenv.errors import MfenvError
from pkgcache.errors import InvalidKey, NotInStore, PkgcacheError
from pkgcache.stores import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envid.netflixext import NetflixEnv, NetflixPackage
    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments
    from pkgcache.stores.store import ObjectInfo, Sink, Store

__all__ = ["Imported", "Skipped", "import_all", "read_store"]

_ENV_PARTS = 4  # PLATFORM/REQ_ID/FULL_ID/env


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """An environment that was taken over: what it was, what it is, and its names."""

    old: FullRef
    envs: tuple[ResolvedEnv, ...]
    aliases: tuple[str, ...] = ()
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Something that could not be taken over, and why."""

    what: str
    reason: str


@dataclass(kw_only=True)
class _Names:
    """The names of the old environments, by what they name."""

    aliases: dict[FullRef, list[str]] = field(default_factory=dict)
    pathspecs: dict[FullRef, list[str]] = field(default_factory=dict)


def read_store(store: Store, folder: str) -> tuple[Manifest, list[Skipped]]:
    """What the store of metaflow-netflixext holds, as its manifest would say it.

    `folder` is where its environments are, `envs` unless it was told otherwise. What cannot be read
    is skipped. Raises `pkgcache.errors.StoreError`.
    """
    environments: list[NetflixEnv] = []
    aliases: dict[str, FullRef] = {}
    skipped: list[Skipped] = []
    for item in store.list(f"{folder}/"):
        parts = item.key.removeprefix(f"{folder}/").split("/")
        try:
            if parts[:2] == ["aliases", "generic"]:
                # The last folder is the tag: `team/etl/v1` there is `team/etl:v1`.
                text = ":".join("/".join(parts[2:]).rsplit("/", 1))
                aliases[text] = _pair(store.read(item.key))
            # What else lies there is of no environment: the store holds packages, and other
            # folders.
            elif len(parts) == _ENV_PARTS and parts[-1] == "env" and is_id(parts[2]):
                platform, req_id, full_id, _ = parts
                env_id = EnvId(req_id, full_id, platform)
                environments.append(read_environment(store.read(item.key), env_id))
        except (EnvidError, ValueError) as error:
            skipped.append(Skipped(what=item.key, reason=str(error)))
    return Manifest(environments=tuple(environments), aliases=aliases), skipped


def import_all(
    environments: Environments,
    manifests: list[Manifest],
    *,
    old_store: Store | None = None,
    dry_run: bool = False,
) -> Iterator[Imported | Skipped]:
    """Take over everything in `manifests`, an environment at a time; the first one says most.

    Packages come from `old_store` where it has them, else from their URLs, and go into the store of
    `environments` if that uses one. An environment whose packages cannot be had is skipped. Raises
    what fails for all of them alike, such as `mfenv.errors.RegistryError`.
    """
    names = _names(manifests)
    for ref in _refs(manifests):
        together = _together(manifests, ref)
        defaults = {env_id for manifest in manifests for env_id in manifest.defaults}
        is_default = {env_id.platform for env_id in defaults if env_id.ref == ref}
        try:
            envs = to_resolved(together)
            if not dry_run:
                _take_over(environments, envs, together, is_default, old_store)
        except (EnvidError, MfenvError, PkgcacheError) as error:
            # One that cannot be had must not keep the others from being taken over.
            yield Skipped(what=str(ref), reason=str(error))
            continue
        given = []
        for alias in names.aliases.get(ref, ()):
            try:
                parse_alias(alias)
                if not dry_run:
                    environments.alias(str(envs[0].env_id.ref), alias)
                given.append(alias)
            except (EnvidError, MfenvError, PkgcacheError) as error:
                yield Skipped(what=alias, reason=str(error))
        if not dry_run:
            # A bare req_id of theirs means the default, and so stays free where this is none.
            known = [str(ref), *(f"step:{pathspec}" for pathspec in names.pathspecs.get(ref, ()))]
            _remember(environments, [*known, *([ref.req_id] if is_default else [])], envs[0])
        yield Imported(old=ref, envs=envs, aliases=tuple(given), default=bool(is_default))


def _pair(content: bytes) -> FullRef:
    ids = json.loads(content)
    if not isinstance(ids, list) or [is_id(text) for text in ids] != [True, True]:
        raise ValueError("it is not a pair of ids")
    return FullRef(req_id=ids[0], full_id=ids[1])


def _names(manifests: list[Manifest]) -> _Names:
    names = _Names()
    seen: set[str] = set()
    for manifest in manifests:
        # The mutable ones first, so that one name in both is what it is by now.
        for known, into in (
            (manifest.mutable_aliases, names.aliases),
            (manifest.aliases, names.aliases),
            (manifest.pathspecs, names.pathspecs),
        ):
            for name, ref in known.items():
                if name not in seen:
                    into.setdefault(ref, []).append(name)
                    seen.add(name)
    return names


def _refs(manifests: list[Manifest]) -> list[FullRef]:
    """Every environment once, the oldest first: what was resolved last is the default last."""
    envs = [env for manifest in manifests for env in manifest.environments]
    envs.sort(key=lambda env: env.resolved_on)
    return list(dict.fromkeys(env.env_id.ref for env in envs))


def _together(manifests: list[Manifest], ref: FullRef) -> list[NetflixEnv]:
    """What was resolved as `ref`, one for each platform."""
    by_platform: dict[str, NetflixEnv] = {}
    for manifest in manifests:
        for env in manifest.together(ref):
            # That of the first manifest, which says most.
            by_platform.setdefault(env.env_id.platform, env)
    return list(by_platform.values())


def _take_over(
    environments: Environments,
    envs: tuple[ResolvedEnv, ...],
    together: list[NetflixEnv],
    is_default: set[str],
    old_store: Store | None,
) -> None:
    if environments.store_url:
        packages = {
            (package.digest, package.filename): package for env in envs for package in env.packages
        }
        source = _OldStore(old_store, _places(packages.values(), together)) if old_store else None
        # Before they are published: our store takes them from the cache. To fetch from a store is to
        # `get` from it, so that the old one needs no other method.
        environments.fetch(packages.values(), store=cast("Store | None", source))
    for default in (False, True):
        chosen = [env for env in envs if (env.platform in is_default) is default]
        environments.publish(chosen, default=default)
        environments.add(chosen, default=default)


def _remember(environments: Environments, names: list[str], env: ResolvedEnv) -> None:
    for name in names:
        # Only this machine knows them: in the store, they would be in the way of other imports.
        environments.name_here(name, env)


def _places(packages: Iterable[Package], together: list[NetflixEnv]) -> dict[str, str]:
    """Where the old store has our packages, by their keys in a store of ours."""
    by_name: dict[str, NetflixPackage] = {
        f"{old.filename}{old.format if old.kind == 'conda' else '.whl'}": old
        for env in together
        for old in env.packages
    }
    places = {}
    for package in packages:
        old = by_name.get(package.filename)
        place = old and old.cache_urls.get(old.format if old.kind == "conda" else ".whl")
        if place:
            places[layout.package_key(package)] = place
    return places


class _OldStore:
    """The packages of the old store, under the keys that they have in a store of ours."""

    def __init__(self, store: Store, places: Mapping[str, str]) -> None:
        self._store, self._places = store, places

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        try:
            return self._store.get(self._places[key], sink, offset)
        # Old descriptions name places freely: what is no key of a store is nowhere in it.
        except (KeyError, InvalidKey):
            raise NotInStore(key, self.url) from None
