"""Commands on machines that know a hundred and ten thousand environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.garbage import garbage, verify
from tests.benchmarks.timing import MFENV, Side, compare
from tests.many import known

if TYPE_CHECKING:
    from pathlib import Path

_COUNTS = (10_000, 100)
_ASKED = ("resolve", "--pypi", "app", "--python", "3.11", "--platform", "linux-64")


def scale(folder: Path, rounds: int) -> None:
    """What is asked costs what it gives, however much else is known."""
    homes = {count: folder / f"known-{count}" for count in _COUNTS}
    for count, home in homes.items():
        known(home, count)[0].close()
        size = (home / "registry.sqlite").stat().st_size
        print(f"{count} environments of 300 packages: a registry of {size / 1e6:.0f} MB")
    for title, words, environ in (
        ("resolve what is known", _ASKED, {}),
        ("show", ("show", "app:v1"), {}),
        ("list ten", ("list", "--limit", "10"), {}),
        ("alias", ("alias", "app:v1", "app:latest"), {}),
        (
            "complete a name",
            (),
            {"COMP_WORDS": "mfenv show app", "COMP_CWORD": "2", "_MFENV_COMPLETE": "bash_complete"},
        ),
    ):
        sides = [
            Side(
                name=f"{count} environments known",
                command=lambda _, words=words: [MFENV, *words],  # type: ignore[misc]  # a default
                environ={"MFENV_HOME": str(home), "MFENV_LOCAL_ONLY": "1", **environ},
            )
            for count, home in homes.items()
        ]
        compare(f"scale: {title}", sides, rounds=rounds)
    garbage(folder, rounds)
    verify(folder, rounds)
