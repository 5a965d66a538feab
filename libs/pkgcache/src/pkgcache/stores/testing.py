"""For tests: a store in memory, a slow store, and the suite that every store passes.

`MemoryStore` and `SlowStore` count their requests. Beside them, a handler for workers.

Needs pytest. A store's test module subclasses the suite and gives it a store:

    class TestDirectoryStore(StoreConformance):
        @pytest.fixture
        def store(self, tmp_path):
            return DirectoryStore(tmp_path / "store")
"""

# ruff: noqa: S101  (a suite of tests)

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pkgcache.errors import Conflict, InvalidKey, NotInStore
from pkgcache.stores._test_stores import MemoryStore, SlowStore, StoreRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pkgcache.stores.store import Store

__all__ = ["MemoryStore", "SlowStore", "StoreConformance", "StoreRequest", "work"]


class StoreConformance:
    """What every store must do. Subclass it and define the fixture `store`: an empty store."""

    def test_an_object_that_is_not_there(self, store: Store) -> None:
        assert store.head("a/b") is None
        assert store.exists(["a/b", "c"]) == set()
        assert list(store.list("")) == []
        with pytest.raises(NotInStore) as caught:
            store.read("a/b")
        assert (caught.value.key, caught.value.store) == ("a/b", store.url)
        store.delete("a/b")

    def test_what_was_put_comes_back(self, store: Store) -> None:
        put = store.put("a/b.json", b"content")
        assert store.read("a/b.json") == b"content"
        assert (put.key, put.size) == ("a/b.json", 7)
        info = store.head("a/b.json")
        assert info is not None
        assert (info.size, info.etag) == (7, put.etag)
        assert abs(info.modified - time.time()) < 3600  # noqa: PLR2004  clocks differ

    def test_a_file_is_put_whole(self, store: Store, tmp_path: Path) -> None:
        data = bytes(range(256)) * 40_000
        source = tmp_path / "file"
        source.write_bytes(data)
        store.put("big", source)
        buffer = io.BytesIO()
        assert store.get("big", buffer).size == len(data)
        assert buffer.getvalue() == data

    def test_an_empty_object_exists(self, store: Store) -> None:
        store.put("empty", b"")
        assert store.read("empty") == b""
        assert store.exists(["empty"]) == {"empty"}

    @pytest.mark.parametrize(("offset", "rest"), [(0, b"0123456789"), (4, b"456789"), (10, b"")])
    def test_reading_resumes_at_an_offset(self, store: Store, offset: int, rest: bytes) -> None:
        store.put("digits", b"0123456789")
        buffer = io.BytesIO()
        store.get("digits", buffer, offset)
        assert buffer.getvalue() == rest

    def test_a_put_replaces(self, store: Store) -> None:
        first = store.put("a", b"first")
        second = store.put("a", b"two")
        assert store.read("a") == b"two"
        assert first.etag != second.etag

    def test_exists_answers_for_many_keys(self, store: Store) -> None:
        for number in range(0, 60, 2):
            store.put(f"many/{number}", b"x")
        there = store.exists(f"many/{number}" for number in range(60))
        assert there == {f"many/{number}" for number in range(0, 60, 2)}

    def test_list_finds_by_prefix_in_the_order_of_keys(self, store: Store) -> None:
        keys = ["a/b/c", "a/b.json", "a/bc", "a-b", "b/a", "a/b/d/e"]
        for key in keys:
            store.put(key, key.encode())
        assert [info.key for info in store.list("")] == sorted(keys)
        assert [info.key for info in store.list("a/b")] == sorted(keys[:3] + keys[5:])
        assert [info.key for info in store.list("a/b/")] == ["a/b/c", "a/b/d/e"]
        assert [info.size for info in store.list("b")] == [3]
        assert list(store.list("nothing/here")) == []

    def test_delete(self, store: Store) -> None:
        store.put("a/b", b"x")
        store.delete("a/b")
        assert store.head("a/b") is None
        store.put("a/b", b"y", if_absent=True)
        assert store.read("a/b") == b"y"

    def test_put_if_absent(self, store: Store) -> None:
        store.put("a", b"first", if_absent=True)
        with pytest.raises(Conflict) as caught:
            store.put("a", b"second", if_absent=True)
        assert caught.value.key == "a"
        assert store.read("a") == b"first"

    def test_put_if_match(self, store: Store) -> None:
        first = store.put("a", b"first")
        second = store.put("a", b"two", if_match=first.etag)
        with pytest.raises(Conflict):
            store.put("a", b"three", if_match=first.etag)
        assert store.read("a") == b"two"
        assert store.get("a", io.BytesIO()).etag == second.etag
        store.delete("a")
        with pytest.raises(Conflict):
            store.put("a", b"four", if_match=second.etag)

    def test_of_many_writers_if_absent_one_wins(self, store: Store) -> None:
        assert self._winners(store, _small(8)) == 1

    def test_of_many_writers_if_match_one_wins(self, store: Store) -> None:
        etag = store.put("contended", b"start").etag
        assert self._winners(store, _small(8), if_match=etag) == 1

    def test_a_large_file_comes_back_and_resumes(self, store: Store, tmp_path: Path) -> None:
        source, data = _large(tmp_path / "large", b"large")
        told: list[int] = []
        put = store.put("large", source, task=_Told(told))
        assert (put.size, sum(told)) == (len(data), len(data))
        info = store.head("large")
        assert info is not None
        assert (info.size, info.etag) == (len(data), put.etag)
        for offset in (0, 13_000_001, len(data) - 1):
            buffer = io.BytesIO()
            got = store.get("large", buffer, offset)
            assert buffer.getvalue() == data[offset:]
            assert (got.size, got.etag) == (len(data), put.etag)

    def test_a_large_file_is_put_under_conditions(self, store: Store, tmp_path: Path) -> None:
        old, first = _large(tmp_path / "old", b"old")
        new, second = _large(tmp_path / "new", b"new")
        etag = store.put("large", old, if_absent=True).etag
        with pytest.raises(Conflict):
            store.put("large", new, if_absent=True)
        assert store.read("large") == first
        changed = store.put("large", new, if_match=etag).etag
        with pytest.raises(Conflict):
            store.put("large", old, if_match=etag)
        assert store.read("large") == second
        assert changed != etag

    def test_of_several_writers_of_a_large_file_one_wins(
        self, store: Store, tmp_path: Path
    ) -> None:
        files = [_large(tmp_path / str(n), str(n).encode()) for n in range(3)]
        assert self._winners(store, files) == 1
        for path, _ in files:
            store.put("other", path)
        assert store.read("other") == files[-1][1]

    def test_all_ways_to_learn_of_an_object_agree(self, store: Store) -> None:
        put = store.put("a/b", b"content")
        head, got = store.head("a/b"), store.get("a/b", io.BytesIO())
        (listed,) = store.list("a/")
        assert head is not None
        assert {info.etag for info in (put, head, got, listed)} == {put.etag}
        assert {info.size for info in (put, head, got, listed)} == {7}
        assert {info.key for info in (put, head, got, listed)} == {"a/b"}

    def test_many_objects_are_listed_once_each(self, store: Store) -> None:
        keys = [f"many/{number:03}" for number in range(45)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put(key, key.encode()), keys))
        assert [info.key for info in store.list("many/")] == keys
        assert [info.key for info in store.list("many/01")] == keys[10:20]

    def test_threads_do_not_get_in_each_others_way(self, store: Store) -> None:
        def use(number: int) -> None:
            key, data = f"own/{number}", bytes([number]) * 50_000
            for _ in range(3):
                store.put(key, data)
                assert store.read(key) == data
            store.delete(key)
            assert store.head(key) is None

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(use, range(16)))

    def test_a_reader_never_sees_half_an_object(self, store: Store) -> None:
        versions = [bytes([number]) * 300_000 for number in range(4)]
        store.put("a", versions[0])

        def write(number: int) -> None:
            for _ in range(5):
                store.put("a", versions[number])

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write, number) for number in range(4)]
            while not all(writer.done() for writer in writers):
                assert store.read("a") in versions
        for writer in writers:
            writer.result()

    @pytest.mark.parametrize(
        "key",
        [
            *("", "/a", "a/", "a//b", ".", "a/../b", "a/./b", ".hidden", "a/.b", "a\\b", "a b"),
            *("a\x00b", "é", "a" * 256, "a/" * 450 + "a", "a:b", "a*"),
        ],
    )
    def test_a_text_that_is_no_key_is_refused(self, store: Store, key: str) -> None:
        for operation in (store.head, store.read, store.delete):
            with pytest.raises(InvalidKey):
                operation(key)
        with pytest.raises(InvalidKey):
            store.put(key, b"x")
        with pytest.raises(InvalidKey):
            store.exists([key])

    def test_every_character_that_a_key_may_have(self, store: Store) -> None:
        key = "packages/a%2Fb/numpy-1!2.0+local~x=1@v_2.whl"
        store.put(key, b"x")
        assert store.read(key) == b"x"
        assert [info.key for info in store.list("packages/a%2F")] == [key]

    def _winners(
        self,
        store: Store,
        sources: Sequence[tuple[bytes | Path, bytes]],
        *,
        if_match: str | None = None,
    ) -> int:
        start = threading.Barrier(len(sources))

        def write(offer: tuple[bytes | Path, bytes]) -> bytes | None:
            source, data = offer
            start.wait()
            try:
                store.put("contended", source, if_absent=if_match is None, if_match=if_match)
            except Conflict:
                return None
            return data

        with ThreadPoolExecutor(len(sources)) as pool:
            won = [data for data in pool.map(write, sources) if data is not None]
        assert store.read("contended") == won[0]
        return len(won)


