"""From lock files to a spec that asks for exactly what they have, and to the packages themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envid.platforms import PLATFORMS, check_platform
from envid.requirements import normalize
from envid.spec import EnvSpec, Options, Source
from mfenv.errors import Contradiction, InvalidRequest
from mfenv.importing.locks import (
    locks_for,
    platforms_of_locks,
    read_locks,
    unlocked_platforms,
)
from mfenv.importing.platforms import allowed_by_markers
from mfenv.importing.selecting import select_all
from mfenv.importing.staleness import check_fresh
from mfenv.options import options_of
from mfenv.places import Stated, placed_on
from mfenv.request import Prepared, platforms_of
from mfenv.sources import sources_of
from mfenv.unused import unused
from mfenv.virtual_packages import add_virtual_packages, check_floors, unused_virtual_packages
from reqparse import Origin, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mfenv.importing.locks import ForeignLock
    from mfenv.importing.pins import PinnedPlatform
    from mfenv.request import Request
    from mfenv.settings import Settings
    from pkgcache.web.credentials import Credentials
    from reqparse import Requirement

__all__ = ["prepare_import"]

# What stands beside locks in a request, by the name of its field.
_NOT_BESIDE = {
    "files": "-r",
    "environment_files": "-f",
    "pyprojects": "-p",
    "scripts": "--script",
    "pypi": "--pypi",
    "conda": "--conda",
    "npconda": "--npconda",
    "using": "--using",
    "same_as": "--from",
    "stated": "what is stated elsewhere",
}
_UNUSED = ("pre", "seed", "exclude_newer", "channel_priority")
_OF_INDEXES = ("index_url", "extra_index_url", "find_links", "no_index")
_INDEXES = ("index", "find-links")


def prepare_import(
    request: Request,
    settings: Settings,
    credentials: Credentials,
    *,
    note: Callable[[str], None],
) -> Prepared:
    """Read the locks of a request and make the spec that asks for what they have.

    Nothing is asked of any channel or index. Logins in URLs are added to `credentials`. Raises
    `reqparse.ParseErrors` with every problem of a lock, also where it does not suffice for a
    platform; `InvalidRequest`, `Contradiction`.
    """
    _check_alone(request)
    locks = read_locks(request, settings, credentials, note)
    platforms = _platforms(request, settings, locks)
    stated = [_virtual(text) for text in request.sys]
    # What a lock was made for goes before what is usual here, and after what is asked for.
    usual = (*settings.virtual_packages, *request.virtual)
    usual += tuple(text for lock in locks for text in lock.virtual_packages())
    virtual = _virtual_packages(settings.replaced(virtual_packages=usual), platforms, stated)
    chosen = {platform: locks_for(platform, locks) for platform in platforms}
    python, pinned = select_all(request, settings, credentials, chosen, virtual)
    listed = any(own.listed for own in pinned.values())
    conda = any(own.texts["conda"] for own in pinned.values())
    # After the selection, which tells whether there are conda packages, and before all that asks
    # for the provider.
    settings = _with_provider(settings, conda=conda)
    asked: dict[str, dict[str, list[str]]] = {
        platform: {**own.texts, "sys": virtual[platform]} for platform, own in pinned.items()
    }
    # For every platform that there is, as in any request: an id says what it was resolved for,
    # wherever that was.
    for platform in PLATFORMS:
        asked.setdefault(platform, {})["sys"] = virtual[platform]
    common, special = _common(asked, platforms)
    sets = [lock.said for lock in locks]
    wheels = any(own.texts["pypi"] for own in pinned.values())
    check_floors(stated, wheels=wheels)
    spec = EnvSpec.make(
        requirements=common,
        platform_requirements=special,
        python=python,
        sources=_sources(pinned, locks, settings, credentials, conda=conda, listed=listed),
        options=options_of(sets, settings, wheels=False)
        if listed
        else Options.make(python_provider=settings.python_provider),
    )
    return Prepared(
        spec=spec,
        platforms=platforms,
        origins={text: place for own in pinned.values() for text, place in own.origins.items()},
        places={
            platform: placed_on(spec, (platform,), _stated(own, stated))[platform]
            for platform, own in pinned.items()
        },
        local_paths={digest: path for own in pinned.values() for digest, path in own.paths.items()},
        pins={platform: own.pins for platform, own in pinned.items()},
        notes=(
            *check_fresh(locks, strict=request.locked),
            *unused(sets, (*request.groups, *request.only_groups, *request.extras)),
            *_not_installed(locks),
            *unlocked_platforms(locks, platforms),
            *_empty(chosen, pinned),
            *dict.fromkeys(text for own in pinned.values() for text in own.notes),
            *unused_virtual_packages(stated, platforms, settings),
            *_unused(settings, indexes=listed or any(own.sources for own in pinned.values())),
            *_lacking(request, pinned),
            *_without_python(pinned),
            *_unhashed(pinned),
        ),
    )


def _not_installed(locks: Iterable[ForeignLock]) -> Iterator[str]:
    """A note on each member of a workspace that was chosen; those of no choice reqparse notes."""
    for lock in locks:
        chosen = set(map(canonicalize_name, lock.choice.packages))
        chosen.difference_update(lock.said.lock.roots if lock.said.lock else ())
        for package in lock.said.packages:
            if package.name in chosen:
                yield f"{package.origin}: `{package.name}` is not installed: it was chosen to be run"


def _empty(
    chosen: Mapping[str, Sequence[ForeignLock]], pinned: Mapping[str, PinnedPlatform]
) -> Iterator[str]:
    """A note on each lock that has nothing for some platforms, as one that was cut off has."""
    platforms: dict[str, list[str]] = defaultdict(list)
    for platform, locks in chosen.items():
        for lock in locks:
            if not pinned[platform].files & {str(p.origin.file) for p in lock.said.packages}:
                place = lock.said.lock.origin if lock.said.lock else lock.shown
                platforms[str(place)].append(platform)
    for place, without in platforms.items():
        yield (
            f"{place} has no packages for {', '.join(without)}: if it should have some, lock again,"
            " or copy the whole file once more"
        )


def _stated(own: PinnedPlatform, virtual: Sequence[Requirement]) -> Iterator[Stated]:
    for category, texts in own.texts.items():
        for text in texts:
            if place := own.origins.get(text):
                yield Stated(category, text, place, None)
    for asked in virtual:
        yield Stated("sys", normalize("sys", asked.text), str(asked.origin), asked.platforms)


def _check_alone(request: Request) -> None:
    for name, option in _NOT_BESIDE.items():
        if getattr(request, name):
            raise InvalidRequest(
                f"a lock says what is there, and `{option}` asks for more beside it",
                "import the lock, and derive from it with `mfenv resolve --using`",
            )


def _platforms(
    request: Request, settings: Settings, locks: Sequence[ForeignLock]
) -> tuple[str, ...]:
    """Those asked for, else those that the locks name, else as for any request."""
    named = [platform for platform in platforms_of_locks(locks) if platform in PLATFORMS]
    by_hand = settings.origins.get("platforms") == "--platform"
    if request.platforms or by_hand:
        return platforms_of(request, (), settings)
    if not platforms_of_locks(locks):
        platforms = platforms_of(request, (), settings)
        _check_markers(locks, platforms)
        return platforms
    if not named:
        known = ", ".join(platforms_of_locks(locks))
        raise InvalidRequest(
            f"the lock is for {known}, and none of these is supported",
            f"lock again for one of {', '.join(PLATFORMS)}",
        )
    return tuple(sorted({check_platform(platform) for platform in named}))


def _check_markers(locks: Sequence[ForeignLock], platforms: Sequence[str]) -> None:
    """Refuse a lock that is for none of the usual platforms, where no others are asked for."""
    for lock in locks:
        allowed = allowed_by_markers(lock.said.lock.supported if lock.said.lock else ())
        if allowed and not set(allowed) & set(platforms):
            raise InvalidRequest(
                f"`{lock.shown}` is for {', '.join(allowed)}, and not for {', '.join(platforms)}",
                f"say which with `--platform {allowed[0]}`",
            )


def _virtual(text: str) -> Requirement:
    return parse_requirement(text, category="sys", origin=Origin(file="--sys", line=None))


def _virtual_packages(
    settings: Settings, platforms: Sequence[str], stated: Iterable[Requirement]
) -> dict[str, list[str]]:
    """What each platform is taken to have. The driver of this machine is no part of a lock."""
    common = {"sys": [requirement.text for requirement in stated]}
    special: dict[str, dict[str, list[str]]] = defaultdict(dict)
    add_virtual_packages(common, special, platforms, settings.replaced(detect_cuda=False))
    return {platform: [*common["sys"], *special[platform]["sys"]] for platform in PLATFORMS}


def _with_provider(settings: Settings, *, conda: bool) -> Settings:
    """The settings for a lock, whose Python is conda's where it has conda packages."""
    if not conda or settings.python_provider == "conda":
        return settings
    if settings.origins.get("python_provider") == "--python-provider":
        raise Contradiction(
            "the lock has conda packages, and --python-provider asks for `system`",
            "leave out `--python-provider`",
        )
    return settings.replaced(python_provider="conda")


