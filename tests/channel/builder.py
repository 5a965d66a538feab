"""Both channels, built once for each state of the machine and of this code."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.platforms import PLATFORMS, host_platform

from .content import main_recipes, second_recipes, stub_python, support_recipes
from .package import Recipe, pack, write_channel
from .pythons import Interpreter, find_interpreters, python_recipe
from .wheels import WHEELS, fetch_wheels, wheel_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Channels", "build", "cached"]

_KEPT = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where the channels lie; `has_wheels` is false if no index gave the wheels for `main`."""

    root: Path

    @property
    def main(self) -> Path:
        return self.root / "main"

    @property
    def second(self) -> Path:
        return self.root / "second"

    @property
    def has_wheels(self) -> bool:
        return bool(list(self.main.glob("noarch/requests-*")))


def cached() -> Channels:
    """The channels as this user's cache has them, built on first use; nobody may write there.

    They are shared by all test processes, and made again when the interpreters or this code
    change.
    """
    return _cached(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"))


# Once in a process: to look starts every interpreter of the machine.
@cache
def _cached(caches: Path) -> Channels:
    home = caches / "mfenv-test-channel"
    home.mkdir(parents=True, exist_ok=True)
    interpreters = find_interpreters()
    target = home / _key(interpreters)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            for old in home.glob("*/"):
                if time.time() - old.stat().st_mtime > _KEPT:
                    shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=home, prefix=".") as work:
                build(Path(work) / "channels", interpreters)
                (Path(work) / "channels").rename(target)
    return Channels(root=target)


def _key(interpreters: Iterable[Interpreter]) -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for state in sorted(one.state for one in interpreters):
        digest.update(f"{state}\n".encode())
    return digest.hexdigest()[:16]


def build(root: Path, interpreters: Iterable[Interpreter] | None = None) -> Channels:
    """Make both channels in a directory."""
    pythons = list(interpreters or find_interpreters())
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = stack.enter_context(ThreadPoolExecutor())
        wheels = pool.submit(fetch_wheels, work, [one.executable for one in pythons])
        pending = [
            pool.submit(_pack_python, one, work / one.version, root / "main") for one in pythons
        ]
        records: dict[str, Any] = {}
        for recipe in _recipes(pythons):
            records |= pack(recipe, root / "main")
        for path in wheels.result():
            records |= pack(wheel_recipe(path), root / "main")
        if not wheels.result():
            print(f"no index has {', '.join(WHEELS)}", file=sys.stderr)
        for one in pending:
            records |= one.result()
    write_channel(root / "main", records)
    second: dict[str, Any] = {}
    for recipe in second_recipes(host_platform()):
        second |= pack(recipe, root / "second")
    write_channel(root / "second", second)
    return Channels(root=root)


def _pack_python(one: Interpreter, work: Path, channel: Path) -> dict[str, dict[str, Any]]:
    return pack(python_recipe(one, work, host_platform()), channel)


def _recipes(pythons: Iterable[Interpreter]) -> Iterator[Recipe]:
    yield from main_recipes(host_platform())
    for minor in sorted({one.minor for one in pythons}):
        yield from support_recipes(minor)
    for version in sorted({one.version for one in pythons}):
        for subdir in PLATFORMS:
            if subdir != host_platform():
                yield stub_python(version, subdir)
