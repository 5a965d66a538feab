"""What is read of wheels while uv still chooses."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from resolvers._expected import ExpectedWheels
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_wheel

from .helpers import resolve, spec_of, versions

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from envid.packages import Package

_RANDOM = random.Random(1)
_LARGE = "".join(f"x{number} = {_RANDOM.getrandbits(64)}\n" for number in range(20_000))


class Waiting(FakeIndex):
    """Says nothing of a project before a wheel was asked for; `waited` tells whether it was."""

    project, wheel, waited = "dep", "app-1-py3-none-any.whl", False

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        end = time.monotonic() + 20
        while request.path == f"/simple/{self.project}/" and not self.waited:
            self.waited = bool(self.requests[f"/files/{self.wheel}"])
            if time.monotonic() > end:
                break
            time.sleep(0.01)
        super().answer(request)


def test_wheels_are_read_while_uv_chooses(tmp_path: Path) -> None:
    kept: list[str] = []

    def keep(package: Package, wheel: Path | bytes) -> None:
        assert isinstance(wheel, bytes)
        assert len(wheel) == package.size
        kept.append(package.filename)

    wheels = [
        make_wheel("app", "1", requires=["dep", "large"]),
        make_wheel("dep", "1"),
        make_wheel("large", "1", module=_LARGE),
    ]
    with Waiting(*wheels) as index:
        spec = spec_of("app", index=index.url)
        found = resolve(spec, tmp_path, keep=keep)
        assert index.waited
        assert resolve(spec, tmp_path, keep=keep) == found
        asked = [index.requests[f"/files/{wheel.filename}"] for wheel in wheels]
    # One for the end of each, and for what an end is not enough for.
    assert asked == [1, 1, 1]
    assert sorted(kept) == ["app-1-py3-none-any.whl", "dep-1-py3-none-any.whl"]
    assert found == resolve(spec, tmp_path, offline=True)


def test_what_is_small_is_kept_whole_and_has_its_hash_compared(tmp_path: Path) -> None:
    kept: list[str] = []
    medium = make_wheel("app", "1", module=_LARGE[:200_000])
    assert 64 << 10 < len(medium.data) < 256 << 10
    with FakeIndex(medium) as index:
        spec = spec_of("app", index=index.url)
        resolve(spec, tmp_path, keep=lambda package, _: kept.append(str(package.hashes.sha256)))
        assert index.requests[f"/files/{medium.filename}"] == 1
    assert kept == [medium.sha256]


def test_of_a_project_few_are_read_in_vain(tmp_path: Path) -> None:
    dead = [make_wheel("app", str(number), requires=["dep<1"]) for number in range(2, 9)]
    with FakeIndex(*dead, make_wheel("app", "1"), make_wheel("dep", "1")) as index:
        spec = spec_of("app", "dep", index=index.url)
        found = resolve(spec, tmp_path, keep=lambda _, __: None)
        asked = sum(
            count
            for path, count in index.requests.items()
            if path.startswith("/files/app-") and path.endswith(".whl")
        )
    assert versions(found) == {"app": "1", "dep": "1"}
    assert asked <= 3


def test_lines_that_are_none_of_its_are_passed_over(tmp_path: Path) -> None:
    with ExpectedWheels(ResolveContext(cache_dir=tmp_path)) as expected:
        for line in (
            "",
            "DEBUG No cache entry for: https://example.org/simple/app/",
            "DEBUG No cache entry for: https://[example.org/app-1-py3-none-any.whl",
            "DEBUG Found stale response for: https://example.org/app-1-py3-none-any.whl",
            "DEBUG No cache entry for: file:///app-1-py3-none-any.whl",
        ):
            expected.note(line)
        assert not expected.reading
