"""Who needs what, as uv says it and as the wheels do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolvers.testing import FakeIndex, make_wheel

from .helpers import resolve, spec_of

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "osx-arm64"

WHEELS = (
    make_wheel(
        "app",
        "1",
        requires=[
            "Core>=1",
            "core[fast]; extra == 'all'",
            "app[more]; extra == 'all'",
            "shell; extra == 'more' and sys_platform == 'linux'",
            "unused; extra == 'never'",
            "old; python_version < '3'",
            "mac; sys_platform == 'darwin' or extra == 'mac'",
        ],
        extras=["all", "more", "never", "mac"],
    ),
    make_wheel("core", "2", requires=["round", "speed~=1.0; extra == 'fast'"], extras=["fast"]),
    make_wheel("round", "1", requires=["core", "leaf; extra == 'x'"], extras=["x"]),
    make_wheel("speed", "1.5", requires=["round[X]"]),
    *(make_wheel(name, "1") for name in ("shell", "unused", "old", "mac", "leaf", "tool")),
)


@pytest.mark.parametrize("platform", ["linux-64", OTHER])
@pytest.mark.parametrize("asked", ["app", "app[all]", "app[mac]", "App[all,mac]", "core[fast]"])
def test_wheels_say_it_as_uv_does(tmp_path: Path, asked: str, platform: str) -> None:
    found = []
    with FakeIndex(*WHEELS) as index, FakeIndex() as empty:
        # Of two sources, the one of each package is known to uv alone, which is asked once more.
        for urls, questions in ((index.url,), 1), ((index.url, empty.url), 2):
            started: list[str] = []
            spec = spec_of(asked, "tool; sys_platform == 'linux'", index=urls)
            found.append(resolve(spec, tmp_path, platform, on_process=started.append))
            assert started.count(f"uv pip compile {platform}") == questions
    own, told = ({name: one.depends for name, one in each.items()} for each in found)
    assert own == told
    assert {one.source for one in found[0].values()} == {index.url.rstrip("/")}
