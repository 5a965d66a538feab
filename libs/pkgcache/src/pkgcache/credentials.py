"""Who asks: user names and passwords by URL, kept in memory and never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["Credentials", "Login", "redact", "split_userinfo"]

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user name and a password or token; its repr shows neither."""

    user: str = field(repr=False)
    password: str = field(repr=False)


class Credentials:
    """Logins by the URLs they were given for.

    A login is used for the scheme, host and port that it was given for and for nothing else; where
    one host has several, the one whose path has most in common with the URL.
    """

    def __init__(self) -> None:
        self._logins: dict[tuple[str, str, int | None], list[tuple[list[str], Login]]] = {}

    def __repr__(self) -> str:
        return f"Credentials(hosts={sorted({host for _, host, _ in self._logins})})"

    def add(self, url: str) -> str:
        """Keep the login in `url`, if there is one, and return the URL without it."""
        clean, login = split_userinfo(url)
        if login:
            self.set(clean, login)
        return clean

    def set(self, url: str, login: Login) -> None:
        """Use `login` for what lies at `url`."""
        parts = urlsplit(url)
        path = parts.path.split("/")
        others = [one for one in self._logins.get(_origin(parts), []) if one[0] != path]
        self._logins[_origin(parts)] = [*others, (path, login)]

    def find(self, url: str) -> Login | None:
        """The login for `url`, None where nothing was given for its host."""
        parts = urlsplit(url)
        path = parts.path.split("/")
        found = self._logins.get(_origin(parts), [])
        return max(found, key=lambda one: _common(one[0], path), default=(None, None))[1]


def split_userinfo(url: str) -> tuple[str, Login | None]:
    """Split `scheme://user:password@host/path` into the URL without the login, and the login."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    clean = parts._replace(netloc=host).geturl()
    return clean, Login(user=unquote(user), password=unquote(password))


def redact(url: str) -> str:
    """`url` fit for a message: without login, query and fragment, which may hold tokens."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an invalid URL"
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port or _PORTS.get(parts.scheme)


def _common(one: list[str], other: list[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    shortest = min(len(one), len(other))
    return next((index for index, (left, right) in pairs if left != right), shortest)