def _common(
    asked: Mapping[str, Mapping[str, Sequence[str]]], platforms: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, dict[str, list[str]]]]:
    """What is asked for on every platform, and what on one of them beside that."""
    common: dict[str, list[str]] = {}
    for category, among in (("conda", platforms), ("pypi", platforms), ("sys", PLATFORMS)):
        sets = [set(asked[platform].get(category, ())) for platform in among]
        common[category] = sorted(set.intersection(*sets))
    special = {
        platform: {
            category: [text for text in texts if text not in common[category]]
            for category, texts in own.items()
        }
        for platform, own in asked.items()
    }
    return common, special


def _sources(
    pinned: Mapping[str, PinnedPlatform],
    locks: Sequence[ForeignLock],
    settings: Settings,
    credentials: Credentials,
    *,
    conda: bool,
    listed: bool,
) -> list[Source]:
    """Where the packages are; sorted, since the order of a lock says nothing.

    Only what the lock leaves open has sources of the settings: Python, files that only an index
    knows, and what is needed to build.
    """
    usual = sources_of([lock.said for lock in locks] if listed else [], settings, credentials)
    channels = [source for source in usual if source.kind == "channel"]
    if conda:
        every = sorted({url for own in pinned.values() for url in own.channels})
        channels = [Source.make("channel", url) for url in every]
    indexes = [source for source in usual if source.kind in _INDEXES]
    every = sorted({url for own in pinned.values() for url in own.indexes})
    named = [Source.make("index", url) for url in every]
    if listed:
        # Before the usual ones, from which nothing of a private index is to be taken.
        return [*(source for source in named if source not in indexes), *indexes, *channels]
    if named or not any(own.sources for own in pinned.values()):
        indexes = named
    return [*indexes, *channels]


