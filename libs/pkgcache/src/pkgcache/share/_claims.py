"""How publishers keep what they rely on in a store from being deleted under their hands.

A collector first lists what it condemns, in an object that `layout.json` names, and deletes it an
hour (`SETTLE`) later at the earliest. Publishers look at least every `LOOK` seconds, and take what
they rely on from the list, by a conditional put. A list that is being worked off is `deleting`;
who relies on something in it waits, and finds it missing.

So whoever describes an environment within `LAPSE` seconds after a look is safe: a list that came
after the look is not worked off before the description is there for the collector to see.
"""

from __future__ import annotations

import io
import json
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from pkgcache.errors import Conflict, DamagedObject, NotInStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pkgcache.stores.store import ObjectInfo, Store

# Seconds. What lies between LAPSE and SETTLE is for the request that relies on what was seen.
LOOK, LAPSE, SETTLE = 600.0, 3000.0, 3600.0
LEASE = 900.0
"""For how many seconds a list can be `deleting`, at most."""

_POLL = 2.0


class Condemned(NamedTuple):
    """A list: the etags of what it condemns, by key."""

    info: ObjectInfo
    etags: dict[str, str]
    deleting: bool


def read_list(store: Store, key: str) -> Condemned | None:
    """The list in the object `key`, None where it is gone."""
    buffer = io.BytesIO()
    try:
        info = store.get(key, buffer)
        document = json.loads(buffer.getvalue())
        return Condemned(info, dict(document["condemned"]), bool(document["deleting"]))
    except NotInStore:
        return None
    except (ValueError, TypeError, LookupError):
        raise DamagedObject(key, store.url, "it is not a list of garbage") from None


def list_content(etags: Mapping[str, str], *, deleting: bool) -> bytes:
    """What `read_list` reads."""
    document = {"condemned": etags, "deleting": deleting}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def boot_time() -> float:
    """Seconds that no change of the clock touches, those included in which a machine slept."""
    # Linux stops its CLOCK_MONOTONIC while a machine sleeps; macOS does not, and has no other.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Claims:
    """What a user of a store relies on. `look` reads `layout.json` and calls `saw`.

    Safe to use from several threads.
    """

    def __init__(
        self,
        store: Store,
        look: Callable[[], object],
        *,
        clock: Callable[[], float] = boot_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._look, self._clock, self._sleep = store, look, clock, sleep
        # One thread takes it twice: `look` calls `saw`.
        self._lock = threading.RLock()
        self._held: set[str] = set()
        self._list: str | None = None
        self._listed: set[str] | None = None
        self._looked: float | None = None

    def saw(self, garbage: str | None) -> None:
        """`layout.json` names this list, or none."""
        with self._lock:
            self._looked, self._list, self._listed = self._clock(), garbage, None

    def claim(self, *keys: str) -> None:
        """Rely on objects: those that are there stay, until an hour after the last `beat`.

        Raises `StoreError` where that cannot be promised for what was claimed before.
        """
        with self._lock:
            self.beat()
            # Before the list is searched for them: in a list that comes later, all that is held is
            # looked for.
            self._held.update(keys)
            self._rescue(keys)

    def beat(self) -> None:
        """Look again, if the last look was some time ago. Raises as `claim` does."""
        with self._lock:
            now = self._clock()
            # The machine may have slept: a list may have come and been worked off in the meantime,
            # so that nothing that was seen before can be relied upon.
            if self._looked is not None and self._held and now - self._looked > LAPSE:
                self._held, self._looked = set(), None
                reason = "it took a break of an hour"
                raise StoreError("publish to", "", self._store.url, reason, hint="publish again")
            if self._looked is None or now - self._looked > LOOK:
                # From before the request on, since its answer may be that old.
                self._look()
                self._looked = now
            # After each look, since it may have named another list.
            if self._listed is None:
                condemned = read_list(self._store, self._list) if self._list else None
                self._listed = set(condemned.etags) if condemned else set()
                self._rescue(self._held)

    def _rescue(self, keys: Iterable[str]) -> None:
        wanted = (self._listed or set()).intersection(keys)
        first = self._clock()
        while wanted and self._list and (condemned := read_list(self._store, self._list)):
            wanted &= condemned.etags.keys()
            if wanted and not condemned.deleting:
                # What stays on the list is for the collector; what is taken from it he will not
                # delete.
                left = {key: etag for key, etag in condemned.etags.items() if key not in wanted}
                content = list_content(left, deleting=False)
                try:
                    self._store.put(self._list, content, if_match=condemned.info.etag)
                except Conflict:
                    continue
                return
            # Nothing of these is listed any more, or whoever works the list off was killed on the
            # way.
            if not wanted or self._clock() - first > LEASE:
                return
            self._sleep(_POLL)
