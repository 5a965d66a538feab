"""Where packages of a request are looked for: from files, options and settings, in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envid.errors import InvalidSpec
from envid.redaction import redact
from envid.spec import Source
from mfenv._setting_values import is_url
from mfenv.errors import Contradiction, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from mfenv.settings import Settings
    from pkgcache.web.credentials import Credentials
    from reqparse import RequirementSet, StatedSource

__all__ = ["is_meant", "names_bound", "places_of", "sources_of", "unused_sources"]


def sources_of(
    sets: Sequence[RequirementSet], settings: Settings, credentials: Credentials
) -> tuple[Source, ...]:
    """The places to look in, in order: find-links, further indexes, the index.

    A further index comes before the index, as uv has it: a name that a private index has is never
    taken from the public index.
    """
    bound = names_bound(sets)
    stated = [source for file in sets for source in file.sources if is_meant(source, bound)]
    first = [source for source in stated if source.kind == "index"]
    for other in first[1:]:
        if other.url != first[0].url:
            raise Contradiction(
                f"{first[0].origin} and {other.origin} name different indexes",
                "keep one `--index-url`, and name the other with `--extra-index-url`",
            )
    # An option wins over files, and files over every other setting.
    by_hand = settings.origins.get("index_url") == "--index-url"
    index: str | None = settings.index_url if by_hand or not first else first[0].secret_url
    further = [
        *settings.extra_index_url,
        *(source.secret_url for source in stated if source.kind == "extra-index"),
    ]
    links = [
        *settings.find_links,
        *(source.secret_url for source in stated if source.kind == "find-links"),
    ]
    if settings.no_index or any(file.no_index for file in sets):
        # Find-links stay, as pip has it.
        index, further = None, []
    chosen = [("find-links", _link(url)) for url in links]
    # The index itself last: find-links and private indexes go before the public one.
    chosen += [("index", _index(url)) for url in (*further, index) if url]
    no_defaults = any(file.no_defaults for file in sets)
    chosen += [("channel", url) for url in _channels(stated, settings, no_defaults=no_defaults)]
    places = places_of(sets, settings)
    # Logins leave the URLs here, so that a spec has none.
    return tuple(_made(kind, url, credentials, places.get(url, kind)) for kind, url in chosen)


def _made(kind: str, url: str, credentials: Credentials, place: str) -> Source:
    try:
        return Source.make(kind, credentials.add(url))
    except InvalidSpec as error:
        raise InvalidSpec(place, error.reason, error.hint) from None


def places_of(sets: Sequence[RequirementSet], settings: Settings) -> dict[str, str]:
    """Where each source was named that is not there by default, by its URL in the spec."""
    places = {
        _link(url) if name == "find_links" else url: origin
        for name in ("find_links", "extra_index_url", "channels")
        if (origin := settings.origins.get(name))
        for url in getattr(settings, name)
    }
    for source in (source for file in sets for source in file.sources):
        url = _link(source.url) if source.kind == "find-links" else source.url
        places.setdefault(url, str(source.origin))
    return places


def names_bound(sets: Iterable[RequirementSet]) -> set[str]:
    """The names and URLs of indexes that requirements are bound to."""
    return {
        requirement.channel
        for file in sets
        for requirement in file.requirements
        if requirement.category == "pypi" and requirement.channel
    }


def is_meant(source: StatedSource, bound: Collection[str]) -> bool:
    """Whether a source counts: what is explicit is there for what is bound to it alone."""
    return not source.explicit or source.name in bound or source.url in bound


def unused_sources(
    sets: Sequence[RequirementSet], settings: Settings, *, wheels: bool
) -> Iterator[str]:
    """A note on each source that is not asked, or for more than its file says.

    `wheels` says whether PyPI packages are asked for.
    """
    bound = names_bound(sets)
    no_index = settings.no_index or any(file.no_index for file in sets)
    by_hand = settings.origins.get("index_url") == "--index-url"
    yield from _unused_options(settings, no_index=no_index, wheels=wheels)
    for source in (source for file in sets for source in file.sources):
        what = f"{source.origin}: the {_NAMES[source.kind]} `{source.name or source.url}`"
        if not is_meant(source, bound):
            yield f"{what} is not used: it is explicit, and nothing is bound to it"
        elif source.kind in ("index", "extra-index") and no_index:
            yield f"{what} is not asked, by `--no-index`"
        elif source.kind == "index" and by_hand and source.secret_url != settings.index_url:
            yield f"{what} gives way to the one of `--index-url`"
        elif source.kind == "channel" and settings.python_provider == "system":
            yield f"{what} is not asked: nothing comes from conda where Python is the system's"
        elif source.platforms is not None:
            yield f"{what} is asked on all platforms"


def _unused_options(settings: Settings, *, no_index: bool, wheels: bool) -> Iterator[str]:
    """A note on each source of the command line that is not asked."""

    def given(name: str, option: str) -> tuple[str, ...]:
        value = getattr(settings, name) if settings.origins.get(name) == option else ()
        return (value,) if isinstance(value, str) else value

    if settings.python_provider == "system":
        for channel in given("channels", "--channel"):
            yield (
                f"`--channel {redact(channel)}` is not asked: nothing comes from conda where Python"
                " is the system's"
            )
    indexes = [
        *(f"--index-url {redact(url)}" for url in given("index_url", "--index-url")),
        *(
            f"--extra-index-url {redact(url)}"
            for url in given("extra_index_url", "--extra-index-url")
        ),
    ]
    links = [f"--find-links {redact(url)}" for url in given("find_links", "--find-links")]
    if not wheels:
        for option in (*indexes, *links):
            yield f"`{option}` is not asked: no PyPI package is asked for"
    elif no_index:
        yield from (f"`{option}` is not asked, by `--no-index`" for option in indexes)


_NAMES = {
    "channel": "channel",
    "extra-index": "index",
    "find-links": "find-links",
    "index": "index",
}


def _channels(
    stated: Iterable[StatedSource], settings: Settings, *, no_defaults: bool
) -> list[str]:
    """The conda channels, in order: those given by hand, those of the files, else the default.

    With `no_defaults`, conda's own are none of the default ones.
    """
    if settings.python_provider == "system":
        return []
    by_hand = settings.channels if settings.origins.get("channels") == "--channel" else ()
    channels = [*by_hand, *(source.secret_url for source in stated if source.kind == "channel")]
    usual = [
        channel for channel in settings.channels if not (no_defaults and channel == "defaults")
    ]
    return [_channel(channel, settings.channel_alias) for channel in channels or usual]


def _channel(text: str, alias: str) -> str:
    if text.startswith((".", "/", "~")):
        return _link(text)
    # A name means what it means everywhere, unless a site has channels of its own.
    return f"{alias.rstrip('/')}/{text}" if alias and "://" not in text else text


def _link(text: str) -> str:
    return text if "://" in text else Path(text).expanduser().absolute().as_uri()


def _index(text: str) -> str:
    if text != "pypi" and not is_url(text):
        raise InvalidRequest(
            f"`{text.rpartition('@')[2]}` is not the URL of a package index",
            "write it like `https://host/simple`, or `pypi` for the public one",
        )
    return text
