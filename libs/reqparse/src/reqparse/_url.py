"""URLs and paths in requirement files: their credentials, fragments and schemes."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin

from reqparse._flaw import Flaw
from reqparse.model import Secret

_USERINFO = r"(?<![\w+.-])(?P<scheme>[A-Za-z][\w+.-]*)://(?P<user>[^/?#\s'\"]+)@"
# conda's tokens stand in the path, where no reader of URLs looks for a credential.
_IN_CHANNEL = r"(://[^/?#\s]+)/t/[^/?#\s]+(?=/)"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_DRIVE = r"[A-Za-z]:[\\/]"  # absolute, though not here
VCS = ("git", "hg", "svn", "bzr")
_PLAIN = ("http", "https", "ftp", "file", "git", "ssh")
_ARCHIVES = (
    *(".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz"),
    *(".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"),
)
_HASHES = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")


def _public_userinfo(match: re.Match[str]) -> str:
    """The start of a URL without what may be secret: only ssh needs its user name to work."""
    scheme, (user, _, _) = match["scheme"], match["user"].partition(":")
    transport = scheme.rpartition("+")[2].lower()
    # `git@` is who logs in, without which no server answers; the key is elsewhere.
    keep = transport in ("ssh", "sftp", "ftp") and "@" not in user
    return f"{scheme}://{user}@" if keep else f"{scheme}://"


def split_secret(url: str) -> tuple[str, Secret | None]:
    """The URL without credentials (RFC 3986 userinfo, conda's `/t/TOKEN/`), and the whole."""
    public = re.sub(_IN_CHANNEL, r"\1", re.sub(_USERINFO, _public_userinfo, url))
    return public, (Secret(url) if public != url else None)


def is_url(text: str) -> bool:
    """Whether a text is a URL of a scheme that installers know, VCS schemes included."""
    scheme = text.partition(":")[0].lower()
    return bool(re.match(_SCHEME, text)) and (scheme in _PLAIN or scheme.partition("+")[0] in VCS)


def is_vcs(url: str) -> bool:
    """Whether a URL names a repository."""
    scheme = url.partition(":")[0].lower()
    return scheme in ("git", "ssh") or ("+" in scheme and scheme.partition("+")[0] in VCS)


def has_scheme(text: str) -> bool:
    """Whether a text starts like a URL, of whatever scheme."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text))


def is_remote(location: str) -> bool:
    """Whether a file's location is a URL to fetch rather than a path."""
    return location.lower().startswith(("http://", "https://"))


def is_archive(text: str) -> bool:
    """Whether a text ends like a wheel or a source archive."""
    return text.lower().endswith(_ARCHIVES)


def path_to_url(path: str) -> str:
    """The file URL of an absolute path (RFC 8089)."""
    return "file://" + quote(path, errors="surrogateescape")


def url_to_path(url: str) -> str:
    """The path of a file URL; `file://../x` stays relative. Raises Flaw for another machine's."""
    path = unquote(url.partition("#")[0].partition(":")[2])
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        # pip and others write `file://./x` and `file://${PWD}/x`, whose first part is no host.
        if host and host != "localhost" and not host.startswith((".", "$")):
            raise Flaw(f"`file://{host}/` is on another machine", "`file:///` begins a local path")
        path = path[2:] if host.startswith((".", "$")) else slash + rest
    return path


def join(base: str, target: str) -> str:
    """A path or URL as seen from a directory or its URL. Raises Flaw."""
    try:
        named = "\0" not in target and bool(os.fsencode(target))
    except UnicodeEncodeError:
        named = False
    if not named:
        raise Flaw(f"{target!r} cannot be a path")
    if target.lower().startswith("file:"):
        target = url_to_path(target)
    if is_remote(target) or re.match(_DRIVE, target):
        return target
    if is_remote(base):
        return urljoin(base + "/", target)
    return os.path.normpath(os.path.join(base, target))  # noqa: PTH118 - pathlib drops `..` and `.` differently


def absolute(location: str) -> str:
    """A path from the root; a URL unchanged."""
    return location if is_remote(location) else os.path.abspath(location)  # noqa: PTH100 - as above


def directory(location: str) -> str:
    """The directory of a path, or the URL of the directory of a URL."""
    if is_remote(location):
        return urljoin(location, ".").rstrip("/")
    return os.path.dirname(location)  # noqa: PTH120 - a string may be a URL; paths stay strings here


class Fragment(NamedTuple):
    """What the part of a URL after `#` says, by pip's conventions."""

    egg: str | None
    hashes: tuple[str, ...]
    rest: str


def split_fragment(url: str) -> tuple[str, Fragment]:
    """The URL before `#`, and what comes after: the egg, the hashes, and all but the egg."""
    base, _, fragment = url.partition("#")
    egg, hashes, rest = None, [], []
    for part in filter(None, fragment.split("&")):
        key, _, value = part.partition("=")
        if key == "egg":
            egg = unquote(value) or None
            continue
        rest.append(part)
        if key in _HASHES and value:
            hashes.append(f"{key}:{value.lower()}")
    return base, Fragment(egg, tuple(hashes), "&".join(rest))
