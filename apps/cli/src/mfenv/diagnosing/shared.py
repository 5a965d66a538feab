"""The shared store: who asks it, and what it lets us do."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mfenv.diagnosing.findings import failure, ok, skipped, warning
from mfenv.wording import words
from pkgcache.errors import Conflict, StoreError
from pkgcache.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject
    from pkgcache.stores.store import Store

__all__ = ["check_credentials", "check_store"]


def check_store(subject: Subject) -> Iterator[Finding]:
    """Read, list, write under a key of our own, heed conditions, and delete that again."""
    url = subject.settings.store
    if not url:
        yield ok("none is set: environments stay on this machine")
        return
    if subject.no_store:
        yield skipped(f"not asked: {subject.no_store}")
        return
    folder = Path(unquote(urlsplit(url).path))
    if url.startswith("file:") and not os.path.lexists(folder):
        yield warning(
            f"there is no directory `{folder}`: the first to publish makes it",
            f"if it should be there, correct {subject.settings.origins['store']}",
        )
        return
    from pkgcache.share.shared import EnvStore

    store = subject.store
    used = EnvStore(store).laid_out()
    # A login may be allowed to read and not to list.
    next(iter(store.list("layout")), None)
    wrong = [*_writing(store)]
    yield from wrong
    if not wrong:
        state = "" if used else "; nothing was published there yet"
        at = f" at {store.endpoint}" if store.endpoint else ""
        yield ok(f"{store.url}{at}: reads, lists, writes, heeds conditions, deletes{state}")


def _writing(store: Store) -> Iterator[Finding]:
    key = f"doctor/{secrets.token_hex(8)}"
    content = b"written by `mfenv doctor`, which deletes it again\n"
    try:
        store.put(key, content)
    except StoreError as error:
        message, hint = words(error)
        # Not to be allowed to write, or to have it read-only, is usual where others resolve.
        if error.retryable or lacking(error) not in (None, errno.EROFS):
            yield failure(message, hint)
            return
        yield warning(
            f"what is there can be used, but nothing published: {message}",
            hint or "ask for the right to write, if you resolve environments",
        )
        return
    try:
        yield from _conditions(store, key, content)
    finally:
        try:
            store.delete(key)
        except StoreError as error:
            yield warning(f"`{key}` stays in the store: {words(error)[0]}", words(error)[1])


def _conditions(store: Store, key: str, content: bytes) -> Iterator[Finding]:
    heeded = 0
    # What is there already, and an etag that it has not.
    for absent, match in ((True, None), (False, "0")):
        try:
            store.put(key, b"", if_absent=absent, if_match=match)
        except Conflict:
            heeded += 1
    if heeded < 2 or store.read(key) != content:  # noqa: PLR2004 - as many as above
        yield failure(
            f"{store.url} overwrites what a condition protects, so that two writers could both win",
            "upgrade the service, or use a store of another kind",
        )


def check_credentials(subject: Subject) -> Iterator[Finding]:
    """Say where the logins of the store, the channels and the indexes come from, never what."""
    findings = [*_store_login(subject), *_netrc(), *_logins(subject)]
    yield from findings or [ok("nothing that is asked needs any")]


def _store_login(subject: Subject) -> Iterator[Finding]:
    try:
        asked = subject.settings.store and not subject.no_store
        if source := subject.store.login() if asked else "":
            yield ok(f"the store: {source}")
    except StoreError as error:
        yield failure(f"the store: {error.reason}", error.hint)


def _logins(subject: Subject) -> Iterator[Finding]:
    for server in subject.network.servers:
        host = urlsplit(server.url).hostname
        if login := subject.site.credentials.find(server.url):
            lacks = "" if login.password else ", a user name without a password"
            yield ok(f"{server.kind} at {host}: {login.source}{lacks}")
        elif subject.site.credentials.with_token(server.url) != server.url:
            yield ok(f"{server.kind} at {host}: a token in its URL")


def _netrc() -> Iterator[Finding]:
    from netrc import NetrcParseError, netrc

    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")  # noqa: PTH111 - as where a user has no home
    try:
        netrc(path)
    except FileNotFoundError:
        if "NETRC" in os.environ:
            yield warning(f"NETRC names `{path}`, which is not there")
    except NetrcParseError as error:
        yield warning(f"`{path}:{error.lineno}` cannot be read, so no login in it is used")
    except (OSError, UnicodeDecodeError) as error:
        yield warning(f"`{path}` cannot be read, so no login in it is used: {words(error)[0]}")