class _Told:
    """A task that remembers what it was told."""

    def __init__(self, amounts: list[int]) -> None:
        self._amounts = amounts

    def advance(self, amount: int = 1) -> None:
        self._amounts.append(amount)

    def done(self) -> None:
        pass


def _small(count: int) -> list[tuple[bytes | Path, bytes]]:
    return [(str(number).encode(), str(number).encode()) for number in range(count)]


def _large(path: Path, seed: bytes) -> tuple[Path, bytes]:
    """A file of 22 MB that looks different everywhere."""
    data = hashlib.shake_128(seed).digest(22_000_000)
    path.write_bytes(data)
    return path, data


class WithoutMemory(threading.Thread):
    """A thread that has no memory for its first line; whoever starts it waits for that."""

    def _bootstrap(self) -> None:
        raise MemoryError


async def work(
    report: Callable[[Any], None], *, do: str, value: Any = None, seconds: float = 0
) -> Any:
    """A handler for tests of workers: it does what it is told, after some seconds."""
    await asyncio.sleep(seconds)
    if do == "print":
        print(value)  # noqa: T201 - engines do, and it must not hurt
    elif do == "panic":  # what an engine in Rust says of it, past all buffers
        os.write(2, f"thread 'tokio' panicked at {value}\n".encode())
    elif do == "report":
        report(value)
    elif do == "variable":
        value = os.environ.get(value)
    elif do == "raise":
        raise ValueError(value)
    elif do == "starve":
        WithoutMemory().start()
    elif do == "crash":
        os.write(2, b"the engine is on fire\n")
        os.kill(os.getpid(), signal.SIGSEGV)
    elif do == "exit":
        os._exit(value)
    return {"value": value, "pid": os.getpid()}