def _unused(settings: Settings, *, indexes: bool) -> Iterator[str]:
    """A note on each option that asks how packages are chosen."""
    for name in (*_UNUSED, *(() if indexes else _OF_INDEXES)):
        option = f"--{name.replace('_', '-')}"
        if settings.origins.get(name) == option:
            yield f"`{option}` is not used: the lock says which packages there are"


def _unhashed(pinned: Mapping[str, PinnedPlatform]) -> Iterator[str]:
    """A note on packages of which a lock has the version alone."""
    names = sorted({name for own in pinned.values() for name in own.unhashed})
    if names:
        yield (
            f"the lock has no hashes of {', '.join(names)}: the files that the index has now are"
            " taken, and written down"
        )


def _without_python(pinned: Mapping[str, PinnedPlatform]) -> Iterator[str]:
    """A note that Python is added to conda packages that have none."""
    for platform, own in pinned.items():
        if own.texts["conda"] and own.python is None:
            yield f"the lock has no Python for {platform}: as every environment has one, it is added"


def _lacking(request: Request, pinned: Mapping[str, PinnedPlatform]) -> Iterator[str]:
    """A note on what is wanted beside all that is named, and is not in a lock."""
    names = [
        {
            # They are `CHANNEL::NAME ==VERSION BUILD`, `NAME==VERSION` or `NAME @ URL`, by `pins`.
            canonicalize_name(text.split("::")[-1].split("==")[0].split(" ")[0])
            for texts in own.texts.values()
            for text in texts
        }
        for own in pinned.values()
    ]
    for text, who in request.also:
        name = canonicalize_name(parse_requirement(text).name or "")
        if not all(name in there for there in names):
            yield f"{who}: `{text}` is not in the lock, and nothing is added to it"
