"""Conda channels: their names and their URLs."""

from __future__ import annotations

import re

from envid.platforms import PLATFORMS

__all__ = [
    "CHANNEL_ALIAS",
    "PACKAGE_URL",
    "channel_urls",
    "lower_host",
    "split_channel",
    "with_channel_urls",
]

CHANNEL_ALIAS = "https://conda.anaconda.org"
"""Where a channel is that is given by its name alone."""

# As conda has it everywhere but on Windows.
_MULTICHANNELS = {
    "defaults": ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
}
PACKAGE_URL = re.compile(
    r"(?P<channel>\S+://\S+)/(?P<subdir>[a-z0-9_-]+)/(?P<name>[^/\s]+)-(?P<version>[^/\s-]+)"
    r"-(?P<build>[^/\s-]+)(?:\.conda|\.tar\.bz2)(?:#(?P<digest>[0-9a-f]+))?"
)
# The other way in which a MatchSpec names a channel: as a key in brackets.
_KEY = re.compile(r"(\[(?:[^\]]*,)?channel=['\"])([^'\"]+)(['\"])")
_OWN_KEY = re.compile(r"(?<=[\[,])channel=['\"]([^'\"]+)['\"],?")


def channel_urls(channel: str, alias: str = CHANNEL_ALIAS) -> tuple[str, ...]:
    """The URLs of a channel that is given by URL or by name; `defaults` stands for several."""
    if "://" in channel:
        return (lower_host(channel.rstrip("/")),)
    if channel in _MULTICHANNELS:
        return _MULTICHANNELS[channel]
    return (f"{alias.rstrip('/')}/{channel.strip('/')}",)


def lower_host(url: str) -> str:
    """The URL with scheme and host in small letters, as py-rattler has it (RFC 3986, 6.2.2.1)."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    return f"{scheme.lower()}{mark}{user}{at}{host.lower()}{slash}{path}" if mark else url


def split_channel(spec: str) -> tuple[str, str]:
    """The channel that a MatchSpec names, empty if it names none, and the MatchSpec without it."""
    channel, mark, rest = spec.partition("::")
    if not mark or "[" in channel:
        key = _OWN_KEY.search(spec)
        channel = key[1] if key else ""
        rest = _OWN_KEY.sub("", spec).replace(",]", "]").replace("[]", "")
    head, _, tail = channel.rpartition("/")
    # `conda-forge/linux-64` names a subdir of a channel, beside it.
    return (head if head and tail in (*PLATFORMS, "noarch") else channel).rstrip("/"), rest


def with_channel_urls(spec: str, alias: str | None) -> str:
    """A MatchSpec whose channel, if it has any, is a URL; without an alias, names stay.

    The URL of a package stands for that build in the channel that the URL lies in.
    """
    package = PACKAGE_URL.fullmatch(spec)
    if package:
        digest = package["digest"] or ""
        kind = {32: "md5", 64: "sha256"}.get(len(digest))
        if spec.partition("#")[0].endswith(".tar.bz2"):
            kind = None  # the engine knows the hashes of the newer format, if there are both
        keys = [f"version='=={package['version']}'", f"build='{package['build']}'"]
        keys += [f"subdir='{package['subdir']}'", *([f"{kind}='{digest}'"] if kind else [])]
        return f"{package['channel']}::{package['name']}[{','.join(keys)}]"
    if alias is None:
        return spec
    channel, mark, rest = spec.partition("::")
    if mark and "[" not in channel:
        return f"{channel_urls(channel, alias)[0]}{mark}{rest}"

    def as_url(match: re.Match[str]) -> str:
        return f"{match[1]}{channel_urls(match[2], alias)[0]}{match[3]}"

    return _KEY.sub(as_url, spec)
