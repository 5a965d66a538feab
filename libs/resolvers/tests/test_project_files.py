"""What sources have of a project, as their pages say it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from resolvers._project_files import ProjectFiles
from resolvers._uv import Uv
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_wheel

from .helpers import spec_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("said", "microsecond"),
    [
        ("2024-05-05T12:00:00Z", 0),
        ("2024-05-05T12:00:00.5Z", 500_000),
        ("2024-05-05T12:00:00.123456789Z", 123_456),
        ("2024-05-05T14:00:00.12+02:00", 120_000),
        ("2024-05-05T12:00:00.1234567+00:00", 123_456),
        ("2024-05-05T12:00:00", 0),
        ("2024-05-05", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_when_a_file_came_is_read_alike_on_each_python(
    tmp_path: Path, said: str, microsecond: int | None
) -> None:
    with FakeIndex() as index:
        index.add(make_wheel("a", "1"), uploaded=said)
        context = ResolveContext(cache_dir=tmp_path)
        spec = spec_of("a", index=index.url)
        with Uv(context) as uv, ProjectFiles(uv, spec, context) as projects:
            (file,) = projects.of("a")
    noon = datetime(2024, 5, 5, 12, tzinfo=timezone.utc)
    wanted = None if microsecond is None else noon.replace(microsecond=microsecond)
    assert file.uploaded == wanted
