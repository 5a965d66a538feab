from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from pkgcache import errors
from pkgcache.errors import (
    AliasTaken,
    BadArchive,
    CacheError,
    Conflict,
    DamagedObject,
    DownloadError,
    HashMismatch,
    InvalidKey,
    LayoutTooNew,
    NotInCache,
    NotInStore,
    NotOurPrefix,
    NotTransmutable,
    PkgcacheError,
    PrefixError,
    PrefixExists,
    StoreError,
    TargetExists,
    UnsupportedStore,
)

EXAMPLES: list[tuple[PkgcacheError, str]] = [
    (
        HashMismatch("a.whl", "sha256:00", "sha256:11", "https://files.test/a.whl"),
        "`a.whl` from https://files.test/a.whl is sha256:11, expected sha256:00",
    ),
    (
        DownloadError(
            "https://a.test/x", "the server answered 503", status=503, retry_after=2.0, hint="wait"
        ),
        "cannot download `https://a.test/x`: the server answered 503",
    ),
    (
        StoreError("write", "a/b", "file:///s", "no space left on device", hint="make some"),
        "cannot write `a/b` in the store `file:///s`: no space left on device",
    ),
    (UnsupportedStore("x://y", "it is red"), "`x://y` is not a store: it is red"),
    (InvalidKey("..", "`..` is bad"), "`..` is not a key: `..` is bad"),
    (NotInStore("a", "file:///s"), "`a` is not in the store `file:///s`"),
    (Conflict("a", "file:///s"), "`a` in the store `file:///s` was written by somebody else"),
    (DamagedObject("a", "file:///s", "bad"), "`a` in the store `file:///s` is damaged: bad"),
    (
        LayoutTooNew("file:///s", 2, 1),
        "the store `file:///s` has layout 2, and this version of pkgcache knows up to 1",
    ),
    (AliasTaken("a:v1", "x:y"), "the alias `a:v1` is taken by `x:y`"),
    (BadArchive("a.whl", ("one", "two")), "`a.whl` is refused: one; two"),
    (BadArchive("a.whl", ("one",), "ask"), "`a.whl` is refused: one"),
    (BadArchive("a.whl", tuple("abcde")), "`a.whl` is refused: a; b; c; and 2 more"),
    (CacheError("/c", "full", hint="clean"), "cannot use the package cache at `/c`: full"),
    (NotTransmutable("a.whl", "no"), "`a.whl` cannot be transmuted: no"),
    (NotTransmutable("a.whl", "no", "another"), "`a.whl` cannot be transmuted: no"),
    (TargetExists("/a.conda"), "`/a.conda` exists already"),
    (NotInCache("a.whl"), "`a.whl` is not in the package cache"),
    (PrefixError("/p", "bad"), "`/p`: bad"),
    (PrefixExists("/p"), "`/p`: exists already"),
    (PrefixExists("/p", "another"), "`/p`: exists already"),
    (NotOurPrefix("/p"), "`/p`: is not deleted: it has no environment marker"),
    (NotOurPrefix("/p", "is a file"), "`/p`: is not deleted: it is a file"),
]


@pytest.mark.parametrize(("error", "text"), EXAMPLES)
def test_an_error_says_one_line_and_survives_pickling(error: PkgcacheError, text: str) -> None:
    assert str(error) == text
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (type(error), error.args)
    assert copy.__dict__ == error.__dict__
    assert str(copy) == text


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES if isinstance(error, OSError)])
def test_no_fact_is_taken_for_one_of_the_system(error: OSError) -> None:
    assert (error.errno, error.strerror, error.filename) == (None, None, None)


def test_every_public_error_has_an_example() -> None:
    elsewhere = {"PkgcacheError", "WorkerCrashed", "WorkerFailed"}
    assert {type(error).__name__ for error, _ in EXAMPLES} == {*errors.__all__} - elsewhere


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = (
        "import sys\n"
        "from pkgcache.local import cache\n"
        "from pkgcache.web import credentials, download\n"
        "from pkgcache.stores import directory, layout\n"
        "from pkgcache.prefixes import linking\n"
        "from pkgcache.prefixes import prefix\n"
        "from pkgcache import progress\n"
        "from pkgcache.share import shared\n"
        "from pkgcache.stores import store\n"
        "from pkgcache.archives import wheels\n"
        "heavy = {'requests', 'urllib3', 'packaging', 'zipfile', 'venv', 'pytest'}\n"
        "heavy |= {'boto3', 'botocore', 'azure.core', 'google.auth'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() in ([], ["packaging"])  # envid reads requirements with it
