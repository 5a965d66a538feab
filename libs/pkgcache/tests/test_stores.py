from __future__ import annotations

import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgcache.errors import Conflict, InvalidKey, StoreError, UnsupportedStore
from pkgcache.stores.directory import DirectoryStore
from pkgcache.stores.opening import open_store
from pkgcache.stores.store import check_key
from pkgcache.stores.testing import MemoryStore, SlowStore, StoreConformance

from .children import SPAWN, no_links, race_in_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkgcache.stores.store import Store


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    def test_counts_its_requests(self, store: MemoryStore) -> None:
        store.put("a", b"x")
        store.exists(["a", "b"])
        list(store.list(""))
        operations = [one.operation for one in store.requests]
        assert operations == ["put", "head", "head", "list"]


class TestSlowStore(StoreConformance):
    @pytest.fixture
    def store(self) -> Store:
        return SlowStore(MemoryStore())

    def test_every_request_waits_and_is_counted(self) -> None:
        store = SlowStore(MemoryStore(), latency=0.05)
        start = time.monotonic()
        store.put("a", b"x")
        store.read("a")
        assert time.monotonic() - start >= 0.1
        assert [one.operation for one in store.requests] == ["put", "get"]

    def test_threads_share_the_bandwidth(self) -> None:
        memory = MemoryStore()
        for key in "abcd":
            memory.put(key, bytes(250_000))
        store = SlowStore(memory, bandwidth=5e6)
        start = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            assert all(len(data) == 250_000 for data in pool.map(store.read, "abcd"))
        assert time.monotonic() - start >= 0.199


