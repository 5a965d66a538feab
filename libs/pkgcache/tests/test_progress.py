"""Work that is followed advances while it goes on, up to its total."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.prefix import create_venv
from pkgcache.progress import NoProgress, counted
from pkgcache.web.download import Downloader

from .helpers import env_of, make_wheel, package_of

if TYPE_CHECKING:
    from pkgcache.progress import Task, Unit

PYTHON = Path(sys.executable)


class Steps:
    """A task that remembers how it advanced."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def advance(self, amount: int = 1) -> None:
        self.steps.append(amount)

    def done(self) -> None:
        pass


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 1234])
def test_the_task_advances_as_items_are_done(number: int) -> None:
    task = Steps()
    assert list(counted(range(number), task)) == list(range(number))
    assert sum(task.steps) == number
    assert len(task.steps) == number // 100 + 1


def test_what_is_not_done_is_not_counted() -> None:
    task = Steps()
    items = counted(range(1000), task)
    for _ in range(250):
        next(items)
    assert sum(task.steps) == 200


def test_linking_and_unpacking_advance(tmp_path: Path) -> None:
    class Watch(NoProgress):
        def __init__(self) -> None:
            self.tasks: dict[str, tuple[int | None, Steps]] = {}

        def start(self, label: str, total: int | None, unit: Unit) -> Task:
            self.tasks[label] = (total, Steps())
            return self.tasks[label][1]

    watch, cache = Watch(), PackageCache(tmp_path / "cache")
    data = make_wheel("demo", files={f"demo/{number}.py": b"" for number in range(450)})
    wheel = tmp_path / package_of(data, "demo").filename
    wheel.write_bytes(data)
    package = package_of(data, "demo")._replace(url=wheel.as_uri())
    with Downloader() as downloader:
        cache.fetch([package], downloader=downloader, unpack=True, progress=watch)
    total, unpacking = watch.tasks["unpacking packages"]
    assert (total, unpacking.steps) == (1, [1])
    create_venv(env_of(package), tmp_path / "one", python=PYTHON, cache=cache, progress=watch)
    total, linking = watch.tasks["linking files"]
    assert total
    assert total > 450
    assert sum(linking.steps) == total
    assert len(linking.steps) > 3


def test_nothing_is_shown_by_default() -> None:
    task: Task = NoProgress().start("work", None, "files")
    task.advance()
    task.done()
