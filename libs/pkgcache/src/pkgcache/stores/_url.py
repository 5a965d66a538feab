"""The URLs of the stores of services: what a place is called, and options in the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pkgcache.errors import InvalidKey, UnsupportedStore
from pkgcache.stores.store import check_key

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """`scheme://host/path?option=value`, checked. `path` has no slash at either end."""

    scheme: str
    host: str
    path: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, url: str, known: frozenset[str]) -> StoreUrl:
        """Raises `UnsupportedStore`, also for options that are not `known`."""
        parts = urlsplit(url)
        # What an error may show: a query can hold secrets, and so can what is in front of the host.
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        if "@" in parts.netloc:
            raise UnsupportedStore(shown, "it holds a login", "credentials come from the service")
        if not parts.netloc or parts.fragment:
            form = f"{parts.scheme}://..."
            raise UnsupportedStore(shown, f"it is not of the form `{form}`", "see the README")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        options = dict(pairs)
        wrong = sorted(options.keys() - known)
        # Of an option that is there twice, readers would take different values.
        if wrong or len(options) < len(pairs):
            reason = f"it has no option `{wrong[0]}`" if wrong else "an option is there twice"
            raise UnsupportedStore(shown, reason, f"options are {', '.join(sorted(known))}")
        _check_endpoint(shown, options.get("endpoint"))
        path = unquote(parts.path).strip("/")
        try:
            check_key(path or "x")
        except InvalidKey as error:
            raise UnsupportedStore(shown, str(error)) from None
        return cls(scheme=parts.scheme, host=parts.netloc, path=path, options=options)

    def flag(self, name: str) -> bool:
        """An option that is `true` or `false`."""
        value = self.options.get(name, "false")
        if value not in ("true", "false"):
            raise UnsupportedStore(self.clean, f"`{name}` is `true` or `false`")
        return value == "true"

    @property
    def clean(self) -> str:
        return f"{self.scheme}://{self.host}/{quote(self.path, safe='/!~=@+')}".rstrip("/")

    def __str__(self) -> str:
        query = urlencode(sorted(self.options.items()), safe=":/")
        return f"{self.clean}?{query}" if query else self.clean


def missing(url: str, extra: str) -> UnsupportedStore:
    """The error for a service whose library is not installed."""
    scheme, clean = urlsplit(url).scheme, url.partition("?")[0]
    return UnsupportedStore(
        clean.replace(urlsplit(url).netloc, urlsplit(url).netloc.rpartition("@")[2]),
        f"what `{scheme}://` needs is not installed",
        f"pip install 'pkgcache[{extra}]'",
    )


def _check_endpoint(url: str, endpoint: str | None) -> None:
    if endpoint is None:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnsupportedStore(url, "its endpoint is not a URL", "write `https://HOST`")
    # The URL of a store is shown, and stands in settings that a team shares.
    if parts.username is not None or parts.query or parts.fragment:
        reason = "its endpoint holds more than scheme, host, port and path"
        raise UnsupportedStore(url, reason, "credentials come from the service")
