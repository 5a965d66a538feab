"""Writing a file and reading it, in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import reqparse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class Desk:
    """A directory with files in it, and the reading of them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(
        self,
        content: str | bytes,
        name: str = "requirements.txt",
        *,
        kind: str | None = None,
        env: Mapping[str, str] | None = None,
        fetch: Callable[[str], bytes] | None = None,
        groups: Sequence[str] = (),
        extras: Sequence[str] = (),
    ) -> reqparse.RequirementSet:
        path = self.put(name, content)
        return reqparse.parse_file(
            path, kind=kind, env=env or {}, fetch=fetch, groups=groups, extras=extras
        )

    def problems(
        self,
        content: str | bytes,
        name: str = "requirements.txt",
        *,
        kind: str | None = None,
        env: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        extras: Sequence[str] = (),
    ) -> list[str]:
        """Every problem as text, with the directory cut off."""
        with pytest.raises(reqparse.ParseErrors) as caught:
            self.read(content, name, kind=kind, env=env, groups=groups, extras=extras)
        return [str(p).replace(f"{self.root}/", "") for p in caught.value.problems]


def texts(found: reqparse.RequirementSet) -> list[str]:
    return [r.text for r in found.requirements]
