"""Actors on one store, one request at a time in random order, under a clock of their own."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pkgcache.stores.store import ObjectInfo, Sink
    from pkgcache.stores.testing import MemoryStore

LONGEST_REQUEST = 240.0


class Killed(BaseException):
    """What ends an actor at once, wherever it is."""


@dataclass(slots=True)
class _Turn:
    """A thread that waits for its turn: not before `earliest`, and, if it must, by `latest`."""

    earliest: float
    latest: float
    go: threading.Event = field(default_factory=threading.Event)


class World:
    """Runs actors. Each has one thread at work at a time, and only one actor has the turn.

    A request takes at most `LONGEST_REQUEST` seconds from when it is decided on; between requests
    an actor may `sleep` as long as it likes. `check` is called after every request.
    """

    def __init__(self, seed: int, check: Callable[[], None]) -> None:
        self.random = random.Random(seed)
        self.now = 1_000_000.0
        self.written: dict[str, float] = {}
        self._check = check
        self._turns: list[_Turn] = []
        self._changed = threading.Condition()
        self._alive = self._busy = 0
        self._errors: list[BaseException] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self._wait(self.now + seconds, float("inf"))

    def request(self) -> None:
        self._wait(self.now, self.now + LONGEST_REQUEST)

    def run(self, actors: dict[str, Callable[[], None]]) -> None:
        threads = [threading.Thread(target=self._act, args=one) for one in actors.items()]
        self._alive = self._busy = len(threads)
        for thread in threads:
            thread.start()
        while self._next():
            pass
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _act(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self._errors.append(error)
        finally:
            with self._changed:
                self._alive -= 1
                self._busy -= 1
                self._changed.notify_all()

    def _wait(self, earliest: float, latest: float) -> None:
        turn = _Turn(earliest, latest)
        with self._changed:
            self._turns.append(turn)
            self._busy -= 1
            self._changed.notify_all()
        turn.go.wait()

    def _next(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0)
            if not self._alive:
                return False
            self._check()
            self.now += self.random.choice([0, 0, 1, 30, 200])
            urgent = min(self._turns, key=lambda one: one.latest)
            self.now = max(self.now, min(one.earliest for one in self._turns))
            ready = [one for one in self._turns if one.earliest <= self.now]
            turn = self.random.choice(ready)
            if urgent.latest <= self.now:
                turn, self.now = urgent, min(self.now, max(urgent.latest, urgent.earliest))
            self._turns.remove(turn)
            self._busy += 1
        turn.go.set()
        return True


class SimulatedStore:
    """A store in memory whose requests take turns, and whose clock is that of the world."""

    endpoint = ""

    def __init__(self, world: World, objects: MemoryStore, *, dies: float = 0.0) -> None:
        self.url = objects.url
        self._world, self._objects, self._dies = world, objects, dies
        self._dead = False

    def login(self) -> str:
        return ""

    def head(self, key: str) -> ObjectInfo | None:
        self._turn()
        found = self._objects.head(key)
        return found and self._timed(found)

    def exists(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.head(key)}

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        self._turn()
        return self._timed(self._objects.get(key, sink, offset))

    def read(self, key: str) -> bytes:
        self._turn()
        return self._objects.read(key)

    def put(self, key: str, source: bytes | Path, **conditions: Any) -> ObjectInfo:
        self._turn()
        info = self._objects.put(key, source, **conditions)
        self._world.written[key] = self._world.now
        self._die()
        return self._timed(info)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._turn()
        yield from map(self._timed, list(self._objects.list(prefix)))

    def delete(self, key: str) -> None:
        self._turn()
        self._objects.delete(key)
        self._die()

    def _turn(self) -> None:
        if not self._dead:
            self._world.request()
        self._die()

    def _die(self) -> None:
        self._dead |= self._world.random.random() < self._dies
        if self._dead:
            raise Killed

    def _timed(self, info: ObjectInfo) -> ObjectInfo:
        return replace(info, modified=self._world.written[info.key])
