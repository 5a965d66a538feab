"""Requests for conda and PyPI packages as people write them, on real data; see `tests.joint`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.joint import CHANNEL, REQUESTS, answer

from pkgcache.worker import Worker
from resolvers.errors import NoSolution

if TYPE_CHECKING:
    from pathlib import Path

    from tests.joint import Asked

pytestmark = [
    pytest.mark.network,
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not CHANNEL.is_dir(), reason="there is no ../shared/data"),
]

# The others take long, and show the same: `python -m tests.joint` has all of them.
TRIED = [REQUESTS[number] for number in (1, 5, 6, 7, 13, 17)]


@pytest.mark.parametrize("asked", TRIED, ids=lambda asked: asked.pypi[0])
def test_what_people_ask_for_is_solved_by_moving_conda(asked: Asked, tmp_path: Path) -> None:
    with Worker() as worker:
        alone = answer(asked, worker, tmp_path, rounds=0)
        joint = answer(asked, worker, tmp_path, rounds=50)
    assert isinstance(alone.error, NoSolution)
    if asked.moved is None:
        assert isinstance(joint.error, NoSolution)
        assert {text for text, _ in joint.error.asked} == {*asked.conda, *asked.pypi}
        assert "cannot hold together" in str(joint.error)
        return
    assert joint.error is None, joint.error
    name, version = asked.moved or ("", "")
    assert joint.version(name) == version
    assert joint.resolution
    assert any(
        note.startswith(f"conda's {name} {version} instead of ") for note in joint.resolution.notes
    )
