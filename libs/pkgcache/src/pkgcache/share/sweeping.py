"""Garbage collection of a shared store, in two passes and beside everybody who publishes.

A pass deletes what an earlier pass has listed an hour ago or more, if still nothing refers to it,
and lists anew what nothing refers to; see `_claims` for how publishers get along with that.

| kind | is kept |
|---|---|
| descriptions | that a default or an alias names, or younger than `keep` |
| `built/`, `transmuted/` | whose archive a description names, or younger than `grace` |
| packages | that a description or a record above names, or younger than `grace` |

So what names something goes a pass before what it names, and is never there without it.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from envid.errors import EnvidError
from envid.ids import is_id
from envid.resolved import SCHEMA_VERSION, ResolvedEnv
from pkgcache.errors import Conflict, DamagedObject, NotInStore
from pkgcache.progress import NoProgress
from pkgcache.share._claims import LEASE, SETTLE, list_content, read_list
from pkgcache.share.digests import DigestSet, pack
from pkgcache.stores import layout
from pkgcache.stores.directory import DirectoryStore
from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from pkgcache.progress import Progress
    from pkgcache.share._claims import Condemned
    from pkgcache.share.shared import EnvStore
    from pkgcache.stores.store import ObjectInfo, Store

__all__ = ["Memory", "Swept", "sweep"]

_T = TypeVar("_T")
_O = TypeVar("_O")

# The end of a lease is for requests that were sent before it came near.
_DELETING = LEASE - 300

_FORMS = {
    "environments/": re.compile(r"[0-9a-f]{40}/[^/]+/[0-9a-f]{40}\.json"),
    "defaults/": re.compile(r"[0-9a-f]{40}/[^/]+\.json"),
    "aliases/": re.compile(r"[^/]+/[^/]+\.json"),
    "built/": re.compile(r".+\.json"),
    "transmuted/": re.compile(r"[0-9a-f]+/[^/]+\.json"),
    "packages/": re.compile(r"[0-9a-f]{2}/[0-9a-f]{32,64}/[^/]+"),
}

Memory = dict[str, tuple[str, bytes]]
"""What objects name, by key: the etag, and the digests or ids, packed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a pass did, or would do: sizes are in bytes, `due` is in seconds from now.

    `listed` is what a pass will delete from `due` on; `busy`: another collector is at work, and
    this pass did nothing. `memory` is for the next pass, which then reads only what changed.
    """

    deleted: tuple[str, ...] = ()
    deleted_size: int = 0
    listed: tuple[str, ...] = ()
    listed_size: int = 0
    due: float = 0.0
    busy: bool = False
    memory: Memory = field(default_factory=dict, repr=False, compare=False)


def sweep(
    shared: EnvStore,
    *,
    grace: float,
    keep: float = 0.0,
    dry_run: bool = False,
    memory: Mapping[str, tuple[str, bytes]] | None = None,
    requests: int = 32,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Swept:
    """Delete from a store what was listed before, and list what else is garbage.

    What was written within `grace` seconds stays, descriptions for `keep` seconds if that is
    longer: users may hold ids of which the store knows nothing. What killed writers left in a
    directory goes after a day. `requests` are sent at a time. Costs a listing and a request for
    every object that names others and is not in `memory` with its etag, and for each that is
    deleted. Raises `StoreError`, `LayoutTooNew`, and `DamagedObject` for what names others and
    cannot be read.
    """
    if not shared.laid_out():
        return Swept()
    if isinstance(shared.store, DirectoryStore) and not dry_run:
        # A writer of a day ago is none any more.
        shared.store.remove_leftovers(time.time() - max(grace, 86400))
    progress = progress or NoProgress()
    return _Sweep(
        shared.store,
        grace=grace,
        keep=max(grace, keep),
        memory=memory or {},
        requests=requests,
        progress=progress,
        clock=clock,
    ).run(dry_run)


class _Sweep:
    def __init__(
        self,
        store: Store,
        *,
        grace: float,
        keep: float,
        memory: Mapping[str, tuple[str, bytes]],
        requests: int,
        progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._progress, self._clock = store, progress, clock
        self._grace, self._keep = grace, keep
        self._known, self._requests = memory, requests
        self._memory: Memory = {}

    def run(self, dry_run: bool) -> Swept:
        layout_info, document = self._layout()
        pointer = document.get("garbage")
        draft, now = "", time.time()
        if not dry_run:
            # The clock of the store tells how old things are.
            draft = f"garbage/{time.time_ns():x}.json"
            now = self._store.put(draft, list_content({}, deleting=False), if_absent=True).modified
        try:
            return self._pass(layout_info, pointer, draft, now)
        except Conflict:
            return Swept(busy=True)
        finally:
            if draft:
                # Of this list and the one before, only that which `layout.json` names in the end is
                # of use.
                self._drop_lists((draft, pointer), now)

    def _pass(self, layout_info: ObjectInfo, pointer: str | None, draft: str, now: float) -> Swept:
        old = read_list(self._store, pointer) if pointer else None
        # Somebody else works this list off, or began to and was killed: after the lease nobody
        # does.
        if old and old.deleting and now - old.info.modified < LEASE:
            return Swept(busy=True)
        # The hour in which every publisher looks at the list at least once, counted from when
        # `layout.json` came to name it. To mark before its end would be of no use.
        if old and not old.deleting and (left := layout_info.modified + SETTLE - now) > 0:
            return Swept(listed=tuple(sorted(old.etags)), due=left)
        # Only now, an hour after the list: what was published meanwhile refers to what it needs.
        self._mark(now)
        garbage = self._garbage(frozenset())
        due = _due(garbage, old)
        if draft and pointer and due:
            # From here on publishers wait for the end of the list instead of taking from it.
            due = self._condemn(pointer, garbage)
            deleted = self._delete(sorted(due))
        else:
            deleted = tuple(sorted(due))
        # What only the deleted have named can be listed at once.
        rest = self._garbage(set(deleted))
        # What was due and was not deleted, for want of time, is found again by the next pass.
        fresh = {key: info for key, info in rest.items() if key not in due}
        if draft:
            self._name(layout_info, draft, fresh)
        return Swept(
            deleted=deleted,
            deleted_size=sum(garbage[key].size for key in deleted),
            listed=tuple(sorted(fresh)),
            listed_size=sum(info.size for info in fresh.values()),
            due=SETTLE if fresh else 0.0,
            memory=self._memory,
        )

    def _condemn(self, pointer: str, garbage: Mapping[str, ObjectInfo]) -> dict[str, ObjectInfo]:
        """Begin to work off a list; what publishers have taken from it by then stays.

        Raises `Conflict` where another collector was faster.
        """
        while True:
            old = read_list(self._store, pointer)
            if old is None or old.deleting:
                raise Conflict(pointer, self._store.url)
            due = _due(garbage, old)
            # With what is still garbage alone: the etag tells that it is what was listed an hour
            # ago.
            content = list_content({key: info.etag for key, info in due.items()}, deleting=True)
            try:
                self._store.put(pointer, content, if_match=old.info.etag)
            except Conflict:
                continue
            return due

    def _layout(self) -> tuple[ObjectInfo, dict[str, Any]]:
        sink = _Sink()
        info = self._store.get(layout.LAYOUT_KEY, sink)
        return info, json.loads(sink.content)

    def _name(self, info: ObjectInfo, draft: str, fresh: Mapping[str, ObjectInfo]) -> None:
        """Let `layout.json` name the new list, or none."""
        document: dict[str, Any] = {"layout": layout.LAYOUT}
        if fresh:
            etags = {key: info.etag for key, info in fresh.items()}
            # First the list and then its name, or `layout.json` would name what is not there.
            self._store.put(draft, list_content(etags, deleting=False))
            document["garbage"] = draft
        content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        # On the condition that it is as this pass has read it: of two collectors one loses here.
        self._store.put(layout.LAYOUT_KEY, content, if_match=info.etag)

    def _drop_lists(self, own: tuple[str | None, ...], now: float) -> None:
        """Delete the lists that `layout.json` does not name, but those of others at work."""
        current = self._layout()[1].get("garbage")
        for info in list(self._store.list("garbage/")):
            if info.key != current and (info.key in own or info.modified < now - LEASE):
                self._store.delete(info.key)

    def _delete(self, keys: Iterable[str]) -> tuple[str, ...]:
        end = self._clock() + _DELETING

        def delete(key: str) -> str | None:
            # Later others may take the lease for over, and rely on what would be deleted here.
            if self._clock() > end:
                return None
            self._store.delete(key)
            return key

        return tuple(key for key in self._parallel(delete, keys) if key)

    def _mark(self, now: float) -> None:
        """Read all that names something, and see which descriptions nothing names."""
        self._before = now - self._grace
        # What is put between these listings is younger than `grace`; what was there before and is
        # relied on since is taken from the list by its publisher.
        self._environments = self._list("environments/")
        self._read(self._environments, self._digests)
        self._names = self._list("built/") + self._list("transmuted/")
        self._read(self._names, self._archive)
        self._packages = self._list("packages/")
        self._undescribed = self._unnamed(self._environments, now - self._keep)

    def _garbage(self, gone: AbstractSet[str]) -> dict[str, ObjectInfo]:
        """What nothing refers to, once all these are `gone`."""
        garbage = {info.key: info for info in self._undescribed if info.key not in gone}
        described, pointed = DigestSet(), DigestSet()
        for info in self._environments:
            if info.key not in gone:
                described.add(self._memory[info.key][1])
        for info in self._names:
            digests = self._memory[info.key][1]
            if info.key not in gone:
                pointed.add(digests)
                if info.modified < self._before and not described.covers(digests):
                    garbage[info.key] = info
        for info in self._packages:
            digest = info.key.split("/")[2]
            if info.modified < self._before and digest not in described and digest not in pointed:
                garbage[info.key] = info
        return garbage

    def _unnamed(self, environments: list[ObjectInfo], before: float) -> list[ObjectInfo]:
        """The descriptions that no default and no alias names, written `before`."""
        # Each step reads objects for what the step before it has left, which mostly is nothing.
        old = [info for info in environments if info.modified < before]
        several: dict[str, int] = {}
        for info in environments:
            request = info.key.rpartition("/")[0]
            several[request] = several.get(request, 0) + 1
        defaults = {info.key: info for info in self._list("defaults/")} if old else {}
        # The only answer to a request that has a default is that.
        old = [
            info
            for info in old
            if several[info.key.rpartition("/")[0]] > 1 or _default_of(info.key) not in defaults
        ]
        order = sorted({_default_of(info.key) for info in old} & defaults.keys())
        ids = self._read([defaults[key] for key in order], self._ids)
        default = dict(zip(order, ids, strict=True))
        old = [info for info in old if default.get(_default_of(info.key)) != _full_id(info.key)]
        if old:
            aliases = set(self._read(self._list("aliases/"), self._ids))
            old = [info for info in old if _req_id(info.key) + _full_id(info.key) not in aliases]
        return old

    def _list(self, kind: str) -> list[ObjectInfo]:
        """The objects of a kind; what somebody else put beside them means nothing."""
        form = _FORMS[kind]
        return [info for info in self._store.list(kind) if form.fullmatch(info.key, len(kind))]

    def _read(self, objects: list[ObjectInfo], parse: Callable[[str, bytes], bytes]) -> list[bytes]:
        """What objects name, from memory where they are as they were."""
        task = self._progress.start("reading the store", len(objects), "files")

        def read(info: ObjectInfo) -> bytes:
            etag, names = self._known.get(info.key, ("", b""))
            if etag != info.etag:
                try:
                    names = parse(info.key, self._store.read(info.key))
                except NotInStore:  # deleted since
                    names = b""
            self._memory[info.key] = info.etag, names
            task.advance()
            return names

        try:
            return self._parallel(read, objects)
        finally:
            task.done()

    def _parallel(self, work: Callable[[_O], _T], items: Iterable[_O]) -> list[_T]:
        with Threads(self._requests) as pool:
            try:
                return list(pool.map(work, items))
            finally:
                pool.shutdown(cancel_futures=True)

    def _digests(self, key: str, text: bytes) -> bytes:
        """The digests of the archives that a description names."""
        try:
            # Only what is needed of it: to read and check whole descriptions takes ten times as
            # long.
            document = json.loads(text)
            if document["schema_version"] <= SCHEMA_VERSION:
                return pack(
                    digest for package in document["packages"] for digest in _digests(package)
                )
        except (ValueError, TypeError, LookupError, AttributeError):
            pass
        try:
            ResolvedEnv.from_json(text)
        except EnvidError as error:
            raise DamagedObject(key, self._store.url, str(error)) from error
        raise DamagedObject(key, self._store.url, "it is not a description")

    def _archive(self, key: str, text: bytes) -> bytes:
        try:
            return pack([json.loads(text)["sha256"]])
        except (ValueError, TypeError, LookupError):
            raise DamagedObject(key, self._store.url, "`sha256` is not a digest") from None

    def _ids(self, key: str, text: bytes) -> bytes:
        try:
            document = json.loads(text)
            ids = [document[name] for name in ("req_id", "full_id") if name in document]
            if ids and all(map(is_id, ids)):
                return bytes.fromhex("".join(ids))
        except (ValueError, TypeError):
            pass
        raise DamagedObject(key, self._store.url, "it names no environment")


class _Sink:
    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes, /) -> None:
        self.content += data


def _due(garbage: Mapping[str, ObjectInfo], old: Condemned | None) -> dict[str, ObjectInfo]:
    """What is garbage still, and as it was when it was listed."""
    etags = old.etags if old and not old.deleting else {}
    return {key: info for key, info in garbage.items() if etags.get(key) == info.etag}


def _digests(package: dict[str, Any]) -> list[str]:
    hashes = package["hashes"]
    digests = [hashes.get("sha256") or hashes["md5"]]
    if other := package.get("transmuted"):
        digests.append(other["sha256"])
    return digests


def _default_of(key: str) -> str:
    """The key of the default of a description's request."""
    return f"defaults/{key.split('/', 1)[1].rpartition('/')[0]}.json"


def _req_id(key: str) -> bytes:
    return bytes.fromhex(key.split("/")[1])


def _full_id(key: str) -> bytes:
    return bytes.fromhex(key.rpartition("/")[2].removesuffix(".json"))
