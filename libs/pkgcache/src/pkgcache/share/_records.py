"""The records of a shared store: descriptions, defaults, aliases, built wheels, what was transmuted."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envid.aliases import Alias, FullRef
from envid.errors import EnvidError
from envid.ids import EnvId, is_id
from envid.packages import Transmuted
from envid.resolved import ResolvedEnv
from pkgcache.archives import wheels
from pkgcache.errors import AliasTaken, Conflict, DamagedObject, LayoutTooNew, NotInStore
from pkgcache.share._claims import Claims
from pkgcache.stores import layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.stores.store import Store

__all__ = ["BuiltWheel", "SharedRecords"]

_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """The wheel that was built from a source state."""

    filename: str
    sha256: str
    size: int


class SharedRecords:
    """What an `EnvStore` reads and writes, but for publishing; see there."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.claims = Claims(store, self._look)
        self._checked = False

    def fetch_description(self, env_id: EnvId) -> ResolvedEnv | None:
        """The environment of that id, None where the store does not have it."""
        self._check_layout()
        key = layout.description_key(env_id)
        try:
            env = ResolvedEnv.from_json(self._read(key))
        except NotInStore:
            return None
        except EnvidError as error:
            raise DamagedObject(key, self.store.url, str(error)) from error
        # The id is a hash of the content, so that this notices any change of it.
        if env.env_id != env_id:
            raise DamagedObject(key, self.store.url, f"it describes `{env.env_id}`")
        return env

    def find(self, req_id: str, platform: str) -> tuple[EnvId, ...]:
        """The environments that were published for a request, the newest first."""
        self._check_layout()
        infos = sorted(
            self.store.list(f"environments/{req_id}/{platform}/"), key=lambda info: -info.modified
        )
        return tuple(env_id for info in infos if (env_id := _env_id(info.key)))

    def find_prefix(self, digits: str) -> tuple[EnvId, ...]:
        """The environments whose `req_id` starts with `digits`, on all platforms."""
        self._check_layout()
        # A directory need not be searched for the rest of a name that is whole.
        infos = self.store.list(f"environments/{digits}{'/' if is_id(digits) else ''}")
        return tuple(env_id for info in infos if (env_id := _env_id(info.key)))

    def default(self, req_id: str, platform: str) -> EnvId | None:
        """The environment that a bare `req_id` means, None where none was named."""
        document = self._pointer(layout.default_key(req_id, platform), "full_id")
        return EnvId(req_id, document["full_id"], platform) if document else None

    def set_default(self, env_id: EnvId) -> None:
        """Let the bare `req_id` of `env_id` mean it on its platform."""
        self._prepare()
        # What nothing has named until now may be garbage that is about to be deleted.
        self.claims.claim(layout.description_key(env_id))
        key = layout.default_key(env_id.req_id, env_id.platform)
        self.store.put(key, _json({"full_id": env_id.full_id}))

    def alias(self, alias: Alias) -> FullRef | None:
        """The environment that an alias names, None where it was not given."""
        document = self._pointer(layout.alias_key(alias), "req_id", "full_id")
        return FullRef(req_id=document["req_id"], full_id=document["full_id"]) if document else None

    def aliases(self, start: str = "") -> Iterator[tuple[Alias, float]]:
        """The aliases that start so, and when each was given, as POSIX times: a single listing."""
        self._check_layout()
        name, colon, tag = start.partition(":")
        prefix = f"aliases/{name.replace('/', '%2F')}{'/' if colon else ''}{tag}"
        for info in self.store.list(prefix):
            with suppress(EnvidError):  # an object that we did not put there
                yield layout.alias_of(info.key), info.modified

    def set_alias(self, alias: Alias, env: FullRef) -> None:
        """Give an alias to an environment, for all its platforms.

        A mutable alias is moved. Of several who give an immutable one to different environments
        one wins, and the others get `AliasTaken`; to give it to its holder again does nothing.
        """
        self._prepare()
        key = layout.alias_key(alias)
        content = _json({"full_id": env.full_id, "req_id": env.req_id})
        if alias.mutable:
            self.store.put(key, content)
        # Whoever has lost may have lost to himself, by a repetition.
        elif not self._put_once(key, content):
            holder = self.alias(alias)
            if holder != env:
                raise AliasTaken(str(alias), str(holder))

    def remove_alias(self, alias: Alias) -> None:
        """Take a name away from whatever environment has it; the environment stays."""
        self.store.delete(layout.alias_key(alias))

    def built_wheel(self, source_key: str) -> BuiltWheel | None:
        """The wheel that somebody built from a source state, None where nobody did."""
        record = self._archive(layout.built_key(source_key))
        return BuiltWheel(**record) if record else None

    def set_built_wheel(self, source_key: str, wheel: BuiltWheel, archive: Path) -> BuiltWheel:
        """Share the wheel `archive` that was built from a source state.

        Raises `BadArchive` where no environment can be created from it. Returns the wheel to use:
        another where somebody else was first.
        """
        wheels.check_archive(archive)
        self._prepare()
        key = layout.built_key(source_key)
        content = _json({"filename": wheel.filename, "sha256": wheel.sha256, "size": wheel.size})
        archive_key = layout.archive_key(wheel.sha256, wheel.filename)
        # It may lie there as garbage that is about to be deleted, and a put of the same bytes need
        # not change its etag.
        self.claims.claim(archive_key)
        # First, so that whoever reads the record gets the wheel.
        self.store.put(archive_key, archive)
        if self._put_once(key, content):
            return wheel
        return self.built_wheel(source_key) or wheel

    def transmuted(self, package: Package, to: str) -> Transmuted | None:
        """What a conda package was transmuted into, `conda` or `tar.bz2`; None if it was not."""
        record = self._archive(layout.transmuted_key(package, to))
        return Transmuted(**record) if record else None

    def set_transmuted(
        self, package: Package, to: str, other: Transmuted, *, replace: bool = False
    ) -> Transmuted:
        """Say what a conda package was transmuted into, after the archive was put.

        Returns what to use: another archive where somebody else was first, unless that is to be
        replaced.
        """
        self._prepare()
        key = layout.transmuted_key(package, to)
        content = _json(other._asdict())
        if replace:
            self.store.put(key, content)
        if replace or self._put_once(key, content):
            return other
        return self.transmuted(package, to) or other

    def _put_once(self, key: str, content: bytes) -> bool:
        try:
            self.store.put(key, content, if_absent=True)
        except Conflict:
            return False
        return True

    def _pointer(self, key: str, *fields: str) -> dict[str, str] | None:
        self._check_layout()
        document = self._object(key)
        if document is None:
            return None
        for field in fields:
            # What is in a store was written by anybody who may; ids become parts of keys and paths.
            if not isinstance(document.get(field), str) or not is_id(document[field]):
                raise DamagedObject(key, self.store.url, f"`{field}` is not an id")
        return document

    def _archive(self, key: str) -> dict[str, Any] | None:
        """The file name, sha256 and size of an archive, None where `key` has no object."""
        self._check_layout()
        record = self._object(key)
        if record is None:
            return None
        try:
            return {
                "filename": str(record["filename"]),
                "sha256": str(record["sha256"]),
                "size": int(record["size"]),
            }
        except (KeyError, TypeError, ValueError):
            raise DamagedObject(key, self.store.url, "a field is missing") from None

    def _object(self, key: str) -> dict[str, Any] | None:
        try:
            document = json.loads(self._read(key))
        except NotInStore:
            return None
        except DamagedObject:
            raise
        except (ValueError, RecursionError):
            raise DamagedObject(key, self.store.url, "it is not JSON") from None
        if not isinstance(document, dict):
            raise DamagedObject(key, self.store.url, "it is not an object")
        return document

    def _read(self, key: str) -> bytes:
        """The whole of an object that somebody else may have made as large as they like."""
        sink = _Small()
        try:
            self.store.get(key, sink)
        except _TooLarge:
            reason = f"it has more than {_LARGEST} bytes"
            raise DamagedObject(key, self.store.url, reason) from None
        return bytes(sink.content)

    def laid_out(self) -> bool:
        """Whether somebody has published something here."""
        return self._check_layout()

    def _check_layout(self) -> bool:
        """Whether the store has been laid out; raises `LayoutTooNew`."""
        return self._checked or self._look()

    def _look(self) -> bool:
        """Read the version of the layout, and which garbage is listed."""
        document = self._object(layout.LAYOUT_KEY)
        if document is None:
            self.claims.saw(None)
            # Not remembered: somebody may lay it out in the meantime.
            return False
        version = document.get("layout")
        if not isinstance(version, int):
            raise DamagedObject(layout.LAYOUT_KEY, self.store.url, "`layout` is not a number")
        if version > layout.LAYOUT:
            raise LayoutTooNew(self.store.url, version, layout.LAYOUT)
        self.claims.saw(_garbage(document))
        self._checked = True
        return True

    def _prepare(self) -> None:
        """Lay the store out, if nobody has yet."""
        if self._check_layout():
            return
        # Who has lost reads what the winner laid out, which may be a newer layout.
        self._checked = self._put_once(layout.LAYOUT_KEY, _json({"layout": layout.LAYOUT}))
        self._check_layout()


class _TooLarge(Exception):
    pass


class _Small:
    """A sink for at most `_LARGEST` bytes."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes, /) -> None:
        self.content += data
        if len(self.content) > _LARGEST:
            raise _TooLarge


def _garbage(document: Mapping[str, Any]) -> str | None:
    key = document.get("garbage")
    # Publishers write to this key, so it must be that of nothing else.
    return key if isinstance(key, str) and key.startswith("garbage/") else None


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _env_id(key: str) -> EnvId | None:
    """The id in the key of a description, None for a key that is none."""
    _, *ids = key.removesuffix(".json").split("/")
    match ids:
        case req_id, platform, full_id if is_id(req_id) and is_id(full_id):
            return EnvId(req_id, full_id, platform)
    return None
