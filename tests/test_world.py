"""What `tests.world` asks for is the same every time, and what it has judged is not judged again."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .world.asking import PLATFORMS, known, make
from .world.judging import Finding, Judged
from .world.report import State, report
from .world.wheels import best

if TYPE_CHECKING:
    from pathlib import Path

    from .world.asking import Ask

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


def asked(number: int, seed: int = 1) -> Ask:
    return make(seed, number, packages=known(), pythons=PYTHONS, now=NOW)


def test_a_seed_and_a_number_make_a_request() -> None:
    asks = [asked(number) for number in range(200)]
    assert asks == [asked(number) for number in range(200)]
    assert asks != [asked(number, seed=2) for number in range(200)]
    assert {one.kind for one in asks} == {"alone", "group", "extras", "older"}
    assert {platform for one in asks for platform in one.platforms} == set(PLATFORMS)
    assert {one.python for one in asks} == set(PYTHONS)
    assert any("[" in one.requirements[0] for one in asks)
    assert min(one.moment for one in asks) < "2024"


def test_what_was_judged_stays(tmp_path: Path) -> None:
    state = State(tmp_path / "state", resume=False)
    fault = Finding(check="versions", verdict="fault", why="no")
    judged = Judged(asked="#3 a b", findings=[fault], smallest="#3 a")
    state.add("pypi", 1, 3, judged, seconds=1.0)
    again = State(tmp_path / "state", resume=True)
    assert again.has("pypi", 1, 3)
    assert not again.has("pypi", 2, 3)
    told = report(again, tmp_path / "report.json")
    assert "pypi #3 a b: no\n    smallest: #3 a" in told
    assert not State(tmp_path / "state", resume=False).has("pypi", 1, 3)


def test_the_best_wheel_is_that_of_the_platform_and_the_newest_floor() -> None:
    files = [
        "a-1-py3-none-any.whl",
        "a-1-cp311-cp311-manylinux2014_x86_64.whl",
        "a-1-cp311-cp311-manylinux_2_28_x86_64.whl",
        "a-1-cp311-cp311-manylinux_2_39_x86_64.whl",
        "a-1-cp310-abi3-macosx_11_0_universal2.whl",
    ]
    assert best(files, "linux-64", "3.11.7") == files[2]
    assert best(files, "linux-64", "3.12.1") == files[0]
    assert best(files, "osx-arm64", "3.12.1") == files[4]
    assert best(files[1:4], "linux-aarch64", "3.11.7") is None
