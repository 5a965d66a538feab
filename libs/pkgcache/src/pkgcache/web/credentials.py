"""Who asks: user names, passwords and tokens by URL, kept in memory and never shown.

A login comes from, in this order:

- a URL that holds it, `https://USER:PASSWORD@HOST/...`;
- for a URL that holds a user name alone, netrc and then the `keyring` package, if it is installed;
- netrc: the file that `NETRC` names, else `~/.netrc`;
- what another program is configured with, where whoever made the credentials has said which.

The token of a conda channel, `https://HOST/t/TOKEN/CHANNEL`, stands in its path, and is put back
there for requests alone.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from envid.redaction import redact
from pkgcache.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from netrc import netrc

    from pkgcache.web.login import Login

__all__ = ["BESIDE", "Credentials", "split_userinfo", "without_secrets"]

BESIDE = "the configuration of another program"
"""The source of a login that such a one has."""

_PORTS = {"http": 80, "https": 443}
# Elsewhere than at the beginning of a path, `/t/` may be a folder of its own right.
_IN_CHANNEL = r"(?:^/t/(?!/)[^/]+|/t/[a-z]{2}-[0-9a-f]{8}-[^/]*)(?=/|$)"

# Variables that hold what only we, or a store, or a service that is not asked by a build may know.
_SECRETS = (
    r"(?i)(MFENV|METAFLOW|AWS|AZURE|GOOGLE|GCLOUD|CLOUDSDK|KEYRING)_.*"
    r"|GIT_CONFIG_(COUNT|KEY_.*|VALUE_.*|PARAMETERS)"
    r"|.*(CREDENTIAL|PASSPHRASE|PASSWD|PASSWORD|SECRET|TOKEN|(API|ACCESS|PRIVATE)_?KEY).*"
    r"|(.*_)?(AUTH|PASS)(_.*)?|.+_(CONNECTION_STRING|COOKIE|CREDS|DSN|JWT|KEY|PAT|PWD)(_.*)?"
)
_PROXY = r"(?i)(HTTPS?|FTP|ALL)_PROXY"

_Origin = tuple[str, str, "int | None"]


class Credentials:
    """Logins and channel tokens by the URLs they were given for.

    A login is used for the scheme, host and port that it was given for and for nothing else; where
    one host has several, the one whose path has most in common with the URL. A token is used for
    its channel. `beside` gives URLs with the logins of another program; it is asked once, and only
    where nothing else is known of a host.
    """

    def __init__(self, beside: Callable[[], Iterable[str]] | None = None) -> None:
        self.beside = beside
        self._logins: dict[_Origin, list[tuple[list[str], Login]]] = {}
        self._tokens: dict[_Origin, dict[str, tuple[int, str]]] = {}

    def __repr__(self) -> str:
        return f"Credentials(hosts={sorted({host for _, host, _ in self._logins})})"

    def add(self, url: str) -> str:
        """Keep the login and the token in `url`, if there are any; return the URL without them.

        What is no URL is returned as it is.
        """
        try:
            clean, login = split_userinfo(url)
        except ValueError:
            return url
        parts = urlsplit(clean)
        token = re.search(_IN_CHANNEL, parts.path) if parts.scheme in _PORTS else None
        # Index and packages of a channel are known by URLs without it, so ids and caches are as
        # well.
        if token:
            path = parts.path[: token.start()] + parts.path[token.end() :]
            clean = parts._replace(path=path).geturl()
            known = self._tokens.setdefault(_origin(parts), {})
            known[path.rstrip("/")] = (token.start(), token[0])
        if login:
            self.set(clean, login)
        return clean

    def set(self, url: str, login: Login) -> None:
        """Use `login` for what lies at `url`."""
        parts = urlsplit(url)
        path = parts.path.split("/")
        others = [entry for entry in self._logins.get(_origin(parts), []) if entry[0] != path]
        self._logins[_origin(parts)] = [*others, (path, login)]

    def find(self, url: str) -> Login | None:
        """The login for `url`, None where there is none for its host."""
        parts = urlsplit(url)
        path = parts.path.split("/")
        entries = self._logins.get(_origin(parts), [])
        best = max(entries, key=lambda entry: _common(entry[0], path), default=None)
        if best is None:
            login = self._from_netrc(parts)
            if login or parts.scheme not in _PORTS or _origin(parts) not in self._from_beside:
                return login
            return self.find(url)
        place, login = best
        if not login.password:
            # The file first: it is at hand, and a keyring may be locked.
            login = self._from_netrc(parts, login.user) or _from_keyring(parts, login.user) or login
            # Asking a keyring may take a while, and may ask the user.
            self.set(parts._replace(path="/".join(place)).geturl(), login)
        return login

    def with_token(self, url: str) -> str:
        """The URL to ask for: with the token of the channel that it lies in, if it has any."""
        parts = urlsplit(url)
        known = self._tokens.get(_origin(parts), {})
        # The nearest: channels of one server may lie within each other, each with a token of its
        # own.
        inside = [channel for channel in known if f"{parts.path}/".startswith(f"{channel}/")]
        if not inside:
            return url
        at, token = known[max(inside, key=len)]
        return parts._replace(path=f"{parts.path[:at]}{token}{parts.path[at:]}").geturl()

    def _from_netrc(self, parts: SplitResult, user: str | None = None) -> Login | None:
        if parts.scheme not in _PORTS or not self._netrc:
            return None
        entry = self._netrc.authenticators(parts.hostname or "")
        # netrc has a single entry for a host, so that a user name that was given may be of another.
        if not entry or not entry[2] or user not in (None, entry[0]):
            return None
        from pkgcache.web.login import Login

        return Login(user=entry[0] or "", password=entry[2], source="netrc")

    @lazy
    def _from_beside(self) -> frozenset[_Origin]:
        """The servers that another program has logins for, which are added to ours."""
        origins = set()
        for url in self.beside() if self.beside else ():
            try:
                clean, login = split_userinfo(url)
            except ValueError:
                continue
            origin = _origin(urlsplit(clean))
            if login and (origin in origins or origin not in self._logins):
                from dataclasses import replace

                self.set(clean, replace(login, source=BESIDE))
                origins.add(origin)
        return frozenset(origins)

    @lazy
    def _netrc(self) -> netrc | None:
        from netrc import NetrcParseError, netrc

        path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")  # noqa: PTH111 - as where a user has no home
        try:
            return netrc(path)
        except (OSError, NetrcParseError, UnicodeDecodeError):
            return None  # as other programs have it; whoever wants a login will say so


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for a process that runs what others wrote: those that hold no credential.

    Judged by names, and by what a person may not see of URLs. The login of a proxy stays, without
    which nothing could be fetched.
    """
    return {
        name: value
        for name, value in environ.items()
        if re.fullmatch(_PROXY, name) or not (re.fullmatch(_SECRETS, name) or _tells(value))
    }


# Names do not tell all: an index URL with a password may be in a variable of any name.
def _tells(value: str) -> bool:
    return "://" in value and redact(value) != value


def split_userinfo(url: str) -> tuple[str, Login | None]:
    """Split `scheme://user:password@host/path` into the URL without the login, and the login."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    from pkgcache.web.login import Login

    user, _, password = userinfo.partition(":")
    clean = parts._replace(netloc=host).geturl()
    return clean, Login(user=unquote(user), password=unquote(password), source="its URL")


def _from_keyring(parts: SplitResult, user: str) -> Login | None:
    """The password that the user's keyring has for a URL or its host, as pip and uv ask for it."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    from pkgcache.web.login import Login

    host = parts.netloc
    try:
        for service in (f"{parts.scheme}://{host}", host):
            if password := keyring.get_password(service, user):
                return Login(user=user, password=password, source="the keyring")
    except KeyringError:
        pass  # there is none, or it stays locked
    return None


def _origin(parts: SplitResult) -> _Origin:
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port or _PORTS.get(parts.scheme)


def _common(path: list[str], other: list[str]) -> int:
    pairs = enumerate(zip(path, other, strict=False))
    shortest = min(len(path), len(other))
    return next((index for index, (left, right) in pairs if left != right), shortest)
