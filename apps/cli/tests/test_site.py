from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mfenv.settings import Settings
from mfenv.site import Site

if TYPE_CHECKING:
    from pathlib import Path

THREADS = 8


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("cache", "pkgcache.local.cache.PackageCache"),
        ("store", "pkgcache.share.shared.EnvStore"),
        ("worker", "pkgcache.worker.Worker"),
    ],
)
def test_threads_share_what_is_made_once(
    name: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, kind = made.rpartition(".")
    original: Any = getattr(__import__(module, fromlist=[kind]), kind)
    count: Counter[str] = Counter()

    class Slow(original):  # type: ignore[misc]  # a class that is known by its name alone
        def __init__(self, *arguments: Any, **options: Any) -> None:
            count[name] += 1
            time.sleep(0.05)  # time enough for all who ask
            super().__init__(*arguments, **options)

    monkeypatch.setattr(made, Slow)
    start = threading.Barrier(THREADS)
    settings = Settings(home=str(tmp_path / "home"), store=(tmp_path / "store").as_uri())
    site = Site(settings)

    def ask(_: int) -> object:
        start.wait()
        return getattr(site, name)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))
    site.close()
    assert count[name] == 1
    assert len(set(map(id, found))) == 1