class TestDirectoryStore(StoreConformance):
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "a store"

    @pytest.fixture
    def store(self, root: Path) -> DirectoryStore:
        return DirectoryStore(root)

    def test_reading_makes_nothing(self, store: DirectoryStore, root: Path) -> None:
        assert store.head("a") is None
        assert list(store.list("a")) == []
        store.delete("a")
        assert not root.exists()

    def test_leaves_nothing_but_objects_and_a_few_locks(
        self, store: DirectoryStore, root: Path
    ) -> None:
        store.put("a/b", b"x", if_absent=True)
        store.put("a/b", b"x")
        with pytest.raises(Conflict):
            store.put("a/b", b"x", if_absent=True)
        with pytest.raises(Conflict):
            store.put("a/b", b"x", if_match="other")
        names = {one.relative_to(root).parts[0] for one in root.rglob("*") if one.is_file()}
        assert names == {"a", ".locks"}
        assert [one.name for one in (root / "a").iterdir()] == ["b"]

    def test_deleting_leaves_no_empty_folders(self, store: DirectoryStore, root: Path) -> None:
        for key in ("a/b/c/one", "a/b/two", "d/three"):
            store.put(key, b"x")
        store.delete("a/b/c/one")
        assert sorted(one.name for one in (root / "a/b").iterdir()) == ["two"]
        store.delete("a/b/two")
        store.delete("d/three")
        assert [one.name for one in root.iterdir()] == [".locks"]

    def test_a_folder_that_is_removed_meanwhile_is_made_again(
        self, store: DirectoryStore, root: Path
    ) -> None:
        done = threading.Event()

        def tidy() -> None:
            while not done.is_set():
                for folder in (root / "a/b", root / "a"):
                    with suppress(OSError):
                        folder.rmdir()
                done.wait(0.0001)  # or the other thread waits for this one at each of its calls

        with ThreadPoolExecutor(1) as pool:
            tidying = pool.submit(tidy)
            try:
                for _ in range(100):
                    store.put("a/b/c", b"x")
                    store.delete("a/b/c")
            finally:
                done.set()
            tidying.result()

    @pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
    def test_permissions_follow_the_umask(
        self, store: DirectoryStore, root: Path, umask: int
    ) -> None:
        before = os.umask(umask)
        try:
            store.put("a/b", b"x")
        finally:
            os.umask(before)
        assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o666 & ~umask
        assert stat.S_IMODE((root / "a").stat().st_mode) == 0o777 & ~umask

    def test_a_symbolic_link_in_the_place_of_an_object_is_not_followed(
        self, store: DirectoryStore, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "victim").write_bytes(b"precious")
        root.mkdir()
        (root / "link").symlink_to(tmp_path / "victim")
        assert store.head("link") is None
        with pytest.raises(StoreError, match="symbolic links"):
            store.read("link")
        with pytest.raises(Conflict):
            store.put("link", b"x", if_absent=True)
        store.put("link", b"x")
        assert (tmp_path / "victim").read_bytes() == b"precious"
        assert store.read("link") == b"x"

    def test_a_folder_is_no_object(self, store: DirectoryStore) -> None:
        store.put("a/b", b"x")
        assert store.head("a") is None
        assert store.head("a/b/c") is None
        for operation in (store.read, store.delete):
            with pytest.raises(
                StoreError, match=r"`a` in the store `file://.*: i(s a directory|t is not a file)"
            ):
                operation("a")

    def test_other_files_are_not_listed(self, store: DirectoryStore, root: Path) -> None:
        store.put("a", b"x")
        (root / ".DS_Store").touch()
        (root / "link").symlink_to("a")
        os.mkfifo(root / "pipe")
        assert [one.key for one in store.list("")] == ["a"]

    @pytest.mark.parametrize("there", ["", "below"])
    @pytest.mark.parametrize("key", ["a", "a/b"])
    def test_a_store_that_is_a_file_is_one_clear_error(
        self, root: Path, there: str, key: str
    ) -> None:
        root.touch()
        store = DirectoryStore(root / there)
        started = time.monotonic()
        operations: dict[str, Callable[[], object]] = {
            "write": lambda: store.put(key, b"x"),
            "look up": lambda: store.head(key),
            "read": lambda: store.read(key),
            "list": lambda: list(store.list(key)),
            "delete": lambda: store.delete(key),
        }
        for operation, ask in operations.items():
            with pytest.raises(
                StoreError, match=f"cannot {operation} `{key}` in the store .*: not a directory"
            ) as caught:
                ask()
            more = " that you may write to" if operation == "write" else ""
            assert (caught.value.hint or "").endswith(f"must be of a directory{more}")
        assert time.monotonic() - started < 5, "it waited for a file to become a directory"

    def test_a_store_where_nothing_can_be_made_is_one_clear_error(self) -> None:
        started = time.monotonic()
        with pytest.raises(StoreError, match="no such file"):
            DirectoryStore(Path("/proc/self/none")).put("a/b", b"x")
        assert time.monotonic() - started < 5, "it waited for a place to come"

    @pytest.mark.slow
    def test_a_full_disk_is_one_clear_error_and_the_object_stays(
        self, store: DirectoryStore, root: Path, tmp_path: Path
    ) -> None:
        store.put("a", b"old")
        with pytest.raises(StoreError, match="no such file"):
            store.put("a", tmp_path / "missing")
        child = SPAWN.Process(target=_put_limited, args=(root,))
        child.start()
        child.join()
        assert child.exitcode == 0
        assert store.read("a") == b"old"
        assert [one.name for one in root.iterdir() if one.name != ".locks"] == ["a"]

    def test_a_pipe_is_refused_and_not_waited_for(self, store: DirectoryStore, root: Path) -> None:
        root.mkdir()
        os.mkfifo(root / "a")
        assert store.head("a") is None
        assert list(store.list("")) == []
        with pytest.raises(StoreError, match="not a file"):
            store.read("a")

    @pytest.mark.slow
    @pytest.mark.parametrize("replaced", [True, False])
    def test_of_several_processes_one_wins(
        self, store: DirectoryStore, root: Path, *, replaced: bool
    ) -> None:
        etag = store.put("a", b"").etag if replaced else None
        children = [
            SPAWN.Process(target=race_in_directory, args=(root, n, etag, os.link is no_links))
            for n in range(4)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert sorted(child.exitcode or 0 for child in children) == [0, 1, 1, 1]

    def test_its_url_opens_it_again(self, store: DirectoryStore) -> None:
        store.put("a", b"x")
        assert store.url.endswith("/a%20store")
        assert open_store(store.url).read("a") == b"x"


class TestDirectoryStoreWithoutLinks(TestDirectoryStore):
    """On a file system that has no hard links."""

    @pytest.fixture(autouse=True)
    def _without_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.link", no_links)


def _put_limited(root: Path) -> None:
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    with pytest.raises(StoreError, match="file too large"):
        DirectoryStore(root).put("a", b"x" * 5000)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://host/x", "/plain/path", "", "file:", "file:///", "file://host/path", "C:\\x"),
        "https://me:geheim@host/x",
    ],
)
def test_a_url_that_is_no_store_says_what_is(url: str) -> None:
    with pytest.raises(UnsupportedStore, match="supported are `file://`") as caught:
        open_store(url)
    assert "geheim" not in f"{caught.value!s}{caught.value!r}"


@given(st.text())
def test_a_key_is_checked_or_stays_in_the_store(text: str) -> None:
    try:
        key = check_key(text)
    except InvalidKey:
        return
    assert os.path.normpath(key) == key
    assert not key.startswith(("/", "."))
