"""How long a server is waited for, and how often it is asked again: one policy for everybody."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TALKATIVE", "Pace", "Patience", "Tries", "waiting"]

TALKATIVE = 2.0
"""The seconds after which a wait is told."""
# Seconds: between two lines about the same wait, and between two looks at all of them.
_AGAIN, _TICK = 30.0, 0.5


def _quietly(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What is borne before a server counts as failing.

    `silence` is in seconds: for a connection, for an answer, and for each pause within it. An
    answer must bring at least `speed` bytes per second, measured over such a time. What fails is
    asked `tries` times in all, after random waits of at most `backoff` seconds, twice that, ..., or
    as long as the server's Retry-After says (RFC 9110, 10.2.3), but for `longest` seconds at most:
    who asks for more time is not waited for. `on_wait` is told of each wait over two seconds.
    """

    silence: float = 30.0
    speed: int = 1000
    tries: int = 3
    backoff: float = 0.5
    longest: float = 60.0
    on_wait: Callable[[str], None] = _quietly


class Tries:
    """The tries that a piece of work has left."""

    def __init__(self, patience: Patience, where: str) -> None:
        self._patience, self._where = patience, where
        self._failed = self._moved = 0

    def wait(self, retry_after: float | None, *, moved: bool = False) -> float | None:
        """After a failed try: the seconds until the next, None where there is none.

        `retry_after` is what the server asks for, None where trying again cannot help. Where
        something `moved`, such as bytes of a long object, it was a good try, and counting starts
        anew; but not without an end.
        """
        patience = self._patience
        # A server that sends a few bytes each time and closes would otherwise be asked for ever.
        if moved and self._moved < 10 * patience.tries:
            self._moved += 1
            self._failed = 0
        self._failed += 1
        if retry_after is None or self._failed >= patience.tries or retry_after > patience.longest:
            return None
        # Everybody who failed together must not come back together, or the server fails again.
        jitter = random.uniform(0, patience.backoff * 2 ** (self._failed - 1))  # noqa: S311
        seconds = max(jitter, retry_after)
        if seconds > TALKATIVE:
            patience.on_wait(f"waiting {seconds:.0f} s before asking {self._where} again")
        return seconds


class Pace:
    """Whether what arrives does so fast enough; made when the first byte is waited for."""

    def __init__(self, patience: Patience) -> None:
        self._patience, self._since, self._received = patience, time.monotonic(), 0

    def keeps(self, received: int) -> bool:
        """Count bytes, and say whether the last `silence` seconds brought enough of them."""
        self._received += received
        passed = time.monotonic() - self._since
        # Over shorter times a rate says nothing: a disk, a proxy, or TCP itself may pause.
        if passed < self._patience.silence:
            return True
        enough = self._received >= self._patience.speed * passed
        self._since, self._received = time.monotonic(), 0
        return enough


@contextmanager
def waiting(patience: Patience, where: str) -> Iterator[None]:
    """Tell of what is done inside, once it takes long."""
    # Nobody listens: no thread is needed.
    if patience.on_wait is _quietly:
        yield
        return
    key = _waits.begin(patience.on_wait, f"waiting for {where}")
    try:
        yield
    finally:
        _waits.end(key)


class _Waits:
    """All waits of this process: a thread looks at them while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[object, tuple[float, Callable[[str], None], str]] = {}
        self._told: dict[tuple[Callable[[str], None], str], float] = {}
        self._thread: threading.Thread | None = None

    def begin(self, on_wait: Callable[[str], None], text: str) -> object:
        key = object()
        with self._lock:
            self._begun[key] = time.monotonic(), on_wait, text
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no more threads are to be had
                    self._thread = None
        return key

    def end(self, key: object) -> None:
        with self._lock:
            self._begun.pop(key, None)

    def _look(self) -> None:
        while True:
            time.sleep(_TICK)
            with self._lock:
                if not self._begun:
                    self._thread = None
                    return
                due = self._due(time.monotonic())
            for on_wait, text in due:
                on_wait(text)

    def _due(self, now: float) -> list[tuple[Callable[[str], None], str]]:
        """What is to be told: each of many equal waits once in a while."""
        due = []
        for begun, on_wait, text in self._begun.values():
            wait = on_wait, text
            if now - begun > TALKATIVE and now - self._told.get(wait, now - _AGAIN) >= _AGAIN:
                self._told[wait] = now
                due.append(wait)
        return due


_waits = _Waits()
