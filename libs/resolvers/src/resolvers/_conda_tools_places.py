"""Where the channels of a request lie by the configuration of the program that is asked.

That is what it is chosen for: it is told of names as the request has them, and its aliases, mirrors
and channels of several places say what they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pkgcache.web.credentials import Credentials
from resolvers.channels import channel_urls, lower_host, split_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from resolvers._conda_question import CondaQuestion

    Look = Callable[[Sequence[str], Mapping[str, str]], Mapping[str, Any]]

__all__ = ["Places", "told_channels"]

# A name between two of these is all that lies between them: the channels of its configuration follow.
_MARK = "https://channel.invalid/"


def told_channels(question: CondaQuestion) -> list[str]:
    """The channels as it is told of them; those that a requirement names alone come last."""
    named = (split_channel(text)[0] for text in question.told_specs.values())
    return [*dict.fromkeys((*question.told_channels, *filter(None, named)))]


class Places:
    """The URLs of the channels of a question.

    Those of names are the usual ones, and what an answer says that they are, until they are
    asked for: `look` starts the program with arguments and variables, and gives its JSON.
    """

    def __init__(self, kind: str, question: CondaQuestion, look: Look) -> None:
        self._kind, self._question, self._look = kind, question, look
        self._urls = {told: [*channel_urls(told)] for told in told_channels(question)}
        self._names = [told for told in self._urls if "://" not in told]
        self._found: dict[str, list[str]] | None = None if self._names else {}

    def source(self, url: str, named: str = "") -> str | None:
        """The source of the request that a place is of; `named` is what the program calls it.

        None for a place that is of none.
        """
        if self._told(url) is None:
            # It says by which name it has asked there, which is one question less to it.
            if named in self._names:
                self._urls[named].append(url)
            else:
                self._ask()
        told = self._told(url)
        if told is None:
            return None
        stated = told in self._question.told_channels
        return self._question.channels.get(told, told if stated else channel_urls(told)[0])

    def lies_in(self, url: str, told: str) -> bool:
        """Whether a place is of a channel."""
        return unquote(lower_host(url)) in map(unquote, self._urls[told])

    def in_order(self, sources: Mapping[str, str]) -> Mapping[str, str]:
        """Places and their sources in the order of the channels."""
        order = [url for urls in self._urls.values() for url in map(unquote, urls)]
        return dict(
            sorted(sources.items(), key=lambda source: order.index(unquote(lower_host(source[0]))))
        )

    def at(self, urls: Iterable[str] = ()) -> CondaQuestion:
        """The question with its channels where they are: at `urls`, else all, which is asked for."""
        if not urls:
            known = self._ask()
            urls = [url for told in self._urls for url in known.get(told) or self._urls[told]]
        return replace(
            self._question,
            channels={url: self.source(url) or url for url in dict.fromkeys(urls)},
            specs={split_channel(text)[1]: own for text, own in self._question.specs.items()},
        )

    def _told(self, url: str) -> str | None:
        return next((told for told in self._urls if self.lies_in(url, told)), None)

    def _ask(self) -> Mapping[str, Sequence[str]]:
        """What its configuration makes of the names, as far as it says that."""
        if self._found is None:
            self._found = self._of_conda() if self._kind == "conda" else self._of_mamba()
            for name, urls in self._found.items():
                self._urls[name] += map(lower_host, urls)
        return self._found

    def _of_conda(self) -> dict[str, list[str]]:
        keys = ("channel_alias", "custom_channels", "custom_multichannels")
        config = self._look(("config", "--show", *keys, "--json"), {})
        try:
            return {name: _by_conda(name, *(config[key] for key in keys)) for name in self._names}
        except (AttributeError, KeyError, TypeError):
            return {}

    def _of_mamba(self) -> dict[str, list[str]]:
        # It tells places in the order that it is asked in, and no names: a channel of ours in front
        # of each name says whose the next ones are.
        marks = [f"{_MARK}{number}" for number in range(len(self._names) + 1)]
        told = [part for pair in zip(marks, self._names, strict=False) for part in pair]
        said = self._look(("info", "--json"), {"CONDA_CHANNELS": ",".join([*told, marks[-1]])})
        by_name: dict[str, list[str]] = {name: [] for name in self._names}
        own = dict(zip(marks, self._names, strict=False))
        name: str | None = None
        for text in said.get("channels") or ():
            # Each stands there once for each subdir.
            url = Credentials().add(str(text)).rstrip("/").rpartition("/")[0]
            if url.startswith(_MARK):
                name = own.get(url)
            elif name and url not in by_name[name]:
                by_name[name].append(url)
        return by_name


def _by_conda(
    name: str, alias: Mapping[str, str], own: Mapping[str, Any], several: Mapping[str, Any]
) -> list[str]:
    """As conda reads a name: one of several places, one of its own or below that, or the alias."""
    if name in several:
        return [_url(channel, channel["name"]) for channel in several[name]]
    above = name
    while above and above not in own:
        above = above.rpartition("/")[0]
    return [_url(own[above] if above else alias, name)]


def _url(channel: Mapping[str, str], name: str) -> str:
    """A place by the parts that conda shows; of a path the whole may be the name."""
    location = channel["location"]
    start = "" if location and not location.startswith("/") else "/"
    parts = (part.strip("/") for part in (location, name))
    return f"{channel['scheme']}://{start}{'/'.join(filter(None, parts))}"
