from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pkgcache.lazy import lazy

THREADS = 8


class Owner:
    def __init__(self) -> None:
        self.made = 0

    @lazy
    def value(self) -> object:
        """What is made."""
        self.made += 1
        time.sleep(0.05)  # time enough for all who ask
        return object()

    @lazy
    def of_value(self) -> object:
        return [self.value]

    @lazy
    def failing(self) -> object:
        self.made += 1
        if self.made == 1:
            raise OSError("not yet")
        return self.made


def test_many_threads_make_it_once() -> None:
    owner, start = Owner(), threading.Barrier(THREADS)

    def ask(number: int) -> object:
        start.wait()
        return owner.value if number % 2 else owner.of_value

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))
    assert owner.made == 1
    assert len(set(map(id, found))) == 2


def test_each_instance_has_its_own() -> None:
    assert Owner().value is not Owner().value
    assert Owner.value.__doc__ == "What is made."


def test_what_failed_is_tried_again() -> None:
    owner = Owner()
    with pytest.raises(OSError, match="not yet"):
        _ = owner.failing
    assert (owner.failing, owner.failing) == (2, 2)
