"""What the command calls a solution holds, and what it publishes can be created."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from resolvers.testing import make_wheel

from .channel import Entry, Recipe, cached, pack, write_channel

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers.testing import FakeIndex

    from .helpers import Machine

pytestmark = pytest.mark.slow


@pytest.fixture
def mixed(machine: Machine, tmp_path: Path) -> Machine:
    """A machine with a channel of a few packages in front of the one that has Python."""
    recipes = [
        noarch("py-vision", "4.9", "vision-python", {"vision/__init__.py": "SIDE = 'conda'\n"}),
        noarch(
            "grid",
            "1.5",
            "grid",
            {"grid.py": ""},
            "Provides-Extra: array\nRequires-Dist: array-lib; 'Array' == extra\n",
        ),
    ]
    channel = tmp_path / "own-channel"
    records: dict[str, Any] = {}
    for recipe in recipes:
        records |= pack(recipe, channel)
    write_channel(channel, records)
    machine.environ |= {
        "MFENV_CHANNELS": f"{channel.as_uri()} {cached().main.as_uri()}",
        "MFENV_PYTHON_PROVIDER": "conda",
    }
    return machine


def noarch(name: str, version: str, known_as: str, files: dict[str, str], more: str = "") -> Recipe:
    metadata = f"Metadata-Version: 2.1\nName: {known_as}\nVersion: {version}\n{more}"
    folder = f"{known_as.replace('-', '_')}-{version}.dist-info"
    texts = {**files, f"{folder}/METADATA": metadata}
    return Recipe(
        name=name,
        version=version,
        noarch="python",
        depends=("python",),
        files={f"site-packages/{path}": Entry(data=text.encode()) for path, text in texts.items()},
    )


def test_what_an_index_says_of_a_wheel_is_not_believed(machine: Machine, index: FakeIndex) -> None:
    wheel = make_wheel("lied-about", "1.0", requires=["needed>=2"])
    index.add(replace(wheel, metadata=make_wheel("lied-about", "1.0").metadata))
    done = machine.run("resolve", "--pypi", "lied-about")
    assert done.status == 1
    assert "`needed>=2` of `lied-about` 1.0 is not met: there is no `needed`" in done.err
    assert "hint: " in done.err
    assert not machine.objects()


def test_modules_of_two_packages_are_refused_before_anything_is_published(
    mixed: Machine, index: FakeIndex
) -> None:
    files = {"vision/__init__.py": "SIDE = 'pypi'\n", "vision/contrib.py": ""}
    index.add(make_wheel("vision-contrib", "4.9", files=files))
    words = ("--conda", "py-vision", "--pypi", "vision-contrib")
    done = mixed.run("resolve", *words)
    assert done.status == 1
    assert "conda's `py-vision` 4.9 and `vision-contrib` 4.9 both bring" in done.err
    assert "`vision/__init__.py`" in done.err
    assert not mixed.objects()

    mixed.environ["MFENV_CLOBBER"] = "1"
    done = mixed.run("resolve", *words, "--alias", "team/both:v1")
    assert done.status == 0
    assert "note: conda's `py-vision` 4.9 and `vision-contrib` 4.9 both bring" in done.err
    mixed.ok("create", "team/both:v1", "--name", "both")
    code = "import vision, vision.contrib; print(vision.SIDE)"
    assert mixed.ok("run", "both", "--", "python", "-c", code) == "conda"


def test_an_extra_of_a_conda_package_is_there_to_be_imported(
    mixed: Machine, index: FakeIndex
) -> None:
    index.add(
        make_wheel("array-lib", "2.0"),
        make_wheel("user", "1.0", requires=["grid[ARRAY]>=1"]),
    )
    mixed.ok("resolve", "--conda", "grid", "--pypi", "user", "--alias", "team/grid:v1")
    mixed.ok("create", "team/grid:v1", "--name", "grid")
    code = "import array_lib, grid, user; print('fine')"
    assert mixed.ok("run", "grid", "--", "python", "-c", code) == "fine"
